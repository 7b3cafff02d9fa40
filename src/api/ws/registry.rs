//! Every open socket of this node: counted, judged by the clock, found by session or user, drained at the end.
//!
//! A socket is in here before it is authorised for anything, and stays until its task ends ("register, then check"): whoever
//! revokes a session may rely on finding every socket that could speak for it. Revocations are rare and a walk over 20,000
//! sockets takes about a millisecond, so there is no second index to keep true.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use latchkey_protocol::server::GoAway;
use latchkey_protocol::{CloseCode, EpochMs, ErrorCode, SessionId, UserId, WireError};
use tokio::sync::Notify;

use super::connection::Connection;
use super::encoding::Encoding;
use super::terms::{Limit, Terms, WsLimits};
use super::wire::Writer;
use crate::api::address::{Share, Shares, customer};
use crate::hub::SubscriberId;
use crate::service::Caller;

/// The open sockets.
pub struct Registry {
    terms: Arc<Terms>,
    sockets: DashMap<SubscriberId, Arc<Connection>>,
    /// Sockets open or being opened.
    taken: AtomicUsize,
    /// The same by address.
    addresses: Arc<Shares<IpAddr>>,
    /// Open sockets by the user they speak for, the oldest first, without those that had to make room.
    users: DashMap<UserId, VecDeque<Arc<Connection>>>,
    last_id: AtomicU64,
    is_draining: AtomicBool,
    /// Told when the last socket has gone.
    emptied: Notify,
}

/// The right to open one socket; given back when dropped, and the socket forgotten with it.
pub(super) struct Seat {
    registry: Arc<Registry>,
    id: SubscriberId,
    /// Its place among those of its address, if that is known.
    place: Option<Share<IpAddr>>,
}

/// Why there is no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoSeat {
    /// All are taken, or the node is draining.
    Full,
    /// The address has as many as it may.
    AddressFull,
}

/// When an address that has all its connections may try again, in milliseconds: nothing is known of when one of them ends.
const ADDRESS_RETRY_MS: u64 = 10_000;

impl NoSeat {
    /// What the client is told.
    pub(super) fn refusal(self, limits: &WsLimits) -> WireError {
        match self {
            Self::Full => WireError::new(ErrorCode::Busy, "no room for another connection"),
            Self::AddressFull => WireError::new(ErrorCode::TooManyConnections, "your address has as many live connections as it may")
                .with("limit", limits.max_per_address as u64)
                .with("retry_after_ms", ADDRESS_RETRY_MS),
        }
    }
}

impl Registry {
    pub(super) fn new(terms: Arc<Terms>) -> Self {
        Self {
            addresses: Arc::new(Shares::new(terms.limits.max_per_address)),
            users: DashMap::new(),
            terms,
            sockets: DashMap::new(),
            taken: AtomicUsize::new(0),
            last_id: AtomicU64::new(0),
            is_draining: AtomicBool::new(false),
            emptied: Notify::new(),
        }
    }

    /// A seat for one more socket from that address.
    pub(super) fn take_seat(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Seat, NoSeat> {
        let place = match address.map(|address| self.addresses.take(customer(address))) {
            Some(None) => {
                Limit::ConnectionsPerAddress.count();
                return Err(NoSeat::AddressFull);
            }
            Some(place) => place,
            None => None,
        };
        let max = self.terms.limits.max_sockets;
        let has_room = self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| (taken < max).then_some(taken + 1)).is_ok();
        // Counted first, asked second: a drain that starts in between waits for this seat.
        if !has_room {
            Limit::Connections.count();
            return Err(NoSeat::Full);
        }
        let seat = Seat { registry: Arc::clone(self), id: self.last_id.fetch_add(1, Ordering::Relaxed) + 1, place };
        if self.is_draining.load(Ordering::Acquire) { Err(NoSeat::Full) } else { Ok(seat) }
    }

    /// Makes a connection known as this caller's; from here on a revocation of the session finds it.
    ///
    /// If the user has as many as one may have, the oldest is closed: it is the one that nobody looks at any more, or that broke without a word
    /// and is still waiting for its ping. A refusal would meet the tab that was just opened.
    pub(super) fn introduce(&self, connection: &Arc<Connection>, caller: Caller) {
        if connection.caller().is_some() {
            return connection.set_caller(caller);
        }
        // All under the entry's lock: of two at once neither overlooks the other.
        let mut theirs = self.users.entry(caller.user).or_default();
        while theirs.len() >= self.terms.limits.max_per_user {
            let Some(oldest) = theirs.pop_front() else { break };
            Limit::ConnectionsPerUser.count();
            oldest.close(CloseCode::TooManyConnections);
        }
        theirs.push_back(Arc::clone(connection));
        connection.set_caller(caller);
    }

