//! Rows about the OPEN, and messages that come when they should not.

use std::net::Ipv4Addr;

use anyhow::Result;

use super::{AS, At, Case, HOLD, ID, OUR_ID, Then, good_open, open_with, play};
use crate::parts::scripted::wire::{
    KEEPALIVE, capabilities, capability, open, open_raw, parameter, route_refresh, update,
};
use crate::site::Site;

const UNSPECIFIC: (u8, u8) = (2, 0);
const BAD_VERSION: (u8, u8) = (2, 1);
const BAD_AS: (u8, u8) = (2, 2);
const BAD_IDENTIFIER: (u8, u8) = (2, 3);
const UNSUPPORTED_PARAMETER: (u8, u8) = (2, 4);
const BAD_HOLD_TIME: (u8, u8) = (2, 6);
/// Stands in the two-octet field for an AS number that does not fit (RFC 6793).
const AS_TRANS: u16 = 23456;

fn refused(name: &'static str, open: Vec<u8>, error: (u8, u8)) -> Case {
    Case::refused(name, At::OpenSent, open, error, &[])
}

fn confirmed(name: &'static str, open: Vec<u8>) -> Case {
    Case::new(name, At::OpenSent, open, Then::Confirmed)
}

pub(in super::super) fn version(site: &mut Site) -> Result<()> {
    let with = |name, version| {
        let open = open_raw(version, AS, HOLD, ID, &[0]);
        Case::refused(name, At::OpenSent, open, BAD_VERSION, &[0, 4])
    };
    play(site, &[with("0", 0), with("3", 3), with("5", 5), with("255", 255), confirmed("4", good_open(AS))])
}

pub(in super::super) fn peer_as(site: &mut Site) -> Result<()> {
    let alone = |asn| open(asn, HOLD, ID, &[]);
    let both = |field, asn| open_with(field, HOLD, &capabilities(asn));
    let ours = u32::from(AS);
    play(
        site,
        &[
            refused("another, in the field alone", alone(65021), BAD_AS),
            refused("ours, in the field alone", alone(65000), BAD_AS),
            refused("0, in the field alone", alone(0), BAD_AS),
            refused("AS_TRANS, in the field alone", alone(AS_TRANS), BAD_AS),
            refused("the right one in the field, another in the capability", both(AS, 65021), BAD_AS),
            refused("the right one in the field, 0 in the capability", both(AS, 0), BAD_AS),
            refused("0 in the field, the right one in the capability", both(0, ours), BAD_AS),
            confirmed("the right one, in the field alone", alone(AS)),
            confirmed("the right one, in both", both(AS, ours)),
            confirmed("AS_TRANS in the field, the right one in the capability", both(AS_TRANS, ours)),
            refused("another, from a peer in our AS", alone(AS), BAD_AS).internal(),
            confirmed("the right one, from a peer in our AS", alone(65000)).internal(),
        ],
    )
}

pub(in super::super) fn identifier(site: &mut Site) -> Result<()> {
    let with = |asn, id: Ipv4Addr| open(asn, HOLD, id, &parameter(2, &capabilities(u32::from(asn))));
    play(
        site,
        &[
            refused("0", with(AS, Ipv4Addr::UNSPECIFIED), BAD_IDENTIFIER),
            refused("0, inside our AS", with(65000, Ipv4Addr::UNSPECIFIED), BAD_IDENTIFIER).internal(),
            refused("ours, inside our AS", with(65000, OUR_ID), BAD_IDENTIFIER).internal(),
            confirmed("ours, from another AS", with(AS, OUR_ID)),
            confirmed("224.0.0.1", with(AS, Ipv4Addr::new(224, 0, 0, 1))),
            confirmed("255.255.255.255", with(AS, Ipv4Addr::BROADCAST)),
            confirmed("0.0.0.1", with(AS, Ipv4Addr::new(0, 0, 0, 1))),
        ],
    )
}

pub(in super::super) fn parameters(site: &mut Site) -> Result<()> {
    let good = capabilities(AS.into());
    let with = |parameters: &[u8]| open(AS, HOLD, ID, parameters);
    let raw = |rest: &[u8]| open_raw(4, AS, HOLD, ID, rest);
    let one = |code, value: &[u8]| open_with(AS, HOLD, &capability(code, value));
    let apart = [capability(1, &[0, 1, 0, 1]), capability(2, &[]), capability(65, &u32::from(AS).to_be_bytes())];
    let apart: Vec<u8> = apart.iter().flat_map(|capability| parameter(2, capability)).collect();
    play(
        site,
        &[
            refused("type 1, the authentication of old", with(&parameter(1, &[0])), UNSUPPORTED_PARAMETER),
            refused("type 77", with(&parameter(77, &[])), UNSUPPORTED_PARAMETER),
            refused(
                "type 77 after capabilities",
                with(&[parameter(2, &good), parameter(77, &[1, 2])].concat()),
                UNSUPPORTED_PARAMETER,
            ),
            refused("a parameter longer than them all", with(&[2, 10, 2, 0]), UNSPECIFIC),
            refused("a parameter without its length", with(&[2]), UNSPECIFIC),
            refused("all longer than the message", raw(&[10, 2, 2, 2, 0]), UNSPECIFIC),
            refused("all shorter than the message", raw(&[4, 2, 2, 2, 0, 0]), UNSPECIFIC),
            refused("a length of 0, and something there", raw(&[0, 2, 0]), UNSPECIFIC),
            refused("a capability longer than its parameter", open_with(AS, HOLD, &[65, 40, 0, 0]), UNSPECIFIC),
            refused("a capability without its length", open_with(AS, HOLD, &[2, 0, 65]), UNSPECIFIC),
            refused("a family of 3 octets", one(1, &[0, 1, 0]), UNSPECIFIC),
            refused("a family of 5 octets", one(1, &[0, 1, 0, 1, 0]), UNSPECIFIC),
            refused("a four-octet AS of 2", one(65, &[0xfd, 0xfc]), UNSPECIFIC),
            refused("a route refresh with a value", one(2, &[0]), UNSPECIFIC),
            confirmed("none at all", with(&[])),
            confirmed("an empty parameter", with(&parameter(2, &[]))),
            confirmed("a parameter for each capability", with(&apart)),
            confirmed("capabilities twice", open_with(AS, HOLD, &[good.clone(), good].concat())),
            confirmed("an unknown capability", one(200, b"anything")),
            confirmed("graceful restart, extended messages, add-path, roles", {
                let more = [capability(64, &[0x40, 120]), capability(6, &[]), capability(69, &[0, 1, 1, 3])].concat();
                open_with(AS, HOLD, &[more, capability(9, &[0])].concat())
            }),
            confirmed("a family we do not carry", one(1, &[0, 25, 0, 70])),
        ],
    )
}

