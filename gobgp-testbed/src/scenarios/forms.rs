//! Scenario 24, the rarer forms of what we send, to peers of many kinds at once: Wireshark has nothing against any.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context, Result, ensure};

use super::bfd::peer_text;
use super::conformance::{AS, NUMBER, open_with};
use super::onlookers::read;
use super::unnumbered::link_local;
use super::{Run, SOON, Scenario};
use crate::host::Host;
use crate::lab::{Net, VIP6, node_address, node_address6};
use crate::parts::bfd::Bfd;
use crate::parts::capture::Capture;
use crate::parts::router::{Conf, Kind, Neighbor};
use crate::parts::scripted::{Listener, Session, wire};
use crate::parts::vipcast::Spec;
use crate::site::Site;
use crate::wait;

pub(super) const FORMS: Scenario = Scenario {
    name: "24-wireshark-forms",
    shows: "rarer forms of all we send (AS_TRANS, link-local next hops, full lists): nothing malformed in Wireshark's eyes",
    run: Run::Site(play),
};

/// Beyond 16 bits, so that a peer without four octets gets `AS_TRANS`.
const LOCAL_AS: u32 = 4_200_000_001;
const CABLE: &str = "cable0";
const VIPS: u32 = 1000;
/// As many standard communities as fit (3072 bytes of them).
const COMMUNITIES: u16 = 767;

/// Nothing is to be detected here, and a busy machine is no cut path.
const UNHURRIED: Bfd = Bfd { tx: 300, rx: 300, multiplier: 5 };

/// All that the node sends to peers and neighbours, on every device.
const SENT: &str = "tcp port 179 or udp port 3784 or udp port 4784 or icmp6";
/// What Wireshark has to say something bad about, of what the node sent (`sll.pkttype` 4).
const BAD: &str = "sll.pkttype == 4 && (bgp || bfd || icmpv6) && \
    (_ws.malformed || _ws.expert.severity == error || _ws.expert.group == malformed)";

fn play(site: &mut Site) -> Result<()> {
    let node = site.node(1)?.clone();
    let capture = Capture::everywhere(&node, SENT)?;
    let ours = routers(site, &node)?;
    let (_middle, far) = site.lab.far_host()?;
    far_router(site, &far)?;
    let host = site.host("scripted", NUMBER)?;
    let listener = Listener::open(&host, SocketAddr::from((Net::Data.v4(NUMBER), 179)))?;
    let vipcast = site.vipcast(1, &spec(site))?;
    let mut session = listener.accept(SOON)?;
    establish(&mut session)?;
    for (what, filter) in forms(ours) {
        wait::until(&format!("{what} in the capture"), SOON, || {
            let found = read(capture.file(), &format!("sll.pkttype == 4 && {filter}"), &["frame.number"])?;
            ensure!(!found.is_empty(), "nothing is {filter}");
            Ok(())
        })?;
    }
    wait::until("all VIPs, packed", SOON, || packed(&capture))?;
    // Shorter than any message: 1/2.
    session.send(&wire::header(18, 4, &[]))?;
    wait::until("a NOTIFICATION of another kind", SOON, || {
        let found = read(capture.file(), "sll.pkttype == 4 && bgp.notify.major_error == 1", &["frame.number"])?;
        ensure!(!found.is_empty(), "none yet");
        Ok(())
    })?;
    vipcast.term()?;
    vipcast.wait_exit(SOON)?;
    let bad = read(capture.file(), BAD, &["frame.number", "_ws.expert.message"])?;
    ensure!(bad.is_empty(), "Wireshark says {bad:?}");
    Ok(())
}

/// gobgpd inside the AS, FRR by IPv6 with BFD, BIRD at the other end of a cable; the node's address on that.
fn routers(site: &mut Site, node: &Host) -> Result<Ipv6Addr> {
    let neighbor = |address| Neighbor { asn: LOCAL_AS, ..Neighbor::new(address) };
    let inside = Conf { asn: LOCAL_AS, neighbors: vec![neighbor(node_address(1))], ..Conf::new(Kind::Gobgpd) };
    site.router(Kind::Gobgpd, inside)?;
    let six = Neighbor { bfd: Some(UNHURRIED), extended_next_hop: true, ..neighbor(node_address6(1)) };
    site.router(Kind::Frr, Conf { neighbors: vec![six], ..Conf::new(Kind::Frr) })?;
    let host = site.lab.host("cabled", &[(Net::Client, 39)])?;
    site.lab.cable(node, &host, CABLE)?;
    let ours = link_local(node, CABLE)?;
    let neighbor =
        Neighbor { extended_next_hop: true, interface: Some(CABLE.to_owned()), ..neighbor(IpAddr::V6(ours)) };
    site.router_on(&host, Kind::Bird, Conf { neighbors: vec![neighbor], bare: true, ..Conf::new(Kind::Bird) })?;
    Ok(ours)
}

