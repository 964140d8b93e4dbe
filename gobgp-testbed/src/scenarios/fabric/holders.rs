//! The fence as the lease's holders keep it.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{LONG_HOLD, UNMOVED};
use crate::cluster::Cluster;
use crate::fabric::Fabric;
use crate::lab::{Cut, NODE_AS, Net, VIP, node_address};
use crate::parts::api::Lease;
use crate::parts::probe::Probe;
use crate::parts::router::{Conf, Kind, Neighbor, Router};
use crate::process::Process;
use crate::scenarios::SOON;
use crate::scenarios::expect::figure;
use crate::site::PREFIX;
use crate::{clock, wait};

/// How long the client is asked after a move: traffic that goes astray does so at once.
const AFTERWARDS: Duration = Duration::from_secs(1);
/// So many take-overs the margin is made for.
const MARGIN: u8 = 4;

/// One holder after the other is cut off, all within one hold time.
pub(super) fn fence(cluster: &mut Cluster, kind: Kind, take_overs: u8) -> Result<()> {
    let fabric = Fabric::build(&mut cluster.site, kind, LONG_HOLD, None)?;
    let mut vipcasts = Vec::new();
    for node in 1..=3 {
        let spec = fabric.peered(cluster.spec(node, &[])?, node).flag("bgpASPathFence", 3);
        vipcasts.push(cluster.site.vipcast(node, &spec.flag("bgpHoldTimer", LONG_HOLD))?);
        if node == 1 {
            cluster.wait_holder("n1", SOON)?;
        }
        fabric.leaf_of(node).wait_established(node_address(node), SOON)?;
    }
    let toward = fabric.wait_all_toward(1, SOON)?;
    let lengths = toward.map(|path| path.as_path.len());
    ensure!(lengths == [13, 14, 15], "the paths at leaf, spine and other leaf have {lengths:?} ASes");
    let began = clock::now();
    let mut holder = 1;
    for count in 1..=take_overs {
        let is_spent = count > MARGIN;
        let next = take_over(cluster, &fabric, holder, 12_u8.saturating_sub(3 * count), is_spent)?;
        println!("    take-over {count}: n{holder} -> n{next}, {:.1?} since the first began", clock::since(began));
        let vipcast = vipcasts.get(usize::from(next - 1)).context("a vipcast")?;
        let said = vipcast.log().since(vipcast.began()).contains("the fence by AS path is spent");
        ensure!(said == is_spent, "take-over {count}: whether n{next} says that the fence is spent: {said}");
        holder = next;
    }
    ensure!(clock::since(began) < Duration::from_secs(LONG_HOLD.into()), "that took longer than one hold time");
    Ok(())
}

/// Cuts the holder off from everything, and waits for the next one's route; who that is. Then heals.
fn take_over(cluster: &Cluster, fabric: &Fabric, holder: u8, prepend: u8, is_spent: bool) -> Result<u8> {
    let probe = Probe::start(&cluster.site.lab.client, VIP.into(), Duration::from_millis(5))?;
    probe.wait_answer(holder, Duration::ZERO, SOON)?;
    let cut = clock::now();
    cut_off(cluster, holder)?;
    let (next, lease) = wait_other(cluster, holder)?;
    if is_spent {
        // As short as the dead one's: only the new holder's own leaf is sure to turn.
        fabric.leaf_of(next).wait_best(PREFIX, node_address(next), SOON)?;
    } else {
        let toward = fabric.wait_all_toward(next, SOON)?;
        let answered = probe.wait_answer(next, cut, SOON)?;
        figure("silence", probe.silence(cut, answered)?);
        let own = usize::from(prepend) + 1;
        // The other leaf's is by the spine, or, where both are in one rack, there is none but the spine's as well.
        let lengths = toward.map(|path| path.as_path.len());
        ensure!(lengths == [own, own + 1, own + 2], "the paths have {lengths:?} ASes");
        fabric.expect_standing(holder, false)?;
        std::thread::sleep(AFTERWARDS);
        let by: Vec<_> = probe.answered_by(answered)?.into_keys().collect();
        ensure!(by == [Some(next)], "after the move, answers came from {by:?}");
    }
    let noted = ["as", "prepend"].map(|key| lease.annotation(&format!("vipcast.io/{key}")).map(str::to_owned));
    ensure!(noted == [Some(NODE_AS.to_string()), Some(prepend.to_string())], "the Lease notes {noted:?}");
    cluster.site.lab.heal_all()?;
    fabric.leaf_of(holder).wait_gone(PREFIX, Some(node_address(holder)), SOON)?;
    fabric.leaf_of(holder).wait_established(node_address(holder), SOON)?;
    Ok(next)
}

fn cut_off(cluster: &Cluster, node: u8) -> Result<()> {
    let host = cluster.site.node(node)?;
    [Net::Data, Net::Management].into_iter().try_for_each(|net| cluster.site.lab.cut(host, net, Cut::Both))
}

