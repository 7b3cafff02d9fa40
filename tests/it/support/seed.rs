//! Randomness for tests: a seed that is printed, and can be given back by `LATCHKEY_SEED`.

use latchkey::clock::{Clock as _, SystemClock};

/// A small generator (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Seed(u64);

impl Seed {
    /// From the environment, or from the time; printed, so that a failure can be repeated.
    pub(crate) fn new() -> Self {
        Self::or(SystemClock.now().cast_unsigned())
    }

    /// From the environment, or this one; printed.
    pub(crate) fn or(usual: u64) -> Self {
        let given = std::env::var("LATCHKEY_SEED").ok().map(|seed| seed.parse().expect("LATCHKEY_SEED is a number"));
        let seed = given.unwrap_or(usual);
        println!("LATCHKEY_SEED={seed}");
        Self(seed)
    }

    /// Another generator for each of several tasks.
    pub(crate) fn fork(&self, number: usize) -> Self {
        Self(self.0 ^ (number as u64 + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`.
    pub(crate) fn below(&mut self, bound: i32) -> i32 {
        i32::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }
}
