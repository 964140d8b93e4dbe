//! Scenario 42: the VIP moves in good order, and who uses it hardly notices.

mod control;
mod crowd;
mod moves;

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
];
