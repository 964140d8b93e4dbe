//! Rows about the message header, and the message that is never answered.

use anyhow::Result;

use super::{AS, At, Case, HOLD, ID, Then, play};
use crate::parts::scripted::wire::{self, KEEPALIVE, NOTIFICATION, OPEN, ROUTE_REFRESH, UPDATE, header, message};
use crate::site::Site;

const NOT_SYNCHRONIZED: (u8, u8) = (1, 1);
const BAD_LENGTH: (u8, u8) = (1, 2);
const BAD_TYPE: (u8, u8) = (1, 3);
const STATES: [At; 3] = [At::OpenSent, At::OpenConfirm, At::Established];

pub(in super::super) fn marker(site: &mut Site) -> Result<()> {
    let with = |at: usize, octet: u8| {
        let mut bytes = KEEPALIVE.to_vec();
        bytes.iter_mut().skip(at).take(1).for_each(|marked| *marked = octet);
        bytes
    };
    let zeros = [&[0; 16], KEEPALIVE.get(16..).unwrap_or_default()].concat();
    let mut cases = Vec::new();
    for at in STATES {
        cases.extend([
            Case::refused("its first octet is 0", at, with(0, 0), NOT_SYNCHRONIZED, &[]),
            Case::refused("its last octet is 0xfe", at, with(15, 0xfe), NOT_SYNCHRONIZED, &[]),
            Case::refused("all zeros", at, zeros.clone(), NOT_SYNCHRONIZED, &[]),
            Case::refused("one octet of it is enough to tell", at, vec![0x7f], NOT_SYNCHRONIZED, &[]),
        ]);
    }
    play(site, &cases)
}

pub(in super::super) fn length(site: &mut Site) -> Result<()> {
    let mut cases = Vec::new();
    for at in STATES {
        for (name, length, kind) in [
            ("0", 0, 4),
            ("18", 18, 4),
            ("KEEPALIVE of 20", 20, 4),
            ("KEEPALIVE of 4096", 4096, 4),
            ("OPEN of 28", 28, OPEN),
            ("UPDATE of 22", 22, UPDATE),
            ("UPDATE of 19", 19, UPDATE),
            ("ROUTE-REFRESH of 22", 22, ROUTE_REFRESH),
            ("OPEN of 4097", 4097, OPEN),
            ("UPDATE of 4097", 4097, UPDATE),
            ("UPDATE of 65535", 65535, UPDATE),
        ] {
            let body = vec![0; usize::saturating_sub(length, 19).min(4096)];
            let data = u16::try_from(length)?.to_be_bytes();
            cases.push(Case::refused(name, at, header(length, kind, &body), BAD_LENGTH, &data));
        }
    }
    let filled = wire::update(&[], &wire::attribute(0xd0, 77, &[0; 4096 - 23 - 4]), &[]);
    let filtered = message(ROUTE_REFRESH, &[0, 1, 0, 1, 1, 64, 0, 0]);
    cases.extend([
        Case::new("OPEN of 29", At::OpenSent, wire::open(AS, HOLD, ID, &[]), Then::Confirmed),
        Case::new("UPDATE of 23", At::Established, wire::update(&[], &[], &[]), Then::Stays),
        Case::new("UPDATE of 4096", At::Established, filled, Then::Stays),
        Case::new("ROUTE-REFRESH of 27, with filters (RFC 5291)", At::Established, filtered, Then::Stays),
    ]);
    play(site, &cases)
}

pub(in super::super) fn kind(site: &mut Site) -> Result<()> {
    let mut cases = Vec::new();
    for at in STATES {
        for (name, kind) in [("0", 0), ("6", 6), ("255", 255)] {
            cases.push(Case::refused(name, at, message(kind, &[]), BAD_TYPE, &[kind]));
        }
        cases.push(Case::refused("6, with a body", at, message(6, &[0; 100]), BAD_TYPE, &[6]));
    }
    play(site, &cases)
}

pub(in super::super) fn notification_error(site: &mut Site) -> Result<()> {
    let mut cases = Vec::new();
    for at in STATES {
        for (name, bytes) in [
            ("of 20, shorter than it may be", header(20, NOTIFICATION, &[6])),
            ("of 19", header(19, NOTIFICATION, &[])),
            ("of 4097", header(4097, NOTIFICATION, &[6, 2])),
            ("an unknown code", wire::notification(99, 1, &[])),
            ("an unknown subcode", wire::notification(6, 200, b"abc")),
            ("code 0", wire::notification(0, 0, &[])),
            ("a text that is longer than the message", wire::notification(6, 2, b"\xffshort")),
            ("a text that is no UTF-8", wire::notification(6, 2, b"\x02\xff\xfe")),
            ("a good one", wire::notification(6, 2, b"\x04gone")),
        ] {
            cases.push(Case::new(name, at, bytes, Then::Unanswered));
        }
    }
    play(site, &cases)
}
