//! Tasks that the node cannot do without: when one ends before the node does, the node must end.
//!
//! A node whose events are no longer pushed, or whose leases no longer run out, looks healthy and is not. So an early end, by a
//! panic or by returning, is logged, makes `/readyz` say no, and has `App::failed` resolve, upon which the program drains and exits
//! with an error; whoever restarts it gets a whole one.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio_util::sync::CancellationToken;

use crate::api::rest::Context;

/// Watches over one task, from inside it: dropped with it, however it ends.
pub(super) struct Vital {
    pub(super) name: &'static str,
    pub(super) context: Arc<Context>,
    /// The node is ending anyway.
    pub(super) stop: CancellationToken,
    /// Told of an early end.
    pub(super) fault: CancellationToken,
}

impl Vital {
    /// The task.
    pub(super) async fn watch(self, work: impl Future<Output = ()>) {
        work.await;
        drop(self);
    }
}

impl Drop for Vital {
    fn drop(&mut self) {
        if !self.stop.is_cancelled() {
            tracing::error!(task = self.name, "a task that must not end has ended: draining");
            self.context.ready.store(false, Ordering::Relaxed);
            self.fault.cancel();
        }
    }
}
