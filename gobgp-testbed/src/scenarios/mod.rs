//! What must hold, against the real thing: named scenarios on one site or cluster, and their runner.

mod addresses;
mod alone;
mod annotations;
mod anycast;
mod api;
mod attributes;
mod bad_input;
pub(crate) mod bfd;
mod bootstrap;
mod burden;
mod commandline;
mod conformance;
mod contenders;
mod control;
mod crashes;
mod expect;
mod fabric;
mod files;
mod foretold;
mod forms;
mod frozen;
mod handover;
mod hard;
mod health;
mod incoming;
mod inspection;
mod isolation;
mod leaving;
mod lifecycle;
mod manifests;
mod md5;
mod metal;
mod migration;
mod nexthops;
mod onlookers;
mod pair;
mod parts;
mod play;
mod readme;
mod reload;
mod restarts;
mod rotation;
mod sessions;
mod source;
mod standby;
mod ttl;
mod unnumbered;
mod verdicts;
mod words;

use std::time::Duration;

use anyhow::Result;

pub use handover::handovers;
pub use play::{churn, list, play};

use crate::cluster::Cluster;
use crate::site::Site;

/// Generous: figures belong to the bench, these deadlines only tell "never" from "slowly".
pub(crate) const SOON: Duration = Duration::from_secs(15);

/// One scenario.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// What `testbed test <name>` selects by.
    pub name: &'static str,
    /// What it shows.
    pub shows: &'static str,
    run: Run,
}

/// What a scenario plays on.
#[derive(Debug, Clone, Copy)]
enum Run {
    /// Hosts and routers alone, which are there in a second.
    Site(fn(&mut Site) -> Result<()>),
    /// Kubernetes on them.
    Cluster(fn(&mut Cluster) -> Result<()>),
}

