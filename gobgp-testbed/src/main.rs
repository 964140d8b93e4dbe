//! The `testbed` program; see `testbed help`.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use gobgp_testbed::{bench, demo, fixtures, interop, parts, run, scenarios};

const HELP: &str = "\
testbed: real routers, a real Kubernetes API and three nodes in network namespaces

  testbed demo [--keep]      three nodes, one VIP, the leader killed once, live; --keep leaves it running
  testbed test [name ...]    all scenarios, or those whose name contains one of the words
  testbed bench [part ...]   the figures, medians of several runs; parts: start, table, idle
  testbed bench failover     what each failure of the leader costs the client, by two routers; writes docs/failover.* when
                             all is tried (an hour): [--speaker PROGRAM] [--runs N] [--case NAME] [--only CONTESTANT];
                             --redraw alone: makes document and picture anew of docs/failover.csv
  testbed fixtures DIR [router ...]  what routers send, written to bgp-fixtures/ (DIR) with its meaning
  testbed bench bfd          how fast BFD notices a cut path, and what it costs (2 minutes)
  testbed bench bfd-soak     BFD beside busy processors for 10 minutes, with real-time scheduling and without
  testbed churn <count>      so many connections with malformed bytes, without a pause; what they cost vipcast
  testbed handover [count]   so many planned moves (20) for each cause, SIGTERM, drain and an unfit leader, by BIRD and by
                             FRR; what who used the VIPs felt; from 20 on written to docs/handover.*
  testbed interop [name ...] every router program in every form a session can have; all of them write docs/interop.md
  testbed list               the scenarios and what they show
  testbed clean              remove what earlier runs left behind

Environment: TESTBED_CACHE (default ~/.cache/vipcast-testbed), VIPCAST_BIN (default: beside this program),
KUBEBUILDER_ASSETS (a directory with kube-apiserver and perhaps etcd).";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match command(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("testbed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command(words: &[String]) -> Result<ExitCode> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["demo", options @ ..] => match options {
            [] => demo::play(false)?,
            ["--keep"] => demo::play(true)?,
            _ => bail!("demo knows only --keep, not {options:?}"),
        },
        ["test", names @ ..] => return scenarios::play(names),
        ["bench", "failover", options @ ..] => bench::failover::play(options)?,
        ["bench", "bfd"] => bench::bfd::detection()?,
        ["bench", "bfd-soak"] => bench::bfd::soak()?,
        ["bench", parts @ ..] => bench::play(parts)?,
        ["fixtures", directory, routers @ ..] => fixtures::refresh(std::path::Path::new(directory), routers)?,
        ["churn", count] => scenarios::churn(count.parse().context("churn takes a number of connections")?)?,
        ["handover"] => scenarios::handovers(20)?,
        ["handover", count] => scenarios::handovers(count.parse().context("handover takes a number")?)?,
        ["interop", names @ ..] => interop::play(names)?,
        ["list"] => scenarios::list(),
        ["clean"] => run::clean()?,
        // The testbed's own helpers, run by itself.
        ["healthz", orders] => parts::healthz::helper(orders)?,
        ["metal", dir, certificate, key, port] => parts::metal::helper(dir, certificate, key, port)?,
        ["exabgp-log", file] => parts::exabgp::helper(file)?,
        ["reap", id] => run::reap(id)?,
        ["probe", target, micros] => {
            let every = micros.parse().context("the interval is a number of microseconds")?;
            parts::probe::helper(target.parse()?, std::time::Duration::from_micros(every))?;
        }
        ["serve", name] => parts::visitor::server(name)?,
        ["visit", target, micros] => {
            let every = micros.parse().context("the interval is a number of microseconds")?;
            parts::visitor::visitors(target.parse()?, std::time::Duration::from_micros(every))?;
        }
        ["stay", target, manner] => parts::visitor::guest(target.parse()?, manner)?,
        ["help" | "--help" | "-h"] | [] => println!("{HELP}"),
        _ => bail!("unknown command {words:?}; see `testbed help`"),
    }
    Ok(ExitCode::SUCCESS)
}
