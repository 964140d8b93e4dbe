//! Scenario 48: what `vipcast check` says, and whether it comes true.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::hard::{outlook, silent};
use super::pair::{self, Pair};
use super::{Run, SOON, Scenario};
use crate::clock;
use crate::cluster::Cluster;
use crate::lab::{Cut, Net, VIP};
use crate::parts::router::Kind;
use crate::parts::vipcast::Spec;
use crate::site::Site;

pub(super) const FORETOLD: &[Scenario] = &[
    Scenario {
        name: "48-check",
        shows: "vipcast check: mistakes with exit code 1, timers that contradict each other with their seconds, nothing started",
        run: Run::Site(check),
    },
    Scenario {
        name: "48-outlook",
        shows: "what check foretells of a killed process and of a holder without its API, against what the client sees",
        run: Run::Cluster(comes_true),
    },
];

const HOLD: u16 = 12;

/// Each command line, the exit code, and what must be in what it says.
fn check(site: &mut Site) -> Result<()> {
    let node = site.node(1)?.clone();
    let good = || {
        let modes = ["bgp", "controlplane", "leaderElection"]
            .into_iter()
            .fold(Spec::manager(), Spec::switch)
            .check()
            .switch("offline");
        modes.flag("address", VIP).flag("interface", "lo").flag("nodeName", "n1").flag("bgppeers", "10.77.0.1:65001")
    };
    let cases = [
        (good(), 0, "no mistake, no warning"),
        (
            good().flag("leaseDuration", 5).flag("leaseRenewDuration", 5),
            1,
            "5 s is not shorter than the 5 s of --leaseDuration",
        ),
        (
            good().flag("bgpHoldTimer", 90),
            2,
            "10.77.0.1:179: an uplink that dies silently is noticed after 90 s, by the hold time of 90 s, though the lease of \
             5 s would move sooner: worst case 91.6 s of silence",
        ),
        (
            good().flag("bgpHoldTimer", 9).flag("bgpPeerOptions", "*;bfd;bfd-tx=1000;bfd-multiplier=100"),
            2,
            "10.77.0.1:179: BFD notices a dead path after 100 s (100 x 1 s), no sooner than the 9 s",
        ),
        (good().flag("bgpHoldTimer", 9).flag("bgpKeepAliveInterval", 6), 2, "6 s is more than a third of the 9 s"),
        (good().switch("bgpStandby"), 2, "without BFD this router turns to a standby only when it notices"),
    ];
    let before = node.addresses("lo")?;
    for (spec, code, words) in cases {
        let process = spec.start_as("check", &node)?;
        let status = process.wait_exit(SOON)?;
        let said = process.said();
        ensure!(status.code() == Some(code), "{:?} ended with {status}:\n{said}", spec.words());
        ensure!(said.contains(words), "{:?} said\n{said}\nwithout {words:?}", spec.words());
        let table = said.contains("what happens when");
        ensure!(table == (code != 1), "{:?} said\n{said}", spec.words());
    }
    ensure!(node.addresses("lo")? == before, "an address was bound");
    Ok(())
}

fn comes_true(cluster: &mut Cluster) -> Result<()> {
    let pair = Pair::start(cluster, &[Kind::Bird], HOLD)?;
    let node = cluster.site.node(1)?.clone();
    let outlook = outlook(&node, &pair::spec(cluster, 1, &pair.routers, HOLD)?)?;
    let worst = |failure: &str| -> Result<Duration> {
        outlook.get(failure).copied().flatten().with_context(|| format!("no {failure:?} in {outlook:?}"))
    };
    let lost = clock::now();
    cluster.site.lab.cut(&node, Net::Management, Cut::Both)?;
    let moved = pair.wait_moved(cluster)?;
    silent("API lost", &pair, lost, &moved, worst("API out of the holder's reach")?)?;
    drop(pair);
    cluster.reset()?;
    let pair = Pair::start(cluster, &[Kind::Bird], HOLD)?;
    let killed = clock::now();
    pair.one.kill();
    let moved = pair.wait_moved(cluster)?;
    silent("killed", &pair, killed, &moved, worst("vipcast killed")?)?;
    pair.expect_no_return(&moved)
}
