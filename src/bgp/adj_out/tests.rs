use std::time::Duration;

mod delivery;

use proptest::prelude::*;

use super::*;
use crate::wire::bgp::Communities;

const T0: Instant = Instant::from_boot(Duration::from_secs(1000));

fn at(s: u64) -> Instant {
    T0 + Duration::from_secs(s)
}

fn net(text: &str) -> IpNetwork {
    text.parse().unwrap()
}

fn ebgp() -> Profile {
    Profile {
        local_as: 65001,
        ibgp: false,
        families: [Family::Ipv4Unicast, Family::Ipv6Unicast].into(),
        next_hop_v4: hop("10.0.0.1"),
        next_hop_v6: hop("2001:db8::1"),
        attributes: Attributes::default(),
        loopback_next_hop: false,
    }
}

fn hop(address: &str) -> Option<NextHop> {
    Some(address.parse::<IpAddr>().unwrap().into())
}

fn wish(until: Until, med: u32) -> RouteWish {
    RouteWish { med: Some(med), local_pref: Some(7), ..RouteWish::new(until) }
}

fn routes<const N: usize>(routes: [(&str, RouteWish); N]) -> RouteSet {
    routes.into_iter().map(|(prefix, wish)| (net(prefix), wish)).collect()
}

fn poll_all(adj: &mut AdjOut, now: Instant) -> Vec<Update> {
    std::iter::from_fn(|| adj.poll(now)).map(|told| told.update).collect()
}

/// An external route with nothing special about it.
fn route(prefix: &str, next_hop: &str) -> Route {
    Route {
        prefix: net(prefix),
        next_hop: next_hop.parse::<IpAddr>().unwrap().into(),
        as_path: vec![65001],
        med: None,
        local_pref: None,
        communities: Communities::default(),
    }
}

fn announce(prefix: &str, next_hop: &str, med: u32) -> Update {
    Update::Announce(Route { med: Some(med), ..route(prefix, next_hop) })
}

/// A route within our AS.
fn internal(prefix: &str, med: Option<u32>, local_pref: u32) -> Route {
    Route { as_path: vec![], med, local_pref: Some(local_pref), ..route(prefix, "10.0.0.1") }
}

fn withdraw(prefix: &str) -> Update {
    Update::Withdraw(net(prefix))
}

const V4_END: Update = Update::EndOfRib(Family::Ipv4Unicast);
const V6_END: Update = Update::EndOfRib(Family::Ipv6Unicast);
const A: &str = "10.88.0.40/32";
const B: &str = "10.88.0.41/32";
const C: &str = "2001:db8:88::40/128";

/// A session over which A and B were announced and confirmed.
fn with_a_and_b() -> AdjOut {
    let mut adj = AdjOut::new(ebgp());
    adj.want(T0, &routes([(A, wish(Until::At(at(10)), 5)), (B, wish(Until::At(at(10)), 5))]));
    assert_eq!(poll_all(&mut adj, T0), [announce(A, "10.0.0.1", 5), announce(B, "10.0.0.1", 5), V4_END, V6_END]);
    adj
}

#[test]
fn the_first_set_ends_with_the_end_of_rib_of_each_family() {
    let mut adj = AdjOut::new(ebgp());
    adj.want(T0, &routes([(A, wish(Until::Forever, 5)), (C, wish(Until::Forever, 6))]));
    let expected = [announce(A, "10.0.0.1", 5), announce(C, "2001:db8::1", 6), V4_END, V6_END];
    assert_eq!(poll_all(&mut adj, T0), expected);
    assert_eq!(poll_all(&mut adj, T0), []);
    let mut empty = AdjOut::new(Profile { families: [Family::Ipv4Unicast].into(), ..ebgp() });
    assert_eq!(poll_all(&mut empty, T0), [V4_END]);
}

#[test]
fn inside_an_as_the_path_is_empty_and_local_pref_is_sent() {
    let mut adj = AdjOut::new(Profile { ibgp: true, ..ebgp() });
    let unspecified = RouteWish { local_pref: None, med: None, ..wish(Until::Forever, 0) };
    adj.want(T0, &routes([(A, wish(Until::Forever, 5)), (B, unspecified)]));
    let (a, b) = (Update::Announce(internal(A, Some(5), 7)), Update::Announce(internal(B, None, 100)));
    assert_eq!(poll_all(&mut adj, T0), [a, b, V4_END, V6_END]);
}

fn communities(text: &str) -> Communities {
    text.split(' ').map(|one| one.parse::<Community>().unwrap()).collect()
}

