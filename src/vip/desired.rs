//! From facts to the set of VIPs to announce.

use std::time::Duration;

use super::{Preference, Vip, VipSet, Wish};
use crate::time::{Instant, Until};

/// Who may speak, as far as this node is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No election: every node announces, routers spread the traffic (anycast, ECMP).
    Everyone,
    /// This node holds the lease.
    Holder {
        /// When that ends unless it is renewed.
        until: Instant,
        /// The holder's term: higher in every later one.
        term: u64,
    },
    /// Another node holds it, or nobody.
    Follower,
}

/// All that decides what is announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The VIPs of the configuration.
    pub vips: Vec<Vip>,
    /// Whether this node may speak for them.
    pub standing: Standing,
}

/// How long before the end of an entitlement the withdrawal starts, so that it is delivered before that end: a
/// tenth of a second is far beyond what a healthy session needs, and a dead one is cut at the end itself.
pub const WITHDRAW_LEAD: Duration = Duration::from_millis(100);

/// The VIPs to announce at `now`, and the next instant at which the answer changes by itself.
#[must_use]
pub fn desired(facts: &Facts, now: Instant) -> (VipSet, Option<Instant>) {
    let (until, preference, next) = match facts.standing {
        Standing::Follower => return (VipSet::new(), None),
        Standing::Everyone => (Until::Forever, Preference::default(), None),
        Standing::Holder { until, term } => {
            let last = until.saturating_sub(WITHDRAW_LEAD);
            if now >= last {
                return (VipSet::new(), None);
            }
            (Until::At(until), fence(term), Some(last))
        }
    };
    let wish = Wish { until, preference };
    (facts.vips.iter().map(|&vip| (vip, wish)).collect(), next)
}

/// The metrics that make routers prefer the newest holder over a stale route of an earlier one: a MED that is lower
/// in every later term, and on iBGP a LOCAL_PREF that is higher. Terms are unix seconds or just above: both fit 32
/// bits until 2106, and stay at the edge after.
fn fence(term: u64) -> Preference {
    let term = u32::try_from(term).unwrap_or(u32::MAX);
    Preference { med: Some(u32::MAX - term), local_pref: Some(term) }
}
