//! Deadlines, exactly.

use super::*;
use StateName::{Connect, Established, Idle, OpenConfirm, OpenSent};

const TICK: Duration = Duration::from_nanos(1);

/// Lets time pass up to `until`, and returns what happened when.
fn pass(fsm: &mut Fsm, until: Instant) -> Vec<(Instant, Action)> {
    let mut log = Vec::new();
    while let Some(deadline) = fsm.next_deadline().filter(|deadline| *deadline <= until) {
        fsm.handle_timeout(deadline.saturating_sub(TICK));
        assert_eq!(actions(fsm), vec![], "an early call must do nothing");
        fsm.handle_timeout(deadline);
        log.extend(actions(fsm).into_iter().map(|action| (deadline, action)));
        let state = fsm.state().clone();
        fsm.handle_timeout(deadline);
        assert_eq!((fsm.state().clone(), actions(fsm)), (state, vec![]), "a repeated call must do nothing");
    }
    log
}

fn expired(from: StateName) -> Vec<Action> {
    let expired = Notification::hold_timer_expired();
    vec![send_notification(expired.clone()), Action::Close(Close::Deliver), changed(from, Idle, Reason::Sent(expired))]
}

/// The last thing that happens before a silent peer is given up, and when.
fn silence(from: StateName) -> (Instant, Vec<Action>) {
    let mut fsm = in_state(config(), from);
    loop {
        let deadline = fsm.next_deadline().unwrap();
        fsm.handle_timeout(deadline);
        let done = actions(&mut fsm);
        if done != vec![Action::Send(Outgoing::Keepalive)] {
            return (deadline, done);
        }
    }
}

#[test]
fn a_silent_peer_is_given_up_at_the_hold_time() {
    assert_eq!(silence(OpenSent), (after(secs(240)), expired(OpenSent)));
    assert_eq!(silence(OpenConfirm), (after(HOLD), expired(OpenConfirm)));
    assert_eq!(silence(Established), (after(HOLD), expired(Established)));
}

#[test]
fn an_attempt_to_connect_is_given_up() {
    let gone = vec![Action::Close(Close::Drop), changed(Connect, Idle, Reason::ConnectTimeout)];
    assert_eq!(silence(Connect), (after(CONNECT_TIMEOUT), gone));
}

#[test]
fn whatever_the_peer_says_restarts_the_hold_timer() {
    for message in [Message::Keepalive, update(), Message::RouteRefresh(None)] {
        let mut fsm = in_state(config(), Established);
        let spoke = after(HOLD.saturating_sub(TICK));
        pass(&mut fsm, spoke);
        fsm.handle(spoke, Input::Received(message));
        let log = pass(&mut fsm, after(secs(60)));
        let (at, _) = log.iter().find(|(_, a)| matches!(a, Action::Close(_))).unwrap();
        assert_eq!(*at, spoke + HOLD);
    }
}

#[test]
fn keepalives_come_at_the_jittered_interval() {
    let mut jitter = Jitter::new(config().seed);
    let mut at = T0;
    let mut expected = Vec::new();
    loop {
        at = at + jitter.of(secs(3));
        if at >= after(HOLD) {
            break;
        }
        expected.push((at, Action::Send(Outgoing::Keepalive)));
    }
    let mut fsm = in_state(config(), Established);
    let log = pass(&mut fsm, after(HOLD.saturating_sub(TICK)));
    assert_eq!(log, expected);
}

#[test]
fn keepalives_are_never_more_than_one_a_second() {
    let mut fsm = in_state(Config { hold_time: 3, ..config() }, Established);
    let log = pass(&mut fsm, after(secs(2)));
    let keepalive = Action::Send(Outgoing::Keepalive);
    assert_eq!(log, vec![(after(secs(1)), keepalive.clone()), (after(secs(2)), keepalive)]);
}

#[test]
fn without_a_hold_time_nothing_runs_once_the_session_is_up() {
    let mut fsm = in_state(Config { hold_time: 0, ..config() }, Established);
    assert_eq!(fsm.next_deadline(), None);
    fsm.handle_timeout(after(secs(1_000_000)));
    assert_eq!((fsm.state().name(), actions(&mut fsm)), (Established, vec![]));
}

#[test]
fn without_a_hold_time_a_peer_that_never_confirms_is_given_up() {
    let mut fsm = in_state(Config { hold_time: 0, ..config() }, OpenConfirm);
    let log = pass(&mut fsm, after(OPEN_TIMEOUT));
    assert_eq!(log, expired(OpenConfirm).into_iter().map(|action| (after(OPEN_TIMEOUT), action)).collect::<Vec<_>>());
}

