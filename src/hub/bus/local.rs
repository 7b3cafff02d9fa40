//! The bus of a single node: the hub itself.

use std::sync::Arc;

use latchkey_protocol::SessionId;

use super::Bus;
use crate::hub::Hub;
use crate::hub::source::StoredEvent;

/// Publishes to this node's hub and nowhere else.
#[derive(Debug)]
pub struct LocalBus {
    hub: Arc<Hub>,
}

impl LocalBus {
    /// A bus that ends at `hub`.
    #[must_use]
    pub const fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }
}

impl Bus for LocalBus {
    fn publish(&self, events: &[StoredEvent]) {
        self.hub.publish(events);
    }

    /// There is no other.
    fn end_session(&self, _: SessionId) {}
}
