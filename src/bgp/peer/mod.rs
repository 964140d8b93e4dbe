//! One peer: drives its state machine and its Adj-RIB-Out over a socket.
//!
//! ```text
//! loop { turn: clock, timers, routes, write, delivery, orders   until nothing is left to do
//!        wait: deadline, routes, orders, socket }
//! ```
//!
//! The promises: the clock is compared with the end of what is announced before every write, and what is over is cut
//! with a reset; nothing here waits for the peer; a flood of input is read one chunk a turn, after everything else.

mod admission;
mod attempt;
mod bfd;
mod connection;
mod input;
mod link;
mod output;
mod probe;
mod status;
mod stop;
mod wanted;

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

pub(super) use status::{Board, Report};
pub use status::{PeerStatus, Said};
pub(super) use stop::StopOrder;
pub(super) use wanted::{End, Wanted};

use super::RouteSet;
use super::adj_out::{AdjOut, Profile};
use super::bfd::Service;
use super::finder::Finder;
use super::fsm::{self, Action, BySide, Close, Input, Negotiated, Peering, Reason, Side, State, StateName};
use super::keys::Keys;
use super::listener::ListenerKeys;
use super::next_hops::{NextHops, OwnAddresses};
use super::settings::{Connect, Hops, LocalEnd, Passwords, PeerSettings};
use super::socket::{self, Target};
use super::sockopt;
use super::speaker::user_timeout;
use super::watchdog::Watchdog;
use crate::clock::{self, Timer};
use crate::time::Instant;
use crate::wire::bgp::Outgoing;
use admission::arrival;
use attempt::{Attempt, Trial};
use bfd::Bfd;
use link::Link;
use stop::Stopping;

/// How long the peer may take to hear a NOTIFICATION out after an error.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What an operator should know whose eBGP peer is not next to this node (RFC 4271 §5.1.3).
const OUT_OF_REACH: &str = "the peer is on no network of this node, and without multihop our packets pass no router";
/// And one whose peer is farther away than ttl-security says.
const NOT_ONE_HOP: &str = "the peer is on no network of this node, so it is more than 1 hop away";

/// A peer's ends of what connects it with the rest.
#[derive(Debug)]
pub(super) struct Wiring {
    pub(super) routes: watch::Receiver<RouteSet>,
    pub(super) passwords: watch::Receiver<Passwords>,
    pub(super) stop: watch::Receiver<Option<StopOrder>>,
    /// What is wanted of this peer alone.
    pub(super) wanted: watch::Receiver<Wanted>,
    /// Whether routes are about to go, where the peer has a graceful shutdown.
    pub(super) marked: watch::Receiver<bool>,
    pub(super) report: Report,
    pub(super) watchdog: Watchdog,
    /// Where a peer has BFD.
    pub(super) bfd: Option<Service>,
    /// Connections that the peer made, where it may.
    pub(super) incoming: Option<mpsc::Receiver<TcpStream>>,
    /// The keys under which it makes them.
    pub(super) listener: Option<ListenerKeys>,
}

#[derive(Debug)]
pub(super) struct Peer {
    fsm: Peering,
    target: Target,
    settings: PeerSettings,
    local_as: u32,
    ibgp: bool,
    wiring: Wiring,
    links: BySide<Link>,
    /// The machine asked for a connection of ours while the last one is still being closed.
    dial_pending: bool,
    /// Where the peer is unnumbered.
    finder: Option<Finder>,
    keys: Keys,
    /// From the dial until the connection is made or given up.
    attempt: Option<Attempt>,
    /// How many segments the kernel had dropped for their TTL when it began.
    dropped: Option<u64>,
    /// While the session goes on under a former password.
    trial: Option<Trial>,
    bfd: Option<Bfd>,
    /// The routes may differ from what the Adj-RIB-Out was told last.
    routes_new: bool,
    /// Whether somebody can still send routes.
    routes_open: bool,
    stopping: Option<Stopping>,
    /// Whether the order to stop was taken, which all peers get.
    is_ordered: bool,
    timer: Timer,
}

