//! Elastic IPs of Equinix Metal, for [`crate::announce::Mover`].

use std::collections::BTreeSet;
use std::net::IpAddr;

use tokio::sync::watch;

use super::Error;
use super::stations::Stations;
use crate::announce::eip::Assigned;
use crate::announce::{Assignments, Elastic, Mover, Moves, Trouble};
use crate::config::MetalConfig;
use crate::provider::metal::{Again, Assignment, Fault, Metal, pause};
use crate::vip::{Facts, Vip};

/// Starts the station; what is known of the addresses.
pub(super) fn start(
    stations: &mut Stations,
    metal: MetalConfig,
    facts: &watch::Sender<Facts>,
    bound: &watch::Receiver<BTreeSet<Vip>>,
) -> watch::Receiver<Moves> {
    let (mover, moves) = Mover::new(Cloud::new(metal), facts.subscribe(), bound.clone());
    stations.spawn("the mover of Elastic IPs", async move { mover.run().await.map_err(Error::Io) });
    moves
}

/// The API, and how many calls in a row came to nothing.
#[derive(Debug)]
struct Cloud {
    metal: Metal,
    failures: u32,
}

impl Cloud {
    const fn new(config: MetalConfig) -> Self {
        Self { metal: Metal::new(config), failures: 0 }
    }

    fn count<T>(&mut self, result: Result<T, Fault>) -> Result<T, Trouble> {
        result.inspect(|_| self.failures = 0).map_err(|Fault { text, again, .. }| {
            self.failures = self.failures.saturating_add(1);
            let is_ordered = matches!(again, Again::After(_));
            Trouble { text, wait: pause(again, self.failures), is_ordered }
        })
    }

    async fn find(&mut self, addresses: &[IpAddr]) -> Result<Assignments, Fault> {
        let own = self.metal.device().await?.id;
        let found = self.metal.assignments(addresses).await?;
        let meaning = |assignment: Option<Assignment>| match assignment {
            None => Assigned::Nobody,
            Some(Assignment { id, device }) if device == own => Assigned::Here { id },
            Some(Assignment { id, device }) => Assigned::Elsewhere { id, device },
        };
        Ok(found.into_iter().map(|(address, assignment)| (address, assignment.map(meaning))).collect())
    }
}

impl Elastic for Cloud {
    async fn look(&mut self, addresses: &[IpAddr]) -> Result<Assignments, Trouble> {
        let found = self.find(addresses).await;
        self.count(found)
    }

    async fn attach(&mut self, address: IpAddr) -> Result<(), Trouble> {
        let done = self.metal.attach(address).await;
        self.count(done)
    }

    async fn detach(&mut self, id: &str) -> Result<(), Trouble> {
        let done = self.metal.detach(id).await;
        self.count(done)
    }
}
