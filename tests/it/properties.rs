//! Homes by REST: made, changed, shown, taken back and removed; and who sees them when.

use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderName, Method};
use latchkey_protocol::rest::{CreateBlock, CreateProperty, FoundProperty, Page};
use latchkey_protocol::server::Resumption;
use latchkey_protocol::view::{BookingState, Property, PropertyState};
use latchkey_protocol::{CloseCode, ErrorCode, Seq, Topic};
use serde_json::{Value, json};

use crate::support::guest::PASSWORD;
use crate::support::hub::{cottage, list_as, list_home};
use crate::support::rest::{Answer, Request};
use crate::support::{Client, Guest, Hub, eventually, fresh_key, nights, refused};

/// A request that changes the version that was read.
pub(crate) fn change<'a>(guest: &'a Guest, method: Method, path: &str, version: i64) -> Request<'a> {
    guest.rest.request(method, path).bearer(&guest.tokens.access_token).header(IF_MATCH, &format!("\"v{version}\""))
}

/// A request without a body or a key.
pub(crate) fn plain<'a>(guest: &'a Guest, method: Method, path: &str) -> Request<'a> {
    guest.rest.request(method, path).bearer(&guest.tokens.access_token)
}

async fn patch(host: &Guest, home: &Property, body: &Value) -> Answer {
    change(host, Method::PATCH, &format!("/properties/{}/", home.id), home.version).json(body).send().await
}

async fn act(host: &Guest, home: &Property, action: &str) -> Property {
    plain(host, Method::POST, &format!("/properties/{}/{action}/", home.id)).send().await.expect_json(200)
}

/// What somebody gets from everything that shows a home; whether the search shows it is what is waited for, since what is committed comes to
/// its index a moment later.
async fn sees(guest: &Guest, home: &Property, is_found: bool) -> Vec<bool> {
    let dates = nights(50, 2);
    let seen = vec![
        guest.get(&format!("/properties/{}/", home.id)).send().await.status == 200,
        guest.get(&format!("/properties/{}/calendar/", home.id)).send().await.status == 200,
        guest.quote(home, dates).await.is_ok(),
        guest.live.subscribe(Topic::Property(home.id)).await.is_ok(),
    ];
    eventually(format!("the search to find it: {is_found}"), || async {
        let page: Page<FoundProperty> = guest.get("/properties/").send().await.expect_json(200);
        (page.items.iter().any(|item| item.id == home.id) == is_found).then_some(())
    })
    .await;
    let _ = guest.live.unsubscribe(Topic::Property(home.id)).await;
    seen
}

#[tokio::test]
async fn p8_a_home_is_its_hosts_alone_unless_it_is_published() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_as(&host, &CreateProperty { publish: false, ..cottage() }).await;
    assert_eq!((home.state, home.version), (PropertyState::Draft, 1));
    assert_eq!(sees(&ada, &home, false).await, [false; 4]);
    assert_eq!(sees(&host, &home, false).await, [true; 4]);
    hub.rest.get(&format!("/properties/{}/", home.id)).send().await.expect_problem(404, ErrorCode::NotFound);
    refused(ada.hold(&home, nights(50, 2)).await, ErrorCode::NotFound);
    refused(host.hold(&home, nights(50, 2)).await, ErrorCode::InvalidState);

    let published = act(&host, &home, "publish").await;
    assert_eq!((published.state, published.version), (PropertyState::Published, 2));
    assert_eq!(act(&host, &home, "publish").await.version, 2, "said again, it changes nothing");
    assert_eq!(sees(&ada, &home, true).await, [true; 4]);
    let watcher = hub.watcher(&home).await;
    assert_eq!(watcher.first.seq, 2);

    let unlisted = act(&host, &home, "unlist").await;
    assert_eq!((unlisted.state, unlisted.version), (PropertyState::Unlisted, 3));
    let told = watcher.client.event_of(watcher.topic, "property.unlisted").await;
    assert_eq!(told.data, json!({"property": home.id, "version": 3}));
    assert_eq!(sees(&ada, &home, false).await, [false; 4]);
    assert_eq!(sees(&host, &home, false).await, [true; 4]);
    let mine: Page<Property> = host.get("/properties/mine/").send().await.expect_json(200);
    assert_eq!(mine.items.iter().map(|home| home.state).collect::<Vec<_>>(), [PropertyState::Unlisted]);
    let theirs: Page<Property> = ada.get("/properties/mine/").send().await.expect_json(200);
    assert!(theirs.items.is_empty());
    for action in ["publish", "unlist"] {
        let path = format!("/properties/{}/{action}/", home.id);
        plain(&ada, Method::POST, &path).send().await.expect_problem(404, ErrorCode::NotFound);
    }
}

