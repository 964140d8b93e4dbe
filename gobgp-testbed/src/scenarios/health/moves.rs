//! Under a lease: a leader that is not fit, or not heard, hands over to a node that is.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::lab::{Net, VIP, node_address};
use crate::parts::api::LEASES;
use crate::parts::healthz::{Answer, Healthz};
use crate::parts::probe::Probe;
use crate::parts::router::{Conf, Kind, Router};
use crate::parts::vipcast::Spec;
use crate::process::Process;
use crate::scenarios::SOON;
use crate::site::PREFIX;
use crate::{clock, wait};

/// Between two pings.
const EVERY: Duration = Duration::from_millis(5);
/// A handover without loss, on a busy machine.
const UNNOTICED: Duration = Duration::from_millis(300);
/// How long a VIP that has moved is watched for a return.
const AFTERMATH: Duration = Duration::from_secs(4);
/// How long a health check is left to come and go.
const FLAPPING: Duration = Duration::from_secs(25);
/// A holder that is not fit stays for this long after it took over.
const DWELL: Duration = Duration::from_secs(10);

/// gobgpd and BIRD, vipcast on three nodes, n1 leading, the client's ping.
struct Stage {
    gobgpd: Rc<Router>,
    bird: Rc<Router>,
    vipcasts: Vec<Rc<Process>>,
    probe: Probe,
    /// When it served first.
    served: Duration,
}

/// Sets it, each vipcast with what `dress` gives it, and waits until the others have said that they are fit.
fn stage(cluster: &mut Cluster, dress: impl Fn(Spec) -> Spec) -> Result<Stage> {
    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let mut vipcasts = Vec::new();
    for number in 1..=3 {
        let spec = dress(cluster.spec(number, &[&gobgpd, &bird])?);
        vipcasts.push(cluster.site.vipcast(number, &spec)?);
        cluster.wait_holder("n1", SOON)?;
        bird.wait_established(node_address(number), SOON)?;
        gobgpd.wait_established(node_address(number), SOON)?;
    }
    let probe = Probe::start(&cluster.site.lab.client, IpAddr::V4(VIP), EVERY)?;
    let served = probe.wait_answer(1, Duration::ZERO, SOON)?;
    for number in [2, 3] {
        fitness(cluster, number, "fit")?;
    }
    Ok(Stage { gobgpd, bird, vipcasts, probe, served })
}

/// Waits until a node says so of itself, in a Lease of its own.
fn fitness(cluster: &Cluster, number: u8, expected: &str) -> Result<()> {
    let path = format!("{LEASES}/plndr-cp-lock.n{number}");
    wait::until(&format!("n{number} to say that it is {expected}"), SOON, || {
        let (code, note) = cluster.api(2)?.request("GET", &path, None)?;
        let fitness = note.pointer("/metadata/annotations/vipcast.io~1fitness").and_then(Value::as_str);
        ensure!(code == 200 && fitness == Some(expected), "{code} {fitness:?}");
        Ok(())
    })
}

impl Stage {
    /// Waits until n1 may let go of what it took.
    fn dwelt(self) -> Result<Self> {
        wait::until("the dwell time to be over", DWELL * 2, || {
            let since = clock::since(self.served);
            ensure!(since > DWELL, "{since:?}");
            Ok(())
        })?;
        Ok(self)
    }

    /// Waits until another node than n1 leads and both routers have its route alone; which.
    fn moved(&self, cluster: &Cluster) -> Result<u8> {
        let leader = cluster.wait_holder_other_than(1, SOON)?;
        for router in [&self.gobgpd, &self.bird] {
            wait::until(&format!("{} to have n{leader}'s route alone", router.kind()), SOON, || {
                let paths = router.paths(PREFIX)?;
                ensure!(paths.len() == 1 && paths.iter().all(|p| p.next_hop == node_address(leader)), "{paths:?}");
                Ok(())
            })?;
        }
        Ok(leader)
    }

    /// The VIP stays where it is for a while.
    fn stays(&self, cluster: &Cluster, leader: u8) -> Result<()> {
        let holder = format!("n{leader}");
        wait::holds(&format!("{holder}'s hold on the lease"), AFTERMATH, || {
            let lease = cluster.api(leader)?.lease()?.context("there is no Lease")?;
            ensure!(lease.holder() == holder, "{:?} holds it", lease.holder());
            Ok(())
        })?;
        self.vipcasts.iter().try_for_each(|vipcast| vipcast.alive())
    }

    /// How often the lease has changed hands so far.
    fn moves(cluster: &Cluster) -> Result<u64> {
        Ok(cluster.api(2)?.lease()?.context("there is no Lease")?.transitions())
    }

    /// Who asked the VIP noticed nothing of what flapped since `start`, when the lease had changed hands `before` times.
    fn stood(&self, cluster: &Cluster, start: Duration, before: u64) -> Result<()> {
        let moves = Self::moves(cluster)?.saturating_sub(before);
        let silence = self.probe.silence(start, clock::now())?;
        println!("    figure: {moves} moves in {FLAPPING:?}, the longest silence {silence:.2?}");
        ensure!(silence < UNNOTICED, "the VIP was silent for {silence:?}");
        self.vipcasts.iter().try_for_each(|vipcast| vipcast.alive())
    }
}

