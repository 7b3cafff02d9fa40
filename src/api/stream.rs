//! A TCP stream whose writes must get somewhere: a client that asks and never reads would otherwise keep its connection for ever.
//!
//! Hyper has a timeout for what it reads and none for what it writes. Only HTTP passes through here: an upgraded socket takes
//! the stream out again (`ws::upgrade`) and has bounds of its own.

use std::future::Future as _;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// A TCP stream with a bound on how long a write may stand still.
pub(super) struct HttpStream {
    tcp: TcpStream,
    write_timeout: Duration,
    /// Runs while the client takes nothing.
    standstill: Option<Pin<Box<Sleep>>>,
}

impl HttpStream {
    pub(super) const fn new(tcp: TcpStream, write_timeout: Duration) -> Self {
        Self { tcp, write_timeout, standstill: None }
    }

    pub(super) fn into_inner(self) -> TcpStream {
        self.tcp
    }

    /// Passes on what a write said, or an error if writes have said nothing for too long.
    fn bound<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.standstill = None;
            return written;
        }
        let write_timeout = self.write_timeout;
        let standstill = self.standstill.get_or_insert_with(|| Box::pin(sleep(write_timeout)));
        standstill.as_mut().poll(cx).map(|()| Err(ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for HttpStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buffer)
    }
}

impl AsyncWrite for HttpStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.bound(written, cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, slices);
        self.bound(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up_and_a_slow_one_is_not() {
        const PATIENCE: Duration = Duration::from_secs(2);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (tcp, _) = listener.accept().await.unwrap();
        let mut stream = HttpStream::new(tcp, PATIENCE);
        let writing = tokio::spawn(async move {
            let chunk = vec![7; 1 << 20];
            loop {
                if let Err(error) = stream.write_all(&chunk).await {
                    return error.kind();
                }
            }
        });
        let mut taken = vec![0; 4 << 20];
        for _ in 0..8 {
            tokio::time::sleep(PATIENCE / 7).await;
            client.read_exact(&mut taken).await.unwrap();
        }
        assert!(!writing.is_finished(), "longer than it may stand still");
        let given_up = tokio::time::timeout(Duration::from_mins(1), writing).await.expect("given up");
        assert_eq!(given_up.unwrap(), ErrorKind::TimedOut);
    }
}
