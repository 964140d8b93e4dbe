//! Scenario 4: packets are dropped, the carrier and the processes are there.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::SOON;
use super::pair::{LO, Offset, Pair, VIP_ADDRESS, written};
use crate::cluster::Cluster;
use crate::lab::{Cut, Net};
use crate::parts::router::Kind;
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

/// The leader's packets are dropped: it renews the lease all the while, but no router hears it.
pub(super) fn one_way_out(cluster: &mut Cluster) -> Result<()> {
    one_way(cluster, Cut::FromHost)
}

/// The same with those to the leader.
pub(super) fn one_way_in(cluster: &mut Cluster) -> Result<()> {
    one_way(cluster, Cut::ToHost)
}

/// The routers' or the node's own hold timer ends the sessions; then it hands over to the node that is heard.
fn one_way(cluster: &mut Cluster, cut: Cut) -> Result<()> {
    const HOLD: u16 = 3;
    let pair = Pair::start(cluster, &[Kind::Gobgpd, Kind::Bird], HOLD)?;
    let node = cluster.site.node(1)?.clone();
    let mark = pair.one.log().mark();
    let start = clock::now();
    cluster.site.lab.cut(&node, Net::Data, cut)?;
    pair.one.log().wait_line(mark, &["no router hears this node", "no BGP session"], SOON)?;
    let moved = pair.wait_moved(cluster)?;
    println!("    figure: {cut:?}: silence {:.2?}", pair.probe.silence(start, moved.first_answer)?);
    cluster.site.lab.heal_all()?;
    pair.one.log().wait_line(mark, &["a router hears this node again"], SOON * 2)?;
    pair.expect_settled(cluster, &moved)
}
