//! The speaker and its timers.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::effects;
use super::fences;
use super::metal;
use super::peers;
use super::provided::{self, State};
use super::reader::Reader;
use super::tuning::{self, VipOptions};
use crate::config::BgpConfig;
use crate::config::options::{
    HOLD_TIME, KEEPALIVE, LEADER_ELECTION, LISTEN_PORT, LOCAL_AS, ROUTER_ID, ROUTER_INTERFACE, STANDBY, Spec,
};
use crate::config::peer;
use crate::config::scalar::{decimal, go_bool};
use crate::vip::Vip;

/// Our side of the sessions; `None` where anything is wrong with it.
pub(super) fn bgp(r: &mut Reader<'_>, vips: &[Vip], vip_options: Option<&VipOptions>) -> Option<BgpConfig> {
    let local_as = asn(r, &LOCAL_AS);
    let local_as = provided::local_as(r, local_as);
    let router_id = router_id(r).map(|given| provided::router_id(r, given));
    let router_interface = r.interface(&ROUTER_INTERFACE);
    let timers = timers(r);
    let is_awaited = matches!(provided::state(r), State::Awaited);
    let peers = peers::peers(r, vips);
    let peers = tuning::peers(r, peers, local_as, vips)
        .filter(|peers| vip_options.is_none_or(|options| tuning::fit(r, peers, &options.attributes).is_some()));
    if let (Some(options), Some(peers)) = (vip_options, peers.as_ref().filter(|_| !is_awaited)) {
        effects::of_vips(r, options, peers, local_as);
    }
    let listen_port = r.number(&LISTEN_PORT, 1..=65535, "a TCP port").and_then(|port| u16::try_from(port).ok());
    let (standby, as_path_fence) = (r.switch(&STANDBY), fences::as_path(r));
    let (hold_time, keepalive) = timers?;
    let listen_port = listen_port?;
    Some(BgpConfig {
        local_as: local_as?,
        router_id: router_id?,
        router_interface: router_interface?,
        hold_time,
        keepalive,
        listen_port,
        // An Elastic IP is at one device: the others have nothing to bind it for.
        standby: standby? && !metal::is_eip(r),
        as_path_fence: as_path_fence?,
        peers: peers?,
    })
}

/// The AS number of an option.
pub(super) fn asn(r: &mut Reader<'_>, spec: &'static Spec) -> Option<u32> {
    let text = r.raw.get(spec).text;
    peer::asn(text).map_err(|why| r.mistake(spec, format!("AS number {text:?} {why}"))).ok()
}

/// `Some(None)`: to be derived.
fn router_id(r: &mut Reader<'_>) -> Option<Option<Ipv4Addr>> {
    let Some(text) = r.text(&ROUTER_ID) else { return Some(None) };
    match text.parse::<Ipv4Addr>() {
        // RFC 6286 §2.1: any 4-octet number but zero.
        Ok(id) if !id.is_unspecified() => Some(Some(id)),
        _ => {
            r.mistake(&ROUTER_ID, format!("{text:?} is not a BGP Identifier; expected an IPv4 address but 0.0.0.0"));
            None
        }
    }
}

/// Hold time and keepalive interval (RFC 4271 §4.2 and §4.4).
fn timers(r: &mut Reader<'_>) -> Option<(Duration, Duration)> {
    let hold = hold_time(r);
    let keepalive = r.number(&KEEPALIVE, 0..=65535, "a number of seconds");
    let (hold, keepalive) = (hold?, keepalive?);
    let keepalive = match keepalive {
        _ if hold == 0 => keepalive,
        _ if r.is_default(&KEEPALIVE) => keepalive.min(hold / 3),
        0 => {
            r.mistake(&KEEPALIVE, format!("0 sends none, so the peer's hold time of {hold} s would end every session"));
            return None;
        }
        n if n >= hold => {
            let other = r.name(&HOLD_TIME);
            r.mistake(&KEEPALIVE, format!("{n} s is not shorter than the {hold} s of {other}; a third of it is usual"));
            return None;
        }
        n => n,
    };
    Some((Duration::from_secs(hold), Duration::from_secs(keepalive)))
}

fn hold_time(r: &mut Reader<'_>) -> Option<u64> {
    let text = r.raw.get(&HOLD_TIME).text;
    let Some(hold) = decimal(text).filter(|n| matches!(n, 0 | 3..=65535)) else {
        r.mistake(&HOLD_TIME, format!("{text:?} is not a hold time; expected 0, or 3 to 65535 s (RFC 4271 §4.2)"));
        return None;
    };
    if hold == 0 && go_bool(r.raw.get(&LEADER_ELECTION).text) == Some(true) {
        let text = "0: no timer at the router ever clears the route of a holder that died or was cut off, so traffic \
                    may go to it without bound; give 3 or more";
        r.warn(&HOLD_TIME, text);
    }
    Some(hold)
}
