//! From an HTTP request to a WebSocket (RFC 6455, 4.2), without warp's own upgrade: that one keeps 128 KiB per connection.
//!
//! Takes the TCP stream back from hyper together with what hyper had read beyond the request, and gives both to `socket`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use latchkey_protocol::{ErrorCode, WireError};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tracing::{debug, error};
use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::reply::Reply as _;

use super::encoding::Encoding;
use super::registry::Seat;
use super::session::Session;
use super::wire::Writer;
use super::{Edge, socket};
use crate::api::address::behind;
use crate::api::problem::Problem;
use crate::api::server::{ConnectionSlot, PeerAddr};
use crate::api::stream::HttpStream;

/// Why a request is not upgraded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("this address speaks WebSocket: send `Connection: Upgrade` and `Upgrade: websocket`")]
    NotAnUpgrade,
    #[error("WebSocket version 13 only")]
    Version,
    #[error("Sec-WebSocket-Key must be 16 bytes in base64")]
    Key,
    #[error("none of the subprotocols offered is latchkey.v1.json or latchkey.v1.msgpack")]
    Subprotocol,
    #[error("{}", .0.message)]
    NoSeat(WireError),
}

/// What the client asked for, checked.
#[derive(Debug, PartialEq, Eq)]
struct Handshake {
    accept: String,
    /// Of the subprotocols that it offered the first that is ours, which is confirmed; nothing if it offered none.
    chosen: Option<Encoding>,
}

/// `GET`, upgraded to a WebSocket of `edge`. Mount it below the path of your choice.
#[must_use]
pub fn route(edge: Arc<Edge>) -> BoxedFilter<(warp::reply::Response,)> {
    warp::get()
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<OnUpgrade>())
        .and(warp::ext::optional::<ConnectionSlot>())
        .and(warp::ext::optional::<PeerAddr>())
        .map(move |headers: HeaderMap, on_upgrade: Option<OnUpgrade>, slot: Option<ConnectionSlot>, peer: Option<PeerAddr>| {
            accept(&edge, &headers, on_upgrade, slot, peer).unwrap_or_else(Refusal::into_response)
        })
        .boxed()
}

fn accept(
    edge: &Arc<Edge>,
    headers: &HeaderMap,
    on_upgrade: Option<OnUpgrade>,
    slot: Option<ConnectionSlot>,
    peer: Option<PeerAddr>,
) -> Result<warp::reply::Response, Refusal> {
    let handshake = check(headers)?;
    let on_upgrade = on_upgrade.ok_or(Refusal::NotAnUpgrade)?;
    let address = peer.map(|peer| behind(peer.0.ip(), headers, &edge.trusted_proxies));
    let seat = edge.registry.take_seat(address).map_err(|no_seat| Refusal::NoSeat(no_seat.refusal(&edge.terms.limits)))?;
    let edge = Arc::clone(edge);
    let encoding = handshake.chosen.unwrap_or(Encoding::Json);
    // One task from here to the end of the connection. The slot bounds TCP connections; it is kept as long as this one lives.
    tokio::spawn(async move {
        serve(edge, on_upgrade, seat, encoding).await;
        drop(slot);
    });
    Ok(handshake.into_response())
}

async fn serve(edge: Arc<Edge>, on_upgrade: OnUpgrade, seat: Seat, encoding: Encoding) {
    let (stream, leftover) = match on_upgrade.await.map(hyper::upgrade::Upgraded::downcast::<TokioIo<HttpStream>>) {
        // What came early is copied: it is short, and the original would keep hyper's 8 KiB buffer alive.
        Ok(Ok(parts)) => (parts.io.into_inner().into_inner(), Bytes::copy_from_slice(&parts.read_buf)),
        Ok(Err(_)) => return error!("the upgraded stream is not the TCP stream that `api::server` accepts"),
        Err(fault) => return debug!(%fault, "client left during the upgrade"),
    };
    let (reader, writer) = stream.into_split();
    let connection = seat.sit(Writer::Socket(writer), encoding);
    let session = Session::open(edge, Arc::clone(&connection), seat.address());
    socket::run(connection, reader, leftover, session).await;
}

/// Checks the request as RFC 6455, 4.2.1 and 4.2.2 ask.
fn check(headers: &HeaderMap) -> Result<Handshake, Refusal> {
    if !lists(headers, &header::CONNECTION, "upgrade") || !lists(headers, &header::UPGRADE, "websocket") {
        return Err(Refusal::NotAnUpgrade);
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refusal::Version);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(Refusal::Key)?;
    // Sixteen bytes in base64.
    if BASE64.decode(key).map(|nonce| nonce.len()) != Ok(16) {
        return Err(Refusal::Key);
    }
    // In the order of the client's preference (RFC 6455, 4.1).
    let chosen = words(headers, &header::SEC_WEBSOCKET_PROTOCOL).find_map(Encoding::of_subprotocol);
    if chosen.is_none() && headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        return Err(Refusal::Subprotocol);
    }
    Ok(Handshake { accept: derive_accept_key(key.as_bytes()), chosen })
}

