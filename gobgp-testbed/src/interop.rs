//! The interop matrix: vipcast against every router program in every form a session can have, as `docs/interop.md`.
//!
//! All sessions of one router run at once, each from an address of its own and with VIPs of its own:
//!
//! ```text
//!   router ──┬── data ── near      half of the vipcasts
//!            └── data ── middle ── far ── distant      the other half, two hops away
//! ```

mod cell;
mod document;

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};

use crate::host::Host;
use crate::lab::{Lab, Net};
use crate::parts::router::{Conf, Kind, Router};
use crate::process::Process;
use crate::site::check_tools;
use crate::{clock, wait};
use cell::{Cell, cells};
use document::Verdict;

/// Every program of the matrix.
const KINDS: [Kind; 5] = [Kind::Gobgpd, Kind::Bird, Kind::Frr, Kind::Openbgpd, Kind::Exabgp];
/// How long the sessions of one router may take to come up, all together.
const UP: Duration = Duration::from_secs(60);
/// How long they must stay up: more than twice the hold time of 9 s.
const STAY: Duration = Duration::from_secs(20);
/// What vipcast says where keys do not fit.
const SILENCE: &str = "no connection within 5 s; MD5: ";
/// How long a leaving vipcast's routes carry GRACEFUL_SHUTDOWN: the change that is looked for.
const CHANGED_FOR: Duration = Duration::from_secs(6);

/// Tries every cell, or those of the programs named, prints the tables, and writes the document when all were tried.
///
/// # Errors
/// When a part does not start, or a cell does not end as it must.
pub fn play(names: &[&str]) -> Result<()> {
    check_tools()?;
    let chosen: Vec<Kind> =
        KINDS.into_iter().filter(|kind| names.is_empty() || names.contains(&kind.to_string().as_str())).collect();
    ensure!(!chosen.is_empty(), "the matrix knows {:?}, not {names:?}", KINDS.map(|kind| kind.to_string()));
    let mut lab = Lab::build()?;
    let mut tables = Vec::new();
    for kind in chosen {
        println!("{kind}: {} sessions", cells().len());
        let verdicts = try_all(&lab, kind).inspect_err(|_| lab.run.keep_logs())?;
        let table = document::table(kind, &document::version(kind)?, &verdicts);
        println!("{table}");
        if verdicts.iter().any(|(_, verdict)| verdict.is_failure()) {
            lab.run.keep_logs();
        }
        tables.push((table, verdicts));
    }
    if names.is_empty() {
        document::write(tables.iter().map(|(table, _)| table.as_str()))?;
    }
    let failed = tables.iter().flat_map(|(_, verdicts)| verdicts).filter(|(_, verdict)| verdict.is_failure()).count();
    ensure!(failed == 0, "{failed} cells did not end as they must; logs in {}", lab.run.dir().display());
    Ok(())
}

/// One vipcast and what it is to show.
struct Trial {
    cell: Cell,
    process: Rc<Process>,
    /// The first thing that went wrong.
    failure: Option<String>,
}

impl Trial {
    /// Notes what went wrong, unless something did before.
    fn check(&mut self, step: &str, outcome: Result<()>) {
        if let (None, Err(error)) = (&self.failure, outcome) {
            self.failure = Some(format!("{step}: {error:#}"));
        }
    }
}

/// All cells of one router at once.
fn try_all(lab: &Lab, kind: Kind) -> Result<Vec<(Cell, Verdict)>> {
    let _middle = lab.forwarding_host("middle", &[(Net::Data, 9), (Net::Far, 9)])?;
    let near = lab.host("near", &[(Net::Data, 99)])?;
    let distant = lab.host("distant", &[(Net::Far, 99)])?;
    default_via(&distant, Net::Far)?;
    default_via(&near, Net::Data)?;
    let host = lab.host(&kind.to_string(), &[(Net::Data, kind.number())])?;
    default_via(&host, Net::Data)?;
    let cells = cells();
    let neighbors = cells.iter().map(|cell| cell.neighbor(kind)).collect();
    let router = Router::start(kind, &host, Conf { hold: 90, neighbors, ..Conf::new(kind) })?;
    let mut trials = Vec::new();
    for cell in cells {
        let node = if cell.far { &distant } else { &near };
        cell.add_addresses(node)?;
        let process = Rc::new(cell.vipcast(kind).start_as(&format!("vipcast-{}", cell.index), node)?);
        trials.push(Trial { cell, process, failure: None });
    }
    let start = clock::now();
    appear(&router, &mut trials);
    println!("  up: {:.1} s", clock::since(start).as_secs_f64());
    stay(&mut trials)?;
    change_and_go(&router, &mut trials)?;
    Ok(trials.into_iter().map(|trial| (trial.cell, Verdict::of(trial.cell, trial.failure))).collect())
}

fn default_via(host: &Host, net: Net) -> Result<()> {
    host.ip(&format!("route replace default via {}", net.v4(9)))?;
    host.ip(&format!("-6 route replace default via {}", net.v6(9))).map(drop)
}

/// The routes of every session that must come up are in the table, as they were sent.
fn appear(router: &Router, trials: &mut [Trial]) {
    let start = clock::now();
    for trial in trials.iter_mut().filter(|trial| trial.cell.md5.fits()) {
        let left = UP.saturating_sub(clock::since(start));
        for prefix in trial.cell.prefixes() {
            let there = wait::until("the route", left, || trial.cell.is_there(router, &prefix));
            trial.check("appears", there);
        }
    }
}

/// No session ends by itself, and none comes up that must not.
fn stay(trials: &mut [Trial]) -> Result<()> {
    std::thread::sleep(STAY);
    for trial in trials {
        trial.process.alive()?;
        let (said, fits) = (trial.process.said(), trial.cell.md5.fits());
        let ups = said.matches("to=Established").count();
        let stayed = if ups == usize::from(fits) { Ok(()) } else { Err(anyhow!("came up {ups} times")) };
        trial.check("stays", stayed);
        let silent = fits || said.contains(SILENCE);
        trial.check("finds silence", if silent { Ok(()) } else { Err(anyhow!("the log does not say so")) });
    }
    Ok(())
}

/// Told to leave, each changes its routes, withdraws them, and ends.
fn change_and_go(router: &Router, trials: &mut [Trial]) -> Result<()> {
    // A few at a time: the change lasts only so long, and looking takes a while.
    for some in trials.chunks_mut(8) {
        some.iter().try_for_each(|trial| trial.process.term())?;
        let told = clock::now();
        for trial in some.iter_mut().filter(|trial| trial.cell.md5.fits()) {
            for prefix in trial.cell.prefixes() {
                let changed = wait::until("the change", CHANGED_FOR.saturating_sub(clock::since(told)), || {
                    trial.cell.is_changed(router, &prefix)
                });
                trial.check("changes", changed);
            }
        }
        for trial in some.iter_mut() {
            let ended = trial.process.wait_exit(CHANGED_FOR + Duration::from_secs(10)).and_then(|status| {
                ensure!(status.success(), "vipcast ended with {status}");
                Ok(())
            });
            trial.check("leaves", ended);
            for prefix in trial.cell.prefixes() {
                trial.check("goes", router.wait_gone(&prefix, None, Duration::from_secs(5)));
            }
        }
    }
    Ok(())
}

/// An address as a word of `ip`.
fn with_length(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 24 } else { 64 })
}
