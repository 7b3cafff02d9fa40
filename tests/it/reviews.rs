//! Reviews of completed stays: what each side learns when, and what everybody reads.

use latchkey::domain::job::JobKind;
use latchkey_protocol::rest::{ModerateReview, Page, ReplyToReview, WithPassword, WriteReview};
use latchkey_protocol::view::{AuditEntry, Booking, BookingState, Export, Property, Ratings, Review, ReviewState, Reviews, Side, User};
use latchkey_protocol::{ErrorCode, ModerationReason, Topic};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::guest::PASSWORD;
use crate::support::hub::list_home;
use crate::support::rest::{Answer, Request};
use crate::support::{Client, Guest, Hub, eventually, fresh_key, within};

/// Seconds of 14 days.
const WRITING_S: i64 = 14 * 86_400;

/// Words that must be read nowhere but in the review.
const CANARY: &str = "the-canary-in-the-attic";

fn stay(overall: u8) -> WriteReview {
    let ratings = Ratings::Stay { overall, cleanliness: 5, accuracy: 4, check_in: 3, communication: 2, location: 1, value: 5 };
    WriteReview { ratings, text: format!("{CANARY} stay") }
}

fn guest(overall: u8) -> WriteReview {
    WriteReview { ratings: Ratings::Guest { overall, cleanliness: 5, communication: 4, house_rules: 3 }, text: format!("{CANARY} guest") }
}

async fn submit(author: &Guest, booking: &Booking, review: &WriteReview) -> Answer {
    author.post(&format!("/bookings/{}/reviews/", booking.id), review).send().await
}

async fn of_booking(reader: &Guest, booking: &Booking) -> Vec<Review> {
    reader.get(&format!("/bookings/{}/reviews/", booking.id)).send().await.expect_json::<Reviews>(200).items
}

async fn read_home(hub: &Hub, home: &Property) -> Property {
    hub.rest.get(&format!("/properties/{}/", home.id)).send().await.expect_json(200)
}

async fn of_home(hub: &Hub, home: &Property, query: &str) -> Page<Review> {
    hub.rest.get(&format!("/properties/{}/reviews/{query}", home.id)).send().await.expect_json(200)
}

