//! `ExaBGP` 4: keeps no table. What it hears it tells a helper as JSON, line by line ([`helper`] writes it down); tables
//! and sessions are read from there. Commands reach it by a file that `tail` follows for it.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use serde_json::Value;

use super::communities;
use super::router::{Conf, Family, Neighbor, Origin, Path, Session};
use crate::host::Host;
use crate::paths::{debian, myself};
use crate::process::Process;
use crate::wait;

fn heard(host: &Host) -> PathBuf {
    host.file("exabgp.json")
}

fn commands(host: &Host) -> PathBuf {
    host.file("exabgp.commands")
}

pub(super) fn start(host: &Host, conf: &Conf) -> Result<Process> {
    let program = debian("/usr/sbin/exabgp", "exabgp")?;
    let file = host.file("exabgp.conf");
    std::fs::write(&file, config(host, conf)?)?;
    std::fs::write(commands(host), "")?;
    // The helper makes it anew: then ExaBGP listens.
    let _ = std::fs::remove_file(heard(host));
    let process = host.spawn("exabgp", &program, |command| {
        let settings = ["daemon.user=root", "daemon.drop=false", "api.cli=false", "api.ack=false", "log.level=DEBUG"];
        for (name, value) in settings.iter().filter_map(|setting| setting.split_once('=')) {
            command.env(format!("exabgp.{name}"), value);
        }
        command.arg(file);
    })?;
    wait::until("exabgp's helper", Duration::from_secs(20), || {
        process.alive()?;
        ensure!(heard(host).exists(), "{} is not there", heard(host).display());
        Ok(())
    })?;
    Ok(process)
}

fn config(host: &Host, conf: &Conf) -> Result<String> {
    let mut text = format!(
        "process heard {{ run {myself} exabgp-log {heard}; encoder json; }}\n\
         process commands {{ run /usr/bin/tail -n +1 -f {commands}; encoder text; }}\n",
        myself = myself()?.display(),
        heard = heard(host).display(),
        commands = commands(host).display(),
    );
    for neighbor in &conf.neighbors {
        // It wants to be told its own end of each session.
        let route: Value = serde_json::from_str(&host.ip(&format!("-j route get {}", neighbor.address))?)?;
        let local = route.pointer("/0/prefsrc").and_then(Value::as_str);
        let local = local.with_context(|| format!("no way from {} to {}", host.name(), neighbor.address))?;
        text.push_str(&section(conf, neighbor, local));
    }
    Ok(text)
}

fn section(conf: &Conf, neighbor: &Neighbor, local: &str) -> String {
    let extended = if neighbor.extended_next_hop { "nexthop enable;" } else { "" };
    let name = neighbor.address.to_string().replace(['.', ':'], "-");
    let mut text = format!(
        "neighbor {} {{\n router-id {}; local-address {local}; local-as {}; peer-as {}; hold-time {};\n\
         \x20capability {{ route-refresh enable; {extended} }}\n\
         \x20api heard-{name} {{ processes [ heard ]; neighbor-changes; receive {{ parsed; open; update; }} }}\n\
         \x20api commands-{name} {{ processes [ commands ]; }}\n",
        neighbor.address, conf.router_id, conf.asn, neighbor.asn, conf.hold
    );
    let family = |family: &Family| match family {
        Family::V4 => " ipv4 unicast;",
        Family::V6 => " ipv6 unicast;",
    };
    let families: String = neighbor.families.iter().map(family).collect();
    let _ = writeln!(text, " family {{{families} }}");
    if neighbor.extended_next_hop {
        text.push_str(" nexthop { ipv4 unicast ipv6; }\n");
    }
    if neighbor.dial {
        let _ = writeln!(text, " connect {};", conf.port);
    } else {
        let _ = writeln!(text, " passive true; listen {};", conf.port);
    }
    if let Some(hops) = conf.ebgp_multihop(neighbor) {
        let _ = writeln!(text, " outgoing-ttl {hops};");
    }
    if let Some(password) = &neighbor.password {
        let _ = writeln!(text, " md5-password \"{password}\";");
    }
    text.push_str("}\n");
    text
}

/// Gives it a command of its API, `announce route …`.
pub(super) fn tell(host: &Host, command: &str) -> Result<()> {
    let mut file = OpenOptions::new().append(true).open(commands(host))?;
    Ok(writeln!(file, "{command}")?)
}

/// What `ExaBGP` runs to be rid of what it heard: each line of the input is appended to `file` at once.
///
/// # Errors
/// When the file cannot be written.
pub fn helper(file: &str) -> Result<()> {
    let input = std::io::stdin().lock();
    // ExaBGP hands over a pipe that does not wait.
    fcntl_setfl(&input, fcntl_getfl(&input)?.difference(OFlags::NONBLOCK))?;
    let mut output = File::create(file).with_context(|| format!("failed to make {file}"))?;
    for line in input.lines() {
        output.write_all(format!("{}\n", line?).as_bytes())?;
    }
    Ok(())
}

/// All it heard so far; a line that is still being written is left out.
fn events(host: &Host) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(heard(host))?;
    let whole = text.rfind('\n').and_then(|end| text.get(..end)).unwrap_or_default();
    whole.lines().map(|line| serde_json::from_str(line).with_context(|| format!("exabgp wrote {line:?}"))).collect()
}

fn peer(event: &Value) -> Option<IpAddr> {
    event.pointer("/neighbor/address/peer")?.as_str()?.parse().ok()
}

