//! P1 and P5 over a race: who won, who was refused, and whether the public topic tells the same story.

use std::collections::{HashMap, HashSet};

use latchkey_protocol::{Date, HoldId, PropertyId, Seq};

use crate::invariants::timeline::Timeline;
use crate::plan::Stay;

/// Each property's public topic.
pub(crate) type Timelines = HashMap<PropertyId, Timeline>;

/// How far a winner came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Paid and confirmed.
    Confirmed,
    /// Its lease ran out before the next step reached the hub: what a long outage does, and no fault.
    Lapsed,
    /// Stuck, for this reason.
    Stuck(String),
}

/// An acknowledged hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Won {
    /// In which round.
    pub(crate) round: u32,
    /// Which guest.
    pub(crate) guest: usize,
    /// Which home.
    pub(crate) property: PropertyId,
    /// Which nights.
    pub(crate) stay: Stay,
    /// The claim.
    pub(crate) hold: HoldId,
    /// The topic's sequence in the acknowledgement.
    pub(crate) seq: Seq,
    /// What came after.
    pub(crate) progress: Progress,
}

/// A hold refused with `dates_unavailable`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Which guest.
    pub(crate) guest: usize,
    /// Which home.
    pub(crate) property: PropertyId,
    /// The nights asked for.
    pub(crate) stay: Stay,
    /// `details.seq`: when a night of them was taken.
    pub(crate) seq: Seq,
    /// `details.from`: which one.
    pub(crate) from: Date,
}

/// P1: nights that two guests own. A lapsed claim owned its nights only until its deadline.
pub(crate) fn nights_won_twice(wins: &[Won]) -> Vec<String> {
    let mut owners: HashMap<(PropertyId, Date), &Won> = HashMap::new();
    let mut broken = Vec::new();
    for won in wins.iter().filter(|won| won.progress != Progress::Lapsed) {
        for night in won.stay.nights() {
            match owners.insert((won.property, night), won) {
                Some(other) if other.hold != won.hold => {
                    broken.push(format!("{night} won by guest {} ({}) and by guest {} ({})", other.guest, other.hold, won.guest, won.hold));
                }
                Some(_) | None => {}
            }
        }
    }
    broken
}

/// Every winner that is not confirmed, unless its lease ran out.
pub(crate) fn winners_not_confirmed(wins: &[Won]) -> Vec<String> {
    let stuck = wins.iter().filter_map(|won| match &won.progress {
        Progress::Confirmed | Progress::Lapsed => None,
        Progress::Stuck(why) => Some(format!("guest {} won {} but is not confirmed: {why}", won.guest, won.hold)),
    });
    stuck.collect()
}

/// Rounds in which everybody lost: fresh nights that all want must go to somebody.
pub(crate) fn rounds_without_winner(rounds: u32, wins: &[Won]) -> Vec<String> {
    let won: HashSet<u32> = wins.iter().map(|won| won.round).collect();
    (0..rounds).filter(|round| !won.contains(round)).map(|round| format!("round {round} has no winner")).collect()
}

/// P5: refusals whose reason is not what the watchers saw: at `seq` the night `from`, one of those asked for, became held.
pub(crate) fn refusals_without_cause(losses: &[Lost], timelines: &Timelines) -> Vec<String> {
    let broken = losses.iter().filter_map(|lost| {
        let Lost { guest, stay, seq, from, .. } = lost;
        let refused = format!("guest {guest} was refused {}..{} for {from} at seq {seq}", stay.check_in, stay.check_out);
        let Some(timeline) = timelines.get(&lost.property) else { return Some(format!("{refused} of an unwatched property")) };
        let (head, taken) = (timeline.head(), timeline.held_at(*seq));
        if !stay.contains(*from) {
            Some(format!("{refused}, a night it did not ask for"))
        } else if *seq > head {
            Some(format!("{refused}, beyond the topic's head {head}"))
        } else if !taken.is_some_and(|range| range.from <= *from && *from < range.to) {
            Some(format!("{refused}, when it did not become held"))
        } else {
            None
        }
    });
    broken.collect()
}

