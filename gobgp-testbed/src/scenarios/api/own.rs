//! The leader's own API server gone: the lease is renewed through another one; lease, route and sessions
//! stay, as nobody checks it here. With the check the leader hands over: scenarios 40.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{figure, stage};
use crate::cluster::Cluster;
use crate::lab::node_address;
use crate::parts::apiserver::ApiServer;
use crate::parts::heard::Word;
use crate::scenarios::SOON;
use crate::site::PREFIX;
use crate::{clock, wait};

/// Long enough for every way to fail: several renew deadlines, the watch's doubts, two looks at the first endpoint.
const LONG: Duration = Duration::from_secs(22);
/// More than a busy machine delays a ping, less than any loss of the route costs.
const UNNOTICED: Duration = Duration::from_millis(400);

pub(in crate::scenarios) fn own_killed(cluster: &mut Cluster) -> Result<()> {
    without_own(cluster, |server| {
        server.kill();
        Ok(())
    })
}

pub(in crate::scenarios) fn own_frozen(cluster: &mut Cluster) -> Result<()> {
    without_own(cluster, |server| server.process()?.freeze())
}

fn without_own(cluster: &mut Cluster, stop: fn(&mut ApiServer) -> Result<()>) -> Result<()> {
    let stage = stage(cluster, 1)?;
    let med = stage.expect_only(1)?;
    let before = cluster.wait_holder("n1", SOON)?;
    let start = clock::now();
    stop(cluster.servers.get_mut(0).context("no API server")?)?;
    let other = cluster.api(2)?;
    wait::holds("n1's hold on VIP and lease", LONG, || {
        let paths = stage.gobgpd.paths(PREFIX)?;
        ensure!(paths.len() == 1 && paths.iter().all(|path| path.next_hop == node_address(1)), "{paths:?}");
        let lease = other.lease()?.context("there is no Lease")?;
        ensure!(lease.holder() == "n1" && lease.transitions() == before.transitions(), "{lease:?}");
        Ok(())
    })?;
    let silence = stage.probe.silence(start, clock::now())?;
    figure("the longest silence", silence);
    ensure!(silence < UNNOTICED, "the VIP was silent for {silence:?}");
    let words = stage.heard.words()?;
    ensure!(words == [Word { peer: node_address(1), med: Some(med) }], "gobgpd heard {words:?}");
    stage.expect_same_sessions()
}
