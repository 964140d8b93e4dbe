//! The next hops of kube-vip's MP-BGP modes.

use std::net::IpAddr;

use super::reader::Reader;
use super::vips::class;
use crate::config::mpbgp::{Mode, MpBgp, Wrong};
use crate::config::options::{MPBGP_IPV4, MPBGP_IPV6, MPBGP_NEXTHOP, SOURCE_IF, SOURCE_IP, Spec};
use crate::config::{PeerConfig, Source};
use crate::vip::Vip;

/// What is given for all peers; `None` where it is wrong.
pub(super) fn given(r: &mut Reader<'_>) -> Option<MpBgp> {
    let specs: [(&'static Spec, &str); 3] =
        [(&MPBGP_NEXTHOP, "mpbgp_nexthop"), (&MPBGP_IPV4, "mpbgp_ipv4"), (&MPBGP_IPV6, "mpbgp_ipv6")];
    let mut given = MpBgp::default();
    let mut good = true;
    for (spec, key) in specs {
        let Some(text) = r.text(spec) else { continue };
        match given.set(key, text) {
            Ok(()) | Err(Wrong::Key) => {}
            Err(Wrong::Value(why)) => {
                r.mistake(spec, format!("{text:?} {why}"));
                good = false;
            }
        }
    }
    good.then_some(given)
}

/// Warns of addresses that no peer takes; `peers` are what each says itself, with its option and how messages call it.
pub(super) fn unused(r: &mut Reader<'_>, all: MpBgp, peers: &[(&str, &str, MpBgp)]) {
    let is_fixed = |own: &MpBgp| own.over(all).mode == Some(Mode::Fixed);
    let takes = |is_own: fn(&MpBgp) -> bool| peers.iter().any(|(_, _, own)| is_fixed(own) && !is_own(own));
    let given = [
        (&MPBGP_IPV4, all.ipv4.is_some() && !takes(|own| own.ipv4.is_some())),
        (&MPBGP_IPV6, all.ipv6.is_some() && !takes(|own| own.ipv6.is_some())),
    ];
    for (spec, _) in given.into_iter().filter(|(_, is_unused)| *is_unused) {
        let mode = r.name(&MPBGP_NEXTHOP);
        r.warn(spec, format!("has no effect: no peer takes it, by the mode fixed of {mode} or of its own text"));
    }
    for (subject, label, own) in peers.iter().filter(|(_, _, own)| !is_fixed(own)) {
        for (key, _) in [("mpbgp_ipv4", own.ipv4.is_some()), ("mpbgp_ipv6", own.ipv6.is_some())].iter().filter(|k| k.1)
        {
            r.warn_at((*subject).to_owned(), format!("{label}: {key} has no effect but with mpbgp_nexthop=fixed"));
        }
    }
}

/// Sets the next hops of a peer that has its source; the error says what is missing.
///
/// In the mode fixed kube-vip binds the session to the address of the peer's family, which routers may know us by.
/// The other two modes are what we do anyway: our end of the session, and the address beside it.
pub(super) fn set(r: &Reader<'_>, peer: &mut PeerConfig, given: MpBgp, vips: &[Vip]) -> Result<(), String> {
    match (given.mode, &peer.source) {
        (Some(Mode::Fixed), _) if given.ipv4.is_none() && given.ipv6.is_none() => {
            return Err("mpbgp_nexthop=fixed has no address; give mpbgp_ipv4, mpbgp_ipv6 or both".to_owned());
        }
        (Some(Mode::SourceIp), Source::Any | Source::Interface(_)) if r.text(&SOURCE_IP).is_none() => {
            return Err("mpbgp_nexthop=auto_sourceip needs --sourceIP (bgp_sourceip)".to_owned());
        }
        (Some(Mode::SourceIf), Source::Any | Source::Address(_)) if r.text(&SOURCE_IF).is_none() => {
            return Err("mpbgp_nexthop=auto_sourceif needs --sourceIF (bgp_sourceif)".to_owned());
        }
        (None | Some(Mode::SourceIp | Mode::SourceIf), _) => return Ok(()),
        (Some(Mode::Fixed), _) => {}
    }
    for address in [given.ipv4.map(IpAddr::from), given.ipv6.map(IpAddr::from)].into_iter().flatten() {
        usable(address, vips).map_err(|why| format!("the next hop {address} {why}"))?;
    }
    (peer.next_hop_v4, peer.next_hop_v6) = (given.ipv4, given.ipv6);
    let own = peer.host.address().and_then(|host| match host {
        IpAddr::V4(_) => given.ipv4.map(IpAddr::from),
        IpAddr::V6(_) => given.ipv6.map(IpAddr::from),
    });
    if let (Source::Any, Some(own)) = (&peer.source, own) {
        peer.source = Source::Address(own);
    }
    Ok(())
}

/// What makes an address unfit as a next hop; fits after the address.
pub(super) fn usable(address: IpAddr, vips: &[Vip]) -> Result<(), String> {
    if vips.iter().any(|vip| vip.address() == address) {
        return Err("is a virtual IP of ours; expected an address that leads here".to_owned());
    }
    match class(address) {
        Some(class) => Err(format!("is {class}; expected an address that routers can forward to")),
        None => Ok(()),
    }
}
