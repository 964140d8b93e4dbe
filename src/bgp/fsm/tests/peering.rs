//! Two connections with one peer: every pair of states a second OPEN can meet, and who is admitted when.

use super::*;
use crate::bgp::settings::Connect;
use Side::Incoming;
use StateName::{Active, Established, Idle, OpenConfirm, OpenSent};

fn cease() -> Notification {
    Notification::plain(error::CEASE_COLLISION)
}

fn open_of(id: Ipv4Addr) -> Input {
    Input::Received(Message::Open(Open { id, ..peer_open() }))
}

/// A lower Identifier than ours.
const LOWER: Ipv4Addr = Ipv4Addr::new(9, 255, 255, 255);

fn taken(peering: &mut Peering) -> Vec<(Side, Action)> {
    std::iter::from_fn(|| peering.poll_action()).collect()
}

/// Leads one side of a started peering to a state, with a peer of this Identifier.
fn lead(peering: &mut Peering, side: Side, state: StateName, id: Ipv4Addr) {
    let way =
        [(OpenSent, Input::Connected), (OpenConfirm, open_of(id)), (Established, Input::Received(Message::Keepalive))];
    for (reached, input) in way {
        if state >= reached {
            peering.handle(T0, side, input);
            assert_eq!(peering.side(side).name(), reached);
        }
    }
}

fn started(connect: Connect) -> Peering {
    let mut peering = Peering::new(config(), connect);
    peering.tell(T0, &Input::Start);
    taken(&mut peering);
    peering
}

/// One side in OpenSent when the OPEN comes there, the other in this state.
fn meeting(side: Side, other: StateName, id: Ipv4Addr) -> (BySide<StateName>, Vec<(Side, Notification)>) {
    let mut peering = started(Connect::Both);
    if other == Idle {
        peering.handle(T0, side.other(), Input::Down("refused".into()));
    }
    // We dial nobody whose OPEN we have; the peer may.
    let order = if side == Incoming {
        [(side.other(), other), (side, OpenSent)]
    } else {
        [(side, OpenSent), (side.other(), other)]
    };
    for (side, state) in order {
        lead(&mut peering, side, state, id);
    }
    assert_eq!((peering.side(side).name(), peering.side(side.other()).name()), (OpenSent, other));
    taken(&mut peering);
    peering.handle(T0, side, open_of(id));
    let told = taken(&mut peering).into_iter().filter_map(|(side, action)| match action {
        Action::Send(Outgoing::Notification(notification)) => Some((side, notification)),
        _ => None,
    });
    let told = told.collect();
    let states = BySide { outgoing: peering.side(Side::Outgoing).name(), incoming: peering.side(Incoming).name() };
    (states, told)
}

#[test]
fn an_open_meets_every_state_of_the_other_connection() {
    use StateName::Connect;
    let both = |outgoing, incoming| BySide { outgoing, incoming };
    let ceases = |side| vec![(side, cease())];
    // (the OPEN comes on, the other's state, the peer's Identifier) -> (both states, who is told Cease 6/7).
    let table = [
        (Incoming, Idle, PEER_ID, both(Idle, OpenConfirm), vec![]),
        (Incoming, Idle, LOWER, both(Idle, OpenConfirm), vec![]),
        (Incoming, Connect, PEER_ID, both(Idle, OpenConfirm), vec![]),
        (Incoming, Connect, LOWER, both(Idle, OpenConfirm), vec![]),
        (Incoming, OpenSent, PEER_ID, both(Idle, OpenConfirm), ceases(Side::Outgoing)),
        (Incoming, OpenSent, LOWER, both(OpenSent, OpenConfirm), vec![]),
        (Incoming, OpenConfirm, PEER_ID, both(Idle, OpenConfirm), ceases(Side::Outgoing)),
        (Incoming, OpenConfirm, LOWER, both(OpenConfirm, Active), ceases(Incoming)),
        // The peer may have decided for it before the session came up.
        (Incoming, Established, PEER_ID, both(Established, OpenConfirm), vec![]),
        (Incoming, Established, LOWER, both(Established, Active), ceases(Incoming)),
        (Side::Outgoing, Active, PEER_ID, both(OpenConfirm, Active), vec![]),
        (Side::Outgoing, Active, LOWER, both(OpenConfirm, Active), vec![]),
        (Side::Outgoing, OpenSent, PEER_ID, both(OpenConfirm, OpenSent), vec![]),
        (Side::Outgoing, OpenSent, LOWER, both(OpenConfirm, Active), ceases(Incoming)),
        // With a higher Identifier there is no outgoing one any more: see the third to the fifth row.
        (Side::Outgoing, OpenConfirm, LOWER, both(OpenConfirm, Active), ceases(Incoming)),
        (Side::Outgoing, Established, LOWER, both(OpenConfirm, Established), vec![]),
    ];
    for (side, other, id, states, told) in table {
        assert_eq!(meeting(side, other, id), (states, told), "OPEN of {id} {side}, the other in {other}");
    }
}

