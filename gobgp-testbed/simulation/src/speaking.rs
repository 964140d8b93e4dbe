//! The speaker: it says what `vip::desired` wants, and nothing beyond its `until`.

use std::collections::BTreeMap;
use std::time::Duration;

use vipcast::election::elector::Elector;
use vipcast::election::fence::standby_prepend;
use vipcast::election::{Fitness, Leadership};
use vipcast::time::{Instant, Until};
use vipcast::vip::{Facts, Holder, Preference, Standing, Vip, desired};

use crate::Broken;
use crate::clock::Ms;
use crate::node::{Announcement, Leaving, Session};
use crate::world::{Event, World, name};

/// How long after an `until` the watchdog resets what is still announced: `bgp::watchdog::GRACE`.
pub(crate) const GRACE: Duration = Duration::from_millis(100);

pub(crate) const VIP: Vip = Vip::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));

/// What is to be announced, and until when; `None` within: without an end.
type Target = Option<(Announcement, Option<Instant>)>;

impl World {
    /// The leadership changed: the sessions hear of it in a moment.
    pub(crate) fn speak_soon(&mut self, node: usize) {
        let at = self.now + self.nodes[node].random.below(5);
        self.speak_at(node, at);
    }

    fn speak_at(&mut self, node: usize, at: Ms) {
        let it = &mut self.nodes[node];
        if it.speaks_at.is_none_or(|earlier| at < earlier || earlier < self.now) {
            it.speaks_at = Some(at);
            let life = it.life;
            self.at(at, Event::Speak { node, life });
        }
    }

    /// What this process should announce now, and when that changes by itself.
    fn target(&mut self, node: usize) -> (Target, Option<Instant>) {
        let leadership = self.leadership(node);
        let it = &self.nodes[node];
        let now = it.clock.now(self.now);
        let standing = self.standing(node, &leadership);
        let (term, standby) = match standing {
            Standing::Holder { term, .. } => (term, false),
            _ => (0, true),
        };
        let unchecked = self.broken == Some(Broken::NoUntilCheck);
        // The end of what is entitled is not looked at: it is as if it had not come yet.
        let now = if unchecked { Instant::from_boot(Duration::ZERO) } else { now };
        let (set, next) = desired(&Facts { vips: vec![VIP], attributes: BTreeMap::new(), standing }, now);
        let target = set.get(&VIP).map(|wish| {
            let mut preference = wish.preference;
            match self.broken {
                Some(Broken::NoMedFence) => preference = Preference { med: None, local_pref: None, ..preference },
                Some(Broken::NoPathFence) if !standby => preference.prepend = 0,
                Some(Broken::NearStandby) if standby => preference.prepend = 0,
                _ => {}
            }
            let until = match wish.until {
                Until::At(until) if !unchecked => Some(until),
                Until::At(_) | Until::Forever => None,
            };
            (Announcement { term, preference, standby }, until)
        });
        (target, next.filter(|_| !unchecked))
    }

    /// What the leadership means to this node.
    fn standing(&self, node: usize, leadership: &Leadership) -> Standing {
        let it = &self.nodes[node];
        let silent = Standing::Follower(Holder::Elsewhere);
        if !matches!(it.leaving, Leaving::No | Leaving::HandingOver) {
            return silent;
        }
        match leadership {
            Leadership::Held { until, term, prepend, .. } => {
                Standing::Holder { until: *until, term: *term, prepend: *prepend }
            }
            Leadership::Follower { holder, standby_until: Some(until) }
                if self.setting.standby && it.fitness == Fitness::Fit && holder.as_ref() != Some(&name(node)) =>
            {
                Standing::Standby { until: *until, prepend: standby_prepend(self.setting.step) }
            }
            Leadership::Follower { .. } => silent,
        }
    }

    pub(crate) fn speak(&mut self, node: usize, life: u32) {
        if self.nodes[node].life != life || self.nodes[node].elector.is_none() {
            return;
        }
        self.nodes[node].speaks_at = None;
        let (target, next) = self.target(node);
        self.bind(node, target.is_some());
        let ready = if self.nodes[node].bound { target } else { None };
        for router in 0..self.routers.len() {
            self.say(node, router, ready);
        }
        self.unbind(node, target.is_some());
        if let Some((Announcement { term, standby: false, .. }, _)) = ready {
            self.tell_announced(node, term);
        }
        let it = &self.nodes[node];
        let ends = it.sessions.iter().filter_map(first_end);
        if let Some(next) = next.into_iter().chain(ends.clone()).min() {
            let at = it.clock.when(next, self.now);
            self.speak_at(node, at);
        }
        if let Some(end) = self.nodes[node].sessions.iter().filter_map(first_end).min() {
            self.guard(node, end);
        }
    }

    fn bind(&mut self, node: usize, wanted: bool) {
        let it = &mut self.nodes[node];
        if wanted && !it.bound && !it.binding {
            it.binding = true;
            let (delay, life) = (it.random.between(1, 20), it.life);
            self.after(delay, Event::Bound { node, life });
        }
    }

