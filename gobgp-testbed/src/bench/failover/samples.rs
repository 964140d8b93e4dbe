//! What was measured, and its summary.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};

use super::case::Case;

/// One failure as one router's client saw it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    /// Who was on the nodes.
    pub program: String,
    pub case: Case,
    pub router: String,
    pub run: u32,
    /// The client's longest silence; of a router that carries no traffic the time until another node's route was its
    /// best. `None`: no other node within [`super::LIMIT`].
    pub silence: Option<Duration>,
    /// How many of the client's questions the old leader answered after another node's first answer, until it was back
    /// and all had settled.
    pub strays: usize,
    /// How often the lead changed hands.
    pub moves: u64,
}

/// Several runs of one case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Summary {
    pub runs: usize,
    /// Of an even number the worse one of the middle; `None`: it did not end.
    pub median: Option<Duration>,
    pub worst: Option<Duration>,
}

/// Of what `chosen` chooses; `None` where that is nothing.
pub(super) fn summary(samples: &[Sample], chosen: impl Fn(&Sample) -> bool) -> Option<Summary> {
    let mut all: Vec<Duration> =
        samples.iter().filter(|sample| chosen(sample)).map(|sample| sample.silence.unwrap_or(Duration::MAX)).collect();
    all.sort_unstable();
    let ended = |time: &Duration| (*time < Duration::MAX).then_some(*time);
    let (median, worst) = (all.get(all.len() / 2)?, all.last()?);
    Some(Summary { runs: all.len(), median: ended(median), worst: ended(worst) })
}

/// Each of them once, in the order they came.
pub(super) fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    all.fold(Vec::new(), |mut known, one| {
        if !known.contains(&one) {
            known.push(one);
        }
        known
    })
}

/// Milliseconds, whole from ten on.
pub(super) fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    if millis < 10.0 { format!("{millis:.1}") } else { format!("{millis:.0}") }
}

/// One line a sample.
pub(super) fn csv(samples: &[Sample]) -> String {
    let mut text = "program,case,router,run,silence_ms,strays,moves\n".to_owned();
    for Sample { program, case, router, run, silence, strays, moves } in samples {
        let silence = silence.map(|time| format!("{:.1}", time.as_secs_f64() * 1000.0)).unwrap_or_default();
        let _ = writeln!(text, "\"{program}\",{case},{router},{run},{silence},{strays},{moves}");
    }
    text
}

/// Reads what [`csv`] wrote.
pub(super) fn parse(text: &str) -> Result<Vec<Sample>> {
    text.lines().skip(1).map(|line| sample(line).with_context(|| format!("no sample: {line:?}"))).collect()
}

fn sample(line: &str) -> Option<Sample> {
    // The program's name may have commas in it.
    let (program, rest) = line.strip_prefix('"')?.split_once("\",")?;
    let [case, router, run, silence, strays, moves] = rest.split(',').collect::<Vec<_>>().try_into().ok()?;
    let silence = match silence {
        "" => None,
        millis => Some(Duration::from_secs_f64(millis.parse::<f64>().ok()? / 1000.0)),
    };
    Some(Sample {
        program: program.to_owned(),
        case: Case::ALL.into_iter().find(|known| known.to_string() == case)?,
        router: router.to_owned(),
        run: run.parse().ok()?,
        silence,
        strays: strays.parse().ok()?,
        moves: moves.parse().ok()?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A sample of vipcast by BIRD.
    pub(in super::super) fn sample(case: Case, run: u32, silence: Option<u64>) -> Sample {
        let (program, router) = ("vipcast".to_owned(), "bird".to_owned());
        Sample { program, case, router, run, silence: silence.map(Duration::from_millis), strays: 0, moves: 1 }
    }

    #[test]
    fn what_did_not_end_is_worse_than_anything() {
        let runs = [Some(5), None, Some(1), Some(3)];
        let samples: Vec<Sample> = (1..).zip(runs).map(|(run, time)| sample(Case::Killed, run, time)).collect();
        let millis = Duration::from_millis;
        let all = summary(&samples, |_| true);
        assert_eq!(all, Some(Summary { runs: 4, median: Some(millis(5)), worst: None }));
        let early = summary(&samples, |sample| sample.run == 4);
        assert_eq!(early, Some(Summary { runs: 1, median: Some(millis(3)), worst: Some(millis(3)) }));
        assert_eq!(summary(&samples, |sample| sample.case == Case::Frozen), None);
    }

    #[test]
    fn the_lines_for_machines_leave_out_what_did_not_end() {
        let samples = [sample(Case::Killed, 1, Some(5021)), sample(Case::UplinkSilent, 2, None)];
        let expected = "\
program,case,router,run,silence_ms,strays,moves
\"vipcast\",killed,bird,1,5021.0,0,1
\"vipcast\",uplink-silent,bird,2,,0,1
";
        assert_eq!(csv(&samples), expected);
        assert_eq!(parse(expected).unwrap(), samples);
        assert!(parse("heading\n\"vipcast\",unknown,bird,1,5021.0,0,1\n").is_err());
    }

    #[test]
    fn each_is_named_once() {
        assert_eq!(distinct([2, 1, 2, 3, 1].into_iter()), [2, 1, 3]);
    }
}
