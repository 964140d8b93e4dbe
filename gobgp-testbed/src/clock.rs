//! The testbed's clock: CLOCK_BOOTTIME, as vipcast's own, the same in every namespace and process of the machine.

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Time since the machine's boot.
#[must_use]
pub fn now() -> Duration {
    read(ClockId::Boottime)
}

/// Time since 1970: what logs and Leases carry. For comparing their times with each other, on this one machine.
#[must_use]
pub fn wall() -> Duration {
    read(ClockId::Realtime)
}

fn read(clock: ClockId) -> Duration {
    let t = clock_gettime(clock);
    Duration::new(u64::try_from(t.tv_sec).unwrap_or(0), u32::try_from(t.tv_nsec).unwrap_or(0))
}

/// Time passed since `start`, a value of [`now`].
#[must_use]
pub fn since(start: Duration) -> Duration {
    now().saturating_sub(start)
}

/// A time as logs and Leases write it (RFC 3339), since 1970.
///
/// # Errors
/// When it is not one.
pub fn parse(text: &str) -> Result<Duration> {
    let time: Timestamp = text.parse().with_context(|| format!("{text:?} is not a time"))?;
    Ok(Duration::from_micros(u64::try_from(time.as_microsecond())?))
}

/// The moment on this clock of a wall clock's reading, for stamps that others make (logs, packet captures).
#[must_use]
pub fn from_wall(since_epoch: Duration) -> Duration {
    now().saturating_sub(wall().saturating_sub(since_epoch))
}

/// The moment on this clock of a time as logs and Leases write it.
///
/// # Errors
/// When it is not one.
pub fn from_text(text: &str) -> Result<Duration> {
    parse(text).map(from_wall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_its_time_since_the_epoch() {
        // As `date -u -d ... +%s` has them.
        let known = ["1970-01-01T00:00:00Z", "2000-02-29T12:00:00.5Z", "2026-11-21T10:41:02.123456Z"];
        let expected = [(0, 0), (951_825_600, 500_000_000), (1_795_257_662, 123_456_000)];
        let parsed = known.map(|text| parse(text).ok());
        assert_eq!(parsed, expected.map(|(secs, nanos)| Some(Duration::new(secs, nanos))));
        assert!(parse("Sat Nov 21").is_err());
    }

    #[test]
    fn a_wall_clock_read_now_is_now() {
        assert!(from_wall(wall()).abs_diff(now()) < Duration::from_secs(1));
    }
}
