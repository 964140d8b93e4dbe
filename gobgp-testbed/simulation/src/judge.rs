//! What must hold after every single event.

use std::fmt;
use std::time::Duration;

use vipcast::election::Leadership;
use vipcast::election::fence::{DEFAULT_STEP, MARGIN};
use vipcast::election::record::Record;

use crate::clock::Ms;
use crate::fabric::Reached;
use crate::node::{Announcement, Grant};
use crate::plan::{Fabric, Faults, NODES, Setting, millis};
use crate::router::Route;
use crate::speaking::GRACE;
use crate::world::{Event, World, name};

/// What the simulated milliseconds round.
pub(crate) const ROUNDING: Duration = Duration::from_millis(5);
/// How long a thawed process needs until each of its tasks ran once.
const THAW: Ms = 50;
/// How long after its successor's word who handed over may announce: three quarters of a second, the word's way, and
/// what clocks differ.
const OVERLAP: Ms = 850;
/// How often a first holder's AS stands in its path besides once.
const FULL: u32 = (DEFAULT_STEP * MARGIN) as u32;
/// The longest lag of a watch.
const LAG: Ms = 1500;

/// The promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// No route is written without entitlement.
    Entitled,
    /// Every entitlement ends by its `until`.
    Ends,
    /// At most one announces, but for standbys.
    One,
    /// Terms only rise.
    Rises,
    /// The lease passes to another process when it is free, or by an offer that stands.
    Taken,
    /// A router that hears the newest holder forwards to it.
    Newest,
    /// Where nothing fails, every router always forwards to a node that has the address; who handed over falls silent in
    /// time.
    Lossless,
    /// The lease moves no more often than the dwell time allows, and once where one node alone is unsteady.
    Still,
    /// When all is calm, somebody holds the lease and every router forwards to it.
    Served,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When, in simulated milliseconds.
    pub at: i64,
    /// Which promise.
    pub promise: Promise,
    /// How.
    pub how: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {} ms ({:?}): {}", self.at, self.promise, self.how)
    }
}

/// What is remembered to judge by.
pub(crate) struct Judge {
    /// When all must be well.
    pub settled: Ms,
    pub object_fault: Option<Ms>,
    /// The highest term so far, and whose it is: node and life.
    pub highest: (u64, usize, u32),
    /// The last term in which a holder said that the margin of its AS path is spent.
    spent: Option<u64>,
    /// How many terms there were.
    pub terms: usize,
    /// When the record's spec last changed.
    pub changed: Ms,
    /// The node that the record names, and its term.
    newest: Option<(usize, u64)>,
    /// Processes (node and life) that handed the lease over: they speak until their `until` at the latest.
    pub parted: Vec<(usize, u32)>,
    /// Whether traffic found its way from everywhere once.
    served: bool,
    /// When the holder said that its routes are out.
    pub acknowledged: Option<Ms>,
    /// How often the lease went to another node, and when it last did.
    pub moves: usize,
    pub moved: Ms,
    found: Option<Violation>,
}

impl Judge {
    pub(crate) fn new(setting: &Setting, calm: Ms) -> Self {
        // Stale routes time out at the routers and sessions at the nodes; then the lease may have to; then a session
        // must come up.
        let bound = setting.hold * 3 + setting.duration() + setting.retry_period() * 4 + 5000;
        Self {
            settled: calm + bound,
            object_fault: None,
            highest: (0, 0, 0),
            spent: None,
            terms: 0,
            changed: 0,
            newest: None,
            parted: Vec::new(),
            served: false,
            acknowledged: None,
            moves: 0,
            moved: 0,
            found: None,
        }
    }
}

impl World {
    pub(crate) fn violate(&mut self, promise: Promise, how: String) {
        let at = self.now;
        self.judge.found.get_or_insert(Violation { at, promise, how });
    }

    /// A route is written.
    pub(crate) fn wrote_route(&mut self, node: usize, said: Announcement) {
        let it = &self.nodes[node];
        let (now, term) = (it.clock.now(self.now), said.term);
        if said.standby {
            if it.standby_grant.is_none_or(|until| now >= until) {
                self.violate(Promise::Entitled, format!("node-{node} stands by, which nothing entitles it to"));
            }
            return;
        }
        if it.grant.is_none_or(|grant| now >= grant.until) {
            self.violate(
                Promise::Entitled,
                format!("node-{node} announces in term {term}, which nothing entitles it to"),
            );
        }
    }

