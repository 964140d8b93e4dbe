//! Asks as often as the gate wants, and publishes its verdict.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::sync::watch;

use super::gate::{Gate, Health, Outcome, Rules, State};
use crate::clock::{Timer, now};

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
    loop {
        due.until(Some(gate.next_check())).await;
        let began = now();
        let outcome = tokio::select! {
            biased;
            outcome = ask.ask() => outcome,
            () = limit.until(Some(began + timeout)) => Outcome::Failed(format!("no answer within {timeout:?}")),
        };
        let is_fault = matches!(outcome, Outcome::Fault(_));
        let before = gate.health().clone();
        gate.take(began, now(), outcome, rand::random());
        report(&before, gate.health(), is_fault);
        tx.send_if_modified(|health| {
            let differs = health != gate.health();
            *health = gate.health().clone();
            differs
        });
    }
}

/// Says each change of the verdict once, and each other reason of the same verdict.
fn report(before: &Health, after: &Health, is_fault: bool) {
    let text = |health: &Health| health.last_error.as_ref().map(|failure| failure.text.clone()).unwrap_or_default();
    let reason = text(after);
    match (before.state, after.state) {
        (State::Good, State::Good) | (_, State::Off | State::Unknown) => {}
        (_, State::Good) => tracing::info!("the health check is good: this node is fit to serve"),
        (State::Bad, State::Bad) if text(before) == reason => {}
        (_, State::Bad) if is_fault => {
            tracing::error!(reason, "the health check cannot be made as it is configured: this node is unfit to serve");
        }
        (_, State::Bad) => tracing::warn!(reason, "the health check failed: this node is unfit to serve"),
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
