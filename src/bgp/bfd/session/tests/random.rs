//! Any packets at any time: what must hold after every step.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Receive(Packet),
    AdminDown,
}

fn packet() -> impl Strategy<Value = Packet> {
    let interval = || prop_oneof![Just(0), 1..2_000_000_u32, Just(u32::MAX)];
    let state = prop_oneof![
        3 => Just(State::Up),
        2 => Just(State::Down),
        2 => Just(State::Init),
        1 => Just(State::AdminDown),
    ];
    let all = (state, any::<[bool; 3]>(), 1..=u8::MAX, interval(), interval());
    all.prop_map(|(state, [poll, is_final, demand], multiplier, desired_min_tx, required_min_rx)| Packet {
        poll,
        is_final,
        demand,
        multiplier,
        desired_min_tx,
        required_min_rx,
        ..theirs(state)
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => (0..3000_u64).prop_map(Step::Wait),
        30 => packet().prop_map(Step::Receive),
        1 => Just(Step::AdminDown),
    ]
}

/// A session, and what is known of its past.
struct Watched {
    session: Session,
    now: Instant,
    last_periodic: Option<Instant>,
}

impl Watched {
    /// Looks at what the session wants done after `heard`, or after a timer.
    fn check(&mut self, heard: Option<&Packet>) {
        let mut is_changed = false;
        for action in actions(&mut self.session) {
            match action {
                Action::Changed(change) => {
                    assert_ne!(change.from, change.to);
                    assert_eq!(change.to, self.session.state());
                    is_changed = true;
                }
                Action::Send(packet) => self.check_packet(&packet, heard, is_changed),
            }
        }
        let detect_at = self.session.detect_at();
        assert!(detect_at.is_none() || self.session.next_deadline() <= detect_at);
        assert!(detect_at.is_some() || !matches!(self.session.state(), State::Init | State::Up), "for ever");
    }

    fn check_packet(&mut self, packet: &Packet, heard: Option<&Packet>, is_changed: bool) {
        assert_eq!((packet.my_discriminator, packet.multiplier, packet.required_min_rx), (OURS, 3, 200_000));
        assert_eq!(packet.state, self.session.state());
        assert!(packet.state == State::Up || packet.desired_min_tx >= 1_000_000, "{packet:?}");
        let knows = packet.your_discriminator.is_some();
        assert!(knows || matches!(packet.state, State::Down | State::AdminDown), "{packet:?}");
        assert!(!(packet.poll && packet.is_final), "{packet:?}");
        assert_eq!(packet.is_final, heard.is_some_and(|heard| heard.poll), "{packet:?} after {heard:?}");
        if packet.is_final {
            return;
        }
        assert!(is_changed || heard.is_none(), "{packet:?} out of turn");
        let least = Duration::from_micros(packet.desired_min_tx.into()).max(self.session.remote.required_min_rx);
        let since = self.last_periodic.map(|last| self.now - last);
        assert!(is_changed || since.is_none_or(|since| since >= part(least, 750)), "{packet:?} after {since:?}");
        self.last_periodic = Some(self.now);
    }

    /// Up to `end`, each timer when it is due.
    fn wait(&mut self, end: Instant) {
        while let Some(due) = self.session.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.session.handle_timeout(self.now);
            self.check(None);
        }
        self.now = end;
    }
}

proptest! {
    #[test]
    fn whatever_comes_the_session_keeps_the_rules(steps in prop::collection::vec(step(), 1..150), seed: u64) {
        let session = Session::new(Config { seed, ..config() });
        let mut watched = Watched { session, now: at(1), last_periodic: None };
        for step in &steps {
            match step {
                Step::Wait(milliseconds) => watched.wait(watched.now + ms(*milliseconds)),
                Step::Receive(packet) => {
                    let before = watched.session.state();
                    watched.session.handle(watched.now, Input::Received(*packet));
                    let came_up = before != State::Up && watched.session.state() == State::Up;
                    prop_assert!(!came_up || matches!(packet.state, State::Init | State::Up));
                    prop_assert!(before != State::AdminDown || watched.session.state() == State::AdminDown);
                    watched.check(Some(packet));
                }
                Step::AdminDown => {
                    watched.session.handle(watched.now, Input::AdminDown);
                    watched.check(None);
                }
            }
        }
    }
}
