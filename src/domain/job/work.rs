//! The kinds of work, and how patient each is.

use std::str::FromStr;

/// What kind of work, without what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Work {
    /// Sends money back.
    Refund,
    /// Sends a mail.
    Mail,
    /// Deletes what has outlived its use.
    Sweep,
    /// Takes money that was set aside.
    Capture,
    /// Lets go of money that was, or may be, set aside.
    Void,
    /// Sends money to a host, or takes it back.
    PayOut,
    /// Does to a booking what its time has come for.
    Advance,
    /// Takes the homes of who may not let any more off sale.
    Homes,
    /// Sends a mail that somebody waits for.
    ResetMail,
    /// Takes out what an erased user wrote.
    Forget,
    /// Publishes reviews when the time to write them is over.
    PublishReviews,
    /// As [`Self::Forget`], of a hub that had a job for reviews alone: nothing adds it any more.
    EraseReviews,
}

impl Work {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Refund,
        Self::Mail,
        Self::Sweep,
        Self::Homes,
        Self::ResetMail,
        Self::Capture,
        Self::Void,
        Self::PayOut,
        Self::Advance,
        Self::Forget,
        Self::PublishReviews,
        Self::EraseReviews,
    ];

    /// Its name in the job table and on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refund => "refund",
            Self::Mail => "mail",
            Self::Sweep => "sweep",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::PayOut => "pay_out",
            Self::Advance => "advance",
            Self::Homes => "homes",
            Self::ResetMail => "reset_mail",
            Self::Forget => "forget",
            Self::PublishReviews => "publish_reviews",
            Self::EraseReviews => "erase_reviews",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|work| work.name() == name)
    }

    /// How often it is tried before somebody must look at it; `None`: for ever.
    pub(super) const fn max_attempts(self) -> Option<u32> {
        match self {
            // With the longest pause, about two weeks: by then nothing is set aside any more.
            Self::Capture | Self::Void => Some(500),
            // Almost a day.
            Self::Mail | Self::ResetMail => Some(12),
            // Money that is owed stays owed, and nothing else of the booking's moves until it has been sent.
            Self::Refund | Self::PayOut => None,
            Self::Sweep | Self::Homes | Self::Advance | Self::Forget | Self::PublishReviews | Self::EraseReviews => None,
        }
    }

    /// The pause after the first failure, and the longest one, in milliseconds.
    pub(super) const fn pauses_ms(self) -> (u64, u64) {
        match self {
            Self::Refund
            | Self::Capture
            | Self::Void
            | Self::PayOut
            | Self::Advance
            | Self::Homes
            | Self::PublishReviews
            | Self::EraseReviews => (1_000, 3_600_000),
            Self::Mail | Self::ResetMail => (60_000, 6 * 3_600_000),
            Self::Sweep | Self::Forget => (10_000, 3_600_000),
        }
    }
}

/// Text that names no job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a job")]
pub struct NoSuchName;

impl FromStr for Work {
    type Err = NoSuchName;

    fn from_str(name: &str) -> Result<Self, NoSuchName> {
        Self::named(name).ok_or(NoSuchName)
    }
}
