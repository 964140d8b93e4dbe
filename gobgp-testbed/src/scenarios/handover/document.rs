//! `docs/handover.md` and `.csv`.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

const INTRODUCTION: &str = "\
# What a planned move costs

Made by `gobgp-testbed/run handover 20`; do not edit. Three nodes with a Kubernetes API server each, lease 5/3/1 s, hold time
9 s, one router at a time. A client behind it sends 500 pings and 100 new TCP connections a second to each of two virtual IPs,
one of each family, and keeps two connections open: a busy one, on which the server says something every 20 ms, and an idle
one; either comes back as soon as it was reset. Then the node that holds the lease goes, again and again:

- **router alone**: the control, without vipcast. gobgpd announces a better route from another node by hand, and half a
  second later takes the old one back; both nodes have the addresses all the while.
- **SIGTERM**: vipcast is stopped, and started again.
- **drain**: `vipcast drain`, later `vipcast undrain`.
- **unfit**: the API server on the leader's own node is killed, and started again. The leader finds out, renews the lease
  through another node's, and hands over. The client's server is another program: who calls the dead API server itself is
  refused until the move.

\"Lost\" is of all moves, in brackets at worst in one; \"no route\" are new connections that the router itself refused because it
had no route at that moment; \"reset\" are new ones that were connected at the very moment of the move, and reset. Times are in
milliseconds, median (worst): from the order, or the API server's death, to the reset of the kept connection, and from its
reset to its return, connected and served by the new node. Routers, programs under test, servers and clients have real-time
scheduling, so that a busy machine is not in the figures; API servers and etcd have none.

";

/// One move as one family felt it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) cause: String,
    pub(super) router: String,
    pub(super) family: String,
    pub(super) run: u32,
    pub(super) lost: usize,
    pub(super) silence: Duration,
    pub(super) came: usize,
    pub(super) failed: usize,
    /// Of those who failed, whom the router refused.
    pub(super) unreachable: usize,
    pub(super) reset: usize,
    /// The connection that talks: how long after the order it was reset, and how long after that it was back.
    pub(super) busy: Option<(Duration, Duration)>,
    /// The one that says nothing.
    pub(super) idle: Option<(Duration, Duration)>,
}

fn write_row(text: &mut String, name: &str, samples: &[&Sample]) {
    let sum = |count: fn(&Sample) -> usize| samples.iter().map(|sample| count(sample)).sum::<usize>();
    let worst = samples.iter().map(|sample| sample.lost).max().unwrap_or_default();
    let silence = samples.iter().map(|sample| sample.silence).max().unwrap_or_default();
    let times =
        |stay: fn(&Sample) -> Option<Duration>| spread(samples.iter().filter_map(|sample| stay(sample)).collect());
    let _ = writeln!(
        text,
        "| {name} | {} | {} ({worst}) | {} | {} | {} | {} | {} | {} | {} | {} |",
        samples.len(),
        sum(|sample| sample.lost),
        millis(silence),
        sum(|sample| sample.came),
        sum(|sample| sample.failed - sample.unreachable),
        sum(|sample| sample.unreachable),
        sum(|sample| sample.reset),
        times(|sample| sample.busy.map(|(out, _)| out)),
        times(|sample| sample.busy.map(|(_, back)| back)),
        times(|sample| sample.idle.map(|(out, _)| out)),
    );
}

/// Median (worst); of an even number the worse one of the middle.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    match (times.get(times.len() / 2), times.last()) {
        (Some(median), Some(worst)) => format!("{} ({})", millis(*median), millis(*worst)),
        _ => "–".to_owned(),
    }
}

/// Whole from ten on.
fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    if millis < 10.0 { format!("{millis:.1}") } else { format!("{millis:.0}") }
}

fn distinct<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    all.fold(Vec::new(), |mut known, one| {
        if !known.contains(&one) {
            known.push(one);
        }
        known
    })
}

