//! From the configuration to the speaker, and what its sessions mean for the lease.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::sync::watch;

use super::Error;
use crate::announce::attributes;
use crate::bgp::{
    BfdSettings, Connect, Family, Hops, LocalEnd, NextHop, PeerHost, PeerKey, PeerSettings, PeerStatus, SpeakerConfig,
};
use crate::config::{self, Config, LeaseConfig, PeerConfig, ROUTER_SLACK, Source};

/// TTL towards a multihop peer: kube-vip's.
const TTL_MULTIHOP: u8 = 50;
/// The shortest hold time there is, in seconds (RFC 4271 §4.2).
const SHORTEST_HOLD: u64 = 3;

/// The speaker's configuration.
pub(super) fn settings(config: &Config, router_id: Ipv4Addr) -> SpeakerConfig {
    let vips: Vec<IpAddr> = config.vips.iter().map(|vip| vip.address()).collect();
    SpeakerConfig {
        local_as: config.bgp.local_as,
        router_id,
        hold_time: config.bgp.hold_time,
        keepalive: config.bgp.keepalive,
        listen_port: config.bgp.listen_port,
        peers: config.bgp.peers.iter().map(|peer| peer_settings(peer, &vips)).collect(),
    }
}

fn peer_settings(peer: &PeerConfig, vips: &[IpAddr]) -> PeerSettings {
    let families = [(peer.ipv4, Family::Ipv4Unicast), (peer.ipv6, Family::Ipv6Unicast)];
    PeerSettings {
        description: peer.description.clone(),
        password: peer.password.clone(),
        hops: match peer.hops {
            config::Hops::Default => Hops::Default,
            config::Hops::Multihop => Hops::Multihop(TTL_MULTIHOP),
            config::Hops::Security(hops) => Hops::Security(hops),
        },
        connect: match peer.connect {
            config::Connect::Active => Connect::Active,
            config::Connect::Passive => Connect::Passive,
            config::Connect::Both => Connect::Both,
        },
        source: match &peer.source {
            Source::Any => LocalEnd::Any,
            Source::Address(address) => LocalEnd::Address(*address),
            Source::Interface(name) => LocalEnd::Interface(name.clone()),
        },
        avoid_source: vips.to_vec(),
        families: families.into_iter().filter_map(|(offered, family)| offered.then_some(family)).collect(),
        require_families: peer.require_families,
        extended_next_hop: peer.extended_next_hop,
        next_hop_v4: peer.next_hop_v4.map_or(NextHop::Own, NextHop::Fixed),
        next_hop_v6: peer.next_hop_v6.map_or(NextHop::Own, NextHop::Fixed),
        attributes: attributes(&peer.attributes),
        bfd: peer.bfd.map(|bfd| BfdSettings { tx: bfd.tx, rx: bfd.rx, multiplier: bfd.multiplier, strict: bfd.strict }),
        shutdown_text: peer.shutdown_text.clone(),
        graceful_shutdown: peer.graceful_shutdown,
        ..PeerSettings::new(peer_host(&peer.host), peer.port, peer.asn)
    }
}

pub(super) fn peer_host(host: &config::PeerHost) -> PeerHost {
    match host {
        config::PeerHost::Address(address) => PeerHost::Address(*address),
        config::PeerHost::Interface(name) => PeerHost::Interface(name.clone()),
    }
}

/// Says once a peer when its hold time keeps a dead holder's route longer than the next holder waits, and only metrics
/// that it may not compare move the traffic.
pub(super) fn warn_of_long_holds(
    status: watch::Receiver<BTreeMap<PeerKey, PeerStatus>>,
    lease: LeaseConfig,
    config: &Config,
) -> impl Future<Output = Result<(), Error>> + Send + use<> {
    let by_path = config.bgp.as_path_fence.is_some();
    warn_of_holds(status, move |hold_time| stale(hold_time, &lease).filter(|_| hold_time.is_none() || !by_path))
}

