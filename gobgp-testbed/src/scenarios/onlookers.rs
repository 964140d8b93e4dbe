//! Scenario 24: those who only listen: ExaBGP, which tells what it hears, and Wireshark, which reads along.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path as File;
use std::process::Command;

use anyhow::{Result, ensure};

use super::expect::{PREFIX6, Watch, external, wait_paths};
use super::{Run, SOON, Scenario};
use crate::host::capture;
use crate::lab::{Net, VIP, VIP6, node_address};
use crate::parts::bfd::Bfd;
use crate::parts::capture::Capture;
use crate::parts::router::{Conf, Kind, Neighbor, Path};
use crate::site::{PREFIX, Site};
use crate::wait;

pub(super) const ONLOOKERS: &[Scenario] = &[
    Scenario {
        name: "24-exabgp",
        shows: "ExaBGP hears both VIPs over both families with TCP-MD5, and their withdrawal; not with a wrong password",
        run: Run::Site(exabgp),
    },
    Scenario {
        name: "24-wireshark",
        shows: "a life from OPEN to Cease, with BFD: nothing malformed in Wireshark's eyes, and all it should say",
        run: Run::Site(wireshark),
    },
];

const RIGHT: &str = "correct-horse";

fn address6(host: u8) -> IpAddr {
    IpAddr::V6(Net::Data.v6(host))
}

fn exabgp(site: &mut Site) -> Result<()> {
    let kind = Kind::Exabgp;
    let neighbors = [node_address(1), address6(11), node_address(2)];
    let neighbors = neighbors.map(|peer| Neighbor { password: Some(RIGHT.to_owned()), ..Neighbor::new(peer) }).to_vec();
    let router = site.router(kind, Conf { neighbors, ..Conf::new(kind) })?;
    let peers = [kind.address(), address6(kind.number())];
    let spec = site.spec(1, &[]).flag("address", format!("{VIP},{VIP6}"));
    let spec = peers.iter().fold(spec, |spec, peer| spec.peer(*peer, kind.asn(), RIGHT, false));
    let vipcast = site.vipcast(1, &spec)?;
    // The same route over both sessions.
    let four = external(node_address(1), None);
    let six = Path { prefix: PREFIX6.to_owned(), next_hop: address6(11), ..four.clone() };
    wait_paths(&router, PREFIX, &[four.clone(), four])?;
    wait_paths(&router, PREFIX6, &[six.clone(), six])?;
    let wrong = site.vipcast(2, &site.spec(2, &[]).peer(kind.address(), kind.asn(), "battery-staple", false))?;
    Watch::from_start(&wrong, kind.address()).wait_failure()?;
    ensure!(!router.session(node_address(2))?.established, "a session with a wrong password");
    vipcast.term()?;
    vipcast.wait_exit(SOON)?;
    wait_paths(&router, PREFIX, &[])?;
    wait_paths(&router, PREFIX6, &[])
}

/// Everything of a host that Wireshark has to say something bad about.
const BAD: &str = "(bgp || bfd) && (_ws.malformed || _ws.expert.severity == error || _ws.expert.group == malformed)";

fn wireshark(site: &mut Site) -> Result<()> {
    let figures = Bfd { tx: 100, rx: 100, multiplier: 3 };
    let (kind, node, peer) = (Kind::Frr, node_address(1), Kind::Frr.address());
    let neighbors = vec![Neighbor { bfd: Some(figures), ..Neighbor::new(node) }];
    let router = site.router(kind, Conf { neighbors, ..Conf::new(kind) })?;
    let capture = Capture::of(site.node(1)?, Net::Data, "tcp port 179 or udp port 3784")?;
    let options = format!("{peer};bfd;bfd-tx=100;bfd-rx=100;med=7;prepend=1;shutdown-text=gone fishing");
    let spec = site.spec(1, &[&router]).flag("address", format!("{VIP},{VIP6}"));
    let spec = spec.flag("bgpPeerOptions", format!("{options};community=65000:1 rt:65000:2 65000:3:4"));
    let vipcast = site.vipcast(1, &spec)?;
    router.wait_best(PREFIX, node, SOON)?;
    router.wait_best(PREFIX6, address6(11), SOON)?;
    router.wait_bfd(node, "up", SOON, |session| session.is_up())?;
    router.ask_again(node)?;
    vipcast.term()?;
    vipcast.wait_exit(SOON)?;
    wait::until("BFD's last word in the capture", SOON, || {
        let said = read(capture.file(), "bfd.sta == 0", &["bfd.diag"])?;
        ensure!(!said.is_empty(), "none yet");
        Ok(())
    })?;
    let bad = read(capture.file(), &format!("{BAD} && ip.src == {node}"), &["frame.number", "_ws.expert.message"])?;
    ensure!(bad.is_empty(), "Wireshark says {bad:?}");
    for filter in ["bgp", "bfd"] {
        says(capture.file(), filter, node)?;
    }
    let count = |filter: &str| Ok::<_, anyhow::Error>(read(capture.file(), filter, &["frame.number"])?.len());
    println!("    segments with BGP {}, BFD packets {}", count("bgp")?, count("bfd")?);
    Ok(())
}

