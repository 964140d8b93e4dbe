//! Rows about received UPDATEs.

mod attributes;

use anyhow::Result;

pub(in super::super) use attributes::attribute_errors;

use super::{AS, At, Case, HOLD, Outcome, Then, open_with, play};
use crate::parts::scripted::wire::{attribute, capability, message, update};
use crate::site::Site;

const MALFORMED_LIST: (u8, u8) = (3, 1);
const UNKNOWN_WELL_KNOWN: (u8, u8) = (3, 2);
const OPTIONAL_ATTRIBUTE: (u8, u8) = (3, 9);
const INVALID_NETWORK: (u8, u8) = (3, 10);

/// 203.0.113.0/24.
const PREFIX: &[u8] = &[24, 203, 0, 113];
/// 2001:db8::/32 behind fd77::20: the value of an `MP_REACH_NLRI`.
const REACH6: &[u8] = b"\x00\x02\x01\x10\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\x20\x00\x20\x20\x01\x0d\xb8";
const MP_REACH: u8 = 14;
const MP_UNREACH: u8 = 15;

pub(in super::super) fn origin() -> Vec<u8> {
    attribute(0x40, 1, &[0])
}

/// 65020, in four octets.
pub(in super::super) fn as_path() -> Vec<u8> {
    attribute(0x40, 2, b"\x02\x01\x00\x00\xfd\xfc")
}

pub(in super::super) fn next_hop() -> Vec<u8> {
    attribute(0x40, 3, &[10, 77, 0, 20])
}

fn local_pref() -> Vec<u8> {
    attribute(0x40, 5, &[0, 0, 0, 100])
}

fn reach6() -> Vec<u8> {
    attribute(0x80, MP_REACH, REACH6)
}

/// A route to [`PREFIX`] with these attributes besides the mandatory ones.
pub(in super::super) fn route(more: &[u8]) -> Vec<u8> {
    update(&[], &[origin(), as_path(), next_hop(), more.to_vec()].concat(), PREFIX)
}

/// A route to another prefix.
pub(in super::super) fn route_to(prefix: &[u8]) -> Vec<u8> {
    update(&[], &[origin(), as_path(), next_hop()].concat(), prefix)
}

/// An IPv6 route.
pub(in super::super) fn route6() -> Vec<u8> {
    update(&[], &[origin(), as_path(), reach6()].concat(), &[])
}

pub(in super::super) fn refused(name: &'static str, send: Vec<u8>, error: (u8, u8), data: &[u8]) -> Case {
    Case::refused(name, At::Established, send, error, data)
}

pub(in super::super) fn stays(name: &'static str, send: Vec<u8>) -> Case {
    Case::new(name, At::Established, send, Then::Stays)
}

/// The session stays up, the routes of the UPDATE are treated as withdrawn, for this reason.
pub(in super::super) fn withdrawn(name: &'static str, send: Vec<u8>, text: &'static str) -> Case {
    Case::new(name, At::Established, send, Then::Noted(Outcome::Withdrawn, text))
}

/// The session stays up, an attribute of the UPDATE is discarded, for this reason.
pub(in super::super) fn discarded(name: &'static str, send: Vec<u8>, text: &'static str) -> Case {
    Case::new(name, At::Established, send, Then::Noted(Outcome::Discarded, text))
}

/// A route with these attributes before the mandatory ones but ORIGIN, from a peer without four-octet AS numbers.
pub(in super::super) fn attribute_on_two_octets(first: &[u8]) -> Vec<u8> {
    let path = attribute(0x40, 2, &[2, 1, 253, 252]);
    update(&[], &[first.to_vec(), path, next_hop()].concat(), PREFIX)
}

/// The value of an `MP_REACH_NLRI` of 2001:db8::/32 with this next hop.
pub(in super::super) fn reach_value(hop: &[u8; 16]) -> Vec<u8> {
    [&[0, 2, 1, 16], hop.as_slice(), &[0, 0x20, 0x20, 1, 0x0d, 0xb8]].concat()
}

/// An OPEN without four-octet AS numbers.
pub(in super::super) fn two_octets() -> Vec<u8> {
    let families = [capability(1, &[0, 1, 0, 1]), capability(1, &[0, 2, 0, 1]), capability(2, &[])].concat();
    open_with(AS, HOLD, &families)
}

pub(in super::super) fn framing(site: &mut Site) -> Result<()> {
    let cases = [
        refused("withdrawn routes longer than the message", message(2, &[0, 9, 0, 0]), MALFORMED_LIST, &[]),
        refused("withdrawn routes over the attributes' length", message(2, &[0, 1, 0, 0]), MALFORMED_LIST, &[]),
        refused("withdrawn routes of 65535", message(2, &[255, 255, 0, 0]), MALFORMED_LIST, &[]),
        refused("attributes longer than the message", message(2, &[0, 0, 0, 1]), MALFORMED_LIST, &[]),
        refused("attributes of 65535", message(2, &[0, 0, 255, 255, 0]), MALFORMED_LIST, &[]),
        refused("both", message(2, &[0, 2, 8, 10, 0, 9]), MALFORMED_LIST, &[]),
        stays("a route", route(&[])),
        stays("a withdrawal", update(PREFIX, &[], &[])),
        stays("both in one", update(PREFIX, &[origin(), as_path(), next_hop()].concat(), PREFIX)),
        stays("an IPv6 route", route6()),
        stays("an end", update(&[], &[], &[])),
    ];
    play(site, &cases)
}

