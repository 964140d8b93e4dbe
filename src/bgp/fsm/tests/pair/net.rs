//! A network between two peers: connections, delay, partition.

use super::*;

pub(super) const DELAY: Duration = Duration::from_millis(10);

/// What travels on a connection.
#[derive(Clone, Debug)]
pub(super) enum Segment {
    Syn,
    SynAck,
    Data(Message),
    End,
}

/// A connection: what travels to each end arrives in order.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) to: [VecDeque<(Instant, Segment)>; 2],
}

/// One peer, its connections, and those that wait to be admitted with what came on them.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) peering: Peering,
    connect: Connect,
    pub(super) links: BySide<Option<usize>>,
    waiting: VecDeque<(usize, VecDeque<Input>)>,
}

#[derive(Clone, Debug)]
pub(super) struct Net {
    pub(super) now: Instant,
    pub(super) ends: [End; 2],
    pub(super) connections: Vec<Connection>,
    /// In a partition nothing arrives, and nobody is told.
    pub(super) cut: bool,
    /// How long a segment travels: this, jittered.
    pub(super) delay: Jitter,
    pub(super) log: Vec<(Duration, usize, StateName)>,
}

impl Net {
    pub(super) fn new(connect: [Connect; 2]) -> Self {
        let b = Config { local_as: 65000, peer_as: Some(65001), router_id: PEER_ID, seed: 2, ..config() };
        Self::between([config(), b], connect)
    }

    pub(super) fn between([a, b]: [Config; 2], connect: [Connect; 2]) -> Self {
        let end = |config, connect| End {
            peering: Peering::new(config, connect),
            connect,
            links: BySide::default(),
            waiting: VecDeque::new(),
        };
        let ends = [end(a, connect[0]), end(b, connect[1])];
        let mut net = Self { now: T0, ends, connections: vec![], cut: false, delay: Jitter::new(0), log: vec![] };
        for end in 0..2 {
            net.tell(end, &Input::Start);
        }
        net
    }

    pub(super) fn tell(&mut self, end: usize, input: &Input) {
        self.ends[end].peering.tell(self.now, input);
        self.act(end);
    }

    pub(super) fn handle(&mut self, end: usize, side: Side, input: Input) {
        self.ends[end].peering.handle(self.now, side, input);
        self.act(end);
    }

    pub(super) fn send(&mut self, connection: usize, to: usize, segment: Segment) {
        if !self.cut {
            let channel = &mut self.connections[connection].to[to];
            let before = channel.back().map_or(self.now, |(at, _)| *at);
            channel.push_back((before.max(self.now + self.delay.of(DELAY)), segment));
        }
    }

    pub(super) fn act(&mut self, end: usize) {
        while let Some((side, action)) = self.ends[end].peering.poll_action() {
            let link = self.ends[end].links[side];
            match action {
                Action::Dial => {
                    assert_eq!(link, None, "a second connection");
                    self.ends[end].links[side] = Some(self.connections.len());
                    self.connections.push(Connection { to: Default::default() });
                    self.send(self.connections.len() - 1, 1 - end, Segment::Syn);
                }
                Action::Send(message) => self.send(link.unwrap(), 1 - end, Segment::Data(received(message))),
                Action::Up(_) | Action::Resend(_) => {}
                Action::Close(_) => {
                    self.ends[end].links[side] = None;
                    self.send(link.unwrap(), 1 - end, Segment::End);
                }
                Action::Changed { to, .. } => self.log.push((self.now - T0, end, to)),
            }
        }
        self.check();
        self.admit(end);
    }

    /// What a peer may never do, whatever happens.
    pub(super) fn check(&self) {
        for end in &self.ends {
            let names = Side::ALL.map(|side| end.peering.side(side).name());
            assert!(names.iter().filter(|name| **name == Established).count() <= 1, "two sessions");
            assert!(names != [OpenConfirm; 2], "a collision that is not decided");
        }
    }

