//! Prices: what a quote says line by line, and that a booking keeps the price it was made with.

use http::Method;
use latchkey_protocol::ErrorCode;
use latchkey_protocol::rest::CreateProperty;
use latchkey_protocol::view::{Property, Quote, QuoteLineKind};
use serde_json::json;

use crate::properties::change;
use crate::support::hub::{cottage, list_as, list_home};
use crate::support::{Dates, Guest, Hub, nights, refused};

/// Seven nights from a Monday on.
fn week() -> Dates {
    let first = (0..7).find(|day| nights(*day, 1).check_in.weekday() == 0).unwrap();
    nights(first, 7)
}

fn lines(quote: &Quote) -> Vec<(QuoteLineKind, u16, i64)> {
    assert_eq!(quote.total_minor, quote.lines.iter().map(|line| line.amount_minor).sum::<i64>(), "P9");
    quote.lines.iter().map(|line| (line.kind, line.quantity, line.amount_minor)).collect()
}

#[tokio::test]
async fn p9_a_booking_keeps_every_line_of_its_price_whatever_the_host_asks_later() {
    use QuoteLineKind::{Cleaning, ExtraGuests, Nights, ServiceFee, Taxes, WeeklyDiscount};
    let mut hub = Hub::with("--service-fee-bp 1250").await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let ask = CreateProperty {
        weekend_minor: Some(12_500),
        weekly_discount_bp: 1_000,
        included_guests: Some(1),
        extra_guest_minor: 700,
        tax_bp: 320,
        ..cottage()
    };
    let home = list_as(&host, &ask).await;
    assert_eq!(home.service_fee_bp, 1_250);
    let quote = ada.quote(&home, week()).await.unwrap();
    // 75000 of nights less 7500, 4900 for the second guest, 3000 of cleaning: 75400.
    let expected = [
        (Nights, 5, 50_000),
        (Nights, 2, 25_000),
        (WeeklyDiscount, 1, -7_500),
        (ExtraGuests, 7, 4_900),
        (Cleaning, 1, 3_000),
        (ServiceFee, 1, 9_425),
        (Taxes, 1, 2_413),
    ];
    assert_eq!(lines(&quote), expected);
    let by_rest: Quote = hub.rest.post("/quotes/").json(&week().of(home.id)).send().await.expect_json(200);
    assert_eq!(by_rest, quote);

    let booking = ada.hold_and_book(&home, week()).await;
    assert_eq!(booking.quote, quote);
    let dearer = json!({"nightly_minor": 99_000, "weekend_minor": null, "tax_bp": 0});
    change(&host, Method::PATCH, &format!("/properties/{}/", home.id), 1).json(&dearer).send().await.expect_json::<Property>(200);
    assert_eq!(ada.booking(booking.id).await.quote, quote);
    hub.restart().await;
    let ada = Guest::log_in(hub.address, &ada.email).await;
    assert_eq!(ada.booking(booking.id).await.quote, quote);
    let paid = ada.pay(&booking, "pm_card_visa").await.unwrap();
    assert_eq!(paid.captured_minor, quote.total_minor);
}

#[tokio::test]
async fn a_guest_who_agreed_to_another_total_is_told_the_new_one() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let (quote, hold) = (ada.quote(&home, nights(0, 2)).await.unwrap(), ada.hold(&home, nights(0, 2)).await.unwrap());
    let dearer = json!({"cleaning_fee_minor": 4_000});
    change(&host, Method::PATCH, &format!("/properties/{}/", home.id), 1).json(&dearer).send().await.expect_json::<Property>(200);
    let mut book = crate::support::guest::book_hold(&hold);
    book.expected_total_minor = Some(quote.total_minor);
    let problem = ada.post("/bookings/", &book).send().await.expect_problem(409, ErrorCode::InvalidState);
    assert_eq!(problem.error.details["total_minor"], 24_000_i64.into());
    refused(ada.quote(&home, nights(0, 400)).await, ErrorCode::Invalid);
}
