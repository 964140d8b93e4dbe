//! The state machine of one peer (RFC 4271 §8). Pure: `now` and inputs go in, the next deadline and actions come out.
//!
//! ```text
//!                                ┌─ Peering ─────────────────┐
//!     handle(now, Side, Input) ─►│ Fsm of the one we make    │─► poll_action() -> (Side, Action)
//!          handle_timeout(now) ─►│ Fsm of the one they make  │─► next_deadline() -> Instant
//!                                └───────────────────────────┘
//! ```
//!
//! [`Fsm`] is the machine of one connection; [`Peering`] has the two that a peer may have, and alone decides which of
//! them stays (RFC 4271 §6.8).
//!
//! The contract: after every call take all actions and carry them out in order; call `handle_timeout` at the deadline.
//! An early or repeated call does nothing. A side has at most one connection: [`Action::Dial`] asks for it, or it is
//! admitted ([`Peering::admission`]); [`Action::Close`] ends it, and no input of an ended connection may come after.
//!
//! What this does not do: it knows no route.

mod expected;
mod negotiation;
mod peering;
mod side;
mod transition;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

pub use negotiation::Negotiated;
pub use peering::{Admission, Peering};
pub use side::{BySide, Side};

use super::backoff::{Backoff, Jitter};
use crate::time::Instant;
use crate::wire::bgp::{Family, Message, Notification, Outgoing, Session};

/// How long an attempt to connect may last. A lost SYN is sent again after 1 s and 3 s: two losses are survived.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the peer may take for its OPEN (RFC 4271 §8.2.2: "4 minutes is suggested"); and, without a hold time, to
/// confirm ours, or one that sends its OPEN and nothing else would hold us for ever.
pub const OPEN_TIMEOUT: Duration = Duration::from_secs(240);

/// A session that lasted this long starts the back-off anew. A shorter one does not, or a peer that refuses us just
/// after Established would be dialled without a pause.
pub const STABLE_AFTER: Duration = Duration::from_secs(10);

/// How long a peer without a hold time may take no byte (RFC 9687). With a hold time it is that: a peer that read
/// nothing for so long has heard none of our KEEPALIVEs.
pub const SEND_HOLD_WITHOUT_HOLD: Duration = Duration::from_secs(90);

/// What this machine must know about itself and its peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Our AS.
    pub local_as: u32,
    /// Our BGP Identifier.
    pub router_id: Ipv4Addr,
    /// The AS the peer must have; `None`: any but ours.
    pub peer_as: Option<u32>,
    /// The hold time we propose, in seconds: 0 (none), or 3 and more.
    pub hold_time: u16,
    /// The longest interval between two KEEPALIVEs; a third of the negotiated hold time if that is shorter.
    pub keepalive: Duration,
    /// The families we offer.
    pub families: BTreeSet<Family>,
    /// Whether the peer must carry all of them (RFC 5492 §5).
    pub require_families: bool,
    /// Whether we offer IPv4 routes with an IPv6 next hop (RFC 8950).
    pub extended_next_hop: bool,
    /// What the jitter is made from.
    pub seed: u64,
}

/// Where the session stands, with the timers that run there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No connection.
    Idle {
        /// When the next attempt is due; `None` until started, and after a stop.
        retry_at: Option<Instant>,
    },
    /// The peer may make a connection.
    Active,
    /// A connection is being made.
    Connect {
        /// When the attempt is given up.
        deadline: Instant,
    },
    /// Connected, our OPEN is sent.
    OpenSent {
        /// When the peer's OPEN is overdue.
        hold: Instant,
    },
    /// The peer's OPEN is good, ours is not confirmed yet.
    OpenConfirm {
        /// What both OPENs amount to.
        negotiated: Negotiated,
        /// What runs.
        timers: Timers,
    },
    /// The session is up.
    Established {
        /// What both OPENs amount to.
        negotiated: Negotiated,
        /// What runs.
        timers: Timers,
        /// Since when.
        since: Instant,
    },
}

/// The timers of a negotiated session; `None` is a timer that does not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timers {
    /// When the peer counts as dead unless it says something; `None`: hold time 0, and the session is up.
    pub hold: Option<Instant>,
    /// When the next KEEPALIVE is due; `None`: hold time 0.
    pub keepalive: Option<Instant>,
    /// When a peer that takes no bytes is given up (RFC 9687); `None`: it takes them.
    pub send: Option<Instant>,
}

impl Timers {
    fn next(self) -> Option<Instant> {
        [self.hold, self.keepalive, self.send].into_iter().flatten().min()
    }
}

/// A state without what is in it, in the order of how near it is to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateName {
    /// RFC 4271 §8.2.2, as the others.
    Idle,
    /// We wait for the peer to make a connection.
    Active,
    /// A connection is being made.
    Connect,
    /// Our OPEN is sent.
    OpenSent,
    /// The peer's OPEN is good.
    OpenConfirm,
    /// The session is up.
    Established,
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "Idle",
            Self::Active => "Active",
            Self::Connect => "Connect",
            Self::OpenSent => "OpenSent",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
        })
    }
}

impl State {
    /// Which state it is.
    #[must_use]
    pub const fn name(&self) -> StateName {
        match self {
            Self::Idle { .. } => StateName::Idle,
            Self::Active => StateName::Active,
            Self::Connect { .. } => StateName::Connect,
            Self::OpenSent { .. } => StateName::OpenSent,
            Self::OpenConfirm { .. } => StateName::OpenConfirm,
            Self::Established { .. } => StateName::Established,
        }
    }
}

