//! `testbed fixtures`: bytes of real routers for bgp-fixtures/, each with its meaning beside it.
//!
//! vipcast is the routers' peer here, and what *they* send is kept. What the bytes mean is said twice, and never by
//! vipcast: in Wireshark's words for the reader, and by [`meaning`] for the tests that replay them.

mod meaning;
mod wireshark;

use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::host::capture;
use crate::lab::{NODE_AS, Net, node_address};
use crate::parts::capture::{Capture, Packet, Sent};
use crate::parts::router::{Conf, Kind, Neighbor, Router};
use crate::paths::cached;
use crate::process::Process;
use crate::site::{Site, check_tools};
use crate::wait;

const KINDS: [Kind; 5] = [Kind::Gobgpd, Kind::Frr, Kind::Bird, Kind::Openbgpd, Kind::Exabgp];
/// By when a router has done what it was asked to; BIRD and FRR hold their first routes back for a second.
const SOON: Duration = Duration::from_secs(20);
const KEY: &str = "correct-horse";
const OTHER_KEY: &str = "battery-staple";
const REASON: &str = "maintenance until 14:00";

const OPEN: u8 = 1;
const UPDATE: u8 = 2;
const NOTIFICATION: u8 = 3;
const KEEPALIVE: u8 = 4;
const ROUTE_REFRESH: u8 = 5;

/// One fixture in the making.
struct Made {
    name: &'static str,
    what: String,
    fields: Vec<String>,
    bytes: Vec<u8>,
}

/// Writes `<directory>/<router>/<name>.txt` anew, for all routers or those named.
///
/// # Errors
/// When a part is missing, a router does not do as told, or a file cannot be written.
pub fn refresh(directory: &Path, routers: &[&str]) -> Result<()> {
    check_tools()?;
    ensure!(directory.join("README.md").exists(), "{} is not bgp-fixtures/", directory.display());
    let unknown = routers.iter().find(|name| !KINDS.iter().any(|kind| kind.to_string() == **name));
    ensure!(unknown.is_none(), "{unknown:?} is no router; there are {KINDS:?}");
    let mut site = Site::build()?;
    for kind in KINDS.into_iter().filter(|kind| routers.is_empty() || routers.contains(&kind.to_string().as_str())) {
        println!("{kind} ...");
        let version = version(kind)?;
        let mut made = talk(&mut site, kind)?;
        made.extend(ibgp(&mut site, kind)?);
        made.extend(hold_timer(&mut site, kind)?);
        made.extend(bad_peer_as(&mut site, kind)?);
        made.extend(signed(&mut site, kind)?);
        let own = directory.join(kind.to_string());
        if own.exists() {
            std::fs::remove_dir_all(&own)?;
        }
        std::fs::create_dir_all(&own)?;
        let readings = wireshark::read(&site, &made.iter().map(|made| made.bytes.as_slice()).collect::<Vec<_>>())?;
        for (made, reading) in made.iter().zip(&readings) {
            std::fs::write(own.join(format!("{}.txt", made.name)), text(&version, made, reading))?;
        }
        println!("  {} fixtures of {version}", made.len());
    }
    Ok(())
}

fn version(kind: Kind) -> Result<String> {
    let debian = |name: &str, package: &str| -> Result<String> {
        Ok(format!("{name} {}", capture(Command::new("dpkg-query").args(["-W", "-f", "${Version}", package]))?))
    };
    match kind {
        Kind::Gobgpd => {
            Ok(capture(Command::new(cached("gobgpd")?).arg("--version"))?.trim().replace("gobgpd", "GoBGP"))
        }
        Kind::Frr => debian("FRR", "frr"),
        Kind::Bird => debian("BIRD", "bird2"),
        Kind::Openbgpd => debian("OpenBGPD", "openbgpd"),
        Kind::Exabgp => debian("ExaBGP", "exabgp"),
    }
}

/// The file: what it is, for people; what it means, for tests; the bytes.
fn text(version: &str, made: &Made, reading: &str) -> String {
    let mut text = format!("# {version}: {}.\n", made.what);
    for line in reading.lines() {
        let _ = writeln!(text, "#   {line}");
    }
    for field in &made.fields {
        let _ = writeln!(text, "{field}");
    }
    text.push_str("bytes:\n");
    for line in made.bytes.chunks(32) {
        let octets: Vec<String> = line.iter().map(|octet| format!("{octet:02x}")).collect();
        let _ = writeln!(text, "{}", octets.chunks(4).map(<[String]>::concat).collect::<Vec<_>>().join(" "));
    }
    text
}

/// A router, vipcast as its peer, and what passes between them.
struct Talk {
    kind: Kind,
    router: Rc<Router>,
    vipcast: Rc<Process>,
    capture: Capture,
}

