//! `docs/failover.md`, `.csv` and `.svg`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::case::Case;
use super::samples::{Sample, Summary, csv, distinct, millis, parse, summary};
use super::{LIMIT, plot};
use crate::parts::outlook::Outlook;

const INTRODUCTION: &str = "\
# What each failure costs

Made by `gobgp-testbed/run bench failover`; do not edit. Three nodes with a Kubernetes API server each, lease 5/3/1 s, hold
time 9 s on both sides, sessions to gobgpd, BIRD and FRR. Two clients ping the virtual IP every 2 ms, one by BIRD, the other
by FRR. The node that holds the lease is struck; **the figure is the client's longest silence in milliseconds, median
(worst)**, and for gobgpd, which forwards nothing here, the time until another node's route is its best. Then the node
comes back. *Foretold* is the worst case that `vipcast check` prints for this configuration.

\"With standby\" is `--bgpStandby` and BFD at 50 ms x 3 with both routers, without gobgpd, which is not given BFD here, and with
`zebra work-queue 0` in FRR: at its default of 10 ms the medians of cut-off, power-loss and uplink-silent by FRR were 210,
206 and 210 ms in the same bench. FRR's other 60 ms, in which it collects changes, cannot be set. The pings tell only how long the virtual IP is silent: what a control plane does meanwhile is
Kubernetes' own affair. Programs under test, routers and pings have real-time scheduling, so that a busy machine is not in
the figures; the API servers and etcd have none.
\"keepalived\" is VRRP with an advertisement every 50 ms on the same three nodes, its address in their network and reached
through BIRD's host; both nodes own the address for as long as the cut lasts.

";

/// The tables by program.
pub(super) fn tables(samples: &[Sample], foretold: &[(String, Outlook)]) -> String {
    let mut text = String::new();
    // Ours first.
    let known = foretold.iter().map(|(name, _)| name.as_str());
    let known = known.filter(|name| samples.iter().any(|sample| sample.program == *name));
    for program in distinct(known.chain(samples.iter().map(|sample| sample.program.as_str()))) {
        let outlook = foretold.iter().find(|(name, _)| name == program).map(|(_, outlook)| outlook);
        text += &table(samples, program, outlook);
    }
    text
}

fn table(samples: &[Sample], program: &str, outlook: Option<&Outlook>) -> String {
    let of_program = || samples.iter().filter(|sample| sample.program == program);
    let routers = distinct(of_program().map(|sample| sample.router.as_str()));
    let head: String = routers.iter().map(|router| format!(" {router} |")).collect();
    let mut text =
        format!("## {program}\n\n| case |{head} runs | foretold |\n|---|{}---|---|\n", "---|".repeat(routers.len()));
    for case in Case::ALL {
        let of =
            |router: &str| summary(samples, |one| one.program == program && one.case == case && one.router == router);
        let summaries: Vec<Option<Summary>> = routers.iter().map(|router| of(router)).collect();
        let Some(runs) = summaries.iter().flatten().map(|one| one.runs).max() else { continue };
        let cells: String =
            summaries.into_iter().map(|one| format!(" {} |", one.map(cell).unwrap_or_default())).collect();
        let foretold = outlook.and_then(|outlook| outlook.get(case.foretold_as()));
        let foretold =
            foretold.map(|worst| worst.map_or_else(|| "unbounded".to_owned(), |time| time.as_millis().to_string()));
        let _ = writeln!(text, "| {case} |{cells} {runs} | {} |", foretold.unwrap_or_default());
    }
    let strays: usize = of_program().map(|sample| sample.strays).sum();
    let moves = of_program().map(|sample| sample.moves).max().unwrap_or_default();
    let _ = writeln!(
        text,
        "\nAfter another node's first answer, until the old leader was back and all had settled, the old leader answered\n\
         {strays} pings. The lead changed hands at most {moves} times a failure.\n"
    );
    text
}

fn cell(Summary { median, worst, .. }: Summary) -> String {
    let never = || format!("> {}", LIMIT.as_millis());
    let shown = |time: Option<Duration>| time.map_or_else(never, millis);
    format!("{} ({})", shown(median), shown(worst))
}

/// The whole document.
pub(super) fn document(description: &str, samples: &[Sample], foretold: &[(String, Outlook)]) -> String {
    let mut text = INTRODUCTION.to_owned();
    let _ = writeln!(text, "{MEASURED}{description}. Every run: [failover.csv](failover.csv).\n");
    text.push_str("![The client's longest silence by case, program and router](failover.svg)\n\n");
    text += &tables(samples, foretold);
    text.push_str("## The cases\n\n");
    for case in Case::ALL {
        let _ = writeln!(text, "- **{case}**: {}", case.explained());
    }
    text
}

/// Begins the line that says what was measured.
const MEASURED: &str = "Measured with ";

/// Makes document and picture anew of the samples that are there, as measured then.
pub(super) fn redraw(foretold: &[(String, Outlook)]) -> Result<()> {
    let read = |name: &str| {
        let file = directory().join(name);
        std::fs::read_to_string(&file).with_context(|| format!("failed to read docs/{name}"))
    };
    let samples = parse(&read("failover.csv")?)?;
    let document = read("failover.md")?;
    let line = document.lines().find_map(|line| line.strip_prefix(MEASURED));
    let description = line.and_then(|line| line.split_once(". Every run:")).map(|(description, _)| description);
    write(description.context("docs/failover.md does not say what was measured")?, &samples, foretold)
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// Writes all three to `docs/`.
pub(super) fn write(description: &str, samples: &[Sample], foretold: &[(String, Outlook)]) -> Result<()> {
    let docs = directory();
    let files = [
        ("failover.md", document(description, samples, foretold)),
        ("failover.csv", csv(samples)),
        ("failover.svg", plot::svg(samples)),
    ];
    for (name, text) in files {
        std::fs::write(docs.join(name), text).with_context(|| format!("failed to write docs/{name}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::samples::tests::sample;
    use super::*;

    #[test]
    fn a_table_has_median_and_worst_beside_what_was_foretold() {
        let mut by_frr = sample(Case::Killed, 1, Some(5300));
        by_frr.router = "frr".to_owned();
        let samples = [
            sample(Case::Killed, 1, Some(5021)),
            sample(Case::Killed, 2, Some(4100)),
            by_frr,
            sample(Case::UplinkSilent, 1, None),
            Sample { strays: 2, moves: 3, ..sample(Case::UplinkSilent, 2, Some(7)) },
        ];
        let foretold: Outlook = [
            ("vipcast killed".to_owned(), Some(Duration::from_millis(5300))),
            ("uplink silently lost, API in reach".to_owned(), None),
        ]
        .into();
        let expected = "\
## vipcast

| case | bird | frr | runs | foretold |
|---|---|---|---|---|
| killed | 5021 (5021) | 5300 (5300) | 2 | 5300 |
| uplink-silent | > 30000 (> 30000) |  | 2 | unbounded |

After another node's first answer, until the old leader was back and all had settled, the old leader answered
2 pings. The lead changed hands at most 3 times a failure.

";
        assert_eq!(tables(&samples, &[("vipcast".to_owned(), foretold)]), expected);
    }
}
