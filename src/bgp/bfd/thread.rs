//! The thread: takes packets, minds timers, sends.
//!
//! ```text
//! loop { what is wanted ─► packets that arrived ─► timers ─► sleep until a packet, a timer, or the bell }
//! ```
//!
//! Packets come before timers: what waited while this thread did not run was heard in time. Nothing here logs, because
//! a log may block; each session's status says what happened.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::watch;

use super::service::{Shared, Status, Wanted};
use super::session::{Action, Change, Config, Input, Session};
use super::socket::{Endpoint, Listener, Path, Sender};
use crate::bgp::settings::BfdSettings;
use crate::bgp::sockopt::datagram::Datagram;
use crate::clock;
use crate::time::Instant;
use crate::wire::bfd::{Packet, State, decode};

/// Packets taken from one socket before timers are minded again. 255 sessions at 10 ms are less than that a turn.
const BURST: usize = 256;

/// The pause after a full [`BURST`]. It bounds what a flood costs: real-time scheduling would let it have a processor.
const FLOOD_PAUSE: Duration = Duration::from_millis(1);

/// Wherever an instant is wanted and there is none.
const LONG: Duration = Duration::from_secs(3600);

/// All sessions and their sockets.
pub(super) struct Thread {
    shared: Arc<Shared>,
    sessions: BTreeMap<u64, Running>,
    listeners: BTreeMap<Endpoint, Listener>,
}

/// A session with its sockets.
struct Running {
    session: Session,
    path: Path,
    endpoint: Endpoint,
    sender: Option<Sender>,
    status: watch::Sender<Status>,
}

impl Thread {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, sessions: BTreeMap::new(), listeners: BTreeMap::new() }
    }

    pub(super) fn run(mut self) {
        while self.obey() {
            let now = clock::now();
            let is_flooded = self.receive(now);
            self.mind_timers(now);
            if is_flooded {
                std::thread::sleep(FLOOD_PAUSE);
            } else {
                self.sleep();
            }
        }
    }

    /// Makes what is wanted true; false when nothing ever will be again.
    fn obey(&mut self) -> bool {
        let now = clock::now();
        // Before the table is read, so that whatever comes after rings again.
        let mut counter = [0; 8];
        let rung = rustix::io::read(&self.shared.bell, &mut counter).is_ok();
        if rung {
            let wanted = self.shared.look(|table| table.sessions.clone());
            for (number, wanted) in wanted {
                self.make_true(now, number, wanted);
            }
        }
        let told: Vec<u64> =
            self.sessions.iter().filter(|(_, running)| running.is_told(now)).map(|(n, _)| *n).collect();
        for number in told {
            self.sessions.remove(&number);
            self.shared.look(|table| table.sessions.remove(&number));
            // Another may have waited for its ends.
            self.shared.ring();
        }
        let sessions = &self.sessions;
        self.listeners.retain(|endpoint, _| sessions.values().any(|running| running.endpoint == *endpoint));
        !(self.sessions.is_empty() && self.shared.look(|table| table.is_closed))
    }

    fn make_true(&mut self, now: Instant, number: u64, wanted: Wanted) {
        if self.sessions.get(&number).is_some_and(|running| wanted.path.as_ref() != Some(&running.path)) {
            // The old path's peer, if it is there, hears no more and notices by itself.
            self.sessions.remove(&number);
            self.shared.ring();
        }
        match (wanted.path, wanted.is_over) {
            (Some(path), false) if !self.sessions.contains_key(&number) => {
                let endpoint = path.endpoint();
                // Whose a packet were that arrived there, nobody could tell (RFC 5881 §3).
                if self.sessions.values().any(|other| other.endpoint == endpoint && other.path.remote == path.remote) {
                    return refuse(&wanted.status, &path);
                }
                let session = Session::new(self.config(wanted.settings));
                let running = Running { session, path, endpoint, sender: None, status: wanted.status };
                self.sessions.insert(number, running);
            }
            (_, true) => match self.sessions.get_mut(&number) {
                Some(running) => {
                    running.session.handle(now, Input::AdminDown);
                    running.act(now, &mut self.listeners);
                }
                None => {
                    // It never began: there is nobody to tell, and who waits for the end must not wait for ever.
                    wanted.status.send_modify(|status| {
                        status.view.state = State::AdminDown;
                        status.since = now;
                    });
                    self.shared.look(|table| table.sessions.remove(&number));
                }
            },
            (Some(_) | None, false) => {}
        }
    }

    fn config(&self, settings: BfdSettings) -> Config {
        let BfdSettings { tx, rx, multiplier, strict: _ } = settings;
        Config { tx, rx, multiplier, discriminator: self.discriminator(), seed: rand::random() }
    }

    /// A number that no session has.
    fn discriminator(&self) -> NonZeroU32 {
        loop {
            let Some(number) = NonZeroU32::new(rand::random()) else { continue };
            if self.sessions.values().all(|running| running.session.discriminator() != number) {
                return number;
            }
        }
    }

    /// Takes what arrived; true when there may be more.
    fn receive(&mut self, now: Instant) -> bool {
        let mut is_flooded = false;
        let mut arrived = Vec::new();
        for (endpoint, listener) in &self.listeners {
            for count in 1..=BURST {
                // Whatever else the error is, the next turn meets it again.
                let Ok(datagram) = listener.receive() else { break };
                arrived.push((endpoint.clone(), datagram));
                is_flooded |= count == BURST;
            }
        }
        for (endpoint, datagram) in arrived {
            self.take(now, &endpoint, &datagram);
        }
        is_flooded
    }

    /// Hands a packet to its session (RFC 5880 §6.8.6): the one with its Your Discriminator, or else the one with the
    /// peer's address; on a path that it may have come by.
    fn take(&mut self, now: Instant, endpoint: &Endpoint, datagram: &Datagram) {
        let from: IpAddr = datagram.from.ip();
        let here = |running: &&mut Running| running.endpoint == *endpoint && running.path.remote == from;
        let Some(running) = self.sessions.values_mut().find(here) else { return };
        let least = running.path.reach.least_ttl();
        if datagram.hops.is_none_or(|hops| hops < least) {
            let hops = datagram.hops.map_or_else(|| "unknown".to_owned(), |hops| hops.to_string());
            return running.ignore(&format!("TTL {hops}, expected {least} or more"));
        }
        let packet = match decode(datagram.bytes()) {
            Ok(packet) => packet,
            Err(why) => return running.ignore(&why.to_string()),
        };
        match packet.your_discriminator {
            Some(number) if number != running.session.discriminator() => {
                running.ignore("your discriminator is of no session with this peer");
            }
            Some(_) | None => {
                running.session.handle(now, Input::Received(packet));
                running.act(now, &mut self.listeners);
            }
        }
    }

    fn mind_timers(&mut self, now: Instant) {
        for running in self.sessions.values_mut() {
            running.session.handle_timeout(now);
            running.act(now, &mut self.listeners);
        }
    }

    fn sleep(&self) {
        let deadlines = self
            .sessions
            .values()
            .flat_map(|running| [running.session.next_deadline(), running.session.told_by()].into_iter().flatten());
        let now = clock::now();
        let for_time = deadlines.min().map_or(LONG, |deadline| deadline.saturating_since(now).min(LONG));
        let timeout = Timespec {
            tv_sec: i64::try_from(for_time.as_secs()).unwrap_or(0),
            tv_nsec: i64::from(for_time.subsec_nanos()),
        };
        let bell = PollFd::new(&self.shared.bell, PollFlags::IN);
        let listeners = self.listeners.values().map(|listener| PollFd::new(listener.socket(), PollFlags::IN));
        let mut fds: Vec<PollFd<'_>> = std::iter::once(bell).chain(listeners).collect();
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            // Cannot happen with these arguments; a real-time thread must not spin.
            Err(_) => std::thread::sleep(FLOOD_PAUSE),
        }
    }
}

