//! From facts to the set of VIPs to announce.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Attributes, Preference, Vip, VipSet, Wish};
use crate::time::{Instant, Until};

/// Who may speak, as far as this node is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No election: every node announces, routers spread the traffic (anycast, ECMP).
    Everyone,
    /// No election, and this node is not fit to serve, but announces where no other does (fail-open).
    LastResort,
    /// No election, and this node is not fit to serve, or its operator wants it empty.
    Unfit,
    /// This node holds the lease.
    Holder {
        /// When that ends unless it is renewed.
        until: Instant,
        /// The holder's term: higher in every later one.
        term: u64,
        /// How many more times our AS stands in the path: fewer in every later term that has the AS-path fence.
        prepend: u8,
    },
    /// Another node holds it, and this one stands by: its route is there, and worse than any holder's.
    Standby {
        /// When that ends unless the holder is seen to live.
        until: Instant,
        /// How many more times our AS stands in the path: more than in any holder's.
        prepend: u8,
    },
    /// The API denies this account the lease, as on the first node of a cluster that kubeadm is about to make: the VIPs are
    /// bound for kubeadm's sake, and announced to nobody ([`crate::election::access`]).
    Bootstrap {
        /// When that ends unless it is denied again.
        until: Instant,
    },
    /// Another node holds it, nobody does, or it is not known yet.
    Follower(Holder),
}

/// Who holds the lease where this process does not: it decides which addresses must go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nobody, or it is not known yet: what an earlier process of this node left bound may stay.
    Unknown,
    /// Another node: nothing may stay bound here.
    Elsewhere,
    /// A second vipcast or kube-vip on this very node: the address is its own, hands off.
    Twin,
}

/// All that decides what is announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The VIPs of the configuration.
    pub vips: Vec<Vip>,
    /// What the operator gave some of them.
    pub attributes: BTreeMap<Vip, Attributes>,
    /// Whether this node may speak for them.
    pub standing: Standing,
}

/// How long before the end of an entitlement the withdrawal starts, so that it is acknowledged before that end: one
/// retransmission (200 ms at least on Linux) or a delayed acknowledgement fits in; what is not acknowledged is cut.
pub const WITHDRAW_LEAD: Duration = Duration::from_millis(250);

/// How many more times our AS stands in the path of a last resort: more than the ways of a fabric to two nodes differ.
const LAST_RESORT: u8 = 6;

/// The VIPs to announce at `now`, and the next instant at which the answer changes by itself.
#[must_use]
pub fn desired(facts: &Facts, now: Instant) -> (VipSet, Option<Instant>) {
    let (until, preference, next) = match facts.standing {
        Standing::Follower(_) | Standing::Unfit => return (VipSet::new(), None),
        Standing::Everyone => (Until::Forever, Preference::default(), None),
        Standing::LastResort => (Until::Forever, last_choice(LAST_RESORT), None),
        Standing::Holder { until, term, prepend } => (Until::At(until), fence(term, prepend), last(until)),
        Standing::Standby { until, prepend } => (Until::At(until), last_choice(prepend), last(until)),
        Standing::Bootstrap { until } => (Until::At(until), Preference::default(), Some(until)),
    };
    if next.is_some_and(|last| now >= last) {
        return (VipSet::new(), None);
    }
    let announced = !matches!(facts.standing, Standing::Bootstrap { .. });
    let attributes = |vip| facts.attributes.get(vip).cloned().unwrap_or_default();
    let wish = |vip| Wish { until, preference, attributes: attributes(vip), announced };
    (facts.vips.iter().map(|vip| (*vip, wish(vip))).collect(), next)
}

/// From when on what is entitled until then is withdrawn.
fn last(until: Instant) -> Option<Instant> {
    Some(until.saturating_sub(WITHDRAW_LEAD))
}

/// The metrics that make routers prefer the newest holder over a stale route of an earlier one: a MED that is lower
/// in every later term, and on iBGP a LOCAL_PREF that is higher. Terms are unix seconds or just above: both fit 32
/// bits until 2106, and stay at the edge after. The path is as long as the AS-path fence has it.
fn fence(term: u64, prepend: u8) -> Preference {
    let term = u32::try_from(term).unwrap_or(u32::MAX);
    Preference { med: Some(u32::MAX - term), local_pref: Some(term), prepend }
}