/// The one that leads loses its own API server; the lease can be written through the others.
pub(in crate::scenarios) fn own_api(cluster: &mut Cluster) -> Result<()> {
    let stage = stage(cluster, |spec| spec)?.dwelt()?;
    let start = clock::now();
    cluster.servers.get_mut(0).context("no API server")?.kill();
    let leader = stage.moved(cluster)?;
    println!("    figure: API server killed to the VIP on n{leader} alone: {:.2?}", clock::since(start));
    stage.stays(cluster, leader)?;
    let silence = stage.probe.silence(start, clock::now())?;
    println!("    figure: the longest silence: {silence:.2?}");
    ensure!(silence < UNNOTICED, "the VIP was silent for {silence:?}");
    cluster.site.node(1)?.expect_address("lo", IpAddr::V4(VIP), false)?;
    // Healthy again it stands behind the others: no second move.
    cluster.servers.get_mut(0).context("no API server")?.restart()?;
    cluster.servers.first().context("no API server")?.wait_ready(SOON * 4)?;
    stage.stays(cluster, leader)
}

/// The leader's uplink loses its carrier; its link to the API lives.
pub(in crate::scenarios) fn uplink(cluster: &mut Cluster) -> Result<()> {
    let stage = stage(cluster, |spec| spec)?.dwelt()?;
    let node = cluster.site.node(1)?.clone();
    let mark = stage.vipcasts.first().context("no vipcast")?.log().mark();
    let start = clock::now();
    cluster.site.lab.carrier(&node, Net::Data, false)?;
    let leader = cluster.wait_holder_other_than(1, SOON)?;
    let first = stage.probe.wait_answer(leader, start, SOON)?;
    println!("    figure: carrier lost to the first answer by n{leader}: {:.2?}", first.saturating_sub(start));
    let log = stage.vipcasts.first().context("no vipcast")?.log();
    log.wait_line(mark, &["no router hears this node", "no carrier on data0"], SOON)?;
    stage.stays(cluster, leader)?;
    cluster.site.lab.carrier(&node, Net::Data, true)?;
    log.wait_line(mark, &["a router hears this node again"], SOON * 2)?;
    stage.stays(cluster, leader)?;
    let answers = stage.probe.answered_by(first)?;
    ensure!(
        answers.keys().all(|node| *node == Some(leader)),
        "after n{leader}'s first answer others came: {answers:?}"
    );
    Ok(())
}

/// The leader's check fails every other time, without sense; the others' are good.
pub(in crate::scenarios) fn one_flaps(cluster: &mut Cluster) -> Result<()> {
    let servers = servers(cluster, Answer::Good)?;
    let stage = stage(cluster, checked)?;
    let before = Stage::moves(cluster)?;
    let first = servers.first().context("no server")?;
    first.set(Answer::Half)?;
    let start = clock::now();
    wait::holds("at most one move", FLAPPING, || {
        let moves = Stage::moves(cluster)?.saturating_sub(before);
        ensure!(moves <= 1, "{moves} moves after {:?}", clock::since(start));
        Ok(())
    })?;
    stage.stood(cluster, start, before)
}

/// All checks fail every other time.
pub(in crate::scenarios) fn all_flap(cluster: &mut Cluster) -> Result<()> {
    let servers = servers(cluster, Answer::Good)?;
    let stage = stage(cluster, checked)?;
    let before = Stage::moves(cluster)?;
    let start = clock::now();
    servers.iter().try_for_each(|server| server.set(Answer::Half))?;
    wait::holds("no more moves than the dwell time allows", FLAPPING, || {
        let moves = Stage::moves(cluster)?.saturating_sub(before);
        let allowed = 1 + clock::since(start).as_secs() / DWELL.as_secs();
        ensure!(moves <= allowed, "{moves} moves after {:?}", clock::since(start));
        Ok(())
    })?;
    stage.stood(cluster, start, before)
}

/// Nobody is fit: the holder stays.
pub(in crate::scenarios) fn none_fit(cluster: &mut Cluster) -> Result<()> {
    let servers = servers(cluster, Answer::Good)?;
    let stage = stage(cluster, checked)?.dwelt()?;
    let before = Stage::moves(cluster)?;
    let start = clock::now();
    // The leader last: as long as another is fit it would hand over.
    for index in [1, 2, 0] {
        servers.get(index).context("no server")?.set(Answer::Bad)?;
        let vipcast = stage.vipcasts.get(index).context("no vipcast")?;
        vipcast.log().wait_line(vipcast.began(), &["unfit to serve"], SOON)?;
        if index > 0 {
            fitness(cluster, u8::try_from(index)? + 1, "unfit")?;
        }
    }
    stage.stays(cluster, 1)?;
    // One of them gets well: it is that one.
    servers.get(2).context("no server")?.set(Answer::Good)?;
    let leader = stage.moved(cluster)?;
    ensure!(leader == 3 && Stage::moves(cluster)? == before + 1, "n{leader} leads");
    let silence = stage.probe.silence(start, clock::now())?;
    println!("    figure: the longest silence: {silence:.2?}");
    ensure!(silence < UNNOTICED, "the VIP was silent for {silence:?}");
    Ok(())
}

fn checked(spec: Spec) -> Spec {
    let spec = spec.flag("controlPlaneHealthCheckAddress", Healthz::url());
    spec.flag("controlPlaneHealthCheckPeriodSeconds", 1).flag("controlPlaneHealthCheckTimeoutSeconds", 1)
}

fn servers(cluster: &Cluster, answer: Answer) -> Result<Vec<Healthz>> {
    cluster.site.lab.nodes.iter().map(|node| Healthz::start(node, answer)).collect()
}
