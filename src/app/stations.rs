//! The running stations, and the end in good order.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::Error;
use super::chronicle::Election;
use crate::announce::Moves;
use crate::bgp::SpeakerHandle;
use crate::clock::{now, sleep_until};
use crate::election::story::Story;
use crate::election::{Candidate, Leadership, Releaser};
use crate::vip::{Facts, Holder, Standing, Vip};

/// What peers are told when this node leaves in good order (RFC 9003).
const LEAVING: &str = "vipcast is shutting down on this node";
/// How long handing over the lease may take: a pod has 30 s to end, and what follows needs some of them.
const HANDOVER: Duration = Duration::from_secs(15);
/// How long ending the sessions in good order may take: delivering withdrawals, saying goodbye. A router that does
/// not close its side keeps us for all of it, so it is short: the next node waits for the lease.
const GOODBYE: Duration = Duration::from_millis(1500);
/// How long unbinding may take after that, whatever the number of addresses.
const UNBIND: Duration = Duration::from_millis(500);
/// And for each of them: the kernel goes through all that are there.
const UNBIND_EACH: Duration = Duration::from_millis(2);
/// How long giving up Elastic IPs may take after the lease is released, where no successor has taken them already.
const GIVE_UP: Duration = Duration::from_secs(4);
/// How long releasing the lease may take after that; a lease not released expires by itself.
const RELEASE: Duration = Duration::from_secs(2);
/// How long the stations may take to end after all that.
const LAST: Duration = Duration::from_millis(200);
/// The station that ends by itself when it is told to stop.
pub(super) const SPEAKER: &str = "the BGP speaker";

/// Tasks that never end before the process does; one that does is an error with its name.
#[derive(Default)]
pub(super) struct Stations(JoinSet<(&'static str, Result<(), Error>)>);

impl Stations {
    pub(super) fn spawn(
        &mut self,
        name: &'static str,
        station: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) -> AbortHandle {
        self.0.spawn(async move { (name, station.await) })
    }

    /// Waits until one of them ends, which none should.
    pub(super) async fn ended(&mut self) -> Error {
        match self.0.join_next().await {
            Some(Ok((name, Ok(())))) => Error::StationEnded(name),
            Some(Ok((_, Err(error)))) => error,
            Some(Err(_)) | None => Error::StationEnded("a task"),
        }
    }

    /// Ends all: what they hold, the control socket's file among it, is given up.
    pub(super) async fn end(mut self) {
        // One that hangs does not keep the process.
        let _ = tokio::time::timeout(LAST, self.0.shutdown()).await;
    }

    /// Waits until `name` has ended, or none is left.
    async fn end_of(&mut self, name: &'static str) {
        while let Some(ended) = self.0.join_next().await {
            if ended.is_ok_and(|(ended, _)| ended == name) {
                return;
            }
        }
    }
}

/// What it takes to leave.
pub(super) struct Node {
    pub(super) facts: watch::Sender<Facts>,
    pub(super) bound: watch::Receiver<BTreeSet<Vip>>,
    pub(super) speaker: SpeakerHandle,
    /// Aborting it ends the changes of the configuration.
    pub(super) live: AbortHandle,
    pub(super) lease: Option<Lease>,
    /// Without election: aborting it ends the flow from this node's fitness to the facts.
    pub(super) gate: Option<AbortHandle>,
    /// Where Elastic IPs take the place of BGP: what is known of them.
    pub(super) moves: Option<watch::Receiver<Moves>>,
}

/// The election, as far as leaving is concerned.
pub(super) struct Lease {
    pub(super) releaser: Releaser,
    /// Dropping it ends the flow from the election to the facts.
    pub(super) follow: AbortHandle,
    /// How it stands.
    pub(super) leadership: watch::Receiver<Leadership>,
    /// And how it came to that.
    pub(super) story: watch::Receiver<Story>,
    /// Who else is fit to hold it, best first.
    pub(super) candidates: watch::Receiver<Vec<Candidate>>,
    /// Tells the other candidates that this one goes.
    pub(super) leaving: watch::Sender<bool>,
}

impl Lease {
    /// What there is to know of it.
    pub(super) fn election(&self) -> Election {
        let (leadership, story, candidates) = (self.leadership.clone(), self.story.clone(), self.candidates.clone());
        Election { leadership, story, candidates }
    }
}

impl Node {
    /// Hand the lease over where somebody is fit → graceful shutdown where it is set → withdraw → delivered → Cease →
    /// unbind → release the lease if it is still ours. Until the sessions end, the lease is renewed and the routes follow
    /// it: when it is lost, they go at once.
    pub(super) async fn drain(mut self, stations: &mut Stations) {
        self.live.abort();
        if let Some(lease) = &mut self.lease {
            lease.leaving.send_replace(true);
            tokio::select! {
                () = lease.releaser.hand_over() => {}
                () = sleep_until(now() + HANDOVER) => tracing::warn!("leaving without a successor: the handover takes too long"),
            }
        }
        let deadline = now() + GOODBYE;
        self.speaker.stop(LEAVING, deadline);
        tokio::select! {
            () = stations.end_of(SPEAKER) => {}
            // It cuts what is left at its deadline by itself; should it not, the end of this process does.
            () = sleep_until(deadline + self.speaker.graceful_shutdown() + UNBIND) => tracing::warn!("leaving sessions behind: they did not end in time"),
        }
        if let Some(lease) = &self.lease {
            lease.follow.abort();
        }
        if let Some(gate) = &self.gate {
            gate.abort();
        }
        self.facts.send_modify(|facts| {
            let twin = facts.standing == Standing::Follower(Holder::Twin);
            facts.standing = Standing::Follower(if twin { Holder::Twin } else { Holder::Elsewhere });
        });
        let twin = self.facts.borrow().standing == Standing::Follower(Holder::Twin);
        let count = u32::try_from(self.bound.borrow().len()).unwrap_or(u32::MAX);
        tokio::select! {
            _ = self.bound.wait_for(|bound| twin || bound.is_empty()) => {}
            () = sleep_until(now() + UNBIND + UNBIND_EACH * count) => tracing::warn!("leaving addresses behind: unbinding them took too long"),
        }
        if let Some(lease) = self.lease {
            lease.releaser.release(now() + RELEASE).await;
        }
        // The next holder need not wait for it: it takes the address from whoever has it.
        if let Some(moves) = &mut self.moves {
            tokio::select! {
                _ = moves.wait_for(|moves| moves.values().all(|moved| moved.here == Some(false))) => {}
                () = sleep_until(now() + GIVE_UP) => tracing::warn!("leaving an Elastic IP behind: giving it up took too long"),
            }
        }
    }
}