impl Peer {
    /// A peer that is not dialled yet. Must be called inside a tokio runtime.
    pub(super) fn new(
        machine: fsm::Config,
        target: Target,
        settings: PeerSettings,
        wiring: Wiring,
    ) -> io::Result<Self> {
        let bfd = Bfd::new(wiring.bfd.as_ref(), &settings, clock::now());
        Ok(Self {
            local_as: machine.local_as,
            ibgp: machine.is_ibgp(),
            fsm: Peering::new(machine, settings.connect),
            keys: Keys::new(settings.password.clone()),
            target,
            finder: settings.host.interface().map(Finder::start).transpose()?,
            settings,
            wiring,
            links: BySide::default(),
            dial_pending: false,
            attempt: None,
            dropped: None,
            trial: None,
            bfd,
            routes_new: true,
            routes_open: true,
            stopping: None,
            is_ordered: false,
            timer: Timer::new()?,
        })
    }

    /// Runs until the stop it is ordered is carried out.
    pub(super) async fn run(mut self) {
        self.fsm.tell(clock::now(), &Input::Start);
        loop {
            self.turn();
            if self.is_done() {
                return;
            }
            self.wait().await;
        }
    }

    fn is_done(&self) -> bool {
        let is_idle = self.fsm.is_stopped() && self.links.iter().all(|link| matches!(link, Link::None));
        self.stopping.is_some() && is_idle && self.take_down_bfd()
    }

    /// Everything that can be done without waiting, the clock first.
    fn turn(&mut self) {
        loop {
            let now = clock::now();
            self.look_at_clock(now);
            self.act(now);
            self.end_drain(now);
            for side in Side::ALL {
                self.take_routes(now, side);
                self.write(side);
                self.check_delivery(side);
                self.check_closing(side);
            }
            self.obey(now);
            if !self.fsm.has_actions() {
                return;
            }
        }
    }

    async fn wait(&mut self) {
        let admits = self.admits(clock::now());
        let deadline = self.next_deadline();
        let (side, event) = tokio::select! {
            biased;
            () = self.timer.until(deadline) => return,
            order = self.wiring.stop.changed(), if !self.is_ordered => {
                self.take_order(order.is_ok());
                return;
            }
            routes = self.wiring.routes.changed(), if self.routes_open => {
                self.routes_open = routes.is_ok();
                self.routes_new = true;
                return;
            }
            Ok(()) = self.wiring.marked.changed() => {
                self.routes_new = true;
                return;
            }
            Ok(()) = self.wiring.wanted.changed() => return self.take_wanted(clock::now()),
            Ok(()) = self.wiring.passwords.changed() => return self.take_password(clock::now()),
            () = Bfd::changed(&mut self.bfd) => return self.hear_bfd(clock::now()),
            answer = Trial::answer(&mut self.trial) => return self.tried(clock::now(), answer),
            stream = arrival(&mut self.wiring.incoming), if admits => return self.admit(clock::now(), stream),
            event = self.links.outgoing.event() => (Side::Outgoing, event),
            event = self.links.incoming.event() => (Side::Incoming, event),
            // The next buffer full of UPDATEs: after all that may have happened meanwhile, and after other tasks.
            () = tokio::task::yield_now(), if self.has_more_to_tell() => return,
        };
        self.on_event(side, event);
    }

    /// Whether UPDATEs wait that the write buffer has room for. While it has none, the kernel says when it does.
    fn has_more_to_tell(&self) -> bool {
        self.links.iter().any(|link| match link {
            Link::Live(live) if live.closing.is_none() && live.connection.has_room(0) => {
                live.adj_out.as_ref().is_some_and(|adj| !adj.is_told())
            }
            Link::Live(_) | Link::Finding(_) | Link::Dialing(_) | Link::None => false,
        })
    }

    fn next_deadline(&self) -> Option<Instant> {
        let stopping = self.stopping.as_ref().and_then(Stopping::next_deadline);
        let links = self.links.iter().filter_map(Link::next_deadline).min();
        let bfd = self.bfd.as_ref().and_then(Bfd::next_deadline);
        [self.fsm.next_deadline(), links, stopping, bfd].into_iter().flatten().min()
    }

    fn act(&mut self, now: Instant) {
        while let Some((side, action)) = self.fsm.poll_action() {
            match action {
                Action::Dial => self.dial(now),
                Action::Send(message) => self.send(now, side, &message),
                Action::Up(negotiated) => self.come_up(side, &negotiated),
                Action::Resend(family) => {
                    if let Some(adj) = self.links[side].adj_out() {
                        adj.resend(family);
                    }
                }
                Action::Close(how) => self.close(now, side, how),
                Action::Changed { from, to, reason } => self.changed(now, side, from, to, &reason),
            }
        }
    }