    /// A record reaches a node: one that names another holder, and is news, lets a standby speak.
    pub(crate) fn inform(&mut self, node: usize, record: Option<&Record>) {
        if !self.setting.standby || self.nodes[node].elector.is_none() {
            return;
        }
        let lease = &self.setting.lease;
        let it = &mut self.nodes[node];
        let other = record.filter(|record| record.spec.holder().is_some_and(|holder| holder != name(node)));
        let Some(record) = other else { return it.informed = None };
        let first = match it.informed.take() {
            Some((spec, first)) if spec == record.spec => first,
            _ => self.now,
        };
        it.informed = Some((record.spec.clone(), first));
        // What the watch brings may have to be read again before it is believed, and answers may be late or lost.
        let is_clear = self.judge.object_fault.is_none() && self.now >= it.api.storm_until;
        if is_clear && self.now > first + LAG + millis(lease.retry_period) * 2 {
            return;
        }
        let lasts = record.spec.duration().unwrap_or_default().max(lease.duration) + lease.retry_period;
        let until = it.clock.now(self.now) + lasts;
        it.standby_grant = Some(until);
        let end = it.clock.when(until + GRACE + ROUNDING, self.now) + 1;
        self.at(end, Event::Look);
    }

    /// A holder says that a path as short as its own may stand.
    pub(crate) fn said_spent(&mut self, node: usize) {
        // Its answer may come so late that it does not lead yet.
        let newest = self.judge.newest.filter(|(newest, _)| *newest == node);
        self.judge.spent = newest.map(|(_, term)| term).or(self.judge.spent);
        let others = self.setting.kube_vip || self.judge.object_fault.is_some() || self.setting.step.is_none();
        if !others && self.judge.terms <= usize::from(MARGIN) + 1 {
            let terms = self.judge.terms;
            self.violate(Promise::Newest, format!("node-{node} says in the {terms}. term that its fence is spent"));
        }
    }

    /// Looks at everything.
    pub(crate) fn examine(&mut self) -> Result<(), Violation> {
        self.examine_ends();
        self.examine_one();
        self.examine_newest();
        if matches!(self.setting.faults, Faults::Orderly | Faults::Unsteady) {
            self.examine_lossless();
        }
        if self.now >= self.judge.settled {
            self.examine_served();
        }
        self.judge.found.take().map_or(Ok(()), Err)
    }

    fn examine_ends(&mut self) {
        for node in 0..NODES {
            let it = &self.nodes[node];
            let late = |grant: Grant| it.clock.now(self.now) >= grant.until + GRACE + ROUNDING;
            let awake = self.now >= it.frozen_until + THAW;
            if it.leads() && awake && it.grant.is_none_or(late) {
                self.violate(Promise::Ends, format!("node-{node} still announces after the end of its entitlement"));
            }
            let it = &self.nodes[node];
            let late = |until| it.clock.now(self.now) >= until + GRACE + ROUNDING;
            if it.stands_by() && awake && it.standby_grant.is_none_or(late) {
                self.violate(Promise::Ends, format!("node-{node} stands by after its time"));
            }
        }
    }

    /// Whether nothing can be asked of this process now: it is frozen, or its clock stood still since it last renewed.
    fn excused(&self, node: usize) -> bool {
        let it = &self.nodes[node];
        self.now < it.frozen_until + THAW || it.grant.is_some_and(|grant| !it.clock.ran_since(grant.sent))
    }

    fn examine_one(&mut self) {
        let counts = |node: usize| self.nodes[node].leads() && !self.excused(node) && !self.has_parted(node);
        let announcers = || (0..NODES).filter(|&node| counts(node));
        let count = announcers().count() + usize::from(self.kube_vip.announces);
        if count < 2 || self.is_confused() {
            return;
        }
        let who: Vec<usize> = announcers().chain(self.kube_vip.announces.then_some(NODES)).collect();
        self.violate(Promise::One, format!("these announce: {who:?}"));
    }

    /// Whether this process handed the lease over, which the record shows.
    fn has_parted(&self, node: usize) -> bool {
        self.judge.parted.contains(&(node, self.nodes[node].life))
    }

    /// Until the holder hears that the object was deleted or restored, or its entitlement ends.
    pub(crate) fn is_confused(&self) -> bool {
        let setting = &self.setting;
        let bound = setting.renew_deadline() + setting.retry_period() * 2 + LAG;
        self.judge.object_fault.is_some_and(|fault| self.now <= fault + bound)
    }

    /// The record is another one.
    pub(crate) fn look_up_newest(&mut self) {
        self.judge.newest = self.newest();
    }

    /// The node that the record names, and its term.
    fn newest(&self) -> Option<(usize, u64)> {
        let object = self.api.object.as_ref()?;
        let holder = object.spec.holder()?;
        let node = (0..=NODES).find(|&node| name(node) == holder)?;
        Some((node, if node == NODES { 0 } else { object.term().unwrap_or(0) }))
    }

