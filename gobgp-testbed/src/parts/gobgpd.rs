//! gobgpd 4: configuration as TOML, table and sessions as JSON from `gobgp`.

use std::fmt::Write;
use std::net::IpAddr;

use anyhow::{Context, Result};
use serde_json::Value;

use super::communities;
use super::router::{Conf, Family, Origin, Path, Session};
use crate::host::Host;
use crate::paths::cached;
use crate::process::Process;

/// Where gobgpd listens for gobgp.
pub(super) const API_PORT: &str = "50051";

pub(super) fn start(host: &Host, conf: &Conf) -> Result<Process> {
    let file = host.file("gobgpd.toml");
    std::fs::write(&file, config(conf))?;
    host.spawn("gobgpd", &cached("gobgpd")?, |command| {
        command
            .args(["-t", "toml", "--log-level", "debug", "--api-hosts", &format!("127.0.0.1:{API_PORT}"), "-f"])
            .arg(file);
    })
}

fn config(conf: &Conf) -> String {
    let mut text = format!(
        "[global.config]\nas = {}\nrouter-id = \"{}\"\nport = {}\nlocal-address-list = [\"0.0.0.0\", \"::\"]\n\
         [global.use-multiple-paths.config]\nenabled = {}\n",
        conf.asn, conf.router_id, conf.port, conf.multipath
    );
    for neighbor in &conf.neighbors {
        let password = neighbor.password.as_deref().unwrap_or("");
        let _ = write!(
            text,
            "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{}\"\npeer-as = {}\nauth-password = \"{password}\"\n\
             [neighbors.transport.config]\npassive-mode = {}\nremote-port = {}\n\
             [neighbors.timers.config]\nhold-time = {}\nkeepalive-interval = {}\nconnect-retry = 1\n\
             idle-hold-time-after-reset = 1\n",
            neighbor.address,
            neighbor.asn,
            !neighbor.dial,
            neighbor.port,
            conf.hold,
            conf.keepalive()
        );
        if let Some(hops) = conf.ebgp_multihop(neighbor) {
            let _ = write!(text, "[neighbors.ebgp-multihop.config]\nenabled = true\nmultihop-ttl = {hops}\n");
        }
        if neighbor.ttl_security.is_some() {
            text.push_str("[neighbors.ttl-security.config]\nenabled = true\nttl-min = 255\n");
        }
        for family in neighbor.families.iter().copied().map(Family::word) {
            let _ = write!(
                text,
                "[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"{family}-unicast\"\n"
            );
        }
    }
    text
}

fn query(host: &Host, words: &[&str]) -> Result<Value> {
    let text = host.exec(cached("gobgp")?, &[&["-j"], words].concat())?;
    serde_json::from_str(&text).with_context(|| format!("gobgp printed {text:?}"))
}

pub(super) fn originate(host: &Host, prefix: &str, next_hop: IpAddr, med: u32) -> Result<()> {
    let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
    let (next_hop, med) = (next_hop.to_string(), med.to_string());
    let words = ["global", "rib", "add", "-a", family, prefix, "origin", "igp", "nexthop", &next_hop, "med", &med];
    host.exec(cached("gobgp")?, &words).map(drop)
}

pub(super) fn originate_all(host: &Host, table: &[u8]) -> Result<()> {
    let file = host.file("table.mrt");
    std::fs::write(&file, table)?;
    host.exec(cached("gobgp")?, &["mrt", "inject", "global", &file.display().to_string()]).map(drop)
}

pub(super) fn delete_all(host: &Host) -> Result<()> {
    for family in Family::BOTH.map(Family::word) {
        host.exec(cached("gobgp")?, &["global", "rib", "del", "all", "-a", family])?;
    }
    Ok(())
}

pub(super) fn paths(host: &Host, prefix: &str) -> Result<Vec<Path>> {
    let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
    parse(&query(host, &["global", "rib", "-a", family])?, prefix)
}

fn parse(table: &Value, prefix: &str) -> Result<Vec<Path>> {
    let entries = table.get(prefix).and_then(Value::as_array);
    entries.into_iter().flatten().map(|entry| path(prefix, entry)).collect()
}