/// What a peer with these attributes is told of a route with those.
fn told(profile: Profile, attributes: Attributes) -> Vec<Update> {
    let mut adj = AdjOut::new(Profile { families: [Family::Ipv4Unicast].into(), ..profile });
    adj.want(T0, &routes([(A, RouteWish { attributes, ..wish(Until::Forever, 5) })]));
    poll_all(&mut adj, T0)
}

#[test]
fn what_an_operator_gives_a_route_counts_before_the_peers_and_both_before_the_fence() {
    let of_peer = Attributes {
        communities: communities("65000:2 no-export"),
        med: Some(20),
        local_pref: Some(200),
        prepend: Some(1),
    };
    let of_route = Attributes {
        communities: communities("65000:1 65000:2 65000:1:1"),
        med: Some(10),
        local_pref: Some(100),
        prepend: Some(3),
    };
    let none = Attributes::default;
    let external = |attributes| Profile { attributes, ..ebgp() };
    let expected = |med, asns: usize, communities| {
        let (med, as_path) = (Some(med), vec![65001; asns]);
        vec![Update::Announce(Route { med, as_path, communities, ..route(A, "10.0.0.1") }), V4_END]
    };
    let both = communities("65000:1 65000:2 no-export 65000:1:1");
    assert_eq!(told(external(none()), none()), expected(5, 1, none().communities));
    assert_eq!(told(external(of_peer.clone()), none()), expected(20, 2, of_peer.communities.clone()));
    assert_eq!(told(external(none()), of_route.clone()), expected(10, 4, of_route.communities.clone()));
    assert_eq!(told(external(of_peer.clone()), of_route.clone()), expected(10, 4, both.clone()));
    // Inside the AS: LOCAL_PREF by the same rule, and nothing is prepended.
    let inside = |attributes| Profile { ibgp: true, attributes, ..ebgp() };
    let expected = |med, local_pref, communities| {
        vec![Update::Announce(Route { communities, ..internal(A, Some(med), local_pref) }), V4_END]
    };
    assert_eq!(told(inside(none()), none()), expected(5, 7, none().communities));
    assert_eq!(told(inside(of_peer.clone()), none()), expected(20, 200, of_peer.communities.clone()));
    assert_eq!(told(inside(of_peer), of_route), expected(10, 100, both));
}

#[test]
fn what_a_route_prepends_is_added_to_what_the_operator_does_but_not_inside_the_as() {
    let attributes = Attributes { prepend: Some(2), ..Attributes::default() };
    let wanted = |prepend| {
        let (med, until) = (Some(5), Until::Forever);
        routes([A, B].map(|prefix| (prefix, RouteWish { med, prepend, local_pref: Some(7), ..RouteWish::new(until) })))
    };
    let external = |prefix, asns| {
        Update::Announce(Route { med: Some(5), as_path: vec![65001; asns], ..route(prefix, "10.0.0.1") })
    };
    let mut adj = AdjOut::new(Profile { attributes: attributes.clone(), ..ebgp() });
    adj.want(T0, &wanted(12));
    assert_eq!(poll_all(&mut adj, T0), [external(A, 15), external(B, 15), V4_END, V6_END]);
    // Alike, so that they go in one message.
    let [a, b] = [A, B].map(|prefix| adj.sent[&net(prefix)].path.clone());
    assert!(Arc::ptr_eq(&a, &b));
    adj.want(T0, &wanted(9));
    assert_eq!(poll_all(&mut adj, T0), [external(A, 12), external(B, 12)]);
    let mut inside = AdjOut::new(Profile { ibgp: true, attributes, ..ebgp() });
    inside.want(T0, &wanted(12));
    let expected = [A, B].map(|prefix| Update::Announce(internal(prefix, Some(5), 7)));
    assert_eq!(poll_all(&mut inside, T0), [&expected[..], &[V4_END, V6_END]].concat());
    inside.want(T0, &wanted(9));
    assert_eq!(poll_all(&mut inside, T0), []);
}

#[test]
fn attributes_that_changed_are_announced_at_once() {
    let mut adj = with_a_and_b();
    let attributes = Attributes { communities: communities("65000:1"), ..Attributes::default() };
    let tagged = RouteWish { attributes: attributes.clone(), ..wish(Until::At(at(10)), 5) };
    adj.want(T0, &routes([(A, tagged), (B, wish(Until::At(at(10)), 5))]));
    let communities = attributes.communities;
    let expected = Update::Announce(Route { communities, med: Some(5), ..route(A, "10.0.0.1") });
    assert_eq!(poll_all(&mut adj, T0), [expected]);
}

