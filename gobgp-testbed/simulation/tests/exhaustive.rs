//! Every history of a small instance, by a model checker: two of vipcast's own electors, an API, a client-go stranger, a
//! few steps of time, and a few of each fault. What the simulation draws by luck is enumerated here: in which order
//! requests, answers and watch events come, what is lost, who dies when.
//!
//! Time goes by in steps of one second, or of a whole lease: it lasts 3 s, renewals are due each second and count for
//! 2 s. It begins with one that holds the lease and one that knows.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic, and says where")]

use std::time::Duration;

use stateright::{Checker, Model, Property};
use vipcast::config::LeaseConfig;
use vipcast::election::elector::{Action as Want, Attempt, Elector, Input, Moment, WriteError};
use vipcast::election::record::{MicroTime, OFFER, Record, Spec, Version};
use vipcast::election::{Candidate, Fitness, Leadership, instance};
use vipcast::time::Instant;
use vipcast_simulation::as_if_offered;

const NODES: usize = 2;
const DURATION: u64 = 3;
const STRANGER: &str = "go";

const ALONE: &str = "at most one is entitled but for who handed over";
const NAMED: &str = "who handed over names who took it";
const NOT_STOLEN: &str = "no lease is taken within its time but by an offer";
const HANDED_OVER: &str = "a lease goes from hand to hand";
const STRANGE: &str = "the stranger holds it";

/// How much may happen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Budget {
    seconds: u8,
    /// Leaps over a whole lease.
    leaps: u8,
    /// Requests or answers that are lost.
    losses: u8,
    /// Processes that are killed and come back.
    kills: u8,
    /// Processes that are told to leave.
    leaves: u8,
    /// The stranger's claims of an expired lease.
    claims: u8,
    /// A defect made on purpose: candidates are shown old offers as if they stood in this record.
    stale_offers_stand: bool,
}

