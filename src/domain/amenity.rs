//! What a home offers, as a set: one bit a word, so that asking for many is one comparison.

use latchkey_protocol::Amenity;

/// A set of amenities. The bits live in memory only; the wire and the database have words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Amenities(u64);

impl Amenities {
    /// One bit for each amenity, by its place in the list.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether all of `wanted` are in this set.
    #[must_use]
    pub const fn contain(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// Each amenity, in the order of the list.
    pub fn iter(self) -> impl Iterator<Item = Amenity> {
        Amenity::ALL.iter().copied().filter(move |amenity| self.0 & bit(*amenity) != 0)
    }
}

const fn bit(amenity: Amenity) -> u64 {
    1 << (amenity as u64)
}

impl FromIterator<Amenity> for Amenities {
    fn from_iter<I: IntoIterator<Item = Amenity>>(amenities: I) -> Self {
        Self(amenities.into_iter().fold(0, |bits, amenity| bits | bit(amenity)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_gives_back_what_was_put_in_once_and_in_order() {
        let set: Amenities = [Amenity::Pool, Amenity::Wifi, Amenity::Pool].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Amenity::Wifi, Amenity::Pool]);
        assert_eq!(Amenity::ALL.iter().copied().collect::<Amenities>().iter().count(), Amenity::ALL.len());
    }

    #[test]
    fn a_home_must_have_everything_that_is_wanted() {
        let home: Amenities = [Amenity::Wifi, Amenity::Kitchen].into_iter().collect();
        for (wanted, contained) in [(vec![], true), (vec![Amenity::Wifi], true), (vec![Amenity::Wifi, Amenity::Pool], false)] {
            assert_eq!(home.contain(wanted.iter().copied().collect()), contained, "{wanted:?}");
        }
    }
}
