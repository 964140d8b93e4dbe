//! What a seed stands for: a setting, and a list of mishaps. The list is data, so that one can be taken out and the
//! rest played again.

use std::fmt;
use std::time::Duration;

use vipcast::config::{LeaseConfig, ROUTER_SLACK};
use vipcast::election::fence::DEFAULT_STEP;

use crate::clock::Ms;
use crate::process::LEAVES;
use crate::random::Random;
use crate::world::NODES_AS;

/// Nodes that run vipcast.
pub(crate) const NODES: usize = 3;
/// The first node's AS, where that is another.
const FOREIGN_AS: u32 = 65_001;
/// No mishap begins later.
const LAST_MISHAP: Ms = 60_000;
/// The first one, when everybody has started.
const FIRST_MISHAP: Ms = 5000;
/// The longest time that anything lasts.
const LONGEST: Ms = 25_000;
/// How long an API server that was unfit is after its end.
const RECOVERS: Ms = 5000;

/// Which mishaps may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// Networks, processes, machines and clocks.
    Network,
    /// Also the Lease object: it is deleted and restored.
    Object,
    /// None: one node after the other leaves, is drained, or has an API server that fails.
    Orderly,
    /// API servers that answer every other check for ten minutes: one node's, or everybody's.
    Unsteady,
}

/// How routers and nodes are wired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fabric {
    /// One router in an AS of its own.
    One,
    /// One router in the nodes' AS: LOCAL_PREF decides.
    Internal,
    /// Two routers, each with sessions to all nodes.
    Pair,
    /// The first node behind one leaf, the others behind another, a spine above: three ASes.
    LeafSpine,
}

impl Fabric {
    /// How many routers there are; the last is the one that clients come by.
    pub(crate) fn routers(self) -> usize {
        match self {
            Self::One | Self::Internal => 1,
            Self::Pair => 2,
            Self::LeafSpine => 3,
        }
    }

    /// Whether this node (`NODES`: kube-vip's) has a session with this router.
    pub(crate) fn wired(self, node: usize, router: usize) -> bool {
        match self {
            Self::One | Self::Internal | Self::Pair => true,
            Self::LeafSpine => router == usize::from(node != 0),
        }
    }

    /// Whether these two routers have a session.
    pub(crate) fn joined(self, a: usize, b: usize) -> bool {
        self == Self::LeafSpine && a != b && (a == 2 || b == 2)
    }
}

/// What stays the same in a run.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub faults: Faults,
    pub lease: LeaseConfig,
    pub fabric: Fabric,
    /// The hold time of all sessions.
    pub hold: Ms,
    /// How long BFD needs to notice silence, where it runs.
    pub bfd: Option<Ms>,
    /// kube-vip stands for election too.
    pub kube_vip: bool,
    /// Every fit node that does not hold the lease stands by.
    pub standby: bool,
    /// The step of the AS-path fence, where it is configured.
    pub step: Option<u8>,
    /// The first node is in another AS than the others.
    pub foreign: bool,
    /// Nobody may write candidates' Leases.
    pub mute: bool,
}

impl Setting {
    pub(crate) fn of(seed: u64, faults: Faults) -> Self {
        let mut random = Random::new(seed, 1);
        let (duration, renew, retry) = if random.chance(50) { (15, 10, 2) } else { (5, 3, 1) };
        let lease = LeaseConfig {
            name: "plndr-cp-lock".to_owned(),
            namespace: "kube-system".to_owned(),
            duration: Duration::from_secs(duration),
            renew_deadline: Duration::from_secs(renew),
            retry_period: Duration::from_secs(retry),
        };
        let fabric = [Fabric::One, Fabric::Internal, Fabric::Pair, Fabric::LeafSpine][random.index(4)];
        let hold = [3000, 9000, 15_000][random.index(3)];
        let bfd = random.chance(30).then(|| random.between(150, 900));
        let kube_vip = random.chance(30) && matches!(faults, Faults::Network | Faults::Object);
        // A stream of its own: what came before it was drawn stays as it was.
        let mut random = Random::new(seed, 4);
        let standby = random.chance(35);
        let step = random.chance(if fabric == Fabric::LeafSpine { 60 } else { 20 }).then_some(DEFAULT_STEP);
        let foreign = random.chance(20) && fabric != Fabric::Internal;
        let mute = random.chance(10) && matches!(faults, Faults::Network | Faults::Object);
        Self { faults, lease, fabric, hold, bfd, kube_vip, standby, step, foreign, mute }
    }

    /// The AS of a node; of kube-vip's, too.
    pub(crate) fn asn(&self, node: usize) -> u32 {
        if self.foreign && node == 0 { FOREIGN_AS } else { NODES_AS }
    }

