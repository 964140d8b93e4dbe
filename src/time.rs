//! Instants on the clock that entitlements are measured by.
//!
//! `std::time::Instant` stops while the machine is suspended, so an entitlement measured by it would outlive its
//! end. Ours counts CLOCK_BOOTTIME. This module reads no clock: [`crate::clock`] does, in the shell.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

pub use said::Said;

mod said;

/// A point in time: the duration since the machine booted, suspend included (CLOCK_BOOTTIME).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// The instant `since_boot` after the machine booted.
    #[must_use]
    pub const fn from_boot(since_boot: Duration) -> Self {
        Self(since_boot)
    }

    /// The duration since the machine booted.
    #[must_use]
    pub const fn since_boot(self) -> Duration {
        self.0
    }

    /// `self − earlier`, zero where `earlier` is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// `self − d`, the boot where that would be before it.
    #[must_use]
    pub const fn saturating_sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(d))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(d))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "boot+{:.3}s", self.0.as_secs_f64())
    }
}

/// How long something is entitled: until an instant, or without an end (no election).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Until {
    /// Entitled before this instant, not at it or after.
    At(Instant),
    /// No lease governs this: every node announces.
    Forever,
}

impl Until {
    /// Whether the entitlement has run out at `now`.
    #[must_use]
    pub fn is_over(self, now: Instant) -> bool {
        match self {
            Self::At(end) => now >= end,
            Self::Forever => false,
        }
    }

    /// The instant it ends, if it does.
    #[must_use]
    pub const fn end(self) -> Option<Instant> {
        match self {
            Self::At(end) => Some(end),
            Self::Forever => None,
        }
    }
}
