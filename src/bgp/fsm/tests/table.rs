//! All six states times all inputs.

use super::*;
use StateName::{Active, Connect, Established, Idle, OpenConfirm, OpenSent};

/// The time of the input: later than T0, so that a timer that moved shows.
const LATER: Duration = Duration::from_secs(2);

/// The inputs, in the order of the tables below.
fn inputs() -> Vec<(&'static str, Input)> {
    vec![
        ("start", Input::Start),
        ("shutdown", Input::Stop(shutdown())),
        ("bfd down", Input::Reset(Reset::BfdDown)),
        ("config change", Input::Reset(Reset::ConfigChange)),
        ("yield", Input::Yield),
        ("connected", Input::Connected),
        ("down", Input::Down("refused".into())),
        ("open", Input::Received(Message::Open(peer_open()))),
        ("update", Input::Received(update())),
        ("notification", Input::Received(Message::Notification(peer_cease()))),
        ("keepalive", Input::Received(Message::Keepalive)),
        ("refresh v4", Input::Received(Message::RouteRefresh(Some(Family::Ipv4Unicast)))),
        ("refresh v6", Input::Received(Message::RouteRefresh(Some(Family::Ipv6Unicast)))),
        ("refresh other", Input::Received(Message::RouteRefresh(None))),
        ("malformed", Input::Malformed(malformed())),
        ("blocked", Input::Blocked),
        ("unblocked", Input::Unblocked),
    ]
}

fn malformed() -> Notification {
    Notification::with_data(error::BAD_MESSAGE_TYPE, vec![9])
}

/// What every input does in a state: the state after it and all actions; `None` is nothing at all.
type Effect = Option<(State, Vec<Action>)>;

