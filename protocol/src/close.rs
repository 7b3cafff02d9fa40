//! Close codes: 4000 to 4499 invite the client to reconnect, 4500 to 4999 tell it not to.

/// Why the server closes a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum CloseCode {
    /// Normal closure, asked for by the client (RFC 6455, 7.4.1).
    Normal = 1000,
    /// Frames that break RFC 6455.
    ProtocolError = 1002,
    /// A frame that the subprotocol does not have: a binary one with JSON, a text one with MessagePack.
    UnsupportedData = 1003,
    /// Text that is not UTF-8.
    InvalidPayload = 1007,
    /// A message longer than [`crate::MAX_CLIENT_MESSAGE_BYTES`].
    TooBig = 1009,
    /// The server is going away; reconnect after the delay in `goaway`.
    Draining = 4001,
    /// The client reads more slowly than its topics move; reconnect and `resume`.
    SlowConsumer = 4008,
    /// The server has no room for another connection; reconnect later.
    Overloaded = 4009,
    /// A ping was not answered in time; or an anonymous client followed no topic for too long.
    IdleTimeout = 4010,
    /// The access token ran out; log in or refresh, reconnect and authenticate.
    TokenExpired = 4011,
    /// The first authentication failed, or no command that means anything came in time.
    BadAuthentication = 4500,
    /// The session was logged out or revoked.
    Revoked = 4501,
    /// The client keeps sending what it was told not to.
    PolicyViolation = 4502,
    /// The user has opened as many connections since as one user may have; this was the oldest.
    TooManyConnections = 4503,
}

impl CloseCode {
    /// Every code, for documents and tests.
    pub const ALL: [Self; 14] = [
        Self::Normal,
        Self::ProtocolError,
        Self::UnsupportedData,
        Self::InvalidPayload,
        Self::TooBig,
        Self::Draining,
        Self::SlowConsumer,
        Self::Overloaded,
        Self::IdleTimeout,
        Self::TokenExpired,
        Self::BadAuthentication,
        Self::Revoked,
        Self::PolicyViolation,
        Self::TooManyConnections,
    ];

    /// The number in the close frame.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// Whether a client should connect again by itself.
    #[must_use]
    pub const fn should_reconnect(self) -> bool {
        matches!(self.number(), 4000..=4499)
    }

    /// The reason in the close frame; at most 123 bytes (RFC 6455, 5.5.1).
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Normal => "bye",
            Self::ProtocolError => "malformed frame",
            Self::UnsupportedData => "text frames for JSON, binary ones for MessagePack",
            Self::InvalidPayload => "text is not UTF-8",
            Self::TooBig => "message longer than 65536 bytes",
            Self::Draining => "draining",
            Self::SlowConsumer => "slow consumer: reconnect and resume",
            Self::Overloaded => "overloaded",
            Self::IdleTimeout => "idle timeout",
            Self::TokenExpired => "token expired",
            Self::BadAuthentication => "authentication failed",
            Self::Revoked => "session revoked",
            Self::PolicyViolation => "policy violation",
            Self::TooManyConnections => "too many connections: this was your oldest",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_4000_to_4499_invite_a_reconnect() {
        let inviting: Vec<_> = CloseCode::ALL.into_iter().filter(|code| code.should_reconnect()).collect();
        assert_eq!(
            inviting,
            [CloseCode::Draining, CloseCode::SlowConsumer, CloseCode::Overloaded, CloseCode::IdleTimeout, CloseCode::TokenExpired]
        );
    }
}
