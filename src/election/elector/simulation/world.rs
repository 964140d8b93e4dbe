//! The virtual clock, the network between candidates and API, and what must hold.

mod mishaps;

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

use super::super::{Action, Attempt, Elector, Input, Moment, WriteError};
use super::api::{Answer, Api, Request};
use super::gocandidate::GoCandidate;
use crate::config::LeaseConfig;
use crate::election::record::{MicroTime, Record, Version};
use crate::election::{Fitness, Leadership};
use crate::time::Instant;

/// When faults end, and when the run does, in virtual milliseconds.
const CALM: u64 = 60_000;
const END: u64 = 115_000;
/// The longest pause of a killed process.
const RESTART: u64 = 8000;
/// The longest time a node is cut off.
const LONGEST_CUT: u64 = 25_000;
const EPOCH_MICROS: i64 = 1_700_000_000_000_000;
/// The longest lag of a watch.
const LAG: u64 = 1500;

/// What goes wrong beside the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Faults {
    /// Requests, answers, watches, processes.
    Network,
    /// Also the object: it is deleted and restored.
    Object,
}

#[derive(Debug)]
enum Event {
    /// A node's elector has something due (if its process is still that one).
    Due {
        node: usize,
        life: u64,
    },
    /// A request reaches the API; its answer takes `back`, or is lost.
    Arrive {
        from: From,
        request: Request,
        back: Option<u64>,
    },
    Answer {
        from: From,
        answer: Answer,
    },
    Timeout {
        from: From,
        get: bool,
    },
    Watch {
        node: usize,
        life: u64,
        version: Version,
        record: Option<Record>,
    },
    GoPoll,
    /// A stalled watch is opened anew.
    Relist {
        node: usize,
    },
    Start {
        node: usize,
    },
    Mishap,
}

/// Who asked: a life of a node, or the client-go candidate (`node` beyond the nodes), by attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct From {
    node: usize,
    life: u64,
    attempt: u64,
}

struct Node {
    elector: Option<Elector>,
    life: u64,
    boot_offset: u64,
    wall_offset: i64,
    /// The attempt that is awaited.
    awaits: Option<u64>,
    due: Option<Instant>,
    watch_until: u64,
    stalled_until: u64,
    /// Nothing it sends is answered until then …
    cut_until: u64,
    /// … though it may arrive.
    heard: bool,
}

pub(super) struct World {
    faults: Faults,
    rng: u64,
    now: u64,
    sequence: u64,
    queue: BTreeMap<(u64, u64), Event>,
    config: LeaseConfig,
    api: Api,
    snapshot: Api,
    nodes: Vec<Node>,
    go: GoCandidate,
    go_attempt: u64,
    go_wall: i64,
    last_object_fault: Option<u64>,
    highest: (u64, usize, u64),
    log: VecDeque<String>,
}

