//! Users, their sessions, and what is remembered of them.

use serde::{Deserialize, Serialize};

use super::{Booking, Message, Notification, Payment, Preferences, Property, Review};
use crate::EpochMs;
use crate::id::{AuditId, ReviewId, SessionId, UserId};
use crate::words::ModerationReason;

/// Where an account is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// Can log in.
    Active,
    /// Left by its owner; logging in brings it back.
    Deactivated,
    /// Locked by an admin.
    Suspended,
    /// Nothing personal is left of it.
    Erased,
}

/// A user as they, and admins, see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Me {
    /// Their id.
    pub id: UserId,
    /// Their e-mail address; empty of somebody who was erased.
    pub email: String,
    /// When it was shown that mail to it reaches them; left out until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_verified_at: Option<EpochMs>,
    /// What others call them.
    pub name: String,
    /// What they say about themselves.
    pub about: String,
    /// Whether they may let homes.
    pub is_host: bool,
    /// Whether they may look after the hub.
    pub is_admin: bool,
    /// Where the account is in its life.
    pub state: AccountState,
    /// Counts what is shown here: the number in its `ETag`.
    pub version: i64,
    /// When they registered.
    pub created_at: EpochMs,
}

/// A user as everybody sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// What others call them; `Deleted user` of somebody who was erased.
    pub name: String,
    /// What they say about themselves.
    pub about: String,
    /// Whether they let homes.
    pub is_host: bool,
    /// How many published reviews of them as a guest there are.
    pub guest_review_count: u32,
    /// Their average altogether in hundredths of a star (487 is 4.87), if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest_rating_hundredths: Option<u16>,
    /// Member since.
    pub created_at: EpochMs,
    /// Everything else, for themselves and for admins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<Me>,
}

/// A session that is live: one login, on one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// When it began.
    pub created_at: EpochMs,
    /// When its tokens were last taken for new ones.
    pub refreshed_at: EpochMs,
    /// When it ends if it is not refreshed before.
    pub expires_at: EpochMs,
    /// What the client called itself, at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Whether this is the session that asks.
    pub is_current: bool,
}

/// The caller's live sessions, newest first; there are at most 100.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sessions {
    /// Each of them.
    pub items: Vec<Session>,
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditId,
    /// When it happened.
    pub at: EpochMs,
    /// What happened, such as `logged_in`, `password_changed`, `suspended`.
    pub kind: String,
    /// To whose account.
    pub user: UserId,
    /// By whom; left out if it was the command line, or somebody with a link from a mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<UserId>,
    /// In which session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// From which network address (IPv6: from which /64).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Which review of theirs was moderated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<ReviewId>,
    /// Why it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ModerationReason>,
}

/// Everything that is held about a user, `GET /users/me/export/`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Export {
    /// When it was put together.
    pub exported_at: EpochMs,
    /// The account.
    pub profile: Me,
    /// The address before the last change, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_email: Option<String>,
    /// Every session that is still known, also those that are over.
    pub sessions: Vec<Session>,
    /// Their homes.
    pub homes: Vec<Property>,
    /// Their bookings, as guest and as host, newest first.
    pub bookings: Vec<Booking>,
    /// The payments of those bookings.
    pub payments: Vec<Payment>,
    /// What they wrote to the other sides of those bookings, newest first in each.
    pub messages: Vec<Message>,
    /// Their notifications, newest first.
    pub notifications: Vec<Notification>,
    /// Of what they want to be notified.
    pub preferences: Preferences,
    /// The reviews of their stays, as guest and as host, that they may see, newest first.
    pub reviews: Vec<Review>,
    /// What happened to the account, newest first; of what somebody else did not who, nor from where.
    pub audit: Vec<AuditEntry>,
}
