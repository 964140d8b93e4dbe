//! The figures by name, their samples, and how they are printed.

use std::fmt::Write as _;

/// What is measured, once for the whole bench.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Figure {
    pub name: &'static str,
    pub unit: &'static str,
    /// What the median should not exceed.
    pub aim: Option<u32>,
    /// kube-vip v1.2.3 in such a testbed, measured elsewhere.
    pub kube_vip: &'static str,
}

/// Whose figure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Vipcast,
    /// gobgpd on the node as the announcing client.
    Gobgpd,
}

const fn figure(name: &'static str, unit: &'static str, aim: Option<u32>, kube_vip: &'static str) -> Figure {
    Figure { name, unit, aim, kube_vip }
}

pub(super) const ESTABLISHED: Figure = figure("start to Established", "ms", Some(50), "");
pub(super) const FIRST_UPDATE: Figure = figure("Established to the first announcement on the wire", "ms", Some(5), "");
pub(super) const ROUTE_ALONE: Figure = figure("start to route in the router, without a lease", "ms", None, "");
pub(super) const ROUTE_LEASE: Figure = figure("start to route in the router, with the lease", "ms", None, "1800");
pub(super) const LEASE_WIRE: Figure = figure("lease acquired to announcement on the wire", "ms", None, "");
pub(super) const LEASE_ROUTE: Figure = figure("lease acquired to route in the router", "ms", None, "");
pub(super) const TERM_WIRE: Figure = figure("SIGTERM to withdrawal on the wire", "ms", Some(10), "");
pub(super) const TERM_GONE: Figure = figure("SIGTERM to route gone from the router", "ms", None, "");
pub(super) const LEADER_MEMORY: Figure = figure("resident memory, leader with one peer", "KiB", Some(10_240), "58000");
pub(super) const FOLLOWER_MEMORY: Figure = figure("resident memory, follower with one peer", "KiB", Some(10_240), "");
pub(super) const LEADER_CPU: Figure = figure("processor time idle, leader with one peer", "%", None, "0.13");
pub(super) const FOLLOWER_CPU: Figure = figure("processor time idle, follower with one peer", "%", None, "");
pub(super) const API_CALLS: Figure = figure("API calls of three idle nodes", "1/s", None, "3.1");
pub(super) const BIND: Figure = figure("10,000 VIPs, start to all bound", "ms", None, "");
pub(super) const TABLE_ONE: Figure = figure("10,000 VIPs, SYN to the router's table, one peer", "ms", Some(1000), "");
pub(super) const TABLE_FOUR: Figure = figure("10,000 VIPs, SYN to all tables, four peers", "ms", Some(1000), "");
pub(super) const GONE_ONE: Figure = figure("10,000 VIPs, SIGTERM to none in the table, one peer", "ms", Some(1000), "");
pub(super) const GONE_FOUR: Figure =
    figure("10,000 VIPs, SIGTERM to none in any table, four peers", "ms", Some(1000), "");
pub(super) const UNBIND: Figure = figure("10,000 VIPs, SIGTERM to all unbound and the end", "ms", None, "");
// The aim is 30 MB: 30 000 000 bytes, in whole KiB.
pub(super) const MEMORY_ONE: Figure =
    figure("10,000 VIPs, resident memory (aim 30 * 10^6 B), one peer", "KiB", Some(29_296), "");
pub(super) const MEMORY_FOUR: Figure =
    figure("10,000 VIPs, resident memory (aim 30 * 10^6 B), four peers", "KiB", Some(29_296), "");
pub(super) const SIZE: Figure = figure("size of the binary", "kB", Some(12_000), "61000");

/// In the order they are printed.
const ALL: [&Figure; 22] = [
    &ESTABLISHED,
    &FIRST_UPDATE,
    &ROUTE_ALONE,
    &ROUTE_LEASE,
    &LEASE_WIRE,
    &LEASE_ROUTE,
    &TERM_WIRE,
    &TERM_GONE,
    &LEADER_MEMORY,
    &FOLLOWER_MEMORY,
    &LEADER_CPU,
    &FOLLOWER_CPU,
    &API_CALLS,
    &BIND,
    &TABLE_ONE,
    &TABLE_FOUR,
    &GONE_ONE,
    &GONE_FOUR,
    &UNBIND,
    &MEMORY_ONE,
    &MEMORY_FOUR,
    &SIZE,
];

/// All samples taken.
#[derive(Debug, Default)]
pub(super) struct Figures {
    samples: Vec<(&'static Figure, Who, f64)>,
}

impl Figures {
    pub(super) fn add(&mut self, figure: &'static Figure, who: Who, value: f64) {
        self.samples.push((figure, who, value));
    }

