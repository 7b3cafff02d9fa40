//! A hub in memory that speaks the protocol as far as the load tester does, can be killed and revived, and can lie.
//!
//! One lock around one [`World`]; every change appends its events and hands them to the subscribers under that lock, so the
//! honest hub keeps P1, P4, P5 and P7 without trying. Each [`Lie`] breaks one of them in one place.

mod server;
mod world;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

use world::World;

/// What a hub does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    None,
    SellsTwice,
    SkipsAnEvent,
    RepeatsAnEvent,
    NamesTheWrongSeq,
    ForgetsTheKey,
    NeverTellsTheHost,
    ShowsAnotherCalendar,
    LosesBookings,
    TellsWatchersDifferently,
    LimitsHolds,
    RefusesFreeNights,
    ForgetsWhatWasMissed,
}

/// A running hub.
pub(crate) struct FakeHub {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl FakeHub {
    pub(crate) async fn start(lie: Lie) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hub =
            Self { address: listener.local_addr().unwrap(), world: Arc::new(Mutex::new(World::new(lie))), accepting: Mutex::new(None) };
        hub.accept(listener);
        hub
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    fn accept(&self, listener: TcpListener) {
        *self.accepting.lock().unwrap() = Some(tokio::spawn(server::accept(listener, Arc::clone(&self.world))));
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Drops every connection without a word, as `kill -9` does. What was decided stays.
    pub(crate) async fn kill(&self) {
        let accepting = self.accepting.lock().unwrap().take().unwrap();
        accepting.abort();
        let _ = accepting.await;
        self.world().forget_subscribers();
    }

    /// Comes back on the same port.
    pub(crate) async fn revive(&self) {
        for _ in 0..100 {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            if socket.bind(self.address).is_ok() {
                return self.accept(socket.listen(1024).unwrap());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the port is taken");
    }

    pub(crate) async fn until_next_booking(&self) {
        let before = self.world().bookings_made();
        while self.world().bookings_made() < before + 3 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) fn forget_bookings(&self) {
        self.world().forget_bookings();
    }
}
