//! Who receives: a connection, seen through a trait, so that the hub knows no sockets.
//!
//! Feeds call `deliver` under their lock, from the publisher's thread. That is what keeps every subscriber's order, and why
//! nothing here may wait.

use std::task::{Context, Poll};

use latchkey_protocol::{Topic, UserId};

use super::frame::EventFrame;

/// Names a subscriber for as long as the process runs; later ones have greater ids.
pub type SubscriberId = u64;

/// In what quality somebody follows a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As anybody may: for as long as the topic is public.
    Public,
    /// As one of those whose it is: for as long as there is anything to follow.
    Own,
}

/// Who looks, for counting: all connections of a user are one viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Viewer {
    /// A user.
    User(UserId),
    /// A connection that has not said whose it is.
    Unknown(SubscriberId),
}

/// Receives the frames of the topics it is attached to.
pub trait Subscriber: Send + Sync + 'static {
    /// Its name.
    fn id(&self) -> SubscriberId;

    /// Who is behind it now.
    fn viewer(&self) -> Viewer;

    /// Takes a notice about a topic that is worth something only now, or says `false` if it would have to wait or must not be seen any more.
    ///
    /// It must not block, and must not call the hub.
    fn hint(&self, topic: Topic, notice: &EventFrame) -> bool;

    /// Takes frames of one topic, in order, or says `false` when it wants no more: the feed then forgets it.
    ///
    /// It must not block, and must not call the hub.
    fn deliver(&self, topic: Topic, frames: &[EventFrame]) -> bool;

    /// Ready once the next page of a replay may be delivered. A replay can thus be longer than any queue; live events never wait.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// The topic has ended for this subscriber with what was delivered last: it is no longer its to see, and it is no longer attached.
    ///
    /// It must not block, and must not call the hub.
    fn ended(&self, topic: Topic);

    /// The topic's feed cannot go on, and this subscriber is no longer attached: it must resume.
    fn lost(&self, topic: Topic);
}
