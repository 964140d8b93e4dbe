//! One BFD session in asynchronous mode (RFC 5880 §6.8), without echo and authentication. Pure: `now` and inputs go
//! in, the next deadline and actions come out.
//!
//! The contract is that of [`crate::bgp::fsm`]: after every call take all actions and carry them out in order; call
//! [`Session::handle_timeout`] at the deadline. An early or repeated call does nothing.
//!
//! We always take the active role (§6.1), and never ask for demand mode (§6.6); the remote system may.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::bgp::backoff::{Jitter, part};
use crate::time::Instant;
use crate::wire::bfd::{Diagnostic, Packet, State};

/// While a session is not Up, its packets come no faster than that (§6.8.3).
pub const SLOW: Duration = Duration::from_secs(1);

/// What the session must know about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The shortest interval of our packets once Up.
    pub tx: Duration,
    /// The shortest interval of packets we take.
    pub rx: Duration,
    /// After so many of our intervals without a packet of ours the remote system gives us up; not 0.
    pub multiplier: u8,
    /// Our number for this session: no other one of this system has it.
    pub discriminator: NonZeroU32,
    /// What the jitter is made from.
    pub seed: u64,
}

/// What happens to the session. Timers are no inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A packet that is this session's (§6.8.6: by its discriminator, or by its addresses).
    Received(Packet),
    /// An operator ends it, or the program does: the remote system is told that this says nothing about the path.
    AdminDown,
}

/// What the driver has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this, now.
    Send(Packet),
    /// The state changed.
    Changed(Change),
}

/// A change of the session's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// From.
    pub from: State,
    /// To.
    pub to: State,
    /// Why.
    pub cause: Cause,
}

impl Change {
    /// Whether the path is dead, or what is behind it: the session was Up, and nobody took it down on purpose
    /// (RFC 5882 §3.2, §4).
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        matches!((self.from, self.cause), (State::Up, Cause::Expired(_) | Cause::Signaled(_)))
    }
}

/// Why a session's state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The remote system's packets carried the handshake on.
    Handshake,
    /// No packet for the detection time, which is this.
    Expired(Duration),
    /// The remote system says Down, and this is why.
    Signaled(Diagnostic),
    /// The remote system's operator took it down.
    RemoteAdminDown,
    /// We did.
    AdminDown,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake => f.write_str("heard the peer"),
            Self::Expired(time) => write!(f, "no packet of the peer for {} ms", time.as_millis()),
            Self::Signaled(diagnostic) => write!(f, "the peer says Down: {diagnostic}"),
            Self::RemoteAdminDown => f.write_str("the peer took it down on purpose"),
            Self::AdminDown => f.write_str("we took it down on purpose"),
        }
    }
}

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Our state.
    pub state: State,
    /// Why it last left Up, as the remote system is told.
    pub diagnostic: Diagnostic,
    /// The state of the remote system; Down where it is not heard.
    pub remote_state: State,
    /// Its diagnostic.
    pub remote_diagnostic: Diagnostic,
    /// The interval of our packets, before jitter; `None`: the remote system wants none.
    pub interval: Option<Duration>,
    /// After so long a silence the remote system counts as gone; `None`: it is not heard.
    pub detection_time: Option<Duration>,
}

/// What the remote system says in its packets: the variables of §6.8.1 that begin with `Remote`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Remote {
    /// When it was heard last; `None`: not within a detection time.
    heard_at: Option<Instant>,
    discriminator: Option<NonZeroU32>,
    state: State,
    diagnostic: Diagnostic,
    multiplier: u8,
    desired_min_tx: Duration,
    required_min_rx: Duration,
    demand: bool,
}

impl Remote {
    /// One that was not heard. Of an interval it takes none is known: 1 µs is no limit (§6.8.1).
    const UNHEARD: Self = Self {
        heard_at: None,
        discriminator: None,
        state: State::Down,
        diagnostic: Diagnostic::NONE,
        multiplier: 0,
        desired_min_tx: Duration::ZERO,
        required_min_rx: Duration::from_micros(1),
        demand: false,
    };

