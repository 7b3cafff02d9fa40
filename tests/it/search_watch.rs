//! Searches that stay live: the page that the updates make of the first one is what REST answers, whatever happens.

use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Method;
use http::header::IF_MATCH;
use latchkey_protocol::client::{Command, UnwatchSearch, WatchSearch};
use latchkey_protocol::error::Detail;
use latchkey_protocol::rest::{CreateProperty, FoundProperty, Page};
use latchkey_protocol::server::{SearchUpdate, SearchWatched, ServerMessage};
use latchkey_protocol::view::Property;
use latchkey_protocol::{CloseCode, ErrorCode, PropertyId, Topic};
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::Message;

use crate::properties::plain;
use crate::support::hub::{cottage, list_as, list_home};
use crate::support::socket::connect;
use crate::support::{Client, Dates, Guest, Hub, Rest, Seed, eventually, nights, refused, within};

/// Somebody who looks at a page.
struct Looker<'a> {
    client: &'a Client,
    rest: &'a Rest,
    query: String,
    watched: SearchWatched,
}

/// The same query for both doors.
fn ask(query: &str) -> WatchSearch {
    serde_urlencoded::from_str(query).unwrap()
}

async fn look<'a>(client: &'a Client, rest: &'a Rest, query: &str) -> Looker<'a> {
    let watched: SearchWatched = client.ask(Command::WatchSearch, None, &ask(query)).await.unwrap();
    assert_eq!(watched.revision, 1);
    Looker { client, rest, query: query.to_owned(), watched }
}

/// Changes a page as an update says.
fn update(page: &mut Page<FoundProperty>, update: SearchUpdate) {
    let SearchUpdate { order, entries, next, .. } = update;
    let find = |id: &PropertyId| entries.iter().chain(&page.items).find(|home| home.id == *id).cloned();
    let items: Vec<_> = order.iter().map(|id| find(id).unwrap_or_else(|| panic!("{id} was never told"))).collect();
    *page = Page { items, next };
}

impl Looker<'_> {
    /// What the client knows by now.
    fn page(&self) -> Page<FoundProperty> {
        let mut page = Page { items: self.watched.items.clone(), next: self.watched.next.clone() };
        for (before, next) in (1..).zip(self.client.updates(self.watched.watch)) {
            assert_eq!(next.revision, before + 1);
            update(&mut page, next);
        }
        page
    }

    fn updates(&self) -> Vec<SearchUpdate> {
        self.client.updates(self.watched.watch)
    }

    fn first_is(&self, title: &str) -> Option<()> {
        self.page().items.first().is_some_and(|home| home.title == title).then_some(())
    }

    /// Waits until the page is what REST answers, and shows these homes in this order.
    async fn shows(&self, expected: &[PropertyId]) -> Page<FoundProperty> {
        let what = format!("{expected:?} by {}", self.query);
        eventually(what, || async {
            let page = self.page();
            let ids: Vec<_> = page.items.iter().map(|home| home.id).collect();
            (ids == expected && page == find(self.rest, &self.query).await).then_some(page)
        })
        .await
    }
}