/// What happens to the machine. Timers are no inputs: they are in [`State`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Begin, at once.
    Start,
    /// End the session in good order, with this Cease (RFC 4486), and do not dial again.
    Stop(Notification),
    /// End the session in good order and make another.
    Reset(Reset),
    /// The peer's other connection is kept instead of this one (RFC 4271 §6.8).
    Yield,
    /// The connection asked for is made, or the peer made one.
    Connected,
    /// The connection could not be made, or is lost; the text says why.
    Down(String),
    /// The peer said this.
    Received(Message),
    /// The peer sent bytes that are no valid message, and this is what it is told.
    Malformed(Notification),
    /// Bytes wait for the peer to take them.
    Blocked,
    /// The peer took bytes.
    Unblocked,
}

/// Why a session is ended by us to be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Cease, BFD Down (RFC 9384): the path is dead. The next attempt waits for the back-off, and what is not more than
    /// an attempt yet goes on.
    BfdDown,
    /// Cease, Other Configuration Change (RFC 4486): what the session was made with (its key, say) holds no more. The
    /// next attempt comes at once, and one under way, or a wait for one, gives way to it.
    ConfigChange,
}

/// What the driver has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make a connection.
    Dial,
    /// Send this.
    Send(Outgoing),
    /// The session is up: routes may be sent.
    Up(Negotiated),
    /// Send the routes of this family again (RFC 2918).
    Resend(Family),
    /// End the connection.
    Close(Close),
    /// The state changed: for the log and the status.
    Changed {
        /// From.
        from: StateName,
        /// To.
        to: StateName,
        /// Why.
        reason: Reason,
    },
}

/// How a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// What is sent is to arrive first: write it, end our side, read until the peer ends its own.
    Deliver,
    /// At once: there is nothing to say, or nobody to hear it.
    Drop,
}

/// Why a state changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// We were told to start.
    Started,
    /// The wait between two attempts is over.
    RetryDue,
    /// The connection is made.
    Connected,
    /// The peer's OPEN is good.
    OpenReceived,
    /// The peer confirmed our OPEN.
    KeepaliveReceived,
    /// No connection within [`CONNECT_TIMEOUT`].
    ConnectTimeout,
    /// The connection could not be made, or is lost.
    Down(String),
    /// We ended the session with this.
    Sent(Notification),
    /// The peer ended the session with this.
    Received(Notification),
    /// The peer took no byte for too long (RFC 9687).
    SendHoldExpired,
    /// We were told to stop before there was a session to end.
    Stopped,
    /// The configuration changed before there was a session to end.
    ConfigChanged,
    /// The peer's other connection was further before this one was made.
    Yielded,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("start"),
            Self::RetryDue => f.write_str("retry"),
            Self::Connected => f.write_str("connected"),
            Self::OpenReceived => f.write_str("OPEN received"),
            Self::KeepaliveReceived => f.write_str("KEEPALIVE received"),
            Self::ConnectTimeout => write!(f, "no connection within {} s", CONNECT_TIMEOUT.as_secs()),
            Self::Down(why) => f.write_str(why),
            Self::Sent(notification) => write!(f, "sent NOTIFICATION: {notification}"),
            Self::Received(notification) => write!(f, "received NOTIFICATION: {notification}"),
            Self::SendHoldExpired => f.write_str("the peer stopped reading: send hold timer expired"),
            Self::Stopped => f.write_str("stop"),
            Self::ConfigChanged => f.write_str("the configuration changed"),
            Self::Yielded => f.write_str("the peer has made a connection"),
        }
    }
}

/// The machine of one connection.
#[derive(Clone, Debug)]
pub struct Fsm {
    config: Config,
    side: Side,
    state: State,
    backoff: Backoff,
    jitter: Jitter,
    actions: VecDeque<Action>,
}

impl Fsm {
    /// A machine in Idle that waits for [`Input::Start`]. The side says whether it makes connections or waits for them.
    #[must_use]
    pub fn new(config: Config, side: Side) -> Self {
        let jitter = Jitter::new(config.seed);
        let state = State::Idle { retry_at: None };
        Self { config, side, state, backoff: Backoff::default(), jitter, actions: VecDeque::new() }
    }

    /// Where the session stands.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// When [`Self::handle_timeout`] is due next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Idle { retry_at } => *retry_at,
            State::Active => None,
            State::Connect { deadline } => Some(*deadline),
            State::OpenSent { hold } => Some(*hold),
            State::OpenConfirm { timers, .. } | State::Established { timers, .. } => timers.next(),
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether [`Self::poll_action`] has something.
    #[must_use]
    pub fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// The form that messages to and from the peer have now.
    #[must_use]
    pub fn session(&self) -> Session {
        match &self.state {
            State::OpenConfirm { negotiated, .. } | State::Established { negotiated, .. } => negotiated.session,
            State::Idle { .. } | State::Active | State::Connect { .. } | State::OpenSent { .. } => {
                Session { four_octet_as: false, ibgp: self.config.is_ibgp() }
            }
        }
    }
}

impl Config {
    /// Whether the peer is in our own AS.
    #[must_use]
    pub const fn is_ibgp(&self) -> bool {
        matches!(self.peer_as, Some(asn) if asn == self.local_as)
    }
}
