//! Somebody who follows a home through everything: from node to node, each time from the last event they saw (P4).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::header::SEC_WEBSOCKET_PROTOCOL;
use latchkey_protocol::server::{Resumed, Resumption, ServerMessage};
use latchkey_protocol::{PropertyId, SUBPROTOCOL, Seq, Topic};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use crate::support::socket::{Event, upgrade_with};
use crate::support::{Seed, eventually};

/// A connection that says nothing for this long is left for another node's.
const SILENCE: Duration = Duration::from_secs(3);

/// Where nodes are, as the test changes them.
pub(super) type Nodes = Arc<Mutex<Vec<SocketAddr>>>;

pub(super) struct Follower {
    events: Arc<Mutex<Vec<Event>>>,
    task: JoinHandle<()>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Follower {
    /// From the first event of the home on.
    pub(super) fn of(home: PropertyId, nodes: Nodes, mut seed: Seed) -> Self {
        let events = Arc::<Mutex<Vec<Event>>>::default();
        let seen = Arc::clone(&events);
        let task = tokio::spawn(async move {
            loop {
                let at = nodes.lock().unwrap().clone();
                let address = at[usize::try_from(seed.below(i32::try_from(at.len()).unwrap())).unwrap()];
                // Whatever ends it: on to another node.
                let _ = follow(address, Topic::Property(home), &seen).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Self { events, task }
    }

    /// Every event up to `head`, once that has been seen.
    pub(super) async fn until(&self, head: Seq) -> Vec<Event> {
        let reached = || async {
            assert!(!self.task.is_finished(), "a follower has seen what must not be");
            let events = self.events.lock().unwrap();
            (events.last().map_or(0, |event| event.seq) >= head).then(|| events.iter().filter(|event| event.seq <= head).cloned().collect())
        };
        eventually(format!("event {head}"), reached).await
    }
}

/// One connection, until it ends; `None` if it ended in an error.
async fn follow(address: SocketAddr, topic: Topic, seen: &Mutex<Vec<Event>>) -> Option<()> {
    let stream = tokio::time::timeout(SILENCE, TcpStream::connect(address)).await.ok()?.ok()?;
    let upgrading = tokio_tungstenite::client_async(upgrade_with(address, &[(SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL)]), stream);
    let (mut socket, _) = tokio::time::timeout(SILENCE, upgrading).await.ok()?.ok()?;
    loop {
        let message = tokio::time::timeout(SILENCE, socket.next()).await.ok()??.ok()?;
        let Message::Text(text) = message else { continue };
        match serde_json::from_str::<ServerMessage<Value>>(&text).unwrap() {
            ServerMessage::Hello { hello } => {
                let last = seen.lock().unwrap().last().map_or(0, |event| event.seq);
                let resume = json!({ "id": 1, "cmd": "resume", "data": { "epoch": hello.epoch, "topics": { topic.to_string(): last } } });
                socket.send(Message::text(resume.to_string())).await.ok()?;
            }
            ServerMessage::Ok(reply) => {
                let Resumed { mut topics } = serde_json::from_value(reply.ok).unwrap();
                match topics.remove(&topic).unwrap() {
                    Resumption::Resumed { .. } => {}
                    // Nothing is old here.
                    Resumption::Reset(snapshot) => panic!("P4: reset at {:?}", snapshot.seq),
                    Resumption::Refused(error) if error.retryable => return None,
                    Resumption::Refused(error) => panic!("{error:?}"),
                }
            }
            ServerMessage::Push(push) if push.topic == topic => {
                let mut seen = seen.lock().unwrap();
                let last = seen.last().map_or(0, |event| event.seq);
                assert_eq!(push.seq, last + 1, "P4: each event once, in order");
                seen.push(push);
            }
            _ => {}
        }
    }
}
