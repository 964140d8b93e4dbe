//! The figures: how fast, how small, how long the silence; medians of several runs, gobgpd's own beside them.
//!
//! Moments are taken where they happen, all on one clock: messages from a capture on the node, changes of the router's
//! table as gobgpd tells of them, the client's answers as they arrive.

pub mod bfd;
pub mod failover;
mod figures;
mod idle;
mod start;
mod table;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cluster::Cluster;
use crate::host::capture;
use crate::paths;
use crate::site::{Site, check_tools};
use figures::{Figures, SIZE, Who};

/// How often everything is measured.
const RUNS: u32 = 5;
/// By when anything that is waited for must have happened; gobgpd takes 5-14 s to dial.
const PATIENCE: Duration = Duration::from_secs(60);

/// One part of the bench.
struct Part {
    name: &'static str,
    shows: &'static str,
    measure: Measure,
}

/// What a part needs.
enum Measure {
    /// Hosts alone.
    Site(fn(&mut Site, &mut Figures) -> Result<()>),
    /// Kubernetes on them.
    Cluster(fn(&mut Cluster, &mut Figures) -> Result<()>),
}

const PARTS: [Part; 3] = [
    Part {
        name: "start",
        shows: "from start to route, from SIGTERM to withdrawal",
        measure: Measure::Cluster(start::measure),
    },
    Part { name: "table", shows: "10,000 VIPs, by one and four routers", measure: Measure::Site(table::measure) },
    Part { name: "idle", shows: "memory, processor time, API calls", measure: Measure::Cluster(idle::measure) },
];

/// Measures everything, or the parts with these names, and prints it twice: as a table, and as CSV.
///
/// # Errors
/// When there is no such part, or a measurement fails.
pub fn play(names: &[&str]) -> Result<()> {
    let known: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
    for name in names {
        ensure!(known.contains(name), "the bench has no part {name:?}, only {known:?}");
    }
    check_tools()?;
    describe()?;
    let mut figures = Figures::default();
    sizes(&mut figures)?;
    let mut site = Site::build()?;
    let chosen = || PARTS.iter().filter(|part| names.is_empty() || names.contains(&part.name));
    for part in chosen() {
        if let Measure::Site(measure) = part.measure {
            begin(part);
            let measured = site.reset().and_then(|()| measure(&mut site, &mut figures));
            let report = measured.is_err().then(|| site.report());
            judge(part, measured, report, &mut site)?;
        }
    }
    if chosen().any(|part| matches!(part.measure, Measure::Cluster(_))) {
        let mut cluster = Cluster::start(site)?;
        for part in chosen() {
            if let Measure::Cluster(measure) = part.measure {
                begin(part);
                let measured = cluster.reset().and_then(|()| measure(&mut cluster, &mut figures));
                let report = measured.is_err().then(|| cluster.report());
                judge(part, measured, report, &mut cluster.site)?;
            }
        }
    }
    println!("\n{}\nvipcast's median by gobgpd's:\n{}\n{}", figures.table(), figures.ratios(), figures.csv());
    Ok(())
}

fn begin(part: &Part) {
    println!("{}: {}", part.name, part.shows);
}

/// A part that failed leaves a report and its logs.
fn judge(part: &Part, measured: Result<()>, report: Option<String>, site: &mut Site) -> Result<()> {
    if let Some(report) = report {
        println!("{report}");
        site.lab.run.keep_logs();
    }
    measured.with_context(|| format!("failed to measure {:?}", part.name))
}

/// What is measured, and where: figures of a busy machine are worth less.
fn describe() -> Result<()> {
    println!("{}", description()?);
    Ok(())
}

/// What is measured, and on what.
pub(crate) fn description() -> Result<String> {
    let program = paths::vipcast()?;
    let version = capture(Command::new(&program).arg("version"))?;
    let kernel = capture(Command::new("uname").arg("-srm"))?;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let cores = std::thread::available_parallelism()?;
    // Of target/<build>/vipcast.
    let build = program.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    Ok(format!(
        "{} ({} build), {}, {cores} cores, load {}",
        version.trim(),
        build.unwrap_or_default(),
        kernel.trim(),
        load.split_whitespace().next().unwrap_or_default()
    ))
}

fn sizes(figures: &mut Figures) -> Result<()> {
    for (who, program) in [(Who::Vipcast, paths::vipcast()?), (Who::Gobgpd, paths::cached("gobgpd")?)] {
        let bytes = u32::try_from(std::fs::metadata(program)?.len())?;
        figures.add(&SIZE, who, f64::from(bytes) / 1000.0);
    }
    Ok(())
}

/// From one moment to a later one, in milliseconds; what came before counts as at once.
fn millis(from: Duration, to: Duration) -> f64 {
    to.saturating_sub(from).as_secs_f64() * 1000.0
}