async fn warn_of_holds(
    mut status: watch::Receiver<BTreeMap<PeerKey, PeerStatus>>,
    wrong: impl Fn(Option<Duration>) -> Option<String> + Send,
) -> Result<(), Error> {
    let mut warned: BTreeSet<PeerKey> = BTreeSet::new();
    loop {
        warned.retain(|peer| status.borrow().contains_key(peer));
        for (peer, status) in &*status.borrow_and_update() {
            let Some(negotiated) = status.negotiated.as_ref().filter(|_| status.established()) else { continue };
            let Some(text) = wrong(negotiated.hold_time) else { continue };
            if warned.insert(peer.clone()) {
                tracing::warn!(%peer, "{text}");
            }
        }
        if status.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// The longest time for which a router may keep our routes after we fell silent.
pub(super) async fn follow_stale_bound(
    mut status: watch::Receiver<BTreeMap<PeerKey, PeerStatus>>,
    bound: watch::Sender<Duration>,
) -> Result<(), Error> {
    let mut longest = None;
    loop {
        let holds = negotiated(&status.borrow_and_update());
        longest = longest.max(holds.into_iter().map(stale_bound).max());
        bound.send_if_modified(|known| longest.is_some_and(|longest| std::mem::replace(known, longest) != longest));
        if status.changed().await.is_err() {
            return Ok(());
        }
    }
}

fn negotiated(board: &BTreeMap<PeerKey, PeerStatus>) -> Vec<Option<Duration>> {
    let up = board.values().filter(|status| status.established());
    up.filter_map(|status| Some(status.negotiated.as_ref()?.hold_time)).collect()
}

/// How long a router may keep the routes of a silent peer at this hold time; `None` or zero: for ever, or as good as.
pub(super) fn stale_bound(hold_time: Option<Duration>) -> Duration {
    let hold = hold_time.filter(|hold| !hold.is_zero());
    hold.map_or(Duration::from_secs(u32::MAX.into()), |hold| hold * ROUTER_SLACK)
}

/// What is wrong with this hold time under this lease, if anything.
fn stale(hold_time: Option<Duration>, lease: &LeaseConfig) -> Option<String> {
    let takeover = lease.duration.saturating_sub(lease.retry_period);
    let Some(hold) = hold_time else {
        return Some(
            "hold time 0 was negotiated: this router never clears the route of a holder that was cut off; only the \
             lower MED of the next holder moves the traffic"
                .to_owned(),
        );
    };
    let bound = hold * ROUTER_SLACK;
    let fitting = (takeover / ROUTER_SLACK).as_secs();
    let remedy = match fitting {
        0..SHORTEST_HOLD => "give the lease a longer duration".to_owned(),
        _ => format!("set --bgpHoldTimer (bgp_hold_time) to {fitting} or less"),
    };
    (bound > takeover).then(|| {
        format!(
            "a holder that is cut off stays in this router's table for {} to {} s (hold time {} s), longer than the {} s \
             after which another node takes the lease; until then only the lower MED of the next holder moves the \
             traffic: {remedy} if this router does not compare MED",
            hold.as_secs(),
            bound.as_secs(),
            hold.as_secs(),
            takeover.as_secs(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease() -> LeaseConfig {
        LeaseConfig {
            name: "plndr-cp-lock".to_owned(),
            namespace: "kube-system".to_owned(),
            duration: Duration::from_secs(5),
            renew_deadline: Duration::from_secs(3),
            retry_period: Duration::from_secs(1),
        }
    }

    #[test]
    fn routers_keep_routes_for_twice_the_hold_time_and_without_one_for_ever() {
        let bounds = [Some(9), Some(0), None].map(|hold| stale_bound(hold.map(Duration::from_secs)).as_secs());
        assert_eq!(bounds, [18, u64::from(u32::MAX), u64::from(u32::MAX)]);
    }

    #[test]
    fn a_stale_bound_beyond_lease_minus_retry_is_named_with_its_seconds() {
        let long = LeaseConfig { duration: Duration::from_secs(15), ..lease() };
        assert_eq!(stale(Some(Duration::from_secs(7)), &long), None);
        assert_eq!(
            stale(Some(Duration::from_secs(9)), &long).as_deref(),
            Some(
                "a holder that is cut off stays in this router's table for 9 to 18 s (hold time 9 s), longer than the \
                 14 s after which another node takes the lease; until then only the lower MED of the next holder moves \
                 the traffic: set --bgpHoldTimer (bgp_hold_time) to 7 or less if this router does not compare MED"
            )
        );
        let short = stale(Some(Duration::from_secs(3)), &lease());
        assert!(short.is_some_and(|text| text.contains("give the lease a longer duration")));
        assert!(stale(None, &lease()).is_some_and(|text| text.starts_with("hold time 0")));
    }
}
