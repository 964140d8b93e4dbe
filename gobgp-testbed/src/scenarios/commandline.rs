//! vipcast as the user of its command line meets it: mistakes, precedence, secrets, JSON logs.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::SOON;
use crate::cluster::Cluster;
use crate::host::Host;
use crate::lab::{VIP, node_address};
use crate::parts::router::{Conf, Kind};
use crate::parts::vipcast::Spec;
use crate::site::PREFIX;
use crate::wait;

/// A command line and all that vipcast must say to it.
#[derive(Clone)]
struct Mistake {
    spec: Spec,
    said: Vec<String>,
}

/// Every mistake is named with its value and remedy, exit code 1, and nothing is changed on the host or sent.
pub(super) fn mistakes(cluster: &mut Cluster) -> Result<()> {
    let node = cluster.site.node(1)?.clone();
    // Another node's API server: an attempt to reach it would leave this node, and be counted.
    let good = Spec::manager()
        .switch("bgp")
        .switch("controlplane")
        .switch("leaderElection")
        .flag("address", VIP)
        .flag("interface", "lo")
        .flag("bgppeers", "10.77.0.1:65001")
        .flag("nodeName", "n1")
        .flag("k8sConfigPath", cluster.kubeconfig(2)?.display());
    node.nft(
        "table inet watch { counter attempts { }; chain out { type filter hook output priority 0; \
         tcp dport 179 counter name attempts; ip daddr { 10.78.0.12, 10.78.0.13 } tcp dport 6443 counter name attempts; \
         }; }",
    )?;
    let before = host_state(&node)?;
    let interface = no_interface(&node)?;
    let table = [one_by_one(&good, &interface), vec![all_at_once(&good, &interface)], mistyped(&good)].concat();
    for Mistake { spec, said } in &table {
        refused(&node, spec, said)?;
    }
    let after = host_state(&node)?;
    ensure!(after == before, "the host was changed:\n{before}\n{after}");
    let attempts = counter(&node)?;
    ensure!(attempts == 0, "{attempts} packets were sent");
    println!("    figure: {} wrong command lines refused, {attempts} packets sent", table.len());
    Ok(())
}

fn mistake(spec: Spec, said: &[&str]) -> Mistake {
    let mut said: Vec<String> = said.iter().map(|line| format!("vipcast: {line}")).collect();
    let count = if said.len() == 1 { "1 mistake".to_owned() } else { format!("{} mistakes", said.len()) };
    said.push(format!("vipcast: {count} in the configuration, nothing was changed; see vipcast help manager"));
    Mistake { spec, said }
}

const BAD_ADDRESS: &str = "--address (address): \"10.88.0.400\" is not an IP address; expected one like 10.0.0.40 or \
                           2001:db8::40";
const RENEW: &str = "--leaseRenewDuration (vip_renewdeadline): 5 s is not shorter than the 5 s of --leaseDuration \
                     (vip_leaseduration): a holder would announce beyond its lease";
const AS_ZERO: &str = "--localAS (bgp_as): AS number \"0\" is reserved (RFC 7607); expected 1 to 4294967295";
const BOTH_SOURCES: &str = "--sourceIP (bgp_sourceip): \"10.77.0.11\" is given together with --sourceIF (bgp_sourceif); \
                            give one of them";
const BRACKETS: &str = "--bgppeers (bgp_peers): peer 1: an IPv6 address stands in brackets: [2001:db8::1]:65001";
const LONG_PASSWORD: &str = "--peerPass (bgp_peerpass): the password has 81 bytes; TCP-MD5 takes 80 at most";

/// With the names in the kernel's own order; some kernels put devices of their own into every namespace.
fn no_interface(node: &Host) -> Result<String> {
    let table = node.exec("cat", &["/proc/net/dev"])?;
    let names: Vec<&str> = table.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
    Ok(format!("--interface (vip_interface): \"eth9\" is not an interface of this host; it has {}", names.join(", ")))
}

fn hold_time(text: &str) -> String {
    format!("--bgpHoldTimer (bgp_hold_time): {text:?} is not a hold time; expected 0, or 3 to 65535 s (RFC 4271 §4.2)")
}

fn peer_as(text: &str) -> String {
    format!("--peerAS (bgp_peeras): AS number {text:?} is not one; expected 1 to 4294967295, in plain decimal")
}

