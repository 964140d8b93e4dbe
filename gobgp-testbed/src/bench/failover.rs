//! Three nodes: every failure of the leader, and what it costs the client.
//!
//! What is on the nodes is a program that takes kube-vip's environment, and nothing of it is read but what it does: the
//! Lease says who leads, the routers' tables and the clients' pings say the rest.

mod case;
mod contestant;
mod document;
mod keepalived;
mod plot;
mod samples;
mod stage;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::cluster::Cluster;
use crate::parts::outlook::Outlook;
use crate::site::{Site, check_tools};
use case::Case;
use contestant::Contestant;
use stage::Stage;

/// How often each case is played, unless told otherwise.
const RUNS: u32 = 10;
/// A silence that has not ended by then is not waited for.
const LIMIT: Duration = Duration::from_secs(30);

/// What is to be tried.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    speaker: Option<PathBuf>,
    runs: u32,
    cases: Vec<Case>,
    /// The contestant's name, where it is one only.
    only: Option<String>,
}

impl Plan {
    fn read(words: &[&str]) -> Result<Self> {
        let mut plan = Self { speaker: None, runs: RUNS, cases: Vec::new(), only: None };
        for pair in words.chunks(2) {
            match pair {
                ["--speaker", path] => plan.speaker = Some(PathBuf::from(path)),
                ["--runs", number] => plan.runs = number.parse().context("--runs takes a number")?,
                ["--case", name] => {
                    let case = Case::ALL.into_iter().find(|case| case.to_string() == *name);
                    let known = Case::ALL.map(|case| case.to_string()).join(", ");
                    plan.cases.push(case.with_context(|| format!("there is no case {name:?}, only {known}"))?);
                }
                ["--only", name] => plan.only = Some((*name).to_owned()),
                other => {
                    bail!("bench failover knows --speaker, --runs, --case and --only with a value each, not {other:?}")
                }
            }
        }
        ensure!(plan.runs > 0, "--runs 0 measures nothing");
        if plan.cases.is_empty() {
            plan.cases.extend(Case::ALL);
        }
        Ok(plan)
    }

    fn wants(&self, contestant: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == contestant)
    }

    /// Whether its figures are fit for the documents.
    fn is_whole(&self) -> bool {
        let Self { speaker, runs, cases, only } = self;
        speaker.is_none() && *runs >= RUNS && *cases == Case::ALL && only.is_none()
    }

    fn contestants(&self) -> Result<Vec<Contestant>> {
        let mut all = Contestant::vipcasts()?;
        if let Some(speaker) = &self.speaker {
            let program = speaker.canonicalize().with_context(|| format!("failed to find {}", speaker.display()))?;
            let name = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            all.push(Contestant { name, program, standby: false });
        }
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).chain([keepalived::NAME]).collect();
        ensure!(names.iter().any(|name| self.wants(name)), "there is no contestant {:?}, only {names:?}", self.only);
        all.retain(|one| self.wants(&one.name));
        Ok(all)
    }
}

/// What vipcast says beforehand, by contestant.
fn foretold() -> Result<Vec<(String, Outlook)>> {
    Contestant::vipcasts()?.into_iter().map(|one| Ok((one.name.clone(), one.outlook()?))).collect()
}

/// Plays the cases and prints tables and CSV; writes `docs/failover.*` where everything was tried. `--redraw` alone
/// plays nothing: it makes document and picture anew of the samples in `docs/failover.csv`.
///
/// # Errors
/// When the words are none of its own, or the nodes do not come to rest between two failures.
pub fn play(words: &[&str]) -> Result<()> {
    if words == ["--redraw"] {
        return document::redraw(&foretold()?);
    }
    let plan = Plan::read(words)?;
    let contestants = plan.contestants()?;
    check_tools()?;
    let description = super::description()?;
    println!("{description}");
    let mut cluster = Cluster::start(Site::build()?)?;
    let mut samples = Vec::new();
    let foretold = foretold()?;
    if plan.wants(keepalived::NAME) && plan.cases.contains(&Case::CutOff) {
        println!("{}:", keepalived::NAME);
        samples.extend(keepalived::measure(&mut cluster.site, plan.runs).context("failed to measure keepalived")?);
    }
    for contestant in &contestants {
        println!("{}:", contestant.name);
        cluster.reset()?;
        let mut stage = Stage::start(&mut cluster, contestant)?;
        // Case after case, again and again: what a machine does meanwhile is spread over all of them.
        for run in 1..=plan.runs {
            for case in &plan.cases {
                let taken = stage.play(*case, run);
                if taken.is_err() {
                    println!("{}", stage.report());
                }
                samples.extend(taken.with_context(|| format!("failed to measure {case}, run {run}"))?);
            }
            if plan.is_whole() {
                document::write(&description, &samples, &foretold)?;
            }
        }
    }
    println!("\n{}\n{}", document::tables(&samples, &foretold), samples::csv(&samples));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_say_what_is_tried() {
        let whole = Plan { speaker: None, runs: RUNS, cases: Case::ALL.to_vec(), only: None };
        assert!(whole.is_whole());
        assert_eq!(Plan::read(&[]).unwrap(), whole);
        let words = ["--speaker", "/x", "--runs", "3", "--case", "killed", "--case", "cut-off", "--only", "x"];
        let some = Plan {
            speaker: Some(PathBuf::from("/x")),
            runs: 3,
            cases: vec![Case::Killed, Case::CutOff],
            only: Some("x".to_owned()),
        };
        assert_eq!(Plan::read(&words).unwrap(), some);
        assert!(!some.is_whole());
        for wrong in [&["--runs", "0"][..], &["--runs"], &["--runs", "x"], &["--case", "x"], &["x", "y"]] {
            assert!(Plan::read(wrong).is_err(), "{wrong:?}");
        }
    }
}
