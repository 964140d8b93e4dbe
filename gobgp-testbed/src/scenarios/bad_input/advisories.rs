//! The list of known parser bugs, each as its advisory describes it; the bytes are made by hand.

use anyhow::Result;

use super::super::conformance::open::form;
use super::super::conformance::update::{
    as_path, attribute_on_two_octets, discarded, next_hop, origin, reach_value, refused, route, route6, stays,
    two_octets, withdrawn,
};
use super::{AS, At, Case, Then, open_with, play};
use crate::parts::scripted::wire::{
    attribute, capabilities, capability, header, message, open_raw, route_refresh, update,
};
use crate::scenarios::conformance::{HOLD, ID};
use crate::site::Site;

pub(in super::super) fn opens(site: &mut Site) -> Result<()> {
    let refused = |name, bytes, error, data: &[u8]| Case::refused(name, At::OpenSent, bytes, error, data);
    let confirmed = |name, bytes| Case::new(name, At::OpenSent, bytes, Then::Confirmed);
    let raw = |rest: &[u8]| open_raw(4, AS, HOLD, ID, rest);
    let with = |more: Vec<u8>| open_with(AS, HOLD, &[capabilities(AS.into()), more].concat());
    let cases = [
        refused("CVE-2023-46565: type 0 before the OPEN", message(0, &[]), (1, 3), &[0]),
        refused("GO-2024-3124: type 6 before the OPEN", message(6, &[]), (1, 3), &[6]),
        refused("CVE-2025-43970: a length below the header's", header(18, 1, &[]), (1, 2), &[0, 18]),
        refused("CVE-2025-43971: an OPEN of the header alone", header(19, 1, &[]), (1, 2), &[0, 19]),
        refused("CVE-2025-43972: a length beyond all", header(65535, 1, &[4]), (1, 2), &[0xff, 0xff]),
        confirmed("CVE-2025-43973: software version longer than its capability", with(capability(75, &[200, b'x']))),
        confirmed("CVE-2023-41361: software version without a value", with(capability(75, &[]))),
        refused("CVE-2023-41361: software version beyond the OPEN", with(vec![75, 200, 9, b'x']), (2, 0), &[]),
        refused("CVE-2022-37032: a capability beyond its bounds", with(vec![64, 255, 0, 1]), (2, 0), &[]),
        refused(
            "CVE-2022-36440: extended parameters, shorter than their header",
            raw(&[255, 255, 0, 1, 2]),
            (2, 0),
            &[],
        ),
        refused("CVE-2022-40302: extended parameters without a length", raw(&[255, 255]), (2, 0), &[]),
        refused("CVE-2022-40318: an extended parameter of one octet", form(255, 1, &[2])?, (2, 0), &[]),
        refused("CVE-2022-43681: an extended parameter of two octets", form(255, 2, &[2, 0])?, (2, 0), &[]),
        refused("CVE-2022-43681: the OPEN ends behind the first length", raw(&[255]), (2, 0), &[]),
        refused("CVE-2024-31949: a family of no octets", with(capability(1, &[])), (2, 0), &[]),
        confirmed("CVE-2024-31949: graceful restart of odd length", with(capability(64, &[0x40, 1, 0]))),
        confirmed("CVE-2024-31949: dynamic capabilities of no octets", with(capability(67, &[]))),
        confirmed("corebgp: hold time 0", open_with(AS, 0, &capabilities(AS.into()))),
        refused("bio-rd, holo: lengths of 0", header(0, 1, &[]), (1, 2), &[0, 0]),
        refused("rustbgpd: looks into an UPDATE before the OPEN", update(&[], &[0x40], &[33]), (5, 1), &[2]),
    ];
    play(site, &cases)
}

pub(in super::super) fn updates(site: &mut Site) -> Result<()> {
    play(site, &[gobgp(), frr_updates(), frr_families(), others()].concat())
}

