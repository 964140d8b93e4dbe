//! Playing scenarios: which, on what, and what is said of it.

use std::process::ExitCode;

use anyhow::{Result, ensure};

use super::{Run, all, bad_input};
use crate::clock;
use crate::cluster::Cluster;
use crate::site::{Site, check_tools};

/// Prints the scenarios.
pub fn list() {
    for scenario in all() {
        println!("{:24} {}", scenario.name, scenario.shows);
    }
}

/// The scenario `21-churn` with so many connections, which may take minutes.
///
/// # Errors
/// When vipcast does not bear it, or the site does not come up.
pub fn churn(count: u32) -> Result<()> {
    check_tools()?;
    let mut site = Site::build()?;
    bad_input::churn(&mut site, count)
}

/// Runs all scenarios, or those whose name contains one of `words`: first those that need no Kubernetes, then, only if
/// there are others, Kubernetes and these. Failed ones are reported and the rest goes on.
///
/// # Errors
/// When no scenario has such a name, or the site or the cluster does not come up.
pub fn play(words: &[&str]) -> Result<ExitCode> {
    let is_chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    let (mut on_site, mut on_cluster) = (Vec::new(), Vec::new());
    for scenario in all().filter(|scenario| is_chosen(scenario.name)) {
        match scenario.run {
            Run::Site(run) => on_site.push((scenario.name, run)),
            Run::Cluster(run) => on_cluster.push((scenario.name, run)),
        }
    }
    let total = on_site.len() + on_cluster.len();
    ensure!(total > 0, "no scenario is named {words:?}; see `testbed list`");
    check_tools()?;
    let mut site = Site::build()?;
    let logs = site.lab.run.dir().to_owned();
    let mut failed = play_on(&mut site, &on_site);
    if !on_cluster.is_empty() {
        let mut cluster = Cluster::start(site)?;
        failed += play_on(&mut cluster, &on_cluster);
    }
    if failed > 0 {
        println!("the logs are in {}; `testbed clean` removes them", logs.display());
    }
    println!("{} passed, {failed} failed", total - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where a scenario plays.
trait Stage {
    fn reset(&mut self) -> Result<()>;
    fn report(&self) -> String;
    fn site(&mut self) -> &mut Site;
}

impl Stage for Site {
    fn reset(&mut self) -> Result<()> {
        Self::reset(self)
    }

    fn report(&self) -> String {
        Self::report(self)
    }

    fn site(&mut self) -> &mut Site {
        self
    }
}

impl Stage for Cluster {
    fn reset(&mut self) -> Result<()> {
        Self::reset(self)
    }

    fn report(&self) -> String {
        Self::report(self)
    }

    fn site(&mut self) -> &mut Site {
        &mut self.site
    }
}

/// A scenario's name and what it does.
type Play<S> = (&'static str, fn(&mut S) -> Result<()>);

/// Plays one after the other, each on a stage as new; how many failed.
fn play_on<S: Stage>(stage: &mut S, scenarios: &[Play<S>]) -> usize {
    let mut failed = 0;
    for (name, run) in scenarios {
        println!("{name} ...");
        let start = clock::now();
        let outcome = stage.reset().and_then(|()| run(stage));
        let took = clock::since(start).as_secs_f64();
        match outcome {
            Ok(()) => println!("{name}: passed, {took:.1} s"),
            Err(error) => {
                failed += 1;
                println!("{name}: FAILED, {took:.1} s\n  {error:#}\n{}", stage.report());
                stage.site().lab.run.keep_logs();
            }
        }
    }
    failed
}
