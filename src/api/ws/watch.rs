//! Following topics: the futures behind `subscribe` and `resume`, each run by the connection's own task.
//!
//! A topic is entered in the session before its future starts and struck out if the outcome says so. The snapshot is sent
//! before its topic is attached, so a push never comes before the state it changes.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use latchkey_protocol::server::{Resumed, Resumption, Subscribed};
use latchkey_protocol::{CloseCode, Seq, Topic, WireError};
use serde::Serialize;
use tracing::debug;

use super::connection::Connection;
use super::search::Watched;
use super::{Edge, error};
use crate::hub::{AttachError, Standing, Subscriber};
use crate::service::Caller;

/// Everything such a future needs for itself.
pub(super) struct Watch {
    pub(super) edge: Arc<Edge>,
    pub(super) connection: Arc<Connection>,
    pub(super) caller: Option<Caller>,
    /// The command to answer.
    pub(super) id: u64,
}

/// What a session must forget, and what it must keep.
#[derive(Default)]
pub(super) struct Outcome {
    /// Topics it does not follow after all.
    pub(super) refused: Vec<Topic>,
    /// A search that it watches from now on.
    pub(super) watching: Option<Watched>,
}

impl Outcome {
    pub(super) const fn refused(refused: Vec<Topic>) -> Self {
        Self { refused, watching: None }
    }
}

impl Watch {
    /// `subscribe`: authorise, snapshot, reply, attach.
    ///
    /// One who follows the topic already goes on following it until the new snapshot is there, and if there is none because the
    /// node is busy; not if the topic is no longer theirs.
    pub(super) async fn subscribe(self, topic: Topic, is_new: bool) -> Outcome {
        match self.snapshot(topic).await {
            Ok((subscribed, standing)) => {
                self.room().await;
                let mut follows = true;
                if self.may_still_see(topic) {
                    // From here to the reply no event may come; the reply says where the next ones begin.
                    self.edge.hub.detach(topic, self.connection.id());
                    self.connection.forget_waiting(topic);
                    self.connection.reply(self.id, &subscribed);
                    follows = self.attach_after_reply(topic, subscribed.seq, standing).await;
                }
                Outcome::refused(if follows { Vec::new() } else { vec![topic] })
            }
            Err(error) => {
                let refused = if is_new || !error.retryable { vec![topic] } else { Vec::new() };
                self.connection.refuse(Some(self.id), error);
                Outcome::refused(refused)
            }
        }
    }

    /// `resume`: replay each topic from where the client left it, or give it a snapshot; reply; attach those with snapshots.
    ///
    /// Snapshots are gathered up to a queue's worth; topics that need one beyond that are refused as `busy`, to be resumed again.
    pub(super) async fn resume(self, epoch: String, topics: BTreeMap<Topic, Seq>) -> Outcome {
        let is_same_history = epoch == self.edge.services.topics.epoch();
        let (mut resumed, mut standings) = (BTreeMap::new(), BTreeMap::new());
        let mut bytes_left = self.edge.terms.limits.max_queued_bytes;
        for (topic, after) in topics {
            let after = is_same_history.then_some(after);
            let resumption = match self.resume_one(topic, after, &mut bytes_left).await {
                Ok((resumption, standing)) => {
                    standings.insert(topic, standing);
                    resumption
                }
                Err(error) => Resumption::Refused(error),
            };
            resumed.insert(topic, resumption);
        }
        self.room().await;
        for (topic, resumption) in &mut resumed {
            if matches!(resumption, Resumption::Reset(_)) && !self.may_still_see(*topic) {
                *resumption = Resumption::Refused(error::expired());
            }
        }
        let reply = Resumed { topics: resumed };
        self.connection.reply(self.id, &reply);
        let mut refused = Vec::new();
        for (topic, resumption) in reply.topics {
            match resumption {
                Resumption::Resumed { .. } => {}
                Resumption::Reset(subscribed) => {
                    let standing = standings.get(&topic).copied().unwrap_or(Standing::Public);
                    if !self.attach_after_reply(topic, subscribed.seq, standing).await {
                        refused.push(topic);
                    }
                }
                Resumption::Refused(_) => refused.push(topic),
            }
        }
        Outcome::refused(refused)
    }

    /// How an event stream begins with a topic; says whether it follows it.
    pub(super) async fn begin(&self, topic: Topic, after: Option<Seq>) -> bool {
        let mut bytes_left = usize::MAX;
        match self.resume_one(topic, after, &mut bytes_left).await {
            Ok((Resumption::Resumed { .. }, _)) => true,
            Ok((Resumption::Reset(subscribed), standing)) => {
                self.room().await;
                self.may_still_see(topic)
                    && self.connection.stream_snapshot(&subscribed)
                    && self.attach_after_reply(topic, subscribed.seq, standing).await
            }
            // It is the client's to see and may be there in a moment: told that it has ended, the client would leave it out.
            Ok((Resumption::Refused(error), _)) | Err(error) if error.retryable => {
                self.connection.close(CloseCode::Overloaded);
                true
            }
            Ok((Resumption::Refused(error), _)) | Err(error) => {
                self.connection.tell_end(topic, error);
                false
            }
        }
    }