pub(super) fn paths(host: &Host, prefix: &str) -> Result<Vec<Path>> {
    replay(&events(host)?, prefix)
}

/// What each peer announced last and did not withdraw. It chooses no best path: each is in use.
fn replay(events: &[Value], prefix: &str) -> Result<Vec<Path>> {
    let family = if prefix.contains(':') { "ipv6 unicast" } else { "ipv4 unicast" };
    let mut table: Vec<(IpAddr, Path)> = Vec::new();
    for event in events {
        let Some(peer) = peer(event) else { continue };
        let update = event.pointer("/neighbor/message/update");
        let under = |field: &str| update.and_then(|update| update.get(field)?.get(family));
        let withdrawn = under("withdraw").is_some_and(|list| names(list, prefix));
        let announced = under("announce").and_then(Value::as_object).into_iter().flatten();
        let next_hop = announced.filter(|(_, list)| names(list, prefix)).map(|(next_hop, _)| next_hop).next();
        let down = event.pointer("/neighbor/state").and_then(Value::as_str) == Some("down");
        if withdrawn || down || next_hop.is_some() {
            table.retain(|(from, _)| *from != peer);
        }
        if let Some(next_hop) = next_hop {
            let attributes = update.and_then(|update| update.get("attribute")).unwrap_or(&Value::Null);
            table.push((peer, path(prefix, next_hop, attributes)?));
        }
    }
    Ok(table.into_iter().map(|(_, path)| path).collect())
}

fn names(list: &Value, prefix: &str) -> bool {
    list.as_array().into_iter().flatten().any(|entry| entry.get("nlri").and_then(Value::as_str) == Some(prefix))
}

fn path(prefix: &str, next_hop: &str, attributes: &Value) -> Result<Path> {
    let number = |field: &str| attributes.get(field).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    let asns = attributes.get("as-path").and_then(Value::as_array).into_iter().flatten();
    Ok(Path {
        prefix: prefix.to_owned(),
        next_hop: next_hop.parse().with_context(|| format!("exabgp wrote the next hop {next_hop:?}"))?,
        as_path: asns.filter_map(|asn| u32::try_from(asn.as_u64()?).ok()).collect(),
        origin: Origin::from_word(attributes.get("origin").and_then(Value::as_str).unwrap_or_default())?,
        med: number("med"),
        local_pref: number("local-preference"),
        communities: communities::from_exabgp(attributes)?,
        best: true,
    })
}

pub(super) fn sessions(host: &Host, neighbors: &[Neighbor]) -> Result<Vec<Session>> {
    let events = events(host)?;
    Ok(neighbors.iter().map(|neighbor| session(&events, neighbor.address)).collect())
}

fn session(events: &[Value], address: IpAddr) -> Session {
    let words = |event: &Value, field| event.pointer(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut changes = events
        .iter()
        .rev()
        .filter(|event| peer(event) == Some(address) && event.get("type").and_then(Value::as_str) == Some("state"));
    let state = changes.clone().next().map(|event| words(event, "/neighbor/state")).unwrap_or_default();
    let last_error = changes.find_map(|event| Some(event.pointer("/neighbor/reason")?.as_str()?.to_owned()));
    Session { peer: address, established: state == "up", state, last_error: last_error.unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, rest: &str) -> Value {
        let text = format!(
            r#"{{"exabgp":"4.0.1","type":"{kind}","neighbor":{{"address":{{"local":"10.77.0.5","peer":"10.77.0.11"}},
            "asn":{{"local":65005,"peer":65000}},{rest}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn announced() -> Value {
        event(
            "update",
            r#""direction":"receive","message":{"update":{"attribute":{"origin":"igp","as-path":[65000],
            "confederation-path":[],"med":7,"community":[[65000,1]]},"announce":{"ipv4 unicast":{"10.77.0.11":[{"nlri":"10.88.0.40/32"}]}}}}"#,
        )
    }

    #[test]
    fn reads_a_table_as_exabgp_4_2_tells_of_it() {
        let withdrawn =
            event("update", r#""message":{"update":{"withdraw":{"ipv4 unicast":[{"nlri":"10.88.0.40/32"}]}}}"#);
        let down = event("state", r#""state":"down","reason":"peer reset""#);
        let expected = Path {
            prefix: "10.88.0.40/32".to_owned(),
            next_hop: [10, 77, 0, 11].into(),
            as_path: vec![65000],
            origin: Origin::Igp,
            med: Some(7),
            local_pref: None,
            communities: ["65000:1".to_owned()].into(),
            best: true,
        };
        assert_eq!(replay(&[announced(), announced()], "10.88.0.40/32").unwrap(), [expected]);
        assert_eq!(replay(&[announced()], "10.88.0.41/32").unwrap(), []);
        assert_eq!(replay(&[announced(), withdrawn], "10.88.0.40/32").unwrap(), []);
        assert_eq!(replay(&[announced(), down], "10.88.0.40/32").unwrap(), []);
    }

    #[test]
    fn reads_a_session_and_its_last_error() {
        let (up, down) = (event("state", r#""state":"up""#), event("state", r#""state":"down","reason":"peer reset""#));
        let peer = IpAddr::from([10, 77, 0, 11]);
        let session_of = |events: &[Value]| session(events, peer);
        let expected = Session { peer, established: true, state: "up".to_owned(), last_error: "peer reset".to_owned() };
        assert_eq!(session_of(&[down.clone(), up, announced()]), expected);
        let expected = Session { established: false, state: "down".to_owned(), ..expected };
        assert_eq!(session_of(&[down]), expected);
    }
}