#[test]
fn a_peer_that_takes_nothing_is_given_up() {
    for (hold_time, wait) in [(9, HOLD), (0, SEND_HOLD_WITHOUT_HOLD)] {
        let mut fsm = in_state(Config { hold_time, ..config() }, Established);
        fsm.handle(after(secs(1)), Input::Blocked);
        // It talks to us all the time, and being still blocked does not move the deadline.
        fsm.handle(after(secs(2)), Input::Blocked);
        let mut log = Vec::new();
        for s in 2..=secs(1).as_secs() + wait.as_secs() {
            fsm.handle(after(secs(s)), Input::Received(Message::Keepalive));
            log.extend(pass(&mut fsm, after(secs(s))));
        }
        log.retain(|(_, action)| *action != Action::Send(Outgoing::Keepalive));
        let end = after(secs(1) + wait);
        let reason = Reason::SendHoldExpired;
        assert_eq!(log, vec![(end, Action::Close(Close::Drop)), (end, changed(Established, Idle, reason))]);
    }
}

#[test]
fn a_peer_that_takes_bytes_again_is_kept() {
    let mut fsm = in_state(Config { hold_time: 0, ..config() }, Established);
    fsm.handle(T0, Input::Blocked);
    fsm.handle(after(secs(89)), Input::Unblocked);
    assert_eq!(fsm.next_deadline(), None);
}

/// The delays between attempts that all fail the same way, in thousandths of what they are without jitter.
fn delays(fsm: &mut Fsm, mut now: Instant, attempts: usize) -> Vec<Duration> {
    let mut delays = Vec::new();
    for _ in 0..attempts {
        let State::Idle { retry_at: Some(at) } = *fsm.state() else { panic!("not waiting: {:?}", fsm.state()) };
        delays.push(at - now);
        fsm.handle_timeout(at);
        fsm.handle(at, Input::Down("refused".into()));
        actions(fsm);
        now = at;
    }
    delays
}

#[test]
fn the_back_off_doubles_to_ten_seconds() {
    let mut fsm = in_state(config(), Connect);
    fsm.handle(T0, Input::Down("refused".into()));
    let mut jitter = Jitter::new(config().seed);
    let expected: Vec<_> =
        [250, 500, 1000, 2000, 4000, 8000, 10000, 10000].map(|ms| jitter.of(Duration::from_millis(ms))).into();
    assert_eq!(delays(&mut fsm, T0, 8), expected);
}

/// Fails twice, comes up, stays up for `up`, and returns the delay after that.
fn delay_after_a_session_of(up: Duration) -> Duration {
    let mut fsm = in_state(Config { hold_time: 0, ..config() }, Connect);
    fsm.handle(T0, Input::Down("refused".into()));
    let _ = delays(&mut fsm, T0, 1);
    let start = fsm.next_deadline().unwrap();
    fsm.handle_timeout(start);
    fsm.handle(start, Input::Connected);
    fsm.handle(start, Input::Received(Message::Open(peer_open())));
    fsm.handle(start, Input::Received(Message::Keepalive));
    fsm.handle(start + up, Input::Received(Message::Notification(peer_cease())));
    fsm.next_deadline().unwrap() - (start + up)
}

#[test]
fn only_a_stable_session_resets_the_back_off() {
    let mut jitter = Jitter::new(config().seed);
    // Two attempts failed before.
    let (_, _) = (jitter.of(secs(1)), jitter.of(secs(1)));
    let mut again = jitter.clone();
    assert_eq!(delay_after_a_session_of(STABLE_AFTER.saturating_sub(TICK)), jitter.of(secs(1)));
    assert_eq!(delay_after_a_session_of(STABLE_AFTER), again.of(Duration::from_millis(250)));
}

#[test]
fn a_stopped_machine_waits_for_nothing_and_starts_again() {
    let mut fsm = in_state(config(), Established);
    fsm.handle(T0, Input::Stop(Notification::administrative_shutdown("")));
    actions(&mut fsm);
    assert_eq!(fsm.next_deadline(), None);
    fsm.handle(T0, Input::Start);
    assert_eq!(actions(&mut fsm), vec![Action::Dial, changed(Idle, Connect, Reason::Started)]);
}

#[test]
fn a_change_of_the_configuration_ends_the_wait_but_starts_no_stopped_machine() {
    let mut fsm = in_state(config(), Connect);
    fsm.handle(T0, Input::Down("refused".into()));
    actions(&mut fsm);
    fsm.handle(T0, Input::Reset(Reset::BfdDown));
    assert_eq!(actions(&mut fsm), vec![]);
    fsm.handle(T0, Input::Reset(Reset::ConfigChange));
    assert_eq!(actions(&mut fsm), vec![Action::Dial, changed(Idle, Connect, Reason::ConfigChanged)]);
    fsm.handle(T0, Input::Stop(Notification::administrative_shutdown("")));
    actions(&mut fsm);
    fsm.handle(T0, Input::Reset(Reset::ConfigChange));
    assert_eq!((fsm.state().clone(), actions(&mut fsm)), (State::Idle { retry_at: None }, vec![]));
}
