//! BFD beside the BGP session: where it runs, and what it means for it (RFC 5882).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Peer;
use crate::bgp::bfd::session::View;
use crate::bgp::bfd::{Handle, Path, Reach, Service, Status};
use crate::bgp::fsm::{Input, Reset, STABLE_AFTER, Side, State};
use crate::bgp::settings::{Connect, Hops, LocalEnd, PeerSettings};
use crate::bgp::socket::{is_link_local, is_on_our_link};
use crate::time::Instant;
use crate::wire::bfd;

/// How long the Cease may take after the path failed: where it can arrive at all it does within a round trip, and
/// until it has, or the connection is reset, the routes count as the peer's.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// The TTL of iBGP sessions that are given none: so many hops the peer may be away.
const IBGP_HOPS: u8 = 64;

/// With what TTL packets set out where nobody chose one.
const USUAL_TTL: u8 = 64;

/// How often it is seen to that BFD runs while connections of the peer's wait for it: where we dial, we do so again.
const AIM_AGAIN: Duration = Duration::from_secs(1);

/// A peer's BFD session.
#[derive(Debug)]
pub(super) struct Bfd {
    handle: Handle,
    is_strict: bool,
    /// Where it was last aimed at.
    path: Option<Path>,
    /// Whether the path was good for [`STABLE_AFTER`] before it last failed, or never failed. One that comes and goes
    /// waits for the back-off like any other failure.
    is_steady: bool,
    /// What was last said of it.
    told: Status,
    /// What connections of the peer's wait for, as it was last said.
    said: Option<String>,
    /// While they wait: when it is aimed again.
    aim_at: Option<Instant>,
}

impl Bfd {
    pub(super) fn new(service: Option<&Service>, settings: &PeerSettings, now: Instant) -> Option<Self> {
        let wanted = settings.bfd?;
        let mut handle = service?.session(wanted, now);
        let told = handle.status();
        Some(Self { handle, is_strict: wanted.strict, path: None, is_steady: true, told, said: None, aim_at: None })
    }

    /// When BFD is to be aimed again.
    pub(super) const fn next_deadline(&self) -> Option<Instant> {
        self.aim_at
    }

    /// No connection waits for it.
    pub(super) const fn rest(&mut self) {
        self.aim_at = None;
    }

    /// Returns when there is something new; never, where there is no BFD. Cancel-safe.
    pub(super) async fn changed(bfd: &mut Option<Self>) {
        match bfd {
            Some(bfd) => bfd.handle.changed().await,
            None => std::future::pending().await,
        }
    }
}

impl Peer {
    /// The connection is made: BFD runs between its ends, and goes on there when it is lost.
    pub(super) fn aim_bfd(&mut self, local: SocketAddr, remote: SocketAddr) {
        let Some(bfd) = &mut self.bfd else { return };
        let scope = match local {
            SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => v6.scope_id(),
            SocketAddr::V4(_) | SocketAddr::V6(_) => 0,
        };
        let interface = match &self.settings.source {
            LocalEnd::Interface(name) => Some(name.clone()),
            LocalEnd::Any | LocalEnd::Address(_) => None,
        };
        let reach = reach(self.settings.hops, self.ibgp, || is_neighbour(remote.ip()));
        let path = Path { local: local.ip(), remote: remote.ip(), scope, interface, reach };
        if bfd.path.as_ref() != Some(&path) {
            bfd.handle.aim(path.clone());
            bfd.path = Some(path);
        }
    }

    /// Why BGP must wait for BFD, where it must: it is strict, and not Up. Sees to it that it runs, between the ends
    /// that a connection would have now: our address, the router's or the interface may be another than last time.
    pub(super) fn held_by_bfd(&mut self) -> Option<String> {
        self.bfd.as_ref().filter(|bfd| bfd.is_strict && !bfd.handle.is_up())?;
        match self.target.ends(&self.is_vip()) {
            Ok((local, remote)) => self.aim_bfd(local, remote),
            Err(error) => return Some(error.to_string()),
        }
        let told = &self.bfd.as_ref()?.told;
        let why = match (&told.trouble, told.last_cause) {
            (Some(trouble), _) => trouble.clone(),
            (None, Some(cause)) => cause.to_string(),
            (None, None) => "the peer is not heard".to_owned(),
        };
        Some(format!("BFD is {}, and strict: {why}", told.view.state))
    }

    /// Whether connections that the peer makes must wait for BFD. Where we never dial, nobody else says so, nor tries
    /// again what failed.
    pub(super) fn waits_for_bfd(&mut self, now: Instant) -> bool {
        let why = self.held_by_bfd();
        let Some(bfd) = &mut self.bfd else { return false };
        if self.settings.connect == Connect::Passive {
            bfd.aim_at = why.as_ref().map(|_| now + AIM_AGAIN);
            if let Some(reason) = why.as_ref().filter(|_| bfd.said != why) {
                let (peer, description) = (self.settings.key(), self.settings.description());
                tracing::warn!(%peer, description, reason, "no connection of the peer's is taken");
                self.wiring.report.update(|status| status.last_error = Some(reason.clone()));
            }
            bfd.said.clone_from(&why);
        }
        why.is_some()
    }

