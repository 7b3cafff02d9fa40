//! The bus of many nodes: every event that is committed here goes to Redis too, and what comes from there to this node's hub.
//!
//! Nothing rests on it. What Redis loses, delays or repeats, the other nodes find in the logs of commits within half a second; so events
//! that it does not take at once are dropped, and counted. Topics are spread over channels; a node subscribes to those of homes, and of the others to those it
//! has feeds for.
//! Channels bear the database's epoch: nodes of different histories share a Redis without hearing each other.

mod message;
mod publisher;
mod subscriber;

use std::sync::Arc;
use std::time::Duration;

use redis::{Client, IntoConnectionInfo as _, RedisError};
use tokio::sync::mpsc;

use self::publisher::Publisher;
use self::subscriber::Subscription;
use super::Bus;
use crate::hub::Hub;
use crate::hub::interest::Channel;
use crate::hub::source::StoredEvent;

/// Events that wait for Redis; further ones are dropped.
const MAX_WAITING: usize = 16_384;

/// How long connecting, and an answer, may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How long between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(500);

/// A node says this often that it is there, on a channel of its own.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// A subscription that has not heard its own node for this long is taken for dead.
const DEAF_AFTER: Duration = Duration::from_secs(4);

/// Takes events that came from other nodes. It must not block.
pub type OnEvents = Box<dyn Fn(Vec<StoredEvent>) + Send + Sync>;

/// Publishes to this node's hub, and to those of all others.
pub struct RedisBus {
    hub: Arc<Hub>,
    queue: mpsc::Sender<StoredEvent>,
}

/// Where, and as whom.
#[derive(Clone)]
struct Link {
    client: Client,
    /// What channels begin with.
    prefix: String,
    node: String,
}

impl Link {
    fn channel(&self, channel: Channel) -> String {
        match channel {
            Channel::Homes(number) => format!("{}:homes:{number}", self.prefix),
            Channel::Private(number) => format!("{}:private:{number}", self.prefix),
        }
    }

    fn probe(&self) -> String {
        format!("{}:node:{}", self.prefix, self.node)
    }
}

impl RedisBus {
    /// A bus over the Redis at `url`, among the nodes whose database has this epoch; `node` names this process. What other nodes publish goes
    /// to `on_events`. The future carries it; it ends with the bus.
    ///
    /// # Errors
    /// If the URL is none of Redis. Whether there is a server is found out later, again and again.
    pub fn open(
        url: &str,
        epoch: &str,
        node: String,
        hub: Arc<Hub>,
        on_events: OnEvents,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), RedisError> {
        let client = Client::open(url.into_connection_info()?)?;
        let link = Link { client, prefix: format!("latchkey:{epoch}"), node };
        let (queue, events) = mpsc::channel(MAX_WAITING);
        let publisher = Publisher::new(link.clone(), events);
        let subscription = Subscription::new(link, Arc::clone(&hub), on_events);
        let carried = async move {
            tokio::select! {
                () = publisher.run() => {}
                () = subscription.run() => {}
            }
        };
        Ok((Self { hub, queue }, carried))
    }
}

impl Bus for RedisBus {
    fn publish(&self, events: &[StoredEvent]) {
        self.hub.publish(events);
        for event in events {
            if self.queue.try_send(event.clone()).is_err() {
                count_dropped(1);
            }
        }
    }
}

/// Events that go to no other node by this way.
fn count_dropped(events: usize) {
    metrics::counter!("latchkey_bus_dropped_total").increment(events as u64);
}
