//! One peer's connections, and which of two stays (RFC 4271 §6.8, RFC 6286 §2.3). Nobody else decides about that.
//!
//! What the machines of the two connections cannot know of each other is here: the collision; that we do not dial a
//! peer which has made a connection; and that a session which was stable counts for both.

use std::collections::VecDeque;

use super::{Action, BySide, Config, Fsm, Input, STABLE_AFTER, Side, State, StateName};
use crate::bgp::settings::Connect;
use crate::time::Instant;
use crate::wire::bgp::{Message, Notification, Open, Session, error};

/// What is to be done with a connection that the peer made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Take it: [`Input::Connected`] on [`Side::Incoming`].
    Take,
    /// Leave it waiting: the last one is not over yet, or failed so recently that the peer has to wait.
    Wait,
    /// Close it with this.
    Refuse(Notification),
}

/// The machines of one peer's connections.
#[derive(Clone, Debug)]
pub struct Peering {
    config: Config,
    connect: Connect,
    machines: BySide<Fsm>,
    actions: VecDeque<(Side, Action)>,
}

/// Which of two connections stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// No decision is due.
    Both,
    /// Only the one of this side.
    Only(Side),
}

impl Peering {
    /// Machines in Idle that wait for [`Input::Start`].
    #[must_use]
    pub fn new(config: Config, connect: Connect) -> Self {
        let other = Config { seed: config.seed.wrapping_add(1), ..config.clone() };
        let machines =
            BySide { outgoing: Fsm::new(config.clone(), Side::Outgoing), incoming: Fsm::new(other, Side::Incoming) };
        Self { config, connect, machines, actions: VecDeque::new() }
    }

    /// Tells the machines what concerns the peer and no one connection: [`Input::Start`], [`Input::Stop`],
    /// [`Input::Reset`].
    pub fn tell(&mut self, now: Instant, input: &Input) {
        for side in Side::ALL {
            let starts = match (self.connect, side) {
                (Connect::Active | Connect::Both, Side::Outgoing)
                | (Connect::Passive | Connect::Both, Side::Incoming) => true,
                (Connect::Active, Side::Incoming) | (Connect::Passive, Side::Outgoing) => false,
            };
            if starts || *input != Input::Start {
                self.step(now, side, |fsm| fsm.handle(now, input.clone()));
            }
        }
    }

    /// Tells the machine of one connection what happened there.
    pub fn handle(&mut self, now: Instant, side: Side, input: Input) {
        if let Input::Received(Message::Open(open)) = &input {
            match self.verdict(side, open) {
                Verdict::Both => {}
                Verdict::Only(kept) if kept == side => self.yield_side(now, side.other()),
                Verdict::Only(_) => return self.yield_side(now, side),
            }
        }
        // The peer has chosen this connection, and the session of the other one is over for it.
        let confirms = input == Input::Received(Message::Keepalive) && self.side(side).name() == StateName::OpenConfirm;
        if confirms && self.side(side.other()).name() == StateName::Established {
            self.yield_side(now, side.other());
        }
        // It would dial a peer that has made a connection; the retry does when that one ends.
        if input == Input::Start && self.is_held(side) {
            return;
        }
        self.step(now, side, |fsm| fsm.handle(now, input));
    }