#[tokio::test]
async fn p8_neither_side_learns_anything_of_the_others_review_before_both_are_in() {
    let hub = Hub::start().await;
    let (helga, ada, root) = (hub.guest("helga").await, hub.guest("ada").await, hub.admin("root").await);
    let home = list_home(&helga).await;
    let watcher = hub.watcher(&home).await;
    let booking = ada.completed_stay(&home).await;
    for party in [&helga, &ada] {
        party.live.subscribe(party.inbox()).await.unwrap();
        party.live.subscribe(Topic::Booking(booking.id)).await.unwrap();
    }
    let before = (read_home(&hub, &home).await, helga.booking(booking.id).await);
    let head = watcher.client.events(watcher.topic).last().unwrap().seq;

    let answer = submit(&ada, &booking, &stay(4)).await;
    let review: Review = answer.expect_json(201);
    let path = format!("/reviews/{}/", review.id);
    assert_eq!((answer.header("location"), answer.header("etag")), (Some(path.as_str()), Some("\"v1\"")));
    assert_eq!((review.state, review.by, review.booking), (ReviewState::Sealed, Side::Guest, Some(booking.id)));
    let told = helga.hears("review.submitted").await;
    assert_eq!(told.data, json!({"booking": booking.id, "property": home.id, "by": "guest"}));
    helga.live.event_of(Topic::Booking(booking.id), "review.submitted").await;
    assert_eq!(of_booking(&ada, &booking).await, std::slice::from_ref(&review));
    assert_eq!(of_booking(&helga, &booking).await, []);
    for request in [helga.get(&path), root.get(&path), hub.rest.get(&path)] {
        request.send().await.expect_problem(404, ErrorCode::NotFound);
    }
    let now = helga.booking(booking.id).await;
    assert_eq!((read_home(&hub, &home).await, Booking { seq: before.1.seq, ..now }), before);
    assert_eq!(of_home(&hub, &home, "").await.items, []);
    let moderate = ModerateReview { reason: ModerationReason::Spam };
    let hide = root.post(&format!("/admin/reviews/{}/hide/", review.id), &moderate).send().await;
    assert_eq!(hide.expect_problem(409, ErrorCode::InvalidState).error.details["state"], "sealed".into());
    assert_eq!(watcher.client.events(watcher.topic).last().unwrap().seq, head, "nothing on the home's topic");

    let of_guest: Review = submit(&helga, &booking, &guest(5)).await.expect_json(201);
    assert_eq!(of_guest.state, ReviewState::Published);
    for reader in [&ada, &helga] {
        let both = of_booking(reader, &booking).await;
        assert_eq!(both.iter().map(|review| review.by).collect::<Vec<_>>(), [Side::Guest, Side::Host]);
        reader.hears("review.published").await;
    }
    let published = watcher.client.event(watcher.topic, head + 1).await;
    assert_eq!(published.kind, "review.published");
    let version = before.0.version + 1;
    let numbers = json!({"version": version, "review_count": 1, "rating_hundredths": 400});
    assert_eq!(published.data, json!({"review": review.id, "property": home.id, "by": "guest", "overall": 4, "home": numbers}));
    let rated = read_home(&hub, &home).await;
    assert_eq!((rated.version, rated.review_count, rated.rating.unwrap().overall_hundredths), (version, 1, 400));
    let public = of_home(&hub, &home, "").await.items;
    assert_eq!(public.iter().map(|review| (review.id, review.booking)).collect::<Vec<_>>(), [(review.id, None)]);
    let tag = async |request: Request<'_>| request.send().await.header("etag").map(str::to_owned);
    assert_eq!(tag(hub.rest.get(&path)).await.as_deref(), Some("\"v2-others\""), "without the booking it is another view");
    assert_eq!(tag(helga.get(&path)).await.as_deref(), Some("\"v2\""));
    let profile: User = hub.rest.get(&format!("/users/{}/", ada.user)).send().await.expect_json(200);
    assert_eq!((profile.guest_review_count, profile.guest_rating_hundredths), (1, Some(500)));
    let of_ada: Page<Review> = hub.rest.get(&format!("/users/{}/reviews/", ada.user)).send().await.expect_json(200);
    assert_eq!(of_ada.items.iter().map(|review| review.id).collect::<Vec<_>>(), [of_guest.id]);
    eventually("the rating in the search", || async {
        let found: Page<latchkey_protocol::rest::FoundProperty> = hub.rest.get("/properties/").send().await.expect_json(200);
        ((found.items[0].review_count, found.items[0].rating_hundredths) == (1, Some(400))).then_some(())
    })
    .await;
    for frame in [&watcher.client, &helga.live, &ada.live].into_iter().flat_map(Client::frames) {
        assert!(!frame.contains(CANARY), "{frame}");
    }
    for frame in watcher.client.frames() {
        for secret in [ada.user.to_string(), helga.user.to_string(), booking.id.to_string()] {
            assert!(!frame.contains(&secret), "{frame}");
        }
    }
}

#[tokio::test]
async fn after_fourteen_days_one_review_is_published_by_itself_and_the_other_comes_too_late() {
    let hub = Hub::start().await;
    let (helga, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&helga).await;
    let booking = ada.completed_stay(&home).await;
    let review: Review = submit(&ada, &booking, &stay(3)).await.expect_json(201);
    hub.advance_s(WRITING_S - 3_600);
    let helga = Guest::log_in(hub.address, &helga.email).await;
    assert_eq!(of_booking(&helga, &booking).await, []);
    hub.advance_s(3_600);
    let published = eventually("its publication", || async { of_home(&hub, &home, "").await.items.pop() }).await;
    assert_eq!((published.id, published.state), (review.id, ReviewState::Published));
    assert!(published.published_at.unwrap() >= review.sealed_until.unwrap());
    assert_eq!(read_home(&hub, &home).await.review_count, 1);
    let helga = Guest::log_in(hub.address, &helga.email).await;
    submit(&helga, &booking, &guest(1)).await.expect_problem(410, ErrorCode::Expired);
    let ada = Guest::log_in(hub.address, &ada.email).await;
    let put = ada.rest.request(http::Method::PUT, &format!("/reviews/{}/", review.id)).bearer(&ada.tokens.access_token);
    let refused = put.header(http::header::IF_MATCH, "*").json(&stay(5)).send().await.expect_problem(409, ErrorCode::InvalidState);
    assert_eq!(refused.error.details["state"], "published".into());
}

