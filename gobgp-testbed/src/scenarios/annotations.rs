//! Scenarios 53: how to speak BGP is what the annotations of this node's Node object say.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use super::control::Control;
use super::expect::{PREFIX6, Watch, external, fence, never_said, timed, wait_paths};
use super::{Run, SOON, Scenario};
use crate::cluster::Cluster;
use crate::lab::{NODE_AS, Net, VIP, node_address, node_address6};
use crate::parts::api::NODES;
use crate::parts::router::{Conf, Kind, Neighbor, Path, Router};
use crate::parts::vipcast::Spec;
use crate::process::Process;
use crate::site::PREFIX;
use crate::{clock, wait};

/// All of them.
pub(super) const ANNOTATIONS: &[Scenario] = &[
    Scenario {
        name: "53-annotations-awaited",
        shows: "no node, no annotations, half of them: each is said by log and status, SIGTERM ends the wait; then the lease",
        run: Run::Cluster(awaited),
    },
    Scenario {
        name: "53-annotations-followed",
        shows: "three routers by index, with passwords; a change restarts one session, a bad one none, a removed peer leaves",
        run: Run::Cluster(followed),
    },
    Scenario {
        name: "53-annotations-ipv6",
        shows: "an IPv6 src-ip, the BGP Identifier derived; the node is found by its hostname label",
        run: Run::Cluster(ipv6),
    },
    Scenario {
        name: "53-annotations-api-late",
        shows: "the API server comes after vipcast",
        run: Run::Cluster(api_late),
    },
];

const DOMAIN: &str = "metal.equinix.com";

/// Passwords, and how annotations have them.
const SECRET: &str = "correct-horse";
const SECRET_BASE64: &str = "Y29ycmVjdC1ob3JzZQ==";
const OTHER: &str = "battery-staple";
const OTHER_BASE64: &str = "YmF0dGVyeS1zdGFwbGU=";

/// Annotations by the part of their keys behind the slash; null takes one away.
fn annotations(pairs: &[(&str, Value)]) -> Value {
    let pairs = pairs.iter().map(|(name, value)| (format!("{DOMAIN}/{name}"), value.clone()));
    json!({"metadata": {"annotations": pairs.collect::<Map<_, _>>()}})
}

fn create(cluster: &Cluster, name: &str, hostname: &str) -> Result<()> {
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": hostname}},
    });
    cluster.api(2)?.create(NODES, &node)
}

fn annotate(cluster: &Cluster, name: &str, pairs: &[(&str, Value)]) -> Result<()> {
    let path = format!("{NODES}/{name}");
    let (code, answer) = cluster.api(2)?.request("PATCH", &path, Some(&annotations(pairs)))?;
    ensure!(code == 200, "PATCH {path}: {code} {answer}");
    Ok(())
}

/// A router that knows node 1 by this address and password.
fn router(cluster: &mut Cluster, kind: Kind, address: IpAddr, password: Option<&str>) -> Result<Rc<Router>> {
    let neighbors = vec![Neighbor { password: password.map(str::to_owned), ..Neighbor::new(address) }];
    cluster.site.router(kind, Conf { neighbors, ..Conf::new(kind) })
}

/// What node 1 is started with: neither a peer nor the right AS number.
fn spec(cluster: &Cluster) -> Result<Spec> {
    Ok(cluster.spec(1, &[])?.without("bgpRouterID").flag("localAS", 64999).flag("annotations", DOMAIN))
}

/// The same without election.
fn anycast(cluster: &Cluster) -> Result<Spec> {
    Ok(spec(cluster)?.without("leaderElection").switch("leaderElection=false"))
}

/// What a waiting vipcast says is missing.
fn missing(field: &str, index: &str) -> String {
    format!("{DOMAIN}/{field} (or {DOMAIN}/bgp-peers-{index}-{field}) is missing")
}

