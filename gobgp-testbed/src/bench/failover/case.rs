//! What happens to the leader.

use std::fmt;

/// One way to lose a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Case {
    Stopped,
    Killed,
    Frozen,
    NodeFrozen,
    CutOff,
    PowerLoss,
    NoCarrier,
    UplinkSilent,
}

impl Case {
    pub(super) const ALL: [Self; 8] = [
        Self::Stopped,
        Self::Killed,
        Self::Frozen,
        Self::NodeFrozen,
        Self::CutOff,
        Self::PowerLoss,
        Self::NoCarrier,
        Self::UplinkSilent,
    ];

    /// What `vipcast check` calls it.
    pub(super) fn foretold_as(self) -> &'static str {
        match self {
            Self::Stopped => "vipcast stopped (SIGTERM)",
            Self::Killed => "vipcast killed",
            Self::Frozen => "vipcast frozen",
            Self::NodeFrozen | Self::CutOff | Self::PowerLoss => "node cut off or without power",
            Self::NoCarrier => "uplink without carrier, API in reach",
            Self::UplinkSilent => "uplink silently lost, API in reach",
        }
    }

    /// Whether the leader must have led for a while: it gives the lease away no sooner.
    pub(super) fn needs_a_settled_leader(self) -> bool {
        matches!(self, Self::NoCarrier | Self::UplinkSilent)
    }

    /// What is done, and what follows from it.
    pub(super) fn explained(self) -> &'static str {
        match self {
            Self::Stopped => {
                "SIGTERM. The leader hands the lease to a fit node and withdraws after that one has announced; the router \
                 replaces one route by the other. kube-vip withdraws first."
            }
            Self::Killed => {
                "SIGKILL; the node lives. Its kernel closes the sessions, so the routers drop the route at once, and nobody \
                 may announce before the lease is over."
            }
            Self::Frozen => {
                "SIGSTOP of the process; its kernel goes on and answers the client all the while. The next holder's lower MED \
                 moves the traffic when the lease is over, though the old route still stands until the hold time ends."
            }
            Self::NodeFrozen => {
                "All processes of the node stand still and no packet passes, as in a paused virtual machine; then it goes on \
                 where it was. The routers still have its route when the next holder announces: the lower MED wins."
            }
            Self::CutOff => {
                "Every packet in either network is dropped, the carrier stays. As above; the node itself has withdrawn \
                 and unbound by the time it is back."
            }
            Self::PowerLoss => {
                "The node's links and addresses vanish and all that runs on it is killed, without a word to anybody; later \
                 it comes up anew."
            }
            Self::NoCarrier => {
                "The uplink loses its carrier while the API is in reach of the node. The leader knows at once that no router \
                 hears it and hands the lease over."
            }
            Self::UplinkSilent => {
                "The uplink drops every packet and keeps its carrier, while the API is in reach. BFD or the hold time finds \
                 out; then the leader hands the lease over. A program that only looks at the lease never does."
            }
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::Frozen => "frozen",
            Self::NodeFrozen => "node-frozen",
            Self::CutOff => "cut-off",
            Self::PowerLoss => "power-loss",
            Self::NoCarrier => "no-carrier",
            Self::UplinkSilent => "uplink-silent",
        })
    }
}
