//! A node: its clocks, its process, its links, and what it says to the routers.

use std::time::Duration;

use vipcast::election::candidates::Table;
use vipcast::election::elector::Elector;
use vipcast::election::record::Spec;
use vipcast::election::{Fitness, Leadership};
use vipcast::time::Instant;
use vipcast::vip::Preference;

use crate::clock::{Clock, Ms};
use crate::gocandidate::GoCandidate;
use crate::plan::NODES;
use crate::random::Random;

/// The route as a node announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announcement {
    /// Zero for a standby's.
    pub term: u64,
    pub preference: Preference,
    pub standby: bool,
}

/// One session, seen from the node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    /// Its number; `None`: down.
    pub up: Option<u32>,
    /// What the router has of us, and until when it may.
    pub sent: Option<(Announcement, Option<Instant>)>,
    /// A withdrawal that is not acknowledged: when what it withdraws ends.
    pub withdrawn: Option<Option<Instant>>,
    /// Messages that are not acknowledged.
    pub unacknowledged: u32,
    /// When the last of them arrives: in order.
    pub arrives: Ms,
}

/// What goes wrong between a node and the API.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ApiLink {
    /// Nothing that it sends is answered until then …
    pub cut_until: Ms,
    /// … though it may arrive.
    pub heard: bool,
    pub storm_until: Ms,
    pub lost: i64,
    pub late: i64,
}

/// How a process stands that was told to leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Leaving {
    #[default]
    No,
    /// Another is to take the lease before it falls silent.
    HandingOver,
    /// It withdraws.
    Quiet,
    /// It gives the lease back.
    Releasing,
}

/// What the API's history entitles a process to: the independent account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// On the node's clock.
    pub until: Instant,
    /// When the write was sent.
    pub sent: Ms,
}

pub(crate) struct Node {
    pub clock: Clock,
    pub random: Random,
    pub powered: bool,
    /// The process; `None`: there is none.
    pub elector: Option<Elector>,
    /// Counts processes.
    pub life: u32,
    pub frozen_until: Ms,
    pub hung_until: Ms,
    pub leaving: Leaving,
    /// When a process that leaves has left: how long until the next one comes.
    pub back: Ms,

    pub fitness: Fitness,
    pub started: Ms,
    /// When its first session came up or its last one went down.
    pub heard_at: Ms,
    pub unfit_until: Ms,
    pub drained_until: Ms,
    /// What it knows of the others.
    pub table: Table,
    pub noted_at: Ms,
    /// When some of that is too old.
    pub aging_at: Option<Instant>,
    /// The term in which its routes are out, as the elector was told.
    pub told: Option<u64>,

    pub api: ApiLink,
    /// The attempt that is awaited.
    pub awaits: Option<u64>,
    /// What the speaker was last told.
    pub published: Leadership,
    pub due: Option<Instant>,
    pub watch_until: Ms,
    pub stalled_until: Ms,
    pub lag_until: Ms,
    pub lag: Ms,

    pub uplink_cut_until: Ms,
    pub slow_until: Ms,
    pub late: Ms,
    pub bound: bool,
    pub binding: bool,
    /// By router.
    pub sessions: Vec<Session>,
    pub speaks_at: Option<Ms>,
    pub watchdog_at: Option<Ms>,
    pub grant: Option<Grant>,
    /// The same for a standby, and the record by which it was, with when it came first.
    pub standby_grant: Option<Instant>,
    pub informed: Option<(Spec, Ms)>,
    /// For a defect that is made on purpose: how long the last successful write took, and what it believes by that.
    pub stretched: Option<(Instant, u64)>,
    pub took: Ms,
}

impl Node {
    pub(crate) fn new(index: usize, seed: u64, routers: usize) -> Self {
        let mut random = Random::new(seed, 10 + u64::try_from(index).unwrap_or(0));
        // Up to 1 % of drift and half a minute on the wall.
        let clock = Clock::new(
            random.below(1_000_000_000),
            random.between(-10_000, 10_000),
            random.between(-30, 30) * 1_000_000,
        );
        Self {
            clock,
            random,
            powered: true,
            elector: None,
            life: 0,
            frozen_until: 0,
            hung_until: 0,
            leaving: Leaving::No,
            back: 0,
            fitness: Fitness::Unknown,
            started: 0,
            heard_at: 0,
            unfit_until: 0,
            drained_until: 0,
            table: Table::new(Instant::from_boot(Duration::ZERO), ""),
            noted_at: 0,
            aging_at: None,
            told: None,
            api: ApiLink::default(),
            awaits: None,
            published: Leadership::UNKNOWN,
            due: None,
            watch_until: 0,
            stalled_until: 0,
            lag_until: 0,
            lag: 0,
            uplink_cut_until: 0,
            slow_until: 0,
            late: 0,
            bound: false,
            binding: false,
            sessions: vec![Session::default(); routers],
            speaks_at: None,
            watchdog_at: None,
            grant: None,
            standby_grant: None,
            informed: None,
            stretched: None,
            took: 0,
        }
    }

    /// Whether any router may have a holder's route of this process, as far as the process knows.
    pub(crate) fn leads(&self) -> bool {
        let leads = |(said, _): (Announcement, _)| !said.standby;
        self.sessions.iter().any(|session| session.up.is_some() && session.sent.is_some_and(leads))
    }

    /// The same for a standby's route.
    pub(crate) fn stands_by(&self) -> bool {
        let stands_by = |(said, _): (Announcement, _)| said.standby;
        self.sessions.iter().any(|session| session.up.is_some() && session.sent.is_some_and(stands_by))
    }

    /// Whether its process runs, and runs freely.
    pub(crate) fn runs(&self, now: Ms) -> bool {
        self.elector.is_some() && now >= self.frozen_until && now >= self.hung_until
    }

    /// Ends whatever belonged to its process.
    pub(crate) fn clear(&mut self) {
        self.elector = None;
        self.published = Leadership::UNKNOWN;
        (self.frozen_until, self.hung_until, self.leaving) = (0, 0, Leaving::No);
        (self.awaits, self.due, self.speaks_at, self.watchdog_at) = (None, None, None, None);
        (self.aging_at, self.told) = (None, None);
        (self.binding, self.grant, self.stretched) = (false, None, None);
        (self.standby_grant, self.informed) = (None, None);
        self.sessions.fill(Session::default());
    }
}

/// kube-vip, on a node of its own.
pub(crate) struct KubeVip {
    pub candidate: GoCandidate,
    pub attempt: u64,
    /// In microseconds.
    pub wall: i64,
    pub announces: bool,
    pub api: ApiLink,
    pub random: Random,
}

impl KubeVip {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 10 + u64::try_from(NODES).unwrap_or(0));
        let wall = random.between(-30, 30) * 1_000_000;
        Self { candidate: GoCandidate::default(), attempt: 0, wall, announces: false, api: ApiLink::default(), random }
    }
}