/// In place of `NEXT_HOP`.
fn by_hop(hop: &[u8]) -> Vec<u8> {
    update(&[], &[origin(), as_path(), attribute(0x40, 3, hop)].concat(), &[24, 203, 0, 113])
}

fn gobgp() -> Vec<Case> {
    let unknown = attribute(0x40, 99, &[1]);
    let confederation = attribute(0x40, 2, &[3, 0]);
    let as4_first = [origin(), attribute(0xc0, 17, &[2, 1, 0, 1, 0, 0])].concat();
    vec![
        withdrawn("CVE-2026-30405: NEXT_HOP of 0", by_hop(&[]), "NEXT_HOP (3) is malformed, 0 octets: 0x"),
        withdrawn(
            "CVE-2026-30405: NEXT_HOP of 3",
            by_hop(&[10, 77, 0]),
            "NEXT_HOP (3) is malformed, 3 octets: 0x0a4d00",
        ),
        withdrawn(
            "CVE-2026-37461: an IPv6 extended community of 1",
            route(&attribute(0xc0, 25, &[0])),
            "IPV6_EXTENDED_COMMUNITIES (25) is malformed, 1 octets: 0x00",
        ),
        refused("CVE-2026-37462: lengths that underflow", message(2, &[0, 3, 0, 0, 0xff, 0xff]), (3, 1), &[]),
        refused("CVE-2026-41642: an unknown well-known attribute", route(&unknown), (3, 2), &unknown),
        stays("CVE-2026-41643: AS4_PATH before AS_PATH", attribute_on_two_octets(&as4_first)).open(two_octets()),
        stays("CVE-2026-42285: a refresh of what was never agreed on", route_refresh(16388, 71)),
        withdrawn(
            "GHSA-frrj-87jh-2772: an empty confederation in the path",
            update(&[], &[origin(), confederation, next_hop()].concat(), &[24, 203, 0, 113]),
            "AS_PATH (2) is malformed, 2 octets: 0x0300",
        ),
        withdrawn(
            "gobgp #3392: ORIGIN not transitive",
            update(&[], &[attribute(0, 1, &[0]), as_path(), next_hop()].concat(), &[24, 203, 0, 113]),
            "ORIGIN (1) has the wrong flags, 0x00",
        ),
    ]
}

fn frr_updates() -> Vec<Case> {
    let nlri = &[24, 203, 0, 113];
    let end6 = attribute(0x80, 15, &[0, 2, 1]);
    let overrun = [origin(), as_path(), next_hop(), vec![0xc0, 23, 20, 0, 1]].concat();
    vec![
        stays("CVE-2023-38802: tunnel encapsulation of nonsense", route(&attribute(0xc0, 23, &[0, 0xff, 0xff, 0xff]))),
        stays("CVE-2023-38283: attribute 28 of nonsense", route(&attribute(0xc0, 28, &[0xff]))),
        stays("CVE-2023-40457: attribute 28 that is empty", route(&attribute(0xe0, 28, &[]))),
        stays("CVE-2023-4481: attribute 29 of nonsense", route(&attribute(0xc0, 29, &[4, 0xff, 0xff, 0]))),
        withdrawn("CVE-2023-41358: prefixes and no attributes", update(&[], &[], nlri), "ORIGIN (1) is missing"),
        stays("CVE-2023-41360: filters beyond the refresh", message(5, &[0, 1, 0, 1, 1, 64, 0xff, 0xff])),
        stays("CVE-2023-41360: filters without a length", message(5, &[0, 1, 0, 1, 1])),
        withdrawn(
            "CVE-2023-46753: only an unknown transitive attribute",
            update(&[], &attribute(0xc0, 99, &[1]), nlri),
            "ORIGIN (1) is missing",
        ),
        stays("CVE-2023-47234: IPv6 withdrawn, and nothing mandatory", {
            update(&[], &attribute(0x80, 15, b"\x00\x02\x01\x20\x20\x01\x0d\xb8"), &[])
        }),
        stays(
            "CVE-2023-47235: an end with an unknown attribute",
            update(&[], &[end6.clone(), attribute(0xc0, 99, &[])].concat(), &[]),
        ),
        // RFC 7606 §5.2: nobody can say that there was no route in it.
        refused(
            "CVE-2023-47235: an end with a malformed attribute",
            update(&[], &[attribute(0x40, 1, &[9]), end6].concat(), &[]),
            (3, 1),
            &[],
        ),
        discarded(
            "CVE-2024-31948: Prefix-SID of nonsense",
            route(&attribute(0xc0, 40, &[1, 0])),
            "PREFIX_SID (40) is malformed, 2 octets: 0x0100",
        ),
        withdrawn(
            "CVE-2024-44070: an attribute longer than what is left",
            update(&[], &overrun, nlri),
            "the attributes end in the middle of one",
        ),
    ]
}

