//! Scenario 45: the AS-path fence, where routes of several leaves meet and MED is not compared.

mod holders;
mod reach;

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Run, SOON, Scenario};
use crate::fabric::Fabric;
use crate::lab::{Cut, Net, node_address};
use crate::parts::router::Kind;
use crate::site::{PREFIX, Site};
use crate::{clock, wait};

pub(super) const FABRIC: &[Scenario] = &[
    Scenario {
        name: "45-fabric-bird",
        shows: "two leaves and a spine: a lower MED leaves them on a dead node's path, a path 3 shorter takes all off it",
        run: Run::Site(|site| paths(site, Kind::Bird)),
    },
    Scenario { name: "45-fabric-frr", shows: "the same with FRR", run: Run::Site(|site| paths(site, Kind::Frr)) },
    Scenario {
        name: "45-reach",
        shows: "a dead holder's route against the next one's, vipcast's and kube-vip's, inside an AS and between two, with ECMP on",
        run: Run::Site(reach::reach),
    },
    Scenario {
        name: "45-path-fence-bird",
        shows: "four holders cut off within one hold time: leaves and spine leave each at once; the fifth finds it spent",
        run: Run::Cluster(|cluster| holders::fence(cluster, Kind::Bird, 5)),
    },
    Scenario {
        name: "45-path-fence-frr",
        shows: "the first two of them with FRR",
        run: Run::Cluster(|cluster| holders::fence(cluster, Kind::Frr, 2)),
    },
    Scenario {
        name: "45-margin-restored",
        shows: "after the stale bound the long path is back on the wire, after another in the record",
        run: Run::Cluster(holders::restored),
    },
    Scenario {
        name: "45-other-as",
        shows: "nodes of different ASes on one router: it stays with the dead one's path, and leaves it with the fence",
        run: Run::Cluster(holders::other_as),
    },
];

/// A stale route stands for as long as any of these scenarios takes.
const LONG_HOLD: u16 = 60;
/// Long enough for any router to have turned, had it wanted to.
const UNMOVED: Duration = Duration::from_secs(2);

/// What the fence does in routers, shown without an election: the operator's metrics stand for those of terms.
fn paths(site: &mut Site, kind: Kind) -> Result<()> {
    let fabric = Fabric::build(site, kind, LONG_HOLD, None)?;
    let announce = |site: &mut Site, node: u8, metrics: &str| {
        let spec = fabric.peered(site.spec(node, &[]), node).flag("bgpHoldTimer", LONG_HOLD);
        site.vipcast(node, &spec.flag("vipOptions", format!("*;{metrics}")))
    };
    announce(site, 1, "med=20;prepend=12")?;
    fabric.wait_all_toward(1, SOON)?;
    let node = site.node(1)?.clone();
    site.lab.cut(&node, Net::Data, Cut::Both)?;

    // As long, and a lower MED: only the new node's own leaf turns.
    let second = announce(site, 2, "med=10;prepend=12")?;
    fabric.leaf_of(2).wait_best(PREFIX, node_address(2), SOON)?;
    wait::holds("the spine on the dead path", UNMOVED, || {
        fabric.expect_standing(1, true)?;
        let rack = fabric.spine_toward()?;
        ensure!(rack == 1, "the spine forwards to rack {rack}");
        Ok(())
    })?;
    second.term()?;
    second.wait_exit(SOON)?;
    fabric.leaf_of(2).wait_gone(PREFIX, Some(node_address(2)), SOON)?;

    let began = clock::now();
    announce(site, 2, "med=10;prepend=9")?;
    let toward = fabric.wait_all_toward(2, SOON)?;
    println!("    figure: from start to the last router: {} ms", clock::since(began).as_millis());
    // The dead node's route stands, and loses.
    fabric.expect_standing(1, false)?;
    let lengths = toward.map(|path| path.as_path.len());
    ensure!(lengths == [10, 11, 12], "the paths at leaf, spine and other leaf have {lengths:?} ASes");
    Ok(())
}
