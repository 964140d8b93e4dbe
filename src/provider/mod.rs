//! Who tells this node how to speak BGP while it runs, and what else its Node object says; and who moves an address.
//!
//! Each [`Provider`] runs for as long as the process does and publishes on one board: what is complete and good, which
//! stays until something better comes, and what is wrong or missing meanwhile.

pub mod annotations;
mod base64;
#[cfg(feature = "daemon")]
mod board;
pub mod metal;
#[cfg(feature = "daemon")]
mod node;

#[cfg(feature = "daemon")]
pub use board::Told;

#[cfg(feature = "daemon")]
use {crate::config::Config, board::Board, node::Follower, std::future::Future, std::net::IpAddr, tokio::sync::watch};

/// Somebody who tells.
#[cfg(feature = "daemon")]
#[derive(Debug)]
enum Provider {
    /// This node's Node object: its annotations, its labels or both.
    Node(Follower),
    /// The API of Equinix Metal.
    Metal(metal::Follower),
}

#[cfg(feature = "daemon")]
impl Provider {
    async fn run(self, board: Board) {
        match self {
            Self::Node(follower) => follower.run(board).await,
            Self::Metal(follower) => follower.run(board).await,
        }
    }
}

/// Whom this configuration wants to hear, as a task that never ends, and where that is seen. Nothing is asked before
/// the task runs. `vips`: the VIPs of now, which calls never go through.
#[cfg(feature = "daemon")]
pub fn watch(
    config: &Config,
    vips: watch::Receiver<Vec<IpAddr>>,
) -> (impl Future<Output = ()> + Send + use<>, watch::Receiver<Told>) {
    let (board, told) = Board::new();
    let metal = metal::Follower::new(config).map(Provider::Metal);
    let providers = [Follower::new(config, vips).map(Provider::Node), metal];
    let running = providers.into_iter().flatten().map(move |provider| provider.run(board.clone()));
    let running = futures::future::join_all(running.collect::<Vec<_>>());
    let run = async {
        running.await;
        std::future::pending().await
    };
    (run, told)
}
