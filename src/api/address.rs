//! Whose address a request comes from, and how much each customer has of something, such as connections: one must not take it all.

use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dashmap::DashMap;
use http::HeaderMap;
use ipnet::IpNet;
use latchkey_protocol::UserId;

/// Who is behind an address: an IPv4 address, or an IPv6 /64, which is one customer's (RFC 6177).
pub(super) fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
    }
}

/// Who is behind a request that came from `peer`. Only what a trusted proxy has written into `X-Forwarded-For` is believed: from the right,
/// the first address that is not a trusted proxy's own.
pub(super) fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(&address.to_canonical()));
    let mut known = peer.to_canonical();
    if !is_trusted(&known) {
        return known;
    }
    let fields = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = fields.flat_map(|field| field.split(',')).map(str::trim).collect();
    for hop in hops.into_iter().rev() {
        let Some(address) = address_of(hop) else { break };
        known = address.to_canonical();
        if !is_trusted(&known) {
            break;
        }
    }
    known
}

/// The address of a hop, which some proxies write with its port, or in brackets as RFC 7239 has it.
fn address_of(hop: &str) -> Option<IpAddr> {
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    hop.parse().ok().or_else(with_port).or_else(bracketed)
}

/// Who is to have their share of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Customer {
    /// A user, wherever they are.
    User(UserId),
    /// Somebody who has not said who they are: their address, as [`customer`] has it.
    Address(IpAddr),
}

/// How much of something each customer has.
#[derive(Debug)]
pub(super) struct Shares<K: Eq + Hash> {
    counts: DashMap<K, usize>,
    max: usize,
}

/// One that a customer has; given back when dropped.
#[derive(Debug)]
pub(super) struct Share<K: Eq + Hash> {
    shares: Arc<Shares<K>>,
    customer: K,
}

impl<K: Eq + Hash + Copy> Shares<K> {
    /// At most `max` for each.
    pub(super) fn new(max: usize) -> Self {
        Self { counts: DashMap::new(), max }
    }

    /// One more for this customer, if there is one left for them.
    pub(super) fn take(self: &Arc<Self>, customer: K) -> Option<Share<K>> {
        let mut count = self.counts.entry(customer).or_insert(0);
        if *count >= self.max {
            return None;
        }
        *count += 1;
        drop(count);
        Some(Share { shares: Arc::clone(self), customer })
    }
}

impl<K: Eq + Hash> Share<K> {
    /// Whose it is.
    pub(super) const fn customer(&self) -> &K {
        &self.customer
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        // Counted and forgotten under one lock: of two who come and go at once neither is lost.
        self.shares.counts.remove_if_mut(&self.customer, |_, count| {
            *count = count.saturating_sub(1);
            *count == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_is_an_ipv4_address_or_an_ipv6_network() {
        for (one, other, is_same) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("::ffff:10.0.0.1", "::ffff:10.0.0.2", false),
            ("2001:db8::1", "2001:db8::ffff:0:0:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            assert_eq!(customer(one.parse().unwrap()) == customer(other.parse().unwrap()), is_same, "{one} {other}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_as_far_as_it_knows() {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "2001:db8::/64"].iter().map(|network| network.parse().unwrap()).collect();
        for (peer, forwarded, expected) in [
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("2001:db8::5", &["198.51.100.7"], "198.51.100.7"),
            // What the client itself sent stands to the left of what the proxy saw.
            ("10.0.0.1", &["203.0.113.9, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9", "198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["198.51.100.7, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9, 198.51.100.7:4711, 10.0.0.2:80"], "198.51.100.7"),
            ("10.0.0.1", &["[2001:db8:1::7]:4711"], "2001:db8:1::7"),
            ("10.0.0.1", &["[2001:db8:1::7]"], "2001:db8:1::7"),
            ("10.0.0.1", &["198.51.100.7:4711:1"], "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            for field in forwarded {
                headers.append("x-forwarded-for", field.parse().unwrap());
            }
            assert_eq!(behind(peer.parse().unwrap(), &headers, &trusted), expected.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn a_share_is_free_again_when_it_is_dropped_and_users_are_not_their_addresses() {
        let shares = Arc::new(Shares::new(2));
        let [one, other] = ["10.0.0.1", "10.0.0.2"].map(|address| Customer::Address(address.parse().unwrap()));
        let taken = [shares.take(one).unwrap(), shares.take(one).unwrap()];
        assert_eq!(taken[0].customer(), &one);
        assert!(shares.take(one).is_none());
        assert!(shares.take(other).is_some(), "its neighbours have theirs");
        assert!(shares.take(Customer::User(UserId::from_bytes([1; 16]))).is_some());
        drop(taken);
        assert!(shares.counts.is_empty());
        assert!(shares.take(one).is_some());
    }
}
