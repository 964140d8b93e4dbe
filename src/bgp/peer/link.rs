//! The connection of a peer from the dial to its end, and what is known about what travels on it.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

use super::connection::Connection;
use crate::bgp::adj_out::AdjOut;
use crate::bgp::finder::{self, Search};
use crate::bgp::watchdog::Guard;
use crate::time::Instant;

/// The first wait before the kernel is asked again what the peer acknowledged; it doubles up to [`LONGEST_POLL`].
const FIRST_POLL: Duration = Duration::from_millis(1);
const LONGEST_POLL: Duration = Duration::from_millis(5);

#[derive(Debug, Default)]
pub(super) enum Link {
    #[default]
    None,
    /// The router of an unnumbered peer is being looked for.
    Finding(Search),
    /// A connection is being made.
    Dialing(TcpStream),
    Live(Box<Live>),
}

/// A connection that is made.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) connection: Connection,
    pub(super) guard: Guard,
    pub(super) local: SocketAddr,
    /// From Established on, and until the connection ends: the peer has our routes until then.
    pub(super) adj_out: Option<AdjOut>,
    pub(super) delivery: Delivery,
    /// We end the connection, and wait for the peer to end its side until then.
    pub(super) closing: Option<Instant>,
    /// Our side of the stream is ended.
    pub(super) is_shut: bool,
    /// What the watchdog was told.
    armed: Option<Instant>,
}

/// When to ask the kernel how far the peer has acknowledged what it was told.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    ask_at: Option<Instant>,
    wait: Duration,
}

impl Delivery {
    /// Something was told just now.
    pub(super) fn expect(&mut self) {
        *self = Self { ask_at: None, wait: FIRST_POLL };
    }
}

/// What happened on a link.
#[derive(Debug)]
pub(super) enum Event {
    Found(Result<Ipv6Addr, finder::Error>),
    Dialed(io::Result<()>),
    Readable,
    Writable,
    Failed(io::Error),
}

impl Link {
    /// Returns when something happens; never, where there is no connection.
    pub(super) async fn event(&mut self) -> Event {
        match self {
            Self::None => std::future::pending().await,
            Self::Finding(search) => Event::Found(search.outcome().await),
            Self::Dialing(stream) => Event::Dialed(outcome(stream).await),
            Self::Live(live) => match live.connection.ready().await {
                Ok(ready) if ready.is_readable() || ready.is_error() => Event::Readable,
                Ok(_) => Event::Writable,
                Err(error) => Event::Failed(error),
            },
        }
    }

    pub(super) fn adj_out(&mut self) -> Option<&mut AdjOut> {
        match self {
            Self::Live(live) => live.adj_out.as_mut(),
            Self::None | Self::Finding(_) | Self::Dialing(_) => None,
        }
    }

    /// The connection, unless it is being closed.
    pub(super) fn open(&mut self) -> Option<&mut Live> {
        match self {
            Self::Live(live) => Some(&mut **live).filter(|live| live.closing.is_none()),
            Self::None | Self::Finding(_) | Self::Dialing(_) => None,
        }
    }

    /// Our end of the connection.
    pub(super) fn local(&self) -> Option<SocketAddr> {
        match self {
            Self::Live(live) => Some(live.local),
            Self::None | Self::Finding(_) | Self::Dialing(_) => None,
        }
    }

    /// What the peer was told on this connection.
    pub(super) fn told(&self) -> Option<&AdjOut> {
        match self {
            Self::Live(live) => live.adj_out.as_ref(),
            Self::None | Self::Finding(_) | Self::Dialing(_) => None,
        }
    }

    /// Whether the peer holds nothing from us and is not about to, or is being told that the session is over.
    pub(super) fn is_clear(&self) -> bool {
        match self {
            Self::Live(live) if live.closing.is_some() => true,
            Self::Live(live) => live.adj_out.as_ref().is_none_or(|adj| adj.outstanding().is_empty()),
            Self::None | Self::Finding(_) | Self::Dialing(_) => true,
        }
    }

    /// A connection that is being closed gets no longer than that.
    pub(super) fn close_by(&mut self, deadline: Instant) {
        if let Self::Live(live) = self {
            live.closing = live.closing.map(|at| at.min(deadline));
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self {
            Self::Live(live) => [live.end(), live.delivery.ask_at, live.closing].into_iter().flatten().min(),
            Self::None | Self::Finding(_) | Self::Dialing(_) => None,
        }
    }
}

impl Live {
    pub(super) fn new(connection: Connection, guard: Guard, local: SocketAddr) -> Self {
        let delivery = Delivery::default();
        Self { connection, guard, local, adj_out: None, delivery, closing: None, is_shut: false, armed: None }
    }

    /// When the first entitlement among what the peer may hold ends.
    pub(super) fn end(&self) -> Option<Instant> {
        self.adj_out.as_ref().and_then(AdjOut::end)
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.end().is_some_and(|end| now >= end)
    }

    /// Tells the watchdog that end; before the bytes it covers are written.
    pub(super) fn arm(&mut self) {
        let end = self.end();
        if end != self.armed {
            self.guard.set(end);
            self.armed = end;
        }
    }

    /// Asks the kernel, if it is time to, whether what was told has arrived; true when something has.
    pub(super) fn check_delivery(&mut self, now: Instant) -> bool {
        let Some(adj) = self.adj_out.as_mut().filter(|adj| adj.awaits_delivery()) else {
            self.delivery.ask_at = None;
            return false;
        };
        if self.delivery.ask_at.is_some_and(|at| now < at) {
            return false;
        }
        let has_arrived = self.connection.acknowledged().is_ok_and(|acknowledged| adj.delivered(acknowledged));
        self.delivery.ask_at = adj.awaits_delivery().then(|| now + self.delivery.wait);
        self.delivery.wait = (self.delivery.wait * 2).min(LONGEST_POLL);
        if has_arrived {
            self.arm();
        }
        has_arrived
    }
}

/// Whether the connection could be made, once that is known.
pub(super) async fn outcome(stream: &TcpStream) -> io::Result<()> {
    stream.writable().await?;
    match stream.take_error()? {
        Some(error) => Err(error),
        None => stream.peer_addr().map(|_| ()),
    }
}