/// Each mistake alone.
fn one_by_one(good: &Spec, interface: &str) -> Vec<Mistake> {
    let with = |name: &str, value: &str, said: &str| mistake(good.clone().flag(name, value), &[said]);
    vec![
        with("address", "10.88.0.400", BAD_ADDRESS),
        with("localAS", "0", AS_ZERO),
        with("peerAS", "4294967296", &peer_as("4294967296")),
        with("peerPass", &"x".repeat(81), LONG_PASSWORD),
        with("bgpHoldTimer", "1", &hold_time("1")),
        with("bgpHoldTimer", "2", &hold_time("2")),
        mistake(
            good.clone().flag("bgpHoldTimer", 9).flag("bgpKeepAliveInterval", 9),
            &["--bgpKeepAliveInterval (bgp_keepalive_interval): 9 s is not shorter than the 9 s of --bgpHoldTimer \
               (bgp_hold_time); a third of it is usual"],
        ),
        mistake(good.clone().flag("leaseDuration", 5).flag("leaseRenewDuration", 5), &[RENEW]),
        with("interface", "eth9", interface),
        mistake(
            good.clone().without("bgppeers"),
            &["--bgppeers (bgp_peers): no peer is given; expected host:AS here, or an address by --peerAddress"],
        ),
        with("bgppeers", "fd77::1:65001", BRACKETS),
        mistake(good.clone().flag("sourceIP", "10.77.0.11").flag("sourceIF", "data0"), &[BOTH_SOURCES]),
        mistake(
            good.clone().flag("bgppeers", "10.77.0.1,10.77.0.1:65001:secret:maybe"),
            &[
                "--bgppeers (bgp_peers): peer 1: AS number is missing; expected host:AS, AS 1 to 4294967295",
                "--bgppeers (bgp_peers): peer 2: multihop (not shown) is not true or false; a password with a colon \
                 or a comma cannot stand here: use --peerPassFile",
            ],
        ),
    ]
}

/// All that can be wrong together.
fn all_at_once(good: &Spec, interface: &str) -> Mistake {
    let spec = good
        .clone()
        .flag("address", "10.88.0.400")
        .flag("interface", "eth9")
        .flag("leaseDuration", 5)
        .flag("leaseRenewDuration", 5)
        .flag("localAS", 0)
        .flag("bgpHoldTimer", 2)
        .flag("sourceIP", "10.77.0.11")
        .flag("sourceIF", "data0")
        .flag("bgppeers", "fd77::1:65001")
        .flag("peerAddress", "10.77.0.1")
        .flag("peerAS", 4_294_967_296_u64)
        .flag("peerPass", "x".repeat(81));
    let (hold, asn) = (hold_time("2"), peer_as("4294967296"));
    mistake(spec, &[BAD_ADDRESS, interface, RENEW, AS_ZERO, &hold, BOTH_SOURCES, BRACKETS, &asn, LONG_PASSWORD])
}

/// Words that are no command line.
fn mistyped(good: &Spec) -> Vec<Mistake> {
    let lines = |text: &str| text.lines().map(str::to_owned).collect();
    vec![
        Mistake {
            spec: Spec::manager().flag("adress", VIP),
            said: lines(
                "error: unexpected argument '--adress' found\n\n  tip: a similar argument exists: '--address'\n\n\
                 Usage: vipcast manager --address <IP>\n\nFor more information, try '--help'.",
            ),
        },
        Mistake {
            spec: good.clone().flag("leaderElection", "false"),
            said: lines(
                "error: a word belongs to no flag (not shown: it may be part of a password)\n\n  \
                 tip: booleans take their value by \"=\": --leaderElection=false",
            ),
        },
    ]
}

/// Runs it to its end, which must come by itself.
fn refused(node: &Host, spec: &Spec, expected: &[String]) -> Result<()> {
    let process = spec.start_as("mistake", node)?;
    let status = process.wait_exit(SOON).with_context(|| format!("{:?}", spec.words()))?;
    let said = process.said();
    ensure!(status.code() == Some(1), "{:?} ended with {status}:\n{said}", spec.words());
    let lines: Vec<&str> = said.lines().collect();
    ensure!(lines == expected, "{:?} said\n{said}\ninstead of\n{}", spec.words(), expected.join("\n"));
    Ok(())
}

/// Addresses, links and routes, as `ip` shows them.
fn host_state(node: &Host) -> Result<String> {
    Ok([node.ip("-o address show")?, node.ip("route show table all")?, node.ip("-6 route show table all")?].join("\n"))
}

fn counter(node: &Host) -> Result<u64> {
    let said: Value =
        serde_json::from_str(&node.exec("nft", &["-j", "list", "counter", "inet", "watch", "attempts"])?)?;
    let all = said.get("nftables").and_then(Value::as_array).into_iter().flatten();
    let mut packets = all.filter_map(|object| object.pointer("/counter/packets")?.as_u64());
    packets.next().with_context(|| format!("nft printed {said}"))
}

