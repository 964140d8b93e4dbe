//! What a peer holds of its BFD session, and the thread's handle.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::watch;

use super::session::{Cause, View};
use super::socket::Path;
use super::thread::Thread;
use crate::bgp::settings::BfdSettings;
use crate::bgp::sockopt::scheduling;
use crate::time::Instant;
use crate::wire::bfd::{Diagnostic, State};

/// How exact the thread's timers are: the kernel may otherwise wake it 50 µs late, to save power.
const TIMER_SLACK: Duration = Duration::from_micros(1);

/// How a BFD session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The session's own view.
    pub view: View,
    /// Since when it is in this state.
    pub since: Instant,
    /// How often it came up.
    pub ups: u64,
    /// How often the path failed: it was Up, and neither end took it down on purpose.
    pub failures: u64,
    /// Why the path last failed.
    pub last_failure: Option<Cause>,
    /// Why the state last changed.
    pub last_cause: Option<Cause>,
    /// Why packets cannot be sent or taken, where they cannot.
    pub trouble: Option<String>,
    /// The first packet since the last change of the state that was ignored, and why.
    pub ignored: Option<String>,
}

impl Status {
    /// That of a session which has not begun.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            view: View {
                state: State::Down,
                diagnostic: Diagnostic::NONE,
                remote_state: State::Down,
                remote_diagnostic: Diagnostic::NONE,
                interval: None,
                detection_time: None,
            },
            since: now,
            ups: 0,
            failures: 0,
            last_failure: None,
            last_cause: None,
            trouble: None,
            ignored: None,
        }
    }
}

/// What is wanted of a session.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) settings: BfdSettings,
    /// `None`: not known yet.
    pub(super) path: Option<Path>,
    /// It is over: the peer is told so, then it is forgotten.
    pub(super) is_over: bool,
    pub(super) status: watch::Sender<Status>,
}

/// What the thread and those who want something of it share.
#[derive(Debug)]
pub(super) struct Shared {
    wanted: Mutex<Table>,
    pub(super) bell: OwnedFd,
}

/// All that is wanted, by the number of the handle.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) sessions: BTreeMap<u64, Wanted>,
    next: u64,
    /// Nobody can want anything any more.
    pub(super) is_closed: bool,
}

impl Shared {
    /// Changes what is wanted, and wakes the thread.
    fn want<R>(&self, change: impl FnOnce(&mut Table) -> R) -> R {
        let result = self.look(change);
        self.ring();
        result
    }

    /// Wakes the thread, and has it make true what is wanted.
    pub(super) fn ring(&self) {
        // It fails only when the counter is full: then the thread is awake already.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    pub(super) fn look<R>(&self, look: impl FnOnce(&mut Table) -> R) -> R {
        look(&mut self.wanted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The running thread. It ends when the last of these and of the handles is gone and all sessions are over.
#[derive(Clone, Debug)]
pub struct Service(Arc<Owner>);

#[derive(Debug)]
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.want(|table| table.is_closed = true);
    }
}

impl Service {
    /// Starts the thread, with real-time scheduling where the process may have it.
    ///
    /// # Errors
    /// When the kernel gives no descriptor or no thread.
    pub fn start() -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let shared = Arc::new(Shared { wanted: Mutex::default(), bell });
        let thread = Thread::new(shared.clone());
        let (scheduled, outcome) = sync_channel(1);
        thread::Builder::new().name("bfd".into()).spawn(move || {
            // Nobody waits for this where it fails, and the session works without it.
            let _ = rustix::thread::set_current_timer_slack(
                u64::try_from(TIMER_SLACK.as_nanos()).ok().and_then(std::num::NonZeroU64::new),
            );
            let _ = scheduled.send(scheduling::run_before_others());
            thread.run();
        })?;
        match outcome.recv() {
            Ok(Ok(())) => tracing::info!("BFD runs with real-time scheduling (SCHED_RR)"),
            Ok(Err(error)) => tracing::info!(
                %error,
                "BFD runs without real-time scheduling: on a busy node its packets may be late, and a router may take \
                 the path for dead; give this program CAP_SYS_NICE"
            ),
            Err(_) => return Err(io::Error::other("the thread ended by itself")),
        }
        Ok(Self(Arc::new(Owner(shared))))
    }

    /// A session that begins when it is told its path.
    #[must_use]
    pub fn session(&self, settings: BfdSettings, now: Instant) -> Handle {
        let (status, receiver) = watch::channel(Status::new(now));
        let number = self.0.0.want(|table| {
            table.next += 1;
            let wanted = Wanted { settings, path: None, is_over: false, status };
            table.sessions.insert(table.next, wanted);
            table.next
        });
        Handle { service: self.clone(), number, status: receiver }
    }
}

/// One peer's session. When it is dropped the session is taken down on purpose and forgotten.
#[derive(Debug)]
pub struct Handle {
    service: Service,
    number: u64,
    status: watch::Receiver<Status>,
}

impl Handle {
    /// Says between which ends the session runs. The same again does nothing; another path is another session.
    pub fn aim(&self, path: Path) {
        self.change(|wanted| wanted.path = Some(path));
    }

    /// Takes the session down on purpose, for good: the peer is told so at once.
    pub fn take_down(&self) {
        self.change(|wanted| wanted.is_over = true);
    }

    /// How it stands.
    #[must_use]
    pub fn status(&mut self) -> Status {
        self.status.borrow_and_update().clone()
    }

    /// Whether it is Up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.status.borrow().view.state == State::Up
    }

    /// Whether it was taken down, and said so.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.status.borrow().view.state == State::AdminDown
    }

    /// Returns when the status changed since it was last taken; never, when the thread is gone. Cancel-safe.
    pub async fn changed(&mut self) {
        if self.status.changed().await.is_err() {
            std::future::pending().await
        }
    }

    fn change(&self, change: impl FnOnce(&mut Wanted)) {
        self.service.0.0.want(|table| {
            if let Some(wanted) = table.sessions.get_mut(&self.number) {
                change(wanted);
            }
        });
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.take_down();
    }
}

#[cfg(test)]
mod tests;
