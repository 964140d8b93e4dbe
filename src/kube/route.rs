//! One user's way to the API: the server in use, and when to change it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kube::Client;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::endpoints::{Endpoint, Nudge};
use super::fault::CallError;
use crate::clock;
use crate::time::{Instant, Said};

/// How often the first endpoint is tried while another one is in use.
const PROBE_PERIOD: Duration = Duration::from_secs(10);

/// Calls through the endpoint in use; rotates when it does not answer, and returns to the first when that does again.
#[derive(Debug)]
pub struct Route {
    /// What the calls are for, in log lines.
    purpose: &'static str,
    list: watch::Receiver<Arc<[Endpoint]>>,
    nudge: Nudge,
    /// The name of the endpoint in use; `None`: the first.
    current: Option<String>,
    /// What each endpoint fails with, until it works again.
    faults: BTreeMap<String, Said>,
    probe: Option<JoinHandle<bool>>,
    probed_at: Option<Instant>,
}

impl Route {
    pub(super) fn new(purpose: &'static str, list: watch::Receiver<Arc<[Endpoint]>>, nudge: Nudge) -> Self {
        Self { purpose, list, nudge, current: None, faults: BTreeMap::new(), probe: None, probed_at: None }
    }

    /// Calls the API, for at most `limit`.
    ///
    /// # Errors
    /// [`CallError::Answer`] is what the API said; after any other the next call takes the next endpoint.
    /// A call that hangs for half its time fails as soon as another server says it is ready, which the next call takes.
    pub async fn call<T, F>(&mut self, limit: Duration, request: impl FnOnce(Client) -> F) -> Result<T, CallError>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let endpoint = self.endpoint(limit).await?;
        let list = self.list.borrow().clone();
        let others = list.iter().filter(|other| other.name != endpoint.name).cloned().collect();
        let mut better = None;
        let result = tokio::select! {
            biased;
            answer = tokio::time::timeout(limit, request(endpoint.client)) => match answer {
                Ok(result) => result.map_err(CallError::from),
                Err(_) => Err(CallError::timeout(limit)),
            },
            ready = ready_instead(others, limit / 2) => {
                better = Some(ready);
                Err(CallError::timeout(limit / 2))
            }
        };
        match &result {
            Err(CallError::Failed(reason) | CallError::Denied(reason)) => self.leave_for(reason, better),
            Ok(_) | Err(CallError::Answer(_)) => self.works(&endpoint.name),
        }
        result
    }

    /// Takes the next endpoint because this one failed with `reason`.
    pub fn leave(&mut self, reason: &str) {
        self.leave_for(reason, None);
    }

    /// Takes `better`, or the next in order.
    fn leave_for(&mut self, reason: &str, better: Option<Endpoint>) {
        let Some((left, next)) = self.rotate(better) else { return };
        if self.faults.entry(left.name.clone()).or_default().is_news(clock::now(), reason) {
            tracing::warn!(purpose = self.purpose, endpoint = %left.name, next = %next.name, reason, "API call failed");
        }
    }

    /// Takes the next endpoint although this one did not fail: `reason` makes a second opinion worth having.
    pub fn doubt(&mut self, reason: &str) {
        let Some((left, next)) = self.rotate(None) else { return };
        tracing::info!(
            purpose = self.purpose, endpoint = %left.name, next = %next.name, reason, "asking another API server"
        );
    }

    /// The endpoint left, and the one in use from now on: `better`, or the next in order.
    fn rotate(&mut self, better: Option<Endpoint>) -> Option<(Endpoint, Endpoint)> {
        self.nudge.ask();
        let list = self.list.borrow().clone();
        let place = self.place(&list);
        let left = list.get(place)?;
        let in_order = || list.get(place.saturating_add(1)).or_else(|| list.first()).unwrap_or(left).clone();
        let next = better.unwrap_or_else(in_order);
        self.current = Some(next.name.clone());
        self.probed_at.get_or_insert_with(clock::now);
        Some((left.clone(), next))
    }

    fn works(&mut self, name: &str) {
        if self.faults.remove(name).is_some() {
            tracing::info!(purpose = self.purpose, endpoint = name, "API endpoint answers again");
        }
    }

    fn place(&self, list: &[Endpoint]) -> usize {
        let current = self.current.as_ref();
        list.iter().position(|endpoint| Some(&endpoint.name) == current).unwrap_or(0)
    }

    async fn endpoint(&mut self, limit: Duration) -> Result<Endpoint, CallError> {
        // Where none comes in time, the list is empty and says so below.
        let _ = tokio::time::timeout(limit, self.list.wait_for(|list| !list.is_empty())).await;
        let list = self.list.borrow().clone();
        self.prefer_first(&list, limit).await;
        let none = || CallError::Failed("no API endpoint is known yet".to_owned());
        list.get(self.place(&list)).cloned().ok_or_else(none)
    }

    /// Where the first endpoint is not in use, asks it every now and then beside the calls, and returns to it.
    async fn prefer_first(&mut self, list: &[Endpoint], limit: Duration) {
        let Some(first) = list.first().filter(|_| self.place(list) != 0) else {
            (self.probe, self.probed_at) = (None, None);
            return;
        };
        if let Some(probe) = self.probe.take_if(|probe| probe.is_finished()) {
            if probe.await.unwrap_or(false) {
                tracing::info!(purpose = self.purpose, endpoint = %first.name, "API endpoint is ready again");
                self.faults.remove(&first.name);
                self.current = None;
            }
            return;
        }
        let now = clock::now();
        let due = self.probed_at.is_none_or(|at| now >= at + PROBE_PERIOD);
        if self.probe.is_none() && due {
            self.probed_at = Some(now);
            self.probe = Some(tokio::spawn(is_ready(first.client.clone(), limit)));
        }
    }
}

/// The first of `others` that says it is ready, asked after `patience` for as long again; never, where none does.
async fn ready_instead(others: Vec<Endpoint>, patience: Duration) -> Endpoint {
    tokio::time::sleep(patience).await;
    let ask = |other: Endpoint| async move { is_ready(other.client.clone(), patience).await.then_some(other) };
    let mut answers: FuturesUnordered<_> = others.into_iter().map(ask).collect();
    while let Some(answer) = answers.next().await {
        if let Some(ready) = answer {
            return ready;
        }
    }
    std::future::pending().await
}

/// Whether the server says it is ready.
pub(super) async fn is_ready(client: Client, limit: Duration) -> bool {
    let Ok(request) = http::Request::get("/readyz").body(Vec::new()) else { return false };
    matches!(tokio::time::timeout(limit, client.request_text(request)).await, Ok(Ok(_)))
}

#[cfg(test)]
mod tests;