/// A request between a candidate and the API.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Flight {
    Asked(Attempt, Request),
    Answered(Input),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Request {
    Get,
    Create(Record),
    Update(Record),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node {
    elector: Elector,
    life: u8,
    flight: Option<Flight>,
    /// The version that its watch showed last.
    seen: u64,
    told: Option<u64>,
    left: bool,
    /// It handed the lease over, as the record shows, and speaks until it hears that the other one does.
    parted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    now: u64,
    nodes: Vec<Node>,
    object: Option<Record>,
    version: u64,
    /// When the object's spec last changed.
    changed: u64,
    /// Requests whose callers gave up; they may still arrive.
    astray: Vec<Request>,
    budget: Budget,
    /// A process took a lease that was neither free, nor waited out, nor offered to it, nor its node's.
    stolen: bool,
    /// A lease went from hand to hand.
    handed_over: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// A second goes by.
    Tick,
    /// A lease goes by.
    Leap,
    /// What is due at a node is done.
    Wake(usize),
    Arrive(usize),
    Answer(usize),
    /// The caller gives up; the request, or its answer, is lost or late.
    Lose(usize),
    /// A late request arrives.
    Stray,
    /// The watch shows the object as it is now.
    Watch(usize),
    Announced(usize),
    Kill(usize),
    Leave(usize),
    /// The stranger takes the lease, and keeps its annotations.
    Claim,
}

struct Instance {
    budget: Budget,
}

fn config() -> LeaseConfig {
    LeaseConfig {
        name: "lease".to_owned(),
        namespace: "kube-system".to_owned(),
        duration: Duration::from_secs(DURATION),
        renew_deadline: Duration::from_secs(2),
        retry_period: Duration::from_secs(1),
    }
}

fn name(node: usize) -> String {
    format!("n{node}")
}

impl State {
    fn moment(&self) -> Moment {
        let wall = MicroTime(i64::try_from((1_000 + self.now) * 1_000_000).expect("small"));
        Moment { now: Instant::from_boot(Duration::from_secs(100 + self.now)), wall }
    }

    /// A process; it knows of the other that is there at the start, and of no later one.
    fn start(&self, node: usize, life: u8) -> Node {
        let mut elector = Elector::new(config(), &name(node), instance(&name(node), &life.to_string()));
        let other = 1 - node;
        let known = Candidate { node: name(other), instance: instance(&name(other), "0") };
        elector.set_candidates(self.moment(), vec![known]);
        elector.set_fitness(self.moment(), Fitness::Fit);
        let mut node = Node { elector, life, flight: None, seen: 0, told: None, left: false, parted: false };
        node.send();
        node
    }

    fn leadership(&self, node: usize) -> Leadership {
        self.nodes[node].elector.leadership(self.moment().now)
    }

    /// What a request does at the API.
    fn perform(&mut self, by: Option<usize>, request: Request) -> Result<Option<Record>, WriteError> {
        let record = match (request, &self.object) {
            (Request::Get, object) => return Ok(object.clone()),
            (Request::Create(_), Some(_)) => return Err(WriteError::AlreadyExists),
            (Request::Update(_), None) => return Err(WriteError::NotFound),
            (Request::Update(record), Some(object)) if record.version != object.version => {
                return Err(WriteError::Conflict);
            }
            (Request::Create(record) | Request::Update(record), _) => record,
        };
        self.judge(by, &record);
        self.version += 1;
        if self.object.as_ref().map(|object| &object.spec) != Some(&record.spec) {
            self.changed = self.now;
        }
        let stored = Record { version: Version(self.version.to_string()), ..record };
        self.object = Some(stored.clone());
        Ok(Some(stored))
    }

    fn judge(&mut self, by: Option<usize>, record: &Record) {
        let Some(before) = self.object.as_ref() else { return };
        let (Some(was), Some(_)) = (before.spec.holder(), record.spec.holder()) else { return };
        if before.instance() == record.instance() && before.spec.holder() == record.spec.holder() {
            return;
        }
        let offer = before.annotations.get(OFFER).zip(before.spec.renew_time.zip(before.term()));
        let offered = before.is_of_vipcast()
            && offer.is_some_and(|(offer, (renewed, term))| {
                *offer == format!("{term} {} {}", renewed.0, record.instance().unwrap_or_default())
            });
        let waited_out = self.now >= self.changed + DURATION;
        let resumes = by.is_some_and(|node| name(node) == was) && !before.is_resumed();
        let stray = by.is_none() && record.spec.holder() != Some(STRANGER) && record.spec.holder() == Some(was);
        for (index, node) in self.nodes.iter_mut().enumerate() {
            let is_new = record.spec.holder() == Some(&name(index));
            node.parted = !is_new && (node.parted || (offered && was == name(index)));
        }
        self.handed_over |= offered;
        self.stolen |= !offered && !waited_out && !resumes && !stray;
    }

    /// Whether this step can be taken; taken it is here.
    fn take(&mut self, step: &Step) -> Option<()> {
        let at = self.moment();
        match *step {
            Step::Tick => {
                self.budget.seconds -= 1;
                self.now += 1;
            }
            Step::Leap => {
                self.budget.leaps -= 1;
                self.now += DURATION;
            }
            Step::Wake(node) => self.nodes[node].act(|elector| elector.handle_timeout(at)),
            Step::Arrive(node) => {
                let Flight::Asked(attempt, request) = self.nodes[node].flight.clone()? else { return None };
                let get = request == Request::Get;
                let answer = self.perform(Some(node), request);
                let input = match (get, answer) {
                    (true, answer) => Input::Got { attempt, result: Ok(answer.ok()?) },
                    (false, answer) => Input::Wrote { attempt, result: answer.map(Option::unwrap_or_default) },
                };
                self.nodes[node].flight = Some(Flight::Answered(input));
            }
            Step::Answer(node) => {
                let Flight::Answered(input) = self.nodes[node].flight.take()? else { return None };
                self.nodes[node].act(|elector| elector.handle(at, input));
            }
            Step::Lose(node) => self.lose(node)?,
            Step::Stray => {
                let request = self.astray.pop()?;
                let _ = self.perform(None, request);
            }
            Step::Watch(node) => {
                let (version, record) = (Version(self.version.to_string()), self.object.clone());
                let version = record.as_ref().map_or(version, |record| record.version.clone());
                let record = record.map(|record| self.shown(record));
                self.nodes[node].seen = self.version;
                self.nodes[node].act(|elector| elector.handle(at, Input::Seen { version, record }));
            }
            Step::Announced(node) => {
                let Leadership::Held { term, .. } = self.leadership(node) else { return None };
                self.nodes[node].told = Some(term);
                self.nodes[node].act(|elector| elector.announced(at, term));
            }
            Step::Kill(node) => {
                self.budget.kills -= 1;
                self.nodes[node] = self.start(node, self.nodes[node].life + 1);
            }
            Step::Leave(node) => {
                self.budget.leaves -= 1;
                self.nodes[node].left = true;
                self.nodes[node].act(|elector| elector.hand_over(at));
            }
            Step::Claim => self.claim()?,
        }
        Some(())
    }

    fn shown(&self, record: Record) -> Record {
        if self.budget.stale_offers_stand { as_if_offered(record) } else { record }
    }

    fn lose(&mut self, node: usize) -> Option<()> {
        self.budget.losses -= 1;
        let at = self.moment();
        let failed = |attempt: Attempt| Input::Wrote { attempt, result: Err(WriteError::Failed(String::new())) };
        let input = match self.nodes[node].flight.take()? {
            Flight::Asked(attempt, Request::Get) | Flight::Answered(Input::Got { attempt, .. }) => {
                Input::Got { attempt, result: Err(String::new()) }
            }
            Flight::Asked(attempt, request) => {
                self.astray.push(request);
                failed(attempt)
            }
            Flight::Answered(Input::Wrote { attempt, .. }) => failed(attempt),
            Flight::Answered(Input::Seen { .. }) => return None,
        };
        self.nodes[node].act(|elector| elector.handle(at, input));
        Some(())
    }

    fn claim(&mut self) -> Option<()> {
        self.budget.claims -= 1;
        let known = self.object.clone()?;
        let wall = Some(self.moment().wall);
        let spec = Spec {
            holder: Some(STRANGER.to_owned()),
            duration_seconds: i32::try_from(DURATION).ok(),
            acquire_time: wall,
            renew_time: wall,
            ..Spec::default()
        };
        self.perform(None, Request::Update(Record { spec, ..known })).ok()?;
        Some(())
    }
}

impl Node {
    fn act(&mut self, act: impl FnOnce(&mut Elector)) {
        act(&mut self.elector);
        self.send();
    }

    fn send(&mut self) {
        while let Some(want) = self.elector.poll_action() {
            let (attempt, request) = match want {
                Want::Get { attempt } => (attempt, Request::Get),
                Want::Create { attempt, record } => (attempt, Request::Create(record)),
                Want::Update { attempt, record } => (attempt, Request::Update(record)),
                Want::Report(_) => continue,
            };
            self.flight = Some(Flight::Asked(attempt, request));
        }
    }
}

impl Model for Instance {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let mut state = State {
            now: 0,
            nodes: Vec::new(),
            object: None,
            version: 0,
            changed: 0,
            astray: Vec::new(),
            budget: self.budget.clone(),
            stolen: false,
            handed_over: false,
        };
        state.nodes = (0..NODES).map(|node| state.start(node, 0)).collect();
        // The first holds it, and both know.
        let read_then_create = [Step::Arrive(0), Step::Answer(0), Step::Arrive(0), Step::Answer(0), Step::Announced(0)];
        let the_other_reads = [Step::Arrive(1), Step::Answer(1), Step::Watch(0), Step::Watch(1)];
        for step in read_then_create.into_iter().chain(the_other_reads) {
            state.take(&step).expect("nothing is in its way");
        }
        vec![state]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        let now = state.moment().now;
        for (index, node) in state.nodes.iter().enumerate() {
            match &node.flight {
                Some(Flight::Asked(..)) => steps.push(Step::Arrive(index)),
                Some(Flight::Answered(_)) => steps.push(Step::Answer(index)),
                None => {}
            }
            if node.flight.is_some() && state.budget.losses > 0 {
                steps.push(Step::Lose(index));
            }
            if node.elector.next_deadline().is_some_and(|due| due <= now) {
                steps.push(Step::Wake(index));
            }
            if node.seen < state.version {
                steps.push(Step::Watch(index));
            }
            if let Leadership::Held { term, successor: None, .. } = state.leadership(index)
                && node.told != Some(term)
            {
                steps.push(Step::Announced(index));
            }
            if state.budget.kills > 0 {
                steps.push(Step::Kill(index));
            }
            if state.budget.leaves > 0 && !node.left {
                steps.push(Step::Leave(index));
            }
        }
        if !state.astray.is_empty() {
            steps.push(Step::Stray);
        }
        let holder = state.object.as_ref().and_then(|object| object.spec.holder());
        let expired = state.now >= state.changed + DURATION && holder.is_some_and(|holder| holder != STRANGER);
        if expired && state.budget.claims > 0 {
            steps.push(Step::Claim);
        }
        if state.budget.seconds > 0 {
            steps.push(Step::Tick);
        }
        if state.budget.leaps > 0 {
            steps.push(Step::Leap);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        state.take(&step)?;
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ALONE, |_, state: &State| {
                let alone = |node: usize| {
                    !state.nodes[node].parted && matches!(state.leadership(node), Leadership::Held { .. })
                };
                !(alone(0) && alone(1))
            }),
            Property::always(NAMED, |_, state: &State| {
                (0..NODES).all(|node| match state.leadership(node) {
                    Leadership::Held { successor: Some(to), .. } => to == name(1 - node),
                    Leadership::Held { .. } | Leadership::Follower { .. } => true,
                })
            }),
            Property::always(NOT_STOLEN, |_, state: &State| !state.stolen),
            Property::sometimes(HANDED_OVER, |_, state: &State| state.handed_over),
            Property::sometimes(STRANGE, |_, state: &State| {
                state.object.as_ref().and_then(|object| object.spec.holder()) == Some(STRANGER)
            }),
        ]
    }
}

