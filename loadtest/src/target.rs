//! Where the hub is: one `ws://` url, from which the REST address follows.
//!
//! Invariant: a hub that is not on this machine is refused unless asked for explicitly, because what this program does to
//! a stranger's server is an attack.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail, ensure};
use http::Uri;
use tokio::net::{TcpSocket, TcpStream};

/// A hub's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    host: String,
    port: u16,
    path: String,
}

/// How a connection is made, where the kernel's own way will not do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Way {
    /// From this address of ours.
    pub(crate) source: Option<Ipv4Addr>,
    /// With a receive buffer of about so many bytes: the kernel takes hardly more for a client that does not read.
    pub(crate) receive_buffer_bytes: Option<u32>,
}

impl Target {
    /// Reads `ws://HOST:PORT/ws`.
    ///
    /// # Errors
    /// Another scheme, no host, or a host that is not loopback without `allow_remote`.
    pub(crate) fn parse(url: &str, allow_remote: bool) -> Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("{url} is not a url"))?;
        ensure!(uri.scheme_str() == Some("ws"), "{url}: expected ws://HOST:PORT/ws");
        let host = uri.host().with_context(|| format!("{url} has no host"))?.to_owned();
        if !is_loopback(&host) && !allow_remote {
            bail!("{host} is not this machine; load a hub that is yours to load, with --allow-remote");
        }
        Ok(Self { host, port: uri.port_u16().unwrap_or(80), path: uri.path().to_owned() })
    }

    /// `host:port`, for a TCP connection and the `Host` header.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Connects in that way.
    ///
    /// # Errors
    /// As any connection; a way of our own to a hub that is not at an IPv4 address.
    pub(crate) async fn connect(&self, way: Way) -> io::Result<TcpStream> {
        if way == Way::default() {
            return TcpStream::connect(self.authority()).await;
        }
        let hub: SocketAddr = self.authority().parse().map_err(io::Error::other)?;
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = way.receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(source) = way.source {
            socket.bind(SocketAddr::from((source, 0)))?;
        }
        socket.connect(hub).await
    }

    /// The WebSocket's url.
    pub(crate) fn socket_url(&self) -> String {
        format!("ws://{}{}", self.authority(), self.path)
    }

    /// The url of a REST path such as `/properties/`.
    pub(crate) fn rest_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.authority())
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_lives_on_the_sockets_host_and_port() {
        let target = Target::parse("ws://127.0.0.1:8080/ws", false).unwrap();
        assert_eq!(target.socket_url(), "ws://127.0.0.1:8080/ws");
        assert_eq!(target.rest_url("/properties/"), "http://127.0.0.1:8080/properties/");
    }

    #[test]
    fn only_this_machine_is_loaded_unless_asked() {
        for url in ["ws://localhost:1/ws", "ws://127.8.8.8:1/ws", "ws://[::1]:1/ws"] {
            assert!(Target::parse(url, false).is_ok(), "{url}");
        }
        for url in ["ws://10.0.0.1:1/ws", "ws://hub.example:1/ws", "ws://localhost.example:1/ws", "ws://[2001:db8::1]:1/ws"] {
            assert!(Target::parse(url, false).is_err(), "{url}");
            assert!(Target::parse(url, true).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_url_that_is_not_a_plain_websocket_is_refused() {
        for url in ["http://127.0.0.1/ws", "wss://127.0.0.1/ws", "127.0.0.1:80", ""] {
            assert!(Target::parse(url, true).is_err(), "{url}");
        }
    }
}