    fn dial(&mut self, now: Instant) {
        if !matches!(self.links.outgoing, Link::None) {
            self.dial_pending = true;
            return;
        }
        match &self.finder {
            Some(finder) => self.links.outgoing = Link::Finding(finder.find()),
            None => self.connect(now),
        }
    }

    fn connect(&mut self, now: Instant) {
        if let Some(why) = self.held_by_bfd() {
            return self.fsm.handle(now, Side::Outgoing, Input::Down(why));
        }
        self.begin_attempt(now);
        match self.target.connect(&self.is_vip()) {
            Ok(stream) => self.links.outgoing = Link::Dialing(stream),
            Err(error) => self.fsm.handle(now, Side::Outgoing, Input::Down(error.to_string())),
        }
    }

    fn send(&mut self, now: Instant, side: Side, message: &Outgoing) {
        let session = self.fsm.session(side);
        let Link::Live(live) = &mut self.links[side] else { return };
        if let Outgoing::Notification(notification) = message {
            let said = Said { at: now, text: notification.to_string() };
            self.wiring.report.update(|status| status.last_sent = Some(said));
        }
        // Behind bytes that wait, a KEEPALIVE says nothing that they do not; so it cannot pile up either. Before
        // Established it confirms the peer's OPEN.
        let says_nothing = *message == Outgoing::Keepalive && live.adj_out.is_some() && !live.connection.is_flushed();
        if !says_nothing {
            live.connection.queue(message, &session);
        }
    }

    /// The session is up: what the peer is told depends on what was negotiated.
    fn come_up(&mut self, side: Side, negotiated: &Negotiated) {
        let is_vip = self.is_vip();
        let Link::Live(live) = &mut self.links[side] else { return };
        let _ = socket::set_user_timeout(live.connection.stream(), user_timeout(negotiated.hold_time));
        let ends = (live.local.ip(), self.target.peer.ip());
        let own = own_addresses(ends, &self.settings, is_vip);
        let hops = NextHops::choose(&own, &self.settings, negotiated);
        live.adj_out = Some(AdjOut::new(Profile {
            local_as: self.local_as,
            ibgp: self.ibgp,
            families: negotiated.families.clone(),
            next_hop_v4: hops.v4,
            next_hop_v6: hops.v6,
            attributes: self.settings.attributes.clone(),
            loopback_next_hop: self.settings.loopback_next_hop,
        }));
        self.routes_new = true;
    }

    fn close(&mut self, now: Instant, side: Side, how: Close) {
        if side == Side::Outgoing && self.dial_pending {
            // The connection to end was never begun; the one there is is being closed already.
            self.dial_pending = false;
            return;
        }
        let deadline = self.stopping.as_ref().map_or(now + LAST_WORDS, |stopping| stopping.deadline(now));
        match (how, &mut self.links[side]) {
            (Close::Deliver, Link::Live(live)) => live.closing = Some(deadline),
            (Close::Deliver | Close::Drop, _) => self.drop_link(side),
        }
    }

    /// Ends the connection; with a reset where the kernel would go on sending for us.
    fn drop_link(&mut self, side: Side) {
        match &self.links[side] {
            Link::Live(live) if !live.connection.is_delivered() => self.reset_link(side),
            Link::Live(_) | Link::Finding(_) | Link::Dialing(_) | Link::None => self.forget_link(side),
        }
    }

    /// Ends the connection with a reset.
    fn reset_link(&mut self, side: Side) {
        if let Link::Live(live) = &self.links[side] {
            live.connection.reset();
        }
        self.forget_link(side);
    }

    fn forget_link(&mut self, side: Side) {
        self.links[side] = Link::None;
        output::report_routes(clock::now(), &self.wiring.report, &self.links);
        self.report_local();
    }

    /// Our end of the connection that is nearest to a session.
    fn report_local(&self) {
        let local = self.links[self.fsm.furthest()].local();
        self.wiring.report.update(|status| status.local = local);
    }

