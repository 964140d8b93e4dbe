//! Who may speak for the VIPs: the Kubernetes Lease, compatible with client-go's leader election.

pub mod elector;
#[cfg(feature = "daemon")]
mod lease;
pub mod record;

#[cfg(feature = "daemon")]
pub use lease::{LeaseElection, Releaser};

use crate::time::Instant;

/// Leadership is a value with an expiry, not an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leadership {
    /// Not (or no longer) ours.
    Follower {
        /// Who else holds the lease as far as we know; our own name: a twin on this node. `None`: nobody, or unknown,
        /// which includes what we held ourselves until it ran out.
        holder: Option<String>,
    },
    /// Ours.
    Held {
        /// When it ends unless renewed: the moment before the last successful renewal was sent + the renew deadline.
        until: Instant,
        /// Higher in every later term, across nodes.
        term: u64,
    },
}
