//! What a batch means to the memory of other nodes, besides its events: written into the log that they read.

use latchkey_protocol::{ClaimId, PropertyId, SessionId, UserId};
use surrealdb::types::{Array, SurrealValue, Value};

use super::error::StoreError;
use super::rows::StoredId;
use crate::domain::account::AccountWrite;
use crate::domain::notification::NotificationWrite;
use crate::domain::{Timestamp, Write};

/// Something that another node may have in memory is otherwise now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// A session ended before its time: its tokens are void, its sockets are to be closed.
    SessionEnded(SessionId),
    /// A lease begins or is lengthened; or it is over, without an instant.
    Lease {
        /// Whose nights.
        claim: ClaimId,
        /// On which home.
        property: PropertyId,
        /// Its end, exclusive.
        until: Option<Timestamp>,
    },
    /// A booking of a home has changed, perhaps without an event of the home: who has its calendar has an old booking in it.
    Booking(PropertyId),
    /// A user wants to be told of other things.
    Preferences(UserId),
}

const SESSION: &str = "session";
const LEASE: &str = "lease";
const BOOKING: &str = "booking";
const PREFERENCES: &str = "preferences";

impl Notice {
    /// What is to be noted of a change set. A hold that becomes a booking ends as one lease and goes on as another, of the same claim.
    pub(super) fn of(writes: &[Write]) -> Vec<Self> {
        let mut notices: Vec<Self> = Vec::new();
        for notice in writes.iter().flat_map(Self::of_write).flatten() {
            let Self::Lease { claim, until, .. } = notice else {
                notices.push(notice);
                continue;
            };
            let is_same = |other: &&mut Self| matches!(other, Self::Lease { claim: known, .. } if *known == claim);
            match notices.iter_mut().find(is_same) {
                Some(known) if until.is_some() => *known = notice,
                Some(_) => {}
                None => notices.push(notice),
            }
        }
        notices
    }

    fn of_write(write: &Write) -> [Option<Self>; 2] {
        match write {
            Write::AddHold(hold) | Write::SetHold(hold) => {
                [Some(Self::Lease { claim: hold.id, property: hold.property, until: hold.deadline() }), None]
            }
            Write::AddBooking(booking) | Write::SetBooking(booking) => {
                let lease = Self::Lease { claim: booking.id, property: booking.property, until: booking.deadline() };
                [Some(lease), Some(Self::Booking(booking.property))]
            }
            Write::Account(AccountWrite::Revoke { session, .. }) => [Some(Self::SessionEnded(*session)), None],
            Write::Notification(NotificationWrite::AddPreferences(preferences) | NotificationWrite::SetPreferences(preferences)) => {
                [Some(Self::Preferences(preferences.user)), None]
            }
            _ => [None, None],
        }
    }

    /// As it stands in the log: a word and what it is about.
    pub(super) fn to_value(self) -> Value {
        let parts = match self {
            Self::SessionEnded(session) => vec![SESSION.into_value(), session.to_uuid().into_value()],
            Self::Lease { claim, property, until } => {
                let mut parts = vec![LEASE.into_value(), claim.to_uuid().into_value(), property.to_uuid().into_value()];
                parts.extend(until.map(|until| until.epoch_ms().into_value()));
                parts
            }
            Self::Booking(property) => vec![BOOKING.into_value(), property.to_uuid().into_value()],
            Self::Preferences(user) => vec![PREFERENCES.into_value(), user.to_uuid().into_value()],
        };
        Value::Array(Array::from(parts))
    }

    /// What stands there; nothing if only a newer version knows what it says.
    ///
    /// # Errors
    /// `Corrupt`.
    pub(super) fn from_value(value: Value) -> Result<Option<Self>, StoreError> {
        let corrupt = || StoreError::Corrupt("commit.notices".to_owned());
        let Value::Array(parts) = value else { return Err(corrupt()) };
        let mut parts = parts.into_iter();
        let Some(Value::String(word)) = parts.next() else { return Err(corrupt()) };
        let mut uuid = || match parts.next() {
            Some(Value::Uuid(uuid)) => Ok(uuid),
            _ => Err(corrupt()),
        };
        Ok(Some(match word.as_str() {
            SESSION => Self::SessionEnded(StoredId::from_uuid(uuid()?)),
            LEASE => {
                let (claim, property) = (StoredId::from_uuid(uuid()?), StoredId::from_uuid(uuid()?));
                let until = parts.next().map(i64::from_value).transpose().map_err(|_| corrupt())?;
                Self::Lease { claim, property, until: until.map(Timestamp::from_epoch_ms) }
            }
            BOOKING => Self::Booking(StoredId::from_uuid(uuid()?)),
            PREFERENCES => Self::Preferences(StoredId::from_uuid(uuid()?)),
            _ => return Ok(None),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::hold::{Hold, HoldState};
    use crate::domain::{Date, Stay};

    fn hold(id: u8, state: HoldState) -> Hold {
        let stay = Stay::new(Date::from_epoch_day(20_000).unwrap(), Date::from_epoch_day(20_002).unwrap()).unwrap();
        let (property, guest) = (PropertyId::from_bytes([7; 16]), UserId::from_bytes([8; 16]));
        Hold { id: ClaimId::from_bytes([id; 16]), property, guest, stay, guests: 2, created_at: Timestamp::from_epoch_ms(0), state }
    }

    #[test]
    fn every_notice_is_read_as_it_was_written_and_a_newer_version_s_is_passed_over() {
        let (claim, property) = (ClaimId::from_bytes([1; 16]), PropertyId::from_bytes([2; 16]));
        for notice in [
            Notice::SessionEnded(SessionId::from_bytes([3; 16])),
            Notice::Lease { claim, property, until: None },
            Notice::Lease { claim, property, until: Some(Timestamp::from_epoch_ms(1_790_000_000_000)) },
            Notice::Booking(property),
            Notice::Preferences(UserId::from_bytes([4; 16])),
        ] {
            assert_eq!(Notice::from_value(notice.to_value()).unwrap(), Some(notice));
        }
        let newer = Value::Array(Array::from(vec!["weather".into_value(), 7_i64.into_value()]));
        assert_eq!(Notice::from_value(newer).unwrap(), None);
        for broken in [Value::None, Value::Array(Array::new()), Value::Array(Array::from(vec![LEASE.into_value()]))] {
            assert!(Notice::from_value(broken).is_err());
        }
    }

    #[test]
    fn a_lease_that_ends_as_a_hold_and_goes_on_as_a_booking_has_not_ended() {
        let at = Timestamp::from_epoch_ms(5);
        let active = |id| Write::SetHold(hold(id, HoldState::Active { expires_at: at }));
        let over = |id| Write::SetHold(hold(id, HoldState::Converted { at }));
        let ends = |writes: &[Write]| -> Vec<Option<Timestamp>> {
            Notice::of(writes).into_iter().map(|notice| if let Notice::Lease { until, .. } = notice { until } else { None }).collect()
        };
        assert_eq!(ends(&[over(1), active(1)]), [Some(at)]);
        assert_eq!(ends(&[active(1), over(1)]), [Some(at)]);
        assert_eq!(ends(&[over(1), active(2)]), [None, Some(at)]);
    }
}
