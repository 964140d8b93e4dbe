//! Connections that the peer makes: whether they are taken.

use std::io;
use std::net::IpAddr;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::Peer;
use super::bfd::Bfd;
use super::connection::Connection;
use super::link::{Link, Live};
use crate::bgp::fsm::{Admission, Input, Side};
use crate::bgp::listener::refuse;
use crate::time::Instant;
use crate::wire::bgp::{Notification, error};

/// The next connection that the peer made; never, where it may make none.
pub(super) async fn arrival(incoming: &mut Option<mpsc::Receiver<TcpStream>>) -> TcpStream {
    match incoming {
        Some(queue) => match queue.recv().await {
            Some(stream) => stream,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

impl Peer {
    /// Whether something can be done with a connection of the peer's. Until then it waits.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        self.bfd.iter_mut().for_each(Bfd::rest);
        match self.fsm.admission() {
            Admission::Take => {
                let is_free = matches!(self.links.incoming, Link::None) && self.stopping.is_none();
                // Where an unnumbered peer is, and BFD with it, only its connection tells.
                let tells = self.settings.host.interface().is_some();
                is_free && self.wiring.incoming.is_some() && (tells || !self.waits_for_bfd(now))
            }
            Admission::Refuse(_) => true,
            Admission::Wait => false,
        }
    }

    pub(super) fn admit(&mut self, now: Instant, stream: TcpStream) {
        // A peer that made another has given up the one before; and any may have ended while it waited.
        let Some(stream) = self.waiting().chain([stream]).find(is_open) else { return };
        match self.fsm.admission() {
            Admission::Take => self.take_connection(now, stream),
            Admission::Refuse(cease) => self.turn_away(&stream, &cease, "there is a session"),
            // Not asked for in this state.
            Admission::Wait => {}
        }
    }

    fn take_connection(&mut self, now: Instant, stream: TcpStream) {
        let options = self.target.adopt(&stream).map_err(io::Error::other);
        let connection = Connection::new(stream);
        match options.and_then(|()| self.recognise(&connection)).and_then(|()| self.vouch(&connection)) {
            Ok((guard, local)) => {
                self.links.incoming = Link::Live(Box::new(Live::new(connection, guard, local)));
                self.fsm.handle(now, Side::Incoming, Input::Connected);
            }
            Err(error) => {
                let rejected = Notification::plain(error::CEASE_CONNECTION_REJECTED);
                self.turn_away(connection.stream(), &rejected, &error.to_string());
            }
        }
    }

    /// An unnumbered peer is where its connection comes from, and only that tells where BFD is to run: if it has to be Up
    /// first, a later connection is taken.
    fn recognise(&mut self, connection: &Connection) -> io::Result<()> {
        let remote = connection.stream().peer_addr()?;
        let (Some(_), IpAddr::V6(address)) = (self.settings.host.interface(), remote.ip()) else { return Ok(()) };
        self.found_at(address);
        match self.held_by_bfd() {
            Some(why) => Err(io::Error::other(why)),
            None => Ok(()),
        }
    }

    /// The connections that wait, the newest first. They wait no longer.
    fn waiting(&mut self) -> impl Iterator<Item = TcpStream> + use<> {
        let mut streams = Vec::new();
        if let Some(queue) = &mut self.wiring.incoming {
            streams.extend(std::iter::from_fn(|| queue.try_recv().ok()));
        }
        streams.into_iter().rev()
    }

    /// Gives up the connections that wait: the peer made them with the former password.
    pub(super) fn turn_out(&mut self) {
        self.waiting().for_each(drop);
    }

    fn turn_away(&self, stream: &TcpStream, why: &Notification, reason: &str) {
        let (peer, description) = (self.settings.key(), self.settings.description());
        tracing::info!(%peer, description, reason, told = %why, "connection of the peer's refused");
        refuse(stream, why);
    }
}

/// Whether the peer has not ended it; what it said before may wait to be read either way.
fn is_open(stream: &TcpStream) -> bool {
    let mut fds = [PollFd::new(stream, PollFlags::RDHUP)];
    !poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ended| ended > 0)
}
