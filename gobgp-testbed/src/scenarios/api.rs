//! Scenarios 6 and 11: what happens to the API, and never to the sessions; what all of them share.

mod lease;
mod outage;
mod own;
mod quorum;

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

pub(super) use lease::{deleted, emptied, restored, restored_to_nothing, restored_to_released, taken_by_admin};
pub(super) use outage::{dropped, etcd_frozen, frozen, refused};
pub(super) use own::{own_frozen, own_killed};
pub(super) use quorum::quorum;

use super::SOON;
use super::expect::external;
use crate::cluster::Cluster;
use crate::lab::{VIP, node_address};
use crate::parts::heard::Heard;
use crate::parts::probe::{Answer, Probe};
use crate::parts::router::{Conf, Kind, Path, Router};
use crate::process::Process;
use crate::site::PREFIX;
use crate::{clock, wait};

/// Between two pings.
const EVERY: Duration = Duration::from_millis(5);
/// How a vipcast logs that a session changed its state.
const SESSION_LINE: &str = "session state changed";

/// gobgpd and BIRD, a vipcast on each node, a client that pings the VIP, an ear at gobgpd.
struct Stage {
    gobgpd: Rc<Router>,
    bird: Rc<Router>,
    /// Node 1's first.
    vipcasts: Vec<Rc<Process>>,
    probe: Probe,
    heard: Heard,
    /// The node that led when the stage was set.
    leader: u8,
    /// Where the vipcasts' logs ended then.
    marks: Vec<u64>,
    /// When the stage was set: from then on the VIP answers.
    since: Duration,
}

/// Waits until the cluster names all three API servers: fresh ones take up to ten seconds to enter themselves, and a
/// vipcast that starts before looks again after a minute only.
fn all_named(cluster: &Cluster) -> Result<()> {
    const SLICE: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes";
    wait::until("three API servers in the EndpointSlice", SOON * 2, || {
        let (code, slice) = cluster.api(1)?.request("GET", SLICE, None)?;
        let named = slice.get("endpoints").and_then(Value::as_array).map_or(0, Vec::len);
        ensure!(code == 200 && named == 3, "{code}, {named} of them");
        Ok(())
    })
}

/// Sets the stage, this node leading. Nobody checks the API servers: what is seen is what becomes of the lease.
fn stage(cluster: &mut Cluster, leader: u8) -> Result<Stage> {
    all_named(cluster)?;
    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let heard = Heard::start(&gobgpd, PREFIX)?;
    let mut vipcasts = Vec::new();
    for number in [leader, leader % 3 + 1, (leader + 1) % 3 + 1] {
        let spec = cluster.spec(number, &[&gobgpd, &bird])?.flag("controlPlaneHealthCheckAddress", "off");
        vipcasts.push((number, cluster.site.vipcast(number, &spec)?));
        cluster.wait_holder(cluster.site.node(leader)?.name(), SOON)?;
        for router in [&gobgpd, &bird] {
            router.wait_established(node_address(number), SOON)?;
        }
    }
    vipcasts.sort_by_key(|(number, _)| *number);
    let vipcasts: Vec<Rc<Process>> = vipcasts.into_iter().map(|(_, vipcast)| vipcast).collect();
    let probe = Probe::start(&cluster.site.lab.client, IpAddr::V4(VIP), EVERY)?;
    let since = probe.wait_answer(leader, clock::now(), SOON)?;
    for vipcast in &vipcasts {
        vipcast.log().wait_line(0, &["API endpoints in order", "10.78.0.11", "10.78.0.12", "10.78.0.13"], SOON)?;
    }
    let marks = vipcasts.iter().map(|vipcast| vipcast.log().mark()).collect();
    Ok(Stage { gobgpd, bird, vipcasts, probe, heard, leader, marks, since })
}

impl Stage {
    /// Fails unless every process lives and every session is the one that it was when the stage was set.
    fn expect_same_sessions(&self) -> Result<()> {
        for (vipcast, mark) in self.vipcasts.iter().zip(&self.marks) {
            vipcast.alive()?;
            let said = vipcast.log().since(*mark);
            let changed: Vec<&str> = said.lines().filter(|line| line.contains(SESSION_LINE)).collect();
            ensure!(changed.is_empty(), "a session changed its state: {changed:#?}");
        }
        for router in [&self.gobgpd, &self.bird] {
            for session in router.sessions()? {
                ensure!(session.established && session.last_error.is_empty(), "{}: {session:?}", router.kind());
            }
        }
        Ok(())
    }

    /// Another process in a node's place, once its sessions are up.
    fn replace_vipcast(&mut self, number: u8, vipcast: Rc<Process>) -> Result<()> {
        for router in [&self.gobgpd, &self.bird] {
            router.wait_established(node_address(number), SOON)?;
        }
        let index = usize::from(number).checked_sub(1).context("nodes count from 1")?;
        *self.marks.get_mut(index).context("no such node")? = vipcast.log().mark();
        *self.vipcasts.get_mut(index).context("no such node")? = vipcast;
        Ok(())
    }

    /// The first answer to a question sent after `from`, by whoever.
    fn first_answer(&self, from: Duration) -> Result<Answer> {
        wait::until("an answer to the ping", SOON, || {
            let answers = self.probe.answers()?;
            answers.into_iter().find(|answer| answer.sent >= from).context("no answer")
        })
    }

    /// When the last answer came so far.
    fn last_answer(&self) -> Result<Duration> {
        Ok(self.probe.answers()?.last().context("no answer at all")?.received)
    }

    /// Waits until both routers have this node's route and nothing else; its MED.
    fn expect_only(&self, node: u8) -> Result<u32> {
        // BIRD gives external routes this LOCAL_PREF; gobgpd shows none.
        let meds = [(&self.gobgpd, None), (&self.bird, Some(100))].map(|(router, local_pref)| {
            let next_hop = node_address(node);
            router.wait_best(PREFIX, next_hop, SOON)?;
            let paths = router.paths(PREFIX)?;
            let med = paths.first().and_then(|path| path.med);
            let expected = Path { local_pref, ..external(next_hop, med) };
            ensure!(paths == [expected], "{} has {paths:?}", router.kind());
            med.context("a route under a lease without MED")
        });
        let [gobgpd, bird] = meds;
        let (gobgpd, bird) = (gobgpd?, bird?);
        ensure!(gobgpd == bird, "gobgpd has MED {gobgpd}, BIRD {bird}");
        Ok(gobgpd)
    }

    fn vipcast(&self, number: u8) -> Result<&Rc<Process>> {
        let index = usize::from(number).checked_sub(1).context("nodes count from 1")?;
        self.vipcasts.get(index).with_context(|| format!("there is no node {number}"))
    }
}

fn figure(what: &str, time: Duration) {
    println!("    {what}: {:.2} s", time.as_secs_f64());
}
