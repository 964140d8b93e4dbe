//! Waiting for what is learned, before there is anything to build.

mod desk;

use std::time::Duration;

use tokio::sync::watch;

use super::live::Remake;
use crate::clock::{now, sleep_until};
use crate::config::{Checked, Config, Finding, Learned, Mistakes};
use crate::provider::{Troubles, Watched};
use crate::time::Instant;
pub(super) use desk::WaitingDesk;

/// How often it is said what is waited for.
const AGAIN: Duration = Duration::from_secs(60);
/// How soon at the earliest something else is said: a server that fails each time in another way is not news each time.
const OTHERWISE: Duration = Duration::from_secs(5);

/// Waits until what is learned makes a configuration that lacks nothing. `lacks` is told what is missing or wrong.
pub(super) async fn complete(remake: &Remake, watched: &mut Watched, lacks: &watch::Sender<String>) -> Config {
    let mut said = Line::default();
    loop {
        let learned = watched.learned.borrow_and_update().clone();
        let troubles = watched.troubles.borrow_and_update().clone();
        // Files are read.
        match tokio::task::block_in_place(|| attempt(remake, &learned, &troubles)) {
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
            Ok(()) = watched.learned.changed() => {}
            Ok(()) = watched.troubles.changed() => {}
            () = sleep_until(said.next(now(), &lacks.borrow().clone())) => {}
        }
    }
}

/// The configuration, or what it lacks.
fn attempt(remake: &Remake, learned: &Learned, troubles: &Troubles) -> Result<Checked, String> {
    let troubles = troubles.values().flatten().cloned();
    let wrong: Vec<String> = match remake.make(learned) {
        Ok(checked) if checked.config.is_complete(learned) => return Ok(checked),
        Ok(_) => troubles.collect(),
        Err(Mistakes(mistakes)) => mistakes.iter().map(ToString::to_string).chain(troubles).collect(),
    };
    Err(wrong.join("; "))
}

/// Says what is wrong with a provider's word while the last good one stays.
pub(super) async fn tell_troubles(mut troubles: watch::Receiver<Troubles>) {
    let mut said = Line::default();
    loop {
        let all: Vec<String> = troubles.borrow_and_update().values().flatten().cloned().collect();
        let text = all.join("; ");
        if text.is_empty() {
            if std::mem::take(&mut said).last.is_some() {
                tracing::info!("what this node is told is good again");
            }
        } else if said.is_other(&text) && said.is_due(now(), &text) {
            tracing::warn!("what this node is told is not good, and the last good word stays: {text}");
        }
        tokio::select! {
            changed = troubles.changed() => if changed.is_err() { return std::future::pending().await },
            () = sleep_until(said.next(now(), &text)), if !text.is_empty() && said.is_other(&text) => {}
        }
    }
}

/// A line of the log that is written again.
#[derive(Debug, Default)]
struct Line {
    last: Option<(Instant, String)>,
}

impl Line {
    fn is_other(&self, text: &str) -> bool {
        self.last.as_ref().is_none_or(|(_, said)| said != text)
    }

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