    async fn resume_one(&self, topic: Topic, after: Option<Seq>, bytes_left: &mut usize) -> Result<(Resumption, Standing), WireError> {
        let Some(after) = after else { return self.reset(topic, bytes_left).await };
        let standing = self.authorise(topic).await?;
        match self.attach(topic, after, standing).await {
            Ok(head) => {
                self.look_again(topic).await?;
                Ok((Resumption::Resumed { head }, standing))
            }
            Err(AttachError::TooOld { .. } | AttachError::AboveHead { .. }) => self.reset(topic, bytes_left).await,
            Err(error @ (AttachError::Unknown | AttachError::Full | AttachError::Source(_) | AttachError::Lost | AttachError::Gone)) => {
                Err(error::of_attach(&error))
            }
        }
    }

    async fn reset(&self, topic: Topic, bytes_left: &mut usize) -> Result<(Resumption, Standing), WireError> {
        if *bytes_left == 0 {
            return Err(error::busy("more snapshots than one reply holds: resume this topic again"));
        }
        let (subscribed, standing) = self.snapshot(topic).await?;
        *bytes_left = bytes_left.saturating_sub(json_length(&subscribed));
        Ok((Resumption::Reset(Box::new(subscribed)), standing))
    }

    /// Waits until the client has taken most of what was sent before: a snapshot may be longer than its queue.
    pub(super) async fn room(&self) {
        poll_fn(|cx| self.connection.poll_room(cx)).await;
    }

    async fn authorise(&self, topic: Topic) -> Result<Standing, WireError> {
        if !self.may_still_see(topic) {
            return Err(error::expired());
        }
        self.edge.services.topics.authorise(self.caller.as_ref(), topic).await.map_err(WireError::from)
    }

    /// Closes the connection if its token has run out, as the sweep would a moment later; says whether what was authorised
    /// before may be sent now (P8).
    fn may_still_see(&self, topic: Topic) -> bool {
        let has_expired = self.caller.is_some_and(|caller| caller.expires_at <= self.edge.terms.clock.now());
        if has_expired {
            self.connection.close(CloseCode::TokenExpired);
        }
        !has_expired || matches!(topic, Topic::Property(_))
    }

    async fn snapshot(&self, topic: Topic) -> Result<(Subscribed, Standing), WireError> {
        let standing = self.authorise(topic).await?;
        let (seq, snapshot) = self.edge.services.topics.snapshot(self.caller.as_ref(), topic).await.map_err(WireError::from)?;
        Ok((Subscribed { topic, seq, snapshot }, standing))
    }

    /// The client has the snapshot by now. If what follows cannot be delivered it must start over, on a new connection; if the topic has ended
    /// since, it is told. Says whether it follows the topic.
    async fn attach_after_reply(&self, topic: Topic, after: Seq, standing: Standing) -> bool {
        match self.attach(topic, after, standing).await {
            // Nothing has happened since the snapshot, which was theirs to see.
            Ok(head) if head == after => true,
            Ok(_) => match self.look_again(topic).await {
                Ok(()) => true,
                Err(error) => {
                    self.connection.tell_end(topic, error);
                    false
                }
            },
            Err(error) => {
                debug!(%topic, after, %error, "cannot follow a topic after its snapshot");
                self.connection.close(CloseCode::Overloaded);
                true
            }
        }
    }

    async fn attach(&self, topic: Topic, after: Seq, standing: Standing) -> Result<Seq, AttachError> {
        let subscriber: Arc<dyn Subscriber> = Arc::<Connection>::clone(&self.connection);
        Ok(self.edge.hub.attach(topic, &subscriber, after, standing).await?.head)
    }

    /// A home that was taken back between being authorised and being attached ended for those who were attached, and not for this one: so
    /// it is authorised again, and detached if it is no longer theirs ("register, then check").
    async fn look_again(&self, topic: Topic) -> Result<(), WireError> {
        if matches!(topic, Topic::Property(_))
            && let Err(error) = self.authorise(topic).await
        {
            self.edge.hub.detach(topic, self.connection.id());
            self.connection.forget_waiting(topic);
            return Err(error);
        }
        Ok(())
    }
}

/// How long a value is on the wire.
fn json_length(value: &impl Serialize) -> usize {
    struct Counter(usize);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    let written = serde_json::to_writer(&mut counter, value);
    debug_assert!(written.is_ok(), "snapshots serialise: {written:?}");
    counter.0
}