    /// Forgets that a connection is this user's.
    fn part_with(&self, user: UserId, id: SubscriberId) {
        if let Entry::Occupied(mut theirs) = self.users.entry(user) {
            theirs.get_mut().retain(|connection| crate::hub::Subscriber::id(&**connection) != id);
            if theirs.get().is_empty() {
                theirs.remove();
            }
        }
    }

    /// How many users have sockets.
    #[cfg(test)]
    pub(super) fn users(&self) -> usize {
        self.users.len()
    }

    /// How many sockets are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// Closes every socket of a session that was logged out or revoked, with 4501. Says how many.
    pub fn close_session(&self, session: SessionId) -> usize {
        self.close_where(|caller| caller.session == session)
    }

    /// Closes every socket of a user, with 4501. Says how many.
    pub fn close_user(&self, user: UserId) -> usize {
        self.close_where(|caller| caller.user == user)
    }

    fn close_where(&self, is_meant: impl Fn(&Caller) -> bool) -> usize {
        let meant = self.all().into_iter().filter(|connection| connection.caller().is_some_and(|caller| is_meant(&caller)));
        meant.map(|connection| connection.close(CloseCode::Revoked)).count()
    }

    /// Judges every socket by the clock: pings the silent, closes the dead, the expired and those that never authenticated.
    pub fn sweep(&self, now: EpochMs) {
        for connection in self.all() {
            connection.judge(now);
        }
    }

    /// Sends every client away: each gets `goaway` with a delay spread over `window_ms`, then the answers it waits for, then
    /// 4001. New sockets are refused from here on.
    pub fn drain(&self, window_ms: u64) {
        self.is_draining.store(true, Ordering::Release);
        for connection in self.all() {
            send_away(&connection, window_ms);
        }
    }

    /// Resolves when no socket is open.
    pub async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.count() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Closes whatever is left, without waiting for answers.
    pub fn close_all(&self, code: CloseCode) {
        for connection in self.all() {
            connection.close(code);
        }
    }

    /// Copied out, so that nothing is called under the map's locks.
    fn all(&self) -> Vec<Arc<Connection>> {
        self.sockets.iter().map(|entry| Arc::clone(entry.value())).collect()
    }
}

impl Seat {
    /// The address it was taken from: IPv4, or an IPv6 /64.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.place.as_ref().map(|place| *place.customer())
    }

    /// Opens the socket: from here on the registry finds it.
    pub(super) fn sit(&self, writer: Writer, encoding: Encoding) -> Arc<Connection> {
        let terms = &self.registry.terms;
        let connection = Arc::new(Connection::new(self.id, Arc::clone(terms), writer, encoding));
        self.registry.sockets.insert(self.id, Arc::clone(&connection));
        terms.meters.sockets.increment(1.0);
        if self.registry.is_draining.load(Ordering::Acquire) {
            // The drain may have walked by before the insert.
            send_away(&connection, 0);
        }
        connection
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some((id, connection)) = self.registry.sockets.remove(&self.id) {
            self.registry.terms.meters.sockets.decrement(1.0);
            if let Some(caller) = connection.caller() {
                self.registry.part_with(caller.user, id);
            }
        }
        if self.registry.taken.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.registry.emptied.notify_waiters();
        }
    }
}

/// Tells a client to leave, and when to come back.
fn send_away(connection: &Connection, window_ms: u64) {
    let after_ms = spread(crate::hub::Subscriber::id(connection), window_ms);
    connection.notify("goaway", &GoAway { after_ms });
    connection.advise_retry(after_ms);
    connection.drain();
}

/// A delay below `window_ms`, evenly spread over consecutive ids (Fibonacci hashing).
fn spread(id: SubscriberId, window_ms: u64) -> u64 {
    let scattered = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    (scattered * window_ms.min(u64::from(u32::MAX))) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_cover_the_window_evenly() {
        let mut counts = [0; 10];
        for id in 1..=1000 {
            let delay = spread(id, 5000);
            assert!(delay < 5000);
            counts[usize::try_from(delay / 500).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (90..=110).contains(count)), "{counts:?}");
        assert_eq!(spread(7, 0), 0);
    }
}
