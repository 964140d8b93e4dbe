//! A short smoke of the fuzz targets: the seeds, and mutations of them that are the same in every run.
//!
//! libFuzzer needs a C++ compiler and a build of everything with its sanitizer, more than a minute; this takes seconds
//! and calls the same functions. The long runs are `gobgp-testbed/run fuzz`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, and says where")]

#[path = "../bgp-fixtures/fuzz/src/lib.rs"]
#[expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "made to panic, and says where")]
mod targets;

use std::path::Path;

use targets::TARGETS;
use targets::seeds::seeds;

/// Inputs a target.
const MUTATIONS: usize = 20_000;
/// What a stream costs grows with the square of its length.
const LONGEST: usize = 1500;

/// Marsaglia's xorshift: the same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }

    fn octet(&mut self) -> u8 {
        // Lengths and flags break at their edges.
        const EDGES: [u8; 10] = [0, 1, 2, 3, 4, 0x10, 0x40, 0x7f, 0x80, 0xff];
        if self.below(2) == 0 { EDGES[self.below(EDGES.len())] } else { u8::try_from(self.below(256)).unwrap() }
    }

    /// A few octets of `bytes` changed, taken out, put in, or taken from `other`.
    fn mutate(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(5) {
                0 if at < bytes.len() => drop(bytes.remove(at)),
                1 => bytes.insert(at, self.octet()),
                2 => bytes.truncate(at),
                3 => {
                    let from = self.below(other.len());
                    let piece = other[from..].iter().take(self.below(40)).copied();
                    bytes.splice(at..at, piece);
                }
                _ if at < bytes.len() => bytes[at] = self.octet(),
                _ => {}
            }
        }
        bytes.truncate(LONGEST);
    }
}

#[test]
fn every_target_stands_its_seeds_and_mutations_of_them() {
    let seeds = seeds(Path::new("bgp-fixtures"));
    for (name, target) in TARGETS {
        let own: Vec<&Vec<u8>> = seeds.iter().filter(|(of, ..)| of == name).map(|(.., bytes)| bytes).collect();
        assert!(!own.is_empty(), "no seed for {name}");
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        own.iter().for_each(|bytes| target(bytes));
        let rounds = if *name == "stream" { MUTATIONS / 100 } else { MUTATIONS };
        for _ in 0..rounds {
            let (first, other) = (own[numbers.below(own.len())], own[numbers.below(own.len())]);
            let mut bytes = first.clone();
            bytes.truncate(LONGEST);
            numbers.mutate(&mut bytes, other);
            target(&bytes);
        }
    }
}