/// Follows a home and takes note of where its topic ends.
async fn ends_with(client: &Client, topic: Topic, kind: &str) -> Seq {
    let last = client.event_of(topic, kind).await;
    let ended = client.ended().await;
    assert_eq!((ended.topic, ended.error.code), (topic, ErrorCode::NotFound));
    last.seq
}

#[tokio::test]
async fn p8_a_home_that_is_taken_back_ends_for_its_watchers_and_goes_on_for_its_host() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let topic = Topic::Property(home.id);
    let watcher = hub.watcher(&home).await;
    let epoch = ada.live.hello.epoch.clone();
    for guest in [&host, &ada] {
        guest.live.subscribe(topic).await.unwrap();
    }
    let (hold, blocked) = (ada.hold(&home, nights(0, 2)).await.unwrap(), nights(20, 1));
    let block = CreateBlock { from: blocked.check_in, to: blocked.check_out, note: None };
    act(&host, &home, "unlist").await;
    let last = ends_with(&watcher.client, topic, "property.unlisted").await;
    assert_eq!(ends_with(&ada.live, topic, "property.unlisted").await, last);
    // Neither the end of her own hold nor what the host does is theirs to see; the host sees both.
    ada.release(&hold).await.unwrap();
    assert_eq!(host.post(&format!("/properties/{}/blocks/", home.id), &block).send().await.status, 201);
    host.live.event(topic, last + 2).await;
    for client in [&watcher.client, &ada.live] {
        refused(client.subscribe(topic).await, ErrorCode::NotFound);
        let resumed = client.resume(&epoch, [(topic, last)]).await;
        assert!(matches!(&resumed.topics[&topic], Resumption::Refused(error) if error.code == ErrorCode::NotFound), "{resumed:?}");
        assert_eq!(client.events(topic).last().unwrap().seq, last);
    }
    let back = Guest::log_in(hub.address, &host.email).await;
    let resumed = back.live.resume(&epoch, [(topic, last - 1)]).await;
    assert_eq!(resumed.topics[&topic], Resumption::Resumed { head: last + 2 }, "the host's own");

    // It comes back, and whoever asks follows it again: also what happened meanwhile, which is public now.
    act(&host, &home, "publish").await;
    let resumed = ada.live.resume(&epoch, [(topic, last - 1)]).await;
    assert_eq!(resumed.topics[&topic], Resumption::Resumed { head: last + 3 });
    ada.hold(&home, nights(40, 2)).await.unwrap();
    ada.live.event(topic, last + 4).await;
    assert!(ada.live.is_open() && watcher.client.is_open());
    assert_eq!(watcher.client.events(topic).last().unwrap().seq, last, "who did not ask does not");
}

#[tokio::test]
async fn p8_a_home_that_is_gone_ends_for_everybody_and_one_whose_host_is_suspended_for_its_watchers() {
    let hub = Hub::start().await;
    let (host, root) = (hub.guest("helga").await, hub.admin("root").await);
    let (gone, stays) = (list_home(&host).await, list_home(&host).await);
    let (of_gone, of_stays) = (hub.watcher(&gone).await, hub.watcher(&stays).await);
    host.live.subscribe(of_gone.topic).await.unwrap();
    assert_eq!(plain(&host, Method::DELETE, &format!("/properties/{}/", gone.id)).send().await.status, 204);
    for client in [&of_gone.client, &host.live] {
        ends_with(client, of_gone.topic, "property.deleted").await;
        refused(client.subscribe(of_gone.topic).await, ErrorCode::NotFound);
    }
    assert_eq!(root.post(&format!("/admin/users/{}/suspend/", host.user), &()).send().await.status, 200);
    ends_with(&of_stays.client, of_stays.topic, "property.unlisted").await;
}

#[tokio::test]
async fn what_ended_by_itself_does_not_count_among_what_a_connection_follows() {
    let hub = Hub::start().await;
    let host = hub.guest("helga").await;
    let home = list_home(&host).await;
    let watcher = hub.watcher(&home).await;
    act(&host, &home, "unlist").await;
    ends_with(&watcher.client, watcher.topic, "property.unlisted").await;
    // Whoever has no name and follows nothing is sent away after ten seconds.
    hub.advance_s(11);
    watcher.client.expect_end(CloseCode::IdleTimeout).await;
}