#[tokio::test]
async fn a_review_is_of_a_completed_stay_by_its_parties_once_and_can_be_written_anew_while_it_is_sealed() {
    let hub = Hub::start().await;
    let (helga, ada, bob) = (hub.guest("helga").await, hub.guest("ada").await, hub.guest("bob").await);
    let home = list_home(&helga).await;
    let unpaid = ada.hold_and_book(&home, crate::support::nights(0, 2)).await;
    submit(&ada, &unpaid, &stay(5)).await.expect_problem(409, ErrorCode::InvalidState);
    let booking = ada.completed_stay(&home).await;
    submit(&bob, &booking, &stay(5)).await.expect_problem(404, ErrorCode::NotFound);
    for wrong in [stay(0), stay(6), guest(5), WriteReview { text: " ".to_owned(), ..stay(5) }] {
        submit(&ada, &booking, &wrong).await.expect_problem(422, ErrorCode::Invalid);
    }
    let extra =
        json!({"text": "x", "ratings": {"of": "guest", "overall": 5, "cleanliness": 5, "communication": 5, "house_rules": 5, "value": 5}});
    helga.post(&format!("/bookings/{}/reviews/", booking.id), &extra).send().await.expect_problem(422, ErrorCode::Invalid);

    let (key, place) = (fresh_key(), format!("/bookings/{}/reviews/", booking.id));
    let say = async |body: &WriteReview| ada.rest.post(&place).bearer(&ada.tokens.access_token).key(&key).json(body).send().await;
    let review: Review = say(&stay(2)).await.expect_json(201);
    assert_eq!(say(&stay(2)).await.expect_json::<Review>(201), review, "said twice, done once");
    say(&stay(3)).await.expect_problem(422, ErrorCode::KeyReused);
    submit(&ada, &booking, &stay(2)).await.expect_problem(409, ErrorCode::InvalidState);

    let path = format!("/reviews/{}/", review.id);
    let put = async |who: &Guest, tag: &str| {
        let request = who.rest.request(http::Method::PUT, &path).bearer(&who.tokens.access_token).json(&stay(5));
        request.header(http::header::IF_MATCH, tag).send().await
    };
    put(&helga, "*").await.expect_problem(404, ErrorCode::NotFound);
    put(&ada, "\"v7\"").await.expect_problem(412, ErrorCode::PreconditionFailed);
    let before = helga.booking(booking.id).await;
    let revised: Review = put(&ada, "\"v1\"").await.expect_json(200);
    assert_eq!(helga.booking(booking.id).await, before, "whom it is about sees nothing move");
    assert_eq!((revised.version, revised.id), (2, review.id));
    submit(&helga, &booking, &guest(5)).await.expect_json::<Review>(201);
    assert_eq!(read_home(&hub, &home).await.rating.unwrap().overall_hundredths, 500);
}

