//! The composition root: builds the stations, hands them each other's `watch` ends, waits, and drains.

mod chronicle;
mod cordon;
mod desk;
mod draining;
mod elastic;
mod fitness;
mod inspect;
mod live;
mod passwords;
mod report;
mod speaking;
mod standing;
mod stations;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::watch;

use crate::announce::{Announcer, Moves};
use crate::bgp::{Speaker, SpeakerHandle};
use crate::clock::now;
use crate::config::{Config, PeerConfig};
use crate::control::Server;
use crate::election::Condition;
use crate::health::Health;
use crate::net::{Addresses, Identity, router_id};
use crate::provider::{self, Told};
use crate::shutdown::{HangUps, Signals};
use crate::vip::{Facts, Standing, Vip};
use chronicle::Election;
use desk::Desk;
use draining::Switch;
pub use inspect::{Check, Inspection, Verdict};
pub use live::Remake;
use live::{Live, Loaded};
pub use passwords::read_password_file;
use stations::{Lease, Node, SPEAKER, Stations};
use waiting::WaitingDesk;

/// Why the daemon could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("failed to {0}")]
    Net(#[from] crate::net::Error),
    #[error("failed to start the BGP speaker: {0}")]
    Bgp(#[from] crate::bgp::Error),
    #[error("failed to start: {0}")]
    Io(#[from] std::io::Error),
    #[error(
        "failed to find a router ID: this host has neither an IPv4 nor a global IPv6 address besides the VIPs; \
         set --bgpRouterID (bgp_routerid)"
    )]
    NoRouterId,
    #[error(
        "failed to find a router ID: {name:?}, which bgp_routerinterface names, has no IPv4 address; set bgp_routerid"
    )]
    NoRouterInterface { name: String },
    #[error("failed to go on: {0} ended by itself; this is a defect of vipcast")]
    StationEnded(&'static str),
}

