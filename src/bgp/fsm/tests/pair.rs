//! Two machines that talk to each other over a network with delay, loss of the connection and partition, on a
//! virtual clock.

use super::*;
use crate::bgp::backoff::LONGEST;

const DELAY: Duration = Duration::from_millis(10);

/// A connection carries what is sent in order, after [`DELAY`]; in a partition it carries nothing, and nobody is told.
struct Net {
    now: Instant,
    ends: [Fsm; 2],
    /// For each end, whether it has a connection. A connection exists when both do.
    up: [bool; 2],
    dialled_at: [Option<Instant>; 2],
    /// (arrival, receiver, what).
    wire: VecDeque<(Instant, usize, Input)>,
    cut: bool,
    log: Vec<(Duration, usize, StateName)>,
}

impl Net {
    fn new() -> Self {
        let (a, b) =
            (config(), Config { local_as: 65000, peer_as: Some(65001), router_id: PEER_ID, seed: 2, ..config() });
        let mut net = Self {
            now: T0,
            ends: [Fsm::new(a), Fsm::new(b)],
            up: [false; 2],
            dialled_at: [None; 2],
            wire: VecDeque::new(),
            cut: false,
            log: Vec::new(),
        };
        for end in 0..2 {
            net.ends[end].handle(T0, Input::Start);
            net.act(end);
        }
        net
    }

    /// A meeting of two dials is one connection, as if one end had listened.
    fn meet(&mut self) {
        if !self.cut && self.dialled_at.iter().all(Option::is_some) && self.up == [false; 2] {
            self.dialled_at = [None; 2];
            self.up = [true; 2];
            for end in 0..2 {
                self.ends[end].handle(self.now, Input::Connected);
                self.act(end);
            }
        }
    }

    fn act(&mut self, end: usize) {
        while let Some(action) = self.ends[end].poll_action() {
            match action {
                Action::Dial => self.dialled_at[end] = Some(self.now),
                Action::Send(message) if !self.cut => {
                    self.wire.push_back((self.now + DELAY, 1 - end, Input::Received(received(message))));
                }
                Action::Send(_) | Action::Up(_) | Action::Resend(_) => {}
                Action::Close(_) => {
                    self.dialled_at[end] = None;
                    if std::mem::take(&mut self.up[end]) && !self.cut {
                        self.wire.push_back((self.now + DELAY, 1 - end, Input::Down("closed".into())));
                    }
                }
                Action::Changed { to, .. } => self.log.push((self.now - T0, end, to)),
            }
        }
    }

    fn partition(&mut self) {
        self.cut = true;
        self.wire.clear();
    }

    fn run(&mut self, until: Duration) {
        loop {
            self.meet();
            let arrival = self.wire.front().map(|(at, _, _)| *at);
            let timer = self.ends.iter().filter_map(Fsm::next_deadline).min();
            let Some(next) = [arrival, timer].into_iter().flatten().min().filter(|at| *at <= after(until)) else {
                self.now = after(until);
                return;
            };
            self.now = self.now.max(next);
            if arrival.is_some_and(|at| at <= self.now) {
                let (_, end, input) = self.wire.pop_front().unwrap();
                // The end of a connection that this end has given up already is no news to it.
                if self.up[end] {
                    self.ends[end].handle(self.now, input);
                    self.act(end);
                }
            }
            for end in 0..2 {
                self.ends[end].handle_timeout(self.now);
                self.act(end);
            }
        }
    }

    fn names(&self) -> [StateName; 2] {
        [self.ends[0].state().name(), self.ends[1].state().name()]
    }
}

fn received(message: Outgoing) -> Message {
    match message {
        Outgoing::Open(open) => Message::Open(open),
        Outgoing::Keepalive => Message::Keepalive,
        Outgoing::Notification(notification) => Message::Notification(notification),
        Outgoing::Update(_) => update(),
        Outgoing::RouteRefresh(family) => Message::RouteRefresh(Some(family)),
    }
}

#[test]
fn they_come_up_in_two_delays_and_stay_up() {
    let mut net = Net::new();
    net.run(secs(3600));
    let ms = Duration::from_millis;
    use StateName::{Connect, Established, OpenConfirm, OpenSent};
    let expected = [(ms(0), Connect), (ms(0), OpenSent), (ms(10), OpenConfirm), (ms(20), Established)];
    for end in 0..2 {
        let log: Vec<_> = net.log.iter().filter(|entry| entry.1 == end).map(|entry| (entry.0, entry.2)).collect();
        assert_eq!(log, expected, "end {end}");
    }
}

#[test]
fn a_partition_is_noticed_by_both_within_the_hold_time_and_healed_within_the_longest_back_off() {
    let mut net = Net::new();
    net.run(secs(100));
    assert_eq!(net.names(), [StateName::Established; 2]);
    net.partition();
    net.log.clear();
    net.run(secs(100) + HOLD + DELAY);
    let ends: BTreeSet<_> = net.log.iter().filter(|e| e.2 == StateName::Idle).map(|e| e.1).collect();
    assert_eq!(ends, [0, 1].into());
    net.run(secs(400));
    assert!(net.names().iter().all(|name| *name < StateName::OpenSent), "{:?}", net.names());
    net.cut = false;
    net.run(secs(400) + LONGEST + CONNECT_TIMEOUT);
    assert_eq!(net.names(), [StateName::Established; 2]);
}

#[test]
fn a_stop_ends_both() {
    let mut net = Net::new();
    net.run(secs(100));
    net.ends[0].handle(net.now, Input::Stop(Stop::Shutdown("bye".into())));
    net.act(0);
    net.log.clear();
    net.run(secs(100) + DELAY);
    assert_eq!(net.log, [(secs(100) + DELAY, 1, StateName::Idle)]);
    net.run(secs(200));
    assert_eq!(net.ends[0].state(), &State::Idle { retry_at: None });
}