fn check(state: StateName, effects: Vec<(&'static str, Effect)>) {
    let inputs = inputs();
    assert_eq!(
        effects.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        inputs.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        "the table must have every input"
    );
    for ((name, input), (_, effect)) in inputs.into_iter().zip(effects) {
        let mut fsm = in_state(config(), state);
        let before = fsm.state().clone();
        fsm.handle(after(LATER), input);
        let expected = effect.unwrap_or((before, Vec::new()));
        assert_eq!((fsm.state().clone(), actions(&mut fsm)), expected, "{state} with {name}");
    }
}

/// Idle after a failure at LATER: the first back-off, jittered by what the seed gives after the draws before it.
fn retry(draws: usize) -> State {
    let mut jitter = Jitter::new(config().seed);
    for _ in 0..draws {
        jitter.of(secs(1));
    }
    State::Idle { retry_at: Some(after(LATER) + jitter.of(Duration::from_millis(250))) }
}

const STOPPED: State = State::Idle { retry_at: None };

/// A session ended by us in good order.
fn ceased(from: StateName, cease: Notification) -> Effect {
    let reason = Reason::Sent(cease.clone());
    Some((STOPPED, vec![send_notification(cease), Action::Close(Close::Deliver), changed(from, Idle, reason)]))
}

/// A session ended by us because of an error.
fn refused(from: StateName, draws: usize, notification: Notification) -> Effect {
    let reason = Reason::Sent(notification.clone());
    let actions = vec![send_notification(notification), Action::Close(Close::Deliver), changed(from, Idle, reason)];
    Some((retry(draws), actions))
}

/// A session that ended without a word from us.
fn dropped(from: StateName, draws: usize, reason: Reason) -> Effect {
    Some((retry(draws), vec![Action::Close(Close::Drop), changed(from, Idle, reason)]))
}

/// A session ended by us in good order, to be made again at once.
fn redialled(from: StateName) -> Effect {
    let cease = Notification::plain((6, 6));
    let actions = vec![
        send_notification(cease.clone()),
        Action::Close(Close::Deliver),
        changed(from, Idle, Reason::Sent(cease)),
        Action::Dial,
        changed(Idle, Connect, Reason::RetryDue),
    ];
    Some((State::Connect { deadline: after(LATER) + CONNECT_TIMEOUT }, actions))
}

/// Idle after a yield at LATER: nothing failed, so the wait is the first one and the back-off stays.
fn paused(draws: usize) -> State {
    retry(draws)
}

/// A connection that ends because the peer's other one is kept.
fn gives_way(from: StateName, draws: usize) -> Effect {
    let cease = Notification::plain((6, 7));
    let reason = Reason::Sent(cease.clone());
    let actions = vec![send_notification(cease), Action::Close(Close::Deliver), changed(from, Idle, reason)];
    Some((paused(draws), actions))
}

fn shutdown() -> Notification {
    Notification::administrative_shutdown("maintenance")
}

#[test]
fn idle() {
    let dial = vec![Action::Dial, changed(Idle, Connect, Reason::Started)];
    let effects = inputs().into_iter().map(|(name, _)| {
        let started = (State::Connect { deadline: after(LATER) + CONNECT_TIMEOUT }, dial.clone());
        (name, (name == "start").then_some(started))
    });
    check(Idle, effects.collect());
}

#[test]
fn active() {
    let stopped = Some((STOPPED, vec![changed(Active, Idle, Reason::Stopped)]));
    let opened = (
        State::OpenSent { hold: after(LATER) + OPEN_TIMEOUT },
        vec![Action::Send(Outgoing::Open(our_open())), changed(Active, OpenSent, Reason::Connected)],
    );
    let effects = inputs().into_iter().map(|(name, _)| {
        let effect = match name {
            "shutdown" => stopped.clone(),
            "connected" => Some(opened.clone()),
            _ => None,
        };
        (name, effect)
    });
    check(Active, effects.collect());
}

/// Who made the connection matters only where the next one is begun.
#[test]
fn incoming() {
    for state in [Idle, OpenSent, OpenConfirm, Established] {
        for (name, input) in inputs() {
            let effect = |side| {
                let mut fsm = on_side(config(), side, state);
                fsm.handle(after(LATER), input.clone());
                (fsm.state().clone(), actions(&mut fsm))
            };
            let (mut next, mut told) = effect(Side::Outgoing);
            match (state, name) {
                (Idle, "start") => (next, told) = (State::Active, vec![changed(Idle, Active, Reason::Started)]),
                (OpenSent | OpenConfirm | Established, "config change") => {
                    next = State::Active;
                    told.truncate(3);
                    told.push(changed(Idle, Active, Reason::RetryDue));
                }
                (OpenSent | OpenConfirm | Established, "yield") => {
                    next = State::Active;
                    told.pop();
                    told.push(changed(state, Active, Reason::Sent(Notification::plain((6, 7)))));
                }
                _ => {}
            }
            assert_eq!(effect(Side::Incoming), (next, told), "{state} with {name}");
        }
    }
}

#[test]
fn connect() {
    let stopped = Some((STOPPED, vec![Action::Close(Close::Drop), changed(Connect, Idle, Reason::Stopped)]));
    let changed_config = Some((
        State::Connect { deadline: after(LATER) + CONNECT_TIMEOUT },
        vec![
            Action::Close(Close::Drop),
            changed(Connect, Idle, Reason::ConfigChanged),
            Action::Dial,
            changed(Idle, Connect, Reason::RetryDue),
        ],
    ));
    let opened = (
        State::OpenSent { hold: after(LATER) + OPEN_TIMEOUT },
        vec![Action::Send(Outgoing::Open(our_open())), changed(Connect, OpenSent, Reason::Connected)],
    );
    check(
        Connect,
        vec![
            ("start", None),
            ("shutdown", stopped),
            ("bfd down", None),
            ("config change", changed_config),
            ("yield", Some((paused(0), vec![Action::Close(Close::Drop), changed(Connect, Idle, Reason::Yielded)]))),
            ("connected", Some(opened)),
            ("down", dropped(Connect, 0, Reason::Down("refused".into()))),
            ("open", None),
            ("update", None),
            ("notification", None),
            ("keepalive", None),
            ("refresh v4", None),
            ("refresh v6", None),
            ("refresh other", None),
            ("malformed", None),
            ("blocked", None),
            ("unblocked", None),
        ],
    );
}

#[test]
fn open_sent() {
    let unexpected = |kind| refused(OpenSent, 0, Notification { code: 5, subcode: 1, data: vec![kind] });
    let mut jitter = Jitter::new(config().seed);
    let confirm = State::OpenConfirm {
        negotiated: negotiated(),
        timers: Timers {
            hold: Some(after(LATER) + HOLD),
            keepalive: Some(after(LATER) + jitter.of(secs(3))),
            send: None,
        },
    };
    let confirmed = vec![Action::Send(Outgoing::Keepalive), changed(OpenSent, OpenConfirm, Reason::OpenReceived)];
    check(
        OpenSent,
        vec![
            ("start", None),
            ("shutdown", ceased(OpenSent, shutdown())),
            ("bfd down", refused(OpenSent, 0, Notification::plain((6, 10)))),
            ("config change", redialled(OpenSent)),
            ("yield", gives_way(OpenSent, 0)),
            ("connected", None),
            ("down", dropped(OpenSent, 0, Reason::Down("refused".into()))),
            ("open", Some((confirm, confirmed))),
            ("update", unexpected(2)),
            ("notification", dropped(OpenSent, 0, Reason::Received(peer_cease()))),
            ("keepalive", unexpected(4)),
            ("refresh v4", unexpected(5)),
            ("refresh v6", unexpected(5)),
            ("refresh other", unexpected(5)),
            ("malformed", refused(OpenSent, 0, malformed())),
            ("blocked", None),
            ("unblocked", None),
        ],
    );
}

/// The timers of a session that came to this state at T0.
fn timers() -> Timers {
    let mut jitter = Jitter::new(config().seed);
    Timers { hold: Some(after(HOLD)), keepalive: Some(after(jitter.of(secs(3)))), send: None }
}

#[test]
fn open_confirm() {
    let unexpected = |kind| refused(OpenConfirm, 1, Notification { code: 5, subcode: 2, data: vec![kind] });
    let heard = Timers { hold: Some(after(LATER) + HOLD), ..timers() };
    let up = State::Established { negotiated: negotiated(), timers: heard, since: after(LATER) };
    let came_up = vec![Action::Up(negotiated()), changed(OpenConfirm, Established, Reason::KeepaliveReceived)];
    let blocked = Timers { send: Some(after(LATER) + HOLD), ..timers() };
    check(
        OpenConfirm,
        vec![
            ("start", None),
            ("shutdown", ceased(OpenConfirm, shutdown())),
            ("bfd down", refused(OpenConfirm, 1, Notification::plain((6, 10)))),
            ("config change", redialled(OpenConfirm)),
            ("yield", gives_way(OpenConfirm, 1)),
            ("connected", None),
            ("down", dropped(OpenConfirm, 1, Reason::Down("refused".into()))),
            ("open", unexpected(1)),
            ("update", unexpected(2)),
            ("notification", dropped(OpenConfirm, 1, Reason::Received(peer_cease()))),
            ("keepalive", Some((up, came_up))),
            ("refresh v4", unexpected(5)),
            ("refresh v6", unexpected(5)),
            ("refresh other", unexpected(5)),
            ("malformed", refused(OpenConfirm, 1, malformed())),
            ("blocked", Some((State::OpenConfirm { negotiated: negotiated(), timers: blocked }, vec![]))),
            ("unblocked", None),
        ],
    );
}

#[test]
fn established() {
    let with = |timers| State::Established { negotiated: negotiated(), timers, since: T0 };
    let heard = || with(Timers { hold: Some(after(LATER) + HOLD), ..timers() });
    let blocked = with(Timers { send: Some(after(LATER) + HOLD), ..timers() });
    check(
        Established,
        vec![
            ("start", None),
            ("shutdown", ceased(Established, shutdown())),
            ("bfd down", refused(Established, 1, Notification::plain((6, 10)))),
            ("config change", redialled(Established)),
            ("yield", gives_way(Established, 1)),
            ("connected", None),
            ("down", dropped(Established, 1, Reason::Down("refused".into()))),
            ("open", refused(Established, 1, Notification { code: 5, subcode: 3, data: vec![1] })),
            ("update", Some((heard(), vec![]))),
            ("notification", dropped(Established, 1, Reason::Received(peer_cease()))),
            ("keepalive", Some((heard(), vec![]))),
            ("refresh v4", Some((heard(), vec![Action::Resend(Family::Ipv4Unicast)]))),
            ("refresh v6", Some((heard(), vec![]))),
            ("refresh other", Some((heard(), vec![]))),
            ("malformed", refused(Established, 1, malformed())),
            ("blocked", Some((blocked, vec![]))),
            ("unblocked", None),
        ],
    );
}

#[test]
fn a_type_is_refused_where_a_message_of_it_is() {
    let messages = inputs().into_iter().filter_map(|(_, input)| match input {
        Input::Received(message) => Some(message),
        _ => None,
    });
    for message in messages {
        for state in [Idle, Active, Connect, OpenSent, OpenConfirm, Established] {
            let mut fsm = in_state(config(), state);
            fsm.handle(T0, Input::Received(message.clone()));
            let told = actions(&mut fsm).into_iter().find_map(|action| match action {
                Action::Send(Outgoing::Notification(notification)) => Some(notification),
                _ => None,
            });
            assert_eq!(state.refusal(message.kind()), told, "{state} with {message:?}");
        }
    }
}

#[test]
fn opens_that_are_refused() {
    let refusal = |config: Config, open: Open| {
        let mut fsm = in_state(config, OpenSent);
        fsm.handle(T0, Input::Received(Message::Open(open)));
        match actions(&mut fsm).into_iter().next() {
            Some(Action::Send(Outgoing::Notification(notification))) => Some((notification.code, notification.subcode)),
            _ => None,
        }
    };
    let ibgp = || Config { peer_as: Some(65001), ..config() };
    assert_eq!(refusal(config(), Open { asn: 65002, ..peer_open() }), Some((2, 2)));
    assert_eq!(refusal(config(), Open { asn: 23456, ..peer_open() }), Some((2, 2)));
    assert_eq!(refusal(config(), Open { id: Ipv4Addr::UNSPECIFIED, ..peer_open() }), Some((2, 3)));
    assert_eq!(refusal(ibgp(), Open { asn: 65001, id: OUR_ID, ..peer_open() }), Some((2, 3)));
    assert_eq!(refusal(ibgp(), Open { asn: 65001, ..peer_open() }), None);
    // RFC 6286 §2.2: between ASes the same Identifier is no error.
    assert_eq!(refusal(config(), Open { id: OUR_ID, ..peer_open() }), None);
    assert_eq!(refusal(config(), Open { hold_time: 1, ..peer_open() }), Some((2, 6)));
    assert_eq!(refusal(config(), Open { hold_time: 2, ..peer_open() }), Some((2, 6)));
    assert_eq!(refusal(config(), Open { hold_time: 3, ..peer_open() }), None);
}

#[test]
fn what_opens_amount_to() {
    let negotiate = |config: Config, open: Open| config.negotiate(&open);
    assert_eq!(negotiate(config(), peer_open()), Ok(negotiated()));
    let bare = Open { capabilities: vec![], ..peer_open() };
    let plain = Negotiated { route_refresh: false, session: Session::default(), ..negotiated() };
    // RFC 4760 §8: no multiprotocol capability is IPv4 unicast.
    assert_eq!(negotiate(config(), bare.clone()), Ok(plain.clone()));
    // One for a family that we do not carry is not.
    let vpn = Open { capabilities: vec![Capability::Other { code: 1, value: vec![0, 1, 0, 128] }], ..peer_open() };
    assert_eq!(negotiate(config(), vpn), Ok(Negotiated { families: BTreeSet::new(), ..plain.clone() }));
    // Hold time 0 on either side: no timers.
    let none = Negotiated { hold_time: None, keepalive: None, ..plain.clone() };
    assert_eq!(negotiate(config(), Open { hold_time: 0, ..bare.clone() }), Ok(none.clone()));
    assert_eq!(negotiate(Config { hold_time: 0, ..config() }, bare.clone()), Ok(none));
    // The configured interval, where it is less than a third of the hold time.
    let often = Negotiated { keepalive: Some(secs(2)), ..negotiated() };
    assert_eq!(negotiate(Config { keepalive: secs(2), ..config() }, peer_open()), Ok(often));
    // The shorter hold time, and a third of it.
    let three = Negotiated { hold_time: Some(secs(3)), keepalive: Some(secs(1)), ..plain };
    assert_eq!(negotiate(config(), Open { hold_time: 3, ..bare }), Ok(three));
}

#[test]
fn ipv6_next_hops_of_ipv4_routes_need_both_sides() {
    let offering = |families: BTreeSet<Family>| Config { extended_next_hop: true, families, ..config() };
    let offer =
        Open { capabilities: [peer_open().capabilities, vec![Capability::ExtendedNextHop]].concat(), ..peer_open() };
    let agreed = |config: Config, open: &Open| config.negotiate(open).map(|negotiated| negotiated.extended_next_hop);
    assert_eq!(agreed(offering(both()), &offer), Ok(true));
    assert_eq!(agreed(offering(both()), &peer_open()), Ok(false));
    assert_eq!(agreed(config(), &offer), Ok(false));
    assert_eq!(agreed(offering([Family::Ipv6Unicast].into()), &offer), Ok(false));
    let ours = [our_open().capabilities, vec![Capability::ExtendedNextHop]].concat();
    assert_eq!(offering(both()).open(), Open { capabilities: ours, ..our_open() });
}

/// RFC 5492 §5: 2/7 with the capability, but only where the operator asked for it.
#[test]
fn a_peer_without_a_required_family_is_refused_with_the_capability_that_it_lacks() {
    let config = Config { require_families: true, ..config() };
    let six = vec![0x01, 0x04, 0x00, 0x02, 0x00, 0x01];
    assert_eq!(config.negotiate(&peer_open()), Err(Notification { code: 2, subcode: 7, data: six }));
    let both = [peer_open().capabilities, vec![Capability::Multiprotocol(Family::Ipv6Unicast)]].concat();
    let full = config.negotiate(&Open { capabilities: both, ..peer_open() });
    assert_eq!(full.map(|negotiated| negotiated.families), Ok(config.families));
}