#[tokio::test]
async fn whom_a_review_is_about_replies_once_and_admins_hide_it_and_show_it_again() {
    let hub = Hub::start().await;
    let (helga, ada, root) = (hub.guest("helga").await, hub.guest("ada").await, hub.admin("root").await);
    let home = list_home(&helga).await;
    let booking = ada.completed_stay(&home).await;
    for party in [&ada, &helga] {
        party.live.subscribe(party.inbox()).await.unwrap();
    }
    let review: Review = submit(&ada, &booking, &stay(1)).await.expect_json(201);
    let reply = async |who: &Guest| {
        let thanks = ReplyToReview { text: format!("{CANARY} reply") };
        who.post(&format!("/reviews/{}/reply/", review.id), &thanks).send().await
    };
    reply(&helga).await.expect_problem(404, ErrorCode::NotFound);
    submit(&helga, &booking, &guest(2)).await.expect_json::<Review>(201);
    reply(&ada).await.expect_problem(403, ErrorCode::Forbidden);
    let replied: Review = reply(&helga).await.expect_json(200);
    assert_eq!(replied.reply.unwrap().text, format!("{CANARY} reply"));
    assert_eq!(reply(&helga).await.expect_problem(409, ErrorCode::InvalidState).error.details["state"], "replied".into());

    let moderate = async |who: &Guest, how: &str, reason| {
        who.post(&format!("/admin/reviews/{}/{how}/", review.id), &ModerateReview { reason }).send().await
    };
    moderate(&helga, "hide", ModerationReason::Offensive).await.expect_problem(403, ErrorCode::Forbidden);
    let hidden: Review = moderate(&root, "hide", ModerationReason::Offensive).await.expect_json(200);
    assert_eq!(hidden.hidden.unwrap().reason, ModerationReason::Offensive);
    let rated = read_home(&hub, &home).await;
    assert_eq!((rated.review_count, rated.rating), (0, None));
    assert_eq!(of_home(&hub, &home, "").await.items, []);
    let path = format!("/reviews/{}/", review.id);
    hub.rest.get(&path).send().await.expect_problem(404, ErrorCode::NotFound);
    helga.get(&path).send().await.expect_problem(404, ErrorCode::NotFound);
    for reader in [&ada, &root] {
        assert_eq!(reader.get(&path).send().await.expect_json::<Review>(200).hidden, hidden.hidden);
    }
    moderate(&root, "hide", ModerationReason::Spam).await.expect_problem(409, ErrorCode::InvalidState);
    moderate(&root, "show", ModerationReason::Appeal).await.expect_json::<Review>(200);
    moderate(&root, "show", ModerationReason::Appeal).await.expect_problem(409, ErrorCode::InvalidState);
    assert_eq!(read_home(&hub, &home).await.rating.unwrap().overall_hundredths, 100);
    let audit: Page<AuditEntry> = root.get(&format!("/admin/audit/?user={}", ada.user)).send().await.expect_json(200);
    let moderated: Vec<_> = audit.items.iter().filter(|entry| entry.review == Some(review.id)).collect();
    assert_eq!(
        moderated.iter().map(|entry| (entry.kind.as_str(), entry.reason)).collect::<Vec<_>>(),
        [("review_shown", Some(ModerationReason::Appeal)), ("review_hidden", Some(ModerationReason::Offensive)),]
    );
    assert!(moderated.iter().all(|entry| entry.actor == Some(root.user)));
    for party in [&ada, &helga] {
        party.hears("review.replied").await;
        party.hears("review.shown").await;
        assert!(party.live.frames().iter().all(|frame| !frame.contains(CANARY)), "words are in reviews and nowhere else");
    }
}

#[tokio::test]
async fn p7_a_reply_that_is_repeated_when_its_review_was_hidden_is_answered_without_the_reviews_words() {
    let hub = Hub::start().await;
    let (helga, ada, root) = (hub.guest("helga").await, hub.guest("ada").await, hub.admin("root").await);
    let booking = ada.completed_stay(&list_home(&helga).await).await;
    let review: Review = submit(&ada, &booking, &stay(1)).await.expect_json(201);
    submit(&helga, &booking, &guest(2)).await.expect_json::<Review>(201);
    let (key, path) = (fresh_key(), format!("/reviews/{}/reply/", review.id));
    let reply = async |key: &str, text: &str| {
        let ask = helga.rest.post(&path).bearer(&helga.tokens.access_token).key(key);
        ask.json(&ReplyToReview { text: text.to_owned() }).send().await
    };
    let first: Review = reply(&key, "Sorry!").await.expect_json(200);
    assert_eq!(first.text, stay(1).text);
    let hide = ModerateReview { reason: ModerationReason::Offensive };
    root.post(&format!("/admin/reviews/{}/hide/", review.id), &hide).send().await.expect_json::<Review>(200);
    let again: Review = reply(&key, "Sorry!").await.expect_json(200);
    assert_eq!((again.id, again.reply, again.text.as_str()), (review.id, first.reply, ""));
    reply(&key, "Not sorry!").await.expect_problem(422, ErrorCode::KeyReused);
    reply(&fresh_key(), "Sorry!").await.expect_problem(404, ErrorCode::NotFound);
}

#[tokio::test]
async fn a_homes_reviews_come_in_pages_the_last_published_first() {
    let hub = Hub::start().await;
    let helga = hub.guest("helga").await;
    let home = list_home(&helga).await;
    let mut expected = vec![];
    for (name, stars) in [("ada", 5), ("bob", 4), ("cleo", 4)] {
        let somebody = hub.guest(name).await;
        let booking = somebody.completed_stay(&home).await;
        let review: Review = submit(&somebody, &booking, &stay(stars)).await.expect_json(201);
        submit(&helga, &booking, &guest(stars)).await.expect_json::<Review>(201);
        expected.insert(0, review.id);
    }
    let (mut found, mut query) = (vec![], "?limit=1".to_owned());
    loop {
        let page = of_home(&hub, &home, &query).await;
        found.extend(page.items.iter().map(|review| review.id));
        let Some(next) = page.next else { break };
        query = format!("?limit=1&cursor={next}");
    }
    assert_eq!(found, expected);
    let rated = read_home(&hub, &home).await;
    assert_eq!((rated.review_count, rated.rating.unwrap().overall_hundredths), (3, 433));
    hub.rest.get(&format!("/properties/{}/reviews/?cursor=nonsense", home.id)).send().await.expect_problem(422, ErrorCode::Invalid);
}

