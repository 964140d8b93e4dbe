//! A connection that asks only whether it is answered. It says nothing, and ends with a reset.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::task::JoinSet;

use super::link::outcome;
use crate::bgp::fsm::CONNECT_TIMEOUT;
use crate::bgp::md5::Answer;
use crate::bgp::socket::Target;
use crate::bgp::sockopt;
use crate::clock::{now, sleep_until};

/// How long an answer may take: a SYN and one more after a second.
const LIMIT: Duration = Duration::from_millis(1500);
/// When an attempt to connect that met only silence is accompanied by one: it is over just before the attempt is.
pub(super) const LATE: Duration = Duration::from_millis(3000);

const _: () = assert!(LATE.as_millis() + LIMIT.as_millis() < CONNECT_TIMEOUT.as_millis());

/// A probe under way; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Probe(JoinSet<Answer>);

impl Probe {
    /// Starts one after `delay`. `is_vip`: addresses that are not to be our end.
    pub(super) fn start(
        target: Target,
        delay: Duration,
        is_vip: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
    ) -> Self {
        let mut task = JoinSet::new();
        task.spawn(async move {
            sleep_until(now() + delay).await;
            tokio::select! {
                answer = ask(target, is_vip) => answer,
                () = sleep_until(now() + LIMIT) => Answer::Silence,
            }
        });
        Self(task)
    }

    /// The answer, if it is known; once.
    pub(super) fn answer(&mut self) -> Option<Answer> {
        self.0.try_join_next()?.ok()
    }

    /// Waits for the answer. Cancel-safe; after it, never.
    pub(super) async fn wait(&mut self) -> Answer {
        match self.0.join_next().await {
            Some(Ok(answer)) => answer,
            Some(Err(_)) => Answer::Silence,
            None => std::future::pending().await,
        }
    }
}

async fn ask(target: Target, is_vip: impl Fn(IpAddr) -> bool + Send + Sync) -> Answer {
    let Ok(stream) = target.connect(&is_vip) else { return Answer::Silence };
    match outcome(&stream).await {
        Ok(()) => {
            // A connection that ends with a FIN would wait in the peer's accept queue as one that was meant.
            let _ = sockopt::reset(&stream);
            Answer::Accepted
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Answer::Refused,
        Err(_) => Answer::Silence,
    }
}
