//! The document of `vipcast status`. Pure; whoever reads it need not be a Rust program, so every name here is part of
//! its version.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::events::Kind;
use super::wall::{Moment, Utc};
use crate::time::Instant;

/// Of the document and of the requests. It rises when a reader of the former one would go wrong; new fields alone do
/// not do that.
pub const VERSION: u32 = 1;

/// Everything about this node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// [`VERSION`].
    pub version: u32,
    /// The program's version.
    pub vipcast: String,
    /// This node's name.
    pub node: String,
    /// When this was so: RFC 3339, UTC.
    pub time: String,
    /// When the program started.
    pub started: Since,
    /// Who announces.
    pub mode: Mode,
    /// Which configuration it runs with.
    pub configuration: Configuration,
    /// The virtual IPs of the configuration.
    pub vips: Vec<Vip>,
    /// The election; `null` without one.
    pub leadership: Option<Leadership>,
    /// Whether this node should announce.
    pub fitness: Fitness,
    /// Whether its operator wants it empty.
    pub drain: Drain,
    /// The BGP peers.
    pub peers: Vec<Peer>,
    /// The last events, oldest first.
    pub events: Vec<Event>,
}

/// A moment in the past.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Since {
    /// RFC 3339, UTC, by the wall clock as it goes now.
    pub time: String,
    /// How long ago, by a clock that nobody sets.
    pub seconds_ago: f64,
}

impl Since {
    /// The moment `at`.
    #[must_use]
    pub fn new(at: Instant, moment: &Moment) -> Self {
        Self { time: Utc(moment.wall_at(at)).to_string(), seconds_ago: seconds(moment.now - at) }
    }
}

/// Seconds to the millisecond.
#[must_use]
pub fn seconds(duration: Duration) -> f64 {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)).as_secs_f64()
}

/// Who announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The holder of the lease.
    Lease,
    /// Every node.
    Anycast,
}

/// The configuration in force, and a newer one that is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    /// Since when it is what it is.
    pub since: Since,
    /// What the words, the file or a provider say now, where that is wrong and so not taken up.
    pub refused: Option<Refused>,
    /// What differs now, and counts after a restart only: a phrase each.
    pub needs_restart: Vec<String>,
}

/// A configuration that is not taken up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// Since when.
    pub since: Since,
    /// Everything that is wrong with it.
    pub mistakes: Vec<String>,
}

/// One virtual IP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vip {
    /// It.
    pub address: String,
    /// Whether this node is to announce it now.
    pub wanted: bool,
    /// Whether it is bound here.
    pub bound: bool,
    /// The peers that have it from this node.
    pub announced_to: Vec<Announced>,
    /// The peers that were told to forget it and may not have heard it yet.
    pub withdrawing_from: Vec<String>,
    /// Why no peer has it, or not each of them, in one sentence; `null` where all have it.
    pub why_not: Option<String>,
}

/// A peer that has a route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Announced {
    /// As in [`Peer::peer`].
    pub peer: String,
    /// Since when without a break.
    pub since: Since,
}

/// How this node stands in the election.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leadership {
    /// Namespace and name of the Lease.
    pub lease: String,
    /// This node's part.
    pub role: Role,
    /// Who holds it; `null`: nobody, or it is not known.
    pub holder: Option<String>,
    /// The holder's term, where that is this node.
    pub term: Option<u64>,
    /// For so long this node may announce unless the lease is renewed, or a standby unless a holder is seen.
    pub seconds_left: Option<f64>,
    /// Since when role and holder are these.
    pub since: Since,
    /// Who held it before, of what this process saw.
    pub last_holder: Option<LastHolder>,
    /// The other nodes that are known to be fit to hold it, best first.
    pub fit_others: Vec<String>,
    /// A handover under way, as a sentence.
    pub handover: Option<String>,
}

/// A node's part in the election.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It announces.
    Holder,
    /// It announces nothing.
    Follower,
    /// It announces a route that is worse than the holder's.
    Standby,
    /// It announces nothing because another process on this node uses its name.
    Twin,
}

