//! Scenario 42-alone: one vipcast beside client-go candidates, as on a cluster that still has kube-vips, and its own API
//! server dies.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Run, SOON, Scenario};
use crate::cluster::Cluster;
use crate::lab::{VIP, node_address};
use crate::parts::contend::{Candidacy, Contender, Timing, Version};
use crate::parts::router::{Conf, Kind};
use crate::scenarios::expect::figure;
use crate::site::PREFIX;
use crate::{clock, wait};

pub(super) const ALONE: Scenario = Scenario {
    name: "42-alone",
    shows: "the leader's own API server dies, only client-go stands beside it: withdrawn, then released; it stands again",
    run: Run::Cluster(gives_way),
};

/// Who was not heard of for that long is gone; with what a busy machine adds.
const ALONE_AFTER: Duration = Duration::from_secs(27);
/// From the death of the API server until client-go has the lease: a check, a withdrawal, two writes, client-go's look.
const WITHIN: Duration = Duration::from_secs(6);
/// The contender's name.
const GO: &str = "go";

fn gives_way(cluster: &mut Cluster) -> Result<()> {
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let spec = cluster.spec(1, &[&bird])?;
    let started = clock::now();
    let vipcast = cluster.site.vipcast(1, &spec)?;
    cluster.wait_holder("n1", SOON)?;
    let candidacy = Candidacy { lease: "plndr-cp-lock", identity: GO, version: Version::Current, timing: Timing::FAST };
    let go = Contender::start(cluster.site.node(2)?, &cluster.kubeconfig(2)?, candidacy)?;
    go.wait_said("new leader n1", SOON)?;
    bird.wait_best(PREFIX, node_address(1), SOON)?;
    wait::until("n1 to know that it is alone", ALONE_AFTER * 2, || {
        ensure!(clock::since(started) > ALONE_AFTER, "{:?}", clock::since(started));
        Ok(())
    })?;
    let other = cluster.api(2)?;
    let holder = || Ok::<_, anyhow::Error>(other.lease()?.context("there is no Lease")?.holder().to_owned());
    ensure!(holder()? == "n1", "{} holds it while all is well", holder()?);

    let killed = clock::now();
    cluster.servers.get_mut(0).context("no API server")?.kill();
    wait::until("n1 to let go of the lease", WITHIN, || {
        let holder = holder()?;
        ensure!(holder != "n1", "it holds it");
        Ok(())
    })?;
    // Withdraw, then release: the route went before.
    let paths = bird.paths(PREFIX)?;
    ensure!(paths.is_empty(), "the lease is given back, and BIRD has {paths:?}");
    cluster.site.node(1)?.expect_address("lo", IpAddr::V4(VIP), false)?;
    figure("own API server killed to the lease given back", clock::since(killed));
    wait::until("client-go to hold the lease", WITHIN, || {
        let holder = holder()?;
        ensure!(holder == GO, "{holder:?} holds it");
        Ok(())
    })?;
    let took = clock::since(killed);
    figure("own API server killed to client-go's hold on the lease", took);
    ensure!(took < WITHIN, "{took:?}");

    // It is a candidate still, and fit again.
    cluster.servers.get_mut(0).context("no API server")?.restart()?;
    cluster.servers.first().context("no API server")?.wait_ready(SOON * 4)?;
    go.process().term()?;
    cluster.wait_holder("n1", SOON)?;
    bird.wait_best(PREFIX, node_address(1), SOON)?;
    vipcast.alive()
}