/// A session on the connection that should go, while the peer's OPEN on the one that should stay was under way.
fn in_doubt() -> Peering {
    let mut peering = started(Connect::Both);
    lead(&mut peering, Incoming, OpenSent, PEER_ID);
    lead(&mut peering, Side::Outgoing, Established, PEER_ID);
    peering.handle(T0, Incoming, open_of(PEER_ID));
    assert_eq!((peering.side(Side::Outgoing).name(), peering.side(Incoming).name()), (Established, OpenConfirm));
    taken(&mut peering);
    peering
}

#[test]
fn where_decisions_may_have_crossed_the_peers_counts() {
    let up = Input::Received(Message::Keepalive);
    let mut chose_incoming = in_doubt();
    chose_incoming.handle(T0, Incoming, up);
    assert_eq!(
        taken(&mut chose_incoming)[..2],
        [(Side::Outgoing, send_notification(cease())), (Side::Outgoing, Action::Close(Close::Deliver))]
    );
    assert_eq!((chose_incoming.side(Side::Outgoing).name(), chose_incoming.side(Incoming).name()), (Idle, Established));
    let mut chose_outgoing = in_doubt();
    chose_outgoing.handle(T0, Incoming, Input::Received(Message::Notification(cease())));
    assert_eq!((chose_outgoing.side(Side::Outgoing).name(), chose_outgoing.side(Incoming).name()), (Established, Idle));
}

#[test]
fn between_equal_identifiers_the_higher_as_decides() {
    // RFC 6286 §2.3. We are AS 65001.
    for (asn, kept) in [(65000, Side::Outgoing), (65002, Incoming)] {
        let mut peering = Peering::new(Config { peer_as: Some(asn), ..config() }, Connect::Both);
        peering.tell(T0, &Input::Start);
        for side in Side::ALL {
            peering.handle(T0, side, Input::Connected);
        }
        for side in [kept.other(), kept] {
            let open = Open { asn, id: OUR_ID, ..peer_open() };
            peering.handle(T0, side, Input::Received(Message::Open(open)));
        }
        assert_eq!(peering.side(kept).name(), OpenConfirm, "AS {asn}");
        assert!(peering.side(kept.other()).name() < OpenSent, "AS {asn}");
    }
}

#[test]
fn an_open_that_is_refused_costs_the_other_connection_nothing() {
    let mut peering = started(Connect::Both);
    for side in Side::ALL {
        lead(&mut peering, side, OpenSent, PEER_ID);
    }
    taken(&mut peering);
    peering.handle(T0, Incoming, Input::Received(Message::Open(Open { asn: 65099, ..peer_open() })));
    let bad_as = Notification::plain(error::BAD_PEER_AS);
    assert_eq!(
        taken(&mut peering),
        [
            (Incoming, send_notification(bad_as.clone())),
            (Incoming, Action::Close(Close::Deliver)),
            (Incoming, changed(OpenSent, Idle, Reason::Sent(bad_as))),
        ]
    );
    assert_eq!(peering.side(Side::Outgoing).name(), OpenSent);
}

#[test]
fn who_is_admitted() {
    let refused = || Admission::Refuse(cease());
    let admission = |side, state| {
        let mut peering = started(Connect::Both);
        lead(&mut peering, side, state, PEER_ID);
        peering.admission()
    };
    // Two that are being made may collide; one that is made twice waits for the end of the first.
    assert_eq!(admission(Side::Outgoing, OpenSent), Admission::Take);
    assert_eq!(admission(Side::Outgoing, OpenConfirm), Admission::Take);
    assert_eq!(admission(Side::Outgoing, Established), refused());
    assert_eq!(admission(Incoming, Active), Admission::Take);
    assert_eq!(admission(Incoming, OpenSent), Admission::Wait);
    assert_eq!(admission(Incoming, OpenConfirm), Admission::Wait);
    assert_eq!(admission(Incoming, Established), refused());
    // A failure makes the peer wait as long as we would.
    let mut peering = started(Connect::Passive);
    lead(&mut peering, Incoming, OpenSent, PEER_ID);
    peering.handle(T0, Incoming, Input::Down("gone".into()));
    assert_eq!(peering.admission(), Admission::Wait);
    peering.handle_timeout(peering.next_deadline().unwrap());
    assert_eq!(peering.admission(), Admission::Take);
    // Without a machine for it nobody is.
    assert_eq!(started(Connect::Active).admission(), Admission::Wait);
}