impl World {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        let mut world = Self {
            faults,
            rng: seed.wrapping_mul(2).wrapping_add(1),
            now: 0,
            sequence: 0,
            queue: BTreeMap::new(),
            config: config(seed),
            api: Api::default(),
            snapshot: Api::default(),
            nodes: Vec::new(),
            go: GoCandidate::default(),
            go_attempt: 0,
            go_wall: 0,
            last_object_fault: None,
            highest: (0, 0, 0),
            log: VecDeque::new(),
        };
        world.go_wall = world.skew();
        for node in 0..3 {
            let (boot_offset, wall_offset) = (world.below(1_000_000), world.skew());
            let silent = Node {
                elector: None,
                life: 0,
                boot_offset,
                wall_offset,
                awaits: None,
                due: None,
                watch_until: 0,
                stalled_until: 0,
                cut_until: 0,
                heard: false,
            };
            world.nodes.push(silent);
            let start = world.below(3000);
            world.at(start, Event::Start { node });
        }
        if seed.is_multiple_of(3) {
            world.at(1, Event::GoPoll);
        }
        world.at(5000, Event::Mishap);
        world
    }

    pub(super) fn run(&mut self) -> Result<(), String> {
        while let Some(((time, _), event)) = self.queue.pop_first() {
            if time > END {
                break;
            }
            self.now = time;
            self.step(event);
            self.check()?;
        }
        Ok(())
    }

    pub(super) fn history(&self) -> String {
        self.log.iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{line}");
            text
        })
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Start { node } => self.start(node),
            Event::Due { node, life } => self.with(node, life, |elector, at| elector.handle_timeout(at)),
            Event::Arrive { from, request, back } => self.arrive(from, request, back),
            Event::Answer { from, answer } => self.answer(from, answer),
            Event::Timeout { from, get } => self.time_out(from, get),
            Event::Watch { node, life, version, record } => {
                self.with(node, life, |elector, at| elector.handle(at, Input::Seen { version, record }));
            }
            Event::GoPoll => self.go_poll(),
            Event::Relist { node } => self.list(node),
            Event::Mishap => self.mishap(),
        }
    }

    /// What must hold after every event.
    fn check(&mut self) -> Result<(), String> {
        let holders = self.holders();
        let confused = self.last_object_fault.is_some_and(|fault| {
            self.now <= fault + millis(self.config.renew_deadline + self.config.retry_period * 2) + LAG
        });
        if holders.len() > 1 && !confused {
            return Err(format!("at {} ms these hold it: {holders:?}", self.now));
        }
        let last_wait = millis(self.config.duration + self.config.retry_period * 4);
        if self.now >= CALM + LONGEST_CUT + last_wait && holders.is_empty() {
            return Err(format!("at {} ms nobody holds it", self.now));
        }
        for node in 0..self.nodes.len() {
            let Some(term) = self.term(node) else { continue };
            let this = (term, node, self.nodes[node].life);
            if this != self.highest && term <= self.highest.0 && self.last_object_fault.is_none() {
                return Err(format!("at {} ms {this:?} follows {:?}", self.now, self.highest));
            }
            self.highest = this;
        }
        Ok(())
    }

    fn term(&self, node: usize) -> Option<u64> {
        let elector = self.nodes[node].elector.as_ref()?;
        match elector.leadership(self.moment(node).now) {
            Leadership::Held { term, .. } => Some(term),
            Leadership::Follower { .. } => None,
        }
    }

    fn holders(&self) -> Vec<String> {
        let nodes = (0..self.nodes.len()).filter(|&node| self.term(node).is_some()).map(|node| format!("node-{node}"));
        nodes.chain(self.go.leads(self.now).then(|| "go".to_owned())).collect()
    }

    fn moment(&self, node: usize) -> Moment {
        let node = &self.nodes[node];
        let now = Instant::from_boot(Duration::from_millis(node.boot_offset + self.now));
        Moment { now, wall: self.wall(node.wall_offset) }
    }

    fn wall(&self, offset: i64) -> MicroTime {
        MicroTime(EPOCH_MICROS + i64::try_from(self.now).unwrap() * 1000 + offset)
    }

    fn start(&mut self, node: usize) {
        let life = self.nodes[node].life + 1;
        let elector = Elector::new(self.config.clone(), &format!("node-{node}"), format!("{node}.{life}"));
        let it = &mut self.nodes[node];
        (it.elector, it.life, it.awaits, it.due) = (Some(elector), life, None, None);
        self.note(format!("node-{node} starts, life {life}"));
        self.with(node, life, |elector, at| elector.set_fitness(at, Fitness::Fit));
        self.list(node);
    }

    fn with(&mut self, node: usize, life: u64, act: impl FnOnce(&mut Elector, Moment)) {
        let at = self.moment(node);
        let it = &mut self.nodes[node];
        let Some(elector) = it.elector.as_mut().filter(|_| it.life == life) else { return };
        act(elector, at);
        let actions: Vec<Action> = std::iter::from_fn(|| elector.poll_action()).collect();
        for action in actions {
            let (attempt, request) = match action {
                Action::Get { attempt } => (attempt, Request::Get),
                Action::Create { attempt, record } => (attempt, Request::Create(record)),
                Action::Update { attempt, record } => (attempt, Request::Update(record)),
                Action::Report(event) => {
                    self.note(format!("node-{node} reports {event:?}"));
                    continue;
                }
            };
            assert_eq!(self.nodes[node].awaits, None, "two attempts on their way");
            self.nodes[node].awaits = Some(attempt.0);
            self.send(From { node, life, attempt: attempt.0 }, request);
        }
        self.schedule(node, life);
    }

    fn schedule(&mut self, node: usize, life: u64) {
        let it = &mut self.nodes[node];
        let next = it.elector.as_ref().and_then(Elector::next_deadline);
        if next != it.due {
            it.due = next;
            if let Some(next) = next {
                let at = millis(next.since_boot()).saturating_sub(it.boot_offset).max(self.now);
                self.at(at, Event::Due { node, life });
            }
        }
    }

    /// Sends a request through the network: it may be lost, take long, land after its caller gave up.
    fn send(&mut self, from: From, request: Request) {
        let get = matches!(request, Request::Get);
        let stormy = self.now < CALM;
        let limit = millis(self.config.retry_period);
        self.at(self.now + limit, Event::Timeout { from, get });
        let cut = self.nodes.get(from.node).filter(|node| self.now < node.cut_until).map(|node| node.heard);
        if cut == Some(false) || (stormy && self.below(100) < 4) {
            return;
        }
        let there = if stormy && self.below(100) < 6 { self.below(limit * 2) } else { self.below(20) };
        let lost = cut.is_some() || (stormy && self.below(100) < 6);
        let back = self.below(20);
        self.at(self.now + there, Event::Arrive { from, request, back: (!lost).then_some(back) });
    }

    fn arrive(&mut self, from: From, request: Request, back: Option<u64>) {
        let before = self.api.revision;
        let answer = self.api.perform(request);
        if self.api.revision != before {
            self.note(format!("{from:?} wrote {:?}", self.api.object));
            self.announce();
        }
        if let Some(back) = back {
            self.at(self.now + back, Event::Answer { from, answer });
        }
    }

    /// Tells every watch, each after its own lag, in order.
    fn announce(&mut self) {
        let (version, record) = (Version(self.api.revision.to_string()), self.api.object.clone());
        for node in 0..self.nodes.len() {
            if self.now < self.nodes[node].stalled_until {
                continue;
            }
            let lag = if self.now < CALM && self.below(100) < 5 { self.below(LAG) } else { self.below(10) };
            let it = &mut self.nodes[node];
            it.watch_until = it.watch_until.max(self.now + lag);
            let (at, life) = (it.watch_until, it.life);
            self.at(at, Event::Watch { node, life, version: version.clone(), record: record.clone() });
        }
    }

    /// A watch begins with a list.
    fn list(&mut self, node: usize) {
        let version = Version(self.api.revision.to_string());
        let record = self.api.object.clone();
        let version = record.as_ref().map_or(version, |record| record.version.clone());
        let lag = self.below(50);
        let it = &mut self.nodes[node];
        it.watch_until = it.watch_until.max(self.now + lag);
        let (at, life) = (it.watch_until, it.life);
        self.at(at, Event::Watch { node, life, version, record });
    }

    fn answer(&mut self, from: From, answer: Answer) {
        if from.node == self.nodes.len() {
            return self.go_answer(from, answer);
        }
        let attempt = Attempt(from.attempt);
        let input = match answer {
            Answer::Got(record) => Input::Got { attempt, result: Ok(record) },
            Answer::Wrote(result) => Input::Wrote { attempt, result },
        };
        self.conclude(from, input);
    }

    fn time_out(&mut self, from: From, get: bool) {
        let (attempt, text) = (Attempt(from.attempt), "no answer".to_owned());
        if from.node < self.nodes.len() {
            self.conclude(
                from,
                match get {
                    true => Input::Got { attempt, result: Err(text) },
                    false => Input::Wrote { attempt, result: Err(WriteError::Failed(text)) },
                },
            );
        }
    }

    fn conclude(&mut self, from: From, input: Input) {
        let it = &mut self.nodes[from.node];
        if it.life == from.life && it.awaits == Some(from.attempt) {
            it.awaits = None;
            self.with(from.node, from.life, |elector, at| elector.handle(at, input));
        }
    }

    fn go_poll(&mut self) {
        self.go_attempt += 1;
        let from = From { node: self.nodes.len(), life: 0, attempt: self.go_attempt };
        self.send(from, Request::Get);
        self.at(self.now + millis(self.config.retry_period), Event::GoPoll);
    }

    fn go_answer(&mut self, from: From, answer: Answer) {
        if from.attempt != self.go_attempt {
            return;
        }
        let (duration, deadline) = (millis(self.config.duration), millis(self.config.renew_deadline));
        let wall = self.wall(self.go_wall);
        match &answer {
            Answer::Got(object) => {
                if let Some(request) = self.go.got(self.now, wall, object.as_ref(), duration) {
                    self.send(from, request);
                }
            }
            Answer::Wrote(_) => self.go.wrote(self.now, &answer, deadline),
        }
    }

    fn at(&mut self, time: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((time, self.sequence), event);
    }

    fn note(&mut self, what: String) {
        if self.log.len() >= 60 {
            self.log.pop_front();
        }
        self.log.push_back(format!("{:>6} {what}", self.now));
    }

    /// splitmix64
    fn below(&mut self, bound: u64) -> u64 {
        self.rng = self.rng.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.rng;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }

    /// Up to half a minute to either side, in microseconds.
    fn skew(&mut self) -> i64 {
        i64::try_from(self.below(60_000_000)).unwrap() - 30_000_000
    }
}

fn config(seed: u64) -> LeaseConfig {
    let (duration, renew, retry) = if seed.is_multiple_of(2) { (15, 10, 2) } else { (5, 3, 1) };
    LeaseConfig {
        name: "plndr-cp-lock".to_owned(),
        namespace: "kube-system".to_owned(),
        duration: Duration::from_secs(duration),
        renew_deadline: Duration::from_secs(renew),
        retry_period: Duration::from_secs(retry),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}
