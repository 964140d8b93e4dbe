//! The transitions: one function per state, every input written out. References are to RFC 4271 §8.2.2.

use std::mem;

use super::negotiation::SHORTEST_KEEPALIVE;
use super::{
    Action, CONNECT_TIMEOUT, Close, Fsm, Input, Negotiated, OPEN_TIMEOUT, Reason, Reset, STABLE_AFTER, Side, State,
    StateName, Timers,
};
use crate::bgp::backoff;
use crate::time::Instant;
use crate::wire::bgp::{ErrorCode, Message, Notification, Open, Outgoing, error};

impl Fsm {
    /// Tells the machine what happened.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.step(|fsm, state| match state {
            State::Idle { retry_at } => fsm.idle(now, retry_at, input),
            State::Active => fsm.active(now, input),
            State::Connect { deadline } => fsm.connect(now, deadline, input),
            State::OpenSent { hold } => fsm.open_sent(now, hold, input),
            State::OpenConfirm { negotiated, timers } => fsm.open_confirm(now, negotiated, timers, input),
            State::Established { negotiated, timers, since } => {
                fsm.established(now, Up { negotiated, timers, since }, input)
            }
        });
    }

    /// Tells the machine what time it is. Before the deadline this does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next_deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        self.step(|fsm, state| match state {
            State::Idle { .. } => fsm.begin(now, Reason::RetryDue),
            State::Active => State::Active,
            State::Connect { .. } => {
                fsm.act(Action::Close(Close::Drop));
                fsm.retry(now, StateName::Connect, Reason::ConnectTimeout)
            }
            State::OpenSent { .. } => fsm.refuse(now, StateName::OpenSent, Notification::hold_timer_expired()),
            State::OpenConfirm { negotiated, timers } => match fsm.tick(now, &negotiated, timers) {
                Tick::Goes(timers) => State::OpenConfirm { negotiated, timers },
                Tick::HoldExpired => fsm.refuse(now, StateName::OpenConfirm, Notification::hold_timer_expired()),
                Tick::SendHoldExpired => fsm.give_up(now, StateName::OpenConfirm),
            },
            State::Established { negotiated, timers, since } => match fsm.tick(now, &negotiated, timers) {
                Tick::Goes(timers) => State::Established { negotiated, timers, since },
                Tick::HoldExpired => {
                    fsm.settle(now, since);
                    fsm.refuse(now, StateName::Established, Notification::hold_timer_expired())
                }
                Tick::SendHoldExpired => {
                    fsm.settle(now, since);
                    fsm.give_up(now, StateName::Established)
                }
            },
        });
    }

    fn step(&mut self, transition: impl FnOnce(&mut Self, State) -> State) {
        let state = mem::replace(&mut self.state, State::Idle { retry_at: None });
        self.state = transition(self, state);
    }

    fn idle(&mut self, now: Instant, retry_at: Option<Instant>, input: Input) -> State {
        match input {
            Input::Start => self.begin(now, Reason::Started),
            Input::Stop(_) => State::Idle { retry_at: None },
            // The wait was for what failed before the change.
            Input::Reset(Reset::ConfigChange) if retry_at.is_some() => self.begin(now, Reason::ConfigChanged),
            // There is no connection these could be about: one that we gave up had them to say.
            Input::Reset(Reset::BfdDown | Reset::ConfigChange)
            | Input::Yield
            | Input::Connected
            | Input::Down(_)
            | Input::Received(
                Message::Open(_)
                | Message::Update(_)
                | Message::Notification(_)
                | Message::Keepalive
                | Message::RouteRefresh(_),
            )
            | Input::Malformed(_)
            | Input::Blocked
            | Input::Unblocked => State::Idle { retry_at },
        }
    }

    fn active(&mut self, now: Instant, input: Input) -> State {
        match input {
            Input::Stop(_) => self.enter(StateName::Active, State::Idle { retry_at: None }, Reason::Stopped),
            Input::Connected => self.open(now, StateName::Active),
            // Already started; and there is no connection that the rest could be about.
            Input::Start
            | Input::Reset(Reset::BfdDown | Reset::ConfigChange)
            | Input::Yield
            | Input::Down(_)
            | Input::Received(
                Message::Open(_)
                | Message::Update(_)
                | Message::Notification(_)
                | Message::Keepalive
                | Message::RouteRefresh(_),
            )
            | Input::Malformed(_)
            | Input::Blocked
            | Input::Unblocked => State::Active,
        }
    }

    fn connect(&mut self, now: Instant, deadline: Instant, input: Input) -> State {
        match input {
            Input::Stop(_) => {
                self.act(Action::Close(Close::Drop));
                self.enter(StateName::Connect, State::Idle { retry_at: None }, Reason::Stopped)
            }
            Input::Reset(Reset::ConfigChange) => {
                self.act(Action::Close(Close::Drop));
                self.changed(StateName::Connect, StateName::Idle, Reason::ConfigChanged);
                self.begin(now, Reason::RetryDue)
            }
            Input::Yield => {
                self.act(Action::Close(Close::Drop));
                self.pause(now, StateName::Connect, Reason::Yielded)
            }
            Input::Connected => self.open(now, StateName::Connect),
            Input::Down(why) => {
                self.act(Action::Close(Close::Drop));
                self.retry(now, StateName::Connect, Reason::Down(why))
            }
            // Already started; nobody speaks before the connection is made, and BFD shows where it leads.
            Input::Start
            | Input::Reset(Reset::BfdDown)
            | Input::Received(
                Message::Open(_)
                | Message::Update(_)
                | Message::Notification(_)
                | Message::Keepalive
                | Message::RouteRefresh(_),
            )
            | Input::Malformed(_)
            | Input::Blocked
            | Input::Unblocked => State::Connect { deadline },
        }
    }

    fn open_sent(&mut self, now: Instant, hold: Instant, input: Input) -> State {
        const FROM: StateName = StateName::OpenSent;
        match input {
            Input::Stop(cease) => self.stop(FROM, cease),
            Input::Reset(reset) => self.reset(now, FROM, reset),
            Input::Yield => self.give_way(now, FROM),
            Input::Down(why) => self.lost(now, FROM, why),
            Input::Malformed(notification) => self.refuse(now, FROM, notification),
            Input::Received(Message::Open(open)) => self.opened(now, &open),
            Input::Received(Message::Notification(notification)) => self.refused(now, FROM, notification),
            Input::Received(message @ (Message::Update(_) | Message::Keepalive | Message::RouteRefresh(_))) => {
                self.refuse(now, FROM, unexpected(error::UNEXPECTED_IN_OPEN_SENT, &message))
            }
            // An OPEN that the peer does not take is covered by the wait for its own.
            Input::Start | Input::Connected | Input::Blocked | Input::Unblocked => State::OpenSent { hold },
        }
    }

    fn open_confirm(&mut self, now: Instant, negotiated: Negotiated, mut timers: Timers, input: Input) -> State {
        const FROM: StateName = StateName::OpenConfirm;
        match input {
            Input::Stop(cease) => self.stop(FROM, cease),
            Input::Reset(reset) => self.reset(now, FROM, reset),
            Input::Yield => self.give_way(now, FROM),
            Input::Down(why) => self.lost(now, FROM, why),
            Input::Malformed(notification) => self.refuse(now, FROM, notification),
            Input::Received(Message::Keepalive) => {
                timers.hold = negotiated.hold_time.map(|hold| now + hold);
                self.act(Action::Up(negotiated.clone()));
                let up = State::Established { negotiated, timers, since: now };
                self.enter(FROM, up, Reason::KeepaliveReceived)
            }
            Input::Received(Message::Notification(notification)) => self.refused(now, FROM, notification),
            // RFC 6608 §4. A collision (§6.8) is an OPEN on another connection.
            Input::Received(message @ (Message::Open(_) | Message::Update(_) | Message::RouteRefresh(_))) => {
                self.refuse(now, FROM, unexpected(error::UNEXPECTED_IN_OPEN_CONFIRM, &message))
            }
            Input::Blocked => {
                timers.send = timers.send.or(Some(now + negotiated.send_hold()));
                State::OpenConfirm { negotiated, timers }
            }
            Input::Unblocked => {
                timers.send = None;
                State::OpenConfirm { negotiated, timers }
            }
            Input::Start | Input::Connected => State::OpenConfirm { negotiated, timers },
        }
    }

    fn established(&mut self, now: Instant, mut up: Up, input: Input) -> State {
        const FROM: StateName = StateName::Established;
        match input {
            Input::Stop(cease) => self.stop(FROM, cease),
            Input::Reset(reset) => {
                self.settle(now, up.since);
                self.reset(now, FROM, reset)
            }
            // §8.2.2, event 23, with CollisionDetectEstablishedState.
            Input::Yield => self.give_way(now, FROM),
            Input::Down(why) => {
                self.settle(now, up.since);
                self.lost(now, FROM, why)
            }
            Input::Malformed(notification) => {
                self.settle(now, up.since);
                self.refuse(now, FROM, notification)
            }
            Input::Received(Message::Keepalive | Message::Update(_)) => up.heard(now),
            Input::Received(Message::RouteRefresh(family)) => {
                // RFC 2918 §4: one about a family that was not negotiated is ignored.
                if let Some(family) = family.filter(|family| up.negotiated.families.contains(family)) {
                    self.act(Action::Resend(family));
                }
                up.heard(now)
            }
            Input::Received(Message::Notification(notification)) => {
                self.settle(now, up.since);
                self.refused(now, FROM, notification)
            }
            Input::Received(message @ Message::Open(_)) => {
                self.settle(now, up.since);
                self.refuse(now, FROM, unexpected(error::UNEXPECTED_IN_ESTABLISHED, &message))
            }
            Input::Blocked => {
                up.timers.send = up.timers.send.or(Some(now + up.negotiated.send_hold()));
                up.into()
            }
            Input::Unblocked => {
                up.timers.send = None;
                up.into()
            }
            Input::Start | Input::Connected => up.into(),
        }
    }

    /// Out of Idle: we make a connection, or wait for the peer to make one.
    fn begin(&mut self, now: Instant, reason: Reason) -> State {
        let state = match self.side {
            Side::Outgoing => {
                self.act(Action::Dial);
                State::Connect { deadline: now + CONNECT_TIMEOUT }
            }
            Side::Incoming => State::Active,
        };
        self.enter(StateName::Idle, state, reason)
    }

    /// The connection is made.
    fn open(&mut self, now: Instant, from: StateName) -> State {
        self.act(Action::Send(Outgoing::Open(self.config.open())));
        self.enter(from, State::OpenSent { hold: now + OPEN_TIMEOUT }, Reason::Connected)
    }

    /// The peer's OPEN came.
    fn opened(&mut self, now: Instant, open: &Open) -> State {
        let negotiated = match self.config.negotiate(open) {
            Ok(negotiated) => negotiated,
            Err(notification) => return self.refuse(now, StateName::OpenSent, notification),
        };
        self.act(Action::Send(Outgoing::Keepalive));
        let timers = Timers {
            hold: Some(now + negotiated.hold_time.unwrap_or(OPEN_TIMEOUT)),
            keepalive: self.next_keepalive(now, &negotiated),
            send: None,
        };
        self.enter(StateName::OpenSent, State::OpenConfirm { negotiated, timers }, Reason::OpenReceived)
    }

    /// What is due of the timers of a negotiated session. The dead go first: nothing is sent to them.
    fn tick(&mut self, now: Instant, negotiated: &Negotiated, mut timers: Timers) -> Tick {
        let due = |timer: Option<Instant>| timer.is_some_and(|at| at <= now);
        if due(timers.hold) {
            return Tick::HoldExpired;
        }
        if due(timers.send) {
            return Tick::SendHoldExpired;
        }
        if due(timers.keepalive) {
            self.act(Action::Send(Outgoing::Keepalive));
            timers.keepalive = self.next_keepalive(now, negotiated);
        }
        Tick::Goes(timers)
    }

    fn next_keepalive(&mut self, now: Instant, negotiated: &Negotiated) -> Option<Instant> {
        negotiated.keepalive.map(|interval| now + self.jitter.of(interval).max(SHORTEST_KEEPALIVE))
    }

    /// We end the session in good order.
    fn stop(&mut self, from: StateName, cease: Notification) -> State {
        self.act(Action::Send(Outgoing::Notification(cease.clone())));
        self.act(Action::Close(Close::Deliver));
        self.enter(from, State::Idle { retry_at: None }, Reason::Sent(cease))
    }

    /// We end the session in good order, to make another.
    fn reset(&mut self, now: Instant, from: StateName, reset: Reset) -> State {
        match reset {
            Reset::BfdDown => self.refuse(now, from, Notification::plain(error::CEASE_BFD_DOWN)),
            Reset::ConfigChange => {
                let cease = Notification::plain(error::CEASE_CONFIGURATION_CHANGE);
                self.act(Action::Send(Outgoing::Notification(cease.clone())));
                self.act(Action::Close(Close::Deliver));
                self.changed(from, StateName::Idle, Reason::Sent(cease));
                self.begin(now, Reason::RetryDue)
            }
        }
    }

    /// The peer's other connection is kept (§6.8).
    fn give_way(&mut self, now: Instant, from: StateName) -> State {
        let cease = Notification::plain(error::CEASE_COLLISION);
        self.act(Action::Send(Outgoing::Notification(cease.clone())));
        self.act(Action::Close(Close::Deliver));
        self.pause(now, from, Reason::Sent(cease))
    }

    /// We end the session because of an error.
    fn refuse(&mut self, now: Instant, from: StateName, notification: Notification) -> State {
        self.act(Action::Send(Outgoing::Notification(notification.clone())));
        self.act(Action::Close(Close::Deliver));
        self.retry(now, from, Reason::Sent(notification))
    }

    /// The peer ended the session. RFC 4271 §6.4: a NOTIFICATION, even a wrong one, is never answered.
    fn refused(&mut self, now: Instant, from: StateName, notification: Notification) -> State {
        self.act(Action::Close(Close::Drop));
        self.retry(now, from, Reason::Received(notification))
    }

    fn lost(&mut self, now: Instant, from: StateName, why: String) -> State {
        self.act(Action::Close(Close::Drop));
        self.retry(now, from, Reason::Down(why))
    }

    /// The peer reads nothing. RFC 9687 §3.2: a NOTIFICATION could not reach it either.
    fn give_up(&mut self, now: Instant, from: StateName) -> State {
        self.act(Action::Close(Close::Drop));
        self.retry(now, from, Reason::SendHoldExpired)
    }

    /// A session that was stable makes the next attempt a first one (RFC 4271 §8.1.1, DampPeerOscillations).
    fn settle(&mut self, now: Instant, since: Instant) {
        if now - since >= STABLE_AFTER {
            self.forgive();
        }
    }

    /// The peer's other connection was a stable session.
    pub(super) fn forgive(&mut self) {
        self.backoff.reset();
    }

    /// Nothing failed: as at the start, so the back-off does not grow.
    fn pause(&mut self, now: Instant, from: StateName, reason: Reason) -> State {
        let state = match self.side {
            Side::Outgoing => State::Idle { retry_at: Some(now + self.jitter.of(backoff::FIRST)) },
            Side::Incoming => State::Active,
        };
        self.enter(from, state, reason)
    }

    fn retry(&mut self, now: Instant, from: StateName, reason: Reason) -> State {
        let retry_at = now + self.backoff.delay(&mut self.jitter);
        self.enter(from, State::Idle { retry_at: Some(retry_at) }, reason)
    }

    fn enter(&mut self, from: StateName, state: State, reason: Reason) -> State {
        self.changed(from, state.name(), reason);
        state
    }

    fn changed(&mut self, from: StateName, to: StateName, reason: Reason) {
        self.act(Action::Changed { from, to, reason });
    }

    fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }
}

/// What is in [`State::Established`].
struct Up {
    negotiated: Negotiated,
    timers: Timers,
    since: Instant,
}

impl Up {
    /// The peer is alive.
    fn heard(mut self, now: Instant) -> State {
        self.timers.hold = self.negotiated.hold_time.map(|hold| now + hold);
        self.into()
    }
}

impl From<Up> for State {
    fn from(Up { negotiated, timers, since }: Up) -> Self {
        Self::Established { negotiated, timers, since }
    }
}

enum Tick {
    Goes(Timers),
    HoldExpired,
    SendHoldExpired,
}

/// RFC 6608 §4: which state it was, and the type of the message. The driver asks [`StateName::refusal`] before it
/// looks into a message, so that one with errors in it is answered the same.
fn unexpected(state: ErrorCode, message: &Message) -> Notification {
    Notification::unexpected_message(state, message.kind())
}
