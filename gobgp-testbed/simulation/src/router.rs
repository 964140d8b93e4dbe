//! A router: what its neighbours told it, and the best of it by the rules of RFC 4271 §9.1.2.2 as routers have them.

use crate::clock::Ms;

/// Who a route was learned from: a node by its index (the last of them is kube-vip), or a router after them.
pub(crate) type Slot = usize;

/// A route to the VIP as a router holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Who originated it, and in which term: for the judge, no router sees that.
    pub node: usize,
    pub term: u64,
    pub standby: bool,
    pub med: Option<u32>,
    /// As sent on iBGP; on eBGP what every router gives a route: 100.
    pub local_pref: u32,
    /// The length of the AS path.
    pub hops: u32,
    /// The first AS of the path: among its routes alone MED counts.
    pub neighbour_as: u32,
    /// The routers in the path, one bit each: a route that comes back is not taken.
    pub passed: u8,
    pub internal: bool,
}

/// How this router's software decides where the rules leave it a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flavour {
    /// FRR and GoBGP stay with the older of two eBGP routes; BIRD and OpenBGPD go by the router-ID.
    pub oldest_wins: bool,
    /// A new connection of a neighbour that is still held to be Established is refused, not taken in its place.
    pub refuses_second: bool,
}

/// A neighbour as the router sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Neighbour {
    /// The session's number; `None`: down.
    pub session: Option<u32>,
    pub route: Option<(Route, Ms)>,
    /// Counts changes between heard and silent, so that an old deadline means nothing.
    pub watch: u32,
    pub silent: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Router {
    pub flavour: Flavour,
    pub asn: u32,
    /// By slot.
    pub neighbours: Vec<Neighbour>,
    pub best: Option<Slot>,
}

impl Router {
    pub(crate) fn route(&self, slot: Slot) -> Option<Route> {
        self.neighbours.get(slot)?.route.map(|(route, _)| route)
    }

    /// Puts in or takes out what a neighbour announces; an unchanged route keeps its age.
    pub(crate) fn hear(&mut self, slot: Slot, route: Option<Route>, now: Ms) {
        let neighbour = &mut self.neighbours[slot];
        if neighbour.route.map(|(known, _)| known) != route {
            neighbour.route = route.map(|route| (route, now));
        }
    }

    /// Decides anew; whether the best route is another now.
    pub(crate) fn decide(&mut self) -> bool {
        let best = self.choose();
        let changed = best != self.best;
        self.best = best;
        changed
    }

    fn choose(&self) -> Option<Slot> {
        let routes = || {
            let known =
                |(slot, neighbour): (Slot, &Neighbour)| neighbour.route.map(|(route, since)| (slot, route, since));
            self.neighbours.iter().enumerate().filter_map(known)
        };
        // Step c is no order: a route is out if one of the same neighbour AS has a lower MED.
        let rank = |route: &Route| (u32::MAX - route.local_pref, route.hops);
        let first = routes().map(|(_, route, _)| rank(&route)).min()?;
        let equal = || routes().filter(|(_, route, _)| rank(route) == first);
        let beaten = |route: &Route| {
            equal().any(|(_, other, _)| {
                other.neighbour_as == route.neighbour_as && other.med.unwrap_or(0) < route.med.unwrap_or(0)
            })
        };
        let age = |since: Ms| if self.flavour.oldest_wins { since } else { 0 };
        // The router-ID grows with the slot.
        equal()
            .filter(|(_, route, _)| !beaten(route))
            .min_by_key(|(slot, route, since)| (route.internal, age(*since), *slot))
            .map(|(slot, _, _)| slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(med: u32) -> Route {
        Route {
            node: 0,
            term: 0,
            standby: false,
            med: Some(med),
            local_pref: 100,
            hops: 1,
            neighbour_as: 65000,
            passed: 0,
            internal: false,
        }
    }

    /// The best of these, which came in this order, for a router that keeps the oldest and for one that does not.
    fn best(routes: &[Route]) -> [Option<Slot>; 2] {
        [true, false].map(|oldest_wins| {
            let neighbours = vec![Neighbour::default(); routes.len()];
            let flavour = Flavour { oldest_wins, refuses_second: false };
            let mut router = Router { flavour, asn: 65100, neighbours, best: None };
            // The highest slot is the oldest.
            for (now, (slot, route)) in (0..).zip(routes.iter().enumerate().rev()) {
                router.hear(slot, Some(*route), now);
            }
            router.decide();
            router.best
        })
    }

    #[test]
    fn equal_routes_are_chosen_by_age_or_by_router_id() {
        assert_eq!(best(&[route(5), route(5)]), [Some(1), Some(0)]);
    }

    #[test]
    fn the_lower_med_wins_within_one_neighbour_as_only() {
        assert_eq!(best(&[route(5), route(4)]), [Some(1), Some(1)]);
        let other = Route { neighbour_as: 65001, ..route(4) };
        assert_eq!(best(&[route(5), other]), [Some(1), Some(0)]);
        // A route that another neighbour's MED puts out does not beat a third one.
        assert_eq!(best(&[Route { neighbour_as: 65001, ..route(9) }, route(8), route(7)]), [Some(2), Some(0)]);
    }

    #[test]
    fn local_pref_comes_before_length_and_length_before_med() {
        let long = Route { hops: 2, ..route(0) };
        assert_eq!(best(&[long, route(9)]), [Some(1), Some(1)]);
        let preferred = Route { local_pref: 101, hops: 9, ..route(9) };
        assert_eq!(best(&[preferred, route(0)]), [Some(0), Some(0)]);
    }

    #[test]
    fn no_med_is_the_lowest_there_is() {
        assert_eq!(best(&[route(1), Route { med: None, ..route(0) }]), [Some(1), Some(1)]);
    }

    #[test]
    fn external_comes_before_internal() {
        assert_eq!(best(&[route(1), Route { internal: true, ..route(1) }]), [Some(0), Some(0)]);
    }
}
