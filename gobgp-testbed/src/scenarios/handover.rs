//! Scenario 42: the VIP moves in good order, and who uses it hardly notices.

mod causes;
mod control;
mod crowd;
mod document;
mod faults;
mod moves;
mod series;

pub use series::handovers;

use super::{Run, Scenario};

/// The theme's scenarios.
pub(super) const HANDOVERS: &[Scenario] = &[
    Scenario {
        name: "42-control",
        shows: "without vipcast: what BIRD and FRR themselves lose when a better route takes a route's place",
        run: Run::Site(control::replaced_routes),
    },
    Scenario {
        name: "42-sigterm-bird",
        shows: "the leader leaves, three times: no question is lost, no new connection fails, kept ones are reset (BIRD)",
        run: Run::Cluster(moves::sigterm_bird),
    },
    Scenario { name: "42-sigterm-frr", shows: "the same with FRR", run: Run::Cluster(moves::sigterm_frr) },
    Scenario {
        name: "42-drain",
        shows: "vipcast drain on the leader, by BIRD and FRR: the same, and its own Lease says so",
        run: Run::Cluster(causes::drained),
    },
    Scenario {
        name: "42-unfit",
        shows: "the leader's own API server dies: it renews through another until a fit node has the VIPs, without a gap; both routers",
        run: Run::Cluster(causes::own_server_dead),
    },
    Scenario {
        name: "42-dead-candidate",
        shows: "the first candidate died a moment ago: the second one takes the lease, without a gap",
        run: Run::Cluster(faults::dead_candidate),
    },
    Scenario {
        name: "42-two-offers",
        shows: "the first candidate stands still and wakes up too late: it takes nothing",
        run: Run::Cluster(faults::two_offers),
    },
    Scenario {
        name: "42-successor-dies",
        shows: "the successor dies with the lease in its hand: silence shorter than the lease, then the third node",
        run: Run::Cluster(faults::successor_dies),
    },
    Scenario {
        name: "42-old-offer",
        shows: "an offer that survived its holder under client-go: nobody takes the lease by it",
        run: Run::Cluster(faults::old_offer),
    },
];