#[tokio::test]
async fn what_is_booked_or_held_of_a_home_goes_on_living_when_it_is_taken_back() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let (hold, booking) = (ada.hold(&home, nights(0, 2)).await.unwrap(), ada.hold_and_book(&home, nights(5, 2)).await);
    act(&host, &home, "unlist").await;
    ada.pay(&booking, "pm_card_visa").await.unwrap();
    assert_eq!(ada.booking(booking.id).await.state, BookingState::Confirmed);
    let from_hold = ada.book(&hold).await.unwrap();
    assert_eq!(from_hold.state, BookingState::PendingPayment);
    let path = format!("/properties/{}/", home.id);
    let problem = plain(&host, Method::DELETE, &path).send().await.expect_problem(409, ErrorCode::InvalidState);
    assert_eq!(problem.error.details["state"], "booked".into());
    ada.cancel(&from_hold).await.unwrap();
    ada.cancel(&booking).await.unwrap();
    plain(&ada, Method::DELETE, &path).send().await.expect_problem(404, ErrorCode::NotFound);
    assert_eq!(plain(&host, Method::DELETE, &path).send().await.status, 204);
    for guest in [&host, &ada] {
        assert_eq!(sees(guest, &home, false).await, [false; 4]);
    }
    plain(&host, Method::DELETE, &path).send().await.expect_problem(404, ErrorCode::NotFound);
    let mine: Page<Property> = host.get("/properties/mine/").send().await.expect_json(200);
    assert!(mine.items.is_empty());
    assert_eq!(ada.booking(booking.id).await.property, home.id, "the booking is still there");
}

#[tokio::test]
async fn p8_what_the_host_keeps_of_a_home_is_not_what_others_keep() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let path = format!("/properties/{}/", home.id);
    let (own, public) = (host.get(&path).send().await, ada.get(&path).send().await);
    let (own_tag, public_tag) = (own.header("etag").unwrap(), public.header("etag").unwrap());
    assert_eq!(ada.get(&path).header(IF_NONE_MATCH, own_tag).send().await.status, 200, "they have not seen theirs");
    assert_eq!(host.get(&path).header(IF_NONE_MATCH, public_tag).send().await.status, 200);
    assert_eq!(ada.get(&path).header(IF_NONE_MATCH, public_tag).send().await.status, 304);
    // Which view of a version a change is based on does not matter.
    for (tag, title) in [(own_tag, "One"), (public_tag, "Two")] {
        let answer = plain(&host, Method::PATCH, &path).header(IF_MATCH, tag).json(&json!({"title": title})).send().await;
        assert_eq!(answer.status, if title == "One" { 200 } else { 412 });
    }
    let public = ada.get(&path).send().await;
    let answer =
        plain(&host, Method::PATCH, &path).header(IF_MATCH, public.header("etag").unwrap()).json(&json!({"title": "Three"})).send().await;
    answer.expect_json::<Property>(200);
}

