//! How many connections each address has: one customer must not take every slot.

use std::net::IpAddr;
use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

/// Who is behind an address: an IPv4 address, or an IPv6 /64, which is one customer's (RFC 6177).
pub(super) fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
    }
}

/// Connections by customer.
#[derive(Debug)]
pub(super) struct Addresses {
    counts: DashMap<IpAddr, usize>,
    max: usize,
}

/// One connection of a customer; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    addresses: Arc<Addresses>,
    customer: IpAddr,
}

impl Addresses {
    /// At most `max` connections each.
    pub(super) fn new(max: usize) -> Self {
        Self { counts: DashMap::new(), max }
    }

    /// A place for one more connection from there, if it has one left.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let customer = customer(address);
        let mut count = self.counts.entry(customer).or_insert(0);
        if *count >= self.max {
            return None;
        }
        *count += 1;
        drop(count);
        Some(Place { addresses: Arc::clone(self), customer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.addresses.counts.entry(self.customer) {
            if *count.get() <= 1 {
                count.remove();
            } else {
                *count.get_mut() -= 1;
            }
        }
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
    fn a_place_is_free_again_when_its_connection_ends() {
        let addresses = Arc::new(Addresses::new(2));
        let (one, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let places = [addresses.take(one).unwrap(), addresses.take(one).unwrap()];
        assert!(addresses.take(one).is_none());
        assert!(addresses.take(other).is_some(), "its neighbours have theirs");
        drop(places);
        assert!(addresses.counts.is_empty());
        assert!(addresses.take(one).is_some());
    }
}