#[test]
fn an_ipv4_route_may_have_an_ipv6_next_hop() {
    let next_hop_v4 = hop("2001:db8::1");
    let expected = Update::Announce(Route { med: Some(5), ..route(A, "2001:db8::1") });
    assert_eq!(told(Profile { next_hop_v4, ..ebgp() }, Attributes::default()), [expected, V4_END]);
}

#[test]
fn routes_that_are_about_to_go_are_announced_again_as_the_last_choice() {
    let mut adj = AdjOut::new(Profile { ibgp: true, ..ebgp() });
    let wanted = routes([(A, wish(Until::At(at(10)), 5))]);
    adj.want(T0, &wanted);
    assert_eq!(poll_all(&mut adj, T0), [Update::Announce(internal(A, Some(5), 7)), V4_END, V6_END]);
    adj.set_about_to_go(true);
    adj.want(T0, &wanted);
    let communities = [Community::GRACEFUL_SHUTDOWN].into_iter().collect();
    let last_choice = Update::Announce(Route { communities, ..internal(A, Some(5), 0) });
    assert_eq!((poll_all(&mut adj, T0), adj.end()), (vec![last_choice], Some(at(10))));
    // The entitlement goes on, and ends, as ever.
    adj.want(T0, &routes([(A, wish(Until::At(at(20)), 5))]));
    assert_eq!((poll_all(&mut adj, T0), adj.end()), (vec![], Some(at(20))));
    // Its operator thinks better of it.
    adj.set_about_to_go(false);
    adj.want(T0, &routes([(A, wish(Until::At(at(20)), 5))]));
    assert_eq!(poll_all(&mut adj, T0), [Update::Announce(internal(A, Some(5), 7))]);
    adj.want(at(20), &routes([(A, wish(Until::At(at(20)), 5))]));
    assert_eq!(poll_all(&mut adj, at(20)), [withdraw(A)]);
}

#[test]
fn withdrawals_come_before_announcements() {
    let mut adj = with_a_and_b();
    adj.want(T0, &routes([(A, wish(Until::At(at(10)), 4)), (C, wish(Until::At(at(10)), 4))]));
    assert_eq!(poll_all(&mut adj, T0), [withdraw(B), announce(A, "10.0.0.1", 4), announce(C, "2001:db8::1", 4)]);
}

#[test]
fn a_withdrawal_overtakes_what_is_not_told_yet() {
    let mut adj = AdjOut::new(ebgp());
    adj.want(T0, &routes([(A, wish(Until::Forever, 5)), (B, wish(Until::Forever, 5))]));
    assert_eq!(adj.poll(T0), Some(announce(A, "10.0.0.1", 5).into()));
    adj.want(T0, &routes([]));
    assert_eq!(adj.outstanding(), [net(A)].into());
    assert_eq!(poll_all(&mut adj, T0), [withdraw(A), V4_END, V6_END]);
}

#[test]
fn a_later_end_needs_no_update_and_a_changed_metric_does() {
    let mut adj = with_a_and_b();
    assert_eq!(adj.end(), Some(at(10)));
    adj.want(T0, &routes([(A, wish(Until::At(at(20)), 5)), (B, wish(Until::At(at(15)), 5))]));
    assert_eq!((poll_all(&mut adj, T0), adj.end()), (vec![], Some(at(15))));
    adj.want(T0, &routes([(A, wish(Until::Forever, 4)), (B, wish(Until::Forever, 5))]));
    assert_eq!((poll_all(&mut adj, T0), adj.end()), (vec![announce(A, "10.0.0.1", 4)], None));
    // LOCAL_PREF is not sent to another AS, so a change of it is none.
    let preferred = RouteWish { local_pref: Some(9), ..wish(Until::Forever, 5) };
    adj.want(T0, &routes([(A, wish(Until::Forever, 4)), (B, preferred)]));
    assert_eq!(poll_all(&mut adj, T0), []);
}

#[test]
fn what_is_over_counts_as_absent() {
    let mut adj = with_a_and_b();
    adj.want(at(10), &routes([(A, wish(Until::At(at(10)), 5)), (B, wish(Until::At(at(11)), 5))]));
    assert_eq!(poll_all(&mut adj, at(10)), [withdraw(A)]);
    // What ends between the order and the telling is not told.
    let mut late = AdjOut::new(ebgp());
    late.want(T0, &routes([(A, wish(Until::At(at(1)), 5))]));
    assert_eq!(poll_all(&mut late, at(1)), [V4_END, V6_END]);
    assert_eq!((late.outstanding(), late.end()), (BTreeSet::new(), None));
}

