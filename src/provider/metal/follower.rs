//! Follows what the API says of this node's neighbours.

use std::time::Duration;

use super::{Metal, answers::SOURCE, pause};
use crate::clock::{now, sleep_until};
use crate::config::{Config, ProviderConfig};
use crate::provider::board::Board;

/// How often it is asked while all is well.
const EVERY: Duration = Duration::from_secs(120);
/// Whose troubles they are.
const METAL: &str = "Equinix Metal";

/// One that has not asked yet.
#[derive(Debug)]
pub(in crate::provider) struct Follower {
    metal: Metal,
}

impl Follower {
    /// `None`: it is not the provider.
    pub(in crate::provider) fn new(config: &Config) -> Option<Self> {
        match &config.provider {
            Some(ProviderConfig::Metal(metal)) => Some(Self { metal: Metal::new(metal.clone()) }),
            Some(ProviderConfig::Annotations { .. }) | None => None,
        }
    }

    /// Asks for ever. What was said last holds while the API does not answer.
    pub(in crate::provider) async fn run(mut self, board: Board) {
        board.change(|told| told.trouble(METAL, vec![format!("{SOURCE} has not answered yet")]));
        let mut failures = 0;
        loop {
            let rest = match self.metal.neighbors().await {
                Ok(provided) => {
                    failures = 0;
                    board.change(|told| told.provided(METAL, Ok(provided)));
                    EVERY
                }
                Err(fault) => {
                    failures += 1;
                    let wrong = vec![format!("failed to {fault}")];
                    board.change(|told| told.provided(METAL, Err(wrong)));
                    pause(fault.again, failures)
                }
            };
            sleep_until(now() + rest).await;
        }
    }
}
