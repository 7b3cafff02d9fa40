//! Reading one's own writes: a read that names an event is not older than that event, or says that it would be.

use futures_util::future::join_all;
use http::Method;
use http::header::IF_MATCH;
use latchkey_protocol::ErrorCode;
use latchkey_protocol::client::{AskQuote, Command};
use latchkey_protocol::error::Detail;
use latchkey_protocol::rest::CreateProperty;
use latchkey_protocol::view::{Booking, CalendarDays, Property, Quote};
use serde_json::json;

use crate::properties::plain;
use crate::support::hub::{cottage, list_as, list_home};
use crate::support::{Dates, Guest, Hub, nights, refused};

fn ask(home: &Property, Dates { check_in, check_out }: Dates, min_seq: u64) -> AskQuote {
    AskQuote { property: home.id, check_in, check_out, guests: 2, min_seq: Some(min_seq) }
}

async fn quote(guest: &Guest, ask: &AskQuote) -> Result<Quote, latchkey_protocol::WireError> {
    guest.live.ask(Command::Quote, None, ask).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_after_a_write_contains_it() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("host").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let property = format!("/properties/{}/", home.id);
    for round in 0..4 {
        let hold = ada.hold(&home, nights(2 * round, 1)).await.unwrap();
        let path = format!("{property}calendar/?min_seq={}", hold.seq);
        let calendar: CalendarDays = hub.rest.get(&path).send().await.expect_json(200);
        assert!(calendar.seq >= hold.seq && calendar.taken.iter().any(|run| run.from <= nights(2 * round, 1).check_in), "{calendar:?}");
        // What changes has the next number.
        let price = 5_000 + i64::from(round);
        let change = plain(&host, Method::PATCH, &property).header(IF_MATCH, "*").json(&json!({ "nightly_minor": price }));
        let _: Property = change.send().await.expect_json(200);
        let read: Property = hub.rest.get(&format!("{property}?min_seq={}", hold.seq + 1)).send().await.expect_json(200);
        assert_eq!(read.nightly_minor, price);
        let asked = ask(&home, nights(200, 1), hold.seq + 1);
        let (over_rest, live): (Quote, _) =
            (hub.rest.post("/quotes/").json(&asked).send().await.expect_json(200), quote(&ada, &asked).await);
        assert_eq!((over_rest.total_minor, live.unwrap().total_minor), (price + 3_000, price + 3_000));
    }
    let booking = ada.hold_and_book(&home, nights(20, 2)).await;
    ada.pay(&booking, "pm_card_visa").await.unwrap();
    let path = format!("/bookings/{}/", booking.id);
    let paid: Booking = ada.get(&path).send().await.expect_json(200);
    assert!(paid.seq > booking.seq);
    for min_seq in 0..=paid.seq {
        let read: Booking = ada.get(&format!("{path}?min_seq={min_seq}")).send().await.expect_json(200);
        assert!(read.seq >= paid.seq);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_does_not_come_is_waited_for_and_then_the_read_is_busy_and_says_where_it_is() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("host").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let booking = ada.hold_and_book(&home, nights(0, 2)).await;
    let calendar: CalendarDays = hub.rest.get(&format!("/properties/{}/calendar/", home.id)).send().await.expect_json(200);
    let (head, never) = (calendar.seq, calendar.seq + 1);
    let asked = ask(&home, nights(5, 1), never);
    let reads = [
        (ada.get(&format!("/properties/{}/?min_seq={never}", home.id)), head),
        (ada.get(&format!("/properties/{}/calendar/?min_seq={never}", home.id)), head),
        (ada.rest.post("/quotes/").json(&asked), head),
        (ada.get(&format!("/bookings/{}/?min_seq={}", booking.id, booking.seq + 1)), booking.seq),
    ];
    let answers = join_all(reads.map(|(read, head)| async move { (read.send().await, head) }));
    let (answers, live) = tokio::join!(answers, quote(&ada, &asked));
    for (answer, head) in answers {
        let problem = answer.expect_problem(503, ErrorCode::Busy);
        assert_eq!((&problem.error.details["seq"], &problem.error.details["min_seq"]), (&Detail::from(head), &Detail::from(head + 1)));
    }
    assert_eq!(refused(live, ErrorCode::Busy).details["seq"], Detail::from(head));
    // Whoever reads first and writes then, does not wait in vain.
    let late = format!("/properties/{}/calendar/?min_seq={never}", home.id);
    let (read, hold) = tokio::join!(ada.get(&late).send(), ada.hold(&home, nights(5, 1)));
    assert!(read.expect_json::<CalendarDays>(200).seq >= hold.unwrap().seq);
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_what_is_not_theirs_is_not_there_whatever_event_they_name() {
    let hub = Hub::start().await;
    let (host, ada, eve) = (hub.guest("host").await, hub.guest("ada").await, hub.guest("eve").await);
    let (home, draft) = (list_home(&host).await, list_as(&host, &CreateProperty { publish: false, ..cottage() }).await);
    let booking = ada.hold_and_book(&home, nights(0, 2)).await;
    for min_seq in [1, 1_000_000] {
        for path in
            [format!("/properties/{}/", draft.id), format!("/properties/{}/calendar/", draft.id), format!("/bookings/{}/", booking.id)]
        {
            eve.get(&format!("{path}?min_seq={min_seq}")).send().await.expect_problem(404, ErrorCode::NotFound);
        }
        refused(quote(&eve, &ask(&draft, nights(0, 1), min_seq)).await, ErrorCode::NotFound);
    }
    for min_seq in ["-1", "x", "", "1.5", "18446744073709551616"] {
        let path = format!("/properties/{}/?min_seq={min_seq}", home.id);
        let problem = hub.rest.get(&path).send().await.expect_problem(422, ErrorCode::Invalid);
        assert_eq!(problem.error.details["field"], Detail::from("min_seq"), "{min_seq}");
    }
}
