//! What a server sends: a `hello`, replies, pushes and `goaway`, one JSON object per text frame.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::WireError;
use crate::id::{BookingId, PropertyId, SessionId, UserId};
use crate::rest::FoundProperty;
use crate::topic::Topic;
use crate::view;
use crate::{EpochMs, Seq};

/// The first frame of every connection: `{"hello":{…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Hello {
    /// Names this database's history; a restore changes it, and `resume` with another one gives `reset`.
    pub epoch: String,
    /// A [`Heartbeat`] comes this often, and a ping whenever the server has heard nothing for as long, in milliseconds.
    pub heartbeat_ms: u64,
    /// The server's clock.
    pub now: EpochMs,
}

/// Every frame a server sends, told apart by the field it has. `B` is how a reply's body is held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ServerMessage<B> {
    /// `{"topic":"property:…","seq":42,"type":"availability.changed","at":…,"data":{…}}`.
    Push(Push<B>),
    /// `{"id":7,"ok":{…}}`.
    Ok(OkReply<B>),
    /// `{"id":7,"error":{…}}`.
    Err(ErrReply),
    /// `{"hello":{…}}`.
    Hello {
        /// The greeting.
        hello: Hello,
    },
    /// `{"goaway":{…}}`.
    GoAway {
        /// The notice.
        goaway: GoAway,
    },
    /// `{"ended":{"topic":"property:…","error":{…}}}`.
    Ended {
        /// The notice.
        ended: Ended,
    },
    /// `{"heartbeat":{"now":…,"heads":{"property:…":42}}}`.
    Heartbeat {
        /// The notice.
        heartbeat: Heartbeat,
    },
    /// `{"search":{"watch":1,"revision":2,"order":[…],"entries":[…]}}`.
    Search {
        /// The notice.
        search: SearchUpdate,
    },
    /// `{"presence":{"property":"…","viewers":20}}`.
    Presence {
        /// The notice.
        presence: Presence,
    },
    /// `{"typing":{"booking":"…"}}`.
    Typing {
        /// The notice.
        typing: Typing,
    },
    /// `{"token_expiring":{"expires_at":…}}`.
    TokenExpiring {
        /// The notice.
        token_expiring: TokenExpiring,
    },
}

/// A command was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OkReply<B> {
    /// The command's `id`.
    pub id: u64,
    /// What the command promises.
    pub ok: B,
}

/// A command was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrReply {
    /// The command's `id`; null if the message was too broken to have one.
    pub id: Option<u64>,
    /// Why.
    pub error: WireError,
}

/// An event of a topic. `type` and `data` are those of [`crate::event::Event`].
///
/// With `from_seq` it stands for every event from that one to `seq`: a client that reads slowly is told what became of a home's nights in one
/// frame, `availability.conflated`, instead of in each of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push<B> {
    /// Of which topic.
    pub topic: Topic,
    /// Its number there.
    pub seq: Seq,
    /// The first of the events that this one stands for, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_seq: Option<Seq>,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was decided, by the server's clock.
    pub at: EpochMs,
    /// To what.
    pub data: B,
}

/// A topic is followed no longer, though nobody unsubscribed: it is not this client's to see any more.
///
/// A home that its host took back, that is gone, or whose host was suspended or left: `property.unlisted` or `property.deleted` came before.
/// It is the topic's last frame; subscribe anew to find out whether it can be followed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ended {
    /// Which topic.
    pub topic: Topic,
    /// What a `subscribe` would be told now.
    pub error: WireError,
}

/// The server will close this connection; reconnect elsewhere after the delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GoAway {
    /// How long to wait before reconnecting, in milliseconds; spread over clients.
    pub after_ms: u64,
}

/// Sent every `heartbeat_ms` of [`Hello`].
///
/// It comes after every push up to these heads: a client that has seen less of a topic has lost something on the way, and resumes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Heartbeat {
    /// The server's clock.
    pub now: EpochMs,
    /// The newest event of each topic that the connection follows.
    pub heads: BTreeMap<Topic, Seq>,
}

