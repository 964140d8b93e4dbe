//! What of a holder's metrics makes one router leave a dead holder, by what that one announced: the table in
//! `docs/operations.md`. kube-vip's routes have no MED and no prepends; so have vipcast's without an election.

use std::rc::Rc;

use anyhow::{Context, Result, ensure};

use super::{LONG_HOLD, UNMOVED};
use crate::lab::{Cut, NODE_AS, Net, VIP, node_address};
use crate::parts::router::{Conf, Kind, Router};
use crate::parts::vipcast::Spec;
use crate::scenarios::SOON;
use crate::site::{PREFIX, Site};
use crate::wait;

/// As a holder's of our days.
const VIPCAST: &str = "med=2499687482;local-pref=1795279813";
/// As the next one's.
const LATER: &str = "med=2499687476;local-pref=1795279819";
const KUBE_VIP: &str = "";

/// Whether the router is in the nodes' AS, who is cut off, who comes after, and whether the router turns to that one.
const CASES: &[(bool, &str, &str, bool)] = &[
    (false, VIPCAST, LATER, true),
    (true, VIPCAST, LATER, true),
    (false, KUBE_VIP, LATER, false),
    (false, VIPCAST, KUBE_VIP, true),
    (true, KUBE_VIP, LATER, true),
    (true, VIPCAST, KUBE_VIP, false),
];

pub(super) fn reach(site: &mut Site) -> Result<()> {
    for &(internal, first, second, turns) in CASES {
        site.reset()?;
        let routers = routers(site, internal)?;
        start(site, 1, &routers, first)?;
        for router in &routers {
            router.wait_best(PREFIX, node_address(1), SOON)?;
        }
        let node = site.node(1)?.clone();
        site.lab.cut(&node, Net::Data, Cut::Both)?;
        start(site, 2, &routers, second)?;
        for router in &routers {
            wait::until(&format!("both paths in {}", router.kind()), SOON, || {
                let paths = router.paths(PREFIX)?;
                ensure!(paths.len() == 2, "{paths:?}");
                Ok(())
            })?;
        }
        let best = if turns { 2 } else { 1 };
        let expect = || routers.iter().try_for_each(|router| expect_only_way(router, best));
        let what = format!("internal {internal}, {second:?} after {first:?}: the way to n{best} alone");
        wait::until(&what, SOON, expect)?;
        if !turns {
            wait::holds(&what, UNMOVED, expect)?;
        }
    }
    Ok(())
}

/// They would share the load between equal paths.
fn routers(site: &mut Site, internal: bool) -> Result<Vec<Rc<Router>>> {
    let start = |kind| {
        let asn = if internal { NODE_AS } else { Kind::asn(kind) };
        site.router(kind, Conf { asn, hold: LONG_HOLD, multipath: true, ..Conf::new(kind) })
    };
    [Kind::Bird, Kind::Frr].into_iter().map(start).collect()
}

fn start(site: &mut Site, node: u8, routers: &[Rc<Router>], metrics: &str) -> Result<()> {
    let peered = |spec: Spec, router: &Rc<Router>| spec.peer(router.kind().address(), router.asn(), "", false);
    let spec = routers.iter().fold(site.spec(node, &[]).flag("bgpHoldTimer", LONG_HOLD), peered);
    let spec = if metrics.is_empty() { spec } else { spec.flag("vipOptions", format!("*;{metrics}")) };
    site.vipcast(node, &spec).map(drop)
}

/// Fails unless the router has its one best path, and its kernel the one route, to this node.
fn expect_only_way(router: &Router, node: u8) -> Result<()> {
    let best = router.best(PREFIX)?.context("no best path")?;
    let installed = router.host().ip(&format!("route show {VIP}"))?;
    let ways = (installed.matches("via ").count(), installed.contains(&format!("via {} ", node_address(node))));
    ensure!(best.next_hop == node_address(node) && ways == (1, true), "{} has {best:?}, {installed:?}", router.kind());
    Ok(())
}