    pub(super) fn admit(&mut self, end: usize) {
        while let Some((connection, _)) = self.ends[end].waiting.front() {
            let connection = *connection;
            match self.ends[end].peering.admission() {
                Admission::Wait => return,
                Admission::Refuse(cease) => {
                    self.ends[end].waiting.pop_front();
                    self.send(connection, 1 - end, Segment::Data(Message::Notification(cease)));
                    self.send(connection, 1 - end, Segment::End);
                }
                Admission::Take => {
                    let (_, inputs) = self.ends[end].waiting.pop_front().unwrap();
                    self.ends[end].links.incoming = Some(connection);
                    self.handle(end, Side::Incoming, Input::Connected);
                    for input in inputs {
                        self.input(connection, end, input);
                    }
                }
            }
        }
    }

    /// Hands the next segment of a channel to its end.
    pub(super) fn deliver(&mut self, connection: usize, end: usize) {
        let (_, segment) = self.connections[connection].to[end].pop_front().unwrap();
        match segment {
            Segment::Syn if self.ends[end].connect == Connect::Active => {
                self.send(connection, 1 - end, Segment::End);
            }
            Segment::Syn => {
                self.send(connection, 1 - end, Segment::SynAck);
                self.ends[end].waiting.push_back((connection, VecDeque::new()));
                self.admit(end);
            }
            Segment::SynAck => self.input(connection, end, Input::Connected),
            Segment::Data(message) => self.input(connection, end, Input::Received(message)),
            Segment::End => self.input(connection, end, Input::Down("closed".into())),
        }
    }

    pub(super) fn input(&mut self, connection: usize, end: usize, input: Input) {
        let End { links, waiting, .. } = &mut self.ends[end];
        if let Some((_, inputs)) = waiting.iter_mut().find(|(number, _)| *number == connection) {
            inputs.push_back(input);
        } else if let Some(side) = Side::ALL.into_iter().find(|side| links[*side] == Some(connection)) {
            self.handle(end, side, input);
        }
    }

    /// The channels on which something travels.
    pub(super) fn channels(&self) -> Vec<(Instant, usize, usize)> {
        let all = self.connections.iter().enumerate().flat_map(|(number, connection)| {
            [0, 1].map(|end| connection.to[end].front().map(|(at, _)| (*at, number, end)))
        });
        all.flatten().collect()
    }

    pub(super) fn partition(&mut self) {
        self.cut = true;
        for connection in &mut self.connections {
            connection.to = Default::default();
        }
    }

    pub(super) fn run(&mut self, until: Duration) {
        loop {
            let arrival = self.channels().into_iter().min();
            let timer = self.ends.iter().filter_map(|end| end.peering.next_deadline()).min();
            let next = [arrival.map(|(at, ..)| at), timer].into_iter().flatten().min();
            let Some(next) = next.filter(|at| *at <= after(until)) else {
                self.now = after(until);
                return;
            };
            self.now = self.now.max(next);
            if let Some((_, connection, end)) = arrival.filter(|(at, ..)| *at <= self.now) {
                self.deliver(connection, end);
            }
            for end in 0..2 {
                self.ends[end].peering.handle_timeout(self.now);
                self.act(end);
            }
        }
    }

    pub(super) fn names(&self) -> [StateName; 2] {
        [0, 1].map(|end: usize| self.ends[end].peering.state().name())
    }

    /// The connection of an end's session.
    pub(super) fn session(&self, end: usize) -> Option<usize> {
        let End { peering, links, .. } = &self.ends[end];
        Side::ALL.into_iter().find(|side| peering.side(*side).name() == Established).and_then(|side| links[side])
    }

    /// The one connection of both, which both say is up.
    pub(super) fn agreed(&self) -> Option<usize> {
        let [a, b] = [0, 1].map(|end: usize| &self.ends[end].links);
        let links: Vec<_> = a.iter().chain(b.iter()).flatten().collect();
        self.session(0).filter(|session| self.session(1) == Some(*session) && links == [session, session])
    }
}

pub(super) fn received(message: Outgoing) -> Message {
    match message {
        Outgoing::Open(open) => Message::Open(open),
        Outgoing::Keepalive => Message::Keepalive,
        Outgoing::Notification(notification) => Message::Notification(notification),
        Outgoing::Update(_) => update(),
        Outgoing::RouteRefresh(family) => Message::RouteRefresh(Some(family)),
    }
}