    /// For how long routers keep the route of who falls silent, as a node reckons it.
    pub(crate) fn stale(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.hold).unwrap_or(0)) * ROUTER_SLACK
    }

    pub(crate) fn duration(&self) -> Ms {
        millis(self.lease.duration)
    }

    pub(crate) fn renew_deadline(&self) -> Ms {
        millis(self.lease.renew_deadline)
    }

    pub(crate) fn retry_period(&self) -> Ms {
        millis(self.lease.retry_period)
    }
}

pub(crate) fn millis(duration: Duration) -> Ms {
    Ms::try_from(duration.as_millis()).unwrap_or(Ms::MAX)
}

/// Whom a mishap befalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// `NODES`: kube-vip, which in any case loses the API.
    Node(usize),
    /// Whoever holds the lease at that moment; nobody: nothing happens.
    Holder,
    /// Everybody else.
    Others,
}

/// What goes wrong. `lasts` is how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The process is killed and comes back.
    Kill {
        back: Ms,
    },
    /// The machine loses power and comes back.
    PowerLoss {
        back: Ms,
    },
    /// SIGTERM; a new process comes.
    Leave {
        back: Ms,
    },
    /// Its API server fails.
    Unfit {
        lasts: Ms,
    },
    /// The same, to the millisecond.
    Sick {
        lasts: Ms,
    },
    /// Its operator wants it empty.
    Drain {
        lasts: Ms,
    },
    /// SIGSTOP: all threads of the process.
    Freeze {
        lasts: Ms,
    },
    /// All tasks hang; the watchdog's thread runs.
    Hang {
        lasts: Ms,
    },
    /// CLOCK_BOOTTIME stands still, the process does not.
    StopClock {
        lasts: Ms,
    },
    StepWallBack {
        by: Ms,
    },
    /// Nothing comes from the watch, and it does not end.
    StallWatch {
        lasts: Ms,
    },
    LagWatch {
        lasts: Ms,
        lag: Ms,
    },
    /// API requests and answers are lost and late.
    Storm {
        lasts: Ms,
        lost: i64,
        late: i64,
    },
    /// No API; `heard`: requests arrive, answers do not.
    CutApi {
        lasts: Ms,
        heard: bool,
    },
    /// No routers, and no clients.
    CutUplink {
        lasts: Ms,
    },
    CutBoth {
        lasts: Ms,
    },
    /// Segments to the routers come late.
    SlowUplink {
        lasts: Ms,
        late: Ms,
    },
    RestartRouter {
        router: usize,
    },
    /// Somebody annotates the Lease.
    Annotate,
    Snapshot,
    Restore,
    Delete,
}

/// One mishap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mishap {
    pub at: Ms,
    pub whom: Whom,
    pub what: What,
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, whom, what } = self;
        match whom {
            Whom::Node(node) => write!(f, "at {at} ms, node-{node}: {what:?}"),
            Whom::Holder => write!(f, "at {at} ms, the holder: {what:?}"),
            Whom::Others => write!(f, "at {at} ms, all but the holder: {what:?}"),
        }
    }
}

/// The mishaps of this seed, in order.
pub(crate) fn mishaps(seed: u64, setting: &Setting) -> Vec<Mishap> {
    let mut random = Random::new(seed, 2);
    match setting.faults {
        Faults::Network | Faults::Object => wild(&mut random, setting),
        Faults::Orderly => orderly(&mut random),
        Faults::Unsteady => unsteady(&mut random),
    }
}

/// Anything at any time.
fn wild(random: &mut Random, setting: &Setting) -> Vec<Mishap> {
    let mut at = FIRST_MISHAP;
    let mut plan = Vec::new();
    while at < LAST_MISHAP {
        let whom = match random.chance(40) {
            true => Whom::Holder,
            false if setting.kube_vip && random.chance(30) => Whom::Node(NODES),
            false => Whom::Node(random.index(NODES)),
        };
        let what = what(random, setting);
        plan.push(Mishap { at, whom, what });
        if matches!(what, What::Leave { .. } | What::Unfit { .. } | What::Drain { .. }) && random.chance(30) {
            disturb(&mut plan, random, at);
        }
        at += random.below(8000);
    }
    plan.sort_by_key(|mishap| mishap.at);
    plan
}

/// One after the other, each with time to end.
fn orderly(random: &mut Random) -> Vec<Mishap> {
    const BETWEEN: Ms = 20_000;
    let mut at = BETWEEN;
    let plan = (0..4).map(|_| {
        let whom = if random.chance(70) { Whom::Holder } else { Whom::Node(random.index(NODES)) };
        let lasts = random.between(3000, 20_000);
        let what = match random.below(8) {
            0..3 => What::Leave { back: random.between(100, 5000) },
            3 | 4 => What::Drain { lasts },
            5 | 6 => What::Unfit { lasts },
            _ => What::StepWallBack { by: random.below(20_000) },
        };
        let mishap = Mishap { at, whom, what };
        at += what.lasts() + BETWEEN;
        mishap
    });
    plan.collect()
}

