//! Every (state, input) pair by whole transcripts, timers to the nanosecond, two machines on a virtual clock, and
//! random operations with invariants.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;
use crate::wire::bgp::{Capability, Open, Outcome, ReceivedUpdate, error};

mod pair;
mod peering;
mod random;
mod table;
mod timers;

const T0: Instant = Instant::from_boot(Duration::from_secs(1000));
const OUR_ID: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PEER_ID: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);
const HOLD: Duration = Duration::from_secs(9);

fn after(d: Duration) -> Instant {
    T0 + d
}

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn both() -> BTreeSet<Family> {
    [Family::Ipv4Unicast, Family::Ipv6Unicast].into()
}

fn config() -> Config {
    Config {
        local_as: 65001,
        router_id: OUR_ID,
        peer_as: Some(65000),
        hold_time: 9,
        keepalive: secs(3),
        families: both(),
        require_families: false,
        extended_next_hop: false,
        seed: 1,
    }
}

fn our_open() -> Open {
    let capabilities = vec![
        Capability::Multiprotocol(Family::Ipv4Unicast),
        Capability::Multiprotocol(Family::Ipv6Unicast),
        Capability::RouteRefresh,
        Capability::FourOctetAs(65001),
    ];
    Open { asn: 65001, hold_time: 9, id: OUR_ID, capabilities }
}

fn peer_open() -> Open {
    let capabilities =
        vec![Capability::Multiprotocol(Family::Ipv4Unicast), Capability::RouteRefresh, Capability::FourOctetAs(65000)];
    Open { asn: 65000, hold_time: 90, id: PEER_ID, capabilities }
}

/// What [`our_open`] and [`peer_open`] amount to.
fn negotiated() -> Negotiated {
    Negotiated {
        hold_time: Some(HOLD),
        keepalive: Some(secs(3)),
        families: [Family::Ipv4Unicast].into(),
        extended_next_hop: false,
        route_refresh: true,
        peer_id: PEER_ID,
        session: Session { four_octet_as: true, ibgp: false },
    }
}

fn update() -> Message {
    Message::Update(ReceivedUpdate { announced: 1, withdrawn: 0, outcome: Outcome::Accepted })
}

fn peer_cease() -> Notification {
    Notification::administrative_shutdown("bye")
}

fn actions(fsm: &mut Fsm) -> Vec<Action> {
    std::iter::from_fn(|| fsm.poll_action()).collect()
}

fn changed(from: StateName, to: StateName, reason: Reason) -> Action {
    Action::Changed { from, to, reason }
}

fn send_notification(notification: Notification) -> Action {
    Action::Send(Outgoing::Notification(notification))
}

/// A machine driven into a state by the shortest way, all at T0, its actions taken.
fn in_state(config: Config, state: StateName) -> Fsm {
    on_side(config, if state == StateName::Active { Side::Incoming } else { Side::Outgoing }, state)
}

/// As [`in_state`], on either side.
fn on_side(config: Config, side: Side, state: StateName) -> Fsm {
    let mut fsm = Fsm::new(config, side);
    let begun = if side == Side::Outgoing { StateName::Connect } else { StateName::Active };
    let way = [
        (begun, Input::Start),
        (StateName::OpenSent, Input::Connected),
        (StateName::OpenConfirm, Input::Received(Message::Open(peer_open()))),
        (StateName::Established, Input::Received(Message::Keepalive)),
    ];
    for (reached, input) in way {
        if fsm.state().name() == state {
            break;
        }
        fsm.handle(T0, input);
        assert_eq!(fsm.state().name(), reached);
    }
    actions(&mut fsm);
    fsm
}
