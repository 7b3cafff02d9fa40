//! A network that misbehaves: a TCP proxy in front of a server that cuts connections, also in the middle of a frame, and holds bytes back.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// They pass.
    Passing,
    /// Those from the server wait.
    Holding,
    /// All of them wait.
    Partitioned,
    /// So many more pass from the server, and then both sides are cut off.
    Cutting(usize),
}

/// A proxy for one connection at a time; the mood is that of the newest.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    moods: Arc<Mutex<Moods>>,
    task: tokio::task::JoinHandle<()>,
}

struct Moods {
    newest: watch::Sender<Mood>,
    /// Of connections to come.
    next: Mood,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let moods = Arc::new(Mutex::new(Moods { newest: watch::channel(Mood::Passing).0, next: Mood::Passing }));
        let known = Arc::clone(&moods);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let receiver = {
                    let mut moods = known.lock().unwrap();
                    moods.newest = watch::channel(moods.next).0;
                    moods.newest.subscribe()
                };
                let Ok(server) = TcpStream::connect(server).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                tokio::spawn(async move {
                    tokio::select! {
                        () = pass_unless_partitioned(from_client, to_server, receiver.clone()) => {}
                        () = pass_by_mood(from_server, to_client, receiver) => {}
                    }
                });
            }
        });
        Self { address, moods, task }
    }

    /// From now on, for the connection that is open.
    pub(crate) fn set(&self, mood: Mood) {
        self.moods.lock().unwrap().newest.send_replace(mood);
    }

    /// Cuts the connection that is open; bytes pass on those that come.
    pub(crate) fn cut(&self) {
        let mut moods = self.moods.lock().unwrap();
        moods.next = Mood::Passing;
        moods.newest.send_replace(Mood::Cutting(0));
    }

    /// From now on, for the connection that is open and for all that come.
    pub(crate) fn set_for_all(&self, mood: Mood) {
        let mut moods = self.moods.lock().unwrap();
        moods.next = mood;
        moods.newest.send_replace(mood);
    }
}

async fn pass_unless_partitioned(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut moods: watch::Receiver<Mood>) {
    let mut buffer = [0; 4096];
    loop {
        // A connection that is no longer the newest keeps its mood for good.
        if moods.wait_for(|mood| *mood != Mood::Partitioned).await.is_err() {
            std::future::pending::<()>().await;
        }
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return };
        if moods.wait_for(|mood| *mood != Mood::Partitioned).await.is_err() {
            std::future::pending::<()>().await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

async fn pass_by_mood(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut moods: watch::Receiver<Mood>) {
    let mut buffer = [0; 4096];
    loop {
        let mood = *moods.borrow_and_update();
        let room = match mood {
            Mood::Passing => buffer.len(),
            Mood::Holding | Mood::Partitioned => {
                if moods.changed().await.is_err() {
                    std::future::pending::<()>().await;
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
            Ok(()) = moods.changed() => continue,
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