/// Waits for the line that says what is waited for, to its end.
fn wait_waiting(vipcast: &Process, expected: &str) -> Result<()> {
    let line = format!("waiting to start: {expected}");
    wait::until(&format!("the line {line:?}"), SOON, || {
        let said = vipcast.log().since(vipcast.began());
        let lines: Vec<&str> = said.lines().filter(|line| line.contains("waiting to start: ")).collect();
        ensure!(lines.iter().any(|said| said.ends_with(&line)), "{lines:#?}");
        Ok(())
    })
}

fn status_of_waiting(control: &Control, began: Duration, reason: &str) -> Result<()> {
    let document = control.wait(began, "/fitness/reason", &json!(reason))?;
    let part = |pointer: &str| document.pointer(pointer).cloned().unwrap_or_default();
    let found = json!([part("/fitness/state"), part("/peers"), part("/mode"), part("/leadership"), part("/vips/0")]);
    let unbound = json!({
        "address": "10.88.0.40", "wanted": false, "bound": false, "announced_to": [], "withdrawing_from": [],
        "why_not": "this node waits to start",
    });
    let expected = json!(["waiting", [], "lease", null, unbound]);
    ensure!(found == expected, "{found:#} instead of {expected:#}");
    Ok(())
}

fn awaited(cluster: &mut Cluster) -> Result<()> {
    let began = clock::now();
    let gobgpd = router(cluster, Kind::Gobgpd, node_address(1), Some(SECRET))?;
    let spec = spec(cluster)?;
    let vipcast = cluster.site.vipcast(1, &spec)?;
    let nobody = "there is no node n1, and none whose label kubernetes.io/hostname is n1; give this node's name in \
                  Kubernetes by --nodeName (vip_nodename)";
    wait_waiting(&vipcast, nobody)?;
    status_of_waiting(&Control::of(cluster.site.node(1)?), began, nobody)?;

    create(cluster, "n1", "n1")?;
    let all = [missing("node-asn", "0"), missing("src-ip", "0"), missing("peer-ip", "N"), missing("peer-asn", "0")];
    wait_waiting(&vipcast, &all.join("; "))?;
    let half = [
        ("node-asn", json!(NODE_AS.to_string())),
        ("src-ip", json!(node_address(1).to_string())),
        ("bgp-pass", json!(SECRET)),
        ("peer-multi-hop", json!("yes")),
    ];
    annotate(cluster, "n1", &half)?;
    let wrong = [
        missing("peer-ip", "N"),
        missing("peer-asn", "0"),
        format!("{DOMAIN}/bgp-pass: the value (not shown) is not base64, as printf %s PASSWORD | base64 writes it"),
        format!("{DOMAIN}/peer-multi-hop: \"yes\" is neither \"true\" nor \"false\""),
    ];
    wait_waiting(&vipcast, &wrong.join("; "))?;
    ensure!(cluster.lease()?.is_none(), "there is a Lease");
    timed(
        "SIGTERM to the end of a vipcast that waits",
        || vipcast.term(),
        || {
            let status = vipcast.wait_exit(SOON)?;
            ensure!(status.code() == Some(0), "{status}");
            Ok(())
        },
    )?;
    vipcast.log().wait_line(vipcast.began(), &["leaving: nothing was announced or bound yet"], Duration::ZERO)?;
    cluster.site.node(1)?.expect_address("lo", IpAddr::V4(VIP), false)?;

    let vipcast = cluster.site.vipcast(1, &spec)?;
    wait_waiting(&vipcast, &wrong.join("; "))?;
    let rest = [
        ("bgp-pass", json!(SECRET_BASE64)),
        ("peer-multi-hop", json!("false")),
        ("peer-asn", json!(gobgpd.asn().to_string())),
        ("peer-ip", json!(gobgpd.kind().address().to_string())),
    ];
    timed(
        "the last annotation to the route, through election and session",
        || annotate(cluster, "n1", &rest),
        || gobgpd.wait_best(PREFIX, node_address(1), SOON).map(drop),
    )?;
    cluster.wait_holder("n1", SOON)?;
    wait_paths(&gobgpd, PREFIX, &[external(node_address(1), Some(fence(cluster)?.med))])?;
    let over = format!("64999 is not used, but {NODE_AS} of the annotations {DOMAIN}/… of node n1");
    vipcast.log().wait_line(vipcast.began(), &["WARN", "--localAS (bgp_as)", &over], Duration::ZERO)?;
    never_said(&vipcast, &[SECRET, SECRET_BASE64])
}

