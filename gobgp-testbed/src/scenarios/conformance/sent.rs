//! Rows about what vipcast sends of itself.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{AS, At, Case, FIRST_PORT, HOLD, ID, Stage, good_open, open_with, peer, play, read_routes, spec, still_up};
use super::{Then, update};
use crate::lab::{NODE_AS, Net, VIP, VIP6};
use crate::parts::scripted::wire::{self, END_OF_RIB, END_OF_RIB6, KEEPALIVE, message, route_refresh};
use crate::parts::scripted::{End, SOON, Session};
use crate::process::Process;
use crate::scenarios::expect::{Undo, figure};
use crate::site::Site;
use crate::{clock, wait};

/// To an external peer: no withdrawn routes, ORIGIN IGP, `AS_PATH` 65000, `NEXT_HOP` 10.77.0.11, 10.88.0.40/32.
const EXTERNAL: &[u8] =
    b"\x00\x00\x00\x14\x40\x01\x01\x00\x40\x02\x06\x02\x01\x00\x00\xfd\xe8\x40\x03\x04\x0a\x4d\x00\x0b\x20\x0a\x58\x00\x28";
/// `MP_REACH_NLRI` first: next hop fd77::11, fd88::40/128; ORIGIN IGP, `AS_PATH` 65000.
const EXTERNAL6: &[u8] = b"\x00\x00\x00\x36\x80\x0e\x26\x00\x02\x01\x10\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\x11\x00\
    \x80\xfd\x88\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\x40\x01\x01\x00\x40\x02\x06\x02\x01\x00\x00\xfd\xe8";
/// To a peer in our own AS: an empty `AS_PATH`, and `LOCAL_PREF` 100.
const INTERNAL: &[u8] = b"\x00\x00\x00\x15\x40\x01\x01\x00\x40\x02\x00\x40\x03\x04\x0a\x4d\x00\x0b\
    \x40\x05\x04\x00\x00\x00\x64\x20\x0a\x58\x00\x28";
const INTERNAL6: &[u8] = b"\x00\x00\x00\x37\x80\x0e\x26\x00\x02\x01\x10\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\x11\x00\
    \x80\xfd\x88\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\x40\x01\x01\x00\x40\x02\x00\x40\x05\x04\x00\x00\x00\x64";
/// From AS 4200000001 to a peer without four-octet AS numbers: `AS_TRANS`, and the truth in `AS4_PATH`.
const TRANSLATED: &[u8] = b"\x00\x00\x00\x1b\x40\x01\x01\x00\x40\x02\x04\x02\x01\x5b\xa0\x40\x03\x04\x0a\x4d\x00\x0b\
    \xc0\x11\x06\x02\x01\xfa\x56\xea\x01\x20\x0a\x58\x00\x28";

/// The whole of a withdrawal of the IPv4 VIP, and of the IPv6 one.
fn withdrawals() -> [Vec<u8>; 2] {
    let six = b"\x00\x00\x00\x17\x80\x0f\x14\x00\x02\x01\x80\xfd\x88\0\0\0\0\0\0\0\0\0\0\0\0\0\x40";
    [message(2, b"\x00\x05\x20\x0a\x58\x00\x28\x00\x00"), message(2, six)]
}

/// A vipcast whose VIPs are bound before any session comes up, and its sessions with these peers, not yet answered.
fn start(site: &mut Site, peers: &[u32], local_as: u32) -> Result<(std::rc::Rc<Process>, Vec<Session>)> {
    let stage = Stage::new(site, peers.len())?;
    let spec = peers.iter().zip(FIRST_PORT..).fold(spec(site), |spec, (asn, port)| spec.peer_text(peer(*asn, port)));
    let vipcast = site.vipcast(1, &spec.flag("localAS", local_as))?;
    let sessions = stage.listeners.iter().map(|listener| listener.accept(SOON)).collect::<Result<_>>()?;
    let node = site.node(1)?;
    wait::until("the VIPs on lo", SOON, || {
        node.expect_address("lo", VIP.into(), true)?;
        node.expect_address("lo", VIP6.into(), true)
    })?;
    Ok((vipcast, sessions))
}

/// The types of the path attributes of an UPDATE's body, in order, and what it is about: withdrawn routes, NLRI,
/// `MP_REACH_NLRI`, `MP_UNREACH_NLRI`.
fn shape(body: &[u8]) -> Result<(Vec<u8>, [bool; 4])> {
    let length = |at: usize| Some(usize::from(u16::from_be_bytes(*body.get(at..)?.first_chunk()?)));
    let withdrawn = length(0).context("no length")?;
    let block = 4 + withdrawn;
    let end = block + length(2 + withdrawn).context("no length of attributes")?;
    let mut rest = body.get(block..end).context("attributes beyond the message")?;
    let mut types = Vec::new();
    while let [flags, kind, more @ ..] = rest {
        let (size, value) = match (flags & 0x10, more) {
            (0, [length, value @ ..]) => (usize::from(*length), value),
            (_, [high, low, value @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), value),
            _ => anyhow::bail!("an attribute without its length"),
        };
        types.push(*kind);
        rest = value.get(size..).context("an attribute beyond the block")?;
    }
    let about = [withdrawn > 0, body.len() > end, types.contains(&14), types.contains(&15)];
    Ok((types, about))
}