/// Waits until all of these are what REST answers: what is committed comes to the index a moment later.
async fn agree(pages: &[Looker<'_>]) {
    for page in pages {
        eventually(&page.query, || async { (page.page() == find(page.rest, &page.query).await).then_some(()) }).await;
    }
}

async fn find(rest: &Rest, query: &str) -> Page<FoundProperty> {
    rest.get(&format!("/properties/?{query}")).send().await.expect_json(200)
}

fn stay(dates: Dates) -> String {
    format!("check_in={}&check_out={}&guests=2", dates.check_in, dates.check_out)
}

async fn change(host: &Guest, home: PropertyId, change: &Value) {
    let request = plain(host, Method::PATCH, &format!("/properties/{home}/")).header(IF_MATCH, "*");
    let _: Property = request.json(change).send().await.expect_json(200);
}

async fn act(host: &Guest, home: PropertyId, what: &str) {
    let _: Property = host.post(&format!("/properties/{home}/{what}/"), &json!({})).send().await.expect_json(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn homes_leave_a_page_when_their_nights_are_taken_and_come_back_when_these_are_free() {
    let hub = Hub::start().await;
    let (host, ada, anybody) = (hub.guest("host").await, hub.guest("ada").await, hub.anonymous().await);
    let (one, other) = (list_home(&host).await, list_home(&host).await);
    // What is committed comes to the index a moment later; here nothing but the changes below is to be told.
    eventually("both homes", || async { (find(&hub.rest, "").await.items.len() == 2).then_some(()) }).await;
    let (asked, flexible) = (stay(nights(0, 3)), format!("{}&flexible=2&sort=price", stay(nights(0, 3))));
    let page = look(&anybody, &hub.rest, &asked).await;
    let flexible = look(&ada.live, &hub.rest, &flexible).await;
    page.shows(&[other.id, one.id]).await;
    let hold = ada.hold(&one, nights(1, 1)).await.unwrap();
    page.shows(&[other.id]).await;
    // Two days either way there are nights to be had.
    let moved = flexible.shows(&[one.id, other.id]).await;
    assert_eq!(moved.items[0].check_in, Some(nights(-2, 3).check_in));
    ada.release(&hold).await.unwrap();
    page.shows(&[other.id, one.id]).await;
    // It is told as a whole when it comes, and not again when it only moves.
    let told = page.updates();
    assert_eq!(told.iter().map(|update| update.entries.len()).collect::<Vec<_>>(), [0, 1]);
    ada.hold(&other, nights(0, 1)).await.unwrap();
    page.shows(&[one.id]).await;
    hub.advance_s(21);
    page.shows(&[other.id, one.id]).await;
    // Nobody is told of nights that were not asked for.
    ada.hold_and_book(&one, nights(3, 2)).await;
    ada.hold_and_book(&one, nights(0, 1)).await;
    page.shows(&[other.id]).await;
    assert_eq!(page.updates().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_follows_prices_facts_and_what_is_published() {
    let hub = Hub::start().await;
    let (host, anybody) = (hub.guest("host").await, hub.anonymous().await);
    let (one, other) = (list_home(&host).await, list_as(&host, &CreateProperty { nightly_minor: 11_000, ..cottage() }).await);
    let draft = list_as(&host, &CreateProperty { publish: false, nightly_minor: 10_500, ..cottage() }).await;
    let by_price = look(&anybody, &hub.rest, "near=48.26,16.35&radius_km=2&sort=price").await;
    let first = look(&anybody, &hub.rest, "sort=price&limit=1").await;
    by_price.shows(&[one.id, other.id]).await;
    assert!(first.shows(&[one.id]).await.next.is_some());
    change(&host, other.id, &json!({ "nightly_minor": 9_000 })).await;
    let page = by_price.shows(&[other.id, one.id]).await;
    assert_eq!(page.items[0].nightly_minor, 9_000);
    let told = by_price.updates().pop().unwrap();
    assert_eq!(told.entries.iter().map(|home| home.id).collect::<Vec<_>>(), [other.id], "only what changed is told again");
    first.shows(&[other.id]).await;
    act(&host, draft.id, "publish").await;
    by_price.shows(&[other.id, one.id, draft.id]).await;
    change(&host, draft.id, &json!({ "title": "By the river" })).await;
    eventually("the new title", || async { (by_price.page().items[2].title == "By the river").then_some(()) }).await;
    change(&host, one.id, &json!({ "location": { "latitude": 10.0, "longitude": 20.0 } })).await;
    by_price.shows(&[other.id, draft.id]).await;
    act(&host, other.id, "unlist").await;
    by_price.shows(&[draft.id]).await;
    first.shows(&[one.id]).await;
    change(&host, one.id, &json!({ "location": { "latitude": 48.25, "longitude": 16.35 } })).await;
    by_price.shows(&[one.id, draft.id]).await;
    act(&host, draft.id, "unlist").await;
    // There is no other page any more.
    assert_eq!(first.shows(&[one.id]).await.next, None);
    assert!(!anybody.frames().iter().any(|frame| frame.contains("Kahlenberger")), "P8: the address is the host's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_leaves_a_page_when_its_date_has_come_and_nothing_else_happens() {
    let hub = Hub::start().await;
    hub.advance_to_noon();
    let (host, anybody) = (hub.guest("host").await, hub.anonymous().await);
    let home = list_home(&host).await;
    let page = look(&anybody, &hub.rest, &stay(hub.nights_from_today(1, 2))).await;
    page.shows(&[home.id]).await;
    hub.advance_s(2 * 86_400);
    page.shows(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_cannot_be_meant_is_refused_as_rest_refuses_it() {
    let hub = Hub::start().await;
    let anybody = hub.anonymous().await;
    for (data, field) in [
        (json!({ "near": "48.2" }), "near"),
        (json!({ "sort": "distance" }), "sort"),
        (json!({ "check_in": "2027-05-01" }), "check_out"),
        (json!({ "limit": 0 }), "limit"),
        (json!({ "limit": 101 }), "limit"),
        (json!({ "guests": "two" }), "guests"),
        (json!({ "cursor": "AQ" }), "cursor"),
    ] {
        let error = refused(anybody.call("search.watch", None, &data).await, ErrorCode::Invalid);
        assert_eq!(error.details["field"], Detail::from(field), "{data}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_a_connection_watches_ten_searches_and_may_stop_watching_one() {
    let hub = Hub::start().await;
    let (host, anybody) = (hub.guest("host").await, hub.anonymous().await);
    let home = list_home(&host).await;
    let mut pages = Vec::new();
    for limit in 1..=10 {
        pages.push(look(&anybody, &hub.rest, &format!("limit={limit}")).await);
    }
    let numbers: std::collections::BTreeSet<u32> = pages.iter().map(|page| page.watched.watch).collect();
    assert_eq!(numbers.len(), 10);
    let error = refused(anybody.call("search.watch", None, &json!({})).await, ErrorCode::TooManySubscriptions);
    assert_eq!(error.details["limit"], Detail::Number(10));
    let unwatch = UnwatchSearch { watch: pages[3].watched.watch };
    for _ in 0..2 {
        // What is not watched is not watched afterwards, either.
        let _: Value = anybody.ask(Command::UnwatchSearch, None, &unwatch).await.unwrap();
    }
    change(&host, home.id, &json!({ "title": "By the river" })).await;
    for (at, page) in pages.iter().enumerate().filter(|(at, _)| *at != 3) {
        eventually(format!("update of {at}"), || async { page.first_is("By the river") }).await;
    }
    let again = look(&anybody, &hub.rest, "limit=4").await;
    assert!(!numbers.contains(&again.watched.watch), "a number is not used twice");
    change(&host, home.id, &json!({ "title": "By the sea" })).await;
    eventually("the update", || async { again.first_is("By the sea") }).await;
    assert_eq!(pages[3].updates(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_who_watches_a_search_need_not_say_who_they_are_until_they_stop() {
    let hub = Hub::start().await;
    let (idle, anybody) = (hub.anonymous().await, hub.anonymous().await);
    let page = look(&anybody, &hub.rest, "").await;
    hub.advance_s(10);
    idle.expect_end(CloseCode::BadAuthentication).await;
    anybody.ping().await;
    let _: Value = anybody.ask(Command::UnwatchSearch, None, &UnwatchSearch { watch: page.watched.watch }).await.unwrap();
    hub.advance_s(10);
    anybody.expect_end(CloseCode::IdleTimeout).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_a_client_that_reads_slowly_is_told_what_the_page_is_in_the_end_and_not_what_it_was_in_between() {
    let hub = Hub::with("--messages-per-second 100000 --max-active-holds 10000 --hold-seconds 3600").await;
    let (ada, anybody) = (hub.guest("ada").await, hub.anonymous().await);
    let (home, crowded) = (list_home(&ada).await, list_home(&ada).await);
    // Calendars with many runs make long snapshots, which fill the kernel's buffers.
    join_all((0..120).map(|run| ada.hold(&crowded, nights(10 + run * 2, 1)))).await;
    let query = stay(nights(0, 3));
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let mut slow = connect(hub.address, within("a connection", socket.connect(hub.address)).await.unwrap()).await;
    let watch = json!({ "id": 1, "cmd": "search.watch", "data": ask(&query) });
    slow.send(Message::text(watch.to_string())).await.unwrap();
    for id in 2..202 {
        let subscribe = json!({ "id": id, "cmd": "subscribe", "data": { "topic": Topic::Property(crowded.id) } });
        slow.send(Message::text(subscribe.to_string())).await.unwrap();
    }
    let page = look(&anybody, &hub.rest, &query).await;
    for _ in 0..6 {
        let hold = ada.hold(&home, nights(0, 1)).await.unwrap();
        page.shows(&[crowded.id]).await;
        ada.release(&hold).await.unwrap();
        page.shows(&[crowded.id, home.id]).await;
    }
    ada.hold(&home, nights(0, 1)).await.unwrap();
    let expected = page.shows(&[crowded.id]).await;
    let (mut known, mut told) = (None, 0);
    while known.as_ref() != Some(&expected) || told == 0 {
        let Ok(text) = within("the rest", slow.next()).await.unwrap().unwrap().into_text() else { continue };
        match serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")) {
            ServerMessage::<Value>::Ok(reply) if reply.id == 1 => {
                let SearchWatched { items, next, .. } = serde_json::from_value(reply.ok).unwrap();
                known = Some(Page { items, next });
            }
            ServerMessage::Search { search } => {
                told += 1;
                assert_eq!(search.revision, told + 1);
                update(known.as_mut().unwrap(), search);
            }
            _ => {}
        }
    }
    assert!(told < 13, "{told} updates of 13 changes");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_equal_those_of_rest_after_any_series_of_changes() {
    let mut seed = Seed::new();
    let hub =
        Hub::with("--messages-per-second 100000 --max-active-holds 1000 --requests-per-user 1000000 --requests-per-address 1000000").await;
    let (host, ada) = (hub.guest("host").await, hub.guest("ada").await);
    let (anybody, late) = (hub.anonymous().await, hub.guest("late").await);
    let homes = join_all((0..8).map(|number| {
        let rates = CreateProperty { nightly_minor: 9_000 + 300 * number, preparation_days: u16::from(number == 3), ..cottage() };
        let host = &host;
        async move { list_as(host, &rates).await }
    }))
    .await;
    let dated = stay(nights(0, 3));
    let queries = [
        "limit=3".to_owned(),
        "sort=price&limit=4".to_owned(),
        "near=48.26,16.35&radius_km=5&limit=5".to_owned(),
        "near=48.26,16.35&radius_km=400&sort=rating".to_owned(),
        dated.clone(),
        format!("{dated}&sort=price&limit=2"),
        format!("{dated}&flexible=3&sort=price"),
        format!("{dated}&max_total_minor=36000&near=48.26,16.35"),
    ];
    let mut pages = Vec::new();
    for query in &queries {
        pages.push(look(&anybody, &hub.rest, query).await);
    }
    let mut holds = Vec::new();
    for step in 0..120 {
        let home = &homes[usize::try_from(seed.below(8)).unwrap()];
        match seed.below(8) {
            0..=2 => holds.extend(ada.hold(home, nights(seed.below(6) - 2, 1 + seed.below(3))).await),
            3 if !holds.is_empty() => drop(ada.release(&holds.swap_remove(0)).await),
            4 => change(&host, home.id, &json!({ "nightly_minor": 8_000 + 100 * seed.below(40) })).await,
            5 => change(&host, home.id, &json!({ "location": { "latitude": 48.26 + f64::from(seed.below(3)), "longitude": 16.35 } })).await,
            6 => {
                let what = if seed.below(2) == 0 { "unlist" } else { "publish" };
                host.post(&format!("/properties/{}/{what}/", home.id), &json!({})).send().await;
            }
            _ if step % 10 == 0 => hub.advance_s(21),
            _ => {}
        }
        if step == 60 {
            // In the middle of changes, of queries that others watch already.
            for query in &queries {
                pages.push(look(&late.live, &hub.rest, query).await);
            }
        }
        if step % 5 == 4 {
            agree(&pages).await;
        }
    }
}
