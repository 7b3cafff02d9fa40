//! From the committer to those who want to know: events, in commit order, through a bounded channel to one task. And what is no event: how many
//! look.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use latchkey_protocol::Topic;
use tokio::sync::{mpsc, oneshot};

use crate::hub;
use crate::hub::bus::Bus;
use crate::service::Services;
use crate::service::availability::Availability;
use crate::service::peers::News;
use crate::service::search::Fence;
use crate::store::{EventSink, StoredEvent};

/// Batches of events on their way from the committer to the hub; when they are not taken, commits wait.
pub(super) const MAX_BATCHES_UNDER_WAY: usize = 1_024;

/// How often those who look at a home are told how many they are.
const TELL_VIEWERS_EVERY: Duration = Duration::from_secs(2);

/// Hands committed events to the task that pushes them: pushing is work for the threads that serve sockets, not for the
/// committer.
pub(super) struct Outlet(pub(super) mpsc::Sender<Published>);

/// What goes to that task.
pub(super) enum Published {
    /// Events of one batch.
    Events(Vec<StoredEvent>),
    /// Events of other nodes, as the bus brought them.
    FromBus(Vec<StoredEvent>),
    /// What other nodes have committed, by their logs.
    News(Box<News>),
    /// To be answered when everything before has been pushed.
    Fence(oneshot::Sender<()>),
}

impl EventSink for Outlet {
    fn publish(&self, events: Vec<StoredEvent>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // Closed only when the process ends; what is stored is resumed from there.
            let _ = self.0.send(Published::Events(events)).await;
        })
    }
}

pub(super) fn to_hub(event: StoredEvent) -> hub::StoredEvent {
    hub::StoredEvent { topic: event.topic, seq: event.seq, kind: event.kind, at: event.at, data: event.data }
}

pub(super) fn from_hub(event: hub::StoredEvent) -> StoredEvent {
    StoredEvent { topic: event.topic, seq: event.seq, at: event.at, kind: event.kind, data: event.data }
}

pub(super) async fn push_events(
    mut published: mpsc::Receiver<Published>,
    bus: Arc<dyn Bus>,
    hub: Arc<hub::Hub>,
    services: Arc<Services>,
    availability: Arc<Availability>,
) {
    while let Some(published) = published.recv().await {
        match published {
            Published::Events(events) => {
                // This node's own: one that was committed late is in no calendar that was loaded meanwhile. Of others' it has heard by now.
                for event in &events {
                    availability.hear_of(event.topic, event.seq);
                }
                push(events, &services, |event| bus.publish(&[event])).await;
            }
            Published::FromBus(events) => push(events, &services, |event| hub.publish(&[event])).await,
            Published::News(news) => push_news(*news, &hub, &services).await,
            // Nobody may be waiting any more.
            Published::Fence(reached) => drop(reached.send(())),
        }
    }
}

/// Events in their order: what is kept in memory of homes follows them, and then they are published.
async fn push(events: Vec<StoredEvent>, services: &Services, publish: impl Fn(hub::StoredEvent)) {
    for event in events {
        services.search.apply(&event);
        // Its nights are no part of the document.
        if let (Topic::Property(property), true) = (event.topic, event.kind != "availability.changed") {
            services.listings.changed(property, event.seq);
        }
        publish(to_hub(event));
        // Thousands of writes may have been made without a pause.
        tokio::task::yield_now().await;
    }
}

/// Other nodes' events, which the bus may have brought already; who watches an inbox or a booking has what is missing read.
async fn push_news(news: News, hub: &hub::Hub, services: &Services) {
    push(news.events, services, |event| hub.publish(&[event])).await;
    for (topic, seq) in news.heads {
        hub.hear_of(topic, seq);
    }
    services.search.followed(&news.positions);
}

/// Waits until everything that has been published so far has been pushed.
pub(super) fn fence(outlet: mpsc::WeakSender<Published>) -> Fence {
    Box::new(move || {
        let outlet = outlet.clone();
        Box::pin(async move {
            let (reached, when_reached) = oneshot::channel();
            let Some(outlet) = outlet.upgrade() else { return false };
            outlet.send(Published::Fence(reached)).await.is_ok() && when_reached.await.is_ok()
        })
    })
}

/// People come and go in bursts; each home's watchers hear of it once in so long at most.
pub(super) async fn tell_viewers(hub: Arc<hub::Hub>) {
    loop {
        tokio::time::sleep(TELL_VIEWERS_EVERY).await;
        hub.tell_viewers().await;
    }
}
