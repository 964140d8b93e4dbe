//! Random inputs at random times: what must hold after each.

use proptest::prelude::*;

use super::*;

fn input() -> impl Strategy<Value = Input> {
    let notification = || Notification::plain(error::CEASE_OUT_OF_RESOURCES);
    prop_oneof![
        2 => Just(Input::Start),
        1 => Just(Input::Stop(Notification::administrative_shutdown(""))),
        1 => Just(Input::Reset(Reset::BfdDown)),
        1 => Just(Input::Reset(Reset::ConfigChange)),
        1 => Just(Input::Yield),
        4 => Just(Input::Connected),
        1 => Just(Input::Down("gone".into())),
        4 => (0_u16..12).prop_map(|hold_time| Input::Received(Message::Open(Open { hold_time, ..peer_open() }))),
        4 => Just(Input::Received(Message::Keepalive)),
        1 => Just(Input::Received(update())),
        1 => Just(Input::Received(Message::RouteRefresh(Some(Family::Ipv4Unicast)))),
        1 => Just(Input::Received(Message::Notification(notification()))),
        1 => Just(Input::Malformed(notification())),
        2 => Just(Input::Blocked),
        2 => Just(Input::Unblocked),
    ]
}

/// What a driver knows: whether a connection is wanted, and was told to be up.
#[derive(Default)]
struct Model {
    connection: bool,
    state: Option<StateName>,
}

impl Model {
    fn take(&mut self, action: &Action) {
        match action {
            Action::Dial => assert!(!std::mem::replace(&mut self.connection, true), "a second connection"),
            Action::Close(_) => assert!(std::mem::replace(&mut self.connection, false), "closes nothing"),
            Action::Send(_) | Action::Up(_) | Action::Resend(_) => assert!(self.connection, "{action:?} to nobody"),
            Action::Changed { from, to, .. } => {
                assert_eq!(*from, self.state.unwrap_or(StateName::Idle), "the changes must be a chain");
                assert_ne!(from, to);
                self.state = Some(*to);
            }
        }
    }

    fn check(&self, fsm: &Fsm, now: Instant) {
        let name = fsm.state().name();
        assert_eq!(name, self.state.unwrap_or(StateName::Idle), "a change that was not reported");
        assert_eq!(self.connection, !matches!(name, StateName::Idle | StateName::Active));
        assert!(fsm.next_deadline().is_none_or(|at| at > now), "a deadline in the past");
        let endless = matches!(fsm.state(), State::Idle { retry_at: None } | State::Active) || hold_time(fsm).is_none();
        assert!(endless || fsm.next_deadline().is_some(), "{name} without a timer");
    }
}

/// `None` where there is none, or it is 0.
fn hold_time(fsm: &Fsm) -> Option<Duration> {
    match fsm.state() {
        State::OpenConfirm { negotiated, .. } | State::Established { negotiated, .. } => negotiated.hold_time,
        State::Idle { .. } | State::Active | State::Connect { .. } | State::OpenSent { .. } => Some(OPEN_TIMEOUT),
    }
}

proptest! {
    #[test]
    fn invariants_hold(
        incoming in any::<bool>(),
        steps in prop::collection::vec((input(), 0_u64..5_000), 1..200),
    ) {
        let side = if incoming { Side::Incoming } else { Side::Outgoing };
        let (mut fsm, mut model, mut now) = (Fsm::new(config(), side), Model::default(), T0);
        for (input, wait) in steps {
            let until = now + Duration::from_millis(wait);
            while let Some(at) = fsm.next_deadline().filter(|at| *at <= until) {
                fsm.handle_timeout(at);
                while let Some(action) = fsm.poll_action() {
                    model.take(&action);
                }
                model.check(&fsm, at);
            }
            now = until;
            // A connection that is waited for comes into being with this input.
            model.connection |= input == Input::Connected && *fsm.state() == State::Active;
            fsm.handle(now, input);
            while let Some(action) = fsm.poll_action() {
                model.take(&action);
            }
            model.check(&fsm, now);
        }
    }
}