    /// Tells the machines what time it is. Before the deadline this does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        for side in Side::ALL {
            if !self.is_held(side) {
                self.step(now, side, |fsm| fsm.handle_timeout(now));
            }
        }
    }

    /// When [`Self::handle_timeout`] is due next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let running = Side::ALL.into_iter().filter(|side| !self.is_held(*side));
        running.filter_map(|side| self.machines[side].next_deadline()).min()
    }

    /// The next thing to do, and on which connection.
    pub fn poll_action(&mut self) -> Option<(Side, Action)> {
        self.actions.pop_front()
    }

    /// Whether [`Self::poll_action`] has something.
    #[must_use]
    pub fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// Where the peer stands: the state of the connection that is nearest to a session.
    #[must_use]
    pub fn state(&self) -> &State {
        self.side(self.furthest())
    }

    /// The connection that is nearest to a session.
    #[must_use]
    pub fn furthest(&self) -> Side {
        let BySide { outgoing, incoming } = &self.machines;
        if incoming.state().name() > outgoing.state().name() { Side::Incoming } else { Side::Outgoing }
    }

    /// Where one connection stands.
    #[must_use]
    pub fn side(&self, side: Side) -> &State {
        self.machines[side].state()
    }

    /// The form that messages on one connection have now.
    #[must_use]
    pub fn session(&self, side: Side) -> Session {
        self.machines[side].session()
    }

    /// Whether nothing goes on, nor will before the next [`Input::Start`].
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.machines.iter().all(|fsm| matches!(fsm.state(), State::Idle { retry_at: None }))
    }

    /// What becomes of a connection that the peer has made.
    #[must_use]
    pub fn admission(&self) -> Admission {
        // RFC 4271 §6.8: the session that is up stays. Whatever the peer would say in its OPEN changes nothing.
        if self.state().name() == StateName::Established {
            return Admission::Refuse(Notification::plain(error::CEASE_COLLISION));
        }
        match self.machines.incoming.state() {
            State::Active => Admission::Take,
            State::Idle { .. } | State::Connect { .. } | State::OpenSent { .. } | State::OpenConfirm { .. } => {
                Admission::Wait
            }
            State::Established { .. } => Admission::Refuse(Notification::plain(error::CEASE_COLLISION)),
        }
    }

    /// What an OPEN on one connection means for the other. One that is refused for what is in it means nothing.
    fn verdict(&self, side: Side, open: &Open) -> Verdict {
        if self.side(side).name() != StateName::OpenSent || self.config.negotiate(open).is_err() {
            return Verdict::Both;
        }
        let preferred = self.preferred(open);
        match self.side(side.other()) {
            State::Idle { .. } | State::Active => Verdict::Both,
            // Not made yet: there is nothing that could collide, and is not going to be.
            State::Connect { .. } => Verdict::Only(side),
            // The RFC lets us decide here too, as we know now who the peer is. Only in favour of the connection which
            // the peer has spoken on: on the other one it may never.
            State::OpenSent { .. } if preferred == side => Verdict::Only(side),
            State::OpenSent { .. } => Verdict::Both,
            State::OpenConfirm { .. } => Verdict::Only(preferred),
            // Both were made before the session came up: later ones are not admitted. Perhaps the peer decided before
            // it knew of the session, for this connection; perhaps after, and will end this one. If we ended it at once,
            // both would be gone; the peer's KEEPALIVE or its Cease will tell.
            State::Established { .. } if preferred == side => Verdict::Both,
            State::Established { .. } => Verdict::Only(side.other()),
        }
    }

    /// RFC 4271 §6.8: the connection made by the one with the higher BGP Identifier stays; RFC 6286 §2.3: between equal
    /// ones, that with the higher AS.
    fn preferred(&self, open: &Open) -> Side {
        let (ours, theirs) = ((self.config.router_id, self.config.local_as), (open.id, open.asn));
        if ours > theirs { Side::Outgoing } else { Side::Incoming }
    }

    fn yield_side(&mut self, now: Instant, side: Side) {
        self.step(now, side, |fsm| fsm.handle(now, Input::Yield));
    }

    /// Whether the next attempt has to wait: for the connection that the peer has made.
    fn is_held(&self, side: Side) -> bool {
        side == Side::Outgoing
            && self.side(Side::Outgoing).name() == StateName::Idle
            && self.side(Side::Incoming).name() >= StateName::OpenConfirm
    }

    fn step(&mut self, now: Instant, side: Side, input: impl FnOnce(&mut Fsm)) {
        let was_stable = matches!(self.side(side), State::Established { since, .. } if now - *since >= STABLE_AFTER);
        let was_held = self.is_held(Side::Outgoing);
        input(&mut self.machines[side]);
        self.collect(side);
        if was_stable && self.side(side).name() != StateName::Established {
            self.machines[side.other()].forgive();
        }
        if was_held && !self.is_held(Side::Outgoing) {
            // What became due while it was held back.
            self.machines.outgoing.handle_timeout(now);
            self.collect(Side::Outgoing);
        }
    }

    fn collect(&mut self, side: Side) {
        while let Some(action) = self.machines[side].poll_action() {
            self.actions.push_back((side, action));
        }
    }
}
