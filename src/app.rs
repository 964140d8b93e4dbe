//! The composition root: builds the stations, hands them each other's `watch` ends, waits, and drains.

mod peers;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::announce::Announcer;
use crate::bgp::{Speaker, SpeakerHandle};
use crate::clock::{now, sleep_until};
use crate::config::{Config, LeaseConfig};
use crate::election::{Leadership, LeaseElection, LeaseHandle};
use crate::net::{Addresses, Identity, router_id};
use crate::shutdown::Signals;
use crate::vip::{Facts, Holder, Standing, Vip};

/// What peers are told when this node leaves in good order (RFC 9003).
const LEAVING: &str = "vipcast is shutting down on this node";
/// How long the end in good order may take: delivering withdrawals, saying goodbye, unbinding.
const DRAIN: Duration = Duration::from_secs(3);
/// How long releasing the lease may take after that; a lease not released expires by itself.
const RELEASE: Duration = Duration::from_secs(2);

/// Why the daemon could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("failed to {0}")]
    Net(#[from] crate::net::Error),
    #[error("failed to {0}")]
    Bgp(#[from] crate::bgp::Error),
    #[error("failed to start: {0}")]
    Io(#[from] std::io::Error),
    #[error(
        "failed to find a router ID: this host has neither an IPv4 nor a global IPv6 address besides the VIPs; \
         set --bgpRouterID (bgp_routerid)"
    )]
    NoRouterId,
    #[error("failed to go on: {0} ended by itself; this is a defect of vipcast")]
    StationEnded(&'static str),
}

/// Runs the daemon until a signal ends it.
#[must_use]
pub fn run(config: Config) -> ExitCode {
    // Two workers: one task that hangs leaves the other to withdraw; should both hang, the watchdog thread cuts.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = runtime.map_err(Error::Io).and_then(|runtime| {
        let result = runtime.block_on(daemon(config));
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn daemon(config: Config) -> Result<(), Error> {
    let mut signals = Signals::new()?;
    let vips: Vec<IpAddr> = config.vips.iter().map(|vip| vip.address()).collect();
    let addresses = Addresses::new(config.interface.as_deref()).await?;
    let leftover: BTreeSet<Vip> = addresses.leftovers(&vips).await?.into_iter().map(Vip::new).collect();
    let peer_addresses: Vec<IpAddr> = config.bgp.peers.iter().map(|peer| peer.address).collect();
    let identity = Identity::find(&peer_addresses, &addresses.all().await?, &vips);
    let id = config.bgp.router_id.or_else(|| router_id(identity)).ok_or(Error::NoRouterId)?;
    tracing::info!(node = config.node_name, interface = addresses.interface(), router_id = %id, "starting");

    let (facts, facts_rx) = watch::channel(Facts { vips: config.vips.clone(), standing: first(&config) });
    let (outstanding, outstanding_rx) = watch::channel(BTreeSet::new());
    let (announcer, routes, bound) = Announcer::new(addresses, leftover, facts_rx, outstanding_rx);
    let (speaker, speaker_handle) = Speaker::new(peers::speaker_config(&config, id, identity))?;

    let mut stations = Stations::default();
    stations.spawn("the announcer", async move { announcer.run().await.map_err(Error::Io) });
    stations.spawn("the BGP speaker", async move { Ok(speaker.run(routes).await) });
    stations.spawn("the peers' state", peers::follow(speaker_handle.statuses(), outstanding, config.election.clone()));
    let lease = config.election.clone().map(|lease| stand(&mut stations, &config, lease, facts.clone()));
    let node = Node { facts, bound, speaker: speaker_handle, lease };

    let ended = tokio::select! {
        signal = signals.next() => {
            tracing::info!(signal, "leaving in good order; a second signal exits at once");
            Ok(())
        }
        ended = stations.ended() => Err(ended),
    };
    tokio::spawn(signals.exit_at_next());
    node.drain().await;
    tracing::info!("left");
    ended
}