/// Waits for another holder than this node, which is out of reach.
fn wait_other(cluster: &Cluster, node: u8) -> Result<(u8, Lease)> {
    let asked = if node == 1 { 2 } else { 1 };
    wait::until(&format!("another holder than n{node}"), SOON, || {
        let lease = cluster.api(asked)?.lease()?.context("there is no Lease")?;
        let holder = lease.holder().strip_prefix('n').and_then(|number| number.parse().ok());
        let holder = holder.filter(|holder| *holder != node);
        Ok((holder.with_context(|| format!("it is held by {:?}", lease.holder()))?, lease))
    })
}

/// The shortest hold time there is, so that its bound passes soon.
const SHORT_HOLD: u16 = 3;

/// After one take-over, until record and wire have the whole margin again.
pub(super) fn restored(cluster: &mut Cluster) -> Result<()> {
    let router = cluster.site.router(Kind::Bird, Conf { hold: SHORT_HOLD, ..Conf::new(Kind::Bird) })?;
    let start = |cluster: &mut Cluster, node| {
        let spec = cluster.spec(node, &[&router])?.flag("bgpASPathFence", 3);
        cluster.site.vipcast(node, &spec.flag("bgpHoldTimer", SHORT_HOLD).flag("bgpKeepAliveInterval", 1))
    };
    let one = start(cluster, 1)?;
    wait_length(&router, 1, 13)?;
    start(cluster, 2)?;
    router.wait_established(node_address(2), SOON)?;
    one.kill();
    wait_length(&router, 2, 10)?;
    let taken = clock::now();
    wait_length(&router, 2, 13)?;
    figure("from the take-over to the long path", clock::since(taken));
    let before = noted(cluster)?;
    ensure!(before.as_deref() == Some("9"), "the Lease notes {before:?} while the short path may stand");
    wait::until("the Lease to note the long path", SOON, || {
        let noted = noted(cluster)?;
        ensure!(noted.as_deref() == Some("12"), "it notes {noted:?}");
        Ok(())
    })?;
    figure("from the take-over to the long path in the record", clock::since(taken));
    Ok(())
}

/// The shortest path that may stand, as the Lease has it.
fn noted(cluster: &Cluster) -> Result<Option<String>> {
    let lease = cluster.lease()?.context("there is no Lease")?;
    Ok(lease.annotation("vipcast.io/prepend").map(str::to_owned))
}

/// Waits until the best path leads to a node and has so many ASes.
fn wait_length(router: &Router, node: u8, ases: usize) -> Result<()> {
    let what = format!("a path of {ases} ASes to n{node} in {}", router.kind());
    wait::until(&what, SOON, || expect_length(router, node, ases))
}

fn expect_length(router: &Router, node: u8, ases: usize) -> Result<()> {
    let best = router.best(PREFIX)?.context("no path")?;
    ensure!(best.next_hop == node_address(node) && best.as_path.len() == ases, "{} has {best:?}", router.kind());
    Ok(())
}

/// Node `n` is in AS 65000 + 10 `n`.
fn as_of(node: u8) -> u32 {
    NODE_AS + 10 * u32::from(node)
}

/// The holder is cut off, and the next one is in another AS: first with the fence off, then on.
pub(super) fn other_as(cluster: &mut Cluster) -> Result<()> {
    for fence in [None, Some(3)] {
        cluster.reset()?;
        let mut routers = Vec::new();
        for kind in [Kind::Bird, Kind::Frr] {
            let neighbor = |node| Neighbor { asn: as_of(node), ..Neighbor::new(node_address(node)) };
            let neighbors = [1, 2].map(neighbor).to_vec();
            routers.push(cluster.site.router(kind, Conf { hold: LONG_HOLD, neighbors, ..Conf::new(kind) })?);
        }
        let second = two_ases(cluster, &routers, fence)?;
        cut_off(cluster, 1)?;
        wait_other(cluster, 1)?;
        if fence.is_none() {
            let words = ["the last holder is in another AS", "theirs=65010", "ours=65020"];
            second.log().wait_line(second.began(), &words, SOON)?;
            second.log().wait_line(second.began(), &["the fence by AS path is spent"], SOON)?;
            wait::holds("both routers on the dead path", UNMOVED, || {
                routers.iter().try_for_each(|router| expect_length(router, 1, 1))
            })?;
            continue;
        }
        for router in &routers {
            wait_length(router, 2, 10)?;
            let paths = router.paths(PREFIX)?;
            ensure!(paths.iter().any(|path| path.next_hop == node_address(1)), "no dead path: {paths:?}");
        }
    }
    Ok(())
}

/// vipcast on n1, which leads, and on n2; the latter.
fn two_ases(cluster: &mut Cluster, routers: &[Rc<Router>], fence: Option<u8>) -> Result<Rc<Process>> {
    let peers: Vec<&Router> = routers.iter().map(Rc::as_ref).collect();
    let mut started = Vec::new();
    for node in [1, 2] {
        let spec = cluster.spec(node, &peers)?.flag("localAS", as_of(node)).flag("bgpHoldTimer", LONG_HOLD);
        let spec = fence.iter().fold(spec, |spec, step| spec.flag("bgpASPathFence", step));
        started.push(cluster.site.vipcast(node, &spec)?);
        for router in routers {
            router.wait_best(PREFIX, node_address(1), SOON)?;
            router.wait_established(node_address(node), SOON)?;
        }
    }
    started.pop().context("two")
}