/// All states within this budget, and how many they are.
fn exhaust(what: &str, budget: Budget) -> impl Checker<Instance> {
    let checker = Instance { budget }.checker().threads(2).spawn_bfs().join();
    println!("{what}: {} states, the longest history has {} steps", checker.unique_state_count(), checker.max_depth());
    checker
}

/// Every property holds, and what may happen within the budget does.
fn holds(what: &str, budget: Budget) {
    let happens = [(HANDED_OVER, budget.leaves > 0), (STRANGE, budget.claims > 0)];
    let checker = exhaust(what, budget);
    for property in [ALONE, NAMED, NOT_STOLEN] {
        checker.assert_no_discovery(property);
    }
    for (property, expected) in happens {
        assert_eq!(checker.discovery(property).is_some(), expected, "{property}");
    }
}

const NOTHING: Budget =
    Budget { seconds: 0, leaps: 0, losses: 0, kills: 0, leaves: 0, claims: 0, stale_offers_stand: false };

#[test]
fn a_holder_leaves_and_a_second_goes_by() {
    holds("leave", Budget { seconds: 1, leaves: 1, ..NOTHING });
}

#[test]
fn a_holder_leaves_and_any_process_is_killed() {
    holds("leave, kill", Budget { kills: 1, leaves: 1, ..NOTHING });
}

#[test]
fn a_holder_is_killed_an_answer_lost_and_a_stranger_takes_the_lease() {
    holds("kill, lose, expire, claim", Budget { leaps: 1, losses: 1, kills: 1, claims: 1, ..NOTHING });
}

#[test]
fn a_holder_leaves_and_a_stranger_takes_the_lease() {
    holds("leave, expire, claim", Budget { leaps: 1, leaves: 1, claims: 1, ..NOTHING });
}

#[test]
fn an_offer_that_stands_for_ever_is_found_to_steal() {
    let budget = Budget { leaps: 1, leaves: 1, claims: 1, stale_offers_stand: true, ..NOTHING };
    exhaust("stale offer", budget).assert_any_discovery(NOT_STOLEN);
}
