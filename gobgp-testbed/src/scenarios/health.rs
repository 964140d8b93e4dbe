//! Scenarios 40: only a node whose API server answers, and whom a router hears, announces or stands for election.

mod anycast;
mod claim;
mod credentials;
mod moves;
mod start;

use super::{Run, Scenario};

/// The scenarios of this theme.
pub(super) const HEALTH: &[Scenario] = &[
    Scenario {
        name: "40-answers",
        shows: "no election: 500, a redirect or silence takes the route and the address away, 200 brings them back",
        run: Run::Site(anycast::answers),
    },
    Scenario {
        name: "40-all-unfit",
        shows: "no election, no node fit: no route at all; with fail-open one that loses against any fit node's",
        run: Run::Site(anycast::all_unfit),
    },
    Scenario {
        name: "40-own-api",
        shows: "no election: the node's own API server killed, frozen, back; one connection for all checks",
        run: Run::Cluster(anycast::own_api),
    },
    Scenario {
        name: "40-certificate",
        shows: "a certificate of another authority or name, or no authority at all: named as a fault, not announced",
        run: Run::Cluster(anycast::certificate),
    },
    Scenario {
        name: "40-credentials",
        shows: "an API server that answers nobody unknown (401), or lets nobody see /readyz (403): the kubeconfig's credentials do",
        run: Run::Cluster(credentials::shown),
    },
    Scenario {
        name: "40-unfit-claims-nothing",
        shows: "a free lease is not taken by a node whose API server is dead, and is once that is back",
        run: Run::Cluster(claim::never_while_unfit),
    },
    Scenario {
        name: "40-start",
        shows: "from start to route under a free lease: the check costs next to nothing",
        run: Run::Cluster(start::to_route),
    },
    Scenario {
        name: "40-unfit-leader",
        shows: "the leader's own API server dies: handed over, nothing lost, no move back when it is well again",
        run: Run::Cluster(moves::own_api),
    },
    Scenario {
        name: "40-uplink",
        shows: "the leader's uplink loses its carrier, its API link lives: handed over, no move back",
        run: Run::Cluster(moves::uplink),
    },
    Scenario {
        name: "40-none-fit",
        shows: "all nodes unfit: the holder stays; the first that is fit again gets the lease",
        run: Run::Cluster(moves::none_fit),
    },
    Scenario {
        name: "40-one-flaps",
        shows: "the leader's check fails every other time for 25 s, the others' are good: at most one move",
        run: Run::Cluster(moves::one_flaps),
    },
    Scenario {
        name: "40-all-flap",
        shows: "all checks fail every other time: no more moves than the dwell time allows",
        run: Run::Cluster(moves::all_flap),
    },
];
