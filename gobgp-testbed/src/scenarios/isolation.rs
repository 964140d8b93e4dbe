//! Scenario 4: packets are dropped, the carrier and the processes are there.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::SOON;
use super::pair::{LO, Offset, Pair, VIP_ADDRESS, lease, written};
use crate::cluster::Cluster;
use crate::lab::{Cut, Net, node_address};
use crate::parts::router::Kind;
use crate::site::PREFIX;
use crate::{clock, wait};

/// A stale route stands for as long as any of these scenarios takes.
const LONG_HOLD: u16 = 60;
/// How far a noisy machine may be off.
const SLACK: Duration = Duration::from_secs(1);
/// A renewal whose answer got lost counts in the record, not for the holder.
const RETRY: Duration = Duration::from_secs(1);

/// Nothing gets through in either network: no withdrawal can, and the stale route stands until the hold time.
pub(super) fn cut_off(cluster: &mut Cluster) -> Result<()> {
    let pair = Pair::start(cluster, &Kind::ALL, LONG_HOLD)?;
    let node = cluster.site.node(1)?.clone();
    let mark = pair.one.log().mark();
    let cut = clock::now();
    cluster.site.lab.cut(&node, Net::Data, Cut::Both)?;
    cluster.site.lab.cut(&node, Net::Management, Cut::Both)?;
    let until = Pair::entitled_until(cluster)?;
    for kind in Kind::ALL {
        let words = [&format!("peer={}:", kind.address()), "to=Idle", "the entitlement ran out before"];
        let line = pair.one.log().wait_line(mark, &words, SOON)?;
        Offset::of(written(&line)?, until).expect("a connection was reset", RETRY, SLACK)?;
    }
    for (words, what) in [("lost the lease", "lease lost"), ("address unbound", "address unbound")] {
        let line = pair.one.log().wait_line(mark, &[words], SOON)?;
        let offset = Offset::of(written(&line)?, until);
        println!("    figure: {what} {offset} the end of the entitlement");
        offset.expect(what, RETRY, SLACK)?;
    }
    node.expect_address(LO, VIP_ADDRESS, false)?;
    let moved = pair.wait_moved(cluster)?;
    println!("    figure: silence {:.2?}", pair.probe.silence(cut, moved.first_answer)?);
    // The fence: the dead holder's route still stands in all four, and loses.
    pair.expect_tables(&[pair.before(false), moved.route()])?;
    let mark = pair.one.log().mark();
    cluster.site.lab.heal_all()?;
    pair.one.log().wait_line(mark, &["the lease has a new holder", "n2"], SOON)?;
    pair.expect_settled(cluster, &moved)
}

/// Only the API is out of reach: the routers are told, on sessions that live through all of it.
pub(super) fn management_cut(cluster: &mut Cluster) -> Result<()> {
    let pair = Pair::start(cluster, &[Kind::Gobgpd, Kind::Bird], 9)?;
    let node = cluster.site.node(1)?.clone();
    let mark = pair.one.log().mark();
    let cut = clock::now();
    cluster.site.lab.cut(&node, Net::Management, Cut::Both)?;
    let until = Pair::entitled_until(cluster)?;
    for offset in pair.wait_withdrawn(until)? {
        offset.expect("a route was gone", RETRY + SLACK, SLACK)?;
    }
    wait::until("n1 to unbind the VIP", SOON, || node.expect_address(LO, VIP_ADDRESS, false))?;
    let moved = pair.wait_moved(cluster)?;
    println!("    figure: silence {:.2?}", pair.probe.silence(cut, moved.first_answer)?);
    let healed = pair.one.log().mark();
    cluster.site.lab.heal_all()?;
    pair.one.log().wait_line(healed, &["the lease has a new holder", "n2"], SOON)?;
    pair.expect_settled(cluster, &moved)?;
    let said = pair.one.log().since(mark);
    ensure!(!said.contains("session state changed"), "a session of n1 changed its state:\n{said}");
    Ok(())
}

/// The API is out of reach, and what the routers send is dropped: no acknowledgement comes, yet they hear us.
pub(super) fn deaf(cluster: &mut Cluster) -> Result<()> {
    let pair = Pair::start(cluster, &[Kind::Gobgpd, Kind::Bird], LONG_HOLD)?;
    let node = cluster.site.node(1)?.clone();
    let mark = pair.one.log().mark();
    cluster.site.lab.cut(&node, Net::Data, Cut::ToHost)?;
    cluster.site.lab.cut(&node, Net::Management, Cut::Both)?;
    let until = Pair::entitled_until(cluster)?;
    for offset in pair.wait_withdrawn(until)? {
        offset.expect("a route was gone", RETRY + SLACK, SLACK)?;
    }
    // What was not acknowledged counts as held: the address stays until the connections are reset.
    let reset = pair.one.log().wait_line(mark, &["to=Idle", "the entitlement ran out before"], SOON)?;
    let unbound = pair.one.log().wait_line(mark, &["address unbound"], SOON)?;
    ensure!(written(&unbound)? >= written(&reset)?, "unbound before the end: {unbound}\n{reset}");
    let moved = pair.wait_moved(cluster)?;
    let mark = pair.one.log().mark();
    cluster.site.lab.heal_all()?;
    pair.one.log().wait_line(mark, &["the lease has a new holder", "n2"], SOON)?;
    pair.expect_settled(cluster, &moved)
}

/// The lease is renewed all the while: the node stays the holder, the routers' or its own hold timer ends the session,
/// and the route is back when packets are.
pub(super) fn one_way(cluster: &mut Cluster) -> Result<()> {
    const HOLD: u16 = 6;
    let pair = Pair::start(cluster, &[Kind::Gobgpd, Kind::Bird], HOLD)?;
    let node = cluster.site.node(1)?.clone();
    let before = lease(cluster)?;
    for cut in [Cut::FromHost, Cut::ToHost] {
        let start = clock::now();
        cluster.site.lab.cut(&node, Net::Data, cut)?;
        for router in &pair.routers {
            router.wait_gone(PREFIX, Some(node_address(1)), Duration::from_secs(30))?;
            println!("    figure: {cut:?}: route gone from {} after {:.2?}", router.kind(), clock::since(start));
        }
        node.expect_address(LO, VIP_ADDRESS, true)?;
        cluster.site.lab.heal_all()?;
        let healed = clock::now();
        pair.expect_tables(&[pair.before(true)])?;
        let back = pair.probe.wait_answer(1, healed, SOON)?;
        println!("    figure: {cut:?}: the client is answered {:.2?} after healing", back.saturating_sub(healed));
    }
    let answers = pair.probe.answered_by(Duration::ZERO)?;
    ensure!(answers.keys().copied().collect::<Vec<_>>() == [Some(1)], "answers came from {answers:?}");
    let after = lease(cluster)?;
    ensure!(after.holder() == "n1" && after.transitions() == before.transitions(), "the Lease moved: {:#}", after.0);
    pair.one.alive()
}