#[test]
fn each_mode_begins_what_it_may() {
    let began = |connect| {
        let mut peering = Peering::new(config(), connect);
        peering.tell(T0, &Input::Start);
        taken(&mut peering)
    };
    let dials = [(Side::Outgoing, Action::Dial), (Side::Outgoing, changed(Idle, StateName::Connect, Reason::Started))];
    let listens = [(Incoming, changed(Idle, Active, Reason::Started))];
    assert_eq!(began(Connect::Active), dials);
    assert_eq!(began(Connect::Passive), listens);
    assert_eq!(began(Connect::Both), [dials.to_vec(), listens.to_vec()].concat());
}

#[test]
fn no_attempt_is_made_while_the_peer_has_a_connection() {
    let mut peering = started(Connect::Both);
    peering.handle(T0, Side::Outgoing, Input::Down("refused".into()));
    lead(&mut peering, Incoming, Established, PEER_ID);
    taken(&mut peering);
    for _ in 0..100 {
        let at = peering.next_deadline().unwrap();
        peering.handle(at, Incoming, Input::Received(Message::Keepalive));
        peering.handle_timeout(at);
        assert_eq!(peering.side(Side::Outgoing).name(), Idle);
    }
    let now = peering.next_deadline().unwrap();
    taken(&mut peering);
    peering.handle(now, Incoming, Input::Down("gone".into()));
    // The attempt that was held back.
    assert_eq!(
        taken(&mut peering),
        [
            (Incoming, Action::Close(Close::Drop)),
            (Incoming, changed(Established, Idle, Reason::Down("gone".into()))),
            (Side::Outgoing, Action::Dial),
            (Side::Outgoing, changed(Idle, StateName::Connect, Reason::RetryDue)),
        ]
    );
    assert!(peering.next_deadline().unwrap() > now);
}

#[test]
fn a_start_while_the_peer_has_a_connection_makes_no_attempt() {
    let mut peering = started(Connect::Both);
    peering.handle(T0, Side::Outgoing, Input::Down("refused".into()));
    lead(&mut peering, Incoming, Established, PEER_ID);
    taken(&mut peering);
    peering.handle(T0, Side::Outgoing, Input::Start);
    assert_eq!((taken(&mut peering), peering.side(Side::Outgoing).name()), (vec![], Idle));
}

#[test]
fn a_stable_session_of_one_side_resets_the_back_off_of_both() {
    let mut peering = started(Connect::Both);
    let mut now = T0;
    for _ in 0..6 {
        peering.handle(now, Side::Outgoing, Input::Down("refused".into()));
        now = peering.next_deadline().unwrap();
        peering.handle_timeout(now);
    }
    peering.handle(now, Incoming, Input::Connected);
    peering.handle(now, Incoming, Input::Received(Message::Open(peer_open())));
    peering.handle(now, Incoming, Input::Received(Message::Keepalive));
    now = now + STABLE_AFTER;
    peering.handle(now, Incoming, Input::Received(Message::Notification(peer_cease())));
    assert_eq!(peering.side(Side::Outgoing).name(), StateName::Connect, "it was due long ago");
    peering.handle(now, Side::Outgoing, Input::Down("refused".into()));
    let State::Idle { retry_at: Some(at) } = *peering.side(Side::Outgoing) else { panic!("not waiting") };
    assert!(at - now <= Duration::from_millis(250), "{:?}", at - now);
}

#[test]
fn orders_are_for_both() {
    let mut peering = started(Connect::Both);
    for side in Side::ALL {
        lead(&mut peering, side, OpenSent, PEER_ID);
    }
    assert!(!peering.is_stopped());
    taken(&mut peering);
    peering.tell(T0, &Input::Stop(Notification::administrative_shutdown("")));
    let ends = |side| {
        let cease = Notification::administrative_shutdown("");
        [
            (side, send_notification(cease.clone())),
            (side, Action::Close(Close::Deliver)),
            (side, changed(OpenSent, Idle, Reason::Sent(cease))),
        ]
    };
    assert_eq!(taken(&mut peering), [ends(Side::Outgoing), ends(Incoming)].concat());
    assert!(peering.is_stopped());
    assert_eq!(peering.next_deadline(), None);
}
