//! The holder leaves in good order among standbys: its route gives way to another that the router knows already.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{AFTERWARDS, Field, HOLD, PING, wait_other};
use crate::cluster::Cluster;
use crate::lab::{VIP, node_address};
use crate::parts::probe::Probe;
use crate::parts::router::Kind;
use crate::process::Process;
use crate::scenarios::SOON;
use crate::scenarios::control::{Control, MASKED, anycast, peer, take_events, vip, with};
use crate::scenarios::expect::figure;
use crate::site::PREFIX;
use crate::{clock, wait};

pub(super) fn leave(cluster: &mut Cluster, kind: Kind) -> Result<()> {
    cluster.reset()?;
    let began = clock::now();
    let mut field = Field::build(cluster, kind)?;
    ensure!(field.wait_settled()? == 1, "n1 came first, and does not hold the lease");
    // Who has been fit for longest is first.
    for (node, others) in [(1, ["n2", "n3"]), (2, ["n1", "n3"]), (3, ["n1", "n2"])] {
        expect_status(&field, began, node, 1, &others)?;
    }
    let changes = kernel_changes(&field)?;
    let probe = Probe::start(&field.cluster.site.lab.client, VIP.into(), PING)?;
    probe.wait_answer(1, Duration::ZERO, SOON)?;
    let before = field.transitions(2)?;
    let from = clock::now();
    field.vipcasts.get(&1).context("a vipcast")?.term()?;
    let next = wait_other(field.cluster, 1, || field.expect_one_way())?;
    wait::until("the next holder's path alone to be the best", SOON, || {
        field.expect_one_way()?;
        let best = field.router.best(PREFIX)?.context("no path")?;
        ensure!(best.next_hop == node_address(next), "{best:?}");
        Ok(())
    })?;
    let left = field.vipcasts.get(&1).context("a vipcast")?.wait_exit(SOON)?;
    ensure!(left.code() == Some(0), "vipcast on n1 ended with {left}");
    figure("SIGTERM to the end of the process", clock::since(from));
    let moved = probe.wait_answer(next, clock::now(), SOON)?;

    // It comes back, and stands by.
    let returned = clock::now();
    field.start(1)?;
    ensure!(field.wait_settled()? == next, "the lease moved when n1 came back");
    expect_status(&field, returned, 1, next, &if next == 2 { ["n2", "n3"] } else { ["n3", "n2"] })?;
    sleep(AFTERWARDS);
    let (lost, silence) = (probe.lost(from)?, probe.silence(from, clock::now())?);
    println!(
        "    figure: {kind}: n1 leaves and comes back: {lost} of 500/s questions lost, silence {} ms",
        silence.as_millis()
    );
    ensure!(lost == 0, "{lost} questions were lost");
    let by: Vec<_> = probe.answered_by(moved)?.into_keys().collect();
    ensure!(by == [Some(next)], "after the move, answers came from {by:?}");
    let moves = field.transitions(2)? - before;
    ensure!(moves == 1, "the lease moved {moves} times");
    expect_one_route(&changes)
}

/// Waits until a node says that the lease is held by `holder`, and compares all that it says.
fn expect_status(field: &Field<'_>, began: Duration, node: u8, holder: u8, others: &[&str]) -> Result<()> {
    let control = Control::of(field.cluster.site.node(node)?);
    let (role, held) = if node == holder { ("holder", json!(MASKED)) } else { ("standby", Value::Null) };
    let leadership = json!({
        "lease": "kube-system/plndr-cp-lock",
        "role": role,
        "holder": format!("n{holder}"),
        "term": held,
        "seconds_left": MASKED,
        "since": MASKED,
        "last_holder": null,
        "fit_others": others,
        "handover": null,
    });
    let kind = field.router.kind();
    control.wait(began, "/vips/0", &vip(&VIP.to_string(), &[kind]))?;
    let mut document = control.wait(began, "/leadership", &leadership)?;
    take_events(&mut document)?;
    let bfd = json!({
        "state": "Up", "since": MASKED, "detection_ms": 150.0, "failures": 0, "last_failure": null, "trouble": null,
    });
    let expected = with(
        anycast(&format!("n{node}")),
        json!({
            "mode": "lease",
            "leadership": leadership,
            "fitness": {"state": "fit", "since": MASKED, "reason": null, "last_error": null},
            "vips": [vip(&VIP.to_string(), &[kind])],
            "peers": [with(peer(kind, &[PREFIX]), json!({"hold_time_seconds": HOLD, "bfd": bfd}))],
        }),
    );
    ensure!(document == expected, "n{node}: {document:#} instead of {expected:#}");
    Ok(())
}

/// The changes of the kernel's routes at the router, as they come.
fn kernel_changes(field: &Field<'_>) -> Result<Process> {
    field.router.host().spawn("routes", Path::new("/sbin/ip"), |command| {
        command.args(["-4", "monitor", "route"]);
    })
}

/// The kernel's route was replaced, never taken out, and never led two ways.
fn expect_one_route(changes: &Process) -> Result<()> {
    let said = changes.said();
    let about: Vec<&str> = said.lines().filter(|line| line.contains(&VIP.to_string())).collect();
    let fine = |line: &&str| !line.starts_with("Deleted") && line.matches("via ").count() == 1;
    ensure!(!about.is_empty() && about.iter().all(fine), "the kernel's route went through {about:?}");
    ensure!(!said.contains("nexthop"), "the kernel's route had several ways: {said}");
    Ok(())
}
