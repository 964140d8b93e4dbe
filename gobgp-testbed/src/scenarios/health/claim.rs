//! Under a lease: who is unfit does not take it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cluster::Cluster;
use crate::lab::node_address;
use crate::parts::router::{Conf, Kind};
use crate::scenarios::SOON;
use crate::scenarios::expect::figure;
use crate::site::PREFIX;
use crate::{clock, wait};

/// Longer than a lease lasts, and every pause between two attempts.
const LONG: Duration = Duration::from_secs(7);

/// The lease could be written through the other API servers all the while.
pub(in crate::scenarios) fn never_while_unfit(cluster: &mut Cluster) -> Result<()> {
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    cluster.servers.get_mut(0).context("no API server")?.kill();
    // The kubeconfig names another node's API server.
    let spec = cluster.spec(1, &[&bird])?.flag("k8sConfigPath", cluster.kubeconfig(2)?.display());
    let vipcast = cluster.site.vipcast(1, &spec)?;
    bird.wait_established(node_address(1), SOON)?;
    vipcast.log().wait_line(0, &["unfit to serve", "Connection refused"], SOON)?;
    let other = cluster.api(2)?;
    wait::holds("a lease that nobody holds", LONG, || {
        let lease = other.lease()?;
        ensure!(lease.is_none(), "{lease:?}");
        let paths = bird.paths(PREFIX)?;
        ensure!(paths.is_empty(), "{paths:?}");
        Ok(())
    })?;
    cluster.servers.get_mut(0).context("no API server")?.restart()?;
    cluster.servers.first().context("no API server")?.wait_ready(SOON * 4)?;
    let ready = clock::now();
    bird.wait_best(PREFIX, node_address(1), SOON)?;
    figure("API server ready to the route", clock::since(ready));
    cluster.wait_holder("n1", SOON)?;
    vipcast.alive()
}