    /// BFD has something new.
    pub(super) fn hear_bfd(&mut self, now: Instant) {
        let Some(bfd) = &mut self.bfd else { return };
        let status = bfd.handle.status();
        let before = std::mem::replace(&mut bfd.told, status.clone());
        let has_failed = status.failures > before.failures;
        if has_failed {
            let was_up = before.view.state == bfd::State::Up;
            bfd.is_steady = was_up && status.since - before.since >= STABLE_AFTER;
        }
        let is_steady = bfd.is_steady;
        self.log_bfd(&before, &status, has_failed);
        let has_come_up = status.ups > before.ups && status.view.state == bfd::State::Up;
        self.wiring.report.update(|of_peer| of_peer.bfd = Some(status));
        if has_failed {
            self.fsm.tell(now, &Input::Reset(Reset::BfdDown));
            self.act(now);
            for side in Side::ALL {
                self.links[side].close_by(now + LAST_WORDS);
            }
        }
        // The wait was for a peer that could not be reached. It can be now.
        let waits = matches!(self.fsm.side(Side::Outgoing), State::Idle { retry_at: Some(_) });
        if has_come_up && is_steady && waits {
            self.fsm.handle(now, Side::Outgoing, Input::Start);
        }
    }

    fn log_bfd(&self, before: &Status, status: &Status, has_failed: bool) {
        let (peer, description) = (self.settings.key(), self.settings.description());
        let View { state, interval, detection_time, .. } = status.view;
        // A router that ends BFD with the session, when we leave, says Down: that is no failure of anything.
        if has_failed && self.stopping.is_none() {
            let cause = status.last_failure.map(|cause| cause.to_string());
            tracing::warn!(%peer, description, %state, cause, "BFD: the path to the peer failed");
        } else if state != before.view.state {
            let cause = status.last_cause.map(|cause| cause.to_string());
            tracing::info!(%peer, description, from = %before.view.state, to = %state, cause, "BFD state changed");
        }
        let figures = (interval, detection_time);
        if state == bfd::State::Up && figures != (before.view.interval, before.view.detection_time) {
            let milliseconds = |d: Option<Duration>| d.map(|d| d.as_secs_f64() * 1000.0);
            let (interval, detection) = (milliseconds(interval), milliseconds(detection_time));
            tracing::info!(%peer, description, interval, detection, "BFD: negotiated intervals, in milliseconds");
        }
        if let (Some(trouble), true) = (&status.trouble, status.trouble != before.trouble) {
            tracing::warn!(%peer, description, trouble, "BFD has no use of its sockets");
        }
        if let (Some(why), true) = (&status.ignored, status.ignored != before.ignored) {
            tracing::warn!(%peer, description, why, "BFD ignores packets from the peer's address");
        }
    }

    /// Says that the silence to come is meant; true when that was said, or there is no BFD.
    ///
    /// Only when the BGP session has ended: FRR 8.4 takes AdminDown for a failure (RFC 5882 §3.2 does not), and would
    /// end it with Cease 6/10 before it reads ours.
    pub(super) fn take_down_bfd(&self) -> bool {
        let Some(bfd) = self.bfd.as_ref().filter(|bfd| bfd.path.is_some()) else { return true };
        bfd.handle.take_down();
        bfd.handle.is_over()
    }
}

/// Single hop where the BGP session is (RFC 5881 §1); else RFC 5883 with a minimum TTL of its own: routers between us
/// take one each. RFC 5883 does not say with what TTL packets set out, and BIRD's have 64; only where the operator asks
/// for TTL security must it be 255.
fn reach(hops: Hops, ibgp: bool, is_on_link: impl Fn() -> bool) -> Reach {
    let least = |first: u8, hops: u8| Reach::Multihop(first.saturating_sub(hops.saturating_sub(1)).max(1));
    match hops {
        Hops::Multihop(ttl) => least(USUAL_TTL, ttl),
        Hops::Security(0 | 1) => Reach::Single,
        Hops::Security(hops) => least(u8::MAX, hops),
        Hops::Default if ibgp && !is_on_link() => least(USUAL_TTL, IBGP_HOPS),
        Hops::Default => Reach::Single,
    }
}

