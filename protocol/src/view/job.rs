//! Background work, as admins see it.

use serde::{Deserialize, Serialize};

use crate::EpochMs;
use crate::id::{BookingId, PaymentId, UserId};

/// Where background work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for its time.
    Waiting,
    /// Is being done.
    Running,
    /// Given up: it is not tried again until somebody says so.
    Dead,
}

/// A piece of background work, as an admin sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Job {
    /// What kind of work: `refund`, `mail`, `reset_mail`, `sweep`, `homes`, `capture`, `void`, `pay_out` or `advance`.
    pub kind: String,
    /// Its name among those of its kind.
    pub key: String,
    /// Which mail or sweep.
    #[cfg_attr(feature = "openapi", schema(example = "verify_email"))]
    pub what: String,
    /// Whom it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Which booking it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booking: Option<BookingId>,
    /// Which payment it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentId>,
    /// Where it is.
    pub state: JobState,
    /// When it may run, or, while it runs, when it may be taken over; left out if it is dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_at: Option<EpochMs>,
    /// How often it was begun since it was made, retried or last went well.
    pub attempts: u32,
    /// Why it failed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(example = "smtp 550"))]
    pub last_error: Option<String>,
    /// When it was made.
    pub created_at: EpochMs,
}
