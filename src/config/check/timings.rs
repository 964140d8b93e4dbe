//! Timers that contradict each other: what comes of them, in seconds.

use std::time::Duration;

use super::reader::Reader;
use crate::config::options::{BGP_PEER_OPTIONS, BGP_PEERS, HEALTH_PERIOD, HOLD_TIME, KEEPALIVE, LEASE_DURATION, Spec};
use crate::config::outlook::{Notice, Outage, by_check, by_router, by_us, seconds};
use crate::config::{BgpConfig, Config, Failure, HealthConfig, LeaseConfig, PeerConfig, outlook};

/// Warns of timers that do nothing, or that make a failure last.
pub(super) fn timings(r: &mut Reader<'_>, config: &Config) {
    keepalive(r, &config.bgp);
    config.bgp.peers.iter().for_each(|peer| bfd(r, peer, config.bgp.hold_time));
    if let Some(lease) = &config.election {
        hold(r, config, lease);
    }
    if let Some(health) = &config.health {
        checks(r, health);
    }
}

/// Checks that take so long that nobody means it.
fn checks(r: &mut Reader<'_>, health: &HealthConfig) {
    const LONG: Duration = Duration::from_secs(30);
    let longest = by_check(health);
    if longest > LONG {
        let HealthConfig { period, timeout, fall, .. } = health;
        r.warn(
            &HEALTH_PERIOD,
            format!(
                "a server that hangs is noticed after {} only, by {fall} checks every {} of {} each: worst case so long, and \
                 the virtual IP points at it; give a shorter period, or fewer failures",
                seconds(longest),
                seconds(*period),
                seconds(*timeout),
            ),
        );
    }
}

/// A third of the hold time is the longest there is.
fn keepalive(r: &mut Reader<'_>, bgp: &BgpConfig) {
    let longest = bgp.hold_time / 3;
    if bgp.keepalive > longest && !longest.is_zero() {
        let hold = r.name(&HOLD_TIME);
        let (given, hold_time, longest) = (seconds(bgp.keepalive), seconds(bgp.hold_time), seconds(longest));
        r.warn(
            &KEEPALIVE,
            format!("{given} is more than a third of the {hold_time} of {hold}: a KEEPALIVE is sent every {longest}"),
        );
    }
}

/// BFD that is slower than the hold time.
fn bfd(r: &mut Reader<'_>, peer: &PeerConfig, hold: Duration) {
    let Some(bfd) = peer.bfd.filter(|_| !hold.is_zero()) else { return };
    let multiplier = u32::from(bfd.multiplier);
    let (detection, name) = (bfd.tx.max(bfd.rx) * multiplier, peer.name());
    if detection >= hold {
        let hold_name = r.name(&HOLD_TIME);
        r.warn(
            spec_of_bfd(r),
            format!(
                "{name}: BFD notices a dead path after {} ({multiplier} x {}), no sooner than the {} of {hold_name}: worst \
                 case {} until this router is rid of a dead holder's route; give a shorter interval or a smaller multiplier",
                seconds(detection),
                seconds(bfd.tx.max(bfd.rx)),
                seconds(hold),
                by_router(peer, hold).after,
            ),
        );
    }
}

/// Where BFD most likely was given.
fn spec_of_bfd(r: &Reader<'_>) -> &'static Spec {
    if r.is_default(&BGP_PEER_OPTIONS) { &BGP_PEERS } else { &BGP_PEER_OPTIONS }
}

/// A silent uplink is noticed by BFD or the hold timer: one far longer than the lease is in the way of the lease.
fn hold(r: &mut Reader<'_>, config: &Config, lease: &LeaseConfig) {
    /// A hold time up to so many lease durations is not worth a word.
    const FAR: u32 = 2;
    if r.is_default(&HOLD_TIME) && r.is_default(&LEASE_DURATION) {
        return;
    }
    let notices = config.bgp.peers.iter().map(|peer| (peer.name(), by_us(peer, config.bgp.hold_time)));
    let slowest = notices.max_by_key(|(_, notice)| notice.after);
    let Some((name, Notice { after: after @ Outage::AtMost(_), by })) = slowest else { return };
    if after <= Outage::AtMost(lease.duration * FAR) {
        return;
    }
    let worst = outlook(config).into_iter().find(|row| row.failure == Failure::UplinkSilent);
    let worst = worst.map_or(after, |row| row.worst);
    let duration = lease.duration.as_secs();
    r.warn(
        &HOLD_TIME,
        format!(
            "{name}: an uplink that dies silently is noticed after {after}, by {by}, though the lease of {duration} s would \
             move sooner: worst case {worst} of silence; give this peer BFD, or a hold time of {} s or less",
            (duration * u64::from(FAR)).max(3),
        ),
    );
}