/// A table a cause, a row a router and family, in the order they came.
pub(super) fn tables(samples: &[Sample]) -> String {
    let mut text = String::new();
    for cause in distinct(samples.iter().map(|sample| sample.cause.as_str())) {
        let _ = writeln!(
            text,
            "## {cause}\n\n| router | moves | pings lost | longest silence | new connections | failed | no route | reset | \
             busy reset after | busy back after | idle reset after |\n|---|---|---|---|---|---|---|---|---|---|---|"
        );
        let of_cause = || samples.iter().filter(|sample| sample.cause == cause);
        for router in distinct(of_cause().map(|sample| sample.router.as_str())) {
            for family in distinct(of_cause().map(|sample| sample.family.as_str())) {
                let row: Vec<&Sample> =
                    of_cause().filter(|sample| sample.router == router && sample.family == family).collect();
                if !row.is_empty() {
                    write_row(&mut text, &format!("{router}, {family}"), &row);
                }
            }
        }
        text.push('\n');
    }
    text
}

fn csv(samples: &[Sample]) -> String {
    let mut text = "cause,router,family,run,lost,silence_ms,new,failed,no_route,reset,busy_reset_ms,busy_back_ms,\
                    idle_reset_ms,idle_back_ms\n"
        .to_owned();
    for one in samples {
        let time = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1000.0);
        let stay = |stay: Option<(Duration, Duration)>| {
            stay.map_or_else(|| ",".to_owned(), |(out, back)| format!("{},{}", time(out), time(back)))
        };
        let Sample { cause, router, family, run, lost, came, failed, unreachable, reset, .. } = one;
        let (silence, busy, idle) = (time(one.silence), stay(one.busy), stay(one.idle));
        let _ = writeln!(
            text,
            "{cause},{router},{family},{run},{lost},{silence},{came},{failed},{unreachable},{reset},{busy},{idle}"
        );
    }
    text
}

/// Writes both to `docs/`.
pub(super) fn write(description: &str, samples: &[Sample]) -> Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let measured = format!("Measured with {description}. Every move: [handover.csv](handover.csv).\n\n");
    let document = format!("{INTRODUCTION}{measured}{}", tables(samples));
    for (name, text) in [("handover.md", format!("{}\n", document.trim_end())), ("handover.csv", csv(samples))] {
        std::fs::write(docs.join(name), text).with_context(|| format!("failed to write docs/{name}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(run: u32, lost: usize, busy: Option<u64>) -> Sample {
        let ms = Duration::from_millis;
        Sample {
            cause: "drain".to_owned(),
            router: "frr".to_owned(),
            family: "IPv6".to_owned(),
            run,
            lost,
            silence: ms(4),
            came: 60,
            failed: 2,
            unreachable: 1,
            reset: 1,
            busy: busy.map(|out| (ms(out), ms(5))),
            idle: None,
        }
    }

    #[test]
    fn a_row_has_sums_medians_and_worsts() {
        let alone = Sample { cause: "router alone".to_owned(), ..sample(1, 0, None) };
        let samples = [alone, sample(1, 0, Some(70)), sample(2, 1, Some(90)), sample(3, 0, Some(80))];
        let head = "\
| router | moves | pings lost | longest silence | new connections | failed | no route | reset | busy reset after | busy back \
                    after | idle reset after |
|---|---|---|---|---|---|---|---|---|---|---|
";
        let expected = format!(
            "## router alone\n\n{head}| frr, IPv6 | 1 | 0 (0) | 4.0 | 60 | 1 | 1 | 1 | – | – | – |\n\n\
             ## drain\n\n{head}| frr, IPv6 | 3 | 1 (1) | 4.0 | 180 | 3 | 3 | 3 | 80 (90) | 5.0 (5.0) | – |\n\n"
        );
        assert_eq!(tables(&samples), expected);
    }

    #[test]
    fn a_line_for_machines_has_every_figure() {
        let expected = "\
cause,router,family,run,lost,silence_ms,new,failed,no_route,reset,busy_reset_ms,busy_back_ms,idle_reset_ms,idle_back_ms
drain,frr,IPv6,1,0,4.0,60,2,1,1,70.0,5.0,,
";
        assert_eq!(csv(&[sample(1, 0, Some(70))]), expected);
    }
}