pub(in super::super) fn mandatory(site: &mut Site) -> Result<()> {
    let with = |attributes: &[Vec<u8>]| update(&[], &attributes.concat(), PREFIX);
    let cases = [
        withdrawn("no attributes at all", with(&[]), "ORIGIN (1) is missing"),
        withdrawn("no ORIGIN", with(&[as_path(), next_hop()]), "ORIGIN (1) is missing"),
        withdrawn("no AS_PATH", with(&[origin(), next_hop()]), "AS_PATH (2) is missing"),
        withdrawn("no NEXT_HOP", with(&[origin(), as_path()]), "NEXT_HOP (3) is missing"),
        withdrawn("no LOCAL_PREF inside our AS", with(&[origin(), as_path(), next_hop()]), "LOCAL_PREF (5) is missing")
            .internal(),
        stays("all of them inside our AS", with(&[origin(), as_path(), next_hop(), local_pref()])).internal(),
        withdrawn(
            "no ORIGIN of an IPv6 route",
            update(&[], &[as_path(), reach6()].concat(), &[]),
            "ORIGIN (1) is missing",
        ),
        withdrawn(
            "no AS_PATH of an IPv6 route",
            update(&[], &[origin(), reach6()].concat(), &[]),
            "AS_PATH (2) is missing",
        ),
        stays("no NEXT_HOP of an IPv6 route", route6()),
        stays("none at all of a withdrawal", update(PREFIX, &[], &[])),
    ];
    play(site, &cases)
}

pub(in super::super) fn duplicates(site: &mut Site) -> Result<()> {
    let unreach = attribute(0x80, MP_UNREACH, b"\x00\x02\x01\x20\x20\x01\x0d\xb8");
    let mp = |attributes: &[Vec<u8>]| update(&[], &attributes.concat(), &[]);
    let cases = [
        discarded("ORIGIN", route(&origin()), "ORIGIN (1) is there twice"),
        discarded(
            "ORIGIN, and the second one is malformed",
            route(&attribute(0x40, 1, &[9])),
            "ORIGIN (1) is there twice",
        ),
        discarded("AS_PATH", route(&as_path()), "AS_PATH (2) is there twice"),
        discarded("an unknown one", route(&attribute(0xc0, 77, &[1]).repeat(2)), "attribute 77 is there twice"),
        refused("MP_REACH_NLRI", mp(&[origin(), as_path(), reach6(), reach6()]), MALFORMED_LIST, &[]),
        refused("MP_UNREACH_NLRI", mp(&[unreach.clone(), unreach]), MALFORMED_LIST, &[]),
    ];
    play(site, &cases)
}

pub(in super::super) fn unknown_well_known(site: &mut Site) -> Result<()> {
    let with = |name, flags, value: &[u8]| {
        let unknown = attribute(flags, 77, value);
        refused(name, route(&unknown), UNKNOWN_WELL_KNOWN, &unknown)
    };
    let cases = [
        with("transitive, as well-known ones are", 0x40, &[1, 2, 3]),
        with("without any flag", 0, &[]),
        with("with an extended length", 0x50, &[0; 300]),
        stays("an optional one", route(&attribute(0x80, 77, &[1, 2, 3]))),
        stays("an optional transitive one", route(&attribute(0xc0, 77, &[1, 2, 3]))),
        stays("an optional transitive one that is partial", route(&attribute(0xe0, 77, &[]))),
    ];
    play(site, &cases)
}

pub(in super::super) fn nlri(site: &mut Site) -> Result<()> {
    let nlri = |nlri: &[u8]| update(&[], &[origin(), as_path(), next_hop()].concat(), nlri);
    let reach = |prefixes: &[u8]| attribute(0x80, MP_REACH, &[REACH6.get(..21).unwrap_or_default(), prefixes].concat());
    let unreach = |prefixes: &[u8]| attribute(0x80, MP_UNREACH, &[&[0, 2, 1], prefixes].concat());
    let mp = |attribute: Vec<u8>| update(&[], &[origin(), as_path(), attribute].concat(), &[]);
    let refused_mp = |name, attribute: Vec<u8>| refused(name, mp(attribute.clone()), OPTIONAL_ATTRIBUTE, &attribute);
    let cases = [
        refused("33 bits", nlri(&[33, 10, 0, 0, 0, 0]), INVALID_NETWORK, &[]),
        refused("255 bits", nlri(&[255]), INVALID_NETWORK, &[]),
        refused("cut off", nlri(&[24, 10, 0]), INVALID_NETWORK, &[]),
        refused("the second cut off", nlri(&[8, 10, 32, 10]), INVALID_NETWORK, &[]),
        refused("33 bits withdrawn", update(&[33, 10, 0, 0, 0, 0], &[], &[]), INVALID_NETWORK, &[]),
        refused("cut off withdrawn", update(&[32, 10, 0], &[], &[]), INVALID_NETWORK, &[]),
        refused_mp("129 bits of IPv6", reach(&[129])),
        refused_mp("IPv6 cut off", reach(&[64, 0x20, 1])),
        refused_mp("129 bits of IPv6 withdrawn", unreach(&[129])),
        refused_mp("IPv6 withdrawn cut off", unreach(&[64, 0x20, 1])),
        stays("0 bits", nlri(&[0])),
        stays("host bits set", nlri(&[7, 11])),
        stays("0 bits of IPv6", mp(reach(&[0]))),
    ];
    play(site, &cases)
}