/// The token ends soon: `refresh` with a new one, or the connection is closed with 4011.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenExpiring {
    /// When.
    pub expires_at: EpochMs,
}

/// About how many people follow a home's topic now. It has no number, is not stored, and is not sent to who reads slowly: only the newest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = PresenceNotice))]
pub struct Presence {
    /// Which home.
    pub property: PropertyId,
    /// At least so many and fewer than the next of 1, 2, 3, 5, 10, 20, 30, 50, 100 and so on, oneself among them; its host is not. Before the first
    /// of these a guest knows of themselves alone.
    pub viewers: u32,
}

/// The other side is writing a message. Said at most every 3 seconds, and true for about 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = TypingNotice))]
pub struct Typing {
    /// In which thread.
    pub booking: BookingId,
}

/// Reply to `search.watch`: the first page, as `GET /properties/` answers it. [`SearchUpdate`]s keep it current.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SearchWatched {
    /// Names the watch on this connection.
    pub watch: u32,
    /// 1; each update counts one further.
    pub revision: u64,
    /// The homes of the page, in order.
    pub items: Vec<FoundProperty>,
    /// Cursor of the next page, if there is one: for `GET /properties/` with the same query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What the page of a watched search has become: a view, of which only the newest counts, and no log of what happened in between.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SearchUpdate {
    /// Which watch.
    pub watch: u32,
    /// One more than that of the update or reply before.
    pub revision: u64,
    /// The homes that are on the page now, in order. What is not named has left it.
    pub order: Vec<PropertyId>,
    /// Those of them that were not on the page before, or are not what they were; the others are as they were told last.
    pub entries: Vec<FoundProperty>,
    /// Cursor of the next page now, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The last event of an event stream (`event: end`): why it ends. A stream that ends without it broke off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StreamEnd {
    /// The code that a WebSocket would be closed with, see [`crate::CloseCode`].
    pub code: u16,
    /// The same in words.
    pub reason: String,
    /// Whether to come back.
    pub reconnect: bool,
}

/// Reply to `authenticate` and `refresh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Authenticated {
    /// Who the connection speaks for.
    pub user: UserId,
    /// The login behind the token.
    pub session: SessionId,
    /// When the token ends, and the connection with it.
    pub expires_at: EpochMs,
}

/// Reply to `ping`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pong {
    /// The server's clock.
    pub now: EpochMs,
}

/// State of a topic at a sequence; the pushes that follow begin at `seq + 1`.
///
/// One who followed the topic already may have had some of them before this reply: begin again from here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Subscribed {
    /// Which topic.
    pub topic: Topic,
    /// The last event the snapshot contains.
    pub seq: Seq,
    /// The state.
    pub snapshot: Snapshot,
}

/// A topic's state, in the shape its kind has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Snapshot {
    /// Of `property:{id}`.
    Calendar(view::Calendar),
    /// Of `user:{id}`.
    Inbox(view::Inbox),
    /// Of `booking:{id}`.
    Booking(Box<view::BookingFile>),
}

/// Reply to `resume`; the missed events were pushed before it.
///
/// A topic is followed from the moment its missed events are out, so events above its `head` may have been pushed before this
/// reply as well. A client keeps its place by the pushes and never moves it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Resumed {
    /// What became of each topic.
    pub topics: BTreeMap<Topic, Resumption>,
}

/// How a topic goes on after a reconnect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Resumption {
    /// Every event up to this one was sent; later ones follow as pushes, or came already.
    Resumed {
        /// The last event sent when the topic was followed again; no reason to forget later ones.
        head: Seq,
    },
    /// The past is out of reach: forget the old state and start from this one.
    Reset(Box<Subscribed>),
    /// Not followed, nor any longer if it was; `retryable` says whether to resume it again.
    Refused(WireError),
}
