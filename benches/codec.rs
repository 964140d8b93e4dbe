//! How fast UPDATEs are read and written, beside two codecs that are not ours: `cargo bench --bench codec`.
//!
//! The bytes are ours, of one host route and of as many as a message holds, almost. What is compared is not quite the same: we
//! check all of a received UPDATE and count its prefixes, as nothing is done with them; the others keep them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark may panic, and says where")]

use std::hint::black_box;
use std::net::Ipv4Addr;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::BytesCount;
use ipnetwork::{IpNetwork, Ipv4Network};
use rustbgpd_wire::{Ipv4UnicastMode, ParsedUpdate, UpdateMessage};
use vipcast::wire::bgp::{Communities, NextHop, Outgoing, Packer, Route, Session, Update, decode, encode};
use zettabgp::prelude::{BgpMessage as _, BgpSessionParams, BgpTransportMode, BgpUpdateMessage};

const SESSION: Session = Session { four_octet_as: true, ibgp: false };
/// Prefixes in a message: one, and almost all that fit.
const PREFIXES: [u32; 2] = [1, 800];
const HEADER: usize = 19;

fn main() {
    divan::main();
    ratios::print();
}

fn route(number: u32) -> Update {
    let address = Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(10, 9, 0, 0)) + number);
    Update::Announce(Route {
        prefix: IpNetwork::V4(Ipv4Network::new(address, 32).unwrap()),
        next_hop: NextHop::V4(Ipv4Addr::new(192, 0, 2, 1)),
        as_path: vec![4_200_000_001, 65001],
        med: Some(7),
        local_pref: None,
        communities: Communities::default(),
    })
}

/// One message of ours.
fn ours(prefixes: u32) -> Vec<u8> {
    let mut packer = Packer::new(&SESSION);
    (0..prefixes).for_each(|number| packer.push(route(number)));
    packer.finish()
}

fn zettabgp_peer() -> BgpSessionParams {
    let mut peer = BgpSessionParams::new(65001, 9, BgpTransportMode::IPv4, Ipv4Addr::LOCALHOST, Vec::new());
    peer.has_as32bit = true;
    peer
}

fn zettabgp_decode(peer: &BgpSessionParams, bytes: &[u8]) -> BgpUpdateMessage {
    let mut update = BgpUpdateMessage::new();
    update.decode_from(peer, bytes.get(HEADER..).unwrap()).unwrap();
    update
}

fn zettabgp_encode(peer: &BgpSessionParams, update: &BgpUpdateMessage) -> usize {
    update.encode_to(peer, &mut [0; 4096]).unwrap()
}

fn rustbgpd_decode(bytes: &Bytes) -> ParsedUpdate {
    let message = rustbgpd_wire::decode_message(&mut bytes.clone(), rustbgpd_wire::MAX_MESSAGE_LEN).unwrap();
    let rustbgpd_wire::Message::Update(update) = message else { panic!("{message:?}") };
    update.parse(true, false, &[]).unwrap()
}

fn rustbgpd_encode(parsed: &ParsedUpdate) -> usize {
    let update = UpdateMessage::build(&parsed.announced, &[], &parsed.attributes, true, false, Ipv4UnicastMode::Body);
    rustbgpd_wire::encode_message(&rustbgpd_wire::Message::Update(update)).unwrap().len()
}

mod reading {
    use super::*;

    #[divan::bench(args = PREFIXES)]
    fn vipcast(bencher: Bencher<'_, '_>, prefixes: u32) {
        let bytes = ours(prefixes);
        bencher.counter(BytesCount::of_slice(&bytes)).bench(|| decode(black_box(&bytes), &SESSION).unwrap());
    }

    #[divan::bench(args = PREFIXES)]
    fn zettabgp(bencher: Bencher<'_, '_>, prefixes: u32) {
        let (bytes, peer) = (ours(prefixes), zettabgp_peer());
        bencher.counter(BytesCount::of_slice(&bytes)).bench(|| zettabgp_decode(&peer, black_box(&bytes)));
    }

