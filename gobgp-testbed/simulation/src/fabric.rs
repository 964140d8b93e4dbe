//! Sessions between nodes and routers, routers among each other, and where traffic goes.

use std::net::Ipv4Addr;
use std::time::Duration;

use vipcast::bgp::adj_out::{AdjOut, Profile};
use vipcast::bgp::{Attributes, RouteWish};
use vipcast::time::{Instant, Until};
use vipcast::vip::Preference;
use vipcast::wire::bgp::{Family, NextHop, Update};

use crate::clock::Ms;
use crate::node::{Announcement, Leaving, Session};
use crate::plan::NODES;
use crate::router::{Route, Slot};
use crate::speaking::VIP;
use crate::world::{Event, NODES_AS, World};

/// How often a KEEPALIVE comes, as a part of the hold time.
const KEEPALIVES: Ms = 3;
/// After a router's restart: until it speaks again.
const RESTART: Ms = 1000;

/// Where a packet to the VIP ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// A node that has the address.
    Node(usize),
    /// Nothing.
    Nowhere,
}

/// The route as `bgp::adj_out` tells it a router.
fn as_told(node: usize, asn: u32, internal: bool, said: Announcement) -> Option<Route> {
    let Announcement { term, preference: Preference { med, local_pref, prepend }, standby } = said;
    let profile = Profile {
        local_as: asn,
        ibgp: internal,
        families: [Family::Ipv4Unicast].into(),
        next_hop_v4: Some(NextHop::V4(Ipv4Addr::new(198, 51, 100, 1))),
        next_hop_v6: None,
        attributes: Attributes::default(),
        loopback_next_hop: false,
    };
    let wish = RouteWish { med, local_pref, prepend, ..RouteWish::new(Until::Forever) };
    let at = Instant::from_boot(Duration::ZERO);
    let mut routes = AdjOut::new(profile);
    routes.want(at, &[(VIP.network(), wish)].into());
    let Update::Announce(told) = routes.poll(at)?.update else { return None };
    Some(Route {
        node,
        term,
        standby,
        med: told.med,
        // What every router gives a route that comes from another AS.
        local_pref: told.local_pref.unwrap_or(100),
        hops: u32::try_from(told.as_path.len()).unwrap_or(u32::MAX),
        neighbour_as: asn,
        passed: 0,
        internal,
    })
}

impl World {
    fn cut(&self, node: usize) -> bool {
        let it = &self.nodes[node];
        !it.powered || self.now < it.uplink_cut_until
    }

    pub(crate) fn connect(&mut self, node: usize, life: u32, router: usize) {
        let it = &self.nodes[node];
        if it.life != life || it.elector.is_none() || it.leaving == Leaving::Releasing {
            return;
        }
        if it.sessions[router].up.is_some() {
            return;
        }
        let peer = &self.routers[router];
        let refused = peer.flavour.refuses_second && peer.neighbours[node].session.is_some();
        if self.cut(node) || refused {
            return self.reconnect(node, router);
        }
        self.sessions += 1;
        let number = self.sessions;
        self.nodes[node].sessions[router] = Session { up: Some(number), ..Session::default() };
        let neighbour = &mut self.routers[router].neighbours[node];
        neighbour.session = Some(number);
        neighbour.silent = false;
        neighbour.watch += 1;
        self.note(|| format!("node-{node} and router {router}: Established"));
        self.take_route(router, node, None);
        self.weigh(node);
        self.heard_changed(node);
        self.speak_soon(node);
    }

    fn reconnect(&mut self, node: usize, router: usize) {
        let it = &mut self.nodes[node];
        if it.elector.is_some() {
            let (delay, life) = (it.random.between(300, 1300), it.life);
            self.after(delay, Event::Connect { node, life, router });
        }
    }

