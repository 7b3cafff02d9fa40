//! What every connection is held to: the limits, the clock they are judged by, and the meters that count.

use std::sync::Arc;

use latchkey_protocol::EpochMs;
use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

use crate::clock::Clock;

/// Bounds of one connection, and of their number (P10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WsLimits {
    /// Most sockets at once; further ones get 503.
    pub max_sockets: usize,
    /// Most of them from one address (IPv6: from one /64); further ones get 429.
    pub max_per_address: usize,
    /// Most of them of one user: with a further one their oldest is closed with 4503.
    pub max_per_user: usize,
    /// Most bytes queued for a client that does not read; beyond, it is closed with 4008.
    pub max_queued_bytes: usize,
    /// Most topics one connection follows.
    pub max_subscriptions: usize,
    /// Most searches one connection watches.
    pub max_searches: usize,
    /// Most searches one customer watches on all connections: a user, or an address (IPv6: a /64) that has not said whose it is.
    pub max_searches_per_customer: usize,
    /// Most domain commands one connection has under way; beyond, it is not read from.
    pub max_in_flight: u32,
    /// A ping goes out after this much silence; a ping that nothing follows for as long closes the connection, in milliseconds.
    pub heartbeat_ms: EpochMs,
    /// How long a socket may stay that neither authenticates nor follows a public topic, in milliseconds; from when it last did.
    pub authenticate_within_ms: EpochMs,
    /// Messages a second, in the long run.
    pub messages_per_second: u32,
    /// Messages at once after a quiet time.
    pub message_burst: u32,
    /// Messages a second of one user over all their connections, in the long run; twice as many at once after a quiet time.
    pub messages_per_user: u32,
    /// Messages refused for their rate until the connection is closed with 4502.
    pub max_refused: u32,
}

impl Default for WsLimits {
    fn default() -> Self {
        Self {
            max_sockets: 19_000,
            max_per_address: 19_000,
            max_per_user: 19_000,
            max_queued_bytes: 256 * 1024,
            max_subscriptions: 200,
            max_searches: 10,
            max_searches_per_customer: 19_000,
            max_in_flight: 16,
            heartbeat_ms: 25_000,
            authenticate_within_ms: 10_000,
            messages_per_second: 200,
            message_burst: 400,
            messages_per_user: 400,
            max_refused: 1_000,
        }
    }
}

/// A limit that somebody met. What happens then is said where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// No room on this node: 503.
    Connections,
    /// Too many connections from an address: 429.
    ConnectionsPerAddress,
    /// Too many connections of a user: their oldest is closed with 4503.
    ConnectionsPerUser,
    /// Messages too fast on one connection: `rate_limited`, then 4502.
    Messages,
    /// Messages too fast on all connections of a user: `rate_limited`.
    MessagesPerUser,
    /// Too many topics on one connection: `too_many_subscriptions`.
    Subscriptions,
    /// Too many searches watched on one connection: `too_many_subscriptions`.
    Searches,
    /// Too many searches watched by a customer on all connections: `too_many_subscriptions`.
    SearchesPerCustomer,
    /// More searches than requests were left to the customer: `rate_limited`.
    Requests,
    /// A message that is too long: 1009.
    MessageBytes,
    /// Nobody said who they are, nor followed anything, in time: 4500 or 4010.
    Silence,
}

impl Limit {
    /// Counts that it was met.
    pub(super) fn count(self) {
        let name = match self {
            Self::Connections => "connections",
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::ConnectionsPerUser => "connections_per_user",
            Self::Messages => "messages",
            Self::MessagesPerUser => "messages_per_user",
            Self::Subscriptions => "subscriptions",
            Self::Searches => "searches",
            Self::SearchesPerCustomer => "searches_per_customer",
            Self::Requests => "requests",
            Self::MessageBytes => "message_bytes",
            Self::Silence => "silence",
        };
        counter!("latchkey_ws_limits_total", "limit" => name).increment(1);
    }
}

/// Counters of the live side, looked up once.
pub(super) struct Meters {
    pub(super) sockets: Gauge,
    pub(super) frames_sent: Counter,
    pub(super) slow_consumers: Counter,
    pub(super) conflated: Counter,
}

/// Shared by all connections.
pub(super) struct Terms {
    pub(super) limits: WsLimits,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) meters: Meters,
}

impl Terms {
    pub(super) fn new(limits: WsLimits, clock: Arc<dyn Clock>) -> Self {
        describe_gauge!("latchkey_ws_connections", "Live connections open now: WebSockets and event streams");
        describe_counter!("latchkey_ws_frames_sent_total", Unit::Count, "Frames and events of streams accepted for sending");
        describe_counter!("latchkey_ws_slow_consumers_total", Unit::Count, "Connections closed because they did not keep up");
        describe_counter!(
            "latchkey_ws_conflated_total",
            Unit::Count,
            "Changes of nights that were told together with others to clients that read slowly"
        );
        describe_counter!("latchkey_ws_limits_total", Unit::Count, "Times that a limit of the live side was met, by limit");
        describe_counter!("latchkey_ws_commands_total", Unit::Count, "Commands received, by name");
        let meters = Meters {
            sockets: gauge!("latchkey_ws_connections"),
            frames_sent: counter!("latchkey_ws_frames_sent_total"),
            slow_consumers: counter!("latchkey_ws_slow_consumers_total"),
            conflated: counter!("latchkey_ws_conflated_total"),
        };
        Self { limits, clock, meters }
    }
}