    pub(crate) fn bound(&mut self, node: usize, life: u32) {
        let it = &mut self.nodes[node];
        if it.life == life && it.binding {
            (it.binding, it.bound) = (false, true);
            self.speak_soon(node);
        }
    }

    /// The address goes when no router has a route any more.
    fn unbind(&mut self, node: usize, wanted: bool) {
        let it = &mut self.nodes[node];
        let clear = |session: &Session| session.up.is_none() || (session.sent.is_none() && session.unacknowledged == 0);
        if !wanted && it.sessions.iter().all(clear) && std::mem::take(&mut it.bound) {
            let life = it.life;
            self.with(node, life, Elector::silent);
        }
    }

    /// Brings one session up to date. Before anything is written, what is over is cut.
    fn say(&mut self, node: usize, router: usize, target: Target) {
        let it = &mut self.nodes[node];
        let now = it.clock.now(self.now);
        let session = &mut it.sessions[router];
        let Some(number) = session.up else { return };
        if first_end(session).is_some_and(|end| now >= end) {
            self.note(|| format!("node-{node} cuts its session with router {router}: its time is over"));
            return self.hang_up(node, router);
        }
        match (&mut session.sent, target) {
            (Some((said, until)), Some((wanted, new))) if *said == wanted => *until = new,
            (_, Some((wanted, until))) if until.is_none_or(|until| now < until) => {
                session.sent = Some((wanted, until));
                self.write(node, router, number, Some(wanted));
            }
            (Some((_, until)), _) => {
                session.withdrawn = Some(*until);
                session.sent = None;
                self.write(node, router, number, None);
            }
            (None, _) => {}
        }
    }

    fn write(&mut self, node: usize, router: usize, session: u32, said: Option<Announcement>) {
        self.note(|| match said {
            Some(said) if said.standby => format!("node-{node} stands by at router {router}"),
            Some(said) => {
                let Announcement { term, preference, .. } = said;
                format!("node-{node} announces to router {router}, term {term}, prepends {}", preference.prepend)
            }
            None => format!("node-{node} withdraws from router {router}"),
        });
        if let Some(said) = said {
            self.wrote_route(node, said);
        }
        let it = &mut self.nodes[node];
        let late = if self.now < it.slow_until { it.late } else { 5 };
        let delay = it.random.below(late);
        let to = &mut it.sessions[router];
        to.arrives = to.arrives.max(self.now + 1 + delay);
        to.unacknowledged += 1;
        let at = to.arrives;
        self.at(at, Event::Deliver { node, router, session, said });
    }

    /// The router has a message: it answers, and so the node knows.
    pub(crate) fn acknowledge(&mut self, node: usize, router: usize, number: u32) {
        let session = &mut self.nodes[node].sessions[router];
        if session.up != Some(number) {
            return;
        }
        session.unacknowledged = session.unacknowledged.saturating_sub(1);
        if session.unacknowledged == 0 {
            session.withdrawn = None;
            self.speak_soon(node);
        }
    }

    fn guard(&mut self, node: usize, end: Instant) {
        let it = &mut self.nodes[node];
        let at = it.clock.when(end + GRACE, self.now);
        if it.watchdog_at.is_none_or(|earlier| at < earlier || earlier < self.now) {
            it.watchdog_at = Some(at);
            let life = it.life;
            self.at(at, Event::Watchdog { node, life });
        }
    }

    pub(crate) fn watchdog(&mut self, node: usize, life: u32) {
        if self.nodes[node].life != life || self.nodes[node].elector.is_none() {
            return;
        }
        let it = &mut self.nodes[node];
        it.watchdog_at = None;
        let now = it.clock.now(self.now);
        for router in 0..self.routers.len() {
            let end = first_end(&self.nodes[node].sessions[router]);
            if end.is_some_and(|end| now >= end + GRACE) {
                self.note(|| format!("the watchdog of node-{node} cuts its session with router {router}"));
                self.hang_up(node, router);
            }
        }
        if let Some(end) = self.nodes[node].sessions.iter().filter_map(first_end).min() {
            self.guard(node, end);
        }
    }

    /// kube-vip's route follows its leadership; it has no MED, and ends with its process.
    pub(crate) fn kube_vip_speaks(&mut self) {
        let leads = self.kube_vip.candidate.leads(self.now);
        if leads == self.kube_vip.announces {
            return;
        }
        self.kube_vip.announces = leads;
        self.note(|| format!("{} {}", name(crate::plan::NODES), if leads { "announces" } else { "withdraws" }));
        for router in 0..self.routers.len() {
            if self.setting.fabric.wired(crate::plan::NODES, router) {
                self.after(3, Event::KubeVipRoute { router, announced: leads });
            }
        }
    }
}

/// The first end of what the router has, or may have, on this session.
fn first_end(session: &Session) -> Option<Instant> {
    session.up?;
    let sent = session.sent.and_then(|(_, until)| until);
    sent.into_iter().chain(session.withdrawn.flatten()).min()
}
