//! The testbed's clock: CLOCK_BOOTTIME, as vipcast's own, the same in every namespace and process of the machine.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since the machine's boot.
#[must_use]
pub fn now() -> Duration {
    let t = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(t.tv_sec).unwrap_or(0), u32::try_from(t.tv_nsec).unwrap_or(0))
}

/// Time passed since `start`, a value of [`now`].
#[must_use]
pub fn since(start: Duration) -> Duration {
    now().saturating_sub(start)
}
