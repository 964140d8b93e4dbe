//! Scenario 33: what vipcast says of a peer that is silent, and what the kernel's MD5 counters on its side do, case by
//! case against BIRD and FRR. The table of `bgp::md5` is what this prints.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};

use super::expect::{Undo, Watch};
use crate::host::Host;
use crate::lab::Net;
use crate::parts::router::{Conf, Kind, Neighbor};
use crate::process::Process;
use crate::site::Site;

const OURS: &str = "correct-horse";
const THEIRS: &str = "battery-staple";
/// Both routers at once: what the one does is what the other does.
const ROUTERS: [Kind; 2] = [Kind::Bird, Kind::Frr];
const NOBODY: u8 = 250;
/// The first case's node; the next case's has the next number.
const FIRST: u8 = 101;

/// One thing that can be wrong, on a node of its own: the counters are a network namespace's.
struct Case {
    what: &'static str,
    ours: &'static str,
    theirs: Option<&'static str>,
    /// Where the node dials instead of the routers' port 179.
    astray: Option<Astray>,
    /// What the routers' firewalls do to its packets.
    wall: Option<&'static str>,
    /// What vipcast says; `#` is a number, `@` the other router.
    says: &'static str,
    /// Which of TCPMD5Failure, NotFound and Unexpected rose at the node.
    counted: [bool; 3],
}

#[derive(Clone, Copy)]
enum Astray {
    Port(u16),
    Host(u8),
}

/// Nothing wrong yet, and silence.
const SILENT: Case =
    Case { what: "", ours: OURS, theirs: Some(OURS), astray: None, wall: None, says: "", counted: [false; 3] };

const NO_ANSWER: &str = "no connection within # s; MD5: no SYN was answered, signed or not: the peer has another \
                         password for us, or is down or filtered";
const CLOSED: &str = "no connection within # s; MD5: an unsigned SYN was refused: the port is closed, or a firewall \
                      refuses us";

const CASES: &[Case] = &[
    Case { what: "another password there", theirs: Some(THEIRS), says: NO_ANSWER, ..SILENT },
    Case {
        what: "no password there",
        theirs: None,
        says: "no connection within # s; MD5: a signed SYN was not answered and an unsigned one was: the peer has no \
               password for us",
        ..SILENT
    },
    Case {
        what: "no password here",
        ours: "",
        says: "no connection within # s; MD5: no password is set here: the peer has one for us, or is down or filtered",
        ..SILENT
    },
    Case { what: "port closed", astray: Some(Astray::Port(1790)), says: CLOSED, ..SILENT },
    Case {
        what: "port closed, no passwords",
        ours: "",
        theirs: None,
        astray: Some(Astray::Port(1790)),
        says: "connect: Connection refused (os error #)",
        ..SILENT
    },
    Case { what: "firewall: drop", wall: Some("drop"), says: NO_ANSWER, ..SILENT },
    Case {
        what: "firewall: tcp reset",
        wall: Some("reject with tcp reset"),
        says: "no connection within # s; MD5: # segments without a signature came from one of this peer, @; an \
               unsigned SYN was refused: the port is closed, or a firewall refuses us",
        counted: [false, true, false],
        ..SILENT
    },
    Case {
        what: "firewall: port unreachable",
        wall: Some("reject with icmpx port-unreachable"),
        says: "connect: Connection refused (os error #)",
        ..SILENT
    },
    Case {
        what: "firewall: prohibited",
        wall: Some("reject with icmpx admin-prohibited"),
        says: "connect: No route to host (os error #)",
        ..SILENT
    },
    Case {
        what: "router down",
        astray: Some(Astray::Host(NOBODY)),
        says: "connect: No route to host (os error #)",
        ..SILENT
    },
];

/// A case that is being tried.
struct Trial<'a> {
    case: &'a Case,
    vipcast: Process,
    before: [u64; 3],
    host: Host,
}