    /// The node ends a session, without delay: the router hears of it if it hears anything.
    pub(crate) fn hang_up(&mut self, node: usize, router: usize) {
        let ended = std::mem::take(&mut self.nodes[node].sessions[router]);
        if let Some(session) = ended.up {
            self.heard_changed(node);
            let delay = 1 + self.nodes[node].random.below(5);
            self.after(delay, Event::Gone { node, router, session });
            self.weigh(node);
            self.reconnect(node, router);
        }
    }

    pub(crate) fn gone(&mut self, node: usize, router: usize, session: u32) {
        if !self.cut(node) {
            self.router_drops(node, router, session);
        }
    }

    fn router_drops(&mut self, node: usize, router: usize, session: u32) {
        let neighbour = &mut self.routers[router].neighbours[node];
        if neighbour.session == Some(session) {
            neighbour.session = None;
            neighbour.watch += 1;
            self.note(|| format!("router {router} drops node-{node}"));
            self.take_route(router, node, None);
        }
    }

    pub(crate) fn peer_gone(&mut self, node: usize, router: usize, session: u32) {
        if self.nodes[node].sessions[router].up == Some(session) && !self.cut(node) {
            self.session_ended(node, router);
        }
    }

    fn session_ended(&mut self, node: usize, router: usize) {
        self.nodes[node].sessions[router] = Session::default();
        self.heard_changed(node);
        self.reconnect(node, router);
        self.speak_soon(node);
    }

    /// A message reaches the router, or waits for the link if its sender's kernel still has it.
    pub(crate) fn deliver(&mut self, node: usize, router: usize, session: u32, said: Option<Announcement>) {
        if self.cut(node) {
            if self.nodes[node].powered && self.nodes[node].sessions[router].up == Some(session) {
                // In order, for each is put off to the same moment.
                let later = self.nodes[node].uplink_cut_until;
                self.at(later, Event::Deliver { node, router, session, said });
            }
            return;
        }
        if self.routers[router].neighbours[node].session != Some(session) {
            return;
        }
        let (asn, internal) = (self.setting.asn(node), self.routers[router].asn == NODES_AS);
        let route = said.and_then(|said| as_told(node, asn, internal, said));
        self.take_route(router, node, route);
        self.acknowledge(node, router, session);
    }

    pub(crate) fn kube_vip_route(&mut self, router: usize, announced: bool) {
        let internal = self.routers[router].asn == NODES_AS;
        let hops = u32::from(!internal);
        let route = (announced && self.kube_vip.announces).then_some(Route {
            node: NODES,
            term: 0,
            standby: false,
            med: None,
            local_pref: 100,
            hops,
            neighbour_as: NODES_AS,
            passed: 0,
            internal,
        });
        self.take_route(router, NODES, route);
    }

    /// A router hears a route, or that there is none any more, and decides.
    pub(crate) fn take_route(&mut self, router: usize, slot: Slot, route: Option<Route>) {
        let now = self.now;
        let bit = 1 << router;
        let it = &mut self.routers[router];
        it.hear(slot, route.filter(|route| route.passed & bit == 0), now);
        if it.decide() {
            let best = it.best.and_then(|slot| it.route(slot));
            self.note(|| match best {
                Some(best) => format!("router {router}: best is that of node {} in term {}", best.node, best.term),
                None => format!("router {router}: no route"),
            });
        } else if self.routers[router].best != Some(slot) {
            return;
        }
        self.propagate(router);
    }

    /// Tells the other routers the best route.
    fn propagate(&mut self, router: usize) {
        for to in 0..self.routers.len() {
            if self.setting.fabric.joined(router, to) {
                let delay = 1 + self.random.below(30);
                self.propagate_to(router, to, delay);
            }
        }
    }

    fn propagate_to(&mut self, from: usize, to: usize, delay: Ms) {
        let it = &self.routers[from];
        let learned_there = it.best == Some(NODES + 1 + to);
        let best = it.best.filter(|_| !learned_there).and_then(|slot| it.route(slot));
        let route = best.map(|best| Route {
            med: None,
            local_pref: 100,
            hops: best.hops + 1,
            neighbour_as: it.asn,
            passed: best.passed | 1 << from,
            ..best
        });
        let arrives = self.propagated[from][to].max(self.now + delay);
        self.propagated[from][to] = arrives;
        self.at(arrives, Event::Propagate { from, to, route });
    }

