//! vipcast's failover on one simulated clock: electors, an API, speakers, routers, and whatever goes wrong.
//!
//! The electors are vipcast's own with their fence by AS path, and so is what they are to announce (`vip::desired`) and
//! how that is told a router (`bgp::adj_out`). Simulated are:
//! - an API with one Lease: requests and answers come late or never, writes land after their caller gave up, watches lag
//!   and stall, somebody annotates the object, it is deleted and restored from a snapshot;
//! - candidates' own Leases, API servers that fail, drains;
//! - processes that are killed, frozen (SIGSTOP), hang, leave in good order; machines that lose power; clocks that drift,
//!   step back or stand still;
//! - speakers that write what is wanted, look at `until` before, and have the watchdog's cut; sessions over links that
//!   are slow or cut, with hold times or BFD;
//! - routers with the decision process of RFC 4271 §9.1.2.2: LOCAL_PREF, AS path, MED within a neighbour AS, eBGP
//!   before iBGP, the oldest, the router-ID. One router, the same in the nodes' AS, two, or two leaves and a spine. (All
//!   routes have the same origin, and next hops cost the same.)
//! - standbys, the AS-path fence, nodes of different AS, candidates that may not write Leases of their own: each in some
//!   of the settings.
//! - a kube-vip that stands for election as client-go does, keeps annotations, and announces without MED.
//!
//! A seed is a setting and a list of mishaps; everything else follows. [`Promise`] is what must hold after every single
//! event. [`Broken`] makes a defect on purpose, to show that the judge sees it. [`explain`] takes mishaps out of a failing
//! seed as long as it fails.

#![expect(
    clippy::indexing_slicing,
    reason = "all indices are of nodes and routers, made here; a wrong one is to be seen"
)]

mod api;
mod candidacy;
mod changes;
mod clock;
mod fabric;
mod gocandidate;
mod judge;
mod mishaps;
mod node;
mod plan;
mod process;
mod random;
mod requests;
mod router;
mod shrink;
mod speaking;
mod world;

use std::fmt::Write as _;
use std::str::FromStr;

pub use judge::{Promise, Violation};
pub use plan::Faults;
use plan::Setting;
pub use requests::as_if_offered;
use world::World;

/// A defect that is made on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Announcements carry neither MED nor LOCAL_PREF.
    NoMedFence,
    /// A holder's AS path is as short as can be, where the fence by AS path is configured.
    NoPathFence,
    /// The AS path of a standby is as short as can be.
    NearStandby,
    /// Neither sessions nor the watchdog look at `until`.
    NoUntilCheck,
    /// An entitlement counts from the answer to a renewal, not from the moment before it was sent.
    UntilFromAnswer,
    /// Who leaves empties the lease at once, and speaks on until its entitlement ends.
    EmptyHandover,
    /// An offer stands whoever wrote the record it is in.
    StaleOffer,
    /// Who leaves withdraws, and then gives the lease back.
    NoHandover,
    /// An unfit holder hands over at once, however short it held.
    NoDwell,
}

impl Broken {
    /// All of them, with their names.
    pub const ALL: [(&str, Self); 9] = [
        ("no-med-fence", Self::NoMedFence),
        ("no-path-fence", Self::NoPathFence),
        ("near-standby", Self::NearStandby),
        ("no-until-check", Self::NoUntilCheck),
        ("until-from-answer", Self::UntilFromAnswer),
        ("empty-handover", Self::EmptyHandover),
        ("stale-offer", Self::StaleOffer),
        ("no-handover", Self::NoHandover),
        ("no-dwell", Self::NoDwell),
    ];
}

impl FromStr for Broken {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.map(|(name, _)| name);
        let found = Self::ALL.into_iter().find(|(name, _)| *name == text);
        found.map(|(_, broken)| broken).ok_or_else(|| format!("'{text}' is none of {}", known.join(", ")))
    }
}

/// Which mishaps this seed has when nothing else is said.
#[must_use]
pub const fn faults(seed: u64) -> Faults {
    match (seed % 16, seed % 128) {
        (_, 127) => Faults::Unsteady,
        (0..10, _) => Faults::Network,
        (10..15, _) => Faults::Object,
        _ => Faults::Orderly,
    }
}

/// Plays a seed; gives the number of events.
///
/// # Errors
/// The first promise that was broken.
pub fn play(seed: u64, broken: Option<Broken>) -> Result<u64, Violation> {
    let setting = Setting::of(seed, faults(seed));
    World::new(seed, &setting, &plan::mishaps(seed, &setting), broken, false).run()
}

/// All that happens in a seed.
#[must_use]
pub fn tell(seed: u64) -> String {
    let setting = Setting::of(seed, faults(seed));
    let plan = plan::mishaps(seed, &setting);
    let mut world = World::new(seed, &setting, &plan, None, true);
    let outcome = match world.run() {
        Ok(events) => format!("{events} events: every promise held"),
        Err(found) => found.to_string(),
    };
    format!("{setting:?}\n{}\n{outcome}", world.history().join("\n"))
}

/// What happens in a failing seed, with as few mishaps as possible; `None`: it does not fail.
#[must_use]
pub fn explain(seed: u64, broken: Option<Broken>) -> Option<String> {
    let setting = Setting::of(seed, faults(seed));
    let all = plan::mishaps(seed, &setting);
    let found = World::new(seed, &setting, &all, broken, false).run().err()?;
    let (few, found) = shrink::shrink(seed, &setting, &all, broken, found);
    let mut world = World::new(seed, &setting, &few, broken, true);
    let _ = world.run();
    let mut text = format!("seed {seed}: {found}\n{setting:?}\n{} of {} mishaps are enough:\n", few.len(), all.len());
    for mishap in &few {
        let _ = writeln!(text, "  {mishap}");
    }
    for line in world.history() {
        let _ = writeln!(text, "{line}");
    }
    Some(text)
}