/// What a field says in all packets of the node that a filter lets through, each value once.
const WORDS: &[(&str, &str, &[&str])] = &[
    ("bgp", "ip.ttl", &["1"]),
    ("bgp", "bgp.type", &["1", "2", "3", "4"]),
    ("bgp", "bgp.open.version", &["4"]),
    ("bgp", "bgp.open.myas", &["65000"]),
    ("bgp", "bgp.open.holdtime", &["9"]),
    ("bgp", "bgp.open.identifier", &["10.77.0.11"]),
    ("bgp", "bgp.cap.type", &["1", "2", "65"]),
    ("bgp", "bgp.cap.mp.afi", &["1", "2"]),
    ("bgp", "bgp.cap.4as", &["65000"]),
    ("bgp", "bgp.nlri_prefix", &["10.88.0.40"]),
    ("bgp", "bgp.update.path_attribute.next_hop", &["10.77.0.11"]),
    ("bgp", "bgp.mp_reach_nlri_ipv6_prefix", &["fd88::40"]),
    ("bgp", "bgp.update.path_attribute.mp_reach_nlri.next_hop.ipv6", &["fd77::11"]),
    ("bgp", "bgp.update.path_attribute.origin", &["0"]),
    ("bgp", "bgp.update.path_attribute.as_path_segment.length", &["2"]),
    ("bgp", "bgp.update.path_attribute.as_path_segment.as4", &["65000"]),
    ("bgp", "bgp.update.path_attribute.multi_exit_disc", &["7"]),
    ("bgp", "bgp.update.path_attribute.local_pref", &[]),
    ("bgp", "bgp.update.path_attribute.community_as", &["65000"]),
    ("bgp", "bgp.update.path_attribute.community_value", &["1"]),
    ("bgp", "bgp.ext_com.value_as2", &["65000"]),
    ("bgp", "bgp.ext_com.value_an4", &["2"]),
    ("bgp", "bgp.large_communities.ga", &["65000"]),
    ("bgp", "bgp.large_communities.ldp1", &["3"]),
    ("bgp", "bgp.large_communities.ldp2", &["4"]),
    ("bgp", "bgp.withdrawn_prefix", &["10.88.0.40"]),
    ("bgp", "bgp.mp_unreach_nlri_ipv6_prefix", &["fd88::40"]),
    ("bgp", "bgp.notify.major_error", &["6"]),
    ("bgp", "bgp.notify.minor_error_cease", &["2"]),
    ("bgp", "bgp.notify.communication", &["gone fishing"]),
    ("bfd", "ip.ttl", &["255"]),
    ("bfd", "bfd.version", &["1"]),
    // Nothing to say, then administratively down.
    ("bfd", "bfd.diag", &["0x00", "0x07"]),
    ("bfd", "bfd.detect_time_multiplier", &["3"]),
    // A second until it is up (RFC 5880 §6.8.3).
    ("bfd", "bfd.desired_min_tx_interval", &["1000000", "100000"]),
    ("bfd", "bfd.required_min_rx_interval", &["100000"]),
];

/// Holds what the node said to its [`WORDS`].
fn says(file: &File, filter: &str, node: IpAddr) -> Result<()> {
    let words: Vec<_> = WORDS.iter().filter(|(of, ..)| *of == filter).collect();
    let fields: Vec<&str> = words.iter().map(|(_, field, _)| *field).collect();
    let lines = read(file, &format!("{filter} && ip.src == {node}"), &fields)?;
    for (column, (_, field, expected)) in words.into_iter().enumerate() {
        let cells = lines.iter().filter_map(|line| line.split('|').nth(column));
        let said: BTreeSet<&str> = cells.flat_map(|cell| cell.split(',')).filter(|word| !word.is_empty()).collect();
        ensure!(said == BTreeSet::from_iter(expected.iter().copied()), "{field}: {said:?}, not {expected:?}");
    }
    Ok(())
}

/// The fields of all packets that the filter lets through, a line each: `one|two`, several values by commas.
pub(super) fn read(file: &File, filter: &str, fields: &[&str]) -> Result<Vec<String>> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).args(["-Y", filter, "-T", "fields", "-E", "separator=|"]);
    tshark.args(fields.iter().flat_map(|field| ["-e", field]));
    Ok(capture(&mut tshark)?.lines().map(str::to_owned).collect())
}