fn path(prefix: &str, entry: &Value) -> Result<Path> {
    let attribute = |code: u64, field: &str| {
        let all = entry.get("attrs").and_then(Value::as_array);
        let found = all.into_iter().flatten().find(|a| a.get("type").and_then(Value::as_u64) == Some(code));
        found.and_then(|attribute| attribute.get(field))
    };
    let number = |code, field| attribute(code, field).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    // Next hop: attribute 3, or inside MP_REACH_NLRI (14).
    let next_hop = attribute(3, "nexthop").or_else(|| attribute(14, "nexthop")).and_then(Value::as_str);
    let segments = attribute(2, "as_paths").and_then(Value::as_array).into_iter().flatten();
    let asns = segments.filter_map(|segment| segment.get("asns").and_then(Value::as_array)).flatten();
    Ok(Path {
        prefix: prefix.to_owned(),
        next_hop: next_hop.with_context(|| format!("a path without next hop: {entry}"))?.parse()?,
        as_path: asns.filter_map(|asn| u32::try_from(asn.as_u64()?).ok()).collect(),
        origin: match number(1, "value") {
            None | Some(0) => Origin::Igp,
            Some(1) => Origin::Egp,
            _ => Origin::Incomplete,
        },
        med: number(4, "metric"),
        local_pref: number(5, "value"),
        communities: communities::from_gobgp(|code, field| attribute(code, field).cloned())?,
        best: entry.get("best").and_then(Value::as_bool).unwrap_or(false),
    })
}

pub(super) fn sessions(host: &Host) -> Result<Vec<Session>> {
    let peers = query(host, &["neighbor"])?;
    peers.as_array().into_iter().flatten().map(session).collect()
}

/// When the session came up.
pub(super) fn up_mark(host: &Host, peer: IpAddr) -> Result<String> {
    let peers = query(host, &["neighbor"])?;
    let address = peer.to_string();
    let is_it = |value: &&Value| value.pointer("/conf/neighbor_address").and_then(Value::as_str) == Some(&address);
    let found = peers.as_array().into_iter().flatten().find(is_it).context("gobgpd does not know it")?;
    let uptime = found.pointer("/timers/state/uptime").with_context(|| format!("no uptime in {found:#}"))?;
    Ok(uptime.to_string())
}

fn session(peer: &Value) -> Result<Session> {
    /// `SessionState` of gobgp's API: unknown, idle, connect, active, opensent, openconfirm, established.
    const ESTABLISHED: u64 = 6;
    let address: IpAddr = peer.pointer("/conf/neighbor_address").and_then(Value::as_str).unwrap_or_default().parse()?;
    let state = peer.pointer("/state/session_state").and_then(Value::as_u64).unwrap_or(0);
    Ok(Session {
        peer: address,
        established: state == ESTABLISHED,
        state: format!("session_state {state}"),
        last_error: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_path_as_gobgp_4_8_prints_it() {
        let table = serde_json::json!({"10.88.0.40/32":[{"Family":0,"nlri":{"prefix":"10.88.0.40/32"},"age":1,"best":true,
            "attrs":[{"type":1,"value":2},{"type":2,"as_paths":[{"segment_type":2,"num":1,"asns":[65000]}]},
            {"type":4,"metric":100},{"type":3,"nexthop":"10.77.0.11"},{"type":8,"communities":[4_259_840_001_u32]},
            {"type":16,"value":[{"type":0,"subtype":2,"value":"65000:1"}]},
            {"type":32,"value":[{"ASN":65000,"LocalData1":1,"LocalData2":2}]}],"stale":false}]});
        let expected = Path {
            prefix: "10.88.0.40/32".to_owned(),
            next_hop: IpAddr::from([10, 77, 0, 11]),
            as_path: vec![65000],
            origin: Origin::Incomplete,
            med: Some(100),
            local_pref: None,
            communities: ["65000:1", "65000:1:2", "rt:65000:1"].map(str::to_owned).into(),
            best: true,
        };
        assert_eq!(parse(&table, "10.88.0.40/32").unwrap(), vec![expected]);
        assert_eq!(parse(&table, "10.88.0.41/32").unwrap(), vec![]);
    }
}
