//! `SplitMix64` (Steele, Lea, Flood 2014): the whole randomness of a run follows from one printed number.
//!
//! Only stays and backoffs are drawn from it, nothing secret. The same seed asks for the same stays in the same rounds,
//! so a broken run can be asked again; which guest wins is the hub's business.

/// A stream of numbers that depends on nothing but its seed.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    /// The stream that belongs to `seed`.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own for one `lane` of a run (a guest in a round, a socket), so that tasks need not share one.
    pub(crate) const fn lane(seed: u64, lane: u64) -> Self {
        let mut mixed = Self(seed ^ lane.wrapping_mul(0xA24B_AED4_963E_E407));
        Self(mixed.draw())
    }

    /// The next number.
    pub(crate) const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..bound`; 0 if the bound is 0. The bias of the remainder is below 2^-32 for the small bounds used here.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        let drawn = self.draw();
        if bound == 0 { 0 } else { drawn % bound }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        let mut random = SplitMix64::new(1_234_567);
        let drawn: Vec<_> = (0..3).map(|_| random.draw()).collect();
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn lanes_of_one_seed_differ_and_repeat() {
        let draw = |lane| SplitMix64::lane(7, lane).draw();
        assert_ne!(draw(0), draw(1));
        assert_eq!(draw(1), draw(1));
    }

    #[test]
    fn a_number_stays_below_its_bound() {
        let mut random = SplitMix64::new(3);
        assert!((0..1_000).all(|_| random.below(7) < 7));
        assert_eq!(random.below(0), 0);
    }
}