/// RFC 7606 §5.1, RFC 4271 §5.
fn check_shape(body: &[u8]) -> Result<()> {
    let (types, about) = shape(body)?;
    ensure!(about.iter().filter(|is| **is).count() <= 1, "an UPDATE about several things: {body:02x?}");
    let mp_first = types.iter().skip(1).all(|kind| !matches!(kind, 14 | 15));
    let rest: Vec<_> = types.iter().filter(|kind| !matches!(kind, 14 | 15)).collect();
    ensure!(mp_first && rest.is_sorted(), "attributes in the order {types:?}");
    Ok(())
}

pub(in super::super) fn attributes(site: &mut Site) -> Result<()> {
    let (_vipcast, mut sessions) = start(site, &[AS.into(), NODE_AS], NODE_AS)?;
    let [external, internal] = sessions.as_mut_slice() else { anyhow::bail!("two sessions are needed") };
    for (session, asn, expected) in [(external, AS, [EXTERNAL, EXTERNAL6]), (internal, 65000, [INTERNAL, INTERNAL6])] {
        session.establish(&good_open(asn))?;
        let routes = read_routes(session)?;
        ensure!(routes == expected, "to AS {asn}: {routes:02x?}");
        routes.iter().try_for_each(|body| check_shape(body))?;
    }
    site.reset()?;
    let (_vipcast, mut sessions) = start(site, &[AS.into()], 4_200_000_001)?;
    let session = sessions.first_mut().context("no session")?;
    session.establish(&update::two_octets())?;
    let routes = read_routes(session)?;
    ensure!(routes.first().map(Vec::as_slice) == Some(TRANSLATED), "without four octets: {routes:02x?}");
    routes.iter().try_for_each(|body| check_shape(body))
}

pub(in super::super) fn end_of_rib(site: &mut Site) -> Result<()> {
    let (_vipcast, mut sessions) = start(site, &[AS.into(), AS.into()], NODE_AS)?;
    let [both, four] = sessions.as_mut_slice() else { anyhow::bail!("two sessions are needed") };
    both.establish(&good_open(AS))?;
    for expected in [&message(2, EXTERNAL), &message(2, EXTERNAL6), END_OF_RIB, END_OF_RIB6] {
        both.expect(expected)?;
    }
    // A peer of one family is told the end of that one alone.
    four.establish(&wire::open(AS, HOLD, ID, &[]))?;
    let two_octets = read_until_end(four)?;
    ensure!(two_octets.len() == 1, "{two_octets:02x?}");
    still_up(four, &two_octets)
}

fn read_until_end(session: &mut Session) -> Result<Vec<Vec<u8>>> {
    let mut bodies = Vec::new();
    loop {
        let message = session.message(SOON)?;
        match message.bytes.as_slice() {
            END_OF_RIB => return Ok(bodies),
            KEEPALIVE => {}
            _ => bodies.push(message.body),
        }
    }
}

pub(in super::super) fn refresh(site: &mut Site) -> Result<()> {
    let (_vipcast, mut sessions) = start(site, &[AS.into()], NODE_AS)?;
    let session = sessions.first_mut().context("no session")?;
    session.establish(&good_open(AS))?;
    read_routes(session)?;
    for _ in 0..2 {
        session.send(&route_refresh(2, 1))?;
        session.expect(&message(2, EXTERNAL6))?;
        session.expect(END_OF_RIB6)?;
        session.send(&route_refresh(1, 1))?;
        session.expect(&message(2, EXTERNAL))?;
        session.expect(END_OF_RIB)?;
    }
    site.reset()?;
    let stays = |name, send| Case::new(name, At::Established, send, Then::Stays);
    let refused = |name, length: u16, body: &[u8]| {
        let send = wire::header(usize::from(length), wire::ROUTE_REFRESH, body);
        Case::refused(name, At::Established, send, (1, 2), &length.to_be_bytes())
    };
    let cases = [
        stays("of an unknown family", route_refresh(25, 70)),
        stays("of another SAFI", route_refresh(1, 128)),
        stays("of AFI 0", route_refresh(0, 0)),
        stays("with a subtype of RFC 7313, not agreed on", message(wire::ROUTE_REFRESH, &[0, 2, 1, 9])),
        refused("of 19", 19, &[]),
        refused("of 22", 22, &[0, 1, 0]),
    ];
    play(site, &cases)
}

