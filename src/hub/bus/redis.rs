//! The bus of many nodes: every event that is committed here goes to Redis too, and what comes from there to this node's hub.
//!
//! Nothing rests on it. What Redis loses, delays or repeats, the other nodes find in the logs of commits within half a second; so events
//! that it does not take at once are dropped, and counted. Topics are spread over channels; a node subscribes to those of homes, and of the others to those it
//! has feeds for.
//! Of a cluster of Redises each has a part of the channels (sharded pub/sub, since Redis 7), so that none has to bear all of it. Sessions that ended
//! go to everybody, on a channel of their own.

mod message;
mod publisher;
mod source;
mod subscriber;

use std::sync::Arc;
use std::time::Duration;

use latchkey_protocol::SessionId;
use tokio::sync::mpsc;

pub use self::message::Message;
use self::publisher::Publisher;
use self::subscriber::Subscription;
use super::Bus;
use crate::hub::Hub;
use crate::hub::interest::Channel;
use crate::hub::source::StoredEvent;
use crate::shared::Link;

/// Events that wait for Redis; further ones are dropped.
const MAX_WAITING: usize = 16_384;

/// A node says this often that it is there, on channels of its own.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Over how many channels.
const PROBES: u8 = 8;

/// How often channels on which nothing comes are subscribed to again.
const SUBSCRIBE_AGAIN_EVERY: Duration = Duration::from_secs(2);

/// A subscription that has not heard its own node for this long is taken for dead.
const DEAF_AFTER: Duration = Duration::from_secs(4);

/// Takes what came from other nodes. It must not block.
pub type OnMessage = Box<dyn Fn(Message) + Send + Sync>;

/// What goes to other nodes.
enum Outgoing {
    Event(StoredEvent),
    Ended(SessionId),
}

/// Publishes to this node's hub, and to those of all others.
pub struct RedisBus {
    hub: Arc<Hub>,
    queue: mpsc::Sender<Outgoing>,
}

/// Where, and as whom.
#[derive(Clone)]
struct Post {
    link: Link,
    node: String,
}

impl Post {
    fn channel(&self, channel: Channel) -> String {
        match channel {
            Channel::Homes(number) => self.link.name(&format!("homes:{number}")),
            Channel::Private(number) => self.link.name(&format!("private:{number}")),
        }
    }

    /// Where nodes tell each other of sessions that ended.
    fn sessions(&self) -> String {
        self.link.name("sessions")
    }

    /// Several: of a cluster, one server that is away must not make a node think that it hears nothing.
    fn probes(&self) -> impl Iterator<Item = String> + '_ {
        (0..PROBES).map(|number| self.link.name(&format!("node:{}:{number}", self.node)))
    }
}

impl RedisBus {
    /// A bus over the Redis at `link`; `node` names this process. What other nodes say goes to `on_message`. The future carries it; it ends with the bus.
    pub fn new(link: Link, node: String, hub: Arc<Hub>, on_message: OnMessage) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let post = Post { link, node };
        let (queue, outgoing) = mpsc::channel(MAX_WAITING);
        let publisher = Publisher::new(post.clone(), outgoing);
        let subscription = Subscription::new(post, Arc::clone(&hub), on_message);
        let carried = async move {
            tokio::select! {
                () = publisher.run() => {}
                () = subscription.run() => {}
            }
        };
        (Self { hub, queue }, carried)
    }

    fn send(&self, outgoing: Outgoing) {
        if self.queue.try_send(outgoing).is_err() {
            count_dropped(1);
        }
    }
}

impl Bus for RedisBus {
    fn publish(&self, events: &[StoredEvent]) {
        self.hub.publish(events);
        for event in events {
            self.send(Outgoing::Event(event.clone()));
        }
    }

    fn end_session(&self, session: SessionId) {
        self.send(Outgoing::Ended(session));
    }
}

/// What goes to no other node by this way.
fn count_dropped(events: usize) {
    metrics::counter!("latchkey_bus_dropped_total").increment(events as u64);
}
