//! BIRD 2: writes its routes to the kernel, so what is behind it reaches the VIP. Its CLI knows no JSON.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::bfd;
use super::communities;
use super::orders::{MED, PREFIX4, PREFIX6};
use super::router::{Conf, Family, Neighbor, Origin, Path, Session};
use crate::host::{Host, capture};
use crate::paths::debian;
use crate::process::Process;

/// What BIRD's manual shows for RFC 8326: what is about to go is the last choice.
const GRACEFUL: &str = "filter last_choice { if (65535, 0) ~ bgp_community then bgp_local_pref = 0; accept; }";

fn socket(host: &Host) -> PathBuf {
    host.file("bird.ctl")
}

pub(super) fn start(host: &Host, conf: &Conf) -> Result<Process> {
    let file = host.file("bird.conf");
    std::fs::write(&file, config(conf))?;
    // A killed BIRD leaves its socket behind.
    let _ = std::fs::remove_file(socket(host));
    host.spawn("bird", &debian("/usr/sbin/bird", "bird2")?, |command| {
        command.arg("-f").arg("-c").arg(file).arg("-s").arg(socket(host));
    })
}

fn config(conf: &Conf) -> String {
    let merge = if conf.multipath { "merge paths on;" } else { "" };
    let kernel = if conf.bare { "none" } else { "where source = RTS_BGP" };
    let waits = if conf.patient { "" } else { "error wait time 1, 2; error forget time 1;" };
    let mut text = format!(
        "log stderr all;\nrouter id {};\nprotocol device {{ scan time 1; }}\nprotocol direct {{ ipv4; ipv6; }}\n\
         protocol kernel {{ {merge} ipv4 {{ import none; export {kernel}; }}; }}\n\
         protocol kernel {{ {merge} ipv6 {{ import none; export {kernel}; }}; }}\n\
         {GRACEFUL}\n\
         protocol static flood {{ ipv4;\n",
        conf.router_id
    );
    for number in 0..conf.flood {
        let [_, high, middle, low] = number.to_be_bytes();
        let _ = writeln!(text, "route {}.{middle}.{low}.0/24 blackhole;", 100 + high);
    }
    text.push_str("}\n");
    text.push_str(&documentation(conf));
    text += bfd::bird_protocol(conf);
    for (index, neighbor) in conf.neighbors.iter().enumerate() {
        let password = neighbor.password.as_ref().map(|word| format!("password \"{word}\";")).unwrap_or_default();
        let hops = match neighbor.multihop {
            Some(hops) => format!("multihop {hops};"),
            None => match neighbor.ttl_security {
                Some(hops @ 2..) => format!("multihop {hops};"),
                Some(_) | None => "direct;".to_owned(),
            },
        };
        let secured = if neighbor.ttl_security.is_some() { "ttl security on;" } else { "" };
        let zone = neighbor.interface.as_ref().map(|name| format!("%{name}")).unwrap_or_default();
        let _ = write!(
            text,
            "protocol bgp peer{index} {{ local port {port} as {asn}; neighbor {address}{zone} port {remote} as {peer}; {dial} {hops} {secured}\n\
             hold time {hold}; keepalive time {keepalive}; connect delay time 1; {waits} {password} {bfd}\n\
             {channels}}}\n",
            bfd = bfd::bird_option(neighbor),
            port = conf.port,
            asn = conf.asn,
            address = neighbor.address,
            peer = neighbor.asn,
            remote = neighbor.port,
            dial = if neighbor.dial { "connect retry time 1;" } else { "passive yes;" },
            hold = conf.hold,
            keepalive = conf.keepalive(),
            channels = channels(neighbor),
        );
    }
    text
}

/// The routes of [`super::orders`], off until they are ordered.
fn documentation(conf: &Conf) -> String {
    let protocol = |number: u8, prefix: &str| {
        format!(
            "protocol static orders{number} {{ disabled; ipv{number}; route {prefix} blackhole {{ bgp_med = {MED}; \
             bgp_community.add(({asn}, 1)); bgp_large_community.add(({asn}, 1, 2)); }}; }}\n",
            // A standard community has room for 16 bits.
            asn = conf.asn & 0xffff,
        )
    };
    [protocol(4, PREFIX4), protocol(6, PREFIX6)].concat()
}

