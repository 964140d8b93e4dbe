//! The simulated time, what happens in it, and who it happens to.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use vipcast::election::candidates::Note;
use vipcast::election::record::{Record, Version};
use vipcast::time::Instant;

use crate::Broken;
use crate::api::{Answer, Api, Request};
use crate::clock::Ms;
use crate::gocandidate::NAME;
use crate::judge::{Judge, Violation};
use crate::node::{Announcement, KubeVip, Node};
use crate::plan::{self, Mishap, NODES, Setting};
use crate::random::Random;
use crate::router::{Flavour, Neighbour, Route, Router, Slot};

/// How long after the calm the run goes on beyond the bound within which all must be well.
const REST: Ms = 3000;

/// Who asked the API: a life of a node, or kube-vip (`node` beyond the nodes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asker {
    pub node: usize,
    pub life: u32,
    pub attempt: u64,
    pub sent: Ms,
    /// The same on its own clock.
    pub sent_local: Instant,
}

/// Something that happens at its time. What belongs to a process has its `life`, what belongs to a session its number:
/// of another one it means nothing.
#[derive(Debug)]
pub(crate) enum Event {
    Start {
        node: usize,
        life: u32,
    },
    Due {
        node: usize,
        life: u32,
    },
    Arrive {
        from: Asker,
        request: Box<Request>,
        back: Option<Ms>,
    },
    Answer {
        from: Asker,
        answer: Box<Answer>,
    },
    Timeout {
        from: Asker,
        get: bool,
    },
    Watch {
        node: usize,
        life: u32,
        version: Version,
        record: Option<Box<Record>>,
    },
    Relist {
        node: usize,
    },
    Mishap(usize),
    /// A node looks at its own fitness.
    Assess {
        node: usize,
        life: u32,
    },
    Publish {
        node: usize,
        life: u32,
        again: bool,
    },
    /// A node hears what another says of itself.
    Noted {
        node: usize,
        life: u32,
        note: Box<Note>,
    },
    Candidates {
        node: usize,
        life: u32,
    },
    /// SIGTERM's next step.
    Leave {
        node: usize,
        life: u32,
        step: Leave,
    },
    Speak {
        node: usize,
        life: u32,
    },
    Bound {
        node: usize,
        life: u32,
    },
    Watchdog {
        node: usize,
        life: u32,
    },
    Connect {
        node: usize,
        life: u32,
        router: usize,
    },
    /// What a node wrote reaches the router.
    Deliver {
        node: usize,
        router: usize,
        session: u32,
        said: Option<Announcement>,
    },
    /// The router hears that the session ended.
    Gone {
        node: usize,
        router: usize,
        session: u32,
    },
    /// The node hears that it did.
    PeerGone {
        node: usize,
        router: usize,
        session: u32,
    },
    /// Hold time or BFD at the router.
    Silent {
        node: usize,
        router: usize,
        watch: u32,
    },
    /// Hold time at the node.
    NothingHeard {
        node: usize,
        router: usize,
        session: u32,
    },
    /// A link, a process or a machine came back: who is heard may have changed.
    Weigh {
        node: usize,
    },
    /// A router tells another one.
    Propagate {
        from: usize,
        to: usize,
        route: Option<Route>,
    },
    Poll,
    /// kube-vip's routes follow its leadership.
    KubeVip,
    KubeVipRoute {
        router: usize,
        announced: bool,
    },
    /// Looks at everything.
    Look,
}

/// The steps of a process that was told to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    Begin,
    Withdraw,
    Release,
    Exit,
}

struct Entry(Ms, u64, Event);

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// One run.
pub(crate) struct World {
    pub now: Ms,
    queue: BinaryHeap<Reverse<Entry>>,
    sequence: u64,
    pub sessions: u32,
    pub setting: Setting,
    pub broken: Option<Broken>,
    pub plan: Vec<Mishap>,
    pub api: Api,
    pub snapshot: Api,
    /// The candidates' own Leases, by node.
    pub notes: BTreeMap<usize, Note>,
    pub nodes: Vec<Node>,
    pub kube_vip: KubeVip,
    pub routers: Vec<Router>,
    /// When what one router tells another arrives: in order.
    pub propagated: Vec<Vec<Ms>>,
    pub random: Random,
    pub judge: Judge,
    log: Option<Vec<String>>,
}

