//! P1: one winner. P5: losers hear why. Many guests, overlapping nights, WebSocket and REST at once.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use latchkey_protocol::error::Detail;
use latchkey_protocol::rest::Problem;
use latchkey_protocol::view::{Hold, NightState, Property};
use latchkey_protocol::{Date, ErrorCode, Seq, UserId, WireError};

use crate::support::guest::calendar;
use crate::support::hub::list_home;
use crate::support::watcher::{night_range, taken};
use crate::support::{Dates, Guest, Hub, Seed, Watcher, nights, today};

async fn guests(hub: &Hub, count: usize) -> Vec<Guest> {
    join_all((0..count).map(|number| async move { hub.guest(&format!("guest-{number}")).await })).await
}

/// The same command over REST.
async fn hold_by_rest(guest: &Guest, home: &Property, dates: Dates) -> Result<Hold, WireError> {
    let answer = guest.post("/holds/", &dates.of(home.id)).send().await;
    if answer.status.is_success() { Ok(answer.expect_json(201)) } else { Err(answer.json::<Problem>().error) }
}

/// P5: the refusal names a night, and the event that took it, which the watcher has seen.
async fn assert_loser_heard_why(watcher: &Watcher, error: &WireError, asked: Dates) {
    assert_eq!(error.code, ErrorCode::DatesUnavailable, "{error:?}");
    let Some(Detail::Number(seq)) = error.details.get("seq") else { panic!("{error:?}") };
    let Some(Detail::Text(from)) = error.details.get("from") else { panic!("{error:?}") };
    let from: Date = from.parse().unwrap();
    assert!((asked.check_in..asked.check_out).contains(&from), "{error:?} {asked:?}");
    let event = watcher.client.event(watcher.topic, Seq::try_from(*seq).unwrap()).await;
    let change = night_range(&event);
    assert!((change.from..change.to).contains(&from) && change.state == NightState::Held, "{error:?} {event:?}");
}

/// P1: no night has two owners, by the answers that guests got.
pub(crate) fn owners(won: &[(UserId, Hold)]) -> BTreeMap<Date, UserId> {
    let mut owners = BTreeMap::new();
    for (user, hold) in won {
        for offset in 0..hold.check_out.days_since(hold.check_in) {
            let night = hold.check_in.saturating_add(offset);
            assert!(owners.insert(night, *user).is_none(), "{night} has two owners");
        }
    }
    owners
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_of_many_guests_racing_for_one_night_exactly_one_gets_it() {
    let hub = Hub::start().await;
    let guests = guests(&hub, 24).await;
    let home = list_home(&guests[0]).await;
    let watcher = hub.watcher(&home).await;
    for round in 0..5 {
        let dates = nights(round * 3, 2);
        let answers = join_all(guests.iter().enumerate().map(|(number, guest)| {
            let home = &home;
            async move {
                match number % 3 {
                    0 => hold_by_rest(guest, home, dates).await,
                    _ => guest.hold(home, dates).await,
                }
            }
        }))
        .await;
        let winners: Vec<&Hold> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
        assert_eq!(winners.len(), 1, "round {round}: {answers:?}");
        for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            assert_loser_heard_why(&watcher, error, dates).await;
            assert_eq!(error.details["seq"], Detail::from(winners[0].seq), "P5: the winner's own event");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_overlapping_stays_over_websocket_and_rest_never_share_a_night() {
    let hub = Hub::with("--max-active-holds 1000").await;
    let guests = guests(&hub, 12).await;
    let home = list_home(&guests[0]).await;
    let watcher = hub.watcher(&home).await;
    let seed = Seed::new();
    let races = guests.iter().enumerate().map(|(number, guest)| {
        let (home, mut seed) = (&home, seed.fork(number));
        async move {
            let mut answers = Vec::new();
            for turn in 0..12 {
                let dates = nights(seed.below(60), 1 + seed.below(5));
                let answer = if turn % 4 == 0 { hold_by_rest(guest, home, dates).await } else { guest.hold(home, dates).await };
                answers.push((guest.user, dates, answer));
            }
            answers
        }
    });
    let answers: Vec<_> = join_all(races).await.into_iter().flatten().collect();
    let won: Vec<_> = answers.iter().filter_map(|(user, _, answer)| answer.as_ref().ok().map(|hold| (*user, hold.clone()))).collect();
    let owners = owners(&won);
    assert!(!won.is_empty() && won.len() < answers.len(), "a race has winners and losers");
    for (_, dates, answer) in &answers {
        if let Err(error) = answer {
            assert_loser_heard_why(&watcher, error, *dates).await;
        }
    }
    let head = won.iter().map(|(_, hold)| hold.seq).max().unwrap();
    let expected: Vec<_> = owners.keys().map(|night| (*night, NightState::Held)).collect();
    assert_eq!(watcher.taken_at(head).await, expected, "P3, P4: the events tell exactly what was acknowledged");
    let calendar = calendar(&hub.rest, home.id).await;
    assert_eq!((calendar.seq, taken(&calendar)), (head, expected));
    assert!(calendar.from >= today().saturating_add(-1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_a_night_given_back_is_won_once_again() {
    let hub = Hub::start().await;
    let guests = guests(&hub, 8).await;
    let home = list_home(&guests[0]).await;
    let watcher = hub.watcher(&home).await;
    let mut head = 1;
    for _ in 0..6 {
        let answers = join_all(guests.iter().map(|guest| guest.hold(&home, nights(0, 1)))).await;
        let won: Vec<_> = guests.iter().zip(&answers).filter(|(_, answer)| answer.is_ok()).collect();
        let [(winner, Ok(hold))] = won.as_slice() else { panic!("{answers:?}") };
        let released = winner.release(hold).await.unwrap();
        assert_eq!((hold.seq, released.seq), (head + 1, head + 2));
        head += 2;
    }
    assert!(watcher.taken_at(head).await.is_empty());
}
