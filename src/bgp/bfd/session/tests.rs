mod pair;
mod random;
mod table;
mod timers;

use super::*;

const OURS: NonZeroU32 = NonZeroU32::MIN;
const THEIRS: NonZeroU32 = NonZeroU32::MAX;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn at(milliseconds: u64) -> Instant {
    Instant::from_boot(ms(milliseconds))
}

/// 100 ms sent, 200 ms taken, × 3.
fn config() -> Config {
    Config { tx: ms(100), rx: ms(200), multiplier: 3, discriminator: OURS, seed: 1 }
}

/// A packet of the remote system: 300 ms sent, 150 ms taken, × 4.
fn theirs(state: State) -> Packet {
    Packet {
        diagnostic: Diagnostic::NONE,
        state,
        poll: false,
        is_final: false,
        control_plane_independent: false,
        demand: false,
        multiplier: 4,
        my_discriminator: THEIRS,
        your_discriminator: Some(OURS),
        desired_min_tx: 300_000,
        required_min_rx: 150_000,
        required_min_echo_rx: 0,
    }
}

/// A packet of ours in this state, to a remote system that is heard.
fn ours(state: State) -> Packet {
    Packet {
        multiplier: 3,
        my_discriminator: OURS,
        your_discriminator: Some(THEIRS),
        desired_min_tx: if state == State::Up { 100_000 } else { 1_000_000 },
        required_min_rx: 200_000,
        ..theirs(state)
    }
}

fn actions(session: &mut Session) -> Vec<Action> {
    std::iter::from_fn(|| session.poll_action()).collect()
}

/// A session that came to this state on the shortest way, with no poll under way; all at 0 ms.
fn session(state: State) -> Session {
    let mut session = Session::new(config());
    let heard: &[State] = match state {
        State::Down | State::AdminDown => &[],
        State::Init => &[State::Down],
        State::Up => &[State::Down, State::Up],
    };
    session.handle_timeout(at(0));
    for state in heard {
        session.handle(at(0), Input::Received(theirs(*state)));
    }
    if state == State::Up {
        session.handle(at(0), Input::Received(Packet { is_final: true, ..theirs(State::Up) }));
    }
    if state == State::AdminDown {
        session.handle(at(0), Input::AdminDown);
    }
    actions(&mut session);
    assert_eq!(session.state(), state);
    session
}

fn changed(from: State, to: State, cause: Cause) -> Action {
    Action::Changed(Change { from, to, cause })
}
