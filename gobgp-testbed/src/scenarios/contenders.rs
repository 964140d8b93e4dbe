//! Scenario 8: vipcast against client-go's own leader election, current and old, and against twins.

mod duel;
mod twins;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::SOON;
use crate::cluster::Cluster;
use crate::lab::node_address;
use crate::parts::api::LEASE;
use crate::parts::contend::{Timing, Version};
use crate::parts::router::{Conf, Kind};
use crate::site::PREFIX;
use crate::{clock, wait};
use duel::{Duel, IDENTITY, take_over};

pub(super) use twins::{same_identity, second_vipcast};

/// What "at once" may cost on a loaded machine.
const AT_ONCE: Duration = Duration::from_secs(2);
/// Beyond the duration that must pass, on a loaded machine.
const SLACK: Duration = Duration::from_secs(4);
/// How far the times that vipcast writes may be ahead of its clock: each is in a later second than the one before.
const AHEAD: Duration = Duration::from_secs(1);

/// Three duels side by side, each with a Lease of its own: both client-go versions, both timings, both directions.
pub(super) fn both_directions(cluster: &mut Cluster) -> Result<()> {
    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let mut duels = Vec::new();
    for (node, version, timing) in
        [(1, Version::Current, Timing::FAST), (2, Version::Old, Timing::FAST), (3, Version::Current, Timing::SLOW)]
    {
        duels.push(Duel::begin(cluster, &gobgpd, node, version, timing)?);
    }
    contender_dies(cluster, &mut duels)?;
    vipcast_leaves(cluster, &mut duels)?;
    contender_leaves(cluster, &mut duels)?;
    vipcast_dies(cluster, &mut duels)?;
    duels.iter_mut().try_for_each(Duel::never_both)
}

/// kill -9 of the leading contender: vipcast waits the lease out from the last renewal, and not much longer.
fn contender_dies(cluster: &mut Cluster, duels: &mut [Duel]) -> Result<()> {
    for duel in &mut *duels {
        duel.start_contender(cluster)?.wait_said("started leading", SOON)?;
        duel.start_vipcast(cluster)?;
        duel.vipcast_follows()?;
    }
    duels.iter_mut().try_for_each(Duel::kill_contender)?;
    for (duel, silence) in duels.iter().zip(take_over(cluster, duels, Duel::node_name)?) {
        let lease = duel.timing.lease();
        duel.figure("contender killed -9 -> vipcast takes the lease this long after its last renewal", silence);
        ensure!(
            silence >= lease && silence < lease + SLACK,
            "{} took a {lease:?} lease after {silence:?}",
            duel.name()
        );
        duel.announces()?;
    }
    Ok(())
}

/// SIGTERM to the leading vipcast: the contender has the lease at its next look.
fn vipcast_leaves(cluster: &mut Cluster, duels: &mut [Duel]) -> Result<()> {
    for duel in &mut *duels {
        let leader = format!("new leader {}", duel.node_name());
        duel.start_contender(cluster)?.wait_said(&leader, SOON)?;
    }
    duels.iter_mut().try_for_each(Duel::term_vipcast)?;
    for duel in &mut *duels {
        let given = duel.vipcast_left()?;
        let took = duel.contender()?.wait_said("started leading", SOON)?.saturating_sub(given);
        duel.figure("vipcast gives the lease back -> contender leads (it looks every 1 to 2.2 retry periods)", took);
        ensure!(took < duel.timing.look() + AT_ONCE, "the contender took {took:?}");
        duel.silent()?;
    }
    Ok(())
}

/// SIGTERM to the leading contender, which releases: vipcast has the lease at once.
fn contender_leaves(cluster: &mut Cluster, duels: &mut [Duel]) -> Result<()> {
    for duel in &mut *duels {
        duel.start_vipcast(cluster)?;
        duel.vipcast_follows()?;
    }
    for duel in &mut *duels {
        let asked = duel.term_contender()?;
        let took = duel.vipcast_leads(asked)?.saturating_sub(asked);
        duel.figure("SIGTERM to the contender -> vipcast leads", took);
        ensure!(took < AT_ONCE, "vipcast took {took:?}");
        duel.announces()?;
    }
    Ok(())
}

/// kill -9 of the leading vipcast: the contender waits the lease out.
fn vipcast_dies(cluster: &mut Cluster, duels: &mut [Duel]) -> Result<()> {
    for duel in &mut *duels {
        let leader = format!("new leader {}", duel.node_name());
        duel.start_contender(cluster)?.wait_said(&leader, SOON)?;
    }
    duels.iter_mut().try_for_each(Duel::kill_vipcast)?;
    for (duel, silence) in duels.iter().zip(take_over(cluster, duels, |_| IDENTITY.to_owned())?) {
        let (lease, look) = (duel.timing.lease(), duel.timing.look());
        duel.figure("vipcast killed -9 -> contender takes the lease this long after its last renewal", silence);
        ensure!(silence + AHEAD >= lease && silence < lease + look + SLACK, "{silence:?} for a lease of {lease:?}");
        duel.contender()?.wait_said("started leading", SOON)?;
        duel.silent()?;
    }
    Ok(())
}

