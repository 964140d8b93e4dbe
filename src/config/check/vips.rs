//! The virtual IPs.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::reader::Reader;
use crate::config::Origin;
use crate::config::options::{ADDRESS, Spec, VIP, VIP_SUBNET};
use crate::config::scalar::decimal;
use crate::vip::Vip;

/// The virtual IPs, at least one; `None` where anything is wrong with them.
pub(super) fn vips(r: &mut Reader<'_>) -> Option<Vec<Vip>> {
    masks(r);
    let (spec, text) = source(r)?;
    let (mut vips, mut seen): (Vec<Vip>, BTreeSet<Vip>) = Default::default();
    let mut good = true;
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        match vip(entry) {
            Ok(vip) if !seen.insert(vip) => {
                r.mistake(spec, format!("{entry:?} is there twice"));
                good = false;
            }
            Ok(vip) => vips.push(vip),
            Err(why) => {
                r.mistake(spec, format!("{entry:?} {why}"));
                good = false;
            }
        }
    }
    if good && vips.is_empty() {
        r.mistake(spec, "holds no address; give at least one IPv4 or IPv6 address");
    }
    (good && !vips.is_empty()).then_some(vips)
}

/// The option the addresses are read from.
fn source<'a>(r: &mut Reader<'a>) -> Option<(&'static Spec, &'a str)> {
    match (r.text(&ADDRESS), r.text(&VIP)) {
        // A variable or flag of the older name counts before a file's word.
        (Some(address), Some(vip)) if is_filed(r, &ADDRESS) && !is_filed(r, &VIP) => {
            if address != vip {
                let name = r.name(&VIP);
                r.warn(&ADDRESS, format!("{address:?} is ignored, because {name} is given too"));
            }
            Some((&VIP, vip))
        }
        (Some(address), Some(vip)) => {
            if address != vip {
                let name = r.name(&ADDRESS);
                r.warn(&VIP, format!("{vip:?} is ignored, because {name} is given too"));
            }
            Some((&ADDRESS, address))
        }
        (Some(address), None) => Some((&ADDRESS, address)),
        (None, Some(vip)) => Some((&VIP, vip)),
        (None, None) => {
            r.mistake(&ADDRESS, "no virtual IP is given; expected an IPv4 or IPv6 address");
            None
        }
    }
}

fn is_filed(r: &Reader<'_>, spec: &'static Spec) -> bool {
    matches!(r.raw.get(spec).origin, Origin::File(_))
}

/// One virtual IP; the error fits after its text.
pub(in crate::config) fn vip(entry: &str) -> Result<Vip, String> {
    let (address, mask) = entry.split_once('/').map_or((entry, None), |(a, m)| (a, Some(m)));
    let Ok(ip) = address.parse::<IpAddr>() else {
        let letters = address.bytes().any(|b| b.is_ascii_alphabetic());
        return Err(if letters && !address.contains(':') {
            "is not an IP address; DNS names are not supported yet".to_owned()
        } else {
            "is not an IP address; expected one like 10.0.0.40 or 2001:db8::40".to_owned()
        });
    };
    let host = if ip.is_ipv4() { "32" } else { "128" };
    if mask.is_some_and(|mask| mask != host) {
        return Err(format!("is more than one address; expected {ip} or {ip}/{host}"));
    }
    match class(ip) {
        Some(class) => Err(format!("is {class}; expected an address that routers can forward to")),
        None => Ok(Vip::new(ip)),
    }
}

/// What makes an address unfit as a host on a network, if anything.
pub(super) fn class(ip: IpAddr) -> Option<&'static str> {
    let mapped = matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    let (link_local, broadcast) = match ip {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.is_broadcast()),
        IpAddr::V6(v6) => (v6.is_unicast_link_local(), false),
    };
    match () {
        () if ip.is_unspecified() => Some("the unspecified address"),
        () if ip.is_loopback() => Some("a loopback address"),
        () if ip.is_multicast() => Some("a multicast address"),
        () if link_local => Some("a link-local address"),
        () if broadcast => Some("the broadcast address"),
        () if mapped => Some("an IPv4 address written as IPv6"),
        () => None,
    }
}

/// In BGP a virtual IP is always a host route: other masks are accepted for the old manifests' sake.
fn masks(r: &mut Reader<'_>) {
    let Some(text) = r.text(&VIP_SUBNET) else { return };
    for mask in text.split(',').map(str::trim).filter(|mask| !mask.is_empty()) {
        match decimal(mask.strip_prefix('/').unwrap_or(mask)) {
            Some(32 | 128) => {}
            Some(0..=127) => {
                r.warn(&VIP_SUBNET, format!("{mask:?}: BGP announces host routes all the same, /32 and /128"));
            }
            Some(_) => r.mistake(&VIP_SUBNET, format!("{mask:?} is not a mask; expected 32 or 128")),
            None if mask == "auto" => {
                r.mistake(&VIP_SUBNET, "\"auto\" works in ARP mode only; leave it out, or give 32 or 128");
            }
            None => r.mistake(&VIP_SUBNET, format!("{mask:?} is not a mask; expected 32 or 128")),
        }
    }
}
