//! CLOCK_BOOTTIME: reading it and sleeping by it.
//!
//! Tokio's timers run on CLOCK_MONOTONIC, which stands still in suspend; these run on a timerfd that does not, so
//! after a resume whatever is over is noticed at once.

use std::io;
use std::time::Duration;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::time::Instant;

/// The time now.
#[must_use]
pub fn now() -> Instant {
    let t = clock_gettime(ClockId::Boottime);
    let secs = u64::try_from(t.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(t.tv_nsec).unwrap_or(0);
    Instant::from_boot(Duration::new(secs, nanos))
}

/// One reusable timer. Must be used inside a tokio runtime.
#[derive(Debug)]
pub struct Timer {
    fd: AsyncFd<rustix::fd::OwnedFd>,
}

impl Timer {
    /// A timer that is not set.
    ///
    /// # Errors
    /// When the kernel gives no timerfd (out of file descriptors).
    pub fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        #[expect(deprecated, reason = "an OwnedFd is the sound case; the replacement is an unsafe function")]
        let fd = AsyncFd::new(fd)?;
        Ok(Self { fd })
    }

    /// Returns at `deadline` or after it; never, where there is none. Cancel-safe: call it anew with any deadline.
    pub async fn until(&mut self, deadline: Option<Instant>) {
        let Some(deadline) = deadline else {
            return std::future::pending().await;
        };
        while now() < deadline {
            if self.arm(deadline).is_err() {
                // Only a deadline before the epoch of the clock is refused: that is over.
                return;
            }
            let Ok(mut guard) = self.fd.readable().await else { return };
            guard.clear_ready();
        }
    }

    fn arm(&self, deadline: Instant) -> io::Result<()> {
        let at = deadline.since_boot();
        let spec = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec {
                tv_sec: i64::try_from(at.as_secs()).map_err(io::Error::other)?,
                tv_nsec: i64::from(at.subsec_nanos()),
            },
        };
        timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::ABSTIME, &spec)?;
        Ok(())
    }
}

/// Sleeps until `deadline`. For loops that sleep often keep a [`Timer`].
pub async fn sleep_until(deadline: Instant) {
    match Timer::new() {
        Ok(mut timer) => timer.until(Some(deadline)).await,
        Err(_) => tokio::time::sleep(deadline.saturating_since(now())).await,
    }
}
