//! What goes wrong in a handover: the successor is dead, wakes up late, dies with the lease in its hand, or finds an offer
//! that is none any more.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use super::moves::Stage;
use crate::cluster::Cluster;
use crate::lab::{Cut, Net};
use crate::parts::api::Lease;
use crate::parts::contend::{Candidacy, Contender, Timing, Version};
use crate::parts::router::Kind;
use crate::process::Process;
use crate::scenarios::SOON;
use crate::scenarios::expect::figure;
use crate::{clock, wait};

/// The lease duration in [`Cluster::spec`], and what a busy machine adds.
const LEASE: Duration = Duration::from_secs(5);
const SLACK: Duration = Duration::from_secs(2);
const OFFER: &str = "vipcast.io/offer";

fn leave(vipcast: &Process) -> Result<()> {
    let asked = clock::now();
    vipcast.term()?;
    let status = vipcast.wait_exit(SOON)?;
    ensure!(status.code() == Some(0), "vipcast ended with {status}");
    figure("SIGTERM to the end of the process", clock::since(asked));
    Ok(())
}

/// The first candidate was killed a moment ago, and still counts as fit: the second one takes the lease.
pub(super) fn dead_candidate(cluster: &mut Cluster) -> Result<()> {
    let mut stage = Stage::build(cluster, Kind::Bird)?;
    stage.vipcast(2)?.kill();
    let tolls = stage.move_by("SIGTERM beside a dead candidate", |stage| leave(stage.vipcast(1)?))?;
    let said = stage.vipcast(1)?.said();
    ensure!(stage.leader == 3 && said.contains("n2"), "n{} leads; n1 said {said}", stage.leader);
    tolls.iter().try_for_each(|toll| toll.expect_none(Kind::Bird))
}

/// The first candidate stands still, and wakes up when the second one has the lease: it takes nothing.
pub(super) fn two_offers(cluster: &mut Cluster) -> Result<()> {
    let mut stage = Stage::build(cluster, Kind::Bird)?;
    stage.vipcast(2)?.freeze()?;
    let tolls = stage.move_by("SIGTERM beside a frozen candidate", |stage| leave(stage.vipcast(1)?))?;
    ensure!(stage.leader == 3, "n{} leads", stage.leader);
    tolls.iter().try_for_each(|toll| toll.expect_none(Kind::Bird))?;
    let transitions = lease(stage.cluster)?.transitions();
    stage.vipcast(2)?.thaw()?;
    wait::holds("n3's leadership", Duration::from_secs(3), || {
        let lease = lease(stage.cluster)?;
        ensure!(lease.holder() == "n3" && lease.transitions() == transitions, "{:#}", lease.0);
        Ok(())
    })
}

/// The successor dies the moment it holds the lease: the old leader speaks for as long as it may, then the lease runs out
/// and the third node takes it.
pub(super) fn successor_dies(cluster: &mut Cluster) -> Result<()> {
    let stage = Stage::build(cluster, Kind::Bird)?;
    let doomed = stage.vipcast(2)?;
    doomed.signal(Signal::USR1)?;
    let line = doomed.log().wait_line(doomed.began(), &["dying at the next term, on demand"], SOON);
    line.context("is VIPCAST_BIN built with the feature test-faults?")?;
    let from = clock::now();
    leave(stage.vipcast(1)?)?;
    stage.cluster.wait_holder("n3", LEASE + SOON)?;
    stage.crowd.wait_served(3, from)?;
    doomed.wait_exit(SOON)?;
    let toll = stage.crowd.toll(from, clock::now())?;
    for toll in &toll {
        println!("    figure: the successor dies: {}, silence {} ms", toll.family, toll.silence.as_millis());
        ensure!(toll.silence < LEASE + SLACK, "{}: silent for {:?}", toll.family, toll.silence);
    }
    Ok(())
}

/// An offer that nobody took survives its holder: client-go keeps annotations. Whom it named takes nothing by it.
pub(super) fn old_offer(cluster: &mut Cluster) -> Result<()> {
    let stage = Stage::build(cluster, Kind::Bird)?;
    // n3 is gone, and n2 can take nothing; nobody knows yet.
    stage.vipcast(3)?.kill();
    let node = stage.cluster.site.node(2)?.clone();
    stage.cluster.site.lab.cut(&node, Net::Management, Cut::Both)?;
    let leader = stage.vipcast(1)?;
    leader.term()?;
    wait::until("the offer to n2", SOON, || {
        let lease = lease(stage.cluster)?;
        let offer = lease.annotation(OFFER).unwrap_or_default().to_owned();
        ensure!(offer.contains(" n2/"), "the offer is {offer:?}");
        leader.kill();
        Ok(())
    })?;
    let offered = lease(stage.cluster)?;
    let offer = offered.annotation(OFFER).context("the offer is gone: it was taken back before the kill")?.to_owned();
    ensure!(offered.holder() == "n1" && offer.contains(" n2/"), "{:#}", offered.0);
    let kubeconfig = stage.cluster.kubeconfig(3)?;
    let candidacy =
        Candidacy { lease: "plndr-cp-lock", identity: "go", version: Version::Current, timing: Timing::FAST };
    let contender = Contender::start(stage.cluster.site.node(3)?, &kubeconfig, candidacy)?;
    stage.cluster.wait_holder("go", LEASE + SOON)?;
    let taken = lease(stage.cluster)?;
    ensure!(taken.annotation(OFFER) == Some(&offer), "client-go did not keep the offer: {:#}", taken.0);
    stage.cluster.site.lab.heal(&node, Net::Management, Cut::Both)?;
    wait::until("n2 to know the new holder", SOON, || {
        let said = stage.vipcast(2)?.said();
        ensure!(said.contains("the lease has a new holder") && said.contains("holder=\"go\""), "not yet");
        Ok(())
    })?;
    wait::holds("client-go's leadership", Duration::from_secs(3), || {
        let lease = lease(stage.cluster)?;
        ensure!(lease.holder() == "go" && lease.transitions() == taken.transitions(), "{:#}", lease.0);
        contender.process().alive()
    })?;
    contender.process().kill();
    stage.cluster.wait_holder("n2", LEASE + SOON).map(drop)
}

/// Asked of n3's API server: n2's may be out of reach.
fn lease(cluster: &Cluster) -> Result<Lease> {
    cluster.api(3)?.lease()?.context("there is no Lease")
}