/// Runs the daemon until a signal ends it. `remake`: how the configuration is made anew while it runs.
#[must_use]
pub fn run(config: Config, remake: Remake) -> ExitCode {
    // Two workers: one task that hangs leaves the other to withdraw; should both hang, the watchdog thread cuts.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = runtime.map_err(Error::Io).and_then(|runtime| {
        let result = runtime.block_on(daemon(config, remake));
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

async fn daemon(config: Config, remake: Remake) -> Result<(), Error> {
    let mut signals = Signals::new()?;
    let hang_ups = HangUps::new()?;
    let mut stations = Stations::default();
    if let Some(port) = config.health_port {
        stations.spawn("/healthz", async move {
            crate::http::healthz(port).await;
            Ok(())
        });
    }
    let vips = watch::Sender::new(addresses(&config));
    let (config, told) = tokio::select! {
        learned = learn(config, &remake, vips.subscribe(), &mut stations) => learned,
        signal = signals.next() => {
            tracing::info!(signal, "leaving: nothing was announced or bound yet");
            stations.end().await;
            return Ok(());
        }
    };
    let node = build(config, Source { remake, told, hang_ups, vips }, &mut stations).await?;
    let ended = tokio::select! {
        signal = signals.next() => {
            tracing::info!(signal, "leaving in good order; a second signal exits at once");
            Ok(())
        }
        error = stations.ended() => {
            tracing::error!("{error}");
            Err(error)
        }
        () = crate::shutdown::hang_on_demand() => Ok(()),
        () = die_as_holder(node.facts.subscribe()) => Ok(()),
    };
    tokio::spawn(signals.exit_at_next());
    node.drain(&mut stations).await;
    stations.end().await;
    tracing::info!("left");
    ended
}

/// The configuration to begin with: where something of it is learned while running, once that is there; and where more
/// of that will be. Meanwhile the control socket says what is waited for.
async fn learn(
    config: Config,
    remake: &Remake,
    vips: watch::Receiver<Vec<IpAddr>>,
    stations: &mut Stations,
) -> (Config, watch::Receiver<Told>) {
    let (providers, mut told) = provider::watch(&config, vips);
    if !config.is_learned() {
        return (config, told);
    }
    stations.spawn("the providers", async move {
        providers.await;
        Ok(())
    });
    let (lacks, lacks_rx) = watch::channel(String::new());
    let desk = WaitingDesk::new(&config, lacks_rx);
    let answer = async {
        if let Some(path) = config.control_socket.clone() {
            Server::new(path, Arc::new(desk)).run().await;
        }
        std::future::pending::<()>().await;
    };
    let config = tokio::select! {
        config = waiting::complete(remake, &mut told, &lacks) => config,
        () = answer => config,
    };
    (config, told)
}

/// Test builds: once that is demanded, the process is gone the moment it becomes the holder.
async fn die_as_holder(mut facts: watch::Receiver<Facts>) {
    crate::shutdown::death_on_demand().await;
    let _ = facts.wait_for(|facts| matches!(facts.standing, Standing::Holder { .. })).await;
    crate::shutdown::die()
}

/// What this node is about to do, in one line.
fn announce_start(config: &Config, interface: &str, router_id: Ipv4Addr) {
    let list = |items: Vec<String>| items.join(",");
    let election = match &config.election {
        Some(lease) => format!("lease {}/{}", lease.namespace, lease.name),
        None => "none: every node announces".to_owned(),
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        node = config.node_name,
        vips = list(config.vips.iter().map(ToString::to_string).collect()),
        interface,
        local_as = config.bgp.local_as,
        %router_id,
        peers = list(config.bgp.peers.iter().map(PeerConfig::name).collect()),
        election,
        health_check = config.health.as_ref().map_or_else(|| "off".to_owned(), |check| check.target.url()),
        "starting"
    );
}

/// Where another configuration comes from.
struct Source {
    remake: Remake,
    told: watch::Receiver<Told>,
    hang_ups: HangUps,
    /// The VIPs, for those that must not call through them.
    vips: watch::Sender<Vec<IpAddr>>,
}

/// The IPv4 address of an interface that the configuration names for our BGP Identifier.
async fn router_interface(addresses: &Addresses, name: &str, vips: &[IpAddr]) -> Result<Ipv4Addr, Error> {
    let found = addresses.ipv4_of(name, vips).await?;
    found.ok_or_else(|| Error::NoRouterInterface { name: name.to_owned() })
}

/// Builds all stations and starts them.
async fn build(config: Config, source: Source, stations: &mut Stations) -> Result<Node, Error> {
    let Source { remake, told, hang_ups, vips: vips_tx } = source;
    let vips = addresses(&config);
    vips_tx.send_replace(vips.clone());
    let addresses = Addresses::new(config.interface.as_deref()).await?;
    let leftover: BTreeSet<Vip> =
        addresses.leftovers(&vips.iter().copied().collect()).await?.into_iter().map(Vip::new).collect();
    let id = identify(&config, &addresses, &vips).await?;
    announce_start(&config, addresses.interface(), id);

    let (facts, facts_rx) = watch::channel(standing::facts(&config));
    let (speaker, handle) = Speaker::new(speaking::settings(&config, id))?;
    let (announcer, routes, bound) = Announcer::new(addresses, leftover, facts_rx, handle.status());
    let failures = announcer.failures();
    stations.spawn("the announcer", async move { announcer.run().await.map_err(Error::Io) });
    stations.spawn(SPEAKER, async move { speaker.run(routes).await.map_err(Error::Bgp) });
    let moves = config.eip.clone().map(|metal| elastic::start(stations, metal, &facts, &bound));
    let (current, current_rx) = watch::channel(config.clone());
    stations.spawn("the watch over password files", passwords::follow(current_rx, handle.clone()));
    let switch = Switch::new(config.control_socket.as_deref());
    let drained = watch::Sender::new(switch.drains().borrow().is_carried_out);
    let (condition, health) = fitness::watch(stations, &config, handle.status(), drained.subscribe())?;
    let lease = config.election.clone().map(|lease| {
        stations
            .spawn("the watch over hold times", speaking::warn_of_long_holds(handle.status(), lease.clone(), &config));
        let (bound, peers, condition) = (bound.clone(), handle.status(), condition.clone());
        let vips = vips_tx.subscribe();
        let announcements = standing::Announcements { condition, vips, bound, peers, moves: moves.clone() };
        standing::stand(stations, &config, lease, facts.clone(), announcements)
    });
    let fail_open = config.health.as_ref().is_some_and(|check| check.fail_open);
    let gate = config.election.is_none().then(|| standing::gate(condition.clone(), fail_open, facts.clone()));
    stations.spawn("draining", draining::carry_out(switch.drains(), handle.clone(), drained));
    cordon::watch(stations, &config, vips_tx.subscribe(), switch.drains());
    let leadership = lease.as_ref().map(Lease::election);
    let loaded = watch::Sender::new(Loaded::first(now()));
    let read = Ends {
        leadership,
        condition,
        health,
        failures,
        facts: facts.subscribe(),
        bound: bound.clone(),
        moves: moves.clone(),
        loaded: loaded.subscribe(),
    };
    open_desk(&config, stations, read, &handle, switch);
    let changed = live::Ends {
        speaker: handle.clone(),
        facts: facts.clone(),
        vips: vips_tx,
        bound: bound.clone(),
        current,
        loaded,
    };
    let live = Live::new(remake, told, hang_ups, (config, id), changed);
    let live = stations.spawn("the watch over the configuration", live.run());
    Ok(Node { facts, bound, speaker: handle, live, lease, gate, moves })
}

/// Our BGP Identifier.
async fn identify(config: &Config, addresses: &Addresses, vips: &[IpAddr]) -> Result<Ipv4Addr, Error> {
    let peers: Vec<IpAddr> = config.bgp.peers.iter().filter_map(|peer| peer.host.address()).collect();
    let identity = Identity::find(&peers, &addresses.all().await?, vips);
    // Where there are no sessions nobody sees it.
    let unseen = config.eip.as_ref().map(|_| Ipv4Addr::LOCALHOST);
    let named = match &config.bgp.router_interface {
        Some(name) if config.bgp.router_id.is_none() => Some(router_interface(addresses, name, vips).await?),
        _ => config.bgp.router_id,
    };
    named.or_else(|| router_id(identity)).or(unseen).ok_or(Error::NoRouterId)
}

fn addresses(config: &Config) -> Vec<IpAddr> {
    config.vips.iter().map(|vip| vip.address()).collect()
}

/// What the control socket reads beside the speaker.
struct Ends {
    leadership: Option<Election>,
    condition: watch::Receiver<Condition>,
    health: watch::Receiver<Health>,
    failures: watch::Receiver<BTreeMap<Vip, String>>,
    facts: watch::Receiver<Facts>,
    bound: watch::Receiver<BTreeSet<Vip>>,
    moves: Option<watch::Receiver<Moves>>,
    loaded: watch::Receiver<Loaded>,
}

/// Keeps the chronicle and answers on the control socket.
fn open_desk(config: &Config, stations: &mut Stations, ends: Ends, speaker: &SpeakerHandle, switch: Switch) {
    let Ends { leadership, condition, health, failures, facts, bound, moves, loaded } = ends;
    let drains = switch.drains().subscribe();
    let sources = chronicle::Sources {
        election: leadership.clone(),
        condition: condition.clone(),
        bound: bound.clone(),
        peers: speaker.status(),
        drains: drains.clone(),
        loaded: loaded.clone(),
    };
    let (write, chronicle) = chronicle::begin();
    stations.spawn("the chronicle", chronicle::keep(sources, write));
    let Some(path) = config.control_socket.clone() else { return };
    let lease = config.election.as_ref().map(|lease| format!("{}/{}", lease.namespace, lease.name));
    let desk = Desk {
        node: config.node_name.clone(),
        started: now(),
        election: lease.zip(leadership),
        condition,
        health,
        failures,
        facts,
        bound,
        moves,
        speaker: speaker.clone(),
        loaded,
        drains,
        chronicle,
        switch,
    };
    let server = Server::new(path, Arc::new(desk));
    stations.spawn("the control socket", async move {
        server.run().await;
        Ok(())
    });
}
