//! The testbed's clock: CLOCK_BOOTTIME, as vipcast's own, the same in every namespace and process of the machine.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

use crate::host::capture;

/// Time since the machine's boot.
#[must_use]
pub fn now() -> Duration {
    read(ClockId::Boottime)
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

/// A moment written as RFC 3339, as logs and Leases have it, on this clock.
///
/// # Errors
/// When it is no such text.
pub fn from_text(text: &str) -> Result<Duration> {
    let said = capture(Command::new("date").args(["--date", text, "+%s%N"]))?;
    let wall = Duration::from_nanos(said.trim().parse().with_context(|| format!("date made {said:?} of {text:?}"))?);
    let epoch = read(ClockId::Realtime).saturating_sub(now());
    Ok(wall.saturating_sub(epoch))
}