impl Talk {
    /// Begins with a clean site. `flags` are added to vipcast's, or replace them.
    fn begin(site: &mut Site, conf: Conf, kind: Kind, flags: &[(&str, &str)], password: &str) -> Result<Self> {
        site.reset()?;
        let router = site.router(kind, conf)?;
        let capture = Capture::start(site.node(1)?, Net::Data)?;
        let spec = site.spec(1, &[]).peer(kind.address(), router.asn(), password, false);
        let spec = spec.peer(address6(kind), router.asn(), password, false);
        let spec = flags.iter().fold(spec, |spec, (flag, value)| spec.flag(flag, value));
        let vipcast = site.vipcast(1, &spec)?;
        Ok(Self { kind, router, vipcast, capture })
    }

    fn established(&self) -> Result<()> {
        self.router.wait_established(node_address(1), SOON)?;
        self.router.wait_established(node_address6(), SOON)
    }

    /// The first message of the router from `address` after the `skip`ped ones that is as wanted.
    fn wait(&self, what: &str, address: IpAddr, skip: usize, wanted: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>> {
        wait::until(&format!("{what} of {}", self.kind), SOON, || {
            let messages = self.capture.messages()?;
            let found = messages.iter().skip(skip).find(|sent| sent.from == address && wanted(&sent.bytes));
            found.map(|sent| sent.bytes.clone()).with_context(|| format!("{} messages", messages.len()))
        })
    }

    fn count(&self) -> Result<usize> {
        Ok(self.capture.messages()?.len())
    }
}

fn address6(kind: Kind) -> IpAddr {
    IpAddr::V6(Net::Data.v6(kind.number()))
}

fn node_address6() -> IpAddr {
    IpAddr::V6(Net::Data.v6(11))
}

fn conf(kind: Kind) -> Conf {
    let neighbors = [node_address(1), node_address6()].map(Neighbor::new).to_vec();
    Conf { neighbors, ..Conf::new(kind) }
}

fn is(kind: u8) -> impl Fn(&[u8]) -> bool {
    move |bytes| bytes.get(18) == Some(&kind)
}

/// An UPDATE with this prefix in it, as it is on the wire.
fn update_of(prefix: &'static [u8]) -> impl Fn(&[u8]) -> bool {
    move |bytes| is(UPDATE)(bytes) && bytes.windows(prefix.len()).any(|window| window == prefix)
}

/// [`crate::parts::orders::PREFIX4`] and its twin on the wire.
const NLRI4: &[u8] = &[24, 192, 0, 2];
const NLRI6: &[u8] = &[48, 0x20, 0x01, 0x0d, 0xb8, 0, 1];

fn message(name: &'static str, what: &str, session: &str, bytes: Vec<u8>) -> Result<Made> {
    let means = meaning::of(&bytes).with_context(|| format!("{what}: {bytes:02x?}"))?;
    let fields = vec!["kind: message".to_owned(), format!("session: {session}"), format!("means: {means}")];
    Ok(Made { name, what: what.to_owned(), fields, bytes })
}

/// A session from OPEN to Cease.
fn talk(site: &mut Site, kind: Kind) -> Result<Vec<Made>> {
    const EBGP: &str = "external, four-octet AS";
    let talk = Talk::begin(site, conf(kind), kind, &[], "")?;
    let (four, six) = (kind.address(), address6(kind));
    talk.established()?;
    let mut made = Vec::new();
    let mut keep = |name, what: &str, bytes| -> Result<()> {
        made.push(message(name, what, EBGP, bytes)?);
        Ok(())
    };
    keep("open", "its OPEN", talk.wait("OPEN", four, 0, is(OPEN))?)?;
    keep("keepalive", "a KEEPALIVE", talk.wait("KEEPALIVE", four, 0, is(KEEPALIVE))?)?;
    talk.router.announce()?;
    keep("announce-ipv4", "a route", talk.wait("a route", four, 0, update_of(NLRI4))?)?;
    keep("announce-ipv6", "an IPv6 route over IPv4", talk.wait("a route", four, 0, update_of(NLRI6))?)?;
    keep("announce-ipv6-over-ipv6", "an IPv6 route over IPv6", talk.wait("a route", six, 0, update_of(NLRI6))?)?;
    let mark = talk.count()?;
    talk.router.withdraw()?;
    keep("withdraw-ipv4", "a route withdrawn", talk.wait("a withdrawal", four, mark, update_of(NLRI4))?)?;
    keep("withdraw-ipv6", "an IPv6 route withdrawn", talk.wait("a withdrawal", four, mark, update_of(NLRI6))?)?;
    if kind != Kind::Gobgpd {
        talk.router.ask_again(node_address(1))?;
        keep("route-refresh", "routes asked for again", talk.wait("ROUTE-REFRESH", four, mark, is(ROUTE_REFRESH))?)?;
    }
    talk.router.shut(node_address(1), REASON)?;
    keep("shutdown", "shut by its operator", talk.wait("a Cease", four, mark, is(NOTIFICATION))?)?;
    // Not all of them say it.
    for (name, family) in [("end-of-rib-ipv4", "ipv4"), ("end-of-rib-ipv6", "ipv6")] {
        let means = format!("UPDATE end of rib {family}");
        let said = |sent: &&Sent| sent.from == four && meaning::of(&sent.bytes).is_some_and(|said| said == means);
        if let Some(sent) = talk.capture.messages()?.iter().find(said) {
            keep(name, "End-of-RIB", sent.bytes.clone())?;
        }
    }
    Ok(made)
}

/// A route within one AS: with LOCAL_PREF, and an empty AS path.
fn ibgp(site: &mut Site, kind: Kind) -> Result<Vec<Made>> {
    let talk = Talk::begin(site, Conf { asn: NODE_AS, ..conf(kind) }, kind, &[], "")?;
    talk.established()?;
    talk.router.announce()?;
    let bytes = talk.wait("a route", kind.address(), 0, update_of(NLRI4))?;
    Ok(vec![message("announce-ipv4-internal", "a route within its AS", "internal, four-octet AS", bytes)?])
}

/// vipcast is frozen until the router's hold timer expires.
fn hold_timer(site: &mut Site, kind: Kind) -> Result<Vec<Made>> {
    let flags = [("bgpHoldTimer", "3"), ("bgpKeepAliveInterval", "1")];
    let talk = Talk::begin(site, Conf { hold: 3, ..conf(kind) }, kind, &flags, "")?;
    talk.established()?;
    talk.vipcast.freeze()?;
    let bytes = talk.wait("NOTIFICATION", kind.address(), 0, is(NOTIFICATION))?;
    talk.vipcast.thaw()?;
    Ok(vec![message("hold-timer-expired", "its hold timer expired", "external, four-octet AS", bytes)?])
}

/// vipcast comes with another AS than the router expects.
fn bad_peer_as(site: &mut Site, kind: Kind) -> Result<Vec<Made>> {
    let talk = Talk::begin(site, conf(kind), kind, &[("localAS", "64999")], "")?;
    let bytes = talk.wait("NOTIFICATION", kind.address(), 0, is(NOTIFICATION))?;
    Ok(vec![message("bad-peer-as", "it expected another AS", "external, four-octet AS", bytes)?])
}

/// Segments with TCP-MD5 signatures: of both ends' with the key, and one that was signed with another.
fn signed(site: &mut Site, kind: Kind) -> Result<Vec<Made>> {
    let neighbors = [node_address(1), node_address6()];
    let neighbors = neighbors.map(|peer| Neighbor { password: Some(KEY.to_owned()), ..Neighbor::new(peer) }).to_vec();
    let conf = Conf { neighbors, ..conf(kind) };
    let talk = Talk::begin(site, conf.clone(), kind, &[], KEY)?;
    talk.established()?;
    let find = |talk: &Talk, what: &str, from: IpAddr, wanted: fn(&Packet) -> bool| {
        wait::until(what, SOON, || {
            let packets = talk.capture.packets()?;
            let found = packets.iter().find(|packet| packet.from == from && wanted(packet));
            found.cloned().with_context(|| format!("{} segments", packets.len()))
        })
    };
    let mut made = Vec::new();
    let mut keep = |name, what: &str, key: &str, packet: Packet| {
        let mut fields = vec!["kind: segment".to_owned(), format!("source: {}", packet.from)];
        fields.extend([format!("destination: {}", packet.to), format!("key: {KEY}"), format!("signed-with: {key}")]);
        made.push(Made { name, what: what.to_owned(), fields, bytes: packet.bytes });
    };
    let (four, six) = (kind.address(), address6(kind));
    keep("md5-syn-ack", "its SYN-ACK, signed", KEY, find(&talk, "a SYN-ACK", four, Packet::is_syn_ack)?);
    keep("md5-data", "its first data, signed", KEY, find(&talk, "data", four, Packet::has_data)?);
    keep("md5-data-ipv6", "its first data over IPv6, signed", KEY, find(&talk, "data", six, Packet::has_data)?);
    // It holds the router that the site is about to end.
    drop(talk);
    let wrong = Talk::begin(site, conf, kind, &[], OTHER_KEY)?;
    let syn = find(&wrong, "a SYN", node_address(1), Packet::is_syn)?;
    keep("md5-wrong-key", "what it drops: a peer's SYN that is signed with another key", OTHER_KEY, syn);
    ensure!(!wrong.capture.packets()?.iter().any(|packet| packet.from == four), "{kind} answered a wrong key");
    Ok(made)
}