pub(in super::super) fn hold_time(site: &mut Site) -> Result<()> {
    let with = |seconds| open_with(AS, seconds, &capabilities(AS.into()));
    play(
        site,
        &[
            refused("1", with(1), BAD_HOLD_TIME),
            refused("2", with(2), BAD_HOLD_TIME),
            confirmed("0", with(0)),
            confirmed("3", with(3)),
            confirmed("65535", with(65535)),
        ],
    )
}

/// An OPEN in RFC 9072's form with this first length octet, this length of the list, and the list.
pub(in super::super) fn form(first: u8, length: usize, list: &[u8]) -> Result<Vec<u8>> {
    Ok(open_raw(4, AS, HOLD, ID, &[&[first, 255], counted(length, list)?.as_slice()].concat()))
}

fn counted(length: usize, bytes: &[u8]) -> Result<Vec<u8>> {
    Ok([u16::try_from(length)?.to_be_bytes().as_slice(), bytes].concat())
}

/// RFC 9072 §2: length 255, type 255, the real length in two octets, parameters whose lengths have two octets.
pub(in super::super) fn extended_parameters(site: &mut Site) -> Result<()> {
    let raw = |rest: &[u8]| open_raw(4, AS, HOLD, ID, rest);
    let good = capabilities(AS.into());
    let list = |value: &[u8]| counted(value.len(), value).map(|value| [&[2], value.as_slice()].concat());
    let short = list(&good)?;
    let many: Vec<u8> = (0..150).flat_map(|n| capability(n, b"1234").into_iter().filter(move |_| n > 127)).collect();
    let long = [list(&[good.clone(), many.repeat(3)].concat())?, list(&good)?].concat();
    let cases = [
        confirmed("with a short list", form(255, short.len(), &short)?),
        confirmed("with a list that needs it", form(255, long.len(), &long)?),
        confirmed("told by its type, whatever the first length", form(7, short.len(), &short)?),
        confirmed("with an empty list", form(255, 0, &[])?),
        refused("its length beyond the message", form(255, short.len() + 1, &short)?, UNSPECIFIC),
        refused("its length short of the message", form(255, short.len() - 1, &short)?, UNSPECIFIC),
        refused("a parameter beyond its end", form(255, 3, &[2, 0, 9])?, UNSPECIFIC),
        refused("a parameter with a length of one octet", form(255, 2, &[2, 0])?, UNSPECIFIC),
        refused("cut off in its length", raw(&[255, 255, 0]), UNSPECIFIC),
        refused("cut off behind its type", raw(&[255, 255]), UNSPECIFIC),
        refused("an unknown parameter in it", form(255, 3, &[77, 0, 0])?, UNSUPPORTED_PARAMETER),
        refused("a first length of 0", form(0, short.len(), &short)?, UNSPECIFIC),
    ];
    play(site, &cases)
}

/// In each state: every message it does not accept, right and wrong inside.
pub(in super::super) fn unexpected(site: &mut Site) -> Result<()> {
    let mut cases = Vec::new();
    let mut add = |at, subcode, name, bytes: &[u8], kind| {
        cases.push(Case::refused(name, at, bytes.to_vec(), (5, subcode), &[kind]));
    };
    let broken_update = [update(&[], &[], &[]), vec![0xff]].concat();
    let (route, refresh) = (update(&[], &[], &[33]), route_refresh(1, 1));
    for (at, subcode) in [(At::OpenSent, 1), (At::OpenConfirm, 2)] {
        add(at, subcode, "UPDATE", &broken_update, 2);
        add(at, subcode, "UPDATE that is malformed", &route, 2);
        add(at, subcode, "ROUTE-REFRESH", &refresh, 5);
    }
    add(At::OpenSent, 1, "KEEPALIVE", KEEPALIVE, 4);
    add(At::OpenConfirm, 2, "OPEN", &good_open(AS), 1);
    add(At::Established, 3, "OPEN", &good_open(AS), 1);
    add(At::Established, 3, "OPEN that is malformed", &open_raw(9, 0, 1, ID, &[9]), 1);
    play(site, &cases)
}
