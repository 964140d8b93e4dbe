//! The `simulate` program; see `simulate --help`.

use std::io::Write as _;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use vipcast_simulation::{Broken, explain, play};

const HELP: &str = "\
simulate: vipcast's failover on a simulated clock

  simulate N..M [--broken KIND]   plays these seeds on all processors; explains the first that fails
  simulate N [--broken KIND]      plays this one

KIND is a defect made on purpose: no-med-fence, no-until-check, until-from-answer.
Exit code: 0 all promises held, 1 one was broken, 2 wrong words.";

/// Seeds that a thread takes at a time.
const BATCH: u64 = 50;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match parse(&words) {
        Ok((seeds, broken)) => match first_failure(&seeds, broken) {
            Ok(events) => {
                println!("{} seeds, {events} events: every promise held", seeds.end - seeds.start);
                ExitCode::SUCCESS
            }
            Err(seed) => {
                println!("{}", explain(seed, broken).unwrap_or_default());
                ExitCode::FAILURE
            }
        },
        Err(text) => {
            // Whoever reads it may be gone.
            let _ = writeln!(std::io::stderr(), "simulate: {text}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn parse(words: &[String]) -> Result<(Range<u64>, Option<Broken>), String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [seeds] => Ok((range(seeds)?, None)),
        [seeds, "--broken", kind] => Ok((range(seeds)?, Some(kind.parse()?))),
        _ => Err("expected a seed or a range of seeds".to_owned()),
    }
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("'{text}' is no seed: {error}"));
    let seeds = match text.split_once("..") {
        Some((first, end)) => number(first)?..number(end)?,
        None => number(text)?..number(text)?.saturating_add(1),
    };
    if seeds.is_empty() {
        return Err(format!("there is no seed in {text}: expected N..M with N below M"));
    }
    Ok(seeds)
}

/// The number of events, or the lowest seed that fails.
fn first_failure(seeds: &Range<u64>, broken: Option<Broken>) -> Result<u64, u64> {
    let (next, failed, events) = (AtomicU64::new(seeds.start), AtomicU64::new(u64::MAX), AtomicU64::new(0));
    let work = || {
        loop {
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            if first >= seeds.end || first > failed.load(Ordering::Relaxed) {
                return;
            }
            for seed in first..seeds.end.min(first + BATCH) {
                match play(seed, broken) {
                    Ok(count) => {
                        events.fetch_add(count, Ordering::Relaxed);
                    }
                    Err(_) => {
                        failed.fetch_min(seed, Ordering::Relaxed);
                        break;
                    }
                }
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    match failed.into_inner() {
        u64::MAX => Ok(events.into_inner()),
        seed => Err(seed),
    }
}