    fn examine_newest(&mut self) {
        let Some((newest, term)) = self.judge.newest else { return };
        for index in 0..self.routers.len() {
            let router = &self.routers[index];
            let is_newest = |route: &Route| route.node == newest && route.term == term && !route.standby;
            let best = router.best.and_then(|best| router.route(best)).filter(|best| !is_newest(best));
            let direct = router.route(newest).filter(is_newest);
            let told = || (0..router.neighbours.len()).find_map(|slot| router.route(slot).filter(is_newest));
            let (Some(best), Some(heard)) = (best, direct.or_else(told)) else { continue };
            if self.is_fenced(&heard, direct.is_some(), &best) {
                let how = format!("router {index} hears node {newest} in term {term}, and forwards to {best:?}");
                self.violate(Promise::Newest, how);
            }
        }
    }

    /// Whether the fence puts this route behind the newest holder's, which the router hears from that node itself
    /// (`direct`) or by another router. Not kube-vip's, which has no MED; on iBGP it is kube-vip that cannot be the
    /// newest, for its LOCAL_PREF is 100. A standby's route is behind everybody's.
    /// After the object was deleted or restored, terms are as good as the nodes' wall clocks, and lengths are forgotten.
    /// A holder whose clock stands still may outlive the stale bound, after which the newest one's path is long again.
    fn is_fenced(&self, newest: &Route, direct: bool, best: &Route) -> bool {
        let internal = self.setting.fabric == Fabric::Internal;
        let one_as = self.setting.asn(newest.node) == self.setting.asn(best.node);
        let has_lengths = self.setting.step.is_some() || self.setting.foreign;
        let faultless = self.judge.object_fault.is_none();
        match (newest.node, best.node) {
            (_, _) if best.standby => true,
            (NODES, _) => direct && one_as && !internal,
            (_, NODES) => direct && internal,
            (_, other) if has_lengths && newest.hops > FULL && self.stood_still(other) => false,
            (_, _) if self.is_path_fenced(newest.node, newest.term) => true,
            (_, _) => direct && one_as && (faultless || (best.term < newest.term && !has_lengths)),
        }
    }

    /// Whether this node's clock stood still, or its process was frozen, for as long as routers may have its routes.
    fn stood_still(&self, node: usize) -> bool {
        let stale = millis(self.setting.stale());
        self.excused(node) || !self.nodes[node].clock.ran_since(self.now - stale)
    }

    /// Whether each holder's path is shorter than those that stand from before.
    fn is_path_fenced(&self, newest: usize, term: u64) -> bool {
        let spent = self.judge.spent == Some(term);
        newest < NODES && self.setting.step.is_some() && !spent && self.judge.object_fault.is_none()
    }

    fn examine_served(&mut self) {
        let Some((newest, _)) = self.judge.newest else {
            return self.violate(Promise::Served, "nobody holds the lease".to_owned());
        };
        let holds = match newest {
            NODES => self.kube_vip.candidate.leads(self.now),
            node => matches!(self.leadership(node), Leadership::Held { .. }),
        };
        if !holds {
            return self.violate(Promise::Served, format!("node {newest} holds the lease, and is not entitled"));
        }
        for router in 0..self.routers.len() {
            let reached = self.probe(router);
            if reached != Reached::Node(newest) {
                let how = format!("node {newest} holds the lease, and router {router} forwards to {reached:?}");
                return self.violate(Promise::Served, how);
            }
        }
    }

    fn examine_lossless(&mut self) {
        let lost = (0..self.routers.len()).find(|&router| self.probe(router) == Reached::Nowhere);
        // Where routes of two leaves tie at the spine, a leaf that loses its own route has none until the spine hears.
        let fenced = |(newest, term)| self.is_path_fenced(newest, term);
        let tied = self.setting.fabric == Fabric::LeafSpine && !self.judge.newest.is_some_and(fenced);
        match (lost, self.judge.served && !tied) {
            (Some(router), true) => {
                self.violate(Promise::Lossless, format!("router {router} forwards to nobody who has the address"));
            }
            (Some(_), false) => {}
            (None, _) => self.judge.served = true,
        }
        let late = self.judge.acknowledged.is_some_and(|at| self.now > at + OVERLAP);
        if let Some(node) = (0..NODES).find(|&node| late && self.has_parted(node) && self.nodes[node].leads()) {
            self.violate(Promise::Lossless, format!("node-{node} still announces, though its successor does"));
        }
    }
}
