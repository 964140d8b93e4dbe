//! FRR: zebra and bgpd, read as JSON through vtysh.

use std::fmt::Write;
use std::net::IpAddr;
use std::os::unix::fs::chown;
use std::path::{self, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::bfd;
use super::communities;
use super::router::{Conf, Family, Neighbor, Origin, Path, Session};
use crate::host::{Host, capture};
use crate::paths::debian;
use crate::process::Process;
use crate::wait;

const ZEBRA: &str = "/usr/lib/frr/zebra";
const BFDD: &str = "/usr/lib/frr/bfdd";
const BGPD: &str = "/usr/lib/frr/bgpd";

/// Sockets, configuration and pid files, owned by FRR's user: its daemons drop root.
fn directory(host: &Host) -> PathBuf {
    host.file("frr")
}

pub(super) fn start(host: &Host, conf: &Conf) -> Result<Vec<Process>> {
    let dir = directory(host);
    std::fs::create_dir_all(&dir)?;
    let owner = |flag| -> Result<u32> { Ok(capture(Command::new("id").args([flag, "frr"]))?.trim().parse()?) };
    chown(&dir, Some(owner("-u")?), Some(owner("-g")?))?;
    let prompt = if conf.prompt { "zebra work-queue 0\n" } else { "" };
    let zebra = format!("log stdout\nip nht resolve-via-default\nipv6 nht resolve-via-default\n{prompt}");
    std::fs::write(dir.join("zebra.conf"), zebra)?;
    std::fs::write(dir.join("bfdd.conf"), bfd::bfdd_config(conf))?;
    std::fs::write(dir.join("bgpd.conf"), config(conf))?;
    let daemon = |name: &str, program: &str, more: &[&str]| {
        host.spawn(name, &debian(program, "frr")?, |command| {
            command.arg("-f").arg(dir.join(format!("{name}.conf"))).arg("-i").arg(dir.join(format!("{name}.pid")));
            command.arg("-z").arg(dir.join("zebra.sock")).arg("--vty_socket").arg(&dir).args(["-P", "0"]);
            command.args(more);
        })
    };
    // A bgpd that does not find zebra tries again only after 10 s.
    let socket = dir.join("zebra.sock");
    let _ = std::fs::remove_file(&socket);
    let zebra = daemon("zebra", ZEBRA, &[])?;
    wait_for(&zebra, &socket)?;
    let mut processes = vec![zebra];
    if conf.neighbors.iter().any(|neighbor| neighbor.bfd.is_some()) {
        let (control, vty) = (dir.join("bfdd.sock"), dir.join("bfdd.vty"));
        let _ = std::fs::remove_file(&vty);
        let bfdd = daemon("bfdd", BFDD, &["--bfdctl", &control.to_string_lossy()])?;
        wait_for(&bfdd, &vty)?;
        processes.push(bfdd);
    }
    processes.push(daemon("bgpd", BGPD, &["-p", &conf.port.to_string()])?);
    Ok(processes)
}

fn wait_for(daemon: &Process, socket: &path::Path) -> Result<()> {
    wait::until("a daemon's socket", Duration::from_secs(10), || {
        daemon.alive()?;
        ensure!(socket.exists(), "{} is not there", socket.display());
        Ok(())
    })
}

fn config(conf: &Conf) -> String {
    let mut text = format!(
        "log stdout\nlog timestamp precision 3\ndebug bgp updates in\nrouter bgp {}\n bgp router-id {}\n\
         \x20no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n bgp log-neighbor-changes\n",
        conf.asn, conf.router_id
    );
    for (index, neighbor) in conf.neighbors.iter().enumerate() {
        let peer = format!(" neighbor {}", called(neighbor));
        // Of an interface it knows no other port.
        let (interface, port) = match neighbor.interface {
            Some(_) => (" interface", String::new()),
            None => ("", format!("{peer} port {}\n", neighbor.port)),
        };
        let _ = write!(
            text,
            "{peer}{interface} remote-as {}\n{port}{peer} {}\n{peer} timers {} {}\n",
            neighbor.asn,
            if neighbor.dial { "timers connect 1" } else { "passive" },
            conf.keepalive(),
            conf.hold
        );
        if let Some(hops) = conf.ebgp_multihop(neighbor) {
            let _ = writeln!(text, "{peer} ebgp-multihop {hops}");
        }
        if let Some(hops) = neighbor.ttl_security {
            let _ = writeln!(text, "{peer} ttl-security hops {hops}");
        }
        if let Some(password) = &neighbor.password {
            let _ = writeln!(text, "{peer} password {password}");
        }
        text += &bfd::bgpd_lines(index, neighbor);
        if neighbor.extended_next_hop {
            let _ = writeln!(text, "{peer} capability extended-nexthop");
        }
    }
    let paths = if conf.multipath { 8 } else { 1 };
    for family in Family::BOTH {
        let name = family.word();
        let _ = writeln!(text, " address-family {name} unicast\n  maximum-paths {paths}\n  maximum-paths ibgp {paths}");
        for neighbor in conf.neighbors.iter().filter(|neighbor| neighbor.carries(family)) {
            let _ = writeln!(text, "  neighbor {} activate", called(neighbor));
        }
        text.push_str(" exit-address-family\n");
    }
    text
}

/// What it calls a neighbour.
fn called(neighbor: &Neighbor) -> String {
    neighbor.interface.clone().unwrap_or_else(|| neighbor.address.to_string())
}

/// Commands one after the other, as typed.
pub(super) fn order(host: &Host, commands: &[&str]) -> Result<String> {
    let mut vtysh = Command::new(debian("/usr/bin/vtysh", "frr")?);
    vtysh.arg("--vty_socket").arg(directory(host)).args(["-d", "bgpd"]);
    capture(vtysh.args(commands.iter().flat_map(|command| ["-c", command])))
}

fn query(host: &Host, words: &str) -> Result<Value> {
    let text = order(host, &[words])?;
    serde_json::from_str(&text).with_context(|| format!("vtysh printed {text:?}"))
}

pub(super) fn set_password(host: &Host, conf: &Conf, neighbor: IpAddr, password: &str) -> Result<()> {
    let mut vtysh = Command::new(debian("/usr/bin/vtysh", "frr")?);
    vtysh.arg("--vty_socket").arg(directory(host)).args(["-d", "bgpd", "-c", "configure terminal"]);
    vtysh.args(["-c", &format!("router bgp {}", conf.asn), "-c", &format!("neighbor {neighbor} password {password}")]);
    capture(&mut vtysh).map(drop)
}

pub(super) fn paths(host: &Host, prefix: &str) -> Result<Vec<Path>> {
    let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
    let said = query(host, &format!("show bgp {family} unicast {prefix} json"))?;
    said.get("paths").and_then(Value::as_array).into_iter().flatten().map(|entry| path(prefix, entry)).collect()
}

fn path(prefix: &str, entry: &Value) -> Result<Path> {
    let number = |field: &str| entry.get(field).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    let words = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str);
    let next_hop = words("/nexthops/0/ip").with_context(|| format!("a path without next hop: {entry}"))?;
    let asns = words("/aspath/string").unwrap_or_default().split_whitespace();
    Ok(Path {
        prefix: prefix.to_owned(),
        next_hop: next_hop.parse()?,
        as_path: asns.filter_map(|asn| asn.parse().ok()).collect(),
        origin: Origin::from_word(words("/origin").unwrap_or_default())?,
        med: number("metric"),
        local_pref: number("locPrf"),
        communities: communities::from_frr(entry)?,
        best: entry.pointer("/bestpath/overall").and_then(Value::as_bool).unwrap_or(false),
    })
}

