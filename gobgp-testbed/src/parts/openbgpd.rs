//! `OpenBGPD`: table and sessions as JSON from `bgpctl`. It does not touch the kernel's routes here.

use std::fmt::Write;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::communities;
use super::orders::{PREFIX4, PREFIX6};
use super::router::{Conf, Family, Origin, Path, Session};
use crate::host::{Host, capture};
use crate::paths::debian;
use crate::process::Process;

/// Its unprivileged children are locked into this directory; Debian's unit makes it, and no unit runs here.
const CHROOT: &str = "/run/openbgpd";

fn socket(host: &Host) -> PathBuf {
    host.file("bgpd.sock")
}

pub(super) fn start(host: &Host, conf: &Conf) -> Result<Process> {
    let program = debian("/usr/sbin/bgpd", "openbgpd")?;
    let file = write(host, conf)?;
    std::fs::create_dir_all(CHROOT)?;
    host.spawn("bgpd", &program, |command| {
        command.args(["-d", "-v", "-f"]).arg(file);
    })
}

/// Writes the configuration; `OpenBGPD` refuses one that others may read.
fn write(host: &Host, conf: &Conf) -> Result<PathBuf> {
    let file = host.file("bgpd.conf");
    std::fs::write(&file, config(conf, &socket(host).display().to_string()))?;
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

/// Writes the configuration anew and has it read.
pub(super) fn reload(host: &Host, conf: &Conf) -> Result<()> {
    write(host, conf)?;
    let mut bgpctl = Command::new(debian("/usr/sbin/bgpctl", "openbgpd")?);
    capture(bgpctl.arg("-s").arg(socket(host)).arg("reload")).map(drop)
}

fn config(conf: &Conf, socket: &str) -> String {
    let mut text = format!(
        "AS {asn}\nrouter-id {id}\nsocket \"{socket}\"\nlisten on 0.0.0.0 port {port}\nlisten on :: port {port}\n\
         fib-update no\nnexthop qualify via default\nholdtime {hold}\n{evaluate}",
        asn = conf.asn,
        id = conf.router_id,
        port = conf.port,
        hold = conf.hold,
        evaluate = if conf.multipath { "rde evaluate all\n" } else { "" },
    );
    if conf.neighbors.iter().any(|neighbor| neighbor.dial) {
        text.push_str("connect-retry 1\n");
    }
    for neighbor in &conf.neighbors {
        let _ =
            writeln!(text, "neighbor {} {{\n remote-as {}\n port {}", neighbor.address, neighbor.asn, neighbor.port);
        if !neighbor.dial {
            text.push_str(" passive\n");
        }
        for (family, name) in [(Family::V4, "IPv4"), (Family::V6, "IPv6")] {
            let carried = if neighbor.carries(family) { "unicast" } else { "none" };
            let _ = writeln!(text, " announce {name} {carried}");
        }
        if let Some(hops) = conf.ebgp_multihop(neighbor) {
            let _ = writeln!(text, " multihop {hops}");
        }
        if neighbor.ttl_security.is_some() {
            text.push_str(" ttl-security yes\n");
        }
        if let Some(password) = &neighbor.password {
            let _ = writeln!(text, " tcp md5sig password \"{password}\"");
        }
        text.push_str("}\n");
    }
    let _ = writeln!(
        text,
        "allow from any
deny to any
allow to any prefix {PREFIX4}
allow to any prefix {PREFIX6}"
    );
    // As its example configuration has it for RFC 8326.
    text.push_str(
        "match from any community GRACEFUL_SHUTDOWN set { localpref 0 }
",
    );
    text
}

pub(super) fn order(host: &Host, words: &[&str]) -> Result<String> {
    capture(Command::new(debian("/usr/sbin/bgpctl", "openbgpd")?).arg("-s").arg(socket(host)).args(words))
}

fn query(host: &Host, words: &[&str]) -> Result<Value> {
    let mut bgpctl = Command::new(debian("/usr/sbin/bgpctl", "openbgpd")?);
    let text = capture(bgpctl.arg("-s").arg(socket(host)).arg("-j").args(words))?;
    serde_json::from_str(&text).with_context(|| format!("bgpctl printed {text:?}"))
}

pub(super) fn paths(host: &Host, prefix: &str) -> Result<Vec<Path>> {
    let said = query(host, &["show", "rib", "detail"])?;
    let entries = said.get("rib").and_then(Value::as_array).into_iter().flatten();
    entries.filter(|entry| entry.get("prefix").and_then(Value::as_str) == Some(prefix)).map(path).collect()
}

fn path(entry: &Value) -> Result<Path> {
    let words = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
    let number = |field: &str| entry.get(field).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    Ok(Path {
        prefix: words("prefix").to_owned(),
        next_hop: words("exit_nexthop").parse().with_context(|| format!("a path without next hop: {entry}"))?,
        as_path: words("aspath").split_whitespace().filter_map(|asn| asn.parse().ok()).collect(),
        origin: Origin::from_word(words("origin"))?,
        med: number("metric"),
        local_pref: number("localpref"),
        communities: communities::from_openbgpd(entry)?,
        best: entry.get("best").and_then(Value::as_bool).unwrap_or(false),
    })
}

pub(super) fn sessions(host: &Host) -> Result<Vec<Session>> {
    let said = query(host, &["show", "neighbor"])?;
    said.get("neighbors").and_then(Value::as_array).into_iter().flatten().map(session).collect()
}

fn session(peer: &Value) -> Result<Session> {
    let words = |field: &str| peer.get(field).and_then(Value::as_str).unwrap_or_default();
    let address: IpAddr = words("remote_addr").parse().with_context(|| format!("bgpctl printed {peer}"))?;
    Ok(Session {
        peer: address,
        established: words("state") == "Established",
        state: words("state").to_owned(),
        last_error: [words("last_error_received"), words("last_error_sent")].concat(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_path_as_openbgpd_7_7_prints_it() {
        let entry = serde_json::json!({"prefix":"10.88.0.40/32","aspath":"65000","exit_nexthop":"10.77.0.11","valid":true,
            "best":true,"source":"external","origin":"incomplete","metric":100,"localpref":100,
            "communities":["65000:1"],"extended_communities":["rt 65000:1"],"large_communities":["65000:1:2"]});
        let expected = Path {
            prefix: "10.88.0.40/32".to_owned(),
            next_hop: [10, 77, 0, 11].into(),
            as_path: vec![65000],
            origin: Origin::Incomplete,
            med: Some(100),
            local_pref: Some(100),
            communities: ["65000:1", "65000:1:2", "rt:65000:1"].map(str::to_owned).into(),
            best: true,
        };
        assert_eq!(path(&entry).unwrap(), expected);
    }
}
