//! What the check costs a node that starts.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::clock;
use crate::cluster::Cluster;
use crate::lab::node_address;
use crate::parts::router::{Conf, Kind, Router};
use crate::parts::vipcast::Spec;
use crate::scenarios::SOON;
use crate::scenarios::expect::figure;
use crate::site::PREFIX;

const RUNS: usize = 3;
/// A handshake over loopback, on a busy machine.
const HARDLY: Duration = Duration::from_millis(300);

/// From the start to the route, under a lease that nobody else wants: with a check, and without one.
pub(in crate::scenarios) fn to_route(cluster: &mut Cluster) -> Result<()> {
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let checked = cluster.spec(1, &[&bird])?;
    let unchecked = checked.clone().flag("controlPlaneHealthCheckAddress", "off");
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        without.push(once(cluster, &bird, &unchecked)?);
        with.push(once(cluster, &bird, &checked)?);
    }
    let (with, without) = (median(with)?, median(without)?);
    figure("start to route without a check, median of 3", without);
    figure("start to route with it", with);
    ensure!(with <= without + HARDLY, "the check costs {:?}", with.saturating_sub(without));
    Ok(())
}

fn once(cluster: &mut Cluster, bird: &Router, spec: &Spec) -> Result<Duration> {
    let start = clock::now();
    let vipcast = cluster.site.vipcast(1, spec)?;
    bird.wait_best(PREFIX, node_address(1), SOON)?;
    let took = clock::since(start);
    vipcast.term()?;
    vipcast.wait_exit(SOON)?;
    bird.wait_gone(PREFIX, None, SOON)?;
    Ok(took)
}

fn median(mut times: Vec<Duration>) -> Result<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied().context("nothing was measured")
}
