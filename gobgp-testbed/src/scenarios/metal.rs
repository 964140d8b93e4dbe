//! Scenarios 54: Equinix Metal, by an API in the testbed: neighbours for BGP, and Elastic IPs in its place.

mod bgp;
mod eip;
mod faults;

use super::{Run, Scenario};
use crate::lab::VIP;
use crate::parts::metal::{Metal, PROJECT, TOKEN};
use crate::parts::vipcast::Spec;

/// Those of this theme.
pub(super) const METAL: &[Scenario] = &[
    Scenario {
        name: "54-metal-bgp",
        shows: "Equinix Metal's API names the neighbours: a session with MD5 over two hops to gobgpd, and the /32 there",
        run: Run::Site(bgp::discovered),
    },
    Scenario {
        name: "54-metal-faults",
        shows: "each fault of the API, of the token or of the project: one clear line, and never the token",
        run: Run::Site(faults::each_is_named),
    },
    Scenario {
        name: "54-metal-eip",
        shows: "an Elastic IP follows the lease: bound, then assigned; a leaver alone gives up its own assignment",
        run: Run::Cluster(eip::follows_the_lease),
    },
    Scenario {
        name: "54-metal-eip-late",
        shows: "a late and a frozen old holder never take the Elastic IP from the new one; what others remove comes back",
        run: Run::Cluster(eip::late_old_holders),
    },
];

/// A token that the API does not know.
const WRONG_TOKEN: &str = "battery-staple-token";

/// The flags of a node that asks the API, in place of those for BGP.
fn asks(spec: Spec, metal: &Metal) -> Spec {
    let spec = ["localAS", "bgpRouterID"].into_iter().fold(spec.without_peers(), Spec::without);
    spec.switch("metal")
        .flag("metalAPI", metal.url())
        .flag("metalCA", metal.authority.display())
        .flag("metalProjectID", PROJECT)
        .env("PACKET_AUTH_TOKEN", TOKEN)
}

/// The reservation with the VIP.
fn block() -> (String, u8) {
    (VIP.to_string(), 32)
}