#[tokio::test]
async fn a_change_must_be_based_on_the_version_that_is_there() {
    let hub = Hub::start().await;
    let host = hub.guest("helga").await;
    let home = list_home(&host).await;
    let path = format!("/properties/{}/", home.id);
    let read = host.get(&path).send().await;
    assert_eq!(read.header("etag"), Some("\"v1\""));
    assert_eq!(host.get(&path).header(IF_NONE_MATCH, "\"v1\"").send().await.status, 304);

    let title = json!({"title": "Another title"});
    plain(&host, Method::PATCH, &path).json(&title).send().await.expect_problem(428, ErrorCode::PreconditionRequired);
    let changed = patch(&host, &home, &title).await;
    assert_eq!(changed.header(ETAG.as_str()), Some("\"v2\""));
    let changed: Property = changed.expect_json(200);
    assert_eq!((changed.version, changed.title.as_str()), (2, "Another title"));
    let problem = patch(&host, &home, &json!({"title": "Lost"})).await.expect_problem(412, ErrorCode::PreconditionFailed);
    assert_eq!(problem.error.details["version"], 2_i64.into());
    let again = host.get(&path).header(IF_NONE_MATCH, "\"v1\"").send().await;
    assert_eq!(again.expect_json::<Property>(200).title, "Another title", "nobody reads what was true before their own write");
    let stranger = hub.guest("ada").await;
    patch(&stranger, &home, &title).await.expect_problem(404, ErrorCode::NotFound);

    // Of many who read the same version one is first, and each of the others is told.
    let current: Property = host.get(&path).send().await.expect_json(200);
    let bodies: Vec<Value> = (0..8).map(|number| json!({"bedrooms": number})).collect();
    let answers = futures_util::future::join_all(bodies.iter().map(|body| patch(&host, &current, body))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
}

#[tokio::test]
async fn what_is_left_out_stays_and_null_clears_what_may_be_absent() {
    let hub = Hub::start().await;
    let host = hub.guest("helga").await;
    let mut home = list_home(&host).await;
    for (body, expected) in [
        (json!({}), json!({})),
        (json!({"country": null}), json!({"country": null})),
        (json!({"country": "DE", "address": "Weg 2"}), json!({"country": "DE", "address": "Weg 2"})),
        (
            json!({"weekend_minor": 12_000, "check_in_until_minute": 1_320}),
            json!({"weekend_minor": 12_000, "check_in_until_minute": 1_320}),
        ),
        (json!({"weekend_minor": null}), json!({"weekend_minor": null, "check_in_until_minute": 1_320})),
        (json!({"amenities": ["pool", "wifi", "pool"]}), json!({"amenities": ["wifi", "pool"]})),
        (json!({"check_in_days": ["sunday", "monday"]}), json!({"check_in_days": ["monday", "sunday"]})),
        (
            json!({"location": {"latitude": -33.123_456_7, "longitude": 151.2}}),
            json!({"location": {"latitude": -33.123_457, "longitude": 151.2}}),
        ),
        (json!({"title": "  Trimmed "}), json!({"title": "Trimmed"})),
    ] {
        let mut wanted = serde_json::to_value(&home).unwrap();
        for (field, value) in expected.as_object().unwrap() {
            match value {
                Value::Null => wanted.as_object_mut().unwrap().remove(field),
                value => wanted.as_object_mut().unwrap().insert(field.clone(), value.clone()),
            };
        }
        let changed: Property = patch(&host, &home, &body).await.expect_json(200);
        wanted["version"] = (home.version + 1).into();
        wanted["updated_at"] = changed.updated_at.into();
        assert_eq!(serde_json::to_value(&changed).unwrap(), wanted, "{body}");
        home = changed;
    }
    for (body, field) in [
        (json!({"title": null}), "title"),
        (json!({"title": ""}), "title"),
        (json!({"state": "draft"}), "state"),
        (json!({"country": "XX"}), "country"),
        (json!({"location": null}), "location"),
        (json!({"location": {"latitude": 91, "longitude": 0}}), "latitude"),
        (json!({"seasons": [{"from": "2027-01-05", "to": "2027-01-05"}]}), "seasons"),
        (json!({"check_out_days": []}), "check_out_days"),
        (json!({"max_guests": 0}), "max_guests"),
        (json!({"tax_bp": 5001}), "tax_bp"),
        (json!({"min_nights": 29}), "max_nights"),
        (json!({"check_in_from_minute": 1_439}), "check_in_until_minute"),
    ] {
        let problem = patch(&host, &home, &body).await.expect_problem(422, ErrorCode::Invalid);
        let named = &problem.error.details["field"];
        assert!(*named == field.into() || *named == "body".into(), "{body}: {named:?}");
    }
    patch(&host, &home, &json!({"currency": "USD"})).await.expect_problem(409, ErrorCode::InvalidState);
}

#[tokio::test]
async fn p8_a_homes_address_is_its_hosts_alone_and_no_text_of_it_is_in_an_event() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    host.become_host().await;
    let key = fresh_key();
    let ask = || host.rest.post("/properties/").bearer(&host.tokens.access_token).key(&key).json(&cottage());
    let home: Property = ask().send().await.expect_json(201);
    assert!(home.address.is_some());
    let again: Property = ask().send().await.expect_json(201);
    assert_eq!(again, home, "the same key gives the first home");
    host.live.subscribe(Topic::Property(home.id)).await.unwrap();
    let path = format!("/properties/{}/", home.id);
    let theirs: Property = ada.get(&path).send().await.expect_json(200);
    assert_eq!(theirs, Property { address: None, ..home.clone() });
    let anonymous = hub.rest.get(&path).send().await;
    let listed = hub.rest.get("/properties/").send().await;
    patch(&host, &home, &json!({"address": "Kahlenberger Straße 2"})).await.expect_json::<Property>(200);
    let event = host.live.event_of(Topic::Property(home.id), "property.updated").await;
    for text in [anonymous.text(), listed.text(), event.data.to_string()] {
        assert!(!text.contains("Kahlenberger"), "{text}");
    }
}

