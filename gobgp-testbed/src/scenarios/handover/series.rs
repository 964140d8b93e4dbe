//! `testbed handover`: every planned move many times by each router, and `docs/handover.{md,csv}`.

use anyhow::Result;

use super::causes::Cause;
use super::control;
use super::crowd::{Toll, is_unreachable};
use super::document::{self, Sample};
use super::moves::Stage;
use crate::cluster::Cluster;
use crate::parts::router::Kind;
use crate::parts::visitor::Manner;
use crate::site::{Site, check_tools};

/// From so many on the figures are fit for the document.
const ENOUGH: u32 = 20;
/// What the routers' own part is called, which has no cause in vipcast.
const ROUTER_ALONE: &str = "router alone";

/// So many moves of each cause by each router, and what they cost. From 20 on they are written to `docs/handover.*`.
///
/// # Errors
/// When one does not come off, or the cluster does not come up.
pub fn handovers(times: u32) -> Result<()> {
    check_tools()?;
    let description = crate::bench::description()?;
    println!("{description}");
    let mut cluster = Cluster::start(Site::build()?)?;
    let mut samples = Vec::new();
    for kind in [Kind::Bird, Kind::Frr] {
        cluster.reset()?;
        let tolls = control::replace(&mut cluster.site, kind, times, true)?;
        // Of each change one toll a family.
        for (change, both) in (1..).zip(tolls.chunks(2)) {
            samples.extend(both.iter().map(|toll| sample(ROUTER_ALONE, kind, change, toll)));
        }
        cluster.reset()?;
        let mut stage = Stage::build(&mut cluster, kind)?;
        stage.hurry()?;
        // Cause after cause, again and again: what a machine does meanwhile is spread over all of them.
        for run in 1..=times {
            for cause in Cause::ALL {
                let tolls = cause.play(&mut stage)?;
                samples.extend(tolls.iter().map(|toll| sample(&cause.to_string(), kind, run, toll)));
            }
            if times >= ENOUGH {
                document::write(&description, &samples)?;
            }
        }
    }
    println!("\n{}", document::tables(&samples));
    Ok(())
}

fn sample(cause: &str, router: Kind, run: u32, toll: &Toll) -> Sample {
    let stay = |manner| toll.stayed.iter().find(|(of, ..)| *of == manner).map(|(_, out, back)| (*out, *back));
    Sample {
        cause: cause.to_owned(),
        router: router.to_string(),
        family: toll.family.to_owned(),
        run,
        lost: toll.lost,
        silence: toll.silence,
        came: toll.came,
        failed: toll.failed.len(),
        unreachable: toll.failed.iter().filter(|visit| is_unreachable(visit)).count(),
        reset: toll.cut.len(),
        busy: stay(Manner::Talking),
        idle: stay(Manner::Silent),
    }
}