/// The metrics of a route that is taken only where there is no holder's: worse than those in each of the three.
fn last_choice(prepend: u8) -> Preference {
    Preference { med: Some(u32::MAX), local_pref: Some(0), prepend }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_boot(Duration::from_millis(millis))
    }

    fn vips() -> Vec<Vip> {
        vec![Vip::new("192.0.2.1".parse().unwrap()), Vip::new("2001:db8::1".parse().unwrap())]
    }

    fn all(until: Until, preference: Preference) -> VipSet {
        let attributes = Attributes::default();
        let wish = Wish { until, preference, attributes, announced: true };
        vips().into_iter().map(|vip| (vip, wish.clone())).collect()
    }

    fn facts(standing: Standing) -> Facts {
        Facts { vips: vips(), attributes: BTreeMap::new(), standing }
    }

    #[test]
    fn a_holder_announces_until_the_lead_before_its_end() {
        let facts = facts(Standing::Holder { until: at(10_000), term: 1_000, prepend: 9 });
        let fenced = Preference { med: Some(u32::MAX - 1_000), local_pref: Some(1_000), prepend: 9 };
        let announced = (all(Until::At(at(10_000)), fenced), Some(at(9_750)));
        assert_eq!(desired(&facts, at(0)), announced);
        assert_eq!(desired(&facts, at(9_749)), announced);
        assert_eq!(desired(&facts, at(9_750)), (VipSet::new(), None));
    }

    #[test]
    fn a_standby_announces_what_is_worse_than_any_holders_and_withdraws_as_early() {
        let facts = facts(Standing::Standby { until: at(10_000), prepend: 15 });
        let worst = Preference { med: Some(u32::MAX), local_pref: Some(0), prepend: 15 };
        assert_eq!(desired(&facts, at(9_749)), (all(Until::At(at(10_000)), worst), Some(at(9_750))));
        assert_eq!(desired(&facts, at(9_750)), (VipSet::new(), None));
        let holders = [1, u64::MAX].map(|term| fence(term, 12));
        let is_worse = |holder: &Preference| {
            worst.med > holder.med && worst.local_pref < holder.local_pref && worst.prepend > holder.prepend
        };
        assert!(holders.iter().all(is_worse));
    }

    #[test]
    fn at_the_bootstrap_the_vips_are_bound_and_announced_to_nobody() {
        let facts = facts(Standing::Bootstrap { until: at(10_000) });
        let mut expected = all(Until::At(at(10_000)), Preference::default());
        expected.values_mut().for_each(|wish| wish.announced = false);
        assert_eq!(desired(&facts, at(9_999)), (expected, Some(at(10_000))));
        assert_eq!(desired(&facts, at(10_000)), (VipSet::new(), None));
    }

    #[test]
    fn a_follower_announces_nothing() {
        for holder in [Holder::Unknown, Holder::Elsewhere, Holder::Twin] {
            let facts = facts(Standing::Follower(holder));
            assert_eq!(desired(&facts, at(0)), (VipSet::new(), None));
        }
    }

    #[test]
    fn without_election_everyone_announces_equal_routes_for_ever() {
        let facts = facts(Standing::Everyone);
        assert_eq!(desired(&facts, at(0)), (all(Until::Forever, Preference::default()), None));
    }

    #[test]
    fn without_election_the_unfit_announce_nothing_or_what_is_worse_than_any_fit_ones() {
        assert_eq!(desired(&facts(Standing::Unfit), at(0)), (VipSet::new(), None));
        let worst = Preference { med: Some(u32::MAX), local_pref: Some(0), prepend: 6 };
        assert_eq!(desired(&facts(Standing::LastResort), at(0)), (all(Until::Forever, worst), None));
    }

    #[test]
    fn each_vip_has_the_attributes_that_the_operator_gave_it() {
        let attributes = Attributes { med: Some(7), prepend: Some(2), ..Attributes::default() };
        let [first, second] = [0, 1].map(|n| vips()[n]);
        let facts = Facts { attributes: [(second, attributes.clone())].into(), ..facts(Standing::Everyone) };
        let mut expected = all(Until::Forever, Preference::default());
        expected.insert(second, Wish { attributes, ..expected[&first].clone() });
        assert_eq!(desired(&facts, at(0)), (expected, None));
    }

    #[test]
    fn every_later_term_has_a_lower_med_and_a_higher_local_pref() {
        let terms = [1, 2, 1_790_000_000, 1_790_000_001, u64::from(u32::MAX)];
        let fences: Vec<Preference> = terms.into_iter().map(|term| fence(term, 0)).collect();
        assert!(fences.is_sorted_by(|a, b| a.med > b.med && a.local_pref < b.local_pref));
        assert_eq!(fence(u64::MAX, 3), Preference { med: Some(0), local_pref: Some(u32::MAX), prepend: 3 });
    }
}