/// Every check fails or not by a coin; three failures in a row make a node unfit, two successes fit again.
fn unsteady(random: &mut Random) -> Vec<Mishap> {
    const FROM: Ms = 25_000;
    const LASTS: Ms = 600_000;
    const PERIOD: Ms = 1000;
    let nodes = if random.chance(50) { 1 } else { NODES };
    let mut plan = Vec::new();
    for node in 0..nodes {
        let (mut fit, mut row, mut since) = (true, 0, 0);
        let mut at = FROM + random.below(PERIOD);
        while at < FROM + LASTS || !fit {
            let good = at >= FROM + LASTS || random.chance(50);
            row = if good == fit { 0 } else { row + 1 };
            if row == if fit { 3 } else { 2 } {
                if fit {
                    since = at;
                } else {
                    plan.push(Mishap { at: since, whom: Whom::Node(node), what: What::Sick { lasts: at - since } });
                }
                (fit, row) = (!fit, 0);
            }
            at += PERIOD;
        }
    }
    plan.sort_by_key(|mishap| mishap.at);
    plan
}

/// What may come between an offer and its end: who offers dies, who is offered sleeps.
fn disturb(plan: &mut Vec<Mishap>, random: &mut Random, at: Ms) {
    let lasts = random.between(1000, LONGEST);
    let sleeper = if random.chance(50) { Whom::Others } else { Whom::Node(random.index(NODES)) };
    plan.push(Mishap { at: at - random.below(200), whom: sleeper, what: What::Freeze { lasts } });
    let back = random.between(2000, 20_000);
    plan.push(Mishap { at: at + random.below(1500), whom: Whom::Holder, what: What::PowerLoss { back } });
}

/// When everything that these mishaps bring has ended.
pub(crate) fn calm(plan: &[Mishap]) -> Ms {
    let end = |mishap: &Mishap| mishap.at + mishap.what.lasts();
    plan.iter().map(end).max().unwrap_or(0).max(FIRST_MISHAP)
}

impl What {
    pub(crate) fn lasts(self) -> Ms {
        match self {
            Self::Kill { back: lasts }
            | Self::PowerLoss { back: lasts }
            | Self::Freeze { lasts }
            | Self::Drain { lasts }
            | Self::Sick { lasts }
            | Self::Hang { lasts }
            | Self::StopClock { lasts }
            | Self::StallWatch { lasts }
            | Self::LagWatch { lasts, .. }
            | Self::Storm { lasts, .. }
            | Self::CutApi { lasts, .. }
            | Self::CutUplink { lasts }
            | Self::CutBoth { lasts }
            | Self::SlowUplink { lasts, .. } => lasts,
            Self::Leave { back } => LEAVES + back,
            Self::Unfit { lasts } => lasts + RECOVERS,
            Self::StepWallBack { .. }
            | Self::RestartRouter { .. }
            | Self::Annotate
            | Self::Snapshot
            | Self::Restore
            | Self::Delete => 0,
        }
    }
}

fn what(random: &mut Random, setting: &Setting) -> What {
    let lasts = random.below(LONGEST);
    let kinds = if setting.faults == Faults::Object { 26 } else { 22 };
    match random.below(kinds) {
        0 | 1 => What::Kill { back: random.between(100, 8000) },
        2 => What::PowerLoss { back: random.between(2000, 20_000) },
        3 | 20 => What::Leave { back: random.between(500, 8000) },
        18 | 21 => What::Unfit { lasts },
        19 => What::Drain { lasts },
        4 | 5 => What::Freeze { lasts },
        6 => What::Hang { lasts },
        7 => What::StopClock { lasts },
        8 => What::StepWallBack { by: random.below(20_000) },
        9 => What::StallWatch { lasts },
        10 => What::LagWatch { lasts, lag: random.below(1500) },
        11 => What::Storm { lasts, lost: random.below(30), late: random.below(30) },
        12 => What::CutApi { lasts, heard: random.chance(50) },
        13 => What::CutUplink { lasts },
        14 => What::CutBoth { lasts },
        15 => What::SlowUplink { lasts, late: random.below(400) },
        16 => What::RestartRouter { router: random.index(setting.fabric.routers()) },
        17 => What::Annotate,
        22 => What::Snapshot,
        23 | 24 => What::Restore,
        _ => What::Delete,
    }
}