fn frr_families() -> Vec<Case> {
    let mp = |value: &[u8]| update(&[], &[origin(), as_path(), attribute(0x90, 14, value)].concat(), &[]);
    let broken = |name, value: &[u8]| refused(name, mp(value), (3, 9), &attribute(0x90, 14, value));
    let martian = reach_value(&[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    vec![
        stays("CVE-2023-38406: flowspec that overflows", mp(&[0, 1, 133, 0, 0, 0xff, 0xff])),
        stays("CVE-2023-38407: labelled unicast that overflows", mp(&[0, 1, 4, 4, 10, 77, 0, 20, 0, 0xff, 0])),
        stays(
            "CVE-2026-37457: flowspec of 240 octets",
            mp(&[&[0, 1, 133, 0, 0, 0xf0, 0xf0], [3; 240].as_slice()].concat()),
        ),
        stays("CVE-2026-5107: EVPN with a wrong length", mp(&[0, 25, 70, 4, 10, 77, 0, 20, 0, 2, 1, 0])),
        broken("CVE-2023-46752: MP_REACH_NLRI of 0", &[]),
        broken("CVE-2023-46752: MP_REACH_NLRI of 3", &[0, 2, 1]),
        broken("CVE-2023-46752: MP_REACH_NLRI of 4, next hop beyond", &[0, 2, 1, 16]),
        broken("CVE-2018-16230 (tcpdump): next hop of 255", &[0, 2, 1, 255, 0, 0]),
        withdrawn("CVE-2026-37458: a multicast next hop", mp(&martian), "MP_REACH_NLRI (14) has no usable next hop"),
        withdrawn(
            "CVE-2026-37458: the next hop ::",
            mp(&reach_value(&[0; 16])),
            "MP_REACH_NLRI (14) has no usable next hop",
        ),
        stays("an IPv6 route, after all these", route6()),
    ]
}

fn others() -> Vec<Case> {
    let long = |segments: usize| {
        let segment = [&[2, 255], [0, 0, 253, 252].repeat(255).as_slice()].concat();
        update(&[], &[origin(), attribute(0x50, 2, &segment.repeat(segments)), next_hop()].concat(), &[24, 203, 0, 113])
    };
    vec![
        // The list of requirements says discard; RFC 9234 §5 says treat-as-withdraw.
        withdrawn(
            "BIRD <= 2.0.8: ONLY_TO_CUSTOMER of 3",
            route(&attribute(0xc0, 35, &[0; 3])),
            "ONLY_TO_CUSTOMER (35) is malformed, 3 octets: 0x000000",
        ),
        stays("BIRD 3.3.2: a path of 765 ASes", long(3)),
        stays("an attribute of 3000 octets", route(&attribute(0xd0, 99, &[0xff; 3000]))),
        stays("a thousand prefixes", {
            let prefixes = [24, 203, 0, 113].repeat(1000);
            update(&[], &[origin(), as_path(), next_hop()].concat(), &prefixes)
        }),
    ]
}