/// The scenarios, but for those that a theme lists itself.
const ALL: &[Scenario] = &[
    Scenario {
        name: "00-parts",
        shows: "the testbed itself: routers learn a route from a gobgpd on a node, links are cut, the client gets through",
        run: Run::Cluster(parts::play),
    },
    Scenario {
        name: "01-main-job",
        shows: "lease, address, route in gobgpd and BIRD, HTTPS through the VIP",
        run: Run::Cluster(lifecycle::main_job),
    },
    Scenario {
        name: "02-sigterm",
        shows: "SIGTERM: withdrawn, Cease 6/2, address gone, lease released, exit 0, the next node announces",
        run: Run::Cluster(lifecycle::sigterm),
    },
    Scenario {
        name: "02-sigterm-under-flood",
        shows: "the same while the router floods us with updates",
        run: Run::Cluster(lifecycle::sigterm_under_flood),
    },
    Scenario {
        name: "02-second-signal",
        shows: "a second SIGTERM while the first is being obeyed: exit at once",
        run: Run::Cluster(lifecycle::second_signal),
    },
    Scenario {
        name: "03-kill",
        shows: "kill -9: the route goes with the socket, the next node announces, the old address is cleaned",
        run: Run::Cluster(lifecycle::kill),
    },
    Scenario {
        name: "03-restart",
        shows: "a killed leader that is back within its lease resumes at once",
        run: Run::Cluster(lifecycle::restart),
    },
    Scenario {
        name: "03-left-behind",
        shows: "kube-vip's left-over VIP: bound anew on the leader, removed from a follower; others' addresses stay",
        run: Run::Cluster(addresses::left_behind),
    },
    Scenario {
        name: "03-own-address",
        shows: "a VIP that is the node's own address is refused and left alone",
        run: Run::Cluster(addresses::the_nodes_own),
    },
    Scenario {
        name: "04-cut-off",
        shows: "all networks cut, carrier up: the node lets go by itself, the next one's MED beats the stale route on all routers",
        run: Run::Cluster(isolation::cut_off),
    },
    Scenario {
        name: "04-management-cut",
        shows: "only the API out of reach: withdrawn by UPDATE at the deadline, no session drops",
        run: Run::Cluster(isolation::management_cut),
    },
    Scenario {
        name: "04-deaf",
        shows: "the API out of reach and nothing heard from the routers: they hear the withdrawal all the same",
        run: Run::Cluster(isolation::deaf),
    },
    Scenario {
        name: "04-one-way",
        shows: "what the leader sends is dropped: it hands over once no router hears it; the lease does not return",
        run: Run::Cluster(isolation::one_way_out),
    },
    Scenario {
        name: "04-one-way-in",
        shows: "the same with what is sent to the leader",
        run: Run::Cluster(isolation::one_way_in),
    },
    Scenario {
        name: "05-frozen",
        shows: "SIGSTOP beyond the lease, within the hold time: no traffic returns to the thawed node",
        run: Run::Cluster(frozen::within_the_hold_time),
    },
    Scenario {
        name: "05-frozen-long",
        shows: "SIGSTOP beyond the lease and the hold time: no traffic returns to the thawed node",
        run: Run::Cluster(frozen::beyond_the_hold_time),
    },
    Scenario {
        name: "05-hung",
        shows: "a hung runtime: the watchdog takes the route away at the end of the entitlement, the VIP moves",
        run: Run::Cluster(frozen::hung),
    },
    Scenario {
        name: "06-api-refused",
        shows: "all API servers killed for 20 s: withdrawn at the deadline, sessions stay, back within 2 s",
        run: Run::Cluster(api::refused),
    },
    Scenario {
        name: "06-api-dropped",
        shows: "the same with every packet to and from the API dropped",
        run: Run::Cluster(api::dropped),
    },
    Scenario { name: "06-api-frozen", shows: "the same with the API servers frozen", run: Run::Cluster(api::frozen) },
    Scenario { name: "06-etcd-frozen", shows: "the same with etcd frozen", run: Run::Cluster(api::etcd_frozen) },
    Scenario {
        name: "06-own-api-killed",
        shows: "the leader's own API server dies: the lease is renewed through another; lease, route, sessions stay",
        run: Run::Cluster(api::own_killed),
    },
    Scenario { name: "06-own-api-frozen", shows: "the same with it frozen", run: Run::Cluster(api::own_frozen) },
    Scenario {
        name: "06-lease-deleted",
        shows: "the Lease deleted: never two who announce, the newest wins",
        run: Run::Cluster(api::deleted),
    },
    Scenario {
        name: "06-lease-emptied",
        shows: "an empty Lease in its place while the holder's API server hangs: the same",
        run: Run::Cluster(api::emptied),
    },
    Scenario {
        name: "06-lease-stranger",
        shows: "a stranger's Lease in its place: waited out",
        run: Run::Cluster(api::taken_by_admin),
    },
    Scenario {
        name: "06-restored",
        shows: "etcd restored to an earlier holder: never two who announce, the newest wins",
        run: Run::Cluster(api::restored),
    },
    Scenario {
        name: "06-restored-released",
        shows: "etcd restored to when the Lease was released: the same",
        run: Run::Cluster(api::restored_to_released),
    },
    Scenario {
        name: "06-restored-nothing",
        shows: "etcd restored to when there was no Lease: the same",
        run: Run::Cluster(api::restored_to_nothing),
    },
    Scenario {
        name: "07-md5",
        shows: "TCP-MD5: right, wrong, on one side only, by four routers; what the log says; never up without",
        run: Run::Site(md5::passwords),
    },
    Scenario {
        name: "07-md5-closed-port",
        shows: "a closed port is told from a wrong password, and the session comes up when the port opens",
        run: Run::Site(md5::closed_port),
    },
    Scenario {
        name: "07-families",
        shows: "both VIPs over IPv6 sessions, then over IPv4 sessions, each with a next hop of its own family",
        run: Run::Cluster(sessions::families),
    },
    Scenario {
        name: "07-four-octet-as",
        shows: "AS numbers beyond 16 bits on both sides, then on the router's alone",
        run: Run::Cluster(sessions::four_octet_as),
    },
    Scenario {
        name: "07-ibgp",
        shows: "inside one AS: no AS path, the term as LOCAL_PREF",
        run: Run::Cluster(sessions::ibgp),
    },
    Scenario { name: "07-port", shows: "routers on port 1790", run: Run::Cluster(sessions::port) },
    Scenario {
        name: "07-multihop",
        shows: "a router two hops away: only with multihop",
        run: Run::Cluster(sessions::multihop),
    },
    Scenario {
        name: "07-source-ip",
        shows: "--sourceIP: our end of the session and the next hop",
        run: Run::Cluster(sessions::source_ip),
    },
    Scenario {
        name: "07-source-if",
        shows: "--sourceIF: the session goes out where it is told to",
        run: Run::Cluster(sessions::source_if),
    },
    Scenario {
        name: "08-contenders",
        shows: "client-go's own election against ours, new and old, 5/3/1 and 15/10/2: killed and released, both ways",
        run: Run::Cluster(contenders::both_directions),
    },
    Scenario {
        name: "08-slower-contender",
        shows: "vipcast at 5/3/1 beside a contender that writes 15 s: waits its 15 s, warns of the difference once",
        run: Run::Cluster(contenders::slower_contender),
    },
    Scenario {
        name: "08-release-shapes",
        shows: "a lease released in other clients' ways is free at once",
        run: Run::Cluster(contenders::release_shapes),
    },
    Scenario {
        name: "08-twin-vipcast",
        shows: "a second vipcast on the node: noticed, named, the first stands down, the address stays",
        run: Run::Cluster(contenders::second_vipcast),
    },
    Scenario {
        name: "08-twin-client-go",
        shows: "a client-go candidate under the node's name: noticed, named, the address stays, back after its end",
        run: Run::Cluster(contenders::same_identity),
    },
    Scenario {
        name: "09-anycast",
        shows: "no election, no Kubernetes: three equal paths, traffic by all; SIGTERM of one: two",
        run: Run::Cluster(anycast::equal_paths),
    },
    Scenario {
        name: "10-router-restarts",
        shows: "routers killed and stopped: session and route come back, the others' are not touched",
        run: Run::Cluster(restarts::router_restarts),
    },
    Scenario {
        name: "10-link-flaps",
        shows: "the leader's link flaps: short flaps cost no session, a long one comes back by itself",
        run: Run::Cluster(restarts::link_flaps),
    },
    Scenario {
        name: "10-dead-peer",
        shows: "four dead peers beside a living one: its session and its withdrawal are not disturbed",
        run: Run::Cluster(restarts::dead_peer),
    },
    Scenario {
        name: "10-patient-bird",
        shows: "BIRD at its default error wait time takes us back at once after all we do in good order",
        run: Run::Cluster(restarts::patient_bird),
    },
    Scenario {
        name: "11-quorum",
        shows: "etcd on the nodes: its leader's and our leader's node dies, the next one announces",
        run: Run::Cluster(api::quorum),
    },
    Scenario {
        name: "12-source-lo",
        shows: "the VIPs alone on lo: never the source of BGP or API connections, both families",
        run: Run::Cluster(source::only_on_lo),
    },
    Scenario {
        name: "12-source-uplink",
        shows: "the VIPs on the uplink, preferred by the kernel's routes: still not the source",
        run: Run::Cluster(source::preferred_on_the_uplink),
    },
    Scenario {
        name: "13-mistakes",
        shows: "every mistake named at once, exit code 1, nothing changed on the host, nothing sent",
        run: Run::Cluster(commandline::mistakes),
    },
    Scenario {
        name: "13-words-and-secrets",
        shows: "variables before flags, misspellings, passwords in no log, JSON lines only",
        run: Run::Cluster(commandline::words_and_secrets),
    },
    Scenario {
        name: "14-readme",
        shows: "README's static pod: taken by the API server, and its words do the main job",
        run: Run::Cluster(readme::static_pod),
    },
    Scenario {
        name: "27-ttl-security",
        shows: "GTSM with four routers, both families; on one side only there is no session, and the log says why",
        run: Run::Site(ttl::on_both_sides),
    },
    Scenario {
        name: "27-ttl-security-hops",
        shows: "GTSM two hops away: not with one hop allowed, and with two",
        run: Run::Site(ttl::hops),
    },
    Scenario {
        name: "28-unnumbered",
        shows: "a router found on an interface that comes later, both VIPs by link-local next hops; the router replaced",
        run: Run::Site(unnumbered::interface),
    },
    Scenario {
        name: "28-unnumbered-several",
        shows: "an unnumbered peer where several routers are: they are named, none is chosen",
        run: Run::Site(unnumbered::several),
    },
    Scenario {
        name: "30-bfd-rates",
        shows: "BFD with FRR and BIRD at different rates, IPv4 and IPv6: the negotiated figures at both ends, also after a change",
        run: Run::Site(bfd::negotiated),
    },
    Scenario {
        name: "30-bfd-pace",
        shows: "on the wire: packets at 75 to 100 % of the negotiated interval",
        run: Run::Site(bfd::pace),
    },
    Scenario {
        name: "30-bfd-multihop",
        shows: "BFD with FRR and BIRD two hops away, on port 4784; a packet from farther than the session may be: ignored and said",
        run: Run::Site(bfd::multihop),
    },
    Scenario {
        name: "31-bfd-never-up",
        shows: "routers without BFD: their sessions come up and stay, our packets come once a second",
        run: Run::Site(bfd::never_up),
    },
    Scenario {
        name: "31-bfd-cut",
        shows: "a path cut without carrier loss, both ways or one: BFD notices, or hears it from the router; Cease 6/10, the route returns",
        run: Run::Site(bfd::cut),
    },
    Scenario {
        name: "31-bfd-admin-down",
        shows: "FRR's operator takes BFD down: the session stays; vipcast leaves: FRR knows that it is meant",
        run: Run::Site(bfd::admin_down),
    },
    Scenario {
        name: "31-bfd-bounces",
        shows: "BIRD killed and started 20 times: noticed and back each time, no thread or socket is left behind",
        run: Run::Site(bfd::bounces),
    },
    Scenario {
        name: "31-bfd-spoofed",
        shows: "a BFD packet in the router's name from two hops away: ignored and said",
        run: Run::Site(bfd::spoofed),
    },
    Scenario {
        name: "32-bfd-strict",
        shows: "strict BFD: no session, and why, until BFD is up; none again after it failed until it is",
        run: Run::Site(bfd::strict),
    },
    Scenario {
        name: "33-md5-verdicts",
        shows: "what the log says of a silent peer, and what our kernel counted, case by case by two routers",
        run: Run::Site(verdicts::md5),
    },
    Scenario {
        name: "34-password-rotation",
        shows: "a mounted Secret and a router's password change: together, either one first; bad content changes nothing",
        run: Run::Site(rotation::each_order),
    },
    Scenario {
        name: "35-password-rolled",
        shows: "a new password for a node with two routers, one router after the other: never without a route",
        run: Run::Site(rotation::one_after_the_other),
    },
    Scenario {
        name: "36-communities",
        shows: "communities of all kinds, per peer and per VIP together, in four routers",
        run: Run::Site(attributes::communities),
    },
    Scenario {
        name: "36-metrics",
        shows: "MED and prepends per peer, and per VIP before that; LOCAL_PREF stays inside the AS",
        run: Run::Site(attributes::metrics),
    },
    Scenario {
        name: "36-local-pref",
        shows: "LOCAL_PREF per peer and per VIP inside an AS, no prepends there",
        run: Run::Site(attributes::inside_the_as),
    },
    Scenario {
        name: "36-fence-off",
        shows: "under a lease an operator's MED for one peer takes the fence's place there, and the log warns",
        run: Run::Cluster(attributes::under_a_lease),
    },
    Scenario {
        name: "38-texts",
        shows: "a peer's description in our log, a shutdown text of up to 255 octets in each router's",
        run: Run::Site(leaving::texts),
    },
    Scenario {
        name: "38-drain-ebgp",
        shows: "GRACEFUL_SHUTDOWN before the withdrawal: routers turn to the other node while this one still serves",
        run: Run::Site(leaving::drain),
    },
    Scenario {
        name: "38-drain-ibgp",
        shows: "the same inside an AS, with LOCAL_PREF 0",
        run: Run::Site(leaving::drain_inside_the_as),
    },
    Scenario {
        name: "38-drain-lease",
        shows: "the same under a lease: a follower leaves at once, a holder renews, its entitlement bounds the drain",
        run: Run::Cluster(leaving::drain_of_a_holder),
    },
];

/// All of them.
fn all() -> impl Iterator<Item = &'static Scenario> {
    let themes = incoming::INCOMING.iter().chain(conformance::ROWS).chain(bad_input::BAD_INPUT).chain(burden::BURDENS);
    ALL.iter()
        .chain(themes)
        .chain(handover::HANDOVERS)
        .chain(crashes::CRASHES)
        .chain(hard::HARD)
        .chain(foretold::FORETOLD)
        .chain(health::HEALTH)
        .chain(onlookers::ONLOOKERS)
        .chain(fabric::FABRIC)
        .chain(control::ALL)
        .chain(files::ALL)
        .chain(standby::STANDBY)
        .chain(reload::ALL)
        .chain(annotations::ANNOTATIONS)
        .chain(bootstrap::BOOTSTRAP)
        .chain(manifests::MANIFESTS)
        .chain(words::WORDS)
        .chain(nexthops::NEXT_HOPS)
        .chain(inspection::INSPECTION)
        .chain(migration::MIGRATION)
        .chain([&forms::FORMS, &alone::ALONE])
        .chain(metal::METAL)
}
