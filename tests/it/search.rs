//! Searching over REST: what is found is what can be had, for what it costs; and the index survives whatever happens to it.

use std::path::PathBuf;

use http::Method;
use latchkey::domain::Timestamp;
use latchkey::search::checkpoint::{Draft, read};
use latchkey::search::{Home, Query};
use latchkey_protocol::rest::{CreateProperty, FoundProperty, Page};
use latchkey_protocol::view::{Coordinates, Property, Quote};
use latchkey_protocol::{Amenity, ErrorCode, PropertyId};
use serde_json::json;

use super::support::hub::{cottage, list_as, list_home};
use super::support::{Dates, Guest, Hub, Rest, eventually, nights};

async fn find(rest: &Rest, query: &str) -> Page<FoundProperty> {
    rest.get(&format!("/properties/?{query}")).send().await.expect_json(200)
}

fn ids(page: &Page<FoundProperty>) -> Vec<PropertyId> {
    page.items.iter().map(|home| home.id).collect()
}

fn stay(dates: Dates) -> String {
    format!("check_in={}&check_out={}&guests=2", dates.check_in, dates.check_out)
}

/// Waits until exactly these are found, in this order: what is committed comes to the index a moment later.
#[track_caller]
fn finds(rest: &Rest, query: &str, expected: &[PropertyId]) -> impl Future<Output = Page<FoundProperty>> {
    let (what, query, expected) = (format!("{expected:?} by {query}"), query.to_owned(), expected.to_vec());
    let rest = rest.clone();
    eventually(what, move || {
        let (rest, query, expected) = (rest.clone(), query.clone(), expected.clone());
        async move {
            let page = find(&rest, &query).await;
            (ids(&page) == expected).then_some(page)
        }
    })
}