/// Withdrawals, Cease 6/2 with its text, end; from each state what it can say.
///
/// Of the other subcodes, 6/5 and 6/7 are in the row of collisions, 6/10 in BFD's scenarios, and 6/6 (a password that
/// changed) in the unit tests of the state machine. 6/3 and 6/4 cannot be sent: peers are not reconfigured, nor sessions
/// reset on command, while the process runs. Nor can 6/1, 6/8 and 6/9: no route is kept, so there is no limit to
/// them, and no graceful restart is spoken. They are only read.
pub(in super::super) fn cease(site: &mut Site) -> Result<()> {
    let (vipcast, mut sessions) = start(site, &[AS.into(); 3], NODE_AS)?;
    let [up, confirmed, opened] = sessions.as_mut_slice() else { anyhow::bail!("three sessions are needed") };
    up.establish(&good_open(AS))?;
    read_routes(up)?;
    confirmed.confirm(&good_open(AS))?;
    opened.read_open()?;
    vipcast.term()?;
    let text = b"vipcast is shutting down on this node";
    let data = [&[u8::try_from(text.len())?], text.as_slice()].concat();
    let cease = wire::notification(6, 2, &data);
    let [four, six] = withdrawals();
    for (session, expected) in
        [(up, vec![four, six, cease.clone()]), (confirmed, vec![cease.clone()]), (opened, vec![cease])]
    {
        let (messages, end) = session.rest(SOON)?;
        let said: Vec<_> = messages.into_iter().map(|message| message.bytes).collect();
        ensure!(said == expected && end == End::Closed, "{said:02x?}, then {end:?}");
        session.half_close()?;
    }
    Ok(())
}

pub(in super::super) fn withdrawal(site: &mut Site) -> Result<()> {
    let (vipcast, mut sessions) = start(site, &[AS.into()], NODE_AS)?;
    let session = sessions.first_mut().context("no session")?;
    session.establish(&good_open(AS))?;
    read_routes(session)?;
    let start = clock::now();
    vipcast.term()?;
    for expected in withdrawals() {
        let took = session.expect(&expected)?.at.saturating_sub(start);
        figure("from SIGTERM to a withdrawal", took);
        ensure!(took < Duration::from_secs(1), "a withdrawal took {took:?}");
    }
    Ok(())
}

/// RFC 8212 and more: what a peer tells goes to no other peer and into no table.
pub(in super::super) fn import_nothing(site: &mut Site) -> Result<()> {
    let (_vipcast, mut sessions) = start(site, &[AS.into(), AS.into(), NODE_AS], NODE_AS)?;
    let mut routes = Vec::new();
    for (session, asn) in sessions.iter_mut().zip([AS, AS, 65000]) {
        session.establish(&good_open(asn))?;
        routes.push(read_routes(session)?);
    }
    let node = site.node(1)?;
    let tables =
        || -> Result<[String; 2]> { Ok([node.ip("route show table all")?, node.ip("-6 route show table all")?]) };
    let before = tables()?;
    let teller = sessions.first_mut().context("no session")?;
    teller.send(&update::route(&[]))?;
    teller.send(&update::route6())?;
    // The VIP's own prefix, too.
    teller.send(&update::route_to(b"\x20\x0a\x58\x00\x28"))?;
    for (session, routes) in sessions.iter_mut().zip(&routes) {
        still_up(session, routes)?;
    }
    let after = tables()?;
    ensure!(before == after, "the kernel's routes were {before:#?} and are {after:#?}");
    Ok(())
}

/// TTL 1 to another AS, more to peers that may be further away.
pub(in super::super) fn ttl(site: &mut Site) -> Result<()> {
    let host = site.host("scripted", super::NUMBER)?;
    let wanted = [(FIRST_PORT, 1), (FIRST_PORT + 1, 64), (FIRST_PORT + 2, 50)];
    let counters: Vec<String> = wanted
        .iter()
        .map(|(port, ttl)| {
            format!(
                "counter right{port} {{}}; counter wrong{port} {{}}; chain from{port} {{ type filter hook input priority 0; \
                 tcp dport {port} ip ttl {ttl} counter name right{port}; \
                 tcp dport {port} ip ttl != {ttl} counter name wrong{port}; }}"
            )
        })
        .collect();
    let _table = Undo::table(&host, &counters.join("; "))?;
    let stage = Stage::new(site, wanted.len())?;
    let multihop = format!("{}:{AS}::true:{}", Net::Data.v4(super::NUMBER), FIRST_PORT + 2);
    let spec = spec(site).peer_text(peer(AS.into(), FIRST_PORT)).peer_text(peer(NODE_AS, FIRST_PORT + 1));
    let _vipcast = site.vipcast(1, &spec.peer_text(multihop))?;
    for (listener, asn) in stage.listeners.iter().zip([AS, 65000, AS]) {
        let mut session = listener.accept(SOON)?;
        session.establish(&open_with(asn, HOLD, &wire::capabilities(asn.into())))?;
        read_routes(&mut session)?;
    }
    for (port, ttl) in wanted {
        let count = |name: String| -> Result<u64> {
            let said: serde_json::Value =
                serde_json::from_str(&host.exec("nft", &["-j", "list", "counter", "inet", "scenario", &name])?)?;
            let all = said.get("nftables").and_then(serde_json::Value::as_array).into_iter().flatten();
            all.filter_map(|object| object.pointer("/counter/packets")?.as_u64()).next().context("no counter")
        };
        let (right, wrong) = (count(format!("right{port}"))?, count(format!("wrong{port}"))?);
        println!("    port {port}: {right} packets with TTL {ttl}, {wrong} with another");
        ensure!(right > 3 && wrong == 0, "TTLs on port {port}");
    }
    Ok(())
}
