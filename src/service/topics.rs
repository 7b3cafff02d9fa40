//! Who may follow which topic, and the snapshot a follower starts from.

use std::sync::Arc;

use latchkey_protocol::server::Snapshot;
use latchkey_protocol::{Seq, Topic, view};

use super::availability::Availability;
use super::{Caller, ServiceError, wire};
use crate::clock::Clock;
use crate::domain::terms::BOOKING_WINDOW_DAYS;
use crate::domain::{Calendar, Timestamp, UserId};
use crate::hub::Standing;
use crate::store::Store;

/// Topics, as their followers see them.
pub struct Topics {
    store: Arc<Store>,
    availability: Arc<Availability>,
    clock: Arc<dyn Clock>,
}

impl Topics {
    /// Of this store.
    #[must_use]
    pub fn new(store: Arc<Store>, availability: Arc<Availability>, clock: Arc<dyn Clock>) -> Self {
        Self { store, availability, clock }
    }

    /// Names this database's history.
    #[must_use]
    pub fn epoch(&self) -> &str {
        self.store.epoch()
    }

    /// In what standing the caller, or an anonymous one, may follow a topic (P8). What is not theirs looks like what does not exist.
    ///
    /// # Errors
    /// `Unauthenticated` for an anonymous caller on a private topic; `NotFound`.
    pub async fn authorise(&self, caller: Option<&Caller>, topic: Topic) -> Result<Standing, ServiceError> {
        match (topic, caller) {
            (Topic::Property(property), caller) => {
                let viewer = caller.map(|caller| caller.user);
                let standing = self.availability.look(property, |calendar| standing(calendar, viewer)).await?;
                standing.ok_or(ServiceError::NotFound("property"))
            }
            (Topic::User(_) | Topic::Booking(_), None) => Err(ServiceError::Unauthenticated("this topic is private")),
            (Topic::User(user), Some(caller)) if user == caller.user => Ok(Standing::Own),
            (Topic::User(_), Some(_)) => Err(ServiceError::NotFound("topic")),
            (Topic::Booking(booking), Some(caller)) => {
                self.store.deal_of(caller.user, booking).await?.map(|_| Standing::Own).ok_or(ServiceError::NotFound("topic"))
            }
        }
    }

    /// A topic's state and the sequence at which it was that: pushes go on from there. A home that was taken back at that sequence is not shown,
    /// so whoever follows it from there hears of it.
    ///
    /// # Errors
    /// `NotFound`, `Busy`.
    pub async fn snapshot(&self, caller: Option<&Caller>, topic: Topic) -> Result<(Seq, Snapshot), ServiceError> {
        match topic {
            Topic::Property(property) => {
                let now = Timestamp::from_epoch_ms(self.clock.now());
                let viewer = caller.map(|caller| caller.user);
                let look = |calendar: &Calendar| {
                    standing(calendar, viewer)?;
                    let today = calendar.listing().today(now);
                    Some(wire::calendar(calendar, today, today.saturating_add(i32::from(BOOKING_WINDOW_DAYS) + 1)))
                };
                let view = self.availability.look(property, look).await?.ok_or(ServiceError::NotFound("property"))?;
                Ok((view.seq, Snapshot::Calendar(view)))
            }
            Topic::User(user) => {
                let inbox = self.store.inbox(user).await?;
                let bookings = inbox.bookings.iter().map(wire::booking).collect();
                Ok((inbox.seq, Snapshot::Inbox(view::Inbox { bookings })))
            }
            Topic::Booking(booking) => {
                let deal = self.store.deal(booking).await?.ok_or(ServiceError::NotFound("booking"))?;
                let party = caller.and_then(|caller| deal.booking.party(caller.user)).ok_or(ServiceError::NotFound("booking"))?;
                Ok((deal.booking.seq, Snapshot::Booking(Box::new(wire::booking_file(&deal, party)))))
            }
        }
    }
}

/// In what standing somebody may follow a home, if they may.
fn standing(calendar: &Calendar, viewer: Option<UserId>) -> Option<Standing> {
    let listing = calendar.listing();
    let standing = if viewer == Some(listing.host) { Standing::Own } else { Standing::Public };
    listing.is_visible_to(viewer).then_some(standing)
}