    /// Who hears whom may have changed: timers of those that hear nothing run, of others do not.
    pub(crate) fn weigh(&mut self, node: usize) {
        for router in 0..self.routers.len() {
            let it = &self.nodes[node];
            let Some(session) = self.routers[router].neighbours[node].session else { continue };
            let speaks = it.runs(self.now) && !self.cut(node) && it.sessions[router].up == Some(session);
            let hung = it.powered && self.now >= it.frozen_until && self.now < it.hung_until;
            let neighbour = &mut self.routers[router].neighbours[node];
            if speaks != neighbour.silent {
                continue;
            }
            neighbour.silent = !speaks;
            neighbour.watch += 1;
            let watch = neighbour.watch;
            if neighbour.silent {
                // BFD has a thread of its own, which runs when all tasks hang.
                let bfd = self.setting.bfd.filter(|_| !hung || self.cut(node));
                let delay = bfd.unwrap_or_else(|| self.hold_time(node));
                self.after(delay, Event::Silent { node, router, watch });
            }
        }
    }

    /// How long a router waits: since the last KEEPALIVE, and as BIRD has it up to twice as long.
    fn hold_time(&mut self, node: usize) -> Ms {
        let hold = self.setting.hold;
        self.nodes[node].random.between(hold - hold / KEEPALIVES, hold * 2)
    }

    pub(crate) fn silent(&mut self, node: usize, router: usize, watch: u32) {
        let neighbour = &self.routers[router].neighbours[node];
        if let (Some(session), true) = (neighbour.session, neighbour.watch == watch && neighbour.silent) {
            self.router_drops(node, router, session);
            self.after(5, Event::PeerGone { node, router, session });
            // Where that is lost, the node's own hold time tells it.
            self.after(self.setting.hold, Event::NothingHeard { node, router, session });
        }
    }

    pub(crate) fn nothing_heard(&mut self, node: usize, router: usize, session: u32) {
        let it = &mut self.nodes[node];
        let other = self.routers[router].neighbours[node].session != Some(session);
        if it.sessions[router].up == Some(session) && (other || self.now < it.uplink_cut_until) {
            if !it.runs(self.now) {
                let later = it.frozen_until.max(it.hung_until);
                return self.at(later, Event::NothingHeard { node, router, session });
            }
            self.note(|| format!("node-{node} hears nothing from router {router}"));
            self.session_ended(node, router);
        }
    }

    pub(crate) fn restart_router(&mut self, router: usize) {
        for node in 0..NODES {
            if let Some(session) = self.routers[router].neighbours[node].session {
                self.router_drops(node, router, session);
                self.after(5, Event::PeerGone { node, router, session });
                self.after(self.setting.hold, Event::NothingHeard { node, router, session });
            }
        }
        if self.routers[router].route(NODES).is_some() {
            self.kube_vip_route(router, false);
            self.after(RESTART, Event::KubeVipRoute { router, announced: true });
        }
        for other in 0..self.routers.len() {
            if self.setting.fabric.joined(router, other) {
                self.take_route(router, NODES + 1 + other, None);
                self.take_route(other, NODES + 1 + router, None);
                self.propagate_to(other, router, RESTART);
                self.propagate_to(router, other, RESTART);
            }
        }
    }

    /// Where a packet that comes to this router ends.
    pub(crate) fn probe(&self, router: usize) -> Reached {
        let mut at = router;
        for _ in 0..=self.routers.len() {
            match self.routers[at].best {
                Some(NODES) => return Reached::Node(NODES),
                Some(node) if node < NODES => {
                    let it = &self.nodes[node];
                    return if it.bound && !self.cut(node) { Reached::Node(node) } else { Reached::Nowhere };
                }
                Some(next) => at = next - NODES - 1,
                None => return Reached::Nowhere,
            }
        }
        Reached::Nowhere
    }
}
