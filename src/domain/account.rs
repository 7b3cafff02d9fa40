//! Accounts: who somebody is, what they may do, and what may become of that.
//!
//! A user's `version` guards everything that is decided about them: their record, their login, and which sessions they have. A log-in
//! raises it as well, so that nobody slips in while they are being suspended.

pub mod admins;
pub mod audit;
pub mod one_time;
pub mod password;
pub mod session;
mod write;

pub use admins::Admins;
pub use audit::{AuditEntry, AuditKind, Moderation};
use latchkey_protocol::{Date, UserId};
pub use one_time::{OneTime, Purpose};
pub use session::{RefreshFamily, Rotation};
pub use write::{AccountWrite, LoginRecord};

use super::booking::{Booking, BookingState};
use super::error::Refusal;
use super::time::Timestamp;

/// Longest e-mail address, in bytes (RFC 5321, 4.5.3.1.3).
const MAX_EMAIL_BYTES: usize = 254;

/// How long telling the address before a change is tried, and a little longer, in milliseconds: no further change until it was told or this is
/// over.
const TELLING_MS: i64 = 86_400_000;

/// What others see of somebody who was erased.
pub const ERASED_NAME: &str = "Deleted user";

/// Where an account is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountState {
    /// Can log in.
    Active,
    /// Left by its owner; logging in brings it back.
    Deactivated,
    /// Locked by an admin.
    Suspended,
    /// Nothing personal is left of it, and nobody can log in.
    Erased,
}

impl AccountState {
    /// The state's name on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deactivated => "deactivated",
            Self::Suspended => "suspended",
            Self::Erased => "erased",
        }
    }
}

/// An address that was replaced, kept until its owner has been told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousEmail {
    /// The address.
    pub email: String,
    /// When it was replaced.
    pub replaced_at: Timestamp,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct Account {
    /// Their id.
    pub user: UserId,
    /// In lower case; `None` once erased.
    pub email: Option<String>,
    /// When it was shown that mail to it reaches them.
    pub email_verified_at: Option<Timestamp>,
    /// The address before the last change.
    pub previous_email: Option<PreviousEmail>,
    /// What others call them.
    pub name: String,
    /// What they say about themselves, for everybody to read.
    pub about: String,
    /// Whether they may let homes.
    pub is_host: bool,
    /// Whether they may look after the hub.
    pub is_admin: bool,
    /// Whether an admin took that role away: they do not give it to themselves again.
    pub host_withdrawn: bool,
    /// Whether they had left when they were suspended: letting them in again brings nobody back.
    pub left_before: bool,
    /// Where the account is in its life.
    pub state: AccountState,
    /// Counts what the profile shows: its ETag.
    pub edition: i64,
    /// Counts replacements, log-ins included: compared by whoever replaces it.
    pub version: i64,
    /// When they registered.
    pub created_at: Timestamp,
}

impl Account {
    /// Somebody new.
    ///
    /// # Errors
    /// `Invalid` with the field at fault.
    pub fn register(user: UserId, email: String, name: &str, now: Timestamp) -> Result<Self, Refusal> {
        Ok(Self {
            user,
            email: Some(email),
            email_verified_at: None,
            previous_email: None,
            name: checked_name(name)?,
            about: String::new(),
            is_host: false,
            is_admin: false,
            host_withdrawn: false,
            left_before: false,
            state: AccountState::Active,
            edition: 1,
            version: 1,
            created_at: now,
        })
    }

    /// The same account, replaced in a way that its profile does not show.
    #[must_use]
    pub fn touched(self) -> Self {
        Self { version: self.version + 1, ..self }
    }

    fn changed(self) -> Self {
        Self { edition: self.edition + 1, version: self.version + 1, ..self }
    }

    /// With another name or another text; what is `None` stays.
    ///
    /// # Errors
    /// `InvalidState` of accounts that are not active: a request may be carried out when its sender is erased already. `Invalid` with the field at
    /// fault.
    pub fn edit(self, name: Option<&str>, about: Option<&str>) -> Result<Self, Refusal> {
        self.must_be_active()?;
        let name = name.map(checked_name).transpose()?.unwrap_or_else(|| self.name.clone());
        let about = about.map(checked_about).transpose()?.unwrap_or_else(|| self.about.clone());
        Ok(Self { name, about, ..self.changed() })
    }

