//! What is wrong inside one attribute, and what that costs (RFC 7606 §3, §7).

use anyhow::Result;

use super::{MALFORMED_LIST, discarded, play, reach6, refused, route, stays, two_octets, withdrawn};
use super::{MP_REACH, MP_UNREACH, OPTIONAL_ATTRIBUTE, PREFIX, REACH6, as_path, local_pref, next_hop, origin};
use crate::parts::scripted::wire::{attribute, update};
use crate::scenarios::conformance::Case;
use crate::site::Site;

pub(in super::super::super) fn attribute_errors(site: &mut Site) -> Result<()> {
    play(site, &[well_known(), optional(), internal(), two_octet(), multiprotocol(), blocks()].concat())
}

/// In place of ORIGIN, `AS_PATH` or `NEXT_HOP`.
fn in_place(code: u8, attribute: &[u8]) -> Vec<u8> {
    let other = |other: u8, bytes: Vec<u8>| if other == code { attribute.to_vec() } else { bytes };
    update(&[], &[other(1, origin()), other(2, as_path()), other(3, next_hop())].concat(), PREFIX)
}

fn well_known() -> Vec<Case> {
    let origin = |name, flags, value: &[u8], text| withdrawn(name, in_place(1, &attribute(flags, 1, value)), text);
    let path = |name, flags, value: &[u8], text| withdrawn(name, in_place(2, &attribute(flags, 2, value)), text);
    let hop = |name, flags, value: &[u8], text| withdrawn(name, in_place(3, &attribute(flags, 3, value)), text);
    vec![
        origin("ORIGIN 3", 0x40, &[3], "ORIGIN (1) is malformed, 1 octets: 0x03"),
        origin("ORIGIN of 0 octets", 0x40, &[], "ORIGIN (1) is malformed, 0 octets: 0x"),
        origin("ORIGIN of 2 octets", 0x40, &[0, 0], "ORIGIN (1) is malformed, 2 octets: 0x0000"),
        origin("ORIGIN optional", 0xc0, &[0], "ORIGIN (1) has the wrong flags, 0xc0"),
        origin("ORIGIN not transitive", 0, &[0], "ORIGIN (1) has the wrong flags, 0x00"),
        stays("ORIGIN partial", in_place(1, &attribute(0x60, 1, &[0]))),
        stays("ORIGIN with an extended length", in_place(1, &attribute(0x50, 1, &[2]))),
        path("AS_PATH of type 0", 0x40, &[0, 1, 0, 0, 253, 252], "AS_PATH (2) is malformed, 6 octets: 0x00010000fdfc"),
        path("AS_PATH of type 5", 0x40, &[5, 1, 0, 0, 253, 252], "AS_PATH (2) is malformed, 6 octets: 0x05010000fdfc"),
        path("AS_PATH of a confederation", 0x40, &[3, 1, 0, 0, 253, 252], {
            "AS_PATH (2) is malformed, 6 octets: 0x03010000fdfc"
        }),
        path("AS_PATH with an empty segment", 0x40, &[2, 0], "AS_PATH (2) is malformed, 2 octets: 0x0200"),
        path("AS_PATH cut off", 0x40, &[2, 2, 0, 0, 253, 252], "AS_PATH (2) is malformed, 6 octets: 0x02020000fdfc"),
        path("AS_PATH with one octet left", 0x40, &[2, 1, 0, 0, 253, 252, 2], {
            "AS_PATH (2) is malformed, 7 octets: 0x02010000fdfc02"
        }),
        path("AS_PATH with AS 0", 0x40, &[2, 1, 0, 0, 0, 0], "AS_PATH (2) is malformed, 6 octets: 0x020100000000"),
        path("AS_PATH optional", 0xc0, &[2, 1, 0, 0, 253, 252], "AS_PATH (2) has the wrong flags, 0xc0"),
        path("AS_PATH empty, from another AS", 0x40, &[], "AS_PATH (2) is malformed, 0 octets: 0x"),
        stays("AS_PATH with a set", in_place(2, &attribute(0x40, 2, &[1, 1, 0, 0, 253, 252]))),
        hop("NEXT_HOP of 3 octets", 0x40, &[10, 77, 0], "NEXT_HOP (3) is malformed, 3 octets: 0x0a4d00"),
        hop("NEXT_HOP of 5 octets", 0x40, &[10, 77, 0, 20, 0], "NEXT_HOP (3) is malformed, 5 octets: 0x0a4d001400"),
        hop("NEXT_HOP 0.0.0.0", 0x40, &[0; 4], "NEXT_HOP (3) is malformed, 4 octets: 0x00000000"),
        hop("NEXT_HOP 127.0.0.1", 0x40, &[127, 0, 0, 1], "NEXT_HOP (3) is malformed, 4 octets: 0x7f000001"),
        hop("NEXT_HOP 224.0.0.1", 0x40, &[224, 0, 0, 1], "NEXT_HOP (3) is malformed, 4 octets: 0xe0000001"),
        hop("NEXT_HOP optional", 0x80, &[10, 77, 0, 20], "NEXT_HOP (3) has the wrong flags, 0x80"),
    ]
}