fn channels(neighbor: &Neighbor) -> String {
    let extended = if neighbor.extended_next_hop { "extended next hop on;" } else { "" };
    let channel = |family: &Family| match family {
        Family::V4 => {
            let learned = if neighbor.transit { "source = RTS_BGP || " } else { "" };
            let ours = format!("{learned}proto = \"flood\" || proto = \"orders4\"");
            format!(
                "ipv4 {{ import filter last_choice; export where {ours}; {extended} }};
"
            )
        }
        Family::V6 => "ipv6 { import filter last_choice; export where proto = \"orders6\"; };
"
        .to_owned(),
    };
    neighbor.families.iter().map(channel).collect()
}

pub(crate) fn query(host: &Host, words: &[&str]) -> Result<String> {
    let mut command = Command::new(debian("/usr/sbin/birdc", "bird2")?);
    capture(command.arg("-s").arg(socket(host)).args(words))
}

/// Writes the configuration anew and has it read.
pub(super) fn reload(host: &Host, conf: &Conf) -> Result<()> {
    std::fs::write(host.file("bird.conf"), config(conf))?;
    let said = query(host, &["configure"])?;
    ensure!(said.contains("Reconfigur"), "birdc answered {said:?}");
    Ok(())
}

pub(super) fn flap(host: &Host, announced: bool) -> Result<()> {
    let said = query(host, &[if announced { "enable" } else { "disable" }, "flood"])?;
    ensure!(said.contains("flood: "), "birdc answered {said:?}");
    Ok(())
}

pub(super) fn count(host: &Host) -> Result<usize> {
    parse_count(&query(host, &["show", "route", "count", "table", "master4", "where", "source = RTS_BGP"])?)
}

/// `<shown> of <routes> routes for <networks> networks`.
fn parse_count(said: &str) -> Result<usize> {
    let counted = said.lines().find_map(|line| line.split_once(" of ").map(|(count, _)| count.trim().parse()));
    Ok(counted.with_context(|| format!("birdc printed {said:?}"))??)
}

pub(super) fn paths(host: &Host, prefix: &str) -> Result<Vec<Path>> {
    match query(host, &["show", "route", "all", "for", prefix]) {
        // An answer that birdc counts as an error.
        Err(error) if error.to_string().contains("Network not found") => Ok(Vec::new()),
        said => parse(&said?, prefix),
    }
}

/// One path is a head (`<prefix> unicast [peer0 time] * (100) [AS65000i]`; the prefix only in the first) and lines of
/// `BGP.<attribute>: <value>`. Attributes before the first BGP line belong to routes that are not BGP's.
fn parse(said: &str, prefix: &str) -> Result<Vec<Path>> {
    let mut paths: Vec<Path> = Vec::new();
    let mut best = false;
    let mut current = "";
    for line in said.lines() {
        if let Some((head, flags)) =
            line.split_once(" [").and_then(|(head, rest)| Some((head, rest.split_once(']')?.1)))
        {
            let network = head.split_whitespace().next().filter(|word| word.contains('/'));
            current = network.unwrap_or(current);
            best = flags.trim_start().starts_with('*');
        }
        let Some((name, value)) = line.trim().split_once(':') else { continue };
        let value = value.trim();
        if name == "BGP.origin" && current == prefix {
            // The first attribute BIRD prints of a BGP route.
            paths.push(Path {
                prefix: prefix.to_owned(),
                next_hop: IpAddr::from([0, 0, 0, 0]),
                as_path: Vec::new(),
                origin: Origin::from_word(value)?,
                med: None,
                local_pref: None,
                communities: BTreeSet::new(),
                best,
            });
        }
        if let Some(path) = paths.last_mut().filter(|_| current == prefix) {
            attribute(path, name, value).with_context(|| format!("birdc printed {line:?}"))?;
        }
    }
    Ok(paths)
}

fn attribute(path: &mut Path, name: &str, value: &str) -> Result<()> {
    match name {
        "BGP.as_path" => path.as_path = value.split_whitespace().map(str::parse).collect::<Result<_, _>>()?,
        // Global and link-local, where there are both; `::` stands for none.
        "BGP.next_hop" => {
            let hop = value.split_whitespace().find(|word| *word != "::");
            path.next_hop = hop.unwrap_or_default().parse()?;
        }
        "BGP.med" => path.med = Some(value.parse()?),
        "BGP.local_pref" => path.local_pref = Some(value.parse()?),
        "BGP.community" | "BGP.ext_community" | "BGP.large_community" => {
            path.communities.extend(communities::from_bird(value)?);
        }
        _ => {}
    }
    Ok(())
}

