//! Gates, candidates' notes and electors of three nodes on a virtual clock, with an API that never fails: how often the
//! lease moves while health checks come and go for ten minutes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, and says where")]

use std::time::Duration;

use vipcast::config::LeaseConfig;
use vipcast::election::candidates::{Note, PERIOD, Table};
use vipcast::election::elector::{Action, DWELL, Elector, Input, Moment, WriteError};
use vipcast::election::record::{MicroTime, Record, Version};
use vipcast::election::{Candidate, Fitness, Leadership, instance};
use vipcast::health::{Gate, Outcome, Rules, State};
use vipcast::time::Instant;

const STEP: u64 = 20;
/// All are fit until then.
const CALM: u64 = 30_000;
const END: u64 = CALM + 600_000;
const RULES: Rules = Rules { period: Duration::from_secs(1), fall: 3, rise: 2 };
const SEEDS: u64 = 20;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

struct Node {
    name: String,
    gate: Gate,
    elector: Elector,
    others: Table,
    fitness: Fitness,
    said: u64,
}

struct World {
    dice: Dice,
    now: u64,
    nodes: Vec<Node>,
    object: Option<Record>,
    revision: u64,
    /// The holders, one after the other, each with the time it took over.
    holders: Vec<(u64, String)>,
    /// Whether the nodes' checks fail as often as not.
    flaps: [bool; 3],
}

fn at(millis: u64) -> Moment {
    let wall = MicroTime(1_700_000_000_000_000 + i64::try_from(millis).unwrap() * 1000);
    Moment { now: Instant::from_boot(Duration::from_millis(millis)), wall }
}

impl World {
    fn new(seed: u64, flaps: [bool; 3]) -> Self {
        let seconds = Duration::from_secs;
        let config = LeaseConfig {
            name: "lock".to_owned(),
            namespace: "ns".to_owned(),
            duration: seconds(5),
            renew_deadline: seconds(3),
            retry_period: seconds(1),
        };
        let node = |name: &str| Node {
            name: name.to_owned(),
            gate: Gate::new(RULES, at(0).now),
            elector: Elector::new(config.clone(), name, instance(name, "x")),
            others: Table::new(at(0).now, name),
            fitness: Fitness::Unknown,
            said: 0,
        };
        let nodes = ["n1", "n2", "n3"].map(node).into();
        Self { dice: Dice(seed), now: 0, nodes, object: None, revision: 1, holders: Vec::new(), flaps }
    }

    fn run(&mut self) {
        for node in &mut self.nodes {
            node.others.replace(at(0).now, &Version::default(), Vec::new());
        }
        self.tell();
        while self.now < END {
            self.now += STEP;
            (0..3).for_each(|n| self.live(n));
            if self.now > CALM {
                let entitled = (0..3).any(|n| self.term(n).is_some());
                assert!(entitled, "nobody may speak at {} ms, {:?}", self.now, self.holders);
            }
        }
    }

    fn moves(&self) -> usize {
        self.holders.len() - 1
    }

    fn live(&mut self, n: usize) {
        let (now, moment) = (self.now, at(self.now));
        if self.nodes[n].gate.next_check() <= moment.now {
            let fails = self.flaps[n] && now > CALM && self.dice.throw().is_multiple_of(2);
            let outcome = if fails { Outcome::Failed("500".to_owned()) } else { Outcome::Good };
            let dice = self.dice.throw();
            self.nodes[n].gate.take(moment.now, moment.now, outcome, dice);
        }
        let fitness = match self.nodes[n].gate.health().state {
            State::Good => Fitness::Fit,
            State::Bad => Fitness::Unfit,
            State::Off | State::Unknown => Fitness::Unknown,
        };
        let due = now >= self.nodes[n].said + u64::try_from(PERIOD.as_millis()).unwrap();
        if due || self.nodes[n].fitness != fitness {
            (self.nodes[n].fitness, self.nodes[n].said) = (fitness, now);
            self.nodes[n].elector.set_fitness(moment, fitness);
            self.say(n);
        }
        self.nodes[n].elector.handle_timeout(moment);
        if let Some(term) = self.term(n) {
            self.nodes[n].elector.announced(moment, term);
        }
        self.serve(n);
    }

    /// Writes the node's note, which all others read at once.
    fn say(&mut self, n: usize) {
        let (moment, name) = (at(self.now), self.nodes[n].name.clone());
        let note = Note {
            candidate: Candidate { instance: instance(&name, "x"), node: name },
            fitness: self.nodes[n].fitness,
            reason: String::new(),
            renewed: Some(moment.wall),
            version: Version::default(),
        };
        for node in &mut self.nodes {
            node.others.set(moment.now, note.clone());
            node.elector.set_candidates(moment, node.others.fit(moment.now));
        }
    }

    fn term(&self, n: usize) -> Option<u64> {
        match self.nodes[n].elector.leadership(at(self.now).now) {
            Leadership::Held { term, .. } => Some(term),
            Leadership::Follower { .. } => None,
        }
    }

    /// Answers what the node asks of the API.
    fn serve(&mut self, n: usize) {
        let moment = at(self.now);
        while let Some(action) = self.nodes[n].elector.poll_action() {
            let input = match action {
                Action::Report(_) => continue,
                Action::Get { attempt } => Input::Got { attempt, result: Ok(self.object.clone()) },
                Action::Create { attempt, record } => {
                    let result =
                        if self.object.is_none() { Ok(self.put(record)) } else { Err(WriteError::AlreadyExists) };
                    Input::Wrote { attempt, result }
                }
                Action::Update { attempt, record } => {
                    let same = self.object.as_ref().is_some_and(|object| object.version == record.version);
                    let result = if same { Ok(self.put(record)) } else { Err(WriteError::Conflict) };
                    Input::Wrote { attempt, result }
                }
            };
            let wrote = matches!(input, Input::Wrote { result: Ok(_), .. });
            self.nodes[n].elector.handle(moment, input);
            if wrote {
                self.tell();
            }
        }
    }

    fn put(&mut self, mut record: Record) -> Record {
        self.revision += 1;
        (record.version, record.uid) = (Version(self.revision.to_string()), "uid".to_owned());
        let holder = record.spec.holder().unwrap_or_default().to_owned();
        if self.holders.last().is_none_or(|(_, last)| *last != holder) {
            self.holders.push((self.now, holder));
        }
        self.object = Some(record.clone());
        record
    }

    /// Tells all watches.
    fn tell(&mut self) {
        let moment = at(self.now);
        for node in &mut self.nodes {
            let seen = Input::Seen { version: Version(self.revision.to_string()), record: self.object.clone() };
            node.elector.handle(moment, seen);
        }
    }
}

#[test]
fn one_that_flaps_costs_one_move_whoever_it_is() {
    for seed in 0..SEEDS {
        let place = usize::try_from(seed % 3).unwrap();
        let mut world = World::new(seed, [0, 1, 2].map(|n| n == place));
        world.run();
        assert!(world.moves() <= 1, "seed {seed}: {:?}", world.holders);
    }
}

#[test]
fn all_that_flap_move_no_more_often_than_the_dwell_time_allows_and_somebody_always_speaks() {
    let mut most = 0;
    for seed in 0..SEEDS {
        let mut world = World::new(seed, [true; 3]);
        world.run();
        let dwell = u64::try_from(DWELL.as_millis()).unwrap();
        let apart = world.holders.windows(2).all(|pair| pair[1].0 - pair[0].0 >= dwell);
        assert!(apart, "seed {seed}: {:?}", world.holders);
        most = most.max(world.moves());
    }
    assert!(most > 5, "they hardly moved: {most}");
}