/// Whether the address is on a network of this node.
fn is_neighbour(address: IpAddr) -> bool {
    is_link_local(address) || is_on_our_link(address).is_ok_and(|is| is)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use tokio::sync::watch;

    use super::*;
    use crate::bgp::peer::status::Board;
    use crate::bgp::peer::{PeerStatus, Report, Wanted, Wiring};
    use crate::bgp::settings::{BfdSettings, Passwords, PeerHost};
    use crate::bgp::socket::Target;
    use crate::bgp::watchdog::Watchdog;
    use crate::bgp::{RouteSet, fsm};
    use crate::clock;

    /// A peer on the loopback whose BFD is strict, and that does not answer.
    fn strict(connect: Connect, source: LocalEnd) -> (Peer, Arc<Board>) {
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let interval = Duration::from_millis(300);
        let bfd = BfdSettings { tx: interval, rx: interval, multiplier: 3, strict: true };
        let settings =
            PeerSettings { bfd: Some(bfd), connect, ..PeerSettings::new(PeerHost::Address(host), 179, Some(65000)) };
        let key = settings.key();
        let board = Arc::new(watch::Sender::new([(key.clone(), PeerStatus::unknown(clock::now(), false))].into()));
        let wiring = Wiring {
            routes: watch::channel(RouteSet::new()).1,
            passwords: watch::channel(Passwords::new()).1,
            stop: watch::channel(None).1,
            wanted: watch::channel(Wanted { settings: settings.clone(), end: None }).1,
            marked: watch::channel(false).1,
            report: Report::new(board.clone(), key),
            watchdog: Watchdog::start().unwrap(),
            bfd: Some(Service::start().unwrap()),
            incoming: (connect != Connect::Active).then(|| tokio::sync::mpsc::channel(1).1),
            listener: None,
        };
        let machine = fsm::Config {
            local_as: 65001,
            router_id: Ipv4Addr::new(10, 0, 0, 1),
            peer_as: Some(65000),
            hold_time: 90,
            keepalive: Duration::from_secs(30),
            families: settings.families.clone(),
            require_families: false,
            extended_next_hop: false,
            seed: 1,
        };
        let target = Target { peer: SocketAddr::new(host, 179), password: None, ttl: 1, lowest_ttl: None, source };
        (Peer::new(machine, target, settings, wiring).unwrap(), board)
    }

    fn local(peer: &Peer) -> Option<IpAddr> {
        peer.bfd.as_ref()?.path.as_ref().map(|path| path.local)
    }

    #[tokio::test]
    async fn strict_bfd_runs_where_bgp_would_now() {
        let [one, two] = [2, 3].map(|n| IpAddr::V4(Ipv4Addr::new(127, 0, 0, n)));
        let (mut peer, _) = strict(Connect::Active, LocalEnd::Address(one));
        assert_eq!(local(&peer), None);
        let waits = Some("BFD is Down, and strict: the peer is not heard".to_owned());
        assert_eq!((peer.held_by_bfd(), local(&peer)), (waits.clone(), Some(one)));
        peer.target.source = LocalEnd::Address(two);
        assert_eq!((peer.held_by_bfd(), local(&peer)), (waits, Some(two)));
    }

    #[tokio::test]
    async fn strict_bfd_of_a_peer_that_only_dials_us_is_tried_again_and_said() {
        let [vip, own] = [2, 3].map(|n| IpAddr::V4(Ipv4Addr::new(127, 0, 0, n)));
        let (mut peer, board) = strict(Connect::Passive, LocalEnd::Address(vip));
        peer.settings.avoid_source.push(vip);
        let key = peer.settings.key();
        peer.fsm.tell(clock::now(), &Input::Start);
        peer.turn();
        assert_eq!(peer.next_deadline(), None);
        let no_end = format!(
            "source address {vip} for peer {key} is a VIP: it moves away with the lease; name an address of this node"
        );
        let unheard = "BFD is Down, and strict: the peer is not heard".to_owned();
        for (source, path, why) in [(vip, None, no_end), (own, Some(own), unheard)] {
            peer.target.source = LocalEnd::Address(source);
            let now = clock::now();
            assert!(!peer.admits(now));
            assert_eq!(peer.next_deadline(), Some(now + AIM_AGAIN));
            assert_eq!((local(&peer), &board.borrow()[&key].last_error), (path, &Some(why)));
        }
        // Nothing waits any more.
        peer.take_order(false);
        assert!(!peer.admits(clock::now()));
        assert_eq!(peer.bfd.as_ref().unwrap().next_deadline(), None);
    }

    #[test]
    fn bfd_is_multihop_where_bgp_is() {
        let reach = |hops, ibgp, on_link| reach(hops, ibgp, || on_link);
        assert_eq!(reach(Hops::Default, false, false), Reach::Single);
        assert_eq!(reach(Hops::Default, true, true), Reach::Single);
        assert_eq!(reach(Hops::Default, true, false), Reach::Multihop(1));
        assert_eq!(reach(Hops::Security(1), false, true), Reach::Single);
        assert_eq!(reach(Hops::Security(2), false, true), Reach::Multihop(254));
        assert_eq!(reach(Hops::Multihop(50), false, true), Reach::Multihop(15));
        assert_eq!(reach(Hops::Multihop(3), false, true), Reach::Multihop(62));
        assert_eq!(reach(Hops::Multihop(255), true, true), Reach::Multihop(1));
    }
}