fn optional() -> Vec<Case> {
    let more = |name, flags, code, value: &[u8], text| withdrawn(name, route(&attribute(flags, code, value)), text);
    let void = |name, flags, code, value: &[u8], text| discarded(name, route(&attribute(flags, code, value)), text);
    let good = |name, flags, code, value: &[u8]| stays(name, route(&attribute(flags, code, value)));
    vec![
        more("MED of 3 octets", 0x80, 4, &[0; 3], "MULTI_EXIT_DISC (4) is malformed, 3 octets: 0x000000"),
        more("MED transitive", 0xc0, 4, &[0; 4], "MULTI_EXIT_DISC (4) has the wrong flags, 0xc0"),
        good("MED", 0x80, 4, &[0; 4]),
        void("LOCAL_PREF from another AS", 0x40, 5, &[0; 4], "LOCAL_PREF (5) is not for an external peer"),
        void("ATOMIC_AGGREGATE of 1 octet", 0x40, 6, &[0], "ATOMIC_AGGREGATE (6) is malformed, 1 octets: 0x00"),
        good("ATOMIC_AGGREGATE", 0x40, 6, &[]),
        void("AGGREGATOR of 6 octets", 0xc0, 7, &[1; 6], "AGGREGATOR (7) is malformed, 6 octets: 0x010101010101"),
        good("AGGREGATOR", 0xc0, 7, &[1; 8]),
        more("COMMUNITIES of 0 octets", 0xc0, 8, &[], "COMMUNITIES (8) is malformed, 0 octets: 0x"),
        more("COMMUNITIES of 3 octets", 0xc0, 8, &[0; 3], "COMMUNITIES (8) is malformed, 3 octets: 0x000000"),
        good("COMMUNITIES", 0xc0, 8, &[0; 8]),
        void("ORIGINATOR_ID from another AS", 0x80, 9, &[1; 4], "ORIGINATOR_ID (9) is not for an external peer"),
        void("CLUSTER_LIST from another AS", 0x80, 10, &[1; 4], "CLUSTER_LIST (10) is not for an external peer"),
        more("EXTENDED_COMMUNITIES of 7 octets", 0xc0, 16, &[0; 7], {
            "EXTENDED_COMMUNITIES (16) is malformed, 7 octets: 0x00000000000000"
        }),
        good("EXTENDED_COMMUNITIES", 0xc0, 16, &[0; 16]),
        void("AS4_PATH where both have four octets", 0xc0, 17, &[2, 1, 0, 0, 253, 252], {
            "AS4_PATH (17) is not for a session with four-octet ASNs"
        }),
        more("IPV6_EXTENDED_COMMUNITIES of 8 octets", 0xc0, 25, &[0; 8], {
            "IPV6_EXTENDED_COMMUNITIES (25) is malformed, 8 octets: 0x0000000000000000"
        }),
        more("LARGE_COMMUNITIES of 4 octets", 0xc0, 32, &[0; 4], {
            "LARGE_COMMUNITIES (32) is malformed, 4 octets: 0x00000000"
        }),
        good("LARGE_COMMUNITIES", 0xc0, 32, &[0; 24]),
        more("ONLY_TO_CUSTOMER of 3 octets", 0xc0, 35, &[0; 3], {
            "ONLY_TO_CUSTOMER (35) is malformed, 3 octets: 0x000000"
        }),
        void("PREFIX_SID cut off", 0xc0, 40, &[1, 0, 9, 0], "PREFIX_SID (40) is malformed, 4 octets: 0x01000900"),
        good("tunnel encapsulation, which we do not know", 0xc0, 23, &[0xff; 9]),
        good("attribute 28 of AS-wide fame", 0xc0, 28, &[0xff; 3]),
    ]
}

/// From a peer in our own AS.
fn internal() -> Vec<Case> {
    let more = |name, attributes: &[Vec<u8>], text| withdrawn(name, route(&attributes.concat()), text).internal();
    vec![
        more("LOCAL_PREF of 3 octets", &[attribute(0x40, 5, &[0; 3])], {
            "LOCAL_PREF (5) is malformed, 3 octets: 0x000000"
        }),
        more("ORIGINATOR_ID of 5 octets", &[local_pref(), attribute(0x80, 9, &[1; 5])], {
            "ORIGINATOR_ID (9) is malformed, 5 octets: 0x0101010101"
        }),
        more("CLUSTER_LIST of 0 octets", &[local_pref(), attribute(0x80, 10, &[])], {
            "CLUSTER_LIST (10) is malformed, 0 octets: 0x"
        }),
        stays("ORIGINATOR_ID, CLUSTER_LIST", {
            route(&[local_pref(), attribute(0x80, 9, &[1; 4]), attribute(0x80, 10, &[1; 8])].concat())
        })
        .internal(),
        stays("AS_PATH empty", {
            let empty = attribute(0x40, 2, &[]);
            update(&[], &[origin(), empty, next_hop(), local_pref()].concat(), PREFIX)
        })
        .internal(),
    ]
}