/// What is to stay undisturbed while another session is touched.
struct Calm<'a> {
    routers: [&'a Router; 2],
    watches: [Watch<'a>; 2],
}

impl<'a> Calm<'a> {
    fn of(vipcast: &'a Process, routers: [&'a Router; 2]) -> Self {
        Self { routers, watches: routers.map(|router| Watch::new(vipcast, router.kind().address())) }
    }

    fn undisturbed(&self) -> Result<()> {
        self.watches.iter().try_for_each(Watch::undisturbed)?;
        for router in self.routers {
            let session = router.session(node_address(1))?;
            ensure!(session.established && session.last_error.is_empty(), "{}: {session:?}", router.kind());
            wait_paths(router, PREFIX, &[external(node_address(1), None)])?;
        }
        Ok(())
    }
}

/// gobgpd at index 0 by the plain keys, FRR at 1 and BIRD at 2.
fn three_peers(gobgpd: &Router, frr: &Router, bird: &Router) -> Vec<(&'static str, Value)> {
    let at = |router: &Router| json!(router.kind().address().to_string());
    let asn = |router: &Router| json!(router.asn().to_string());
    vec![
        ("node-asn", json!(NODE_AS.to_string())),
        ("src-ip", json!(node_address(1).to_string())),
        ("bgp-pass", json!(SECRET_BASE64)),
        ("peer-asn", asn(gobgpd)),
        ("peer-ip", at(gobgpd)),
        ("bgp-peers-1-node-asn", json!(NODE_AS.to_string())),
        ("bgp-peers-1-peer-asn", asn(frr)),
        ("bgp-peers-1-peer-ip", at(frr)),
        ("bgp-peers-2-peer-asn", asn(bird)),
        ("bgp-peers-2-peer-ip", at(bird)),
        ("bgp-peers-2-bgp-pass", json!(OTHER_BASE64)),
    ]
}

fn followed(cluster: &mut Cluster) -> Result<()> {
    let began = clock::now();
    let gobgpd = router(cluster, Kind::Gobgpd, node_address(1), Some(SECRET))?;
    let frr = router(cluster, Kind::Frr, node_address(1), Some(SECRET))?;
    let bird = router(cluster, Kind::Bird, node_address(1), Some(OTHER))?;
    create(cluster, "n1", "n1")?;
    annotate(cluster, "n1", &three_peers(&gobgpd, &frr, &bird))?;
    let spec = anycast(cluster)?;
    let vipcast = cluster.site.vipcast(1, &spec)?;
    let path = external(node_address(1), None);
    for router in [&gobgpd, &frr, &bird] {
        wait_paths(router, PREFIX, std::slice::from_ref(&path))?;
    }
    let control = Control::of(cluster.site.node(1)?);
    let calm = Calm::of(&vipcast, [&gobgpd, &bird]);

    let touched = Watch::new(&vipcast, frr.kind().address());
    let multihop = [("bgp-peers-1-peer-multi-hop", json!("true"))];
    timed(
        "an annotation to FRR's session made anew",
        || annotate(cluster, "n1", &multihop),
        || touched.wait_words(&["to=Established"]).map(drop),
    )?;
    wait_paths(&frr, PREFIX, std::slice::from_ref(&path))?;
    calm.undisturbed()?;

    let touched = Watch::new(&vipcast, frr.kind().address());
    annotate(cluster, "n1", &[("bgp-peers-1-node-asn", json!("65099"))])?;
    let both = format!("{DOMAIN}/node-asn is {NODE_AS} and {DOMAIN}/bgp-peers-1-node-asn is 65099");
    let wrong = format!("{both}; a node has one AS number");
    control.wait(began, "/configuration/refused/mistakes", &json!([wrong]))?;
    vipcast.log().wait_line(vipcast.began(), &["ERROR", "is not taken up", &wrong], SOON)?;
    touched.undisturbed()?;
    calm.undisturbed()?;

    let gone = [("bgp-peers-1-node-asn", Value::Null), ("bgp-peers-1-peer-ip", Value::Null)];
    annotate(cluster, "n1", &gone)?;
    wait_paths(&frr, PREFIX, &[])?;
    let document = control.wait(began, "/configuration/refused", &Value::Null)?;
    let peers = document.pointer("/peers").and_then(Value::as_array).context("no peers")?;
    let names: Vec<&Value> = peers.iter().filter_map(|peer| peer.get("peer")).collect();
    ensure!(names == ["10.77.0.1:179", "10.77.0.2:179"], "{names:?}");
    calm.undisturbed()?;
    never_said(&vipcast, &[SECRET, SECRET_BASE64, OTHER, OTHER_BASE64])
}

