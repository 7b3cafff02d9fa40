//! What is deleted by age, and when.
//!
//! Only what nobody replaces any more is deleted: ended holds, sessions that are over, keys and webhooks whose repetition is no longer
//! answered, events that are no longer replayed, the log of batches that named them. So a deletion needs no version: it is right whenever it is
//! committed, and right twice.

use latchkey_protocol::{AuditId, HoldId, NotificationId, Seq, SessionId, Topic, UserId};

use super::time::{DAY_MS, Timestamp};

/// How long notifications are kept after they were read, in milliseconds: a younger one that is not there was never wanted.
pub const READ_NOTIFICATIONS_MS: i64 = 90 * DAY_MS;

/// How long records are kept, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    /// Events: how far back `resume` reaches.
    pub events_ms: i64,
    /// What idempotency keys led to.
    pub keys_ms: i64,
    /// Webhooks that were taken into account; providers repeat them for days.
    pub webhooks_ms: i64,
    /// Ended holds, from when they were taken: longer than any hold may live.
    pub holds_ms: i64,
    /// Sessions, after their end.
    pub sessions_ms: i64,
    /// Entries of the audit log.
    pub audit_ms: i64,
    /// Notifications, after they were read.
    pub read_notifications_ms: i64,
    /// Notifications that nobody reads.
    pub notifications_ms: i64,
}

impl Default for Periods {
    fn default() -> Self {
        Self::of_days(30, 365)
    }
}

impl Periods {
    /// The usual periods, with events and entries of the audit log kept for that many days.
    #[must_use]
    pub fn of_days(events: u16, audit: u16) -> Self {
        Self {
            events_ms: i64::from(events) * DAY_MS,
            keys_ms: 7 * DAY_MS,
            webhooks_ms: 30 * DAY_MS,
            holds_ms: 7 * DAY_MS,
            sessions_ms: 7 * DAY_MS,
            audit_ms: i64::from(audit) * DAY_MS,
            read_notifications_ms: READ_NOTIFICATIONS_MS,
            notifications_ms: 365 * DAY_MS,
        }
    }

    /// The log of batches: as long as anything that is found by it.
    #[must_use]
    pub fn log_ms(&self) -> i64 {
        self.events_ms.max(self.keys_ms).max(self.webhooks_ms)
    }
}

/// A process of which nothing was seen for so long is taken for gone, in milliseconds. One that has not heard of the others for so long ends by
/// itself: what it has in memory is too old. Far below [`Periods::log_ms`], so that no log is deleted that somebody has yet to read.
pub const GONE_AFTER_MS: i64 = DAY_MS / 2;

/// The id of a process in the log of batches, as a UUID's bytes.
pub type NodeId = [u8; 16];

/// A record that has outlived its use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outlived {
    /// A hold that ended: its transitions refuse everything, and its booking, if there is one, is a record of its own.
    Hold(HoldId),
    /// A session that ended or expired: a rotation of it is refused, with or without its record.
    Family(SessionId),
    /// A revocation: every access token of the session has ended by itself.
    Revoked(SessionId),
    /// A one-use token that has expired, by its hash.
    OneTime(String),
    /// What a key led to, if it was used before an instant: a key that was forgotten may have been used anew.
    Key {
        /// User and command.
        scope: String,
        /// As the client chose it.
        key: String,
        /// A use at this instant or later stays.
        before: Timestamp,
    },
    /// A webhook.
    Webhook(String),
    /// A topic's events before `below`, which is at most its head: the newest event stays, and heads only grow. The hint is raised with
    /// it, so that the head is still found.
    Events {
        /// Which.
        topic: Topic,
        /// The first event that stays.
        below: Seq,
    },
    /// A batch in the log.
    Batch {
        /// By which process.
        node: NodeId,
        /// Its number there.
        number: i64,
    },
    /// A process that is gone and whose whole log is.
    Node(NodeId),
    /// Processes of which nothing was seen for [`GONE_AFTER_MS`], by the database's clock: their logs are over, and a process that wakes up after all can commit nothing any more.
    Unseen,
    /// An entry of the audit log.
    AuditEntry(AuditId),
    /// From which network address somebody acted who is erased: the entry stays, without it.
    Address(AuditId),
    /// A notification that was read long ago, or never will be.
    Notification(UserId, NotificationId),
}

/// The first event of a topic that stays, if every event up to `old` is old and the newest one is `head`: all old ones go but the
/// newest, which tells the head. `None` if nothing goes.
#[must_use]
pub fn first_kept(old: Seq, head: Seq) -> Option<Seq> {
    let below = old.saturating_add(1).min(head);
    (below > 1).then_some(below)
}

/// A walk through records by the time in their ids (UUIDv7), in windows that grow where there are few records and shrink where there are many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdWalk {
    /// Everything before this was looked at.
    pub from: Timestamp,
    /// How far the next window reaches, in milliseconds.
    pub window_ms: i64,
}

impl IdWalk {
    const SHORTEST_MS: i64 = 1_000;
    const LONGEST_MS: i64 = 3 * 3_600_000;
    const LONGEST_OVER_NOTHING_MS: i64 = 4 * DAY_MS;

    /// From an instant on.
    #[must_use]
    pub const fn starting(from: Timestamp) -> Self {
        Self { from, window_ms: Self::LONGEST_MS }
    }