/// vipcast at 5/3/1 beside an old contender at 15/10/2 that even falls silent for longer than vipcast's own lease.
pub(super) fn slower_contender(cluster: &mut Cluster) -> Result<()> {
    const SILENT: Duration = Duration::from_secs(8);
    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let mut duel = Duel::begin(cluster, &gobgpd, 1, Version::Old, Timing::SLOW)?;
    duel.start_contender(cluster)?.wait_said("started leading", SOON)?;
    duel.start_vipcast_with(cluster, Timing::FAST)?;
    duel.vipcast_follows()?;
    let warning = "the holder's lease duration (seconds) is not ours; everybody waits for the longer: make them equal";
    let line = duel.vipcast_line(warning)?;
    let said = (line.get("level"), line.get("record"), line.get("ours"));
    ensure!(said == (Some(&json!("WARN")), Some(&json!(15)), Some(&json!(5))), "the warning is {line}");

    duel.contender()?.process().freeze()?;
    let before = duel.lease(cluster)?;
    wait::holds("the frozen contender's lease", SILENT, || {
        let now = duel.lease(cluster)?;
        ensure!(now == before, "{:#}", now.0);
        Ok(())
    })?;
    duel.contender()?.process().thaw()?;
    wait::until("the thawed contender to renew", SOON, || {
        let now = duel.lease(cluster)?;
        ensure!(now.holder() == IDENTITY, "{} holds the lease", now.holder());
        ensure!(now.time("renewTime")? > before.time("renewTime")?, "not yet");
        Ok(())
    })?;
    duel.silent()?;
    duel.kill_contender()?;
    let mut duels = [duel];
    let [silence] = take_over(cluster, &duels, Duel::node_name)?[..] else { anyhow::bail!("one duel, one figure") };
    let [duel] = &mut duels;
    duel.figure("contender at 15/10/2 killed -9 -> vipcast at 5/3/1 after its last renewal", silence);
    ensure!(silence >= Timing::SLOW.lease() && silence < Timing::SLOW.lease() + SLACK, "{silence:?}");
    duel.announces()?;
    let warnings = duel.vipcast_said()?.iter().filter(|line| line.get("message") == Some(&json!(warning))).count();
    ensure!(warnings == 1, "the warning came {warnings} times");
    duel.never_both()
}

/// Releases written by hand, as other clients wrote them: vipcast takes each at once.
pub(super) fn release_shapes(cluster: &mut Cluster) -> Result<()> {
    let nulls = json!({"holderIdentity": "", "leaseDurationSeconds": 15, "acquireTime": null, "renewTime": null,
        "leaseTransitions": 3});
    let absent = json!({"leaseDurationSeconds": 15, "leaseTransitions": 3});
    for (what, shape) in [("an empty holder, null times", nulls), ("no holder at all", absent)] {
        cluster.reset()?;
        let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
        let now = "2026-01-01T00:00:00.000000Z";
        let held = json!({"holderIdentity": "other", "leaseDurationSeconds": 15, "acquireTime": now, "renewTime": now,
            "leaseTransitions": 3});
        put(cluster, held)?;
        let spec = cluster.spec(1, &[&gobgpd])?;
        let vipcast = cluster.site.vipcast(1, &spec)?;
        vipcast.log().wait_line(0, &["the lease has a new holder", "other"], SOON)?;
        gobgpd.wait_established(node_address(1), SOON)?;
        let emptied = clock::wall();
        put(cluster, shape)?;
        let lease = cluster.wait_holder("n1", SOON)?;
        let took = lease.time("acquireTime")?.saturating_sub(emptied);
        println!("    figure: released by {what} -> vipcast takes it: {:.3} s", took.as_secs_f64());
        ensure!(took < AT_ONCE, "it took {took:?}");
        ensure!(lease.transitions() == 4, "transitions: {}", lease.transitions());
        gobgpd.wait_best(PREFIX, node_address(1), SOON)?;
    }
    Ok(())
}

/// Creates or replaces the control plane's Lease.
fn put(cluster: &Cluster, spec: Value) -> Result<()> {
    let api = cluster.api(1)?;
    let mut lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "plndr-cp-lock", "namespace": "kube-system"}, "spec": spec});
    let (list, _) = LEASE.rsplit_once('/').context("a path")?;
    let (code, answer) = match api.lease()? {
        None => api.request("POST", list, Some(&lease))?,
        Some(known) => {
            let version = known.0.pointer("/metadata/resourceVersion").cloned();
            if let Some(metadata) = lease.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.insert("resourceVersion".to_owned(), version.context("a Lease without version")?);
            }
            api.request("PUT", LEASE, Some(&lease))?
        }
    };
    ensure!(matches!(code, 200 | 201), "{code} {answer}");
    Ok(())
}
