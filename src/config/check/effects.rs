//! What is set for single peers and virtual IPs and does nothing, or does what may not be meant.

use std::time::Duration;

use super::reader::Reader;
use super::tuning::VipOptions;
use crate::config::file::PlacedSetting;
use crate::config::items::{Item, Settings};
use crate::config::options::{BGP_PEER_OPTIONS, HOLD_TIME, LEADER_ELECTION};
use crate::config::scalar::{decimal, go_bool};
use crate::config::{PeerConfig, Place, ROUTER_SLACK};

/// What Kubernetes gives a pod to end, unless told otherwise.
const GRACE_PERIOD: Duration = Duration::from_secs(30);
/// What leaving takes besides the draining: 15 s for a handover at most, and the rest.
const LEAVING: Duration = Duration::from_secs(20);

/// What is set together, and for whom.
pub(super) struct Group<'a> {
    /// The option, or the place in a file.
    subject: String,
    /// What begins a sentence about it: the selector of an item, with a colon and a space.
    prefix: String,
    settings: Settings,
    /// The peers that are meant; empty where it is for virtual IPs.
    pub peers: Vec<&'a PeerConfig>,
}

impl Group<'_> {
    /// An item of the option that is called `subject`.
    pub(super) fn of(subject: &str, item: &Item<'_>) -> Self {
        let prefix = format!("{:?}: ", item.selector);
        Self { subject: subject.to_owned(), prefix, settings: item.settings.clone(), peers: Vec::new() }
    }

    /// Settings of a file.
    pub(super) fn filed(place: &Place, settings: &[PlacedSetting]) -> Self {
        let settings = settings.iter().map(|(_, key, setting)| (*key, setting.clone())).collect();
        Self { subject: place.to_string(), prefix: String::new(), settings, peers: Vec::new() }
    }
}

/// Warns of the settings of peers.
pub(super) fn of_peers(r: &mut Reader<'_>, groups: &[Group<'_>], peers: &[PeerConfig], local_as: Option<u32>) {
    groups.iter().for_each(|group| idle(r, group, &group.peers, local_as));
    groups.iter().for_each(|group| fence(r, group, &group.peers, local_as));
    draining(r, peers);
}

/// Warns of the settings of virtual IPs, which all peers hear of.
pub(super) fn of_vips(r: &mut Reader<'_>, options: &VipOptions, peers: &[PeerConfig], local_as: Option<u32>) {
    let all: Vec<&PeerConfig> = peers.iter().collect();
    for group in &options.groups {
        idle(r, group, &all, local_as);
        fence(r, group, &all, local_as);
    }
}

fn is_ibgp(peer: &PeerConfig, local_as: Option<u32>) -> bool {
    peer.asn.is_some() && peer.asn == local_as
}

/// Warns of settings that reach none of the peers an item is for.
fn idle(r: &mut Reader<'_>, group: &Group<'_>, peers: &[&PeerConfig], local_as: Option<u32>) {
    let Group { subject, prefix, settings, .. } = group;
    let is_v6 = |peer: &&PeerConfig| peer.host.address().is_none_or(|address| address.is_ipv6());
    let idle = [
        ("local-pref", peers.iter().any(|peer| is_ibgp(peer, local_as)), "a peer in our own AS"),
        ("prepend", !peers.iter().all(|peer| is_ibgp(peer, local_as)), "a peer in another AS"),
        ("extended-next-hop", peers.iter().any(is_v6), "a session over IPv6"),
    ];
    for (key, _, whom) in idle.into_iter().filter(|(key, works, _)| settings.contains_key(key) && !works) {
        r.warn_at(subject.clone(), format!("{prefix}{key} has no effect but on {whom}"));
    }
}

/// Warns of metrics that take the place of the fence's.
fn fence(r: &mut Reader<'_>, group: &Group<'_>, peers: &[&PeerConfig], local_as: Option<u32>) {
    let Group { subject, prefix, settings, .. } = group;
    if go_bool(r.raw.get(&LEADER_ELECTION).text) != Some(true) {
        return;
    }
    let twice = decimal(r.raw.get(&HOLD_TIME).text).unwrap_or_default() * u64::from(ROUTER_SLACK);
    let ended = if twice == 0 { "for good".to_owned() } else { format!("up to {twice} s") };
    let works = [("med", true), ("local-pref", peers.iter().any(|peer| is_ibgp(peer, local_as)))];
    for (key, _) in works.into_iter().filter(|(key, works)| *works && settings.contains_key(key)) {
        r.warn_at(
            subject.clone(),
            format!(
                "{prefix}{key} takes the place of the one that falls or rises with each holder of the lease, so a \
                 router may stay with the route of a holder that died until its hold time is over, {ended}"
            ),
        );
    }
}

/// Warns once of a drain that the kubelet cuts short unless it is told.
fn draining(r: &mut Reader<'_>, peers: &[PeerConfig]) {
    let longest = peers.iter().filter_map(|peer| peer.graceful_shutdown).max().unwrap_or_default();
    if longest + LEAVING > GRACE_PERIOD {
        let (millis, least) = (longest.as_millis(), (longest + LEAVING).as_millis().div_ceil(1000));
        r.warn(
            &BGP_PEER_OPTIONS,
            format!(
                "graceful-shutdown={millis}: in a pod terminationGracePeriodSeconds ({} by default) must be {least} or \
                 more, or the kubelet kills vipcast before it has left",
                GRACE_PERIOD.as_secs()
            ),
        );
    }
}
