//! A network that misbehaves: a TCP proxy in front of a hub that cuts connections, also in the middle of a frame, and holds bytes back.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of the bytes from the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// They pass.
    Passing,
    /// They wait.
    Holding,
    /// So many more pass, and then both sides are cut off.
    Cutting(usize),
}

/// A proxy for one connection at a time; the mood is that of the newest.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    mood: Arc<Mutex<watch::Sender<Mood>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    pub(crate) async fn before(hub: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mood = Arc::new(Mutex::new(watch::channel(Mood::Passing).0));
        let moods = Arc::clone(&mood);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (sender, receiver) = watch::channel(Mood::Passing);
                *moods.lock().unwrap() = sender;
                let Ok(server) = TcpStream::connect(hub).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                tokio::spawn(async move {
                    tokio::select! {
                        () = pass(from_client, to_server) => {}
                        () = pass_by_mood(from_server, to_client, receiver) => {}
                    }
                });
            }
        });
        Self { address, mood, task }
    }

    /// From now on, for the connection that is open.
    pub(crate) fn set(&self, mood: Mood) {
        self.mood.lock().unwrap().send_replace(mood);
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

async fn pass_by_mood(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut moods: watch::Receiver<Mood>) {
    let mut buffer = [0; 4096];
    loop {
        let mood = *moods.borrow_and_update();
        let room = match mood {
            Mood::Passing => buffer.len(),
            Mood::Holding => {
                if moods.changed().await.is_err() {
                    return;
                }
                continue;
            }
            Mood::Cutting(left) => left.min(buffer.len()),
        };
        if room == 0 {
            return;
        }
        let read = tokio::select! {
            read = from.read(&mut buffer[..room]) => read,
            changed = moods.changed() => if changed.is_ok() { continue } else { return },
            // A cut must come also where nothing more is said.
            () = tokio::time::sleep(Duration::from_millis(50)), if matches!(mood, Mood::Cutting(_)) => return,
        };
        let Ok(count @ 1..) = read else { return };
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
        if let Mood::Cutting(left) = mood {
            moods = watch::channel(Mood::Cutting(left - count)).1;
        }
    }
}
