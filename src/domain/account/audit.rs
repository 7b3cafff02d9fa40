//! What happened to an account that its owner, or an admin, may have to know of later: appended, never changed.

use latchkey_protocol::{AuditId, ModerationReason, ReviewId, SessionId, UserId};

use crate::domain::time::Timestamp;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal),* $(,)?) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum AuditKind {
            $($(#[$doc])* $kind),*
        }

        impl AuditKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// Its name on the wire and in the database.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name),*
                }
            }

            /// The kind of that name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.name() == name)
            }
        }
    };
}

kinds! {
    /// The account was made.
    Registered = "registered",
    /// A session began.
    LoggedIn = "logged_in",
    /// A wrong password for an account that exists.
    LogInFailed = "log_in_failed",
    /// An old refresh token was used: its session ended.
    RefreshReused = "refresh_reused",
    /// A session was ended by its owner.
    LoggedOut = "logged_out",
    /// The password was changed by somebody who knew it.
    PasswordChanged = "password_changed",
    /// A way to set a new password was asked for by mail.
    PasswordResetAsked = "password_reset_asked",
    /// A new password was set by that way.
    PasswordResetDone = "password_reset_done",
    /// Mail reaches them.
    EmailVerified = "email_verified",
    /// They moved to another address.
    EmailChanged = "email_changed",
    /// They may let homes.
    BecameHost = "became_host",
    /// An admin, or the command line, gave or took roles.
    RolesChanged = "roles_changed",
    /// An admin locked them out.
    Suspended = "suspended",
    /// An admin let them in again.
    Restored = "restored",
    /// They left.
    Deactivated = "deactivated",
    /// They came back by logging in.
    Reactivated = "reactivated",
    /// They were erased.
    Erased = "erased",
    /// They took what is held about them.
    Exported = "exported",
    /// An admin hid a review of theirs.
    ReviewHidden = "review_hidden",
    /// An admin shows it again.
    ReviewShown = "review_shown",
}

/// What was done to a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moderation {
    /// Which.
    pub review: ReviewId,
    /// Why.
    pub reason: ModerationReason,
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// A UUIDv7: entries are in the order of their ids.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: AuditKind,
    /// To whose account.
    pub user: UserId,
    /// By whom; `None` by nobody who was logged in: the command line, or somebody with a link from a mail.
    pub actor: Option<UserId>,
    /// In which session.
    pub session: Option<SessionId>,
    /// From which network address, as far as limits tell addresses apart.
    pub address: Option<String>,
    /// To which review of theirs, and why.
    pub moderation: Option<Moderation>,
}
