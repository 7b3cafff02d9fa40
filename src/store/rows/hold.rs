//! Nights and holds.

use surrealdb::types::{RecordId, SurrealValue, Uuid};

use super::{StoredId, date, id_of, int, narrow, night_record, number_of, record, refused, unknown};
use crate::domain::change::Night;
use crate::domain::{Hold, HoldState, PropertyId, Stay, Timestamp};
use crate::store::error::StoreError;

/// `night:[property, epoch day]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct NightRow {
    pub(in crate::store) id: RecordId,
    claim: Uuid,
    seq: i64,
}

impl From<&Night> for NightRow {
    fn from(night: &Night) -> Self {
        Self { id: night_record(night.property, night.date), claim: night.claim.to_uuid(), seq: int(night.seq) }
    }
}

impl NightRow {
    pub(in crate::store) fn into_night(self, property: PropertyId) -> Result<Night, StoreError> {
        Ok(Night { property, date: date(number_of(&self.id)?)?, claim: StoredId::from_uuid(self.claim), seq: narrow(self.seq, "seq")? })
    }
}

/// `hold:[claim]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct HoldRow {
    pub(in crate::store) id: RecordId,
    property: Uuid,
    guest: Uuid,
    check_in: i64,
    check_out: i64,
    guests: i64,
    created_at: i64,
    state: String,
    until: i64,
}

impl From<&Hold> for HoldRow {
    fn from(hold: &Hold) -> Self {
        let until = match hold.state {
            HoldState::Active { expires_at: at } | HoldState::Converted { at } | HoldState::Released { at } | HoldState::Expired { at } => {
                at
            }
        };
        Self {
            id: record("hold", hold.id),
            property: hold.property.to_uuid(),
            guest: hold.guest.to_uuid(),
            check_in: i64::from(hold.stay.check_in().epoch_day()),
            check_out: i64::from(hold.stay.check_out().epoch_day()),
            guests: i64::from(hold.guests),
            created_at: hold.created_at.epoch_ms(),
            state: hold.state.name().to_owned(),
            until: until.epoch_ms(),
        }
    }
}

impl TryFrom<HoldRow> for Hold {
    type Error = StoreError;

    fn try_from(row: HoldRow) -> Result<Self, StoreError> {
        let at = Timestamp::from_epoch_ms(row.until);
        let state = match row.state.as_str() {
            "active" => HoldState::Active { expires_at: at },
            "converted" => HoldState::Converted { at },
            "released" => HoldState::Released { at },
            "expired" => HoldState::Expired { at },
            word => return Err(unknown("hold.state", word)),
        };
        Ok(Self {
            id: id_of(&row.id)?,
            property: StoredId::from_uuid(row.property),
            guest: StoredId::from_uuid(row.guest),
            stay: Stay::new(date(row.check_in)?, date(row.check_out)?).map_err(|refusal| refused(&refusal))?,
            guests: narrow(row.guests, "hold.guests")?,
            created_at: Timestamp::from_epoch_ms(row.created_at),
            state,
        })
    }
}