pub(super) fn bfd_sessions(host: &Host) -> Result<Vec<bfd::Session>> {
    bfd::parse_bird(&query(host, &["show", "bfd", "sessions"])?)
}

pub(super) fn sessions(host: &Host) -> Result<Vec<Session>> {
    parse_sessions(&query(host, &["show", "protocols", "all", "\"peer*\""])?)
}

/// Since when the session is what it is, to the millisecond.
pub(super) fn up_mark(host: &Host, peer: IpAddr) -> Result<String> {
    let said = query(host, &["show", "protocols", "all", "\"peer*\""])?;
    let mut head = None;
    for line in said.lines() {
        if line.starts_with("peer") {
            head = Some(line);
        }
        if line.trim() == format!("Neighbor address: {peer}") {
            // peer0 BGP --- up 16:04:12.345 Established
            return Ok(head.context("a neighbor without its protocol")?.to_owned());
        }
    }
    bail!("birdc does not know {peer}: {said}")
}

fn parse_sessions(said: &str) -> Result<Vec<Session>> {
    let mut sessions: Vec<Session> = Vec::new();
    let mut state = String::new();
    for line in said.lines() {
        let Some((name, value)) = line.trim().split_once(':') else { continue };
        match (name, value.trim()) {
            ("BGP state", value) => value.clone_into(&mut state),
            ("Neighbor address", value) => sessions.push(Session {
                // A link-local one has its interface behind it.
                peer: value
                    .split('%')
                    .next()
                    .unwrap_or_default()
                    .parse()
                    .with_context(|| format!("birdc printed {line:?}"))?,
                established: state == "Established",
                state: state.clone(),
                last_error: String::new(),
            }),
            ("Last error", value) => {
                if let Some(session) = sessions.last_mut() {
                    value.clone_into(&mut session.last_error);
                }
            }
            _ => {}
        }
    }
    Ok(sessions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_two_paths_as_bird_2_0_12_prints_them() {
        let said = "BIRD 2.0.12 ready.\nTable master4:\n\
            10.88.0.40/32        unicast [peer1 10:11:21.543] * (100) [AS65000i]\n\tvia 10.77.0.12 on data0\n\
            \tType: BGP univ\n\tBGP.origin: IGP\n\tBGP.as_path: 65000\n\tBGP.next_hop: 10.77.0.12\n\tBGP.med: 7\n\
            \tBGP.local_pref: 100\n\tBGP.community: (65000,1) (65000,2)\n\tBGP.ext_community: (rt, 65000, 1)\n\
            \tBGP.large_community: (65000, 1, 2)\n\
            \x20                    unicast [peer0 10:11:20.1] (100) [AS65000i]\n\tvia 10.77.0.11 on data0\n\
            \tType: BGP univ\n\tBGP.origin: IGP\n\tBGP.as_path: 65000\n\tBGP.next_hop: 10.77.0.11\n\tBGP.local_pref: 100\n";
        let path = |last: u8, med, communities: &[&str], best| Path {
            prefix: "10.88.0.40/32".to_owned(),
            next_hop: IpAddr::from([10, 77, 0, last]),
            as_path: vec![65000],
            origin: Origin::Igp,
            med,
            local_pref: Some(100),
            communities: communities.iter().map(|&word| word.to_owned()).collect(),
            best,
        };
        let all = ["65000:1", "65000:1:2", "65000:2", "rt:65000:1"];
        let expected = vec![path(12, Some(7), &all, true), path(11, None, &[], false)];
        assert_eq!(parse(said, "10.88.0.40/32").unwrap(), expected);
    }

    #[test]
    fn reads_a_session_and_its_last_error() {
        let said = "Name       Proto      Table      State  Since         Info\n\
            peer0      BGP        ---        start  10:11:21.543  Passive       Received: Administrative shutdown\n\
            \x20 BGP state:          Passive\n    Neighbor address: 10.77.0.11\n    Neighbor AS:      65000\n\
            \x20   Last error:       Received: Administrative shutdown\n";
        let expected = Session {
            peer: IpAddr::from([10, 77, 0, 11]),
            established: false,
            state: "Passive".to_owned(),
            last_error: "Received: Administrative shutdown".to_owned(),
        };
        assert_eq!(parse_sessions(said).unwrap(), vec![expected]);
    }
}