    /// The end of the next window, exclusive, or `None` if the walk has come to `until`.
    #[must_use]
    pub fn window_end(&self, until: Timestamp) -> Option<Timestamp> {
        (self.from < until).then(|| self.from.plus_ms(self.window_ms).min(until))
    }

    /// Goes on: the window is done, or it had more records than fit and is looked at again, smaller.
    #[must_use]
    pub fn after(self, window_end: Timestamp, was_full: bool) -> Self {
        if was_full {
            Self { window_ms: (self.window_ms / 2).max(Self::SHORTEST_MS), ..self }
        } else {
            Self { from: window_end, window_ms: (self.window_ms * 2).min(Self::LONGEST_MS) }
        }
    }

    /// Goes on after a window in which there was no record at all: the steps become longer still.
    #[must_use]
    pub fn over_nothing(self, window_end: Timestamp) -> Self {
        Self { from: window_end, window_ms: (self.window_ms * 2).min(Self::LONGEST_OVER_NOTHING_MS) }
    }
}

/// A recurring deletion and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sweep {
    /// Ended holds.
    Holds(Option<IdWalk>),
    /// Sessions that are over.
    Sessions(Option<IdWalk>),
    /// Revocations and one-use tokens that no longer matter.
    Tokens,
    /// Idempotency keys, by the log.
    Keys(Vec<LogPosition>),
    /// Events, by the log.
    Events(Vec<LogPosition>),
    /// The log itself, with everything that it still names.
    Log(Vec<LogPosition>),
    /// Keys and webhooks from before the log named them.
    Unnamed {
        /// When the log began to name them.
        since: Timestamp,
    },
    /// Entries of the audit log.
    Audit(Option<IdWalk>),
    /// The network addresses in the audit log of somebody who was erased; once.
    Addresses(UserId),
    /// Notifications, by when their users registered.
    Notifications(Option<IdWalk>),
}

/// How far one process's log was walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPosition {
    /// Whose.
    pub node: NodeId,
    /// The number to go on with.
    pub next: i64,
}

impl Sweep {
    /// Those that every database has, from the beginning.
    #[must_use]
    pub fn recurring() -> [Self; 8] {
        [
            Self::Holds(None),
            Self::Sessions(None),
            Self::Tokens,
            Self::Keys(Vec::new()),
            Self::Events(Vec::new()),
            Self::Log(Vec::new()),
            Self::Audit(None),
            Self::Notifications(None),
        ]
    }

    /// The key of its job: there is one of each, and one for each user of what is theirs.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Addresses(user) => format!("{}-{user}", self.name()),
            Self::Holds(_)
            | Self::Sessions(_)
            | Self::Tokens
            | Self::Keys(_)
            | Self::Events(_)
            | Self::Log(_)
            | Self::Unnamed { .. }
            | Self::Audit(_)
            | Self::Notifications(_) => self.name().to_owned(),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Holds(_) => "holds",
            Self::Sessions(_) => "sessions",
            Self::Tokens => "tokens",
            Self::Keys(_) => "keys",
            Self::Events(_) => "events",
            Self::Log(_) => "log",
            Self::Unnamed { .. } => "unnamed",
            Self::Audit(_) => "audit",
            Self::Addresses(_) => "addresses",
            Self::Notifications(_) => "notifications",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_events_go_but_never_the_newest() {
        for (old, head, expected) in
            [(1, 1, None), (1, 2, Some(2)), (5, 5, Some(5)), (5, 9, Some(6)), (9, 5, Some(5)), (0, 3, None), (3, 0, None)]
        {
            assert_eq!(first_kept(old, head), expected, "{old} of {head}");
        }
    }

    #[test]
    fn the_log_is_kept_as_long_as_what_it_names() {
        for days in [1, 7, 30, 400] {
            let periods = Periods::of_days(days, 1);
            assert!([periods.events_ms, periods.keys_ms, periods.webhooks_ms].iter().all(|period| *period <= periods.log_ms()), "{days}");
        }
    }

    #[test]
    fn a_walk_comes_to_its_end_and_makes_smaller_steps_where_it_is_crowded() {
        let at = Timestamp::from_epoch_ms;
        let mut walk = IdWalk::starting(at(0));
        let until = at(3_600_000);
        let mut crowded = 0;
        while let Some(end) = walk.window_end(until) {
            assert!(end > walk.from && end <= until);
            // In the first minute nothing larger than a second fits.
            let is_full = walk.from < at(60_000) && walk.window_ms > IdWalk::SHORTEST_MS;
            crowded += u32::from(is_full);
            walk = walk.after(end, is_full);
        }
        assert_eq!(walk.from, until);
        assert!((10..100).contains(&crowded), "{crowded}");
    }

    #[test]
    fn a_year_in_which_there_is_nothing_is_walked_in_few_steps_and_a_crowd_after_it_in_short_ones() {
        let (mut walk, until, mut steps) = (IdWalk::starting(Timestamp::from_epoch_ms(0)), Timestamp::from_epoch_ms(365 * DAY_MS), 0);
        while let Some(end) = walk.window_end(until) {
            (walk, steps) = (walk.over_nothing(end), steps + 1);
        }
        assert!(steps < 100, "{steps}");
        assert_eq!(walk.after(until, false).window_ms, IdWalk::LONGEST_MS);
    }
}
