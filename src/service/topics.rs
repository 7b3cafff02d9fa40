//! Who may follow which topic, and the snapshot a follower starts from.

use std::sync::Arc;

use latchkey_protocol::server::Snapshot;
use latchkey_protocol::{Seq, Topic, view};

use super::availability::Availability;
use super::{Caller, ServiceError, wire};
use crate::clock::Clock;
use crate::domain::terms::BOOKING_WINDOW_DAYS;
use crate::domain::{Calendar, Timestamp};
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

    /// Whether the caller, or an anonymous one, may follow a topic (P8). What is not theirs looks like what does not exist.
    ///
    /// # Errors
    /// `Unauthenticated` for an anonymous caller on a private topic; `NotFound`.
    pub async fn authorise(&self, caller: Option<&Caller>, topic: Topic) -> Result<(), ServiceError> {
        match (topic, caller) {
            (Topic::Property(property), caller) => {
                let viewer = caller.map(|caller| caller.user);
                let is_visible = self.availability.look(property, |calendar| calendar.listing().is_visible_to(viewer)).await?;
                if is_visible { Ok(()) } else { Err(ServiceError::NotFound("property")) }
            }
            (Topic::User(_) | Topic::Booking(_), None) => Err(ServiceError::Unauthenticated("this topic is private")),
            (Topic::User(user), Some(caller)) if user == caller.user => Ok(()),
            (Topic::User(_), Some(_)) => Err(ServiceError::NotFound("topic")),
            (Topic::Booking(booking), Some(caller)) => {
                self.store.deal_of(caller.user, booking).await?.map(|_| ()).ok_or(ServiceError::NotFound("topic"))
            }
        }
    }

    /// A topic's state and the sequence at which it was that: pushes go on from there.
    ///
    /// # Errors
    /// `NotFound`, `Busy`.
    pub async fn snapshot(&self, caller: Option<&Caller>, topic: Topic) -> Result<(Seq, Snapshot), ServiceError> {
        match topic {
            Topic::Property(property) => {
                let now = Timestamp::from_epoch_ms(self.clock.now());
                let look = |calendar: &Calendar| {
                    let today = calendar.listing().today(now);
                    wire::calendar(calendar, today, today.saturating_add(i32::from(BOOKING_WINDOW_DAYS) + 1))
                };
                let view = self.availability.look(property, look).await?;
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
