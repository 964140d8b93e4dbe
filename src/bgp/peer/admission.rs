//! Connections that the peer makes: whether they are taken.

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
                is_free && self.wiring.incoming.is_some() && !self.waits_for_bfd(now)
            }
            Admission::Refuse(_) => true,
            Admission::Wait => false,
        }
    }

    pub(super) fn admit(&mut self, now: Instant, stream: TcpStream) {
        // A peer that made another has given up the one before.
        let newer = self.wiring.incoming.as_mut().and_then(|queue| queue.try_recv().ok());
        let stream = newer.unwrap_or(stream);
        match self.fsm.admission() {
            Admission::Take => self.take_connection(now, stream),
            Admission::Refuse(cease) => self.turn_away(&stream, &cease, "there is a session"),
            // Not asked for in this state.
            Admission::Wait => {}
        }
    }

    fn take_connection(&mut self, now: Instant, stream: TcpStream) {
        let options = self.target.adopt(&stream).map_err(std::io::Error::other);
        let connection = Connection::new(stream);
        match options.and_then(|()| self.vouch(&connection)) {
            Ok((guard, local)) => {
                self.found_by(&connection);
                self.links.incoming = Link::Live(Box::new(Live::new(connection, guard, local)));
                self.fsm.handle(now, Side::Incoming, Input::Connected);
            }
            Err(error) => {
                let rejected = Notification::plain(error::CEASE_CONNECTION_REJECTED);
                self.turn_away(connection.stream(), &rejected, &error.to_string());
            }
        }
    }

    /// An unnumbered peer is where its connection comes from.
    fn found_by(&mut self, connection: &Connection) {
        if let (Some(_), Ok(remote)) = (self.settings.host.interface(), connection.stream().peer_addr()) {
            self.target.peer.set_ip(remote.ip());
        }
    }

    fn turn_away(&self, stream: &TcpStream, why: &Notification, reason: &str) {
        let (peer, description) = (self.settings.key(), self.settings.description());
        tracing::info!(%peer, description, reason, told = %why, "connection of the peer's refused");
        refuse(stream, why);
    }
}