/// BIRD two hops away, with BFD.
fn far_router(site: &mut Site, host: &Host) -> Result<()> {
    let source = Some(IpAddr::V4(Net::Far.v4(1)));
    let neighbor =
        Neighbor { asn: LOCAL_AS, bfd: Some(UNHURRIED), multihop: Some(3), source, ..Neighbor::new(node_address(1)) };
    site.router_on(host, Kind::Bird, Conf { neighbors: vec![neighbor], bare: true, ..Conf::new(Kind::Bird) }).map(drop)
}

/// 10.9.0.0 and on.
fn vips() -> Vec<Ipv4Addr> {
    let first = u32::from(Ipv4Addr::new(10, 9, 0, 0));
    (first..first + VIPS).map(Ipv4Addr::from).collect()
}

fn spec(site: &Site) -> Spec {
    let communities: Vec<String> = (1..=COMMUNITIES).map(|number| format!("65000:{number}")).collect();
    let options = [
        format!("{};local-pref=200;community={}", Kind::Gobgpd.address(), communities.join(" ")),
        format!("{};extended-next-hop", Kind::Frr.address6()),
    ];
    let addresses: Vec<String> = vips().iter().map(ToString::to_string).chain([VIP6.to_string()]).collect();
    site.spec(1, &[])
        .flag("localAS", LOCAL_AS)
        .flag("address", addresses.join(","))
        .flag("bgpPeerOptions", options.join(","))
        .peer(Kind::Gobgpd.address(), LOCAL_AS, "", false)
        .peer(IpAddr::V4(Net::Data.v4(NUMBER)), AS.into(), "", false)
        .peer_text(peer_text(Kind::Frr.address6(), Kind::Frr.asn(), false, UNHURRIED, ""))
        .peer_text(peer_text(IpAddr::V4(Net::Far.v4(1)), Kind::Bird.asn(), true, UNHURRIED, ""))
        .peer_text(format!("unnumbered:{CABLE}"))
}

/// A peer without four-octet AS numbers, that asks for no keepalives.
fn establish(session: &mut Session) -> Result<()> {
    let families = [wire::capability(1, &[0, 1, 0, 1]), wire::capability(1, &[0, 2, 0, 1])].concat();
    session.establish(&open_with(AS, 0, &families))
}

/// What must be there, and what finds it.
fn forms(ours: Ipv6Addr) -> Vec<(&'static str, String)> {
    let attribute = "bgp.update.path_attribute";
    let next_hop = format!("{attribute}.mp_reach_nlri.next_hop.ipv6");
    let (inside, scripted, six) = (Kind::Gobgpd.address(), Net::Data.v4(NUMBER), Kind::Frr.address6());
    let four_by = format!("{attribute}.mp_reach_nlri.afi == 1");
    vec![
        ("LOCAL_PREF", format!("ip.dst == {inside} && {attribute}.local_pref == 200")),
        ("the last community", format!("ip.dst == {inside} && {attribute}.community_value == {COMMUNITIES}")),
        (
            "AS_TRANS and AS4_PATH",
            format!("ip.dst == {scripted} && {attribute}.as_path_segment.as2 == 23456 && {attribute}.type_code == 17"),
        ),
        ("IPv4 by IPv6", format!("ipv6.dst == {six} && {four_by} && {next_hop} == {}", node_address6(1))),
        (
            "a link-local next hop",
            format!("ipv6.src == {ours} && {four_by} && ({next_hop} == {ours} || {next_hop}.link_local == {ours})"),
        ),
        ("BFD by IPv6", format!("ipv6.dst == {six} && udp.dstport == 3784 && bfd.sta == 3")),
        ("BFD several hops away", "udp.dstport == 4784 && bfd.sta == 3".to_owned()),
        ("our advertisement", format!("ipv6.src == {ours} && icmpv6.type == 134")),
        ("our solicitation", format!("ipv6.src == {ours} && icmpv6.type == 133")),
        ("our echo request", format!("ipv6.src == {ours} && icmpv6.type == 128")),
    ]
}

/// Every VIP is in what the scripted peer was sent, in few messages.
fn packed(capture: &Capture) -> Result<()> {
    let filter = format!("sll.pkttype == 4 && ip.dst == {} && bgp.nlri_prefix", Net::Data.v4(NUMBER));
    let lines = read(capture.file(), &filter, &["bgp.nlri_prefix"])?;
    let words = lines.iter().flat_map(|line| line.split(','));
    let said = words.map(str::parse::<Ipv4Addr>).collect::<Result<BTreeSet<_>, _>>().context("no address")?;
    ensure!(said == BTreeSet::from_iter(vips()), "{} VIPs in {} segments", said.len(), lines.len());
    println!("    {} VIPs in {} segments", said.len(), lines.len());
    Ok(())
}
