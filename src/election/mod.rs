//! Who may speak for the VIPs: the Kubernetes Lease, compatible with client-go's leader election.

pub mod access;
#[cfg(feature = "daemon")]
mod candidacy;
pub mod candidates;
pub mod elector;
pub mod fence;
#[cfg(feature = "daemon")]
mod lease;
pub mod record;
pub mod story;

#[cfg(feature = "daemon")]
pub use candidacy::{Candidacy, Others};
#[cfg(feature = "daemon")]
pub use lease::{Circumstances, LeaseElection, Releaser};

use crate::time::Instant;

/// Whether this node should hold the lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fitness {
    /// Not checked yet: no candidate, but no reason to let go of anything either.
    #[default]
    Unknown,
    /// Its API server answers, and a router hears it.
    Fit,
    /// Its API server answers, but it has only just started, and no router heard it yet: it stands for what is free, and
    /// takes over from nobody.
    Starting,
    /// Its API server answers, but no router hears it: a candidate where there is no better one.
    Unheard,
    /// Its API server fails its checks: no candidate.
    Unfit,
    /// Its operator wants it empty: no candidate.
    Drained,
}

/// What a node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Condition {
    /// Whether it is fit.
    pub fitness: Fitness,
    /// Why it is not, in words; empty where it is.
    pub reason: String,
}

/// The id of a process: its node's name, lower case, and a random word.
#[must_use]
pub fn instance(node: &str, nonce: &str) -> String {
    format!("{}/{nonce}", node.to_lowercase())
}

/// Another node that is fit to take the lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Its name.
    pub node: String,
    /// The id of its process, "node/nonce": a process that was restarted has another.
    pub instance: String,
}

/// Leadership is a value with an expiry, not an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Leadership {
    /// Not (or no longer) ours.
    Follower {
        /// Who else holds the lease as far as we know; our own name: a twin on this node. `None`: nobody, or unknown,
        /// which includes what we held ourselves until it ran out.
        holder: Option<String>,
        /// Until when a standby may speak: the last change of the record that named another, live holder + the lease
        /// duration + the time of one attempt to take it, also where the record names nobody since, or is gone. `None`:
        /// no such holder is known.
        standby_until: Option<Instant>,
    },
    /// Ours.
    Held {
        /// When it ends unless renewed: the moment before the last successful renewal was sent + the renew deadline.
        /// Sooner at the end of a handover.
        until: Instant,
        /// Higher in every later term, across nodes.
        term: u64,
        /// How often our AS is prepended: see [`fence`].
        prepend: u8,
        /// The node that took it from us: we speak until it does.
        successor: Option<String>,
    },
}

impl Leadership {
    /// Before anything is known.
    pub const UNKNOWN: Self = Self::Follower { holder: None, standby_until: None };
}