    /// Shows that mail to their address reaches them.
    #[must_use]
    pub fn verify_email(self, now: Timestamp) -> Self {
        Self { email_verified_at: Some(now), ..self.changed() }
    }

    /// Moves to another address, which is to be verified again. A verified one is remembered until it has been told, so a second
    /// change must wait that long: or a thief could change it twice and its owner would never hear.
    ///
    /// # Errors
    /// `Invalid` if it is the address they have; `InvalidState` while the address before another change has not been told.
    pub fn change_email(self, email: String, now: Timestamp) -> Result<Self, Refusal> {
        if self.email.as_deref() == Some(email.as_str()) {
            return Err(Refusal::Invalid { field: "email", reason: "this is your address already" });
        }
        let previous_email = if self.email_verified_at.is_some() {
            if self.previous_email.as_ref().is_some_and(|previous| now < previous.replaced_at.plus_ms(TELLING_MS)) {
                return Err(Refusal::InvalidState { state: "email_changed_recently" });
            }
            self.email.clone().map(|email| PreviousEmail { email, replaced_at: now })
        } else {
            self.previous_email.clone()
        };
        Ok(Self { email: Some(email), email_verified_at: None, previous_email, ..self.changed() })
    }

    /// An address that was replaced has been told, and is kept no longer; nothing, if it is not the one that was to be told.
    #[must_use]
    pub fn told(self, address: &str) -> Option<Self> {
        let is_it = self.previous_email.as_ref().is_some_and(|previous| previous.email == address);
        is_it.then(|| Self { previous_email: None, ..self.touched() })
    }

    /// With the roles that an admin gives and takes.
    #[must_use]
    pub fn with_roles(self, is_host: bool, is_admin: bool) -> Self {
        let host_withdrawn = !is_host && (self.is_host || self.host_withdrawn);
        Self { is_host, is_admin, host_withdrawn, ..self.changed() }
    }

    /// Becomes a host of their own accord.
    ///
    /// # Errors
    /// `InvalidState` of accounts that are not active; `NotYours` if an admin took the role away.
    pub fn become_host(self) -> Result<Self, Refusal> {
        self.must_be_active()?;
        if self.host_withdrawn {
            return Err(Refusal::NotYours);
        }
        Ok(Self { is_host: true, ..self.changed() })
    }

    /// Whether they may let homes now.
    #[must_use]
    pub const fn may_let(&self) -> bool {
        matches!(self.state, AccountState::Active) && self.is_host
    }

    /// Leaves, for as long as they do not log in.
    ///
    /// # Errors
    /// `InvalidState` of admins, who give that role back first, and of accounts that are not active.
    pub fn deactivate(self) -> Result<Self, Refusal> {
        self.must_be_no_admin()?;
        match self.state {
            AccountState::Active => Ok(Self { state: AccountState::Deactivated, ..self.changed() }),
            AccountState::Deactivated | AccountState::Suspended | AccountState::Erased => Err(self.refused_in_its_state()),
        }
    }

    /// Logs in: comes back, if they had left.
    ///
    /// # Errors
    /// `NotYours` of a suspended account, `NotFound` of an erased one.
    pub fn log_in(self) -> Result<Self, Refusal> {
        match self.state {
            AccountState::Active => Ok(self.touched()),
            AccountState::Deactivated => Ok(Self { state: AccountState::Active, ..self.changed() }),
            AccountState::Suspended => Err(Refusal::NotYours),
            AccountState::Erased => Err(Refusal::NotFound),
        }
    }

    /// Locks them out.
    ///
    /// # Errors
    /// `InvalidState` of admins, of accounts that are suspended already and of erased ones.
    pub fn suspend(self) -> Result<Self, Refusal> {
        self.must_be_no_admin()?;
        match self.state {
            AccountState::Active | AccountState::Deactivated => {
                let left_before = self.state == AccountState::Deactivated;
                Ok(Self { state: AccountState::Suspended, left_before, ..self.changed() })
            }
            AccountState::Suspended | AccountState::Erased => Err(self.refused_in_its_state()),
        }
    }

    /// Lets them in again: as they were, so who had left is still away until they log in.
    ///
    /// # Errors
    /// `InvalidState` of accounts that are not suspended.
    pub fn restore(self) -> Result<Self, Refusal> {
        match self.state {
            AccountState::Suspended => {
                let state = if self.left_before { AccountState::Deactivated } else { AccountState::Active };
                Ok(Self { state, left_before: false, ..self.changed() })
            }
            AccountState::Active | AccountState::Deactivated | AccountState::Erased => Err(self.refused_in_its_state()),
        }
    }