    fn of(&self, figure: &Figure, who: Who) -> Option<Summary> {
        let taken = self.samples.iter().filter(|sample| sample.0 == figure && sample.1 == who);
        summary(taken.map(|sample| sample.2).collect())
    }

    /// One line a figure: median (worst) of both, the aim with a word where it is missed, kube-vip's.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "{:58} {:4} {:>20} {:>20} {:>14} {:>10}\n",
            "median (worst)", "", "vipcast", "gobgpd as client", "aim", "kube-vip"
        );
        for figure in ALL {
            let (ours, theirs) = (self.of(figure, Who::Vipcast), self.of(figure, Who::Gobgpd));
            if ours.is_none() && theirs.is_none() {
                continue;
            }
            let cell = |summary: Option<Summary>| {
                summary.map_or_else(String::new, |s| format!("{} ({})", digits(s.median), digits(s.worst)))
            };
            let aim = figure.aim.map_or_else(String::new, |aim| {
                let missed = ours.is_some_and(|ours| ours.median > f64::from(aim));
                format!("<= {aim}{}", if missed { " MISSED" } else { "" })
            });
            let Figure { name, unit, kube_vip, .. } = figure;
            let _ =
                writeln!(text, "{name:58} {unit:4} {:>20} {:>20} {aim:>14} {kube_vip:>10}", cell(ours), cell(theirs));
        }
        text
    }

    /// One line a figure that both have: vipcast's median by gobgpd's.
    pub(super) fn ratios(&self) -> String {
        let mut text = String::new();
        for figure in ALL {
            if let (Some(ours), Some(theirs)) = (self.of(figure, Who::Vipcast), self.of(figure, Who::Gobgpd)) {
                let _ = writeln!(text, "{:58} {:.2}", figure.name, ours.median / theirs.median);
            }
        }
        text
    }

    /// One line a figure and program.
    pub(super) fn csv(&self) -> String {
        let mut text = "figure,unit,program,runs,median,best,worst\n".to_owned();
        for figure in ALL {
            for (who, program) in [(Who::Vipcast, "vipcast"), (Who::Gobgpd, "gobgpd")] {
                let Some(Summary { runs, median, best, worst }) = self.of(figure, who) else { continue };
                let Figure { name, unit, .. } = figure;
                let _ = writeln!(text, "\"{name}\",{unit},{program},{runs},{median:.3},{best:.3},{worst:.3}");
            }
        }
        text
    }
}

/// Three figures that matter, whatever the size.
fn digits(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value if value >= 0.0005 => format!("{value:.3}"),
        _ => "0".to_owned(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Summary {
    runs: usize,
    median: f64,
    best: f64,
    worst: f64,
}

/// Of an even number the upper one of the middle: never better than it was.
fn summary(mut samples: Vec<f64>) -> Option<Summary> {
    samples.sort_by(f64::total_cmp);
    let median = *samples.get(samples.len() / 2)?;
    Some(Summary { runs: samples.len(), median, best: *samples.first()?, worst: *samples.last()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        let mut figures = Figures::default();
        for value in [3.0, 70.25, 51.5, 200.0, 60.0] {
            figures.add(&ESTABLISHED, Who::Vipcast, value);
        }
        figures.add(&ESTABLISHED, Who::Gobgpd, 5000.4);
        figures.add(&API_CALLS, Who::Vipcast, 0.987);
        figures
    }

    #[test]
    fn the_table_has_what_was_measured_and_names_a_missed_aim() {
        let expected = "\
median (worst)                                                               vipcast     gobgpd as client            aim   kube-vip
start to Established                                       ms             60.0 (200)          5000 (5000)   <= 50 MISSED           
API calls of three idle nodes                              1/s         0.987 (0.987)                                            3.1
";
        assert_eq!(figures().table(), expected);
    }

    #[test]
    fn the_lines_for_machines_have_every_digit() {
        let expected = "\
figure,unit,program,runs,median,best,worst
\"start to Established\",ms,vipcast,5,60.000,3.000,200.000
\"start to Established\",ms,gobgpd,1,5000.400,5000.400,5000.400
\"API calls of three idle nodes\",1/s,vipcast,1,0.987,0.987,0.987
";
        assert_eq!(figures().csv(), expected);
    }

    #[test]
    fn the_median_of_an_even_number_is_the_worse_one() {
        let summary = summary(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!(summary, Some(Summary { runs: 4, median: 3.0, best: 1.0, worst: 4.0 }));
    }
}
