//! One WebSocket connection to the hub, from handshake to close, with small buffers.
//!
//! It knows frames of text, the greeting and why it ended; commands and topics are [`crate::session`]'s, which opens a new
//! connection whenever this one says that it may. Buffers are small because one process holds ten thousand of these.

use std::time::Duration;

use anyhow::Result;
use futures_util::{SinkExt, StreamExt};
use http::HeaderValue;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use latchkey_protocol::server::Hello;
use latchkey_protocol::{CloseCode, SUBPROTOCOL};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode as RfcCode};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::frame::Frame;
use crate::target::{Target, Way};

const READ_BUFFER_BYTES: usize = 2 * 1024;
const WRITE_BUFFER_BYTES: usize = 4 * 1024;
const MAX_WRITE_BUFFER_BYTES: usize = 1024 * 1024;
/// A snapshot of an inbox is the largest frame; this is many times one.
const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// TCP, upgrade and greeting together.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// A hub that said nothing for this many heartbeats, not even a ping, is gone.
const SILENT_HEARTBEATS: u32 = 3;
const SHORTEST_SILENCE: Duration = Duration::from_secs(5);

/// Why there is no connection (any more).
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Gone {
    /// The hub closed it, with its code.
    #[error("closed by the hub with {code} ({reason})")]
    Closed { code: u16, reason: String },
    /// It broke, or never came to be; a hub that was killed looks like this.
    #[error("{0}")]
    Broken(String),
    /// The hub answered the upgrade with something that trying again won't change.
    #[error("{0}")]
    Refused(String),
}

impl Gone {
    /// Whether a client should connect again: what the close code's range says, and always after a mere break.
    pub(crate) fn invites_return(&self) -> bool {
        match self {
            // RFC 6455 and IANA: going away, service restart, try again later.
            Self::Closed { code: 1001 | 1012 | 1013, .. } | Self::Broken(_) => true,
            Self::Closed { code, .. } => CloseCode::ALL.into_iter().any(|known| known.number() == *code && known.should_reconnect()),
            Self::Refused(_) => false,
        }
    }

    /// Whether the hub closed because it did not accept our token.
    pub(crate) fn rejected_token(&self) -> bool {
        matches!(self, Self::Closed { code, .. } if *code == CloseCode::BadAuthentication.number())
    }
}

/// An open connection that has been greeted.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: WebSocketStream<TcpStream>,
    silence: Duration,
    /// What the hub said first.
    pub(crate) hello: Hello,
}

impl Connection {
    /// Connects in that way, upgrades and waits for the greeting.
    ///
    /// # Errors
    /// [`Gone`], saying whether to try again.
    pub(crate) async fn open(target: &Target, way: Way) -> Result<Self, Gone> {
        match tokio::time::timeout(HANDSHAKE, Self::shake_hands(target, way)).await {
            Ok(result) => result,
            Err(_) => Err(Gone::Broken(format!("no greeting within {} s", HANDSHAKE.as_secs()))),
        }
    }

    async fn shake_hands(target: &Target, way: Way) -> Result<Self, Gone> {
        let refused = |error: Error| Gone::Refused(error.to_string());
        let mut request = target.socket_url().into_client_request().map_err(refused)?;
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        let tcp = target.connect(way).await.map_err(|error| Gone::Broken(error.to_string()))?;
        tcp.set_nodelay(true).map_err(|error| Gone::Broken(error.to_string()))?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let upgraded = tokio_tungstenite::client_async_with_config(request, tcp, Some(config)).await;
        let (stream, _) = upgraded.map_err(|error| match &error {
            Error::Http(response) if !matches!(response.status().as_u16(), 408 | 429 | 500..) => refused(error),
            Error::Protocol(_) | Error::Url(_) | Error::HttpFormat(_) => refused(error),
            _ => Gone::Broken(error.to_string()),
        })?;
        let hello = Hello { epoch: String::new(), heartbeat_ms: 0, now: 0 };
        let mut connection = Self { stream, silence: HANDSHAKE, hello };
        let text = connection.next().await?;
        match Frame::parse(&text) {
            Ok(Frame::Hello(hello)) => {
                connection.silence = (Duration::from_millis(hello.heartbeat_ms) * SILENT_HEARTBEATS).max(SHORTEST_SILENCE);
                connection.hello = hello;
                Ok(connection)
            }
            _ => Err(Gone::Refused(format!("the first frame is not a hello: {text}"))),
        }
    }

    /// Puts a message into the write buffer; [`Connection::flush`] sends what is there.
    ///
    /// # Errors
    /// [`Gone`], if the connection broke.
    pub(crate) async fn feed(&mut self, text: Utf8Bytes) -> Result<(), Gone> {
        self.stream.feed(Message::Text(text)).await.map_err(|error| broken(&error))
    }

    /// Sends everything fed.
    ///
    /// # Errors
    /// [`Gone`], if the connection broke.
    pub(crate) async fn flush(&mut self) -> Result<(), Gone> {
        self.stream.flush().await.map_err(|error| broken(&error))
    }

    /// The next text frame. Pings are answered on the way. May be dropped and called again without losing a frame.
    ///
    /// # Errors
    /// [`Gone`]: closed, broken, or silent for too long.
    pub(crate) async fn next(&mut self) -> Result<Utf8Bytes, Gone> {
        loop {
            let message = tokio::time::timeout(self.silence, self.stream.next())
                .await
                .map_err(|_| Gone::Broken(format!("the hub was silent for {} s", self.silence.as_secs())))?;
            match message {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(frame))) => return Err(closed(frame)),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Binary(_) | Message::Frame(_))) => return Err(Gone::Refused("the hub sent a binary frame".to_owned())),
                Some(Err(error)) => return Err(broken(&error)),
                None => return Err(Gone::Broken("the connection ended without a close frame".to_owned())),
            }
        }
    }

    /// The connection below the protocol: nothing is answered on it from here on, not even a ping.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }

    /// Cuts the connection without a word (RST): the hub sees a client that is gone, and what was under way is lost.
    pub(crate) fn cut(self) {
        // What the kernel refuses here ends as an ordinary close, which the hub takes for the same.
        let _ = self.stream.get_ref().set_zero_linger();
    }

    /// Says goodbye and waits a moment for the answer, so that the hub sees a normal end.
    pub(crate) async fn close(mut self) {
        let frame = CloseFrame { code: RfcCode::Normal, reason: Utf8Bytes::from_static("bye") };
        let goodbye = async {
            if self.stream.close(Some(frame)).await.is_ok() {
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        };
        // Nobody waits for a hub that doesn't answer.
        let _ = tokio::time::timeout(Duration::from_secs(2), goodbye).await;
    }
}

fn closed(frame: Option<CloseFrame>) -> Gone {
    match frame {
        Some(frame) => Gone::Closed { code: frame.code.into(), reason: frame.reason.to_string() },
        None => Gone::Broken("closed by the hub without a code".to_owned()),
    }
}

fn broken(error: &Error) -> Gone {
    Gone::Broken(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_code_says_whether_to_come_back() {
        for code in CloseCode::ALL {
            let gone = Gone::Closed { code: code.number(), reason: String::new() };
            assert_eq!(gone.invites_return(), code.should_reconnect(), "{code:?}");
        }
        assert!(Gone::Broken("connection reset".to_owned()).invites_return());
        assert!(!Gone::Closed { code: 4321, reason: String::new() }.invites_return());
        assert!(!Gone::Refused("404".to_owned()).invites_return());
    }
}