impl World {
    pub(crate) fn new(seed: u64, setting: &Setting, plan: &[Mishap], broken: Option<Broken>, log: bool) -> Self {
        let mut random = Random::new(seed, 3);
        let routers = (0..setting.fabric.routers()).map(|router| make_router(setting, router, &mut random)).collect();
        let count = setting.fabric.routers();
        let mut world = Self {
            now: 0,
            queue: BinaryHeap::new(),
            sequence: 0,
            sessions: 0,
            setting: setting.clone(),
            broken,
            plan: plan.to_vec(),
            api: Api::default(),
            snapshot: Api::default(),
            notes: BTreeMap::new(),
            nodes: (0..NODES).map(|node| Node::new(node, seed, count)).collect(),
            kube_vip: KubeVip::new(seed),
            routers,
            propagated: vec![vec![0; count]; count],
            random,
            judge: Judge::new(setting, plan::calm(plan)),
            log: log.then(Vec::new),
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for node in 0..NODES {
            let start = self.nodes[node].random.below(3000);
            self.at(start, Event::Start { node, life: 0 });
        }
        if self.setting.kube_vip {
            let first = self.kube_vip.random.below(2) * self.kube_vip.random.below(20_000);
            self.at(first, Event::Poll);
        }
        for index in 0..self.plan.len() {
            self.at(self.plan[index].at, Event::Mishap(index));
        }
        self.at(self.judge.settled, Event::Look);
    }

    /// Plays it to its end, or to the first thing that must not be; gives the number of events.
    pub(crate) fn run(&mut self) -> Result<u64, Violation> {
        let end = self.judge.settled + REST;
        let mut events = 0;
        while let Some(Reverse(Entry(time, _, event))) = self.queue.pop() {
            if time > end {
                break;
            }
            self.now = time;
            events += 1;
            self.step(event);
            self.examine()?;
        }
        Ok(events)
    }

    /// What was noted, if that was asked for.
    pub(crate) fn history(&self) -> &[String] {
        self.log.as_deref().unwrap_or_default()
    }

    fn step(&mut self, event: Event) {
        if let Some(later) = self.held_up(&event) {
            return self.at(later, event);
        }
        match event {
            Event::Start { node, life } => self.start(node, life),
            Event::Due { node, life } => self.due(node, life),
            Event::Arrive { from, request, back } => self.arrive(from, *request, back),
            Event::Answer { from, answer } => self.answer(from, *answer),
            Event::Timeout { from, get } => self.time_out(from, get),
            Event::Watch { node, life, version, record } => self.see(node, life, version, record.map(|record| *record)),
            Event::Relist { node } => {
                self.list(node);
                self.list_candidates(node);
            }
            Event::Mishap(index) => self.mishap(self.plan[index]),
            Event::Assess { node, life } => self.assess(node, life),
            Event::Publish { node, life, again } => self.publish(node, life, again),
            Event::Noted { node, life, note } => self.noted(node, life, *note),
            Event::Candidates { node, life } => self.candidates(node, life),
            Event::Leave { node, life, step } => self.leave(node, life, step),
            Event::Speak { node, life } => self.speak(node, life),
            Event::Bound { node, life } => self.bound(node, life),
            Event::Watchdog { node, life } => self.watchdog(node, life),
            Event::Connect { node, life, router } => self.connect(node, life, router),
            Event::Deliver { node, router, session, said } => self.deliver(node, router, session, said),
            Event::Gone { node, router, session } => self.gone(node, router, session),
            Event::PeerGone { node, router, session } => self.peer_gone(node, router, session),
            Event::Silent { node, router, watch } => self.silent(node, router, watch),
            Event::NothingHeard { node, router, session } => self.nothing_heard(node, router, session),
            Event::Weigh { node } => self.weigh(node),
            Event::Propagate { from, to, route } => self.take_route(to, NODES + 1 + from, route),
            Event::Poll => self.poll(),
            Event::KubeVip => self.kube_vip_speaks(),
            Event::KubeVipRoute { router, announced } => self.kube_vip_route(router, announced),
            Event::Look => {}
        }
    }

    /// When the process that this is for goes on, if it does not run.
    fn held_up(&self, event: &Event) -> Option<Ms> {
        let (node, watchdog) = match event {
            Event::Due { node, .. }
            | Event::Watch { node, .. }
            | Event::Assess { node, .. }
            | Event::Publish { node, .. }
            | Event::Noted { node, .. }
            | Event::Candidates { node, .. }
            | Event::Leave { node, .. }
            | Event::Speak { node, .. }
            | Event::Bound { node, .. }
            | Event::Connect { node, .. } => (*node, false),
            Event::Answer { from, .. } | Event::Timeout { from, .. } => (from.node, false),
            Event::Watchdog { node, .. } => (*node, true),
            Event::Start { .. }
            | Event::Arrive { .. }
            | Event::Relist { .. }
            | Event::Mishap(_)
            | Event::Deliver { .. }
            | Event::Gone { .. }
            | Event::PeerGone { .. }
            | Event::Silent { .. }
            | Event::NothingHeard { .. }
            | Event::Weigh { .. }
            | Event::Propagate { .. }
            | Event::Poll
            | Event::KubeVip
            | Event::KubeVipRoute { .. }
            | Event::Look => return None,
        };
        let node = self.nodes.get(node)?;
        let until = if watchdog { node.frozen_until } else { node.frozen_until.max(node.hung_until) };
        (self.now < until).then_some(until)
    }

    pub(crate) fn at(&mut self, time: Ms, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse(Entry(time, self.sequence, event)));
    }

    pub(crate) fn after(&mut self, delay: Ms, event: Event) {
        self.at(self.now + delay, event);
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(log) = &mut self.log {
            log.push(format!("{now:>7} {}", what()));
        }
    }
}

/// A candidate's name in the record.
pub(crate) fn name(node: usize) -> String {
    if node == NODES { NAME.to_owned() } else { format!("node-{node}") }
}

fn make_router(setting: &Setting, router: usize, random: &mut Random) -> Router {
    let flavour = Flavour { oldest_wins: random.chance(50), refuses_second: random.chance(50) };
    let slots: Slot = NODES + 1 + setting.fabric.routers();
    let asn =
        if setting.fabric == plan::Fabric::Internal { NODES_AS } else { 65_101 + u32::try_from(router).unwrap_or(0) };
    Router { flavour, asn, neighbours: vec![Neighbour::default(); slots], best: None }
}

/// The nodes' AS.
pub(crate) const NODES_AS: u32 = 65_000;
