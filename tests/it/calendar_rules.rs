//! Calendar rules over both edges: each refusal names its rule; the calendar tells each day what it allows.

use http::Method;
use latchkey_protocol::ErrorCode;
use latchkey_protocol::error::Detail;
use latchkey_protocol::view::{CalendarDays, DayReason, NightState, Property};
use serde_json::{Value, json};

use crate::properties::change;
use crate::support::hub::list_home;
use crate::support::{Dates, Guest, Hub, nights, refused, today};

/// The home under other rules.
async fn with_rules(host: &Guest, home: &Property, rules: &Value) {
    let now: Property = host.get(&format!("/properties/{}/", home.id)).send().await.expect_json(200);
    let path = format!("/properties/{}/", home.id);
    change(host, Method::PATCH, &path, now.version).json(rules).send().await.expect_json::<Property>(200);
}

/// A run of nights that begins on a day of the week, from 0, Monday.
fn from_weekday(weekday: u8, count: i32) -> Dates {
    let first = (0..7).find(|day| nights(*day, 1).check_in.weekday() == weekday).unwrap();
    nights(first, count)
}

#[tokio::test]
async fn each_rule_refuses_by_its_name() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let season =
        |dates: Dates, rule: &str, nights: u16| json!({"seasons": [{"from": dates.check_in, "to": dates.check_out, rule: nights}]});
    let none = json!({"seasons": [], "advance_notice_days": 0, "booking_window_days": 730, "check_in_days": ["monday", "tuesday", "wednesday",
        "thursday", "friday", "saturday", "sunday"], "check_out_days": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]});
    let soon = Dates { check_in: today().saturating_add(10), check_out: today().saturating_add(12) };
    for (rules, dates, name) in [
        (json!({"advance_notice_days": 30}), soon, "advance_notice"),
        (json!({"booking_window_days": 20}), nights(0, 2), "booking_window"),
        (json!({"check_in_days": ["tuesday"]}), from_weekday(0, 2), "check_in_day"),
        (json!({"check_out_days": ["tuesday"]}), from_weekday(0, 2), "check_out_day"),
        (season(nights(0, 9), "min_nights", 3), nights(8, 2), "min_nights"),
        (season(nights(0, 9), "max_nights", 1), nights(8, 2), "max_nights"),
    ] {
        with_rules(&host, &home, &rules).await;
        for refusal in [
            refused(ada.quote(&home, dates).await, ErrorCode::RuleViolated),
            refused(ada.hold(&home, dates).await, ErrorCode::RuleViolated),
        ] {
            assert_eq!(refusal.details["rule"], Detail::from(name), "{rules}");
        }
        with_rules(&host, &home, &none).await;
        ada.quote(&home, dates).await.unwrap();
    }
}

#[tokio::test]
async fn days_of_preparation_keep_stays_apart() {
    let hub = Hub::start().await;
    let (host, ada, bob) = (hub.guest("helga").await, hub.guest("ada").await, hub.guest("bob").await);
    let home = list_home(&host).await;
    with_rules(&host, &home, &json!({"preparation_days": 2})).await;
    let hold = ada.hold(&home, nights(10, 2)).await.unwrap();
    for (dates, is_refused) in
        [(nights(8, 1), true), (nights(7, 1), false), (nights(12, 1), true), (nights(13, 3), true), (nights(14, 1), false)]
    {
        match bob.hold(&home, dates).await {
            Ok(held) => {
                assert!(!is_refused, "{dates:?}");
                bob.release(&held).await.unwrap();
            }
            Err(error) => {
                assert_eq!((error.code, &error.details["rule"], is_refused), (ErrorCode::RuleViolated, &"preparation".into(), true));
            }
        }
    }
    ada.release(&hold).await.unwrap();
    bob.hold(&home, nights(12, 1)).await.unwrap();
}

async fn days(guest: Option<&Guest>, hub: &Hub, home: &Property, dates: Dates) -> CalendarDays {
    let path = format!("/properties/{}/calendar/?from={}&to={}", home.id, dates.check_in, dates.check_out);
    let ask = guest.map_or_else(|| hub.rest.get(&path), |guest| guest.get(&path));
    ask.send().await.expect_json(200)
}

#[tokio::test]
async fn p8_each_day_tells_everybody_its_state_and_price_and_its_host_alone_the_reason() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    with_rules(&host, &home, &json!({"preparation_days": 1, "weekend_minor": 12_000})).await;
    let booking = ada.hold_and_book(&home, nights(2, 2)).await;
    ada.pay(&booking, "pm_card_visa").await.unwrap();
    let hold = ada.hold(&home, nights(6, 1)).await.unwrap();
    let block = json!({"from": nights(9, 1).check_in, "to": nights(9, 1).check_out, "note": "the roof leaks"});
    let block: Value = host.post(&format!("/properties/{}/blocks/", home.id), &block).send().await.expect_json(201);

    let theirs = days(None, &hub, &home, nights(0, 12)).await;
    let own = days(Some(&host), &hub, &home, nights(0, 12)).await;
    let letters = |calendar: &CalendarDays| -> String {
        let letter = |state| match state {
            NightState::Free => '.',
            NightState::Held => 'h',
            NightState::Booked => 'b',
            NightState::Blocked => 'x',
        };
        calendar.days.iter().map(|day| letter(day.state)).collect()
    };
    assert_eq!(letters(&theirs), ".xbbxxhx.x..");
    assert!(theirs.days.iter().all(|day| day.reason.is_none()));
    assert_eq!(days(Some(&ada), &hub, &home, nights(0, 12)).await, theirs, "a guest reads what anybody reads");
    let text = serde_json::to_string(&theirs).unwrap();
    for secret in ["roof", &booking.id.to_string(), &hold.id.to_string(), &ada.user.to_string(), block["id"].as_str().unwrap()] {
        assert!(!text.contains(secret), "{secret}");
    }
    let reason = |day: usize| own.days[day].reason.clone();
    let note = Some("the roof leaks".to_owned());
    assert_eq!(reason(0), None);
    assert_eq!(reason(1), Some(DayReason::Preparation));
    assert_eq!(reason(2), Some(DayReason::Booking { booking: booking.id }));
    assert_eq!(reason(6), Some(DayReason::Hold { hold: hold.id }));
    assert_eq!(reason(9), Some(DayReason::Block { block: block["id"].as_str().unwrap().parse().unwrap(), note }));
    assert_eq!((own.seq, &own.taken), (theirs.seq, &theirs.taken));
    for day in &own.days {
        let expected = if matches!(day.date.weekday(), 4 | 5) { 12_000 } else { 10_000 };
        assert_eq!((day.price_minor, day.min_nights), (expected, 1), "{}", day.date);
        assert_eq!(day.can_check_in, day.state == NightState::Free, "{}", day.date);
    }
}