#[tokio::test]
async fn who_is_erased_leaves_stars_without_words_and_takes_what_they_wrote_before() {
    let hub = Hub::start().await;
    let (helga, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&helga).await;
    let booking = ada.completed_stay(&home).await;
    let review: Review = submit(&ada, &booking, &stay(4)).await.expect_json(201);
    let export = async |who: &Guest| who.get("/users/me/export/").send().await.expect_json::<Export>(200);
    assert_eq!(export(&ada).await.reviews.iter().map(|review| review.id).collect::<Vec<_>>(), [review.id]);
    assert_eq!(export(&helga).await.reviews, []);
    submit(&helga, &booking, &guest(5)).await.expect_json::<Review>(201);
    for party in [&ada, &helga] {
        assert_eq!(export(party).await.reviews.len(), 2);
    }
    let erase = || async {
        let answer = ada.post("/users/me/erase/", &WithPassword { password: PASSWORD.to_owned() }).send().await;
        (answer.status == 204).then_some(())
    };
    eventually("the stay to be over for everybody", erase).await;
    let wordless =
        eventually("the words to go", || async { of_home(&hub, &home, "").await.items.pop().filter(|review| review.text.is_empty()) })
            .await;
    assert_eq!((wordless.id, wordless.ratings), (review.id, stay(4).ratings));
    assert_eq!(read_home(&hub, &home).await.rating.unwrap().overall_hundredths, 400);
    let of_ada: Page<Review> = hub.rest.get(&format!("/users/{}/reviews/", ada.user)).send().await.expect_json(200);
    assert_eq!(of_ada.items[0].text, format!("{CANARY} guest"), "what the host wrote is the host's");
    assert_eq!(helga.booking(booking.id).await.state, BookingState::Completed);
}

#[tokio::test]
async fn a_review_that_is_on_its_way_while_its_author_is_erased_loses_its_words_too() {
    let hub = Hub::start().await;
    let (helga, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&helga).await;
    let booking = ada.completed_stay(&home).await;
    submit(&helga, &booking, &guest(5)).await.expect_json::<Review>(201);
    let body = serde_json::to_string(&stay(4)).unwrap();
    let head = format!(
        "POST /bookings/{}/reviews/ HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {}\r\nidempotency-key: {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nexpect: 100-continue\r\n\r\n",
        booking.id,
        ada.tokens.access_token,
        fresh_key(),
        body.len()
    );
    let erase = || async {
        let answer = ada.post("/users/me/erase/", &WithPassword { password: PASSWORD.to_owned() }).send().await;
        (answer.status == 204).then_some(())
    };
    let mut stream = TcpStream::connect(hub.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // By now the hub knows whose it is.
    read_status(&mut stream, 100).await;
    eventually("the erasure", erase).await;
    let store = hub.store();
    let owed = || async { store.jobs(None, None, 100).await.unwrap().into_iter().find(|job| job.id.work.name() == "forget") };
    let is_done_once = || async { owed().await.filter(|job| matches!(job.kind, JobKind::Forget { is_last: true, .. })) };
    eventually("a first look at what was written", is_done_once).await;
    stream.write_all(body.as_bytes()).await.unwrap();
    read_status(&mut stream, 201).await;
    assert_eq!(of_home(&hub, &home, "").await.items[0].text, format!("{CANARY} stay"), "it came after that");
    hub.advance_s(121);
    eventually("the second look", || async { owed().await.is_none().then_some(()) }).await;
    let left = of_home(&hub, &home, "").await.items.pop().unwrap();
    assert_eq!((left.text.as_str(), left.ratings), ("", stay(4).ratings));
}

/// Reads the head of an answer, and what else has come with it.
async fn read_status(stream: &mut TcpStream, status: u16) {
    let (mut seen, mut some) = (Vec::new(), [0; 4_096]);
    let answered = async {
        while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
            let count = stream.read(&mut some).await.unwrap();
            assert!(count > 0, "closed");
            seen.extend_from_slice(&some[..count]);
        }
    };
    within("an answer", answered).await;
    let head = String::from_utf8_lossy(&seen);
    assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
}