/// Whether a comma-separated header, which may be repeated, has this word.
fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    words(headers, name).any(|listed| listed.eq_ignore_ascii_case(word))
}

/// The words of such a header, in order.
fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

impl Handshake {
    fn into_response(self) -> warp::reply::Response {
        let mut response = warp::reply::Response::default();
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::try_from(self.accept) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        if let Some(subprotocol) = self.chosen.and_then(Encoding::subprotocol) {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
        }
        response
    }
}

impl Refusal {
    /// A problem document, as everywhere in REST; these faults come before there is a live protocol to report them in.
    fn into_response(self) -> warp::reply::Response {
        let code = match self {
            Self::NotAnUpgrade | Self::Version => ErrorCode::UpgradeRequired,
            Self::Key | Self::Subprotocol => ErrorCode::Malformed,
            Self::NoSeat(error) => return Problem::from(error).into_response(),
        };
        let mut response = Problem::new(code, self.to_string()).into_response();
        if code == ErrorCode::UpgradeRequired {
            // RFC 9110, 15.5.22 and 7.8: what to upgrade to, announced as an option of this connection; RFC 6455, 4.4: which version.
            let headers = response.headers_mut();
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::super::registry::NoSeat;
    use super::*;

    /// The request of RFC 6455, 1.3, with some headers replaced; an empty value removes one.
    fn headers(changes: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let sample = [
            ("upgrade", "websocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", "13"),
        ];
        for (name, value) in sample.iter().chain(changes) {
            headers.insert(*name, HeaderValue::from_static(value));
            if value.is_empty() {
                headers.remove(*name);
            }
        }
        headers
    }

    #[test]
    fn a_handshake_is_accepted_or_refused_for_its_first_fault() {
        let chosen = |chosen| Ok(Handshake { accept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned(), chosen });
        let (json, msgpack) = (|| chosen(Some(Encoding::Json)), || chosen(Some(Encoding::MessagePack)));
        for (changes, expected) in [
            (&[][..], chosen(None)),
            (&[("sec-websocket-protocol", "latchkey.v1.json")], json()),
            (&[("sec-websocket-protocol", "chat, latchkey.v1.json")], json()),
            (&[("sec-websocket-protocol", "latchkey.v1.msgpack")], msgpack()),
            (&[("sec-websocket-protocol", "chat,latchkey.v1.msgpack , latchkey.v1.json")], msgpack()),
            (&[("sec-websocket-protocol", "latchkey.v1.json, latchkey.v1.msgpack")], json()),
            (&[("sec-websocket-protocol", "latchkey.v2.msgpack")], Err(Refusal::Subprotocol)),
            (&[("sec-websocket-protocol", "chat")], Err(Refusal::Subprotocol)),
            (&[("connection", "close")], Err(Refusal::NotAnUpgrade)),
            (&[("upgrade", "")], Err(Refusal::NotAnUpgrade)),
            (&[("upgrade", "h2c")], Err(Refusal::NotAnUpgrade)),
            (&[("sec-websocket-version", "8")], Err(Refusal::Version)),
            (&[("sec-websocket-version", "")], Err(Refusal::Version)),
            (&[("sec-websocket-key", "")], Err(Refusal::Key)),
            (&[("sec-websocket-key", "dGhlIHNhbXBsZQ==")], Err(Refusal::Key)),
        ] {
            assert_eq!(check(&headers(changes)), expected, "{changes:?}");
        }
    }

    #[test]
    fn a_refusal_names_its_fault_and_what_would_be_taken() {
        let limits = crate::api::ws::WsLimits::default();
        for (refusal, status, upgrade, retry_after) in [
            (Refusal::NotAnUpgrade, 426, Some("websocket"), None),
            (Refusal::Version, 426, Some("websocket"), None),
            (Refusal::Key, 400, None, None),
            (Refusal::Subprotocol, 400, None, None),
            (Refusal::NoSeat(NoSeat::Full.refusal(&limits)), 503, None, Some("1")),
            (Refusal::NoSeat(NoSeat::AddressFull.refusal(&limits)), 429, None, Some("10")),
        ] {
            let text = refusal.to_string();
            let response = refusal.into_response();
            let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
            assert_eq!((response.status().as_u16(), header("upgrade"), header("retry-after")), (status, upgrade, retry_after), "{text}");
            assert_eq!(header("connection"), upgrade.map(|_| "upgrade"), "{text}");
            assert_eq!(header("content-type"), Some("application/problem+json"));
        }
    }
}
