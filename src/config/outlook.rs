//! What happens when: how long a virtual IP is silent at worst after each failure, by the configuration alone.
//!
//! Each figure is for one failure at a time, with another node that is fit and an API server that answers it, and for
//! routers that take the timers offered. Of several peers the one that is slowest counts.

use std::fmt;
use std::time::Duration;

use super::{Config, HealthConfig, LeaseConfig, PeerConfig};

/// Routers clear a silent peer's routes after up to twice the hold time (BIRD 2.0.12 needs 5.8 s at 3 s).
pub const ROUTER_SLACK: u32 = 2;
/// From when a node may take the lease to the router's use of its route: a write to the API, an address, an UPDATE.
const TAKE_OVER: Duration = Duration::from_millis(300);
/// What a router takes to turn to another path, and the client's packets with it.
const TURN: Duration = Duration::from_millis(100);
/// From when a holder is not fit to the successor's route: an offer, a take-over.
const HAND_OVER: Duration = Duration::from_millis(600);
/// How long a session may be lost before that counts, where the carrier is there.
const BLIP: Duration = Duration::from_secs(1);
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
    /// What stands behind the virtual IP on this node does not answer any more, not even with a refusal.
    ServerDead,
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
            Self::ServerDead => "API server hangs behind the VIP",
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
    // Inside an AS LOCAL_PREF rises as well, and nothing is prepended.
    match peer.asn == Some(config.bgp.local_as) {
        true => !med || !local_pref,
        false => !med || config.bgp.as_path_fence.is_some(),
    }
}

/// What happens when, in the order of [`Failure`]'s variants; only those that can happen.
#[must_use]
pub fn outlook(config: &Config) -> Vec<Prospect> {
    let hold = config.bgp.hold_time;
    let router = |peer: &PeerConfig| Router {
        name: peer.name(),
        is_fenced: is_fenced(config, peer),
        notice: by_router(peer, hold),
    };
    let routers: Vec<Router> = config.bgp.peers.iter().map(router).collect();
    let ours = config.bgp.peers.iter().map(|peer| by_us(peer, hold)).max_by_key(|notice| notice.after);
    match (&config.election, ours) {
        (Some(lease), Some(ours)) => {
            let mut rows = Holder { lease, ours, standby: config.bgp.standby, routers }.outlook();
            rows.push(server_dead(config.health.as_ref(), HAND_OVER, "the lease is handed to a fit node"));
            rows
        }
        (None, _) => {
            let mut rows = routers.iter().max_by_key(|router| router.notice.after).map(anycast).unwrap_or_default();
            rows.push(server_dead(config.health.as_ref(), TURN, "its route is withdrawn"));
            rows
        }
        // There is a peer: nothing is announced to nobody.
        (Some(_), None) => Vec::new(),
    }
}

/// How long it takes at most to find out that a server does not answer: checks come after up to 1.1 periods, the first
/// of them begins up to so long after the failure, and the last one takes its time.
pub(super) fn by_check(health: &HealthConfig) -> Duration {
    health.period * 11 / 10 * health.fall + health.timeout
}

fn server_dead(health: Option<&HealthConfig>, more: Duration, then: &str) -> Prospect {
    let (worst, how) = match health {
        None => (Outage::Unbounded, "nothing checks it (the health check is off)".to_owned()),
        Some(health) => {
            let HealthConfig { period, timeout, fall, .. } = health;
            let checks = format!("{fall} checks fail, one every {} for {} each", seconds(*period), seconds(*timeout));
            (Outage::AtMost(by_check(health) + more), format!("{checks}, then {then}"))
        }
    };
    Prospect { failure: Failure::ServerDead, worst, how }
}

/// A peer, as far as it is asked to leave a dead route.
struct Router {
    name: String,
    is_fenced: bool,
    notice: Notice,
}

impl Router {
    /// When it is rid of the dead route by itself.
    fn alone(&self) -> Outage {
        self.notice.after.plus(TURN)
    }
}

fn anycast(slowest: &Router) -> Vec<Prospect> {
    let gone = format!("the routers notice by {} and go on with the other nodes", slowest.notice.by);
    let at_once = "the routers go on with the other nodes";
    let silent = slowest.alone();
    let row = |failure, worst, how: &str| Prospect { failure, worst, how: how.to_owned() };
    vec![
        row(Failure::Stopped, Outage::AtMost(TURN), "withdrawn while the address still answers"),
        row(Failure::Killed, Outage::AtMost(TURN), &format!("its sessions close at once; {at_once}")),
        row(Failure::Frozen, silent, &gone),
        row(Failure::CutOff, silent, &gone),
        row(Failure::NoCarrier, silent, &gone),
        row(Failure::UplinkSilent, silent, &gone),
    ]
}