/// P3: acknowledged holds whose event the watchers did not see by the sequence in the acknowledgement.
pub(crate) fn wins_without_event(wins: &[Won], timelines: &Timelines) -> Vec<String> {
    let published = |won: &Won| {
        let Stay { check_in, check_out } = won.stay;
        timelines.get(&won.property).is_some_and(|timeline| timeline.receipts_of_hold(check_in, check_out, won.seq).is_some())
    };
    let unseen = wins.iter().filter(|won| !published(won));
    unseen.map(|won| format!("hold {} of guest {} was acknowledged at seq {}, but not published", won.hold, won.guest, won.seq)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use latchkey_protocol::view::Calendar;

    use super::*;

    fn day(number: i32) -> Date {
        Date::from_epoch_day(number).unwrap()
    }

    fn stay(from: i32, to: i32) -> Stay {
        Stay { check_in: day(from), check_out: day(to) }
    }

    fn property() -> PropertyId {
        PropertyId::from_bytes([7; 16])
    }

    fn won(guest: u8, stay: Stay, progress: Progress) -> Won {
        let hold = HoldId::from_bytes([guest; 16]);
        Won { round: 0, guest: guest.into(), property: property(), stay, hold, seq: 2, progress }
    }

    fn lost(stay: Stay, seq: Seq, from: Date) -> Lost {
        Lost { guest: 9, property: property(), stay, seq, from }
    }

    /// Nights 10 and 11 became held with event 2, and booked with event 3.
    fn timelines() -> Timelines {
        let mut timeline = Timeline::default();
        timeline.start(&Calendar { property: property(), seq: 1, from: day(0), to: day(50), taken: Vec::new() }).unwrap();
        for (seq, state) in [(2, "held"), (3, "booked")] {
            let data = format!(r#"{{"from":"{}","to":"{}","state":"{state}"}}"#, day(10), day(12));
            timeline.see(seq, "availability.changed", &data, Instant::now()).unwrap();
        }
        HashMap::from([(property(), timeline)])
    }

    #[test]
    fn disjoint_stays_may_both_win() {
        let wins = [won(1, stay(10, 12), Progress::Confirmed), won(2, stay(12, 13), Progress::Confirmed)];
        assert!(nights_won_twice(&wins).is_empty());
    }

    #[test]
    fn a_night_with_two_winners_is_noticed_even_if_one_is_stuck() {
        let stuck = Progress::Stuck("book: internal".to_owned());
        let wins = [won(1, stay(10, 12), Progress::Confirmed), won(2, stay(11, 13), stuck)];
        assert_eq!(nights_won_twice(&wins).len(), 1);
    }

    #[test]
    fn a_lapsed_claim_leaves_its_nights_to_another() {
        let wins = [won(1, stay(10, 12), Progress::Lapsed), won(2, stay(10, 12), Progress::Confirmed)];
        assert!(nights_won_twice(&wins).is_empty());
    }

    #[test]
    fn a_winner_without_confirmation_is_noticed() {
        let wins = [won(1, stay(1, 2), Progress::Confirmed), won(2, stay(2, 3), Progress::Stuck("pay: internal".to_owned()))];
        assert_eq!(winners_not_confirmed(&wins).len(), 1);
    }

    #[test]
    fn a_round_in_which_all_lost_is_noticed() {
        let wins = [won(1, stay(1, 2), Progress::Confirmed)];
        assert_eq!(rounds_without_winner(2, &wins), ["round 1 has no winner"]);
    }

    #[test]
    fn a_refusal_must_name_the_event_that_took_one_of_its_nights() {
        let rows = [
            (lost(stay(11, 14), 2, day(11)), ""),
            (lost(stay(11, 14), 2, day(10)), "did not ask for"),
            (lost(stay(11, 14), 9, day(11)), "beyond the topic's head"),
            (lost(stay(11, 14), 2, day(12)), "did not become held"),
            (lost(stay(11, 14), 3, day(11)), "did not become held"),
            (lost(stay(11, 14), 1, day(11)), "did not become held"),
        ];
        for (lost, expected) in rows {
            let broken = refusals_without_cause(std::slice::from_ref(&lost), &timelines()).join("");
            assert!(broken.contains(expected) && broken.is_empty() == expected.is_empty(), "{lost:?}: {broken}");
        }
    }

    #[test]
    fn a_win_that_was_never_published_is_noticed() {
        let wins = [won(1, stay(10, 12), Progress::Confirmed), won(2, stay(20, 21), Progress::Confirmed)];
        assert_eq!(wins_without_event(&wins, &timelines()).len(), 1);
    }
}
