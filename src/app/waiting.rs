//! Waiting for what is learned, before there is anything to build.

mod desk;

use std::time::Duration;

use tokio::sync::watch;

use super::live::Remake;
use crate::clock::{now, sleep_until};
use crate::config::{Checked, Config, Finding, Mistakes};
use crate::provider::Told;
use crate::time::Instant;
pub(super) use desk::WaitingDesk;

/// How often it is said what is waited for.
const AGAIN: Duration = Duration::from_secs(60);
/// How soon at the earliest something else is said: a server that fails each time in another way is not news each time.
const OTHERWISE: Duration = Duration::from_secs(5);

/// Waits until what is learned makes a configuration that lacks nothing. `lacks` is told what is missing or wrong.
pub(super) async fn complete(
    remake: &Remake,
    told: &mut watch::Receiver<Told>,
    lacks: &watch::Sender<String>,
) -> Config {
    let mut said = Line::default();
    loop {
        let now_told = told.borrow_and_update().clone();
        // Files are read.
        match tokio::task::block_in_place(|| attempt(remake, &now_told)) {
            Ok(Checked { config, warnings, .. }) => {
                for Finding { subject, text } in warnings {
                    tracing::warn!(option = subject, "{text}");
                }
                return config;
            }
            Err(lacking) => {
                if said.is_due(now(), &lacking) {
                    tracing::warn!("waiting to start: {lacking}");
                }
                lacks.send_replace(lacking);
            }
        }
        tokio::select! {
            Ok(()) = told.changed() => {}
            () = sleep_until(said.next(now(), &lacks.borrow().clone())) => {}
        }
    }
}

/// The configuration, or what it lacks.
fn attempt(remake: &Remake, told: &Told) -> Result<Checked, String> {
    let mut wrong = told.troubles();
    match remake.make(&told.learned) {
        Ok(checked) if checked.config.is_complete(&told.learned) => return Ok(checked),
        Ok(_) => {}
        Err(Mistakes(mistakes)) => wrong.extend(mistakes.iter().map(ToString::to_string)),
    }
    Err(wrong.join("; "))
}

/// A line of the log that is written again.
#[derive(Debug, Default)]
struct Line {
    last: Option<(Instant, String)>,
}

impl Line {
    /// When `text` is to be written.
    fn next(&self, now: Instant, text: &str) -> Instant {
        let Some((at, said)) = &self.last else { return now };
        *at + if said == text { AGAIN } else { OTHERWISE }
    }

    /// Whether `text` is to be written at `now`; then it counts as written.
    fn is_due(&mut self, now: Instant, text: &str) -> bool {
        let is_due = self.next(now, text) <= now;
        if is_due {
            self.last = Some((now, text.to_owned()));
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_at_once_each_minute_and_soon_when_it_is_another() {
        let mut line = Line::default();
        let mut is_due = |seconds, text| line.is_due(Instant::from_boot(Duration::from_secs(seconds)), text);
        assert!(is_due(100, "a"));
        assert!(!is_due(101, "a"));
        assert!(!is_due(104, "b"));
        assert!(is_due(105, "b"));
        assert!(!is_due(164, "b"));
        assert!(is_due(165, "b"));
    }
}