pub(super) fn sessions(host: &Host) -> Result<Vec<Session>> {
    let said = query(host, "show bgp neighbors json")?;
    let peers = said.as_object().into_iter().flatten().filter(|(_, peer)| peer.is_object());
    peers.map(|(address, peer)| session(address, peer)).collect()
}

/// How often the session was up and down.
pub(super) fn up_mark(host: &Host, peer: IpAddr) -> Result<String> {
    let said = query(host, "show bgp neighbors json")?;
    let count = |name: &str| said.pointer(&format!("/{peer}/{name}")).and_then(Value::as_u64);
    let (up, down) = (count("connectionsEstablished"), count("connectionsDropped"));
    Ok(format!("up {} times, down {}", up.context("no count of sessions")?, down.context("no count of drops")?))
}

/// An unnumbered neighbour is called by its interface, and has an address once it was heard.
fn peer_address(name: &str, heard: &str) -> Result<IpAddr> {
    match (name.parse(), heard) {
        (Ok(address), _) => Ok(address),
        (Err(_), "none") => Ok(IpAddr::from([0; 16])),
        (Err(_), heard) => Ok(heard.parse()?),
    }
}

fn session(address: &str, peer: &Value) -> Result<Session> {
    let words = |field: &str| peer.get(field).and_then(Value::as_str).unwrap_or_default();
    let reasons = [words("lastResetDueTo"), words("lastNotificationReason"), words("lastErrorCodeSubcode")];
    Ok(Session {
        peer: peer_address(address, words("bgpNeighborAddr"))
            .with_context(|| format!("vtysh printed the peer {address:?}"))?,
        established: words("bgpState") == "Established",
        state: words("bgpState").to_owned(),
        last_error: reasons.iter().filter(|reason| !reason.is_empty()).copied().collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_path_as_frr_8_4_prints_it() {
        let entry = serde_json::json!({"aspath":{"string":"65000","length":1},"origin":"incomplete","metric":100,"valid":true,
            "bestpath":{"overall":true},"nexthops":[{"ip":"10.77.0.11","afi":"ipv4","used":true}],
            "community":{"string":"65000:1 no-export","list":["65000:1","noExport"]},
            "extendedCommunity":{"string":"RT:65000:1"},"largeCommunity":{"string":"65000:1:2","list":["65000:1:2"]}});
        let expected = Path {
            prefix: "10.88.0.40/32".to_owned(),
            next_hop: [10, 77, 0, 11].into(),
            as_path: vec![65000],
            origin: Origin::Incomplete,
            med: Some(100),
            local_pref: None,
            communities: ["65000:1", "65000:1:2", "65535:65281", "rt:65000:1"].map(str::to_owned).into(),
            best: true,
        };
        assert_eq!(path("10.88.0.40/32", &entry).unwrap(), expected);
    }
}