/// A former holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastHolder {
    /// Its name.
    pub node: String,
    /// Whether its routes are worse than those of later holders (vipcast's are; a stranger's, kube-vip's say, are not).
    pub fenced: bool,
}

/// Whether this node should announce.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fitness {
    /// `waiting` (not started, for want of what `reason` says), `unchecked` (there is no health check), `unknown` (not
    /// checked yet), `fit`, `unheard`, `unfit` or `drained`.
    pub state: String,
    /// Since when.
    pub since: Since,
    /// Why it is not fit, if it is not.
    pub reason: Option<String>,
    /// The last failed check, if there was one.
    pub last_error: Option<Said>,
}

/// Whether the node is to be empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drain {
    /// Whether that is wanted.
    pub drained: bool,
    /// Whether somebody asked for it by `vipcast drain`.
    pub by_hand: bool,
    /// Whether that outlasts a restart of vipcast.
    pub persistent: bool,
    /// Whether it follows from the node being cordoned.
    pub cordoned: bool,
    /// Since when it is wanted.
    pub since: Option<Since>,
    /// Whether it is done: nothing is bound here, and no peer has anything from here.
    pub done: bool,
}

/// One peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// Address or interface, and port.
    pub peer: String,
    /// What its operator calls it.
    pub description: Option<String>,
    /// The address of the router that was found, where the peer is an interface.
    pub router: Option<String>,
    /// RFC 4271 §8.2.2.
    pub state: String,
    /// Since when.
    pub since: Since,
    /// Our end of the connection.
    pub local: Option<String>,
    /// How often the session came up.
    pub times_up: u64,
    /// What was negotiated: 0 is none. `null` where no session is up.
    pub hold_time_seconds: Option<u64>,
    /// Where the peer has BFD.
    pub bfd: Option<Bfd>,
    /// Why the last attempt or session failed.
    pub last_error: Option<String>,
    /// Why the last session that was up ended.
    pub last_down: Option<Said>,
    /// The last NOTIFICATION we sent.
    pub last_sent: Option<Said>,
    /// The last NOTIFICATION we got.
    pub last_received: Option<Said>,
    /// The routes it has from us.
    pub announced: Vec<String>,
    /// The routes that are wanted and cannot be sent to it.
    pub unsendable: Vec<Unsendable>,
}

/// A BFD session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bfd {
    /// RFC 5880 §6.2.
    pub state: String,
    /// Since when.
    pub since: Since,
    /// After so long a silence the peer counts as gone; `null`: it is not heard.
    pub detection_ms: Option<f64>,
    /// How often the path failed.
    pub failures: u64,
    /// Why it last did.
    pub last_failure: Option<String>,
    /// Why packets cannot be sent or taken, where they cannot.
    pub trouble: Option<String>,
}

/// Something that was said once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// When.
    pub at: Since,
    /// What.
    pub text: String,
}

/// A route that is not sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsendable {
    /// The route.
    pub route: String,
    /// Why.
    pub why: String,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Since,
    /// What it is about.
    pub kind: Kind,
    /// What.
    pub text: String,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A document with something in each field.
    #[cfg(feature = "daemon")]
    pub(in crate::control) fn example() -> Status {
        serde_json::from_str(include_str!("example.json")).unwrap()
    }

    /// Names and shapes are what other programs read: a change of this file is one for them.
    #[cfg(feature = "daemon")]
    #[test]
    fn the_document_is_written_as_the_example_has_it() {
        let written = serde_json::to_string_pretty(&example()).unwrap() + "\n";
        assert_eq!(written, include_str!("example.json"));
    }

    #[test]
    fn a_moment_has_a_time_and_an_age_in_milliseconds() {
        let now = Instant::from_boot(Duration::from_micros(50_000_900));
        let moment = Moment { now, wall: Duration::from_micros(1_795_277_454_000_900) };
        let since = Since::new(Instant::from_boot(Duration::from_millis(48_500)), &moment);
        assert_eq!(since, Since { time: "2026-11-21T16:10:52.500Z".to_owned(), seconds_ago: 1.5 });
    }
}
