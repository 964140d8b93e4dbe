//! What may be done now, from what is wanted and what is there. Pure.

use std::collections::BTreeSet;

use ipnetwork::IpNetwork;

use crate::bgp::{Attributes, RouteSet, RouteWish};
use crate::vip::{self, Holder, Preference, Standing, Vip, VipSet};

/// What is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// VIPs known to be bound here.
    pub bound: BTreeSet<Vip>,
    /// Bound VIPs that an earlier process left: bound anew before they are announced, and removed only when another
    /// node holds the lease.
    pub leftover: BTreeSet<Vip>,
    /// Routes some peer may still hold from us: announced, or withdrawn and not yet delivered.
    pub outstanding: BTreeSet<IpNetwork>,
}

impl View {
    /// Whether this process has bound it, and verified that.
    fn is_ours(&self, vip: &Vip) -> bool {
        self.bound.contains(vip) && !self.leftover.contains(vip)
    }
}

/// What to do with addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// VIPs to bind; to be announced once they are.
    pub bind: Vec<Vip>,
    /// VIPs to unbind: unwanted, and no peer holds a route to them any more.
    pub unbind: Vec<Vip>,
}

/// What the speaker should announce: only what is wanted there *and* bound by this process.
#[must_use]
pub fn routes(desired: &VipSet, view: &View) -> RouteSet {
    let announced = desired.iter().filter(|(vip, wish)| wish.announced && view.is_ours(vip));
    let route = announced.map(|(vip, wish)| {
        let attributes = attributes(&wish.attributes);
        let Preference { med, local_pref, prepend } = wish.preference;
        (vip.network(), RouteWish { until: wish.until, med, local_pref, prepend, attributes })
    });
    route.collect()
}

/// What the operator gave a VIP or a peer, as the speaker takes it.
#[must_use]
pub fn attributes(given: &vip::Attributes) -> Attributes {
    let vip::Attributes { communities, med, local_pref, prepend } = given.clone();
    Attributes { communities, med, local_pref, prepend }
}

/// Which unwanted addresses stay bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// None.
    Nothing,
    /// Those that an earlier process left: nobody else is known to hold the lease.
    Leftover,
    /// All: they are a twin's.
    All,
}

impl From<Standing> for Keep {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Everyone
            | Standing::LastResort
            | Standing::Unfit
            | Standing::Holder { .. }
            | Standing::Standby { .. }
            | Standing::Bootstrap { .. }
            | Standing::Follower(Holder::Elsewhere) => Self::Nothing,
            Standing::Follower(Holder::Unknown) => Self::Leftover,
            Standing::Follower(Holder::Twin) => Self::All,
        }
    }
}

/// The steps from `view` towards `desired`.
#[must_use]
pub fn steps(desired: &VipSet, view: &View, keep: Keep) -> Steps {
    let unwanted = view.bound.iter().filter(|vip| !desired.contains_key(vip));
    let removable = unwanted.filter(|vip| !view.outstanding.contains(&vip.network())).filter(|vip| match keep {
        Keep::Nothing => true,
        Keep::Leftover => !view.leftover.contains(vip),
        Keep::All => false,
    });
    Steps {
        bind: desired.keys().filter(|vip| !view.is_ours(vip)).copied().collect(),
        unbind: removable.copied().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Until;
    use crate::vip::Wish;

    fn vip(last: u8) -> Vip {
        Vip::new(std::net::IpAddr::from([192, 0, 2, last]))
    }

    fn wish() -> Wish {
        let given = vip::Attributes { med: Some(9), prepend: Some(1), ..vip::Attributes::default() };
        let preference = Preference { med: Some(7), local_pref: Some(8), prepend: 6 };
        Wish { until: Until::Forever, preference, attributes: given, announced: true }
    }

    fn route(last: u8) -> (IpNetwork, RouteWish) {
        let given = Attributes { med: Some(9), prepend: Some(1), ..Attributes::default() };
        let metrics = RouteWish { med: Some(7), local_pref: Some(8), prepend: 6, ..RouteWish::new(Until::Forever) };
        (vip(last).network(), RouteWish { attributes: given, ..metrics })
    }

    #[test]
    fn nothing_is_announced_before_it_is_bound() {
        let desired = VipSet::from([(vip(1), wish()), (vip(2), wish())]);
        let view = View { bound: BTreeSet::from([vip(1)]), ..View::default() };
        assert_eq!(routes(&desired, &view), RouteSet::from([route(1)]));
        let expected = Steps { bind: vec![vip(2)], unbind: vec![] };
        assert_eq!(steps(&desired, &view, Keep::Nothing), expected);
    }

    #[test]
    fn what_is_only_bound_is_announced_to_nobody() {
        let desired = VipSet::from([(vip(1), Wish { announced: false, ..wish() })]);
        assert_eq!(steps(&desired, &View::default(), Keep::Nothing).bind, [vip(1)]);
        let view = View { bound: BTreeSet::from([vip(1)]), ..View::default() };
        assert_eq!(routes(&desired, &view), RouteSet::new());
    }

    #[test]
    fn nothing_is_unbound_while_a_peer_may_hold_its_route() {
        let bound = BTreeSet::from([vip(1), vip(2)]);
        let view = View { bound, outstanding: BTreeSet::from([vip(1).network()]), ..View::default() };
        let expected = Steps { unbind: vec![vip(2)], ..Steps::default() };
        assert_eq!(steps(&VipSet::new(), &view, Keep::Nothing), expected);
    }

    #[test]
    fn a_leftover_is_bound_anew_before_it_is_announced() {
        let desired = VipSet::from([(vip(1), wish())]);
        let bound = BTreeSet::from([vip(1)]);
        let view = View { bound: bound.clone(), leftover: bound, ..View::default() };
        assert_eq!(routes(&desired, &view), RouteSet::new());
        assert_eq!(steps(&desired, &view, Keep::Nothing), Steps { bind: vec![vip(1)], unbind: vec![] });
    }

    #[test]
    fn a_leftover_stays_until_another_node_holds_the_lease() {
        let bound = BTreeSet::from([vip(1)]);
        let view = View { bound: bound.clone(), leftover: bound, ..View::default() };
        assert_eq!(steps(&VipSet::new(), &view, Keep::Leftover), Steps::default());
        assert_eq!(steps(&VipSet::new(), &view, Keep::All), Steps::default());
        assert_eq!(steps(&VipSet::new(), &view, Keep::Nothing), Steps { unbind: vec![vip(1)], ..Steps::default() });
    }
}
