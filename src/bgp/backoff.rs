//! Jitter (RFC 4271 §10) and the growing delay between two attempts to reach a peer. Pure: the randomness is a
//! sequence made from a seed.

use std::time::Duration;

/// The first delay.
pub const FIRST: Duration = Duration::from_millis(250);

/// No delay is longer than this.
pub const LONGEST: Duration = Duration::from_secs(10);

/// A sequence of factors between 0.75 and 1.0 (RFC 4271 §10), the same for the same seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jitter(u64);

impl Jitter {
    /// The sequence of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// `d` times the next factor, to the thousandth.
    pub fn of(&mut self, d: Duration) -> Duration {
        part(d, self.per_mille(1000))
    }

    /// The next factor, in thousandths: from 750 to `highest`.
    pub fn per_mille(&mut self, highest: u16) -> u16 {
        let span = u64::from(highest.saturating_sub(750)) + 1;
        750 + u16::try_from(self.next() % span).unwrap_or(0)
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): every seed is a good one, and a spread of reconnects needs no more.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// So many thousandths of `d`.
#[must_use]
pub fn part(d: Duration, per_mille: u16) -> Duration {
    let nanos = d.as_nanos() * u128::from(per_mille) / 1000;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Delays that double from [`FIRST`] to [`LONGEST`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// The delay before the next attempt, jittered.
    pub fn delay(&mut self, jitter: &mut Jitter) -> Duration {
        let delay = self.next;
        self.next = (delay * 2).min(LONGEST);
        jitter.of(delay)
    }

    /// Starts from [`FIRST`] again.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest() {
        let (mut backoff, mut jitter) = (Backoff::default(), Jitter::new(1));
        let mut plain = Vec::new();
        for _ in 0..8 {
            plain.push(backoff.next.as_millis());
            let full = backoff.next;
            let delay = backoff.delay(&mut jitter);
            assert!(delay >= full * 3 / 4 && delay <= full, "{delay:?} of {full:?}");
        }
        assert_eq!(plain, [250, 500, 1000, 2000, 4000, 8000, 10000, 10000]);
        backoff.reset();
        assert_eq!(backoff, Backoff::default());
    }

    #[test]
    fn a_seed_gives_one_sequence_and_its_factors_spread() {
        let draw = |seed| {
            let mut jitter = Jitter::new(seed);
            (0..1000).map(|_| jitter.of(Duration::from_secs(1)).as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        let drawn = draw(7);
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&750), Some(&1000)));
    }
}
