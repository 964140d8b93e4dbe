//! The `simulate` program; see `simulate --help`.

use std::io::Write as _;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use vipcast_simulation::{Broken, explain, play, tell};

const HELP: &str = "\
simulate: vipcast's failover on a simulated clock

  simulate N..M [--broken KIND]   plays these seeds on all processors; explains the first that fails
  simulate N [--broken KIND]      plays this one
  simulate tell N                 says all that happens in it

KIND is a defect made on purpose: no-med-fence, no-path-fence, near-standby, no-until-check,
until-from-answer, empty-handover, stale-offer, no-handover, no-dwell.
Exit code: 0 all promises held, 1 one was broken, 2 wrong words.";

/// Seeds that a thread takes at a time.
const BATCH: u64 = 50;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match parse(&words) {
        Ok(Order::Tell(seed)) => {
            println!("{}", tell(seed));
            ExitCode::SUCCESS
        }
        Ok(Order::Play(seeds, broken)) => match first_failure(&seeds, broken) {
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

/// What is asked for.
enum Order {
    Play(Range<u64>, Option<Broken>),
    Tell(u64),
}

fn parse(words: &[String]) -> Result<Order, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["tell", seed] => Ok(Order::Tell(number(seed)?)),
        [seeds] => Ok(Order::Play(range(seeds)?, None)),
        [seeds, "--broken", kind] => Ok(Order::Play(range(seeds)?, Some(kind.parse()?))),
        _ => Err("expected a seed or a range of seeds".to_owned()),
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|error| format!("'{text}' is no seed: {error}"))
}

fn range(text: &str) -> Result<Range<u64>, String> {
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
