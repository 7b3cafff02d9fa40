//! The accept loop: TCP connections in, hyper on each, an orderly end.
//!
//! Ours instead of `warp::serve`, which has no header timeout (slowloris), no TCP_NODELAY, no bound, and stops for a second on
//! an accept error. HTTP/1 only, and without hyper-util's protocol detection: that one waits without any timeout for the first
//! byte. Upgraded sockets leave hyper's hands, so the live side is drained first.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use latchkey_protocol::CloseCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use super::address::{Share, Shares, customer};
use super::layers::HttpService;
use super::stream::HttpStream;
use super::ws::Registry;

/// Longest head of a request; also what hyper buffers of a body.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Most header fields of a request.
const MAX_HEADERS: usize = 64;
/// How often failures to accept are worth a line in the log.
const WARN_EVERY: Duration = Duration::from_secs(1);
/// Most bytes the kernel holds for a client that does not read. Without a bound it takes megabytes for each.
const SEND_BUFFER_BYTES: u32 = 128 * 1024;
/// Connections waiting to be accepted.
const BACKLOG: u32 = 4096;
/// Refusals being written at once; beyond, a connection over the limit is dropped without a word.
const MAX_REFUSALS: usize = 64;
/// At the very end, for close frames to leave.
const LAST_WORDS: Duration = Duration::from_secs(1);
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";

/// Bounds of the accept loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Most TCP connections at once, WebSockets included. Keep it below the process's limit of open files.
    pub max_connections: usize,
    /// Most of them from one address (IPv6: from one /64).
    pub max_connections_per_address: usize,
    /// A client that takes nothing of an answer for this long is cut off. WebSockets have their own bounds.
    pub write_timeout: Duration,
    /// A request's head must arrive within this; an idle connection is closed after it.
    pub header_read_timeout: Duration,
    /// At the end: clients are sent away over this long.
    pub drain_window: Duration,
    /// At the end: what is still open after this long is cut off.
    pub shutdown_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            max_connections: 19_500,
            max_connections_per_address: 19_500,
            write_timeout: Duration::from_secs(10),
            header_read_timeout: Duration::from_secs(10),
            drain_window: Duration::from_secs(5),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

/// Request extension: the other end of the TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// Request extension: the connection's share of [`ServerLimits::max_connections`]. Whoever takes the connection over keeps it.
#[derive(Debug, Clone)]
pub struct ConnectionSlot(#[expect(dead_code, reason = "held, not read")] Arc<(OwnedSemaphorePermit, Share<IpAddr>)>);

/// A listening socket as this server wants it; port 0 picks a free one.
///
/// # Errors
/// The address cannot be bound.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit it.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves `service` until `shutdown` resolves, then sends everyone away and returns.
pub async fn serve(
    listener: TcpListener,
    service: HttpService,
    sockets: Arc<Registry>,
    limits: ServerLimits,
    shutdown: impl Future<Output = ()>,
) {
    let server = Arc::new(Server {
        service,
        limits,
        slots: Arc::new(Semaphore::new(limits.max_connections)),
        addresses: Arc::new(Shares::new(limits.max_connections_per_address)),
        refusals: Arc::new(Semaphore::new(MAX_REFUSALS)),
        ending: CancellationToken::new(),
        connections: TaskTracker::new(),
    });
    let mut shutdown = pin!(shutdown);
    let mut warned_at = None;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => server.admit(stream, peer),
                Err(error) => back_off(&error, &mut warned_at).await,
            },
            () = &mut shutdown => break,
        }
    }
    drop(listener);
    server.end(&sockets).await;
}

/// A client that left before it was accepted costs nothing; everything else (no file descriptors left) passes with time.
async fn back_off(error: &io::Error, warned_at: &mut Option<Instant>) {
    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted) {
        return;
    }
    // This comes back twenty times a second for as long as it lasts.
    if warned_at.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
        warn!(%error, "cannot accept connections");
        *warned_at = Some(Instant::now());
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
}

struct Server {
    service: HttpService,
    limits: ServerLimits,
    slots: Arc<Semaphore>,
    addresses: Arc<Shares<IpAddr>>,
    refusals: Arc<Semaphore>,
    /// Tells every HTTP connection to finish its request and go.
    ending: CancellationToken,
    connections: TaskTracker,
}

impl Server {
    /// Gives a connection a task of its own, if there is a slot for it.
    fn admit(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        if let Some(slot) = self.slot(peer) {
            let server = Arc::clone(self);
            self.connections.spawn(async move { server.handle(stream, peer, slot).await });
        } else if let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() {
            tokio::spawn(async move {
                let refused = tokio::time::timeout(Duration::from_secs(1), refuse(stream)).await;
                debug!(%peer, in_time = refused.is_ok(), "no slot for a connection");
                drop(permit);
            });
        }
    }

    fn slot(&self, peer: SocketAddr) -> Option<ConnectionSlot> {
        let place = self.addresses.take(customer(peer.ip()))?;
        let permit = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        Some(ConnectionSlot(Arc::new((permit, place))))
    }

    /// Speaks HTTP on one connection until it ends or is upgraded.
    async fn handle(&self, stream: TcpStream, peer: SocketAddr, slot: ConnectionSlot) {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%peer, %error, "connection lost");
            return;
        }
        let routes = TowerToHyperService::new(self.service.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            if request.method() == Method::HEAD {
                // A GET whose answer hyper sends without its body. It never becomes a WebSocket.
                *request.method_mut() = Method::GET;
                request.extensions_mut().remove::<OnUpgrade>();
            }
            request.extensions_mut().insert(PeerAddr(peer));
            request.extensions_mut().insert(slot.clone());
            let reply = routes.call(request);
            async move { Ok::<_, Infallible>(reply.await.unwrap_or_else(|never: Infallible| match never {})) }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_read_timeout)
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEADERS);
        let stream = HttpStream::new(stream, self.limits.write_timeout);
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.ending.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(%peer, %error, "connection ended early");
        }
    }

    /// Sockets first: what they wait for may be an HTTP request's work as well. Then the rest, all of it within the bound.
    async fn end(&self, sockets: &Registry) {
        info!(sockets = sockets.count(), connections = self.connections.len(), "draining");
        let window_ms = u64::try_from(self.limits.drain_window.as_millis()).unwrap_or(u64::MAX);
        sockets.drain(window_ms);
        self.ending.cancel();
        self.connections.close();
        let all_gone = async {
            sockets.emptied().await;
            self.connections.wait().await;
        };
        if tokio::time::timeout(self.limits.shutdown_timeout, all_gone).await.is_err() {
            warn!(sockets = sockets.count(), connections = self.connections.len(), "cutting off the rest");
            sockets.close_all(CloseCode::Draining);
            let _: Result<(), _> = tokio::time::timeout(LAST_WORDS, sockets.emptied()).await;
        }
    }
}

/// Says 503 and waits for the client to hang up: closing a socket with unread bytes in it would reset it, and the reset may
/// overtake the answer.
async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(REFUSAL).await?;
    stream.shutdown().await?;
    let mut discarded = [0; 512];
    while stream.read(&mut discarded).await? > 0 {}
    Ok(())
}
