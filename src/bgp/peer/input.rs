//! What comes from the peer: the connection itself, and what it says on it.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::connection::{Connection, Read};
use super::link::{Event, Link, Live};
use super::{Peer, Said};
use crate::bgp::fsm::{Input, Side};
use crate::bgp::socket;
use crate::bgp::speaker::user_timeout;
use crate::bgp::watchdog::Guard;
use crate::clock;
use crate::time::Instant;
use crate::wire::bgp::{Message, Outcome};

/// How long our OPEN may stay unacknowledged where the answers may be dropped for their TTL: a router whose listener
/// sends 255 to everybody makes the connection, and only what follows shows that it has no ttl-security for us.
const UNHEARD_FOR_ITS_TTL: Duration = Duration::from_secs(10);

impl Peer {
    pub(super) fn on_event(&mut self, side: Side, event: Event) {
        let now = clock::now();
        match event {
            Event::Found(Ok(address)) => self.found(now, address),
            Event::Found(Err(error)) => self.fsm.handle(now, side, Input::Down(error.to_string())),
            Event::Dialed(Ok(())) => self.connected(now),
            Event::Dialed(Err(error)) => self.fsm.handle(now, side, Input::Down(format!("connect: {error}"))),
            Event::Readable => self.read(now, side),
            Event::Writable => {}
            Event::Failed(error) => self.lost(now, side, &error.to_string()),
        }
    }

    /// The router of an unnumbered peer is there. It may be another one than last time.
    fn found(&mut self, now: Instant, address: Ipv6Addr) {
        self.links.outgoing = Link::None;
        self.found_at(address);
        self.connect(now);
    }

    pub(super) fn found_at(&mut self, address: Ipv6Addr) {
        if self.target.peer.ip() != IpAddr::V6(address) {
            let (peer, description) = (self.settings.key(), self.settings.description());
            tracing::info!(%peer, description, %address, "router found");
            self.target.peer.set_ip(IpAddr::V6(address));
        }
        self.wiring.report.update(|status| status.found = Some(address));
    }

    fn connected(&mut self, now: Instant) {
        let Link::Dialing(stream) = std::mem::take(&mut self.links.outgoing) else { return };
        let connection = Connection::new(stream);
        match self.vouch(&connection) {
            Ok((guard, local)) => {
                self.links.outgoing = Link::Live(Box::new(Live::new(connection, guard, local)));
                self.fsm.handle(now, Side::Outgoing, Input::Connected);
            }
            Err(error) => self.fsm.handle(now, Side::Outgoing, Input::Down(error.to_string())),
        }
    }

    /// Takes the connection under guard, and sees that its own end is no VIP. BFD runs where it does.
    pub(super) fn vouch(&mut self, connection: &Connection) -> io::Result<(Guard, SocketAddr)> {
        let local: SocketAddr = connection.local()?;
        if self.is_vip()(local.ip()) {
            return Err(io::Error::other(format!(
                "our end is the VIP {}, which moves away with the lease",
                local.ip()
            )));
        }
        // A path in one direction alone is likely here, and there is nothing else to wait for.
        let unheard = self.target.lowest_ttl.map_or(user_timeout(None), |_| UNHEARD_FOR_ITS_TTL);
        socket::set_user_timeout(connection.stream(), unheard)?;
        let guard = self.wiring.watchdog.guard(connection.stream())?;
        self.aim_bfd(local, connection.stream().peer_addr()?);
        Ok((guard, local))
    }

    /// Reads once and hands on what it is.
    fn read(&mut self, now: Instant, side: Side) {
        // After a pause nothing is answered before the clock was looked at: what is over is over.
        self.look_at_clock(now);
        self.act(now);
        let Link::Live(live) = &mut self.links[side] else { return };
        let read = live.connection.read();
        self.take_in(now, side, read);
    }

    /// Cuts what is over, and tells the machine the time. When one of its timers is due, what the peer said before
    /// counts first: after a pause of this program a KEEPALIVE may wait that came in time.
    pub(super) fn look_at_clock(&mut self, now: Instant) {
        for side in Side::ALL {
            self.cut_if_over(now, side);
        }
        for side in Side::ALL {
            let is_due = self.fsm.next_deadline().is_some_and(|at| now >= at);
            if let (true, Link::Live(live)) = (is_due, &mut self.links[side]) {
                let read = live.connection.read_arrived();
                self.take_in(now, side, read);
            }
        }
        self.fsm.handle_timeout(now);
    }

    fn take_in(&mut self, now: Instant, side: Side, read: io::Result<Read>) {
        let Link::Live(live) = &mut self.links[side] else { return };
        match read {
            Ok(Read::Some) if live.closing.is_some() => live.connection.discard(),
            Ok(Read::Some) => self.hear(now, side),
            Ok(Read::Nothing) => {}
            Ok(Read::End) => self.lost(now, side, "the peer closed the connection"),
            Err(error) => self.lost(now, side, &format!("read: {error}")),
        }
    }

    fn hear(&mut self, now: Instant, side: Side) {
        loop {
            let (state, session) = (self.fsm.side(side).name(), self.fsm.session(side));
            let Link::Live(live) = &mut self.links[side] else { return };
            if live.closing.is_some() {
                return live.connection.discard();
            }
            let Some(input) = live.connection.message(state, &session) else { return };
            self.note(now, &input);
            self.fsm.handle(now, side, input);
            self.act(now);
        }
    }

    fn note(&self, now: Instant, input: &Input) {
        match input {
            Input::Received(Message::Update(update)) => self.note_update(&update.outcome),
            Input::Received(Message::Notification(notification)) => {
                let said = Said { at: now, text: notification.to_string() };
                self.wiring.report.update(|status| status.last_received = Some(said));
            }
            _ => {}
        }
    }

    /// Errors in received routes do not concern us, but whoever looks for the reason of something wants to see them.
    fn note_update(&self, outcome: &Outcome) {
        let (outcome, what) = match outcome {
            Outcome::Accepted => return,
            Outcome::AttributeDiscard(what) => ("attribute discard", what),
            Outcome::TreatAsWithdraw(what) => ("treat as withdraw", what),
        };
        tracing::debug!(peer = %self.settings.key(), outcome, error = %what, "received UPDATE is malformed");
    }
}
