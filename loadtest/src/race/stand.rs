//! The stand: every watcher of a race, laying what it sees onto one timeline per property.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use latchkey_protocol::Topic;
use latchkey_protocol::server::{Snapshot, Subscribed};

use crate::frame::Push;
use crate::invariants::BreakLog;
use crate::invariants::claims::Timelines;
use crate::session::Observer;

/// What all watchers saw.
#[derive(Debug)]
pub(crate) struct Stand {
    timelines: Mutex<Timelines>,
    /// Events received, over all watchers.
    pub(crate) deliveries: AtomicU64,
    breaks: Arc<BreakLog>,
}

impl Stand {
    /// An empty one.
    pub(crate) fn new(breaks: &Arc<BreakLog>) -> Arc<Self> {
        Arc::new(Self { timelines: Mutex::default(), deliveries: AtomicU64::new(0), breaks: Arc::clone(breaks) })
    }

    /// The timelines, for judging.
    pub(crate) fn timelines(&self) -> MutexGuard<'_, Timelines> {
        self.timelines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One seat in the stand.
#[derive(Debug)]
pub(crate) struct Watcher {
    number: usize,
    stand: Arc<Stand>,
}

impl Watcher {
    /// Seat `number`.
    pub(crate) fn new(number: usize, stand: &Arc<Stand>) -> Arc<Self> {
        Arc::new(Self { number, stand: Arc::clone(stand) })
    }
}

impl Observer for Watcher {
    fn started(&self, start: &Subscribed) {
        let (Topic::Property(property), Snapshot::Calendar(calendar)) = (start.topic, &start.snapshot) else {
            return self.fault(format!("the snapshot of {} is no calendar", start.topic));
        };
        if calendar.seq != start.seq || calendar.property != property {
            self.fault(format!("the snapshot of {} at {} holds another calendar, at {}", start.topic, start.seq, calendar.seq));
        }
        let laid = self.stand.timelines().entry(property).or_default().start(calendar);
        if let Err(what) = laid {
            self.fault(what);
        }
    }

    fn pushed(&self, push: &Push<'_>, received_at: Instant) {
        self.stand.deliveries.fetch_add(1, Ordering::Relaxed);
        let Topic::Property(property) = push.topic else { return self.fault(format!("an event of {}", push.topic)) };
        let laid = self.stand.timelines().entry(property).or_default().see(push.seq, &push.kind, push.data.get(), received_at);
        if let Err(what) = laid {
            self.fault(what);
        }
    }

    fn fault(&self, what: String) {
        self.stand.breaks.add(format!("watcher {}: {what}", self.number));
    }
}
