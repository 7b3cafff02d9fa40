//! The rules of the rental business, pure: no async, no IO, no clock, no randomness.
//!
//! A command is a function of an aggregate, a request and `now`; it answers with a [`change::Decision`] (what to write, which
//! events, by when) or a [`error::Refusal`] that names the rule. The aggregate changes only when the decision has been
//! committed and is applied. Services call this; nothing here calls anything of ours but `latchkey_protocol`'s ids and dates.

pub mod account;
pub mod amenity;
pub mod block;
pub mod booking;
pub mod calendar;
pub mod cancellation;
pub mod change;
pub mod error;
pub mod event;
pub mod hold;
pub mod job;
pub mod ledger;
pub mod listing;
pub mod mail;
pub mod money;
pub mod payment;
pub mod photo;
pub mod place;
pub mod pricing;
pub mod retention;
pub mod settlement;
pub mod stay;
pub mod terms;
pub mod time;

pub use amenity::Amenities;
pub use block::Block;
pub use booking::{Booking, BookingState};
pub use calendar::{Calendar, Claim};
pub use change::{Changes, Decision, TopicEvent, Write};
pub use error::Refusal;
pub use event::Event;
pub use hold::{Hold, HoldState};
pub use job::{Job, JobId, JobKind};
pub use latchkey_protocol::{
    Amenity, AuditId, BlockId, BookingId, ClaimId, Date, HoldId, PaymentId, PhotoId, PropertyId, Seq, SessionId, Topic, UserId, Weekday,
};
pub use ledger::Transfer;
pub use listing::{Listing, ListingState};
pub use money::{Currency, Money};
pub use payment::{Payment, PaymentState};
pub use photo::Photo;
pub use place::{Country, Location};
pub use pricing::Quote;
pub use stay::Stay;
pub use terms::Terms;
pub use time::{DAY_MS, Timestamp};