/// One node announces, the one that holds the lease; the others too, as standbys, where that is on.
struct Holder<'a> {
    lease: &'a LeaseConfig,
    /// How the holder notices that no router hears it.
    ours: Notice,
    standby: bool,
    routers: Vec<Router>,
}

impl Holder<'_> {
    fn outlook(&self) -> Vec<Prospect> {
        let expiry = Outage::AtMost(self.lease.duration + TAKE_OVER);
        let lease = format!("another node takes the lease {} after its last renewal", seconds(self.lease.duration));
        let unheard = self.ours.after.plus(BLIP + HAND_OVER);
        let handed = "the lease is handed to a node that routers hear";
        let stopped = Prospect {
            failure: Failure::Stopped,
            worst: Outage::AtMost(TURN),
            how: "the next node announces before this one withdraws, where another vipcast is fit".to_owned(),
        };
        let noticed = format!("noticed by {}, then {handed}", self.ours.by);
        vec![
            stopped,
            self.killed(expiry, &lease),
            self.stale(Failure::Frozen, expiry, &lease),
            self.stale(Failure::CutOff, expiry, &lease),
            self.stale(Failure::NoCarrier, Outage::AtMost(HAND_OVER), handed),
            self.stale(Failure::UplinkSilent, unheard, &noticed),
            self.api_lost(&lease),
        ]
    }

    fn killed(&self, expiry: Outage, lease: &str) -> Prospect {
        let (worst, next) = match self.standby {
            true => (Outage::AtMost(TURN), "the routers turn to a standby"),
            false => (expiry, lease),
        };
        Prospect { failure: Failure::Killed, worst, how: format!("its sessions close at once; {next}") }
    }

    fn api_lost(&self, lease: &str) -> Prospect {
        let LeaseConfig { duration, renew_deadline, .. } = *self.lease;
        let (worst, next) = match self.standby {
            true => (TURN, "the routers turn to a standby"),
            false => (duration.saturating_sub(renew_deadline) + WITHDRAWN_BEFORE + TAKE_OVER, lease),
        };
        let how = format!("it withdraws {} after its last renewal; {next}", seconds(renew_deadline));
        Prospect { failure: Failure::ApiLost, worst: Outage::AtMost(worst), how }
    }

    /// A failure after which the routers still have the old holder's route: the slowest of them counts.
    fn stale(&self, failure: Failure, worst: Outage, how: &str) -> Prospect {
        let of = |router: &Router| {
            let Router { name, is_fenced, notice } = router;
            let (then, next) = match is_fenced {
                true => (worst, format!("{how}; its route wins over the dead one")),
                false => (
                    worst.max(router.alone()),
                    format!("{how}; {name} has a fixed MED and keeps the dead route until {} ended it", notice.by),
                ),
            };
            match self.standby && router.alone() <= then {
                true => (router.alone(), format!("the routers notice by {} and turn to a standby", notice.by)),
                false => (then, next),
            }
        };
        let slowest = self.routers.iter().map(of).max_by_key(|(worst, _)| *worst);
        let (worst, how) = slowest.unwrap_or_else(|| (worst, how.to_owned()));
        Prospect { failure, worst, how }
    }
}

/// The outlook as lines of text: failure, worst case, how; and what it stands on.
#[must_use]
pub fn outlook_table(rows: &[Prospect]) -> String {
    let mut text = format!("{:38} {:>10}  {}\n", "what happens when", "silent for", "how it ends");
    for Prospect { failure, worst, how } in rows {
        text.push_str(&format!("{failure:38} {worst:>10}  {how}\n"));
    }
    text.push_str(
        "\nOne failure at a time, another node fit and its API server alive. A holder that is not fit hands over no sooner\n\
         than 10 s after its take-over. A later holder's route wins over a dead one by its MED where one router hears both;\n\
         where they meet behind routers of different ASes (a leaf per rack) it takes --bgpASPathFence, or the dead route\n\
         stands there until its own router notices.\n",
    );
    text
}

/// Seconds with as many digits as they have, to the millisecond.
pub(super) fn seconds(time: Duration) -> String {
    format!("{} s", f64::from(u32::try_from(time.as_millis()).unwrap_or(u32::MAX)) / 1000.0)
}

#[cfg(test)]
mod tests;
