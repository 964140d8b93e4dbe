//! What happens when: how long a virtual IP is silent at worst after each failure, by the configuration alone.
//!
//! Each figure is for one failure at a time, with another node that is fit and an API server that answers it, and for
//! routers that take the timers offered. Of several peers the one that is slowest counts.

use std::fmt;
use std::time::Duration;

use super::{Config, LeaseConfig, PeerConfig};

/// Routers clear a silent peer's routes after up to twice the hold time (BIRD 2.0.12 needs 5.8 s at 3 s).
pub const ROUTER_SLACK: u32 = 2;
/// From when a node may take the lease to the router's use of its route: a write to the API, an address, an UPDATE.
const TAKE_OVER: Duration = Duration::from_millis(300);
/// What a router takes to turn to another path after a session ended.
const TURN: Duration = Duration::from_millis(100);
/// From the loss of the last session to the successor's route: the blip that is not minded, an offer, a take-over.
const HAND_OVER: Duration = Duration::from_millis(1600);
/// How long before its entitlement ends a holder that is not renewed withdraws.
const WITHDRAWN_BEFORE: Duration = Duration::from_millis(250);

/// What may happen to the node that serves the virtual IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// SIGTERM: a restart, an upgrade, a drain.
    Stopped,
    /// SIGKILL, a crash.
    Killed,
    /// SIGSTOP: the process stands still, its kernel goes on.
    Frozen,
    /// No packet gets in or out, with carrier or without; no power.
    CutOff,
    /// The uplink has lost its carrier; the API is in reach.
    NoCarrier,
    /// The uplink passes no packets and keeps its carrier; the API is in reach.
    UplinkSilent,
    /// The API is out of its reach, the routers are not.
    ApiLost,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stopped => "vipcast stopped (SIGTERM)",
            Self::Killed => "vipcast killed",
            Self::Frozen => "vipcast frozen",
            Self::CutOff => "node cut off or without power",
            Self::NoCarrier => "uplink without carrier, API in reach",
            Self::UplinkSilent => "uplink silently lost, API in reach",
            Self::ApiLost => "API out of the holder's reach",
        })
    }
}

/// How long the virtual IP is silent at worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outage {
    /// At most so long.
    AtMost(Duration),
    /// No timer ends it.
    Unbounded,
}

impl Outage {
    fn plus(self, more: Duration) -> Self {
        match self {
            Self::AtMost(time) => Self::AtMost(time + more),
            Self::Unbounded => Self::Unbounded,
        }
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(Duration::ZERO) => f.pad("none"),
            Self::AtMost(time) => f.pad(&seconds(*time)),
            Self::Unbounded => f.pad("unbounded"),
        }
    }
}

/// One failure and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prospect {
    /// What happens.
    pub failure: Failure,
    /// The longest silence.
    pub worst: Outage,
    /// How it ends, in one sentence.
    pub how: String,
}

/// Who notices a dead path by what, and after how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub after: Outage,
    pub by: String,
}

/// How a router notices that we are gone.
pub(super) fn by_router(peer: &PeerConfig, hold: Duration) -> Notice {
    let bfd = peer.bfd.map(|bfd| (bfd.tx, bfd.multiplier));
    notice(bfd, hold, ROUTER_SLACK)
}

/// How we notice that a router does not hear us, where it sends BFD packets as often as we take them and as many may
/// be lost as of ours.
pub(super) fn by_us(peer: &PeerConfig, hold: Duration) -> Notice {
    let bfd = peer.bfd.map(|bfd| (bfd.rx, bfd.multiplier));
    notice(bfd, hold, 1)
}

fn notice(bfd: Option<(Duration, u8)>, hold: Duration, slack: u32) -> Notice {
    let timer = (!hold.is_zero()).then_some(hold * slack);
    let bfd = bfd.map(|(interval, multiplier)| (interval * u32::from(multiplier), interval, multiplier));
    match (bfd, timer) {
        (Some((after, interval, multiplier)), timer) if timer.is_none_or(|timer| after < timer) => {
            let by = format!("BFD ({multiplier} x {})", seconds(interval));
            Notice { after: Outage::AtMost(after), by }
        }
        (_, Some(after)) => {
            let times = if slack == 1 { "" } else { "twice " };
            Notice { after: Outage::AtMost(after), by: format!("{times}the hold time of {}", seconds(hold)) }
        }
        (_, None) => Notice { after: Outage::Unbounded, by: "nothing (hold time 0, no BFD)".to_owned() },
    }
}

/// Whether a later holder's route beats an earlier one's at this peer, of every virtual IP.
fn is_fenced(config: &Config, peer: &PeerConfig) -> bool {
    let given = || config.vip_attributes.values().chain([&peer.attributes]);
    let med = given().any(|attributes| attributes.med.is_some());
    let local_pref = given().any(|attributes| attributes.local_pref.is_some());
    // Inside an AS LOCAL_PREF rises as well.
    let internal = peer.asn == Some(config.bgp.local_as);
    !med || (internal && !local_pref)
}