#[test]
fn a_route_that_comes_back_before_its_withdrawal_is_delivered_is_announced_again() {
    let mut adj = with_a_and_b();
    adj.want(T0, &routes([]));
    assert_eq!(poll_all(&mut adj, T0), [withdraw(A), withdraw(B)]);
    adj.want(T0, &routes([(A, wish(Until::At(at(30)), 5))]));
    assert_eq!(poll_all(&mut adj, T0), [announce(A, "10.0.0.1", 5)]);
    adj.told_at(200);
    assert!(adj.delivered(200));
    assert_eq!((adj.outstanding(), adj.end()), ([net(A)].into(), Some(at(30))));
}

#[test]
fn a_refresh_sends_the_family_again() {
    let mut adj = with_a_and_b();
    adj.want(T0, &routes([(A, wish(Until::Forever, 5)), (C, wish(Until::Forever, 5))]));
    adj.resend(Family::Ipv4Unicast);
    assert_eq!(
        poll_all(&mut adj, T0),
        [withdraw(B), announce(A, "10.0.0.1", 5), announce(C, "2001:db8::1", 5), V4_END]
    );
    adj.resend(Family::Ipv6Unicast);
    // A set that changes nothing does not make the peer's wish forgotten.
    adj.want(T0, &routes([(A, wish(Until::Forever, 5)), (C, wish(Until::Forever, 5))]));
    assert_eq!(poll_all(&mut adj, T0), [announce(C, "2001:db8::1", 5), V6_END]);
}

#[test]
fn a_peer_that_asks_again_and_again_is_answered_once() {
    let mut adj = with_a_and_b();
    for _ in 0..1000 {
        adj.resend(Family::Ipv4Unicast);
    }
    // Asking costs nothing until it is answered.
    assert_eq!((&adj.to_announce, &adj.to_end, adj.is_told()), (&BTreeSet::new(), &BTreeSet::new(), false));
    let told: Vec<_> = std::iter::from_fn(|| adj.poll(T0)).collect();
    assert_eq!(told.iter().map(Told::is_news).collect::<Vec<_>>(), [false; 3]);
    let told: Vec<_> = told.into_iter().map(|told| told.update).collect();
    assert_eq!(told, [announce(A, "10.0.0.1", 5), announce(B, "10.0.0.1", 5), V4_END]);
    assert!(adj.is_told());
}

#[test]
fn what_the_peer_asked_for_again_is_no_news_unless_it_changed() {
    let mut adj = with_a_and_b();
    adj.want(T0, &routes([(A, wish(Until::Forever, 5)), (B, wish(Until::Forever, 4))]));
    adj.resend(Family::Ipv4Unicast);
    let told: Vec<_> = std::iter::from_fn(|| adj.poll(T0)).collect();
    assert_eq!(
        told,
        [
            Told { update: announce(A, "10.0.0.1", 5), is_repeated: true },
            Told { update: announce(B, "10.0.0.1", 4), is_repeated: false },
            Told { update: V4_END, is_repeated: false },
        ]
    );
}

#[test]
fn what_cannot_be_sent_is_named_with_the_reason() {
    let set = routes([(A, wish(Until::Forever, 5)), (C, wish(Until::Forever, 5))]);
    let unsendable = |profile| {
        let mut adj = AdjOut::new(profile);
        adj.want(T0, &set);
        (poll_all(&mut adj, T0), adj.unsendable().clone())
    };
    let v4 = [Family::Ipv4Unicast].into();
    assert_eq!(
        unsendable(Profile { families: v4, ..ebgp() }),
        (vec![announce(A, "10.0.0.1", 5), V4_END], [(net(C), Unsendable::FamilyNotNegotiated)].into())
    );
    assert_eq!(
        unsendable(Profile { next_hop_v6: None, ..ebgp() }),
        (vec![announce(A, "10.0.0.1", 5), V4_END, V6_END], [(net(C), Unsendable::NoNextHop)].into())
    );
    assert_eq!(
        unsendable(Profile { next_hop_v4: hop("10.88.0.40"), ..ebgp() }),
        (vec![announce(C, "2001:db8::1", 5), V4_END, V6_END], [(net(A), Unsendable::NextHopIsVip)].into())
    );
}

