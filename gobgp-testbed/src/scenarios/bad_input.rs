//! Scenarios 21: bytes from an enemy. What brought other speakers down, each by its advisory; every message cut off at
//! every octet; bytes that come one by one.

mod advisories;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Socket, Type};

pub(super) use advisories::{opens, updates};

use super::conformance::both::door;
use super::conformance::still_up;
use super::conformance::update::{route, route6};
use super::conformance::{
    AS, At, Case, FIRST_PORT, NUMBER, Stage, Then, good_open, open_with, peer, play, read_routes, spec,
};
use super::expect::{Undo, figure};
use super::{Run, Scenario};
use crate::lab::Net;
use crate::parts::scripted::wire::{self, KEEPALIVE, capabilities, header, route_refresh};
use crate::parts::scripted::{End, Event, SOON, Session};
use crate::process::Process;
use crate::site::Site;
use crate::{clock, wait};

/// Those of this theme.
pub(super) const BAD_INPUT: &[Scenario] = &[
    Scenario {
        name: "21-advisories-open",
        shows: "what broke other speakers before a session was up: headers, OPENs, capabilities",
        run: Run::Site(opens),
    },
    Scenario {
        name: "21-advisories-update",
        shows: "what broke other speakers in UPDATEs and ROUTE-REFRESHes",
        run: Run::Site(updates),
    },
    Scenario {
        name: "21-cut-off",
        shows: "each message, ended by FIN after each of its octets: no answer, no harm",
        run: Run::Site(cut_off),
    },
    Scenario {
        name: "21-shortened",
        shows: "each message, whole but shorter by each number of octets: exactly what is wrong with it",
        run: Run::Site(shortened),
    },
    Scenario {
        name: "21-byte-by-byte",
        shows: "a session whose every octet comes alone is as good as another; a message that never ends is no sign of life",
        run: Run::Site(byte_by_byte),
    },
    Scenario {
        name: "21-churn",
        shows: "ten thousand connections with malformed bytes, at once and without a pause: no memory, no descriptors more",
        run: Run::Site(|site| churn(site, 10_000)),
    },
];

/// One good message of each type, and where it may come.
fn messages() -> [(At, Vec<u8>); 6] {
    [
        (At::OpenSent, good_open(AS)),
        (At::Established, route(&[])),
        (At::Established, route6()),
        (At::Established, wire::notification(6, 2, b"\x04gone")),
        (At::Established, KEEPALIVE.to_vec()),
        (At::Established, route_refresh(1, 1)),
    ]
}

fn cut_off(site: &mut Site) -> Result<()> {
    let mut cases = Vec::new();
    for (at, message) in messages() {
        for length in 1..message.len() {
            let part = message.get(..length).unwrap_or_default().to_vec();
            cases.push(Case::new("cut off", at, part, Then::Unanswered).then_half_close());
        }
    }
    play(site, &cases)
}

/// The header tells the truth about the length, and something is missing. A NOTIFICATION is never answered, even with a
/// length below the header's.
fn shortened(site: &mut Site) -> Result<()> {
    let mut cases = Vec::new();
    for (at, message) in messages() {
        let kind = message.get(18).copied().unwrap_or_default();
        for length in 0..message.len() {
            let bytes = header(length, kind, message.get(19..length).unwrap_or_default());
            let field = u16::try_from(length)?.to_be_bytes();
            let refused = |error, data: &[u8]| Case::refused("shortened", at, bytes.clone(), error, data);
            // Behind the fixed fields of an UPDATE stand its attributes, and behind these IPv4's prefixes.
            let attributes = message.get(21..23).and_then(|field| field.first_chunk()).copied().map(u16::from_be_bytes);
            let prefixes = 23 + usize::from(attributes.unwrap_or_default());
            cases.push(match (kind, length) {
                (3, _) => Case::new("shortened", at, bytes, Then::Unanswered),
                (_, 0..19) | (1, ..29) | (2 | 5, ..23) => refused((1, 2), &field),
                (1, _) => refused((2, 0), &[]),
                (2, _) if length < prefixes => refused((3, 1), &[]),
                // The attributes alone, with their mandatory ones: nothing is wrong.
                (2, _) if length == prefixes => Case::new("shortened", at, bytes, Then::Stays),
                _ => refused((3, 10), &[]),
            });
        }
    }
    play(site, &cases)
}

fn byte_by_byte(site: &mut Site) -> Result<()> {
    const PAUSE: Duration = Duration::from_millis(2);
    let stage = Stage::new(site, 2)?;
    let spec = spec(site).peer_text(peer(AS.into(), FIRST_PORT)).peer_text(peer(AS.into(), FIRST_PORT + 1));
    let vipcast = site.vipcast(1, &spec)?;
    let mut sessions = Vec::new();
    for listener in &stage.listeners {
        sessions.push(listener.accept(SOON)?);
    }
    let [slow, endless] = sessions.as_mut_slice() else { anyhow::bail!("two sessions are needed") };
    slow.read_open()?;
    slow.drip(&[&good_open(AS), KEEPALIVE].concat(), PAUSE)?;
    slow.expect(KEEPALIVE)?;
    let routes = read_routes(slow)?;
    slow.drip(&[route(&[]), route6(), KEEPALIVE.to_vec(), route_refresh(2, 1)].concat(), PAUSE)?;
    let again = read_until_end6(slow)?;
    ensure!(Some(&again) == routes.last(), "asked for slowly, {again:02x?} came");
    still_up(slow, &routes)?;

    endless.establish(&open_with(AS, 3, &capabilities(AS.into())))?;
    read_routes(endless)?;
    let start = clock::now();
    // An UPDATE that says it is long: ten octets a second of it.
    let mut octets = header(4096, wire::UPDATE, &[0; 4000]).into_iter();
    let goodbye = loop {
        endless.send(&[octets.next().unwrap_or_default()])?;
        match endless.next(Duration::from_millis(100))? {
            Event::Message(message) if message.bytes != KEEPALIVE => break message,
            Event::Message(_) | Event::Silence => {}
            Event::End(end) => anyhow::bail!("the connection ended by {end:?}"),
        }
        ensure!(clock::since(start) < SOON * 2, "the session still stands");
    };
    figure("hold time 3, a message that never ends: 4/0 after", clock::since(start));
    ensure!(goodbye.bytes == wire::notification(4, 0, &[]), "{goodbye}");
    ensure!(endless.rest(SOON)?.1 == End::Closed, "the connection was reset");
    vipcast.alive()
}