    fn from(now: Instant, packet: &Packet) -> Self {
        Self {
            heard_at: Some(now),
            discriminator: Some(packet.my_discriminator),
            state: packet.state,
            diagnostic: packet.diagnostic,
            multiplier: packet.multiplier,
            desired_min_tx: Duration::from_micros(packet.desired_min_tx.into()),
            required_min_rx: Duration::from_micros(packet.required_min_rx.into()),
            demand: packet.demand,
        }
    }
}

/// The session.
#[derive(Clone, Debug)]
pub struct Session {
    config: Config,
    state: State,
    diagnostic: Diagnostic,
    remote: Remote,
    /// A Poll Sequence is under way (§6.5).
    polling: bool,
    /// When the last periodic packet was sent, and the part of the interval until the next, in thousandths. The
    /// interval itself is what holds *now*: a change counts at once (§6.8.3).
    sent: Option<(Instant, u16)>,
    /// When the remote system has had time to hear that we are down on purpose.
    told_by: Option<Instant>,
    jitter: Jitter,
    actions: VecDeque<Action>,
}

impl Session {
    /// A session in Down. Its first packet is due at once.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            remote: Remote::UNHEARD,
            polling: false,
            sent: None,
            told_by: None,
            jitter: Jitter::new(config.seed),
            actions: VecDeque::new(),
        }
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Our number for it.
    #[must_use]
    pub const fn discriminator(&self) -> NonZeroU32 {
        self.config.discriminator
    }

    /// How it stands.
    #[must_use]
    pub fn view(&self) -> View {
        View {
            state: self.state,
            diagnostic: self.diagnostic,
            remote_state: self.remote.state,
            remote_diagnostic: self.remote.diagnostic,
            interval: self.interval(),
            detection_time: self.remote.heard_at.map(|_| self.detection_time()),
        }
    }

    /// When the session may be forgotten: it is down on purpose, and the remote system was told for as long as it
    /// takes it to notice a silence.
    #[must_use]
    pub const fn told_by(&self) -> Option<Instant> {
        self.told_by
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Self::handle_timeout`] is due next; the boot, where it is due already.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        [self.detect_at(), self.send_at()].into_iter().flatten().min()
    }

    /// Tells the session what happened.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Received(packet) => self.received(now, &packet),
            Input::AdminDown if self.state == State::AdminDown => {}
            Input::AdminDown => {
                let silence = self.interval().unwrap_or(SLOW) * self.config.multiplier.into();
                self.told_by = Some(now + silence);
                self.diagnostic = Diagnostic::ADMINISTRATIVELY_DOWN;
                self.change(State::AdminDown, Cause::AdminDown);
                self.send(now);
            }
        }
    }

    /// Tells the session what time it is. Before the deadline this does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.detect_at().is_some_and(|at| now >= at) {
            self.expire(now);
        }
        if self.send_at().is_some_and(|at| now >= at) {
            self.send(now);
        }
    }

    /// Nothing was heard for the detection time (§6.8.4). Also in Down the remote system is forgotten then (§6.8.1,
    /// RemoteDiscr), and with it what it asked of us: what is heard next may be another.
    fn expire(&mut self, now: Instant) {
        let time = self.detection_time();
        let was_heard = matches!(self.state, State::Init | State::Up);
        self.remote = Remote::UNHEARD;
        if was_heard {
            self.diagnostic = Diagnostic::DETECTION_TIME_EXPIRED;
            self.change(State::Down, Cause::Expired(time));
        }
        // There is nobody to confirm anything.
        self.polling = false;
        if was_heard {
            self.send(now);
        }
    }

    /// §6.8.6, from where the session is found.
    fn received(&mut self, now: Instant, packet: &Packet) {
        self.remote = Remote::from(now, packet);
        if packet.is_final {
            self.polling = false;
        }
        if self.state == State::AdminDown {
            return;
        }
        let next = self.after(packet);
        if let Some((state, cause)) = next {
            if state == State::Down {
                self.diagnostic = Diagnostic::NEIGHBOR_SIGNALED_DOWN;
            }
            self.change(state, cause);
        }
        match (packet.poll, next) {
            // A Final says the new state too; if we poll ourselves, the next packet does that (§6.5).
            (true, _) => self.answer(),
            // "… SHOULD be transmitted … in order to more rapidly communicate a change in state" (§6.8.7).
            (false, Some(_)) => self.send(now),
            (false, None) => {}
        }
    }

    /// The next state, and why; `None` where it stays. Every pair is written out.
    const fn after(&self, packet: &Packet) -> Option<(State, Cause)> {
        match (self.state, packet.state) {
            (State::AdminDown, _) => None,
            (State::Down, State::AdminDown | State::Up) => None,
            (State::Down, State::Down) => Some((State::Init, Cause::Handshake)),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => Some((State::Up, Cause::Handshake)),
            (State::Init, State::Down) | (State::Up, State::Init | State::Up) => None,
            (State::Init | State::Up, State::AdminDown) => Some((State::Down, Cause::RemoteAdminDown)),
            (State::Up, State::Down) => Some((State::Down, Cause::Signaled(packet.diagnostic))),
        }
    }

    fn change(&mut self, to: State, cause: Cause) {
        let (from, before) = (self.state, self.desired_min_tx());
        self.state = to;
        self.actions.push_back(Action::Changed(Change { from, to, cause }));
        // §6.8.3: a new interval is confirmed by a Poll Sequence; in AdminDown there is nobody to confirm it to.
        let is_new = self.desired_min_tx() != before;
        self.polling = to != State::AdminDown && (self.polling || is_new);
    }

    /// §6.8.3: not below a second unless Up.
    fn desired_min_tx(&self) -> Duration {
        match self.state {
            State::Up => self.config.tx,
            State::AdminDown | State::Down | State::Init => self.config.tx.max(SLOW),
        }
    }

    /// The interval of our periodic packets (§6.8.2); `None`: the remote system wants none (§6.8.7).
    fn interval(&self) -> Option<Duration> {
        let both_up = self.state == State::Up && self.remote.state == State::Up;
        let silenced = self.remote.demand && both_up && !self.polling;
        let wanted = !self.remote.required_min_rx.is_zero() && !silenced;
        wanted.then(|| self.desired_min_tx().max(self.remote.required_min_rx))
    }

    fn send_at(&self) -> Option<Instant> {
        let interval = self.interval()?;
        Some(self.sent.map_or(Instant::from_boot(Duration::ZERO), |(at, per_mille)| at + part(interval, per_mille)))
    }

    /// §6.8.4. Our own interval never changes, so nothing here waits for a Poll Sequence.
    fn detection_time(&self) -> Duration {
        self.config.rx.max(self.remote.desired_min_tx) * self.remote.multiplier.into()
    }

    fn detect_at(&self) -> Option<Instant> {
        let heard_at = self.remote.heard_at.filter(|_| self.state != State::AdminDown)?;
        Some(heard_at + self.detection_time())
    }

    /// A periodic packet, or one out of turn in its place.
    fn send(&mut self, now: Instant) {
        // §6.8.7: with a multiplier of 1 the next packet must come before the interval is over.
        let highest = if self.config.multiplier == 1 { 900 } else { 1000 };
        self.sent = Some((now, self.jitter.per_mille(highest)));
        let packet = Packet { poll: self.polling, ..self.packet() };
        self.actions.push_back(Action::Send(packet));
    }

    /// The answer to a Poll, which waits for no timer and moves none (§6.8.7).
    fn answer(&mut self) {
        let packet = Packet { is_final: true, ..self.packet() };
        self.actions.push_back(Action::Send(packet));
    }

    fn packet(&self) -> Packet {
        Packet {
            diagnostic: self.diagnostic,
            state: self.state,
            poll: false,
            is_final: false,
            control_plane_independent: false,
            demand: false,
            multiplier: self.config.multiplier,
            my_discriminator: self.config.discriminator,
            your_discriminator: self.remote.discriminator,
            desired_min_tx: micros(self.desired_min_tx()),
            required_min_rx: micros(self.config.rx),
            required_min_echo_rx: 0,
        }
    }
}

fn micros(d: Duration) -> u32 {
    u32::try_from(d.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