    #[divan::bench(args = PREFIXES)]
    fn rustbgpd(bencher: Bencher<'_, '_>, prefixes: u32) {
        let bytes = Bytes::from(ours(prefixes));
        bencher.counter(BytesCount::of_slice(&bytes)).bench(|| rustbgpd_decode(black_box(&bytes)));
    }
}

mod writing {
    use super::*;

    #[divan::bench(args = PREFIXES)]
    fn vipcast(bencher: Bencher<'_, '_>, prefixes: u32) {
        let updates: Vec<Update> = (0..prefixes).map(route).collect();
        let counter = BytesCount::of_slice(&ours(prefixes));
        bencher.counter(counter).bench(|| pack(black_box(&updates)));
    }

    #[divan::bench(args = PREFIXES)]
    fn zettabgp(bencher: Bencher<'_, '_>, prefixes: u32) {
        let (bytes, peer) = (ours(prefixes), zettabgp_peer());
        let update = zettabgp_decode(&peer, &bytes);
        bencher.counter(BytesCount::of_slice(&bytes)).bench(|| zettabgp_encode(&peer, black_box(&update)));
    }

    #[divan::bench(args = PREFIXES)]
    fn rustbgpd(bencher: Bencher<'_, '_>, prefixes: u32) {
        let bytes = Bytes::from(ours(prefixes));
        let parsed = rustbgpd_decode(&bytes);
        bencher.counter(BytesCount::of_slice(&bytes)).bench(|| rustbgpd_encode(black_box(&parsed)));
    }
}

/// From routes with attributes of their own to messages, as the speaker does it.
fn pack(updates: &[Update]) -> Vec<u8> {
    match updates {
        [one] => encode(&Outgoing::Update(one.clone()), &SESSION),
        many => {
            let mut packer = Packer::new(&SESSION);
            many.iter().for_each(|update| packer.push(update.clone()));
            packer.finish()
        }
    }
}

mod ratios {
    use std::time::Duration;

    use super::*;

    const ROUNDS: usize = 2000;

    #[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a benchmark has no clock of ours")]
    fn median<T>(mut work: impl FnMut() -> T) -> Duration {
        let mut taken: Vec<Duration> = (0..ROUNDS)
            .map(|_| {
                let start = std::time::Instant::now();
                black_box(work());
                start.elapsed()
            })
            .collect();
        taken.sort_unstable();
        taken.get(ROUNDS / 2).copied().unwrap_or_default()
    }

    /// How much longer the others take, medians of this run.
    pub(super) fn print() {
        for prefixes in PREFIXES {
            let (bytes, peer) = (Bytes::from(ours(prefixes)), zettabgp_peer());
            let updates: Vec<Update> = (0..prefixes).map(route).collect();
            let (update, parsed) = (zettabgp_decode(&peer, &bytes), rustbgpd_decode(&bytes));
            let reading = median(|| decode(black_box(&bytes), &SESSION));
            let writing = median(|| pack(black_box(&updates)));
            let ratio = |theirs: Duration, own: Duration| theirs.as_secs_f64() / own.as_secs_f64();
            let zettabgp = [
                ratio(median(|| zettabgp_decode(&peer, black_box(&bytes))), reading),
                ratio(median(|| zettabgp_encode(&peer, black_box(&update))), writing),
            ];
            let rustbgpd = [
                ratio(median(|| rustbgpd_decode(black_box(&bytes))), reading),
                ratio(median(|| rustbgpd_encode(black_box(&parsed))), writing),
            ];
            println!(
                "{prefixes} prefixes, vipcast reads in {reading:?}, writes in {writing:?}; \
                 times as long [read, write]: zettabgp {zettabgp:.2?}, rustbgpd-wire {rustbgpd:.2?}"
            );
        }
    }
}
