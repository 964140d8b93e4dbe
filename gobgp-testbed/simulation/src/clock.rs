//! A node's clocks against the simulation's: an offset, a drift, and standing still.

use std::time::Duration;

use vipcast::election::elector::Moment;
use vipcast::election::record::MicroTime;
use vipcast::time::Instant;

/// Simulated time, in milliseconds since the start.
pub(crate) type Ms = i64;

/// When the simulation starts, for those who look at a wall.
const EPOCH: i64 = 1_700_000_000_000_000;

/// CLOCK_BOOTTIME and the wall clock of one node.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// The node's own time (in microseconds since its boot) at `since`, from when on it runs at its rate.
    local: i64,
    since: Ms,
    /// How much faster than true it runs, in parts per million.
    ppm: i64,
    /// What its wall clock is ahead, in microseconds.
    pub wall: i64,
}

impl Clock {
    pub(crate) fn new(local: i64, ppm: i64, wall: i64) -> Self {
        Self { local, since: 0, ppm, wall }
    }

    /// The node's own time in microseconds.
    fn local(&self, now: Ms) -> i64 {
        let passed = (now - self.since).max(0);
        self.local + passed * 1000 + passed * self.ppm / 1000
    }

    pub(crate) fn now(&self, now: Ms) -> Instant {
        Instant::from_boot(Duration::from_micros(u64::try_from(self.local(now)).unwrap_or(0)))
    }

    pub(crate) fn moment(&self, now: Ms) -> Moment {
        Moment { now: self.now(now), wall: self.wall(now) }
    }

    pub(crate) fn wall(&self, now: Ms) -> MicroTime {
        MicroTime(EPOCH + now * 1000 + self.wall)
    }

    /// When its own time will be `local`, if nothing happens to it.
    pub(crate) fn when(&self, local: Instant, now: Ms) -> Ms {
        let local = i64::try_from(local.since_boot().as_micros()).unwrap_or(i64::MAX);
        let missing = local - self.local;
        let passed = missing.saturating_mul(1000).div_euclid(1_000_000 + self.ppm) + 1;
        now.max(self.since + passed)
    }

    /// It stands still until `end`.
    pub(crate) fn stop(&mut self, now: Ms, end: Ms) {
        (self.local, self.since) = (self.local(now), self.since.max(end));
    }

    /// Whether it ran all the time since `since`.
    pub(crate) fn ran_since(&self, since: Ms) -> bool {
        self.since <= since
    }
}
