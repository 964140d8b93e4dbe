//! Every pair of a state and an input (RFC 5880 §6.8.6, §6.8.16).

use super::*;

use Cause::{Handshake, RemoteAdminDown, Signaled};
use State::{AdminDown, Down, Init, Up};

const NONE: Diagnostic = Diagnostic::NONE;

/// What a packet of the second state makes of a session in the first.
type Row = (State, State, Option<(State, Cause)>);

const TABLE: [Row; 16] = [
    (AdminDown, AdminDown, None),
    (AdminDown, Down, None),
    (AdminDown, Init, None),
    (AdminDown, Up, None),
    (Down, AdminDown, None),
    (Down, Down, Some((Init, Handshake))),
    (Down, Init, Some((Up, Handshake))),
    (Down, Up, None),
    (Init, AdminDown, Some((Down, RemoteAdminDown))),
    (Init, Down, None),
    (Init, Init, Some((Up, Handshake))),
    (Init, Up, Some((Up, Handshake))),
    (Up, AdminDown, Some((Down, RemoteAdminDown))),
    (Up, Down, Some((Down, Signaled(NONE)))),
    (Up, Init, None),
    (Up, Up, None),
];

fn diagnostic(to: State) -> Diagnostic {
    if to == Down { Diagnostic::NEIGHBOR_SIGNALED_DOWN } else { NONE }
}

#[test]
fn each_packet_in_each_state() {
    for (state, heard, expected) in TABLE {
        let mut session = session(state);
        session.handle(at(50), Input::Received(theirs(heard)));
        let wanted = match expected {
            None => vec![],
            Some((to, cause)) => {
                // The interval changes between Up and the others, which begins a Poll Sequence.
                let poll = (state == Up) != (to == Up);
                let packet = Packet { poll, diagnostic: diagnostic(to), ..ours(to) };
                vec![changed(state, to, cause), Action::Send(packet)]
            }
        };
        assert_eq!(actions(&mut session), wanted, "{heard} in {state}");
        assert_eq!(session.state(), expected.map_or(state, |(to, _)| to), "{heard} in {state}");
    }
}

#[test]
fn each_poll_in_each_state_is_answered_with_the_state_after_it() {
    for (state, heard, expected) in TABLE {
        let mut session = session(state);
        session.handle(at(50), Input::Received(Packet { poll: true, ..theirs(heard) }));
        let to = expected.map_or(state, |(to, _)| to);
        let diagnostic = expected.map_or(NONE, |(to, _)| diagnostic(to));
        let answer = Packet { is_final: true, diagnostic, ..ours(to) };
        let mut wanted: Vec<Action> = expected.map(|(to, cause)| changed(state, to, cause)).into_iter().collect();
        // Whoever is down on purpose answers nothing.
        if state != AdminDown {
            wanted.push(Action::Send(answer));
        }
        assert_eq!(actions(&mut session), wanted, "{heard} in {state}");
    }
}

#[test]
fn the_detection_time_in_each_state() {
    // 4 × max(200 ms, 300 ms) after the last packet, which came at 10 ms.
    for (state, heard) in [(AdminDown, Up), (Down, AdminDown), (Init, Down), (Up, Up)] {
        let mut session = session(state);
        session.handle(at(10), Input::Received(theirs(heard)));
        let before = session.view();
        assert_eq!(actions(&mut session), vec![], "{state}");
        session.sent = Some((at(1200), 1000));
        session.handle_timeout(at(1209));
        assert_eq!((actions(&mut session), session.view()), (vec![], before), "early in {state}");
        session.handle_timeout(at(1210));
        let diagnostic = Diagnostic::DETECTION_TIME_EXPIRED;
        let down = Packet { diagnostic, your_discriminator: None, ..ours(Down) };
        let expected = match state {
            AdminDown | Down => vec![],
            Init | Up => vec![changed(state, Down, Cause::Expired(ms(1200))), Action::Send(down)],
        };
        assert_eq!(actions(&mut session), expected, "{state}");
        // Only what is down on purpose never forgets the other: it is forgotten itself.
        assert_eq!(session.view().detection_time.is_none(), state != AdminDown, "{state}");
        assert_eq!(session.packet().your_discriminator.is_none(), state != AdminDown, "{state}");
    }
}

#[test]
fn down_on_purpose_from_each_state_is_said_at_once_and_for_a_detection_time() {
    for (state, silence) in [(Down, 3000), (Init, 3000), (Up, 450)] {
        let mut session = session(state);
        session.handle(at(20), Input::AdminDown);
        let your_discriminator = (state != Down).then_some(THEIRS);
        let packet = Packet { diagnostic: Diagnostic::ADMINISTRATIVELY_DOWN, your_discriminator, ..ours(AdminDown) };
        let said = [changed(state, AdminDown, Cause::AdminDown), Action::Send(packet)];
        assert_eq!(actions(&mut session), said, "{state}");
        assert_eq!(session.told_by(), Some(at(20 + silence)), "{state}");
        // Told again it says nothing new.
        session.handle(at(21), Input::AdminDown);
        assert_eq!((actions(&mut session), session.told_by()), (vec![], Some(at(20 + silence))), "{state}");
    }
}

#[test]
fn a_failure_is_what_ends_up_and_nobody_meant() {
    let causes = [Handshake, Cause::Expired(ms(1)), Signaled(NONE), RemoteAdminDown, Cause::AdminDown];
    let failures = |from| causes.map(|cause| Change { from, to: Down, cause }.is_failure());
    assert_eq!(failures(Up), [false, true, true, false, false]);
    assert_eq!(failures(Init), [false; 5]);
}