fn checkpoint(hub: &Hub) -> PathBuf {
    hub.data().join("search.checkpoint")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_takes_a_home_out_of_the_results_and_its_release_or_end_brings_it_back() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("host").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let (asked, later) = (stay(nights(0, 3)), stay(nights(3, 2)));
    finds(&hub.rest, &asked, &[home.id]).await;
    let hold = ada.hold(&home, nights(1, 1)).await.unwrap();
    finds(&hub.rest, &asked, &[]).await;
    finds(&hub.rest, &later, &[home.id]).await;
    ada.release(&hold).await.unwrap();
    finds(&hub.rest, &asked, &[home.id]).await;
    ada.hold(&home, nights(0, 1)).await.unwrap();
    finds(&hub.rest, &asked, &[]).await;
    hub.advance_s(21);
    finds(&hub.rest, &asked, &[home.id]).await;
    // Three days either way, there are nights to be had beside a booking.
    ada.hold_and_book(&home, nights(1, 1)).await;
    finds(&hub.rest, &asked, &[]).await;
    let page = finds(&hub.rest, &format!("{asked}&flexible=3"), &[home.id]).await;
    assert_eq!(page.items[0].check_in, Some(nights(-2, 3).check_in));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_total_is_that_of_the_quote_for_the_dates_it_names() {
    let hub = Hub::start().await;
    let host = hub.guest("host").await;
    let plain = list_home(&host).await;
    let dear = CreateProperty {
        weekend_minor: Some(17_500),
        weekly_discount_bp: 1_050,
        tax_bp: 333,
        extra_guest_minor: 700,
        included_guests: Some(1),
        cleaning_fee_minor: 1_111,
        ..cottage()
    };
    let dear = list_as(&host, &dear).await;
    let yen = list_as(&host, &CreateProperty { currency: "JPY".to_owned(), ..cottage() }).await;
    for (dates, flexible) in [(nights(0, 2), 0), (nights(4, 7), 0), (nights(11, 9), 3), (nights(2, 3), 2)] {
        let query = format!("{}&flexible={flexible}&sort=price&currency=EUR", stay(dates));
        let page = eventually("both homes", || async { Some(find(&hub.rest, &query).await).filter(|page| page.items.len() == 2) }).await;
        assert!(page.items.is_sorted_by_key(|home| home.total_minor), "{page:?}");
        for home in &page.items {
            let ask = json!({ "property": home.id, "check_in": home.check_in, "check_out": home.check_out, "guests": 2 });
            let quote: Quote = hub.rest.post("/quotes/").json(&ask).send().await.expect_json(200);
            assert_eq!((home.total_minor, &home.currency), (Some(quote.total_minor), &quote.currency));
            assert!((-flexible..=flexible).contains(&home.check_in.unwrap().days_since(dates.check_in)));
        }
        let least = page.items[0].total_minor.unwrap();
        let cheapest = page.items[0].id;
        finds(&hub.rest, &format!("{query}&max_total_minor={least}"), &[cheapest]).await;
        finds(&hub.rest, &format!("{query}&max_total_minor={}", least - 1), &[]).await;
    }
    finds(&hub.rest, "currency=JPY", &[yen.id]).await;
    finds(&hub.rest, "sort=price", &sorted_by_price(&[&plain, &dear])).await;
}

/// By the price of a night, then by id.
fn sorted_by_price(homes: &[&Property]) -> Vec<PropertyId> {
    let mut homes: Vec<_> = homes.iter().map(|home| (home.nightly_minor, home.id)).collect();
    homes.sort_unstable();
    homes.into_iter().map(|(_, id)| id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn homes_come_when_they_are_published_change_with_their_host_and_leave_when_they_are_taken_back() {
    let hub = Hub::start().await;
    let host = hub.guest("host").await;
    let draft = list_as(&host, &CreateProperty { publish: false, ..cottage() }).await;
    let near = "near=48.26,16.35&radius_km=1";
    finds(&hub.rest, near, &[]).await;
    let published: Property = host.post(&format!("/properties/{}/publish/", draft.id), &json!({})).send().await.expect_json(200);
    let page = finds(&hub.rest, near, &[draft.id]).await;
    assert_eq!((page.items[0].distance_m, page.items[0].nightly_minor), (Some(0), 10_000));
    assert!(!hub.rest.get("/properties/").send().await.text().contains("Kahlenberger"), "the address is the host's");
    let change = json!({ "nightly_minor": 7_000, "amenities": ["wifi", "pool"], "location": { "latitude": 10.0, "longitude": 20.0 } });
    let request = host.rest.request(Method::PATCH, &format!("/properties/{}/", draft.id)).bearer(&host.tokens.access_token);
    let request = request.header(http::header::IF_MATCH, &format!("\"v{}\"", published.version));
    let _: Property = request.json(&change).send().await.expect_json(200);
    finds(&hub.rest, near, &[]).await;
    let page = finds(&hub.rest, "near=10,20&amenities=pool,wifi", &[draft.id]).await;
    assert_eq!((page.items[0].nightly_minor, page.items[0].amenities.contains(&Amenity::Pool)), (7_000, true));
    finds(&hub.rest, "near=10,20&amenities=pool,sauna", &[]).await;
    let _: Property = host.post(&format!("/properties/{}/unlist/", draft.id), &json!({})).send().await.expect_json(200);
    finds(&hub.rest, "", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nights_off_sale_and_days_of_preparation_are_not_found() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("host").await, hub.guest("ada").await);
    let home = list_as(&host, &CreateProperty { preparation_days: 2, min_nights: 2, ..cottage() }).await;
    let block = json!({ "from": nights(10, 1).check_in, "to": nights(10, 1).check_out });
    assert_eq!(host.post(&format!("/properties/{}/blocks/", home.id), &block).send().await.status.as_u16(), 201);
    ada.hold_and_book(&home, nights(20, 3)).await;
    for (dates, is_found) in [
        (nights(8, 2), true),
        (nights(9, 2), false),
        (nights(11, 2), true),
        (nights(16, 2), true),
        (nights(17, 2), false),
        (nights(23, 2), false),
        (nights(24, 2), false),
        (nights(25, 2), true),
        (nights(30, 1), false),
    ] {
        let expected: &[PropertyId] = if is_found { &[home.id] } else { &[] };
        finds(&hub.rest, &stay(dates), expected).await;
        // The search says what a hold would be told.
        let held = ada.hold(&home, dates).await;
        assert_eq!(held.is_ok(), is_found, "{dates:?}: {held:?}");
        if let Ok(hold) = held {
            ada.release(&hold).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_and_a_cursor_belongs_to_its_query() {
    let hub = Hub::start().await;
    let host = hub.guest("host").await;
    let mut homes = Vec::new();
    for number in 0..5 {
        let location = Some(Coordinates { latitude: 48.2 + f64::from(number) / 1_000.0, longitude: 16.37 });
        homes.push(list_as(&host, &CreateProperty { location, ..cottage() }).await.id);
    }
    let near = "near=48.2,16.37&radius_km=50";
    finds(&hub.rest, near, &homes).await;
    homes.reverse();
    finds(&hub.rest, "", &homes).await;
    let first = find(&hub.rest, &format!("{near}&limit=2")).await;
    let cursor = first.next.clone().unwrap();
    // A home before the cursor may go, another come: nothing else is skipped or repeated.
    let gone = format!("/properties/{}/unlist/", first.items[0].id);
    let _: Property = host.post(&gone, &json!({})).send().await.expect_json(200);
    homes.pop();
    finds(&hub.rest, "", &homes).await;
    homes.reverse();
    let second = find(&hub.rest, &format!("{near}&limit=2&cursor={cursor}")).await;
    assert_eq!(ids(&second), homes[1..3]);
    let third = find(&hub.rest, &format!("{near}&limit=9&cursor={}", second.next.unwrap())).await;
    assert_eq!((ids(&third), third.next), (homes[3..].to_vec(), None));
    for other in ["near=48.2,16.37&radius_km=51", "near=48.2,16.37&radius_km=50&guests=2", ""] {
        let problem = hub.rest.get(&format!("/properties/?{other}&cursor={cursor}")).send().await.expect_problem(422, ErrorCode::Invalid);
        assert_eq!(problem.error.details["field"], "cursor".into(), "{other}");
    }
}

/// A hub with a home that is held for nights(0, 3), and one that was taken back, stopped.
async fn stopped() -> (Hub, Property, Property) {
    let mut hub = Hub::with("--hold-seconds 86400").await;
    let (host, ada) = (hub.guest("host").await, hub.guest("ada").await);
    let (held, back) = (list_home(&host).await, list_home(&host).await);
    ada.hold(&held, nights(0, 3)).await.unwrap();
    let _: Property = host.post(&format!("/properties/{}/unlist/", back.id), &json!({})).send().await.expect_json(200);
    finds(&hub.rest, "", &[held.id]).await;
    finds(&hub.rest, &stay(nights(0, 3)), &[]).await;
    hub.stop().await;
    (hub, held, back)
}

/// Rewrites the stopped hub's checkpoint, so that whoever finds this title for its only home has it from there.
fn entitle(hub: &Hub, title: &str) {
    let bytes = std::fs::read(checkpoint(hub)).unwrap();
    let now = Timestamp::from_epoch_ms(hub.now());
    let (head, mut index) = read(&bytes, now.utc_date()).unwrap();
    let hit = index.find(&Query::everything(), None, 1, now).remove(0);
    let mut listing = (*hit.listing).clone();
    title.clone_into(&mut listing.description.title);
    let seq = index.seq(listing.id).unwrap();
    index.put(Home { listing, seq, taken: Vec::new() });
    let (mut draft, mut bytes) = Draft::begin(&head);
    while let Some(homes) = draft.homes(&index) {
        bytes.extend(draft.seal(homes));
    }
    bytes.extend(draft.finish());
    std::fs::write(checkpoint(hub), bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_starts_from_its_checkpoint() {
    let (mut hub, held, _) = Box::pin(stopped()).await;
    entitle(&hub, "As the checkpoint says");
    Box::pin(hub.restart()).await;
    let page = find(&hub.rest, "").await;
    assert_eq!((page.items[0].id, page.items[0].title.as_str()), (held.id, "As the checkpoint says"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nights_that_changed_after_the_checkpoint_are_folded_in_and_other_changes_make_the_home_be_read_again() {
    let (mut hub, held, _) = Box::pin(stopped()).await;
    entitle(&hub, "As the checkpoint says");
    let old = std::fs::read(checkpoint(&hub)).unwrap();
    for (change, title) in [(None, "As the checkpoint says"), (Some(json!({"title": "As the store says"})), "As the store says")] {
        Box::pin(hub.restart()).await;
        let (ada, host) = (Guest::log_in(hub.address, "ada@example.test").await, Guest::log_in(hub.address, "host@example.test").await);
        if let Some(change) = &change {
            let request = host.rest.request(http::Method::PATCH, &format!("/properties/{}/", held.id)).bearer(&host.tokens.access_token);
            let _: Property = request.header(http::header::IF_MATCH, "*").json(change).send().await.expect_json(200);
        }
        ada.hold(&held, nights(if change.is_none() { 5 } else { 10 }, 3)).await.unwrap();
        hub.stop().await;
        // As if the process had been killed before it could save.
        std::fs::write(checkpoint(&hub), &old).unwrap();
        Box::pin(hub.restart()).await;
        assert_eq!(find(&hub.rest, "").await.items[0].title, title);
        finds(&hub.rest, &stay(nights(5, 3)), &[]).await;
        finds(&hub.rest, &stay(nights(13, 3)), &[held.id]).await;
        hub.stop().await;
        std::fs::write(checkpoint(&hub), &old).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_torn_or_foreign_checkpoint_is_built_anew() {
    let (mut hub, held, _) = Box::pin(stopped()).await;
    let whole = std::fs::read(checkpoint(&hub)).unwrap();
    let (mut head, index) = read(&whole, Timestamp::from_epoch_ms(hub.now()).utc_date()).unwrap();
    head.epoch = "another history".to_owned();
    assert_eq!(index.len(), 1);
    let (draft, mut foreign) = Draft::begin(&head);
    foreign.extend(draft.finish());
    for bytes in [None, Some(whole[..whole.len() / 2].to_vec()), Some(foreign), Some(b"nonsense".to_vec())] {
        match bytes {
            Some(bytes) => std::fs::write(checkpoint(&hub), bytes).unwrap(),
            None => std::fs::remove_file(checkpoint(&hub)).unwrap(),
        }
        Box::pin(hub.restart()).await;
        assert_eq!(ids(&find(&hub.rest, "").await), [held.id]);
        assert_eq!(ids(&find(&hub.rest, &stay(nights(0, 3))).await), []);
        assert_eq!(ids(&find(&hub.rest, &stay(nights(3, 3))).await), [held.id]);
        hub.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_after_the_last_checkpoint_is_found_in_the_log() {
    let (mut hub, held, back) = Box::pin(stopped()).await;
    let old = std::fs::read(checkpoint(&hub)).unwrap();
    let mut host = None;
    for round in 0..2 {
        Box::pin(hub.restart()).await;
        let host = match &mut host {
            None => host.insert(Guest::log_in(hub.address, "host@example.test").await),
            Some(host) => {
                host.reconnect(hub.address).await;
                host
            }
        };
        let new = list_home(host).await;
        if round == 0 {
            let _: Property = host.post(&format!("/properties/{}/publish/", back.id), &json!({})).send().await.expect_json(200);
            let ada = Guest::log_in(hub.address, "ada@example.test").await;
            ada.hold(&held, nights(5, 3)).await.unwrap();
        } else {
            let _: Property = host.post(&format!("/properties/{}/unlist/", held.id), &json!({})).send().await.expect_json(200);
        }
        eventually("the new home", || async { ids(&find(&hub.rest, "").await).contains(&new.id).then_some(()) }).await;
        let before = (ids(&find(&hub.rest, "").await), ids(&find(&hub.rest, &stay(nights(5, 3))).await));
        hub.stop().await;
        // As if the process had been killed before it could save: the checkpoint is from before all this, by another process.
        std::fs::write(checkpoint(&hub), &old).unwrap();
        Box::pin(hub.restart()).await;
        let after = (ids(&find(&hub.rest, "").await), ids(&find(&hub.rest, &stay(nights(5, 3))).await));
        assert_eq!(after, before, "round {round}");
        assert!(!after.1.contains(&held.id));
        hub.stop().await;
        std::fs::write(checkpoint(&hub), &old).unwrap();
    }
}