    fn changed(&mut self, now: Instant, side: Side, from: StateName, to: StateName, reason: &Reason) {
        let text = self.explain(from, reason);
        self.note_password(side, from, to, reason);
        let (peer, description) = (self.settings.key(), self.settings.description());
        // Where there can be two, which one it is.
        let connection = (self.settings.connect == Connect::Both).then(|| side.to_string());
        let on_purpose = matches!(reason, Reason::Stopped | Reason::ConfigChanged) || self.stopping.is_some();
        // One that gives way to the peer's other connection is no failure.
        let failed = to == StateName::Idle && !on_purpose && self.fsm.state().name() < StateName::OpenConfirm;
        if failed {
            tracing::warn!(%peer, description, connection, %from, %to, reason = %text, "session state changed");
        } else {
            tracing::info!(%peer, description, connection, %from, %to, reason = %text, "session state changed");
        }
        self.report_state(now, (from, to), text, failed);
    }

    fn report_state(&self, now: Instant, (from, to): (StateName, StateName), text: String, failed: bool) {
        let negotiated = match self.fsm.state() {
            State::OpenConfirm { negotiated, .. } | State::Established { negotiated, .. } => Some(negotiated.clone()),
            State::Idle { .. } | State::Active | State::Connect { .. } | State::OpenSent { .. } => None,
        };
        let state = self.fsm.state().name();
        let local = self.links[self.fsm.furthest()].local();
        self.wiring.report.update(|status| {
            if status.state != state || to == StateName::Established {
                status.since = now;
            }
            status.state = state;
            status.local = local;
            status.negotiated = negotiated;
            status.established_count += u64::from(to == StateName::Established);
            if from == StateName::Established && state != StateName::Established {
                status.last_down = Some(Said { at: now, text: text.clone() });
            }
            if failed {
                status.last_error = Some(text);
            }
        });
    }

    /// The reason, and what is known here about an attempt that failed.
    fn explain(&mut self, from: StateName, reason: &Reason) -> String {
        let ttl = self.ttl_evidence(from, reason);
        // Segments that came and were dropped for their TTL leave nothing for a password to explain.
        let explained = ttl.is_some_and(|ttl| ttl.dropped.is_some_and(|dropped| dropped > 0));
        let md5 = self.evidence(reason).filter(|md5| md5.has_password || !explained).map(|md5| md5.to_string());
        let unreached = self.finder.is_none()
            && from == StateName::Connect
            && matches!(reason, Reason::ConnectTimeout | Reason::Down(_));
        let ttl = ttl.map(|ttl| ttl.to_string());
        let hops = (unreached && self.target.is_out_of_reach()).then(|| match self.settings.hops {
            Hops::Security(_) => NOT_ONE_HOP.to_owned(),
            Hops::Default | Hops::Multihop(_) => OUT_OF_REACH.to_owned(),
        });
        [Some(reason.to_string()), md5, ttl, hops].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// The connection is gone, or has to be.
    fn lost(&mut self, now: Instant, side: Side, why: &str) {
        if let Link::Live(live) = &self.links[side]
            && live.closing.is_some()
        {
            tracing::debug!(peer = %self.settings.key(), reason = why, "connection ended while it was being closed");
            return self.closed(now, side);
        }
        self.fsm.handle(now, side, Input::Down(why.to_owned()));
    }
}

/// Our end of the session and what is beside it on its network. No VIP is one.
fn own_addresses(
    (local, peer): (IpAddr, IpAddr),
    settings: &PeerSettings,
    is_vip: impl Fn(IpAddr) -> bool,
) -> OwnAddresses {
    let may_be = |hop: IpAddr| !is_vip(hop) && (settings.loopback_next_hop || !hop.is_loopback());
    // Without the list there is no next hop, which the status shows.
    let mut addresses = sockopt::local_addresses().unwrap_or_default();
    if let (LocalEnd::Interface(name), true) = (&settings.source, socket::is_link_local(local)) {
        // Several interfaces may have this address: VLANs share that of their device.
        addresses.retain(|own| own.interface == *name);
    }
    OwnAddresses {
        session: local,
        beside: socket::other_family_hop(&addresses, local, may_be),
        link_local: socket::link_local_hop(&addresses, local, peer),
    }
}

#[cfg(test)]
mod tests;