#[test]
fn a_next_hop_that_is_no_address_of_a_network_is_never_sent() {
    let set = routes([(A, wish(Until::Forever, 5)), (C, wish(Until::Forever, 5))]);
    let told = |profile| {
        let mut adj = AdjOut::new(profile);
        adj.want(T0, &set);
        (poll_all(&mut adj, T0), adj.unsendable().clone())
    };
    for hop in ["0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.255", "224.0.0.5", "240.0.0.1", "255.255.255.255"] {
        assert_eq!(
            told(Profile { next_hop_v4: self::hop(hop), ..ebgp() }),
            (vec![announce(C, "2001:db8::1", 5), V4_END, V6_END], [(net(A), Unsendable::MartianNextHop)].into()),
            "{hop}"
        );
    }
    for hop in ["::", "::1", "ff02::5", "::ffff:10.0.0.1"] {
        assert_eq!(
            told(Profile { next_hop_v6: self::hop(hop), ..ebgp() }),
            (vec![announce(A, "10.0.0.1", 5), V4_END, V6_END], [(net(C), Unsendable::MartianNextHop)].into()),
            "{hop}"
        );
    }
    let local = Profile { next_hop_v4: hop("127.0.0.1"), loopback_next_hop: true, ..ebgp() };
    let expected = vec![announce(A, "127.0.0.1", 5), announce(C, "2001:db8::1", 5), V4_END, V6_END];
    assert_eq!(told(local.clone()), (expected, BTreeMap::new()));
    let nowhere = Profile { next_hop_v4: hop("0.0.0.0"), ..local };
    assert_eq!(told(nowhere).1, [(net(A), Unsendable::MartianNextHop)].into());
}

/// What a peer makes of the updates it is told.
fn apply(rib: &mut BTreeMap<IpNetwork, Route>, updates: &[Update]) {
    for update in updates {
        match update {
            Update::Announce(route) => {
                rib.insert(route.prefix, route.clone());
            }
            Update::Withdraw(prefix) => {
                assert!(rib.remove(prefix).is_some(), "withdrew {prefix}, which was never told");
            }
            Update::EndOfRib(_) => {}
        }
    }
}

proptest! {
    /// Whatever is wanted in whatever order, and however little is polled in between: what the peer holds is
    /// outstanding and covered by an end, and in the end it holds exactly what is wanted.
    #[test]
    fn the_peer_ends_up_with_what_is_wanted(
        steps in prop::collection::vec((0_u8..16, 0_u32..3, 1_u64..30, 0_usize..5, 0_u64..4), 1..40),
    ) {
        let (mut withdrawn, mut acknowledged) = (BTreeMap::new(), 0);
        let mut adj = AdjOut::new(ebgp());
        let mut rib = BTreeMap::new();
        let prefixes = [A, B, C, "10.88.0.42/32"];
        let (mut now, mut wanted) = (T0, RouteSet::new());
        for (position, (mask, med, length, polls, unacknowledged)) in (1..).zip(steps) {
            now = now + Duration::from_secs(1);
            wanted = prefixes
                .iter()
                .enumerate()
                .filter(|(i, _)| mask & (1 << i) != 0)
                .map(|(_, prefix)| (net(prefix), wish(Until::At(now + Duration::from_secs(length)), med)))
                .collect();
            adj.want(now, &wanted);
            let told: Vec<_> = (0..polls).map_while(|_| adj.poll(now)).map(|told| told.update).collect();
            apply(&mut rib, &told);
            adj.told_at(position);
            withdrawn.extend(told.iter().filter_map(|update| match update {
                Update::Withdraw(prefix) => Some((*prefix, position)),
                Update::Announce(_) | Update::EndOfRib(_) => None,
            }));
            acknowledged = acknowledged.max(position.saturating_sub(unacknowledged));
            adj.delivered(acknowledged);
            let on_its_way = withdrawn.iter().filter(|(_, position)| **position > acknowledged).map(|(prefix, _)| prefix);
            let held: BTreeSet<_> = rib.keys().chain(on_its_way).copied().collect();
            prop_assert!(adj.outstanding().is_superset(&held));
            prop_assert_eq!(&adj.outstanding() - &adj.to_announce, &held - &adj.to_announce);
            prop_assert!(held.is_empty() || adj.end().is_some());
            prop_assert_eq!(adj.end(), adj.first_end());
        }
        apply(&mut rib, &poll_all(&mut adj, now));
        let routes: BTreeMap<_, _> = wanted.keys().map(|prefix| (*prefix, wanted[prefix].med)).collect();
        prop_assert_eq!(rib.into_iter().map(|(prefix, route)| (prefix, route.med)).collect::<BTreeMap<_, _>>(), routes);
    }
}