/// What happens when, in the order of [`Failure`]'s variants; only those that can happen.
#[must_use]
pub fn outlook(config: &Config) -> Vec<Prospect> {
    let slowest = |of: fn(&PeerConfig, Duration) -> Notice| {
        let notices = config.bgp.peers.iter().map(|peer| of(peer, config.bgp.hold_time));
        notices.max_by_key(|notice| notice.after)
    };
    // There is a peer: nothing is announced to nobody.
    let (Some(routers), Some(ours)) = (slowest(by_router), slowest(by_us)) else { return Vec::new() };
    match &config.election {
        None => anycast(&routers),
        Some(lease) => {
            let exposed = config.bgp.peers.iter().filter(|peer| !is_fenced(config, peer));
            let exposed = exposed
                .map(|peer| (peer.name(), by_router(peer, config.bgp.hold_time)))
                .max_by_key(|(_, notice)| notice.after);
            Holder { lease, ours, exposed }.outlook()
        }
    }
}

fn anycast(routers: &Notice) -> Vec<Prospect> {
    let gone = format!("the routers notice by {} and go on with the other nodes", routers.by);
    let at_once = "the routers go on with the other nodes";
    let silent = routers.after.plus(TURN);
    let row = |failure, worst, how: &str| Prospect { failure, worst, how: how.to_owned() };
    vec![
        row(Failure::Stopped, Outage::AtMost(Duration::ZERO), "withdrawn while the address still answers"),
        row(Failure::Killed, Outage::AtMost(TURN), &format!("its sessions close at once; {at_once}")),
        row(Failure::Frozen, silent, &gone),
        row(Failure::CutOff, silent, &gone),
        row(Failure::NoCarrier, silent, &gone),
        row(Failure::UplinkSilent, silent, &gone),
    ]
}

/// One node announces, the one that holds the lease.
struct Holder<'a> {
    lease: &'a LeaseConfig,
    /// How the holder notices that no router hears it.
    ours: Notice,
    /// The peer where a later holder's route does not win by itself and a dead one's stands longest.
    exposed: Option<(String, Notice)>,
}

impl Holder<'_> {
    fn outlook(&self) -> Vec<Prospect> {
        let LeaseConfig { duration, renew_deadline, .. } = *self.lease;
        let expiry = Outage::AtMost(duration + TAKE_OVER);
        let lease = format!("another node takes the lease {} after its last renewal", seconds(duration));
        let unheard = self.ours.after.plus(HAND_OVER);
        let row = |failure, worst, how: String| Prospect { failure, worst, how };
        let handed = "the lease is handed to a node that routers hear";
        let api = duration.saturating_sub(renew_deadline) + WITHDRAWN_BEFORE + TAKE_OVER;
        vec![
            row(
                Failure::Stopped,
                Outage::AtMost(Duration::ZERO),
                "the next node announces before this one withdraws, where another vipcast is fit".to_owned(),
            ),
            row(Failure::Killed, expiry, format!("its sessions close at once; {lease}")),
            self.stale(Failure::Frozen, expiry, &lease),
            self.stale(Failure::CutOff, expiry, &lease),
            self.stale(Failure::NoCarrier, Outage::AtMost(HAND_OVER), handed),
            self.stale(Failure::UplinkSilent, unheard, &format!("noticed by {}, then {handed}", self.ours.by)),
            row(
                Failure::ApiLost,
                Outage::AtMost(api),
                format!("it withdraws {} after its last renewal; {lease}", seconds(renew_deadline)),
            ),
        ]
    }

    /// A failure after which the routers still have the old holder's route.
    fn stale(&self, failure: Failure, worst: Outage, how: &str) -> Prospect {
        match &self.exposed {
            None => Prospect { failure, worst, how: format!("{how}; its later MED wins over the dead route") },
            Some((peer, notice)) => Prospect {
                failure,
                worst: worst.max(notice.after.plus(TURN)),
                how: format!("{how}; {peer} has a fixed MED and keeps the dead route until {} ended it", notice.by),
            },
        }
    }
}

/// The outlook as lines of text: failure, worst case, how.
#[must_use]
pub fn outlook_table(rows: &[Prospect]) -> String {
    let mut text = format!("{:38} {:>10}  {}\n", "what happens when", "silent for", "how it ends");
    for Prospect { failure, worst, how } in rows {
        text.push_str(&format!("{failure:38} {worst:>10}  {how}\n"));
    }
    text
}

/// Seconds with as many digits as they have, to the millisecond.
pub(super) fn seconds(time: Duration) -> String {
    format!("{} s", f64::from(u32::try_from(time.as_millis()).unwrap_or(u32::MAX)) / 1000.0)
}

#[cfg(test)]
mod tests;