/// The UPDATE before the End-of-RIB of IPv6.
fn read_until_end6(session: &mut Session) -> Result<Vec<u8>> {
    let mut last = Vec::new();
    loop {
        let message = session.message(SOON)?;
        match message.bytes.as_slice() {
            wire::END_OF_RIB6 => return Ok(last),
            KEEPALIVE => {}
            _ => last = message.body,
        }
    }
}

/// The enemies' addresses: each has its own back-off, so that many are spoken to and not refused at the door.
const ENEMIES: std::ops::Range<u8> = 100..200;

/// Dials vipcast so many times, from each of its passive peers' addresses in turn, each time with other malformed bytes,
/// and does not wait for what becomes of it. The session with another peer goes on meanwhile.
pub(super) fn churn(site: &mut Site, count: u32) -> Result<()> {
    let stage = Stage::new(site, 1)?;
    let host = site.host("scripted", NUMBER)?;
    let (mut spec, mut addresses) = (spec(site).peer_text(peer(AS.into(), FIRST_PORT)).without("log=-4"), Vec::new());
    let mut options = Vec::new();
    for enemy in ENEMIES.map(|number| Net::Data.v4(number)) {
        let change = |verb: &str| format!("address {verb} {enemy}/24 dev {}", Net::Data.device());
        addresses.push(Undo::ip(&host, &change("add"), &change("del"))?);
        spec = spec.peer_text(format!("{enemy}:{AS}"));
        options.push(format!("{enemy}:179;connect=passive"));
    }
    let vipcast = site.vipcast(1, &spec.flag("bgpPeerOptions", options.join(",")))?;
    let mut session = stage.listeners.first().context("no listener")?.accept(SOON)?;
    session.establish(&open_with(AS, 0, &capabilities(AS.into())))?;
    let routes = read_routes(&mut session)?;
    wait::until("vipcast to listen", SOON, || {
        Session::dial(&host, (Net::Data.v4(NUMBER), 0).into(), door()).map(drop)
    })?;
    // What the first ones cost is what any costs.
    let first = host.inside(|| knock(1000))?;
    let before = (descriptors(&vipcast)?, vipcast.memory_kib("VmRSS")?);
    let start = clock::now();
    let (spoken, refused) = host.inside(|| knock(count))?;
    println!(
        "    figure: {count} connections in {:.1} s: an OPEN came on {spoken}, {refused} were refused or waited; of the \
         first 1000 on {}",
        clock::since(start).as_secs_f64(),
        first.0
    );
    ensure!(first.0 > 0 && refused > 0, "all were spoken to, or none");
    still_up(&mut session, &routes)?;
    let descriptors = wait::until("vipcast's descriptors to be no more than before", SOON, || {
        let now = descriptors(&vipcast)?;
        ensure!(now <= before.0, "there are {now}, and were {}", before.0);
        Ok(now)
    })?;
    let memory = vipcast.memory_kib("VmRSS")?;
    println!("    figure: descriptors {} before, {descriptors} after; memory {} KiB, {memory} KiB", before.0, before.1);
    ensure!(memory < before.1 + 1024, "the memory grew from {} to {memory} KiB", before.1);
    vipcast.alive()
}

/// Open files of a process.
fn descriptors(process: &Process) -> Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{}/fd", process.pid()))?.count())
}

/// Dials so many times; how often an OPEN came, and how often something else or nothing.
fn knock(count: u32) -> Result<(u32, u32)> {
    let wrong = [
        vec![0; 19],
        wire::message(0, &[]),
        header(18, 1, &[]),
        wire::update(&[], &[], &[33]),
        open_with(AS, 1, &[]),
        good_open(1),
        vec![0xff; 5],
    ];
    let (mut opens, mut others) = (0, 0);
    let from = ENEMIES.map(|number| Net::Data.v4(number)).collect::<Vec<_>>();
    for (bytes, from) in wrong.iter().cycle().zip(from.iter().cycle()).take(usize::try_from(count)?) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((*from, 0)).into())?;
        socket.connect(&door().into())?;
        let mut stream = TcpStream::from(socket);
        // Whoever is refused at once cannot say all of it.
        let _ = stream.write_all(bytes);
        stream.set_read_timeout(Some(Duration::from_millis(2)))?;
        let mut answer = [0; 64];
        match stream.read(&mut answer) {
            Ok(19..) if answer.get(18) == Some(&wire::OPEN) => opens += 1,
            _ => others += 1,
        }
    }
    Ok((opens, others))
}
