//! Rows for which the operator has to ask: peers that dial us, and families that a peer must have.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};

use super::{
    AS, At, Case, FIRST_PORT, HOLD, NUMBER, OUR_ID, Stage, Then, good_open, peer, play_with, read_routes, spec,
};
use crate::host::Host;
use crate::lab::Net;
use crate::parts::scripted::wire::{self, KEEPALIVE, capabilities, capability, open, parameter};
use crate::parts::scripted::{End, SOON, Session};
use crate::scenarios::expect::Undo;
use crate::site::Site;
use crate::wait;

const COLLISION: (u8, u8) = (6, 7);
const REJECTED: (u8, u8) = (6, 5);
/// A peer's address that vipcast does not know.
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 21);

/// Dials vipcast.
fn dial(host: &Host, from: Ipv4Addr) -> Result<Session> {
    let to = SocketAddr::from((OUR_ID, 179));
    wait::until("vipcast to listen", SOON, || Session::dial(host, SocketAddr::from((from, 0)), to))
}

fn open_as(id: Ipv4Addr) -> Vec<u8> {
    open(AS, HOLD, id, &parameter(2, &capabilities(AS.into())))
}

/// The session ends with this NOTIFICATION; a KEEPALIVE may have come before.
fn ends_with(session: &mut Session, error: (u8, u8)) -> Result<()> {
    let (messages, end) = session.rest(SOON)?;
    let said: Vec<_> = messages.into_iter().map(|message| message.bytes).filter(|bytes| bytes != KEEPALIVE).collect();
    ensure!(said == [wire::notification(error.0, error.1, &[])] && end == End::Closed, "{said:02x?}, then {end:?}");
    Ok(())
}

/// Two connections, one made by each side; the Identifiers decide, and who came last does not.
pub(in super::super) fn collision(site: &mut Site) -> Result<()> {
    for (id, ours_stays) in [(Ipv4Addr::new(10, 77, 0, 10), true), (Ipv4Addr::new(10, 77, 0, 12), false)] {
        for ours_first in [true, false] {
            collide(site, id, ours_stays, ours_first)
                .with_context(|| format!("Identifier {id}, OPEN on vipcast's connection first: {ours_first}"))?;
            site.reset()?;
        }
    }
    Ok(())
}

fn collide(site: &mut Site, id: Ipv4Addr, ours_stays: bool, ours_first: bool) -> Result<()> {
    let stage = Stage::new(site, 1)?;
    let host = site.host("scripted", NUMBER)?;
    let name = peer(AS.into(), FIRST_PORT);
    let options = format!("{}:{FIRST_PORT};connect=both", Net::Data.v4(NUMBER));
    let _vipcast = site.vipcast(1, &spec(site).peer_text(name).flag("bgpPeerOptions", options))?;
    let mut ours = stage.listeners.first().context("no listener")?.accept(SOON)?;
    ours.read_open()?;
    let mut theirs = dial(&host, Net::Data.v4(NUMBER))?;
    theirs.read_open()?;
    let order = if ours_first { [&mut ours, &mut theirs] } else { [&mut theirs, &mut ours] };
    for session in order {
        // The first OPEN may decide it already: then the second has nobody to be told to.
        let _ = session.send(&open_as(id));
    }
    let (winner, loser) = if ours_stays { (&mut ours, &mut theirs) } else { (&mut theirs, &mut ours) };
    ends_with(loser, COLLISION).context("the connection that should go")?;
    winner.expect(KEEPALIVE).context("the connection that should stay")?;
    winner.send(KEEPALIVE)?;
    read_routes(winner)?;
    // The session that is up stays, whatever the Identifier.
    let mut third = dial(&host, Net::Data.v4(NUMBER))?;
    let _ = third.send(&open_as(Ipv4Addr::BROADCAST));
    ends_with(&mut third, COLLISION).context("a third connection")?;
    // A stranger learns nothing but that.
    let device = Net::Data.device();
    let change = |verb: &str| format!("address {verb} {STRANGER}/24 dev {device}");
    let _address = Undo::ip(&host, &change("add"), &change("del"))?;
    ends_with(&mut dial(&host, STRANGER)?, REJECTED).context("a stranger")
}

/// Only where the operator asked for it, and with what is missing.
pub(in super::super) fn required_capability(site: &mut Site) -> Result<()> {
    let six = capability(1, &[0, 2, 0, 1]);
    let four = capability(1, &[0, 1, 0, 1]);
    let with = |list: &[u8]| super::open_with(AS, HOLD, &[list, &capability(65, &[0, 0, 253, 252])].concat());
    let refused = |name, list: &[u8], missing: &[u8]| Case::refused(name, At::OpenSent, with(list), (2, 7), missing);
    let asked = [
        refused("IPv4 alone", &four, &six),
        refused("IPv6 alone", &six, &four),
        refused("neither by name, which is IPv4", &[], &six),
        refused("others", &capability(1, &[0, 25, 0, 70]), &[four.clone(), six.clone()].concat()),
        Case::new("both", At::OpenSent, good_open(AS), Then::Confirmed),
    ];
    play_with(site, &asked, |spec| spec.flag("bgpPeerOptions", "*;require-families"))?;
    site.reset()?;
    let confirmed = |name, list: &[u8]| Case::new(name, At::OpenSent, with(list), Then::Confirmed);
    let unasked = [confirmed("not asked for: IPv4 alone", &four), confirmed("not asked for: IPv6 alone", &six)];
    play_with(site, &unasked, |spec| spec)
}

/// The address that vipcast listens on, for other scenarios.
pub(in super::super) fn door() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(OUR_ID), 179)
}
