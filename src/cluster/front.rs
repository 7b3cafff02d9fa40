//! The door: a TCP proxy that gives each connection to the next node that takes it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// How long a node may take to accept; one that is paused takes connections without ever answering, and keeps them.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// How long to rest when no connection can be accepted: too many files are open.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Front {
    nodes: Vec<SocketAddr>,
    next: AtomicUsize,
}

impl Front {
    pub(super) const fn new(nodes: Vec<SocketAddr>) -> Self {
        Self { nodes, next: AtomicUsize::new(0) }
    }

    /// Takes connections until dropped; those that are open go on until their sides end them.
    pub(super) async fn serve(self, listener: TcpListener) {
        let front = Arc::new(self);
        loop {
            match listener.accept().await {
                Ok((client, _)) => drop(tokio::spawn(Arc::clone(&front).pass(client))),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn pass(self: Arc<Self>, mut client: TcpStream) {
        for _ in 0..self.nodes.len() {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.nodes.len();
            let connecting = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(self.nodes[turn]));
            if let Ok(Ok(mut node)) = connecting.await {
                let _ = (client.set_nodelay(true), node.set_nodelay(true));
                // How it ends is the two sides' own business.
                let _ = copy_bidirectional(&mut client, &mut node).await;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A node that says its name to everybody.
    async fn node(name: u8) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.write_all(&[name]).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn nodes_take_turns_and_one_that_is_gone_is_left_out() {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let front = Front::new(vec![node(1).await, gone, node(3).await]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(front.serve(listener));
        let mut heard = Vec::new();
        for _ in 0..4 {
            let mut name = [0];
            TcpStream::connect(address).await.unwrap().read_exact(&mut name).await.unwrap();
            heard.push(name[0]);
        }
        assert_eq!(heard, [1, 3, 1, 3]);
        serving.abort();
    }
}