pub(super) fn md5(site: &mut Site) -> Result<()> {
    let cases = || (FIRST..).zip(CASES);
    let address = |number| IpAddr::V4(Net::Data.v4(number));
    let neighbor = |(number, case): (u8, &Case)| Neighbor {
        password: case.theirs.map(str::to_owned),
        ..Neighbor::new(address(number))
    };
    let walls: Vec<String> = cases()
        .filter_map(|(number, case)| Some(format!("ip saddr {} tcp dport 179 {};", address(number), case.wall?)))
        .collect();
    let mut undo = Vec::new();
    for kind in ROUTERS {
        site.router(kind, Conf { neighbors: cases().map(neighbor).collect(), ..Conf::new(kind) })?;
        let chain = format!("chain input {{ type filter hook input priority 0; {} }}", walls.join(" "));
        undo.push(Undo::table(&site.router_host(kind)?, &chain)?);
    }
    let trials: Vec<Trial<'_>> = cases().map(|(number, case)| begin(site, number, case)).collect::<Result<_>>()?;
    trials.iter().try_for_each(judge)
}

fn begin<'a>(site: &Site, number: u8, case: &'a Case) -> Result<Trial<'a>> {
    let host = site.lab.host(&format!("m{number}"), &[(Net::Data, number)])?;
    let mut spec = site.spec(number - 10, &[]);
    for kind in ROUTERS {
        spec = match case.astray {
            None => spec.peer(kind.address(), kind.asn(), case.ours, false),
            Some(Astray::Port(port)) => {
                spec.peer_text(format!("{}:{}:{}:false:{port}", kind.address(), kind.asn(), case.ours))
            }
            Some(Astray::Host(nobody)) if kind == ROUTERS[0] => {
                spec.peer(IpAddr::V4(Net::Data.v4(nobody)), kind.asn(), case.ours, false)
            }
            Some(Astray::Host(_)) => spec,
        };
    }
    let before = counters(&host)?;
    let vipcast = spec.start(&host)?;
    Ok(Trial { case, vipcast, before, host })
}

fn judge(trial: &Trial<'_>) -> Result<()> {
    let Trial { case, vipcast, before, host } = trial;
    let port = if let Some(Astray::Port(port)) = case.astray { port } else { 179 };
    for (index, kind) in (0..).zip(ROUTERS) {
        let (peer, other) = match case.astray {
            Some(Astray::Host(_)) if index > 0 => continue,
            Some(Astray::Host(nobody)) => (IpAddr::V4(Net::Data.v4(nobody)), None),
            Some(Astray::Port(_)) | None => (kind.address(), ROUTERS.into_iter().find(|other| *other != kind)),
        };
        let said = Watch::from_start(vipcast, peer).on_port(port).wait_failure()?;
        let other = other.map(|other| format!("{}:{port}", other.address()));
        let said = without_numbers(&other.map_or(said.clone(), |other| said.replace(&other, "@")));
        ensure!(said == case.says, "{}, {kind}: {said:?} instead of {:?}", case.what, case.says);
    }
    let now = counters(host)?;
    let rose: Vec<u64> = now.iter().zip(before).map(|(now, before)| now - before).collect();
    println!("    {:26} [Failure, NotFound, Unexpected] {rose:?} {}", case.what, case.says);
    ensure!(rose.iter().map(|n| *n > 0).eq(case.counted), "{}: the counters rose by {rose:?}", case.what);
    Ok(())
}

/// Numbers that stand alone become `#`.
fn without_numbers(text: &str) -> String {
    let plain = |word: &str| {
        let digits = word.trim_end_matches(')');
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if is_number { word.replace(digits, "#") } else { word.to_owned() }
    };
    text.split(' ').map(plain).collect::<Vec<_>>().join(" ")
}

/// TCPMD5Failure, TCPMD5NotFound and TCPMD5Unexpected of a host.
pub(super) fn counters(host: &Host) -> Result<[u64; 3]> {
    let text = host.exec("cat", &["/proc/net/netstat"])?;
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = lines.next().zip(lines.next()).context("no TcpExt in /proc/net/netstat")?;
    let value = |wanted: &str| -> Result<u64> {
        let mut pairs = names.split_whitespace().zip(values.split_whitespace());
        let (_, value) = pairs.find(|(name, _)| *name == wanted).with_context(|| format!("no {wanted}"))?;
        Ok(value.parse()?)
    };
    Ok([value("TCPMD5Failure")?, value("TCPMD5NotFound")?, value("TCPMD5Unexpected")?])
}
