//! Following topics: the futures behind `subscribe` and `resume`, each run by the connection's own task.
//!
//! A topic is entered in the session before its future starts and struck out if the outcome says so. The snapshot is sent
//! before its topic is attached, so a push never comes before the state it changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use latchkey_protocol::server::{Resumed, Resumption, Subscribed};
use latchkey_protocol::{CloseCode, Seq, Topic, WireError};
use tracing::debug;

use super::connection::Connection;
use super::{Edge, answer, error};
use crate::hub::{AttachError, Subscriber};
use crate::service::Caller;

/// Everything such a future needs for itself.
pub(super) struct Watch {
    pub(super) edge: Arc<Edge>,
    pub(super) connection: Arc<Connection>,
    pub(super) caller: Option<Caller>,
    /// The command to answer.
    pub(super) id: u64,
}

/// What a session must forget.
pub(super) struct Outcome {
    /// Topics it does not follow after all.
    pub(super) refused: Vec<Topic>,
}

impl Watch {
    /// `subscribe`: authorise, snapshot, reply, attach.
    pub(super) async fn subscribe(self, topic: Topic) -> Outcome {
        match self.snapshot(topic).await {
            Ok(subscribed) => {
                let seq = subscribed.seq;
                self.connection.send(answer::ok(self.id, &subscribed));
                self.attach_after_reply(topic, seq).await;
                Outcome { refused: Vec::new() }
            }
            Err(error) => {
                self.connection.send(answer::refusal(Some(self.id), error));
                Outcome { refused: vec![topic] }
            }
        }
    }

    /// `resume`: replay each topic from where the client left it, or give it a snapshot; reply; attach those with snapshots.
    pub(super) async fn resume(self, epoch: String, topics: BTreeMap<Topic, Seq>) -> Outcome {
        let is_same_history = epoch == self.edge.services.topics.epoch();
        let mut resumed = BTreeMap::new();
        for (topic, after) in topics {
            let after = is_same_history.then_some(after);
            let resumption = self.resume_one(topic, after).await.unwrap_or_else(Resumption::Refused);
            resumed.insert(topic, resumption);
        }
        let reply = Resumed { topics: resumed };
        self.connection.send(answer::ok(self.id, &reply));
        let mut refused = Vec::new();
        for (topic, resumption) in reply.topics {
            match resumption {
                Resumption::Resumed { .. } => {}
                Resumption::Reset(subscribed) => self.attach_after_reply(topic, subscribed.seq).await,
                Resumption::Refused(_) => refused.push(topic),
            }
        }
        Outcome { refused }
    }

    async fn resume_one(&self, topic: Topic, after: Option<Seq>) -> Result<Resumption, WireError> {
        let Some(after) = after else { return self.reset(topic).await };
        self.authorise(topic).await?;
        match self.attach(topic, after).await {
            Ok(head) => Ok(Resumption::Resumed { head }),
            Err(AttachError::TooOld { .. } | AttachError::AboveHead { .. }) => self.reset(topic).await,
            Err(error @ (AttachError::Source(_) | AttachError::Lost | AttachError::Gone)) => Err(error::of_attach(&error)),
        }
    }

    async fn reset(&self, topic: Topic) -> Result<Resumption, WireError> {
        Ok(Resumption::Reset(Box::new(self.snapshot(topic).await?)))
    }

    async fn authorise(&self, topic: Topic) -> Result<(), WireError> {
        self.edge.services.topics.authorise(self.caller.as_ref(), topic).await.map_err(WireError::from)
    }

    async fn snapshot(&self, topic: Topic) -> Result<Subscribed, WireError> {
        self.authorise(topic).await?;
        let (seq, snapshot) = self.edge.services.topics.snapshot(self.caller.as_ref(), topic).await.map_err(WireError::from)?;
        Ok(Subscribed { topic, seq, snapshot })
    }

    /// The client has the snapshot by now. If what follows cannot be delivered it must start over, on a new connection.
    async fn attach_after_reply(&self, topic: Topic, after: Seq) {
        if let Err(error) = self.attach(topic, after).await {
            debug!(%topic, after, %error, "cannot follow a topic after its snapshot");
            self.connection.close(CloseCode::Overloaded);
        }
    }

    async fn attach(&self, topic: Topic, after: Seq) -> Result<Seq, AttachError> {
        let subscriber: Arc<dyn Subscriber> = Arc::<Connection>::clone(&self.connection);
        Ok(self.edge.hub.attach(topic, &subscriber, after).await?.head)
    }
}