const IN_VARIABLE: &str = "Sesame-in-a-variable";
const IN_FILE: &str = "Sesame-in-a-file";

/// Variables before flags with a warning for each difference, documented misspellings, passwords from a variable and a
/// file that appear nowhere, and a debug log of JSON lines only.
pub(super) fn words_and_secrets(cluster: &mut Cluster) -> Result<()> {
    let mut routers = Vec::new();
    for (kind, password) in [(Kind::Gobgpd, IN_VARIABLE), (Kind::Bird, IN_FILE)] {
        let mut conf = Conf::new(kind);
        conf.neighbors.iter_mut().for_each(|neighbor| neighbor.password = Some(password.to_owned()));
        routers.push(cluster.site.router(kind, conf)?);
    }
    let node = cluster.site.node(1)?.clone();
    let vipcast = cluster.site.vipcast(1, &contradictory(cluster, &node)?)?;
    for router in &routers {
        let best = router.wait_best(PREFIX, node_address(1), SOON)?;
        ensure!(best.as_path == [65000], "{} has {best:?}", router.kind());
    }
    cluster.wait_holder("n1", SOON)?;
    node.expect_address("lo", IpAddr::V4(VIP), true)?;
    vipcast.term()?;
    let status = vipcast.wait_exit(SOON)?;
    ensure!(status.code() == Some(0), "vipcast ended with {status}");
    check_log(&vipcast.said())?;
    help_is_readable(&node)
}

/// The main job in misspelt flags, contradicted by variables, which count.
fn contradictory(cluster: &Cluster, node: &Host) -> Result<Spec> {
    let file = node.file("password");
    std::fs::write(&file, IN_FILE)?;
    Ok(cluster
        .spec(1, &[])?
        .without("controlplane")
        .without("leaderElection")
        .switch("controlPlane")
        .flag("cidr", 32)
        .switch("multiHop=false")
        .flag("localAS", 64999)
        .env("bgp_as", 65000)
        .switch("leaderElection=false")
        .env("vip_leaderelection", "true")
        .flag("bgppeers", "10.77.0.99:65099:Sesame-in-a-flag")
        .env("bgp_peers", format!("10.77.0.1:65001:{IN_VARIABLE}"))
        .flag("peerAddress", "10.77.0.2")
        .flag("peerAS", 65002)
        .flag("peerPassFile", file.display())
        .flag("log", -4)
        .flag("logFormat", "json"))
}

fn check_log(said: &str) -> Result<()> {
    ensure!(!said.contains("Sesame"), "a password is in the log:\n{said}");
    let lines: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line:?}")))
        .collect::<Result<_>>()?;
    for line in &lines {
        let fields = ["timestamp", "level", "target", "message"].map(|field| line.get(field).and_then(Value::as_str));
        ensure!(fields.iter().all(Option::is_some), "a field is missing in {line}");
    }
    let option = |line: &Value| Some((line.get("option")?.clone(), line.get("message")?.clone()));
    let warnings: Vec<(Value, Value)> = lines.iter().filter_map(option).collect();
    let rule = "which is ignored: a variable counts before a flag, as in kube-vip";
    let expected = [
        (
            "vip_leaderelection (--leaderElection)",
            format!("vip_leaderelection is \"true\" and --leaderElection is \"false\", {rule}"),
        ),
        ("bgp_as (--localAS)", format!("bgp_as is \"65000\" and --localAS is \"64999\", {rule}")),
        ("bgp_peers (--bgppeers)", format!("differs from --bgppeers, {rule}")),
    ];
    let expected = expected.map(|(option, text)| (Value::from(option), Value::from(text)));
    ensure!(warnings == expected, "the warnings are {warnings:#?}");
    println!("    figure: {} lines of debug log, all JSON, no password", lines.len());
    Ok(())
}

/// `--help` goes to the standard output with exit code 0, and no line is wider than a terminal of 100 columns.
fn help_is_readable(node: &Host) -> Result<()> {
    let help = wait::until("help", SOON, || node.exec(crate::paths::vipcast()?, &["manager", "--help"]))?;
    let wide: Vec<&str> = help.lines().filter(|line| line.chars().count() > 100).collect();
    ensure!(wide.is_empty(), "too wide: {wide:?}");
    ensure!(help.contains("A variable counts before a flag"), "the precedence is not in:\n{help}");
    Ok(())
}
