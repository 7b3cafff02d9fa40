//! A user's inbox as that user hears it: waiting for a booking's next step, and what the host heard in all.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use latchkey_protocol::server::{Snapshot, Subscribed};
use latchkey_protocol::view::BookingState;
use latchkey_protocol::{BookingId, Seq};
use tokio::sync::Notify;

use crate::frame::Push;
use crate::invariants::BreakLog;
use crate::invariants::inbox::Step;
use crate::session::Observer;

/// A notice, and when it came.
type Notice = (Step, BookingId, Instant);

/// One user's notices, in order.
#[derive(Debug)]
pub(crate) struct Inbox {
    owner: String,
    heard: Mutex<Vec<Notice>>,
    bell: Notify,
    breaks: Arc<BreakLog>,
}

impl Inbox {
    /// Nothing heard yet.
    pub(crate) fn new(owner: String, breaks: &Arc<BreakLog>) -> Arc<Self> {
        Arc::new(Self { owner, heard: Mutex::default(), bell: Notify::new(), breaks: Arc::clone(breaks) })
    }

    /// Waits until a booking is confirmed or has expired, and says which and when.
    pub(crate) async fn outcome(&self, booking: BookingId, limit: Duration) -> Option<(Step, Instant)> {
        let wait = async {
            loop {
                let rung = self.bell.notified();
                tokio::pin!(rung);
                // Listening before looking: a notice between the two still rings.
                rung.as_mut().enable();
                if let Some(outcome) = self.find_outcome(booking) {
                    return outcome;
                }
                rung.await;
            }
        };
        tokio::time::timeout(limit, wait).await.ok()
    }

    fn find_outcome(&self, booking: BookingId) -> Option<(Step, Instant)> {
        let heard = self.heard();
        let outcome = heard.iter().rev().find(|(step, about, _)| *about == booking && matches!(step, Step::Confirmed | Step::Expired));
        outcome.map(|(step, _, at)| (*step, *at))
    }

    /// Every notice so far, without its time.
    pub(crate) fn notices(&self) -> Vec<(Step, BookingId)> {
        self.heard().iter().map(|(step, booking, _)| (*step, *booking)).collect()
    }

    fn heard(&self) -> MutexGuard<'_, Vec<Notice>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Inbox {
    fn pushed(&self, push: &Push<'_>, received_at: Instant) {
        match push.event() {
            Ok(event) => {
                if let Some((step, booking)) = Step::of(&event) {
                    self.heard().push((step, booking, received_at));
                    self.bell.notify_waiters();
                }
            }
            Err(error) => self.fault(format!("event {}: {error}", push.seq)),
        }
    }

    /// After a reset the snapshot stands for the notices that were missed.
    fn reset(&self, _last: Seq, start: &Subscribed) {
        let Snapshot::Inbox(inbox) = &start.snapshot else { return self.fault(format!("the snapshot of {} is no inbox", start.topic)) };
        let now = Instant::now();
        let mut heard = self.heard();
        for booking in &inbox.bookings {
            let steps: &[Step] = match booking.state {
                BookingState::Confirmed | BookingState::CheckedIn | BookingState::Completed => &Step::WON,
                BookingState::PendingPayment | BookingState::Requested => &[Step::Created],
                BookingState::Expired => &[Step::Expired],
                BookingState::PaymentFailed
                | BookingState::Declined
                | BookingState::Withdrawn
                | BookingState::CancelledByGuest
                | BookingState::CancelledByHost
                | BookingState::NoShow => &[],
            };
            for step in steps {
                if !heard.iter().any(|(known, about, _)| known == step && *about == booking.id) {
                    heard.push((*step, booking.id, now));
                }
            }
        }
        self.bell.notify_waiters();
    }

    fn fault(&self, what: String) {
        self.breaks.add(format!("{}: {what}", self.owner));
    }
}