impl Running {
    /// Whether the session is over and the peer was told.
    fn is_told(&self, now: Instant) -> bool {
        self.session.told_by().is_some_and(|at| now >= at)
    }

    /// Carries out what the session wants, and says how it stands.
    fn act(&mut self, now: Instant, listeners: &mut BTreeMap<Endpoint, Listener>) {
        let mut changes = Vec::new();
        let mut trouble = None;
        while let Some(action) = self.session.poll_action() {
            match action {
                Action::Send(packet) => trouble = Some(self.send(&packet, listeners).err()),
                Action::Changed(change) => changes.push(change),
            }
        }
        let view = self.session.view();
        let (before, unchanged) = {
            let status = self.status.borrow();
            (status.view, trouble.as_ref().is_none_or(|trouble| *trouble == status.trouble))
        };
        if view == before && unchanged && changes.is_empty() {
            return;
        }
        self.status.send_modify(|status| {
            status.view = view;
            if let Some(trouble) = trouble {
                status.trouble = trouble;
            }
            changes.iter().for_each(|change| note(status, now, change));
        });
    }

    /// Sends a packet, after making the sockets where they are missing. What does not go out is not sent again: the
    /// next packet is due soon.
    fn send(&mut self, packet: &Packet, listeners: &mut BTreeMap<Endpoint, Listener>) -> Result<(), String> {
        if !listeners.contains_key(&self.endpoint) {
            let listener = self.endpoint.listener().map_err(|error| self.no_listener(&error))?;
            listeners.insert(self.endpoint.clone(), listener);
        }
        if self.sender.is_none() {
            let sender = self.path.sender();
            self.sender = Some(sender.map_err(|error| format!("no socket to send from {}: {error}", self.path.local))?);
        }
        let sent = self.sender.as_ref().map_or(Ok(()), |sender| sender.send(&packet.encode()));
        sent.map_err(|error| {
            // The interface may be another one by now. While Up, the timers decide first.
            if self.session.state() == State::Down {
                self.sender = None;
                listeners.remove(&self.endpoint);
            }
            format!("packets cannot be sent to {}: {error}", self.path.remote)
        })
    }

    fn no_listener(&self, error: &io::Error) -> String {
        let (local, port) = (self.path.local, self.endpoint.port);
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("UDP port {port} of {local} is taken: another BFD daemon runs on this node, stop it")
            }
            _ => format!("no socket on UDP port {port} of {local}: {error}"),
        }
    }

    fn ignore(&self, why: &str) {
        self.status.send_if_modified(|status| {
            let is_first = status.ignored.is_none();
            if is_first {
                status.ignored = Some(why.to_owned());
            }
            is_first
        });
    }
}

/// There is a session between these ends already.
fn refuse(status: &watch::Sender<Status>, path: &Path) {
    let trouble =
        format!("another peer's BFD runs between {} and {}: give BFD to one of them", path.local, path.remote);
    status.send_if_modified(|status| {
        let is_new = status.trouble.as_ref() != Some(&trouble);
        status.trouble = Some(trouble);
        is_new
    });
}

fn note(status: &mut Status, now: Instant, change: &Change) {
    status.since = now;
    status.ups += u64::from(change.to == State::Up);
    if change.is_failure() {
        status.failures += 1;
        status.last_failure = Some(change.cause);
    }
    status.last_cause = Some(change.cause);
    status.ignored = None;
}