    /// Takes everything personal away. Bookings and money stay, of a user without a name.
    ///
    /// # Errors
    /// `InvalidState` of admins and of accounts that are not active.
    pub fn erase(self) -> Result<Self, Refusal> {
        self.must_be_no_admin()?;
        match self.state {
            AccountState::Active => Ok(Self {
                email: None,
                email_verified_at: None,
                previous_email: None,
                name: ERASED_NAME.to_owned(),
                about: String::new(),
                is_host: false,
                state: AccountState::Erased,
                ..self.changed()
            }),
            AccountState::Deactivated | AccountState::Suspended | AccountState::Erased => Err(self.refused_in_its_state()),
        }
    }

    /// Whether others may see them: those who left or were locked out are not there, of those who were erased nothing but that is.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        match self.state {
            AccountState::Active | AccountState::Erased => true,
            AccountState::Deactivated | AccountState::Suspended => false,
        }
    }

    const fn must_be_no_admin(&self) -> Result<(), Refusal> {
        if self.is_admin { Err(Refusal::InvalidState { state: "admin" }) } else { Ok(()) }
    }

    const fn must_be_active(&self) -> Result<(), Refusal> {
        match self.state {
            AccountState::Active => Ok(()),
            AccountState::Deactivated | AccountState::Suspended | AccountState::Erased => Err(self.refused_in_its_state()),
        }
    }

    const fn refused_in_its_state(&self) -> Refusal {
        Refusal::InvalidState { state: self.state.name() }
    }
}

/// Whether somebody may be erased: not while a booking of theirs, on either side, waits for its payment or is not over yet on `today`,
/// which is taken a day early, since dates are those of the home.
///
/// # Errors
/// `InvalidState` that says what stands in the way.
pub fn nothing_is_open(bookings: &[Booking], today: Date) -> Result<(), Refusal> {
    for booking in bookings {
        match booking.state {
            BookingState::PendingPayment { .. } | BookingState::Requested { .. } => {
                return Err(Refusal::InvalidState { state: "unpaid_booking" });
            }
            BookingState::Confirmed { .. } | BookingState::CheckedIn { .. } if booking.stay().check_out().saturating_add(1) > today => {
                return Err(Refusal::InvalidState { state: "future_booking" });
            }
            BookingState::Confirmed { .. }
            | BookingState::CheckedIn { .. }
            | BookingState::Completed { .. }
            | BookingState::PaymentFailed { .. }
            | BookingState::Declined { .. }
            | BookingState::Withdrawn { .. }
            | BookingState::NoShow { .. }
            | BookingState::Expired { .. }
            | BookingState::CancelledByGuest { .. }
            | BookingState::CancelledByHost { .. } => {}
        }
    }
    Ok(())
}

/// The address in the form that logins are stored and looked up by.
///
/// # Errors
/// `Invalid` if it is not of the form `local@domain` or too long.
pub fn normal_email(email: &str) -> Result<String, Refusal> {
    let refuse = |reason| Err(Refusal::Invalid { field: "email", reason });
    let email = email.trim().to_lowercase();
    let Some((local, domain)) = email.rsplit_once('@') else { return refuse("not an e-mail address") };
    if local.is_empty() || domain.is_empty() || email.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return refuse("not an e-mail address");
    }
    if email.len() > MAX_EMAIL_BYTES {
        return refuse("longer than 254 bytes");
    }
    Ok(email)
}

fn checked_name(name: &str) -> Result<String, Refusal> {
    let name = name.trim();
    if !(1..=80).contains(&name.chars().count()) {
        return Err(Refusal::Invalid { field: "name", reason: "1 to 80 characters" });
    }
    if name.chars().any(char::is_control) {
        return Err(Refusal::Invalid { field: "name", reason: "no control characters" });
    }
    Ok(name.to_owned())
}

fn checked_about(about: &str) -> Result<String, Refusal> {
    let about = about.trim();
    if about.chars().count() > 1_000 {
        return Err(Refusal::Invalid { field: "about", reason: "at most 1000 characters" });
    }
    Ok(about.to_owned())
}

#[cfg(test)]
mod tests;
