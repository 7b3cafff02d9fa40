//! After the last round: let everything arrive, then hold what guests, watchers and host saw against each other and the hub.

use std::sync::Arc;
use std::time::{Duration, Instant};

use latchkey_protocol::view::Calendar;
use latchkey_protocol::{PropertyId, Topic};

use super::field::Field;
use super::{Course, Tally};
use crate::invariants::claims::{
    nights_won_twice, refusals_without_cause, rounds_without_winner, winners_not_confirmed, wins_without_event,
};
use crate::invariants::inbox::host_notices_amiss;
use crate::plan::Stay;
use crate::verify;

/// How long watchers and host may lag behind the end; less if patience is.
const LAG: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(25);

/// Waits, then judges; whatever is wrong goes to the course's breaks.
pub(crate) async fn settle(field: &Field, course: &Course, tally: &Tally) {
    let breaks = &course.breaks;
    let lag = LAG.min(course.link.patience);
    let calendars = final_calendars(field, course).await;
    for calendar in &calendars {
        breaks.extend(watchers_behind(field, calendar, lag).await);
    }
    breaks.extend(host_amiss(field, tally, lag).await);
    {
        let timelines = field.stand.timelines();
        breaks.extend(nights_won_twice(&tally.wins));
        breaks.extend(rounds_without_winner(tally.played, &tally.wins));
        breaks.extend(winners_not_confirmed(&tally.wins));
        breaks.extend(refusals_without_cause(&tally.losses, &timelines));
        breaks.extend(wins_without_event(&tally.wins, &timelines));
        for timeline in timelines.values() {
            breaks.extend(timeline.contradictions());
        }
        for calendar in &calendars {
            breaks.extend(timelines.get(&calendar.property).map(|timeline| timeline.disagreements(calendar)).unwrap_or_default());
        }
        for (won, sent_at) in tally.wins.iter().zip(&tally.sent_at) {
            let Stay { check_in, check_out } = won.stay;
            let timeline = timelines.get(&won.property);
            let receipts = timeline.and_then(|timeline| timeline.receipts_of_hold(check_in, check_out, won.seq)).unwrap_or_default();
            if let Some(sent_at) = sent_at {
                for at in receipts {
                    course.clocks.hold_to_watcher.record(at.saturating_duration_since(*sent_at));
                }
            }
        }
    }
    let guests = field.guests.iter().map(|guest| (guest.number, Arc::clone(&guest.account))).collect();
    breaks.extend(verify::verify(&course.link.rest, &course.recorder.history(), &guests).await);
}

/// Each property's calendar over all nights that were raced for.
async fn final_calendars(field: &Field, course: &Course) -> Vec<Calendar> {
    let mut calendars = Vec::new();
    for (index, property) in field.properties.iter().enumerate() {
        let windows = || field.rounds.iter().filter(|round| round.property == index).map(|round| round.window);
        let (first, last) = (windows().map(|window| window.check_in).min(), windows().map(|window| window.check_out).max());
        let (Some(check_in), Some(check_out)) = (first, last) else { continue };
        let whole = |calendar: &Calendar| calendar.property == *property && calendar.from <= check_in && check_out <= calendar.to;
        match course.link.rest.calendar(*property, Stay { check_in, check_out }).await {
            Ok(calendar) if whole(&calendar) => calendars.push(calendar),
            Ok(calendar) => course.breaks.add(format!("asked for {check_in}..{check_out} of {property}, got {calendar:?}")),
            Err(error) => course.breaks.add(error.to_string()),
        }
    }
    calendars
}

/// Watchers that don't reach the head a calendar names.
async fn watchers_behind(field: &Field, calendar: &Calendar, lag: Duration) -> Vec<String> {
    let deadline = Instant::now() + lag;
    loop {
        let behind = behind(field, calendar.property, calendar.seq);
        if behind.is_empty() || Instant::now() >= deadline {
            return behind;
        }
        tokio::time::sleep(POLL).await;
    }
}

fn behind(field: &Field, property: PropertyId, head: u64) -> Vec<String> {
    let seen = field.watchers.iter().enumerate().map(|(number, session)| (number, session.head(Topic::Property(property)).unwrap_or(0)));
    let late = seen.filter(|(_, seen)| *seen < head);
    late.map(|(number, seen)| format!("watcher {number} stands at {seen} of {property}, whose head is {head}")).collect()
}

/// What is wrong with the host's notices once they had time to arrive.
async fn host_amiss(field: &Field, tally: &Tally, lag: Duration) -> Vec<String> {
    let deadline = Instant::now() + lag;
    loop {
        let mut amiss = host_notices_amiss(&tally.wins, &field.host_inbox.notices());
        if amiss.is_empty() || Instant::now() >= deadline {
            amiss.extend(field.host.end().map(|why| format!("the host's session ended: {why}")));
            return amiss;
        }
        tokio::time::sleep(POLL).await;
    }
}