#[tokio::test]
async fn p7_a_home_made_twice_with_one_key_is_one_even_when_it_was_changed_and_deleted_since() {
    let hub = Hub::start().await;
    let host = hub.guest("helga").await;
    host.become_host().await;
    let key = fresh_key();
    let ask = || host.rest.post("/properties/").bearer(&host.tokens.access_token).key(&key).json(&cottage()).send();
    let home: Property = ask().await.expect_json(201);
    patch(&host, &home, &json!({"title": "Another"})).await.expect_json::<Property>(200);
    assert_eq!(ask().await.expect_json::<Property>(201), home);
    assert_eq!(plain(&host, Method::DELETE, &format!("/properties/{}/", home.id)).send().await.status, 204);
    assert_eq!(ask().await.expect_json::<Property>(201), home);
}

#[tokio::test]
async fn a_home_says_after_a_restart_what_it_said_before() {
    let mut hub = Hub::start().await;
    let host = hub.guest("helga").await;
    let season = json!({"from": "2027-06-01", "to": "2027-09-01", "nightly_minor": 15_000, "min_nights": 5});
    let mut ask = serde_json::to_value(cottage()).unwrap();
    ask["seasons"] = json!([season]);
    ask["amenities"] = json!(["garden", "wifi"]);
    ask["description"] = "Between the vines.".into();
    let home = list_as(&host, &ask).await;
    assert_eq!(serde_json::to_value(&home.seasons).unwrap(), json!([season]));
    hub.restart().await;
    let host = Guest::log_in(hub.address, &host.email).await;
    let read = host.get(&format!("/properties/{}/", home.id)).send().await;
    assert_eq!(read.expect_json::<Property>(200), home);
    let none = HeaderName::from_static("if-none-match");
    assert_eq!(host.get(&format!("/properties/{}/", home.id)).header(none, "\"v1\"").send().await.status, 304);
}

#[tokio::test]
async fn an_admin_sees_every_home_and_the_homes_of_one_who_is_erased_are_gone() {
    let hub = Hub::start().await;
    let (host, root) = (hub.guest("helga").await, hub.guest("root").await);
    hub.services().accounts.grant_admin(&root.email).await.unwrap();
    let draft = list_as(&host, &CreateProperty { publish: false, ..cottage() }).await;
    let seen: Property = root.get(&format!("/properties/{}/", draft.id)).send().await.expect_json(200);
    assert_eq!(seen, draft);
    let path = format!("/properties/{}/", draft.id);
    change(&root, Method::PATCH, &path, 1).json(&json!({})).send().await.expect_problem(404, ErrorCode::NotFound);

    let home = list_home(&host).await;
    let erase = host.rest.post("/users/me/erase/").bearer(&host.tokens.access_token).json(&json!({"password": PASSWORD}));
    assert_eq!(erase.send().await.status, 204);
    hub.rest.get(&format!("/properties/{}/", home.id)).send().await.expect_problem(404, ErrorCode::NotFound);
    eventually("the search to forget it", || async {
        let listed: Page<FoundProperty> = hub.rest.get("/properties/").send().await.expect_json(200);
        listed.items.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_homes_of_a_host_who_is_suspended_or_leaves_for_a_while_go_off_sale() {
    let hub = Hub::start().await;
    let (host, other, root) = (hub.guest("helga").await, hub.guest("hugo").await, hub.guest("root").await);
    hub.services().accounts.grant_admin(&root.email).await.unwrap();
    let (home, others) = (list_home(&host).await, list_home(&other).await);
    let suspend = plain(&root, Method::POST, &format!("/admin/users/{}/suspend/", host.user));
    assert_eq!(suspend.send().await.status, 200);
    let leave = other.rest.post("/users/me/deactivate/").bearer(&other.tokens.access_token).json(&json!({"password": PASSWORD}));
    assert_eq!(leave.send().await.status, 204);
    for home in [home, others] {
        hub.rest.get(&format!("/properties/{}/", home.id)).send().await.expect_problem(404, ErrorCode::NotFound);
        refused(root.hold(&home, nights(50, 2)).await, ErrorCode::NotFound);
    }
}