/// From a peer without four-octet AS numbers.
fn two_octet() -> Vec<Case> {
    let path = attribute(0x40, 2, &[2, 1, 253, 252]);
    let with = |more: Vec<u8>| update(&[], &[origin(), path.clone(), next_hop(), more].concat(), PREFIX);
    vec![
        stays("AS_PATH in two octets", with(Vec::new())).open(two_octets()),
        withdrawn("AS_PATH in four octets", route(&[]), "AS_PATH (2) is malformed, 6 octets: 0x02010000fdfc")
            .open(two_octets()),
        stays("AS4_PATH", with(attribute(0xc0, 17, &[2, 1, 0, 1, 0, 0]))).open(two_octets()),
        discarded(
            "AS4_PATH malformed",
            with(attribute(0xc0, 17, &[2, 9])),
            "AS4_PATH (17) is malformed, 2 octets: 0x0209",
        )
        .open(two_octets()),
        discarded(
            "AS4_AGGREGATOR of 6 octets",
            with(attribute(0xc0, 18, &[1; 6])),
            "AS4_AGGREGATOR (18) is malformed, 6 octets: 0x010101010101",
        )
        .open(two_octets()),
    ]
}

fn multiprotocol() -> Vec<Case> {
    let mp = |attribute: &[u8]| update(&[], &[origin(), as_path(), attribute.to_vec()].concat(), &[]);
    let broken = |name, code, value: &[u8]| {
        let attribute = attribute(0x80, code, value);
        refused(name, mp(&attribute), OPTIONAL_ATTRIBUTE, &attribute)
    };
    let hop = |length: u8, hop: &[u8]| [&[0, 2, 1, length], hop, &[0, 0x20, 0x20, 1, 0x0d, 0xb8]].concat();
    let loopback = hop(16, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    vec![
        broken("MP_REACH_NLRI of 2 octets", MP_REACH, &[0, 2]),
        broken("MP_REACH_NLRI without a next hop's length", MP_REACH, &[0, 2, 1]),
        broken("MP_REACH_NLRI with a next hop of 4 octets", MP_REACH, &hop(4, &[10, 77, 0, 20])),
        broken("MP_REACH_NLRI with a next hop of 0 octets", MP_REACH, &hop(0, &[])),
        broken("MP_REACH_NLRI with a next hop beyond it", MP_REACH, &hop(250, &[])),
        broken("MP_UNREACH_NLRI of 2 octets", MP_UNREACH, &[0, 2]),
        withdrawn("MP_REACH_NLRI by way of ::1", mp(&attribute(0x80, MP_REACH, &loopback)), {
            "MP_REACH_NLRI (14) has no usable next hop"
        }),
        withdrawn("MP_REACH_NLRI transitive", mp(&attribute(0xc0, MP_REACH, REACH6)), {
            "MP_REACH_NLRI (14) has the wrong flags, 0xc0"
        }),
        stays("MP_REACH_NLRI with a link-local next hop behind", mp(&attribute(0x80, MP_REACH, &hop(32, &[0xfd; 32])))),
        stays("MP_REACH_NLRI of a family we do not carry", mp(&attribute(0x80, MP_REACH, &[0, 25, 70, 0, 0, 9]))),
        stays("MP_UNREACH_NLRI of a family we do not carry", mp(&attribute(0x80, MP_UNREACH, &[0, 1, 133, 9]))),
        stays("MP_REACH_NLRI last", mp(&reach6())),
    ]
}

/// The block as a whole (RFC 7606 §4, §5.2).
fn blocks() -> Vec<Case> {
    let with = |attributes: &[u8], nlri: &[u8]| update(&[], attributes, nlri);
    let over = "the attributes end in the middle of one";
    let good = [origin(), as_path(), next_hop()].concat();
    vec![
        withdrawn("an attribute beyond the block", with(&[good.clone(), vec![0xc0, 77, 9, 1]].concat(), PREFIX), over),
        withdrawn("an attribute without its length", with(&[good.clone(), vec![0xc0, 77]].concat(), PREFIX), over),
        withdrawn("an extended length cut off", with(&[good, vec![0xd0, 77, 0]].concat(), PREFIX), over),
        refused("a malformed attribute, and no prefix", with(&attribute(0x40, 1, &[9]), &[]), MALFORMED_LIST, &[]),
        refused("attributes that end early, and no prefix", with(&[0x40], &[]), MALFORMED_LIST, &[]),
    ]
}
