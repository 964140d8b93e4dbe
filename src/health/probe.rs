//! Asks as often as the gate wants, and publishes its verdict.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::sync::watch;

use super::gate::{Gate, Health, Outcome, Rules, State};
use crate::clock::{Timer, now};
use crate::time::{Instant, Said};

/// Who asks.
pub trait Ask: Send + 'static {
    /// Asks once.
    fn ask(&mut self) -> impl Future<Output = Outcome> + Send;
}

/// Asks for ever. An answer that is not there after `timeout` is a failure.
///
/// # Errors
/// When the kernel gives no timer.
pub async fn probe(rules: Rules, timeout: Duration, mut ask: impl Ask, tx: watch::Sender<Health>) -> io::Result<()> {
    let mut gate = Gate::new(rules, now());
    let (mut due, mut limit) = (Timer::new()?, Timer::new()?);
    let mut story = Story::default();
    loop {
        due.until(Some(gate.next_check())).await;
        let began = now();
        let outcome = tokio::select! {
            biased;
            outcome = ask.ask() => outcome,
            () = limit.until(Some(began + timeout)) => Outcome::Failed(format!("no answer within {timeout:?}")),
        };
        let is_fault = matches!(outcome, Outcome::Fault(_));
        let before = gate.health().state;
        gate.take(began, now(), outcome, rand::random());
        story.go_on(now(), before, gate.health(), is_fault);
        tx.send_if_modified(|health| {
            let differs = health != gate.health();
            *health = gate.health().clone();
            differs
        });
    }
}

/// What was said since the node turned unfit.
#[derive(Debug, Default)]
struct Story {
    /// Of configuration.
    faults: Said,
    failures: Said,
}

/// A line of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Good,
    Failed,
    Fault,
}

impl Story {
    /// Says each change of the verdict, and another kind of trouble or, not too often, another reason of the same verdict.
    fn go_on(&mut self, now: Instant, before: State, after: &Health, is_fault: bool) {
        let reason = after.last_error.as_ref().map(|failure| failure.text.as_str()).unwrap_or_default();
        match self.line(now, before, after.state, is_fault, reason) {
            Some(Line::Good) => tracing::info!("the health check is good: this node is fit to serve"),
            Some(Line::Failed) => tracing::warn!(reason, "the health check failed: this node is unfit to serve"),
            Some(Line::Fault) => {
                tracing::error!(
                    reason,
                    "the health check cannot be made as it is configured: this node is unfit to serve"
                );
            }
            None => {}
        }
    }

    fn line(&mut self, now: Instant, before: State, after: State, is_fault: bool, reason: &str) -> Option<Line> {
        if before != after {
            *self = Self::default();
        }
        let (said, line) = match is_fault {
            true => (&mut self.faults, Line::Fault),
            false => (&mut self.failures, Line::Failed),
        };
        match (before, after) {
            (State::Good, State::Good) | (_, State::Off | State::Unknown) => None,
            (_, State::Good) => Some(Line::Good),
            (_, State::Bad) => said.is_news(now, reason).then_some(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Answers one after the other; `None`: never.
    struct Script(VecDeque<Option<Outcome>>);

    impl Ask for Script {
        async fn ask(&mut self) -> Outcome {
            match self.0.pop_front().flatten() {
                Some(outcome) => outcome,
                None => std::future::pending().await,
            }
        }
    }

    #[test]
    fn a_trouble_that_goes_on_is_said_once_and_each_kind_of_it() {
        use State::{Bad, Good, Unknown};
        let mut story = Story::default();
        let mut line = |seconds, before, after, is_fault, reason: &str| {
            let now = Instant::from_boot(Duration::from_secs(seconds));
            story.line(now, before, after, is_fault, reason)
        };
        assert_eq!(line(1, Unknown, Bad, true, "expired 1 seconds ago"), Some(Line::Fault));
        assert_eq!(line(2, Bad, Bad, true, "expired 2 seconds ago"), None);
        assert_eq!(line(3, Bad, Bad, false, "500"), Some(Line::Failed));
        assert_eq!(line(4, Bad, Bad, false, "no answer"), None);
        assert_eq!(line(5, Bad, Good, false, "no answer"), Some(Line::Good));
        assert_eq!(line(6, Good, Good, false, "no answer"), None);
        assert_eq!(line(7, Good, Bad, false, "no answer"), Some(Line::Failed));
    }

    #[tokio::test]
    async fn silence_is_a_failure_and_verdicts_are_published() {
        let rules = Rules { period: Duration::from_millis(20), fall: 2, rise: 2 };
        let script = [Some(Outcome::Good), Some(Outcome::Failed("500".to_owned())), None, Some(Outcome::Good)];
        let (tx, mut rx) = watch::channel(Health::off(now()));
        let _task = tokio::spawn(probe(rules, Duration::from_millis(10), Script(script.into()), tx));
        let mut states = Vec::new();
        for wanted in [State::Good, State::Bad] {
            let health = rx.wait_for(|health| health.state == wanted).await.unwrap().clone();
            states.push(health.last_error.map(|failure| failure.text));
        }
        assert_eq!(states, [None, Some("no answer within 10ms".to_owned())]);
    }
}
