//! The watchdog: a plain thread that resets the connection of whatever is still announced [`GRACE`] after its end.
//!
//! It shares no runtime, no lock and no log with the sessions, so a hung task or runtime cannot keep a route alive.
//! While nothing is announced it sleeps without a timer; else it wakes at most once per entitlement.
//!
//! ```text
//! session: store `until`; if it is earlier than what the thread sleeps for, wake it
//! thread:  find the earliest, publish it, look again, sleep
//! ```
//! Each side writes its own value before it reads the other's, so one of the two always notices.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::sockopt;
use crate::clock;
use crate::time::Instant;

/// How long after the end of an entitlement the watchdog strikes: the session itself acts at the end, and is given
/// this long to do so.
pub const GRACE: Duration = Duration::from_millis(100);

/// Connections that wait to be taken up: more than a node has peers, as all of them may come up before the thread is
/// scheduled once. It takes them up at once; should it not run any more, the queue fills and new sessions are refused
/// rather than left unguarded.
const NEW_CONNECTIONS: usize = 1024;

/// Nothing to guard, in nanoseconds since boot.
const NEVER: u64 = u64::MAX;

/// The handle of the thread. The thread ends with the last of them.
#[derive(Clone, Debug)]
pub struct Watchdog {
    // Dropped in this order: the thread, woken by the second, must find the first gone.
    connections: SyncSender<Weak<Guarded>>,
    bell: Bell,
}

/// Wakes the thread when it is dropped: to see whether anything is left to guard.
#[derive(Clone, Debug)]
struct Bell(Arc<Alarm>);

/// What wakes the thread.
#[derive(Debug)]
struct Alarm {
    /// What the thread sleeps for, in nanoseconds since boot.
    armed: AtomicU64,
    wake: OwnedFd,
}

/// A connection under guard.
#[derive(Debug)]
struct Guarded {
    /// A descriptor of its own: the session's may be closed, and its number taken by another file, at any time.
    socket: OwnedFd,
    /// When the first entitlement ends, in nanoseconds since boot.
    until: AtomicU64,
    fired: AtomicBool,
}

/// Keeps one connection under guard; the guard ends, and its descriptor is closed, when this is dropped.
#[derive(Debug)]
pub struct Guard {
    // Dropped in this order, as in the watchdog's handle.
    guarded: Arc<Guarded>,
    bell: Bell,
}

impl Watchdog {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the kernel gives no descriptor or no thread.
    pub fn start() -> io::Result<Self> {
        let (connections, new) = sync_channel(NEW_CONNECTIONS);
        let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let alarm = Arc::new(Alarm { armed: AtomicU64::new(NEVER), wake });
        let watch = Watch { new, connections: Vec::new(), alarm: alarm.clone(), timer };
        thread::Builder::new().name("watchdog".into()).spawn(|| watch.run())?;
        Ok(Self { connections, bell: Bell(alarm) })
    }

    /// Takes a connection under guard; nothing is announced on it yet.
    ///
    /// # Errors
    /// When its descriptor cannot be duplicated, or the thread takes no more connections.
    pub fn guard(&self, socket: &impl std::os::fd::AsFd) -> io::Result<Guard> {
        let socket = rustix::io::fcntl_dupfd_cloexec(socket, 0)?;
        let guarded = Arc::new(Guarded { socket, until: AtomicU64::new(NEVER), fired: AtomicBool::new(false) });
        self.connections
            .try_send(Arc::downgrade(&guarded))
            .map_err(|_| io::Error::other("the watchdog takes no more connections"))?;
        // The thread may sleep without a timer: only when it is awake does it make room for the next ones.
        self.bell.0.wake();
        Ok(Guard { guarded, bell: self.bell.clone() })
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.0.wake();
    }
}

impl Alarm {
    fn wake(&self) {
        // It fails only when the counter is full: then the thread is awake already.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}

impl Guard {
    /// Says until when everything announced on this connection is entitled; `None`: nothing is, or without an end.
    /// Call it *before* what it covers is written.
    pub fn set(&self, until: Option<Instant>) {
        let until = until.map_or(NEVER, nanos);
        self.guarded.until.store(until, Ordering::SeqCst);
        if strike_at(until) < self.bell.0.armed.load(Ordering::SeqCst) {
            self.bell.0.wake();
        }
    }

    /// Whether the watchdog reset this connection.
    #[must_use]
    pub fn fired(&self) -> bool {
        self.guarded.fired.load(Ordering::SeqCst)
    }
}

fn nanos(instant: Instant) -> u64 {
    u64::try_from(instant.since_boot().as_nanos()).unwrap_or(NEVER)
}

fn strike_at(until: u64) -> u64 {
    until.saturating_add(u64::try_from(GRACE.as_nanos()).unwrap_or(0))
}

/// The thread's own.
struct Watch {
    new: Receiver<Weak<Guarded>>,
    connections: Vec<Weak<Guarded>>,
    alarm: Arc<Alarm>,
    timer: OwnedFd,
}

impl Watch {
    fn run(mut self) {
        while self.take_up() {
            let earliest = self.strike(nanos(clock::now()));
            self.alarm.armed.store(earliest, Ordering::SeqCst);
            // What came before the line above did not know that it had to wake us.
            if !self.take_up() || self.strike(nanos(clock::now())) < earliest {
                continue;
            }
            self.sleep(earliest);
        }
    }

    /// Takes up new connections and forgets ended ones; false when nobody can bring any more, and none is left.
    fn take_up(&mut self) -> bool {
        let open = loop {
            match self.new.try_recv() {
                Ok(connection) => self.connections.push(connection),
                Err(error) => break error == std::sync::mpsc::TryRecvError::Empty,
            }
        };
        self.connections.retain(|connection| connection.strong_count() > 0);
        open || !self.connections.is_empty()
    }

    /// Resets what is over, and returns when the next one is.
    fn strike(&self, now: u64) -> u64 {
        let mut earliest = NEVER;
        for guarded in self.connections.iter().filter_map(Weak::upgrade) {
            let at = strike_at(guarded.until.load(Ordering::SeqCst));
            if guarded.fired.load(Ordering::SeqCst) {
                continue;
            }
            if at > now {
                earliest = earliest.min(at);
                continue;
            }
            // Nothing is logged here: a log that blocks would block the guard. The session says it when it runs, and
            // is to know the reason by the time it sees the effect.
            guarded.fired.store(true, Ordering::SeqCst);
            let _ = sockopt::reset(&guarded.socket);
        }
        earliest
    }

    fn sleep(&self, until: u64) {
        if self.arm(until).is_err() {
            // Cannot happen with a valid time. A thread that spins guards better than one that does not wake.
            return;
        }
        let mut fds = [PollFd::new(&self.timer, PollFlags::IN), PollFd::new(&self.alarm.wake, PollFlags::IN)];
        // Whatever ends it (a signal too), the loop looks at everything anew.
        let _ = poll(&mut fds, None);
        let mut counter = [0; 8];
        let _ = rustix::io::read(&self.alarm.wake, &mut counter);
    }

    fn arm(&self, until: u64) -> io::Result<()> {
        // A time of zero would disarm the timer, which is what NEVER asks for.
        let at = if until == NEVER { Duration::ZERO } else { Duration::from_nanos(until) };
        let it_value = Timespec {
            tv_sec: i64::try_from(at.as_secs()).map_err(io::Error::other)?,
            tv_nsec: i64::from(at.subsec_nanos()),
        };
        let spec = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &spec)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