fn ipv6(cluster: &mut Cluster) -> Result<()> {
    let bird = router(cluster, Kind::Bird, node_address6(1), None)?;
    create(cluster, "rack-7", "N1")?;
    create(cluster, "rack-8", "n2")?;
    let all = [
        ("bgp-peers-0-node-asn", json!(NODE_AS.to_string())),
        ("bgp-peers-0-src-ip", json!(node_address6(1).to_string())),
        ("bgp-peers-0-peer-asn", json!(bird.asn().to_string())),
        ("bgp-peers-0-peer-ip", json!(bird.kind().address6().to_string())),
    ];
    annotate(cluster, "rack-7", &all)?;
    let spec = anycast(cluster)?.flag("address", "10.88.0.40,fd88::40");
    let vipcast = cluster.site.vipcast(1, &spec)?;
    let path = Path { prefix: PREFIX6.to_owned(), ..external(node_address6(1), None) };
    wait_paths(&bird, PREFIX6, &[path])?;
    wait_paths(&bird, PREFIX, &[external(node_address(1), None)])?;
    let session = bird.session(node_address6(1))?;
    ensure!(session.established, "{session:?}");
    let found = ["found this node by its hostname label", "node=\"rack-7\"", "host=\"n1\""];
    vipcast.log().wait_line(vipcast.began(), &found, Duration::ZERO)?;
    let id = format!("router_id={}", Net::Data.v4(11));
    vipcast.log().wait_line(vipcast.began(), &["starting", &id], Duration::ZERO).map(drop)
}

fn api_late(cluster: &mut Cluster) -> Result<()> {
    let gobgpd = router(cluster, Kind::Gobgpd, node_address(1), None)?;
    create(cluster, "n1", "n1")?;
    let all = [
        ("node-asn", json!(NODE_AS.to_string())),
        ("src-ip", json!(node_address(1).to_string())),
        ("peer-asn", json!(gobgpd.asn().to_string())),
        ("peer-ip", json!(gobgpd.kind().address().to_string())),
    ];
    annotate(cluster, "n1", &all)?;
    cluster.servers.get_mut(0).context("no API server")?.kill();
    let spec = anycast(cluster)?.flag("controlPlaneHealthCheckAddress", "off");
    let vipcast = cluster.site.vipcast(1, &spec)?;
    let words = ["waiting to start: failed to read the Node object n1: ", "Connection refused"];
    vipcast.log().wait_line(vipcast.began(), &words, SOON)?;
    let ended = cluster.site.vipcast(2, &spec.clone().flag("nodeName", "n1"))?;
    ended.log().wait_line(ended.began(), &["waiting to start: "], SOON)?;
    ended.term()?;
    let status = ended.wait_exit(SOON)?;
    ensure!(status.code() == Some(0), "{status}");
    cluster.servers.get_mut(0).context("no API server")?.restart()?;
    wait_paths(&gobgpd, PREFIX, &[external(node_address(1), None)])
}
