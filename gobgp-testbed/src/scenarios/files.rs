//! Scenario 51, configuration files: kube-vip's of three eras, our own form with another word for a node, passwords that
//! no command line could hold, and every mistake with its place.

use std::path::PathBuf;
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::SOON;
use super::expect::{external, never_said, wait_equal, wait_paths};
use super::{Run, Scenario};
use crate::cluster::Cluster;
use crate::host::Host;
use crate::lab::{Net, VIP, node_address};
use crate::parts::router::{Conf, Kind, Neighbor, Path, Router};
use crate::parts::vipcast::Spec;
use crate::site::{PREFIX, Site};
use crate::wait;

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        name: "51-files-of-kube-vip",
        shows: "unchanged files of three eras, two of them for `start -c`: sessions under MD5 with two routers, one route each",
        run: Run::Site(of_kube_vip),
    },
    Scenario {
        name: "51-files-of-our-form",
        shows: "one file for three nodes, one of which has another VIP and community; passwords with commas and colons",
        run: Run::Site(of_our_form),
    },
    Scenario {
        name: "51-files-by-rack",
        shows: "one file, two racks by the nodes' labels: each its own router and AS; a node waits until it has a label",
        run: Run::Cluster(by_rack),
    },
    Scenario {
        name: "51-files-mistakes",
        shows: "what is wrong with a file: line, column and key of all of it at once, no password, nothing started",
        run: Run::Site(mistakes),
    },
];

/// No command line of kube-vip's grammar could hold it.
const PASSWORD: &str = "a,b:c;d e%f";
/// One that it could.
const PLAIN: &str = "Sesame";
const NODES: &str = "/api/v1/nodes";
/// The label that says in which rack a node is.
const RACK: &str = "topology.kubernetes.io/rack";
/// The VIP of the third node.
const OTHER: &str = "10.88.0.41";

/// gobgpd and BIRD, which expect this password from the nodes.
fn routers(site: &mut Site, password: &str) -> Result<Vec<Rc<Router>>> {
    let conf = |kind| {
        let mut conf = Conf::new(kind);
        conf.neighbors.iter_mut().for_each(|neighbor| neighbor.password = Some(password.to_owned()));
        conf
    };
    [Kind::Gobgpd, Kind::Bird].into_iter().map(|kind| site.router(kind, conf(kind))).collect()
}

/// Writes a file on a node.
fn write(node: &Host, name: &str, text: &str) -> Result<PathBuf> {
    let path = node.file(name);
    std::fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
    Ok(path)
}

/// A site has no API server whose health could be asked.
const HEALTH: (&str, &str) = ("control_plane_health_check_address", "off");

/// Of 0.1's names, with what BGP needed later.
fn raft_era() -> String {
    format!(
        "remotePeers:\n- id: n2\n  address: 10.77.0.12\n  port: 10000\nlocalPeer:\n  id: n1\n  address: 10.77.0.11\n  port: \
         10000\nvip: {VIP}\ngratuitousARP: false\nsingleNode: true\nstartAsLeader: true\ninterface: lo\nenableBGP: \
         true\nbgpConfig: {{as: 65000, routerID: 10.77.0.11}}\nbgpPeers:\n- '10.77.0.1:65001:{PLAIN}:false'\n- \
         '10.77.0.2:65002:{PLAIN}:false'\nloadBalancers:\n- name: Kubernetes Control Plane\n  type: tcp\n  port: 6443\n  \
         bindToVip: false\n  backends:\n  - {{port: 6444, address: 10.77.0.11}}\n"
    )
}

/// As `sample config` printed it since 0.1.5, in Go's own names.
fn pascal_case() -> String {
    format!(
        "AddPeersAsBackends: false\nEnableBGP: yes\nEnableControlPane: true\nVIP: {VIP}\nVIPCIDR: \"32\"\nInterface: lo\n\
         EnableLeaderElection: false\nBGPConfig:\n  AS: 65000\n  RouterID: 10.77.0.12\n  Peers:\n  - Address: 10.77.0.1\n    \
         AS: 65001\n    Password: {PLAIN}\n  - Address: 10.77.0.2\n    AS: 65002\n    Password: {PLAIN}\n"
    )
}

/// Today's, in JSON.
fn todays() -> String {
    format!(
        r#"{{
	"enableBGP": true, "enableControlPlane": true, "address": "{VIP}", "interface": "lo",
	"bgpConfig": {{"as": 65000, "routerID": "10.77.0.13", "holdTime": 9, "keepaliveInterval": 3, "peers": [
		{{"address": "10.77.0.1", "as": 65001, "port": 179, "password": "{PLAIN}", "multiHop": false}},
		{{"address": "10.77.0.2", "as": 65002, "password": "{PLAIN}", "bfdEnabled": false}}
	]}}
}}"#
    )
}

fn of_kube_vip(site: &mut Site) -> Result<()> {
    let routers = routers(site, PLAIN)?;
    let mut vipcasts = Vec::new();
    for (number, name, text, by_flag) in [
        (1, "vip.yaml", raft_era(), true),
        (2, "config.yaml", pascal_case(), true),
        (3, "config.json", todays(), false),
    ] {
        let path = write(site.node(number)?, name, &text)?;
        let spec = match by_flag {
            true => Spec::start_command().flag("config", path.display()),
            // In kube-vip this variable comes too late.
            false => Spec::manager().env("config_file", path.display()),
        };
        vipcasts.push(site.vipcast(number, &spec.env(HEALTH.0, HEALTH.1))?);
    }
    for router in &routers {
        wait_equal(router, &[1, 2, 3])?;
    }
    for vipcast in &vipcasts {
        never_said(vipcast, &[PLAIN])?;
    }
    let said = vipcasts.first().map(|vipcast| vipcast.said()).unwrap_or_default();
    for warning in ["means no election, as in kube-vip", "vipcast forwards nothing"] {
        ensure!(said.contains(warning), "no {warning:?} in\n{said}");
    }
    Ok(())
}

fn our_form() -> String {
    format!(
        "apiVersion: vipcast.io/v1alpha1\nkind: Config\nvips: [{VIP}]\ninterface: lo\nhealth: {{enabled: false}}\nbgp:\n  \
         localAS: 65000\n  holdTimeSeconds: 9\n  keepaliveSeconds: 3\n  peerDefaults:\n    password: \"{PASSWORD}\"\n  peers:\n  \
         - {{address: 10.77.0.1, as: 65001, description: \"leaf 1, rack 2; left\"}}\n  - {{address: 10.77.0.2, as: \
         \"65002\"}}\noverrides:\n- nodes: [N3]\n  vips: [{{address: {OTHER}, communities: [\"65000:3\", no-peer]}}]\n- nodes: \
         [n9]\n  bgp: {{localAS: 65009}}\n"
    )
}

fn of_our_form(site: &mut Site) -> Result<()> {
    let routers = routers(site, PASSWORD)?;
    let mut vipcasts = Vec::new();
    for number in 1..=3 {
        let path = write(site.node(number)?, "vipcast.conf", &our_form())?;
        let spec = Spec::manager().flag("config-file", path.display()).env("vip_nodename", format!("n{number}"));
        vipcasts.push(site.vipcast(number, &spec.env("bgp_routerid", Net::Data.v4(10 + number)))?);
    }
    for router in &routers {
        wait_equal(router, &[1, 2])?;
        let communities = ["65000:3", "65535:65284"].map(str::to_owned).into_iter().collect();
        let route = Path { prefix: format!("{OTHER}/32"), communities, ..external(node_address(3), None) };
        wait_paths(router, &format!("{OTHER}/32"), &[route])?;
    }
    for vipcast in &vipcasts {
        never_said(vipcast, &[PASSWORD])?;
        ensure!(vipcast.said().contains("leaf 1, rack 2; left"), "the description is not in the log");
    }
    ensure!(
        !routers.iter().any(|router| router.paths(PREFIX).is_ok_and(|paths| paths.len() > 2)),
        "node 3 has both VIPs"
    );
    Ok(())
}

fn racks() -> String {
    format!(
        "apiVersion: vipcast.io/v1alpha1\nkind: Config\nvips: [{VIP}]\ninterface: lo\nhealth: {{enabled: false}}\nbgp: \
         {{localAS: 65000, holdTimeSeconds: 9}}\noverrides:\n- nodeSelector: {{{RACK}: r1}}\n  bgp: {{peers: [{{address: \
         10.77.0.1, as: 65001}}]}}\n- nodeSelector: {{{RACK}: r2}}\n  bgp: {{localAS: 65100, peers: [{{address: \
         10.77.0.2, as: 65002}}]}}\n"
    )
}

fn by_rack(cluster: &mut Cluster) -> Result<()> {
    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let neighbors = vec![Neighbor { asn: 65100, ..Neighbor::new(node_address(2)) }];
    let bird = cluster.site.router(Kind::Bird, Conf { neighbors, ..Conf::new(Kind::Bird) })?;
    let mut vipcasts = Vec::new();
    for number in 1..=2 {
        let path = write(cluster.site.node(number)?, "vipcast.yaml", &racks())?;
        let spec = Spec::manager()
            .flag("config-file", path.display())
            .flag("nodeName", format!("n{number}"))
            .flag("k8sConfigPath", cluster.kubeconfig(number)?.display());
        vipcasts.push(cluster.site.vipcast(number, &spec)?);
    }
    for vipcast in &vipcasts {
        wait::until("a node without a label to wait", SOON, || {
            ensure!(vipcast.said().contains("waiting to start: "), "it said\n{}", vipcast.said());
            Ok(())
        })?;
    }
    for (name, rack) in [("n1", "r1"), ("n2", "r2")] {
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {RACK: rack}}});
        cluster.api(3)?.create(NODES, &node)?;
    }
    let seen = wait_paths(&gobgpd, PREFIX, &[external(node_address(1), None)])
        .and_then(|()| wait_paths(&bird, PREFIX, &[Path { as_path: vec![65100], ..external(node_address(2), None) }]));
    ["n1", "n2"].iter().try_for_each(|name| cluster.api(3)?.delete(&format!("{NODES}/{name}")))?;
    seen
}

/// A file's name and text, and what is wrong with it, each line behind the file's name.
fn broken() -> Vec<(&'static str, String, Vec<&'static str>)> {
    vec![
        ("a.yaml", "vips: [10.88.0.40\n".to_owned(), vec![":1:7: is not YAML: unclosed bracket '['"]),
        ("b.json", "{\n  \"vip\": \"10.88.0.40\",\n}".to_owned(), vec![":3:1: is not JSON: key must be a string"]),
        (
            "c.yaml",
            format!("enableBGP: true\nenableBGP: false\npassword: {PLAIN}\npassword: {PLAIN}\n"),
            vec![
                ":2:1: the key enableBGP is there twice, first in line 1",
                ":4:1: the key password is there twice, first in line 3",
            ],
        ),
        (
            "d.yaml",
            format!(
                "apiVersion: vipcast.io/v1alpha1\nkind: Config\nvips: [10.88.0.400]\nbgp:\n  localAs: 1\n  routerID: \
                 0.0.0.0\n  peers:\n  - {{address: 10.77.0.1, as: 0, passwrod: {PLAIN}}}\n  - {{address: \
                 10.77.0.2:65002:{PLAIN}, as: 65002}}\nelection: {{leaseDurationSeconds: 3, renewDeadlineSeconds: 3}}\n"
            ),
            vec![
                ":5:3 bgp.localAs: unknown key; did you mean localAS?",
                ":8:30 bgp.peers[0].as: \"0\" is none; expected a number, 1 to 4294967295",
                ":8:33 bgp.peers[0].passwrod: unknown key; did you mean password?",
                ":3:8 vips[0]: \"10.88.0.400\" is not an IP address; expected one like 10.0.0.40 or 2001:db8::40",
                ":9:15 bgp.peers[1].address: is not an IP address (not shown); host names are not supported",
                ":10:59 election.renewDeadlineSeconds: 3 s is not shorter than the 3 s of FILE:10:34 \
                 election.leaseDurationSeconds: a holder would announce beyond its lease",
                ":6:13 bgp.routerID: \"0.0.0.0\" is not a BGP Identifier; expected an IPv4 address but 0.0.0.0",
            ],
        ),
    ]
}

fn mistakes(site: &mut Site) -> Result<()> {
    let node = site.node(1)?.clone();
    for (name, text, expected) in broken() {
        let path = write(&node, name, &text)?;
        let shown = path.display().to_string();
        let mut lines: Vec<String> =
            expected.iter().map(|line| format!("vipcast: {shown}{}", line.replace("FILE", &shown))).collect();
        let count = if lines.len() == 1 { "1 mistake".to_owned() } else { format!("{} mistakes", lines.len()) };
        lines.push(format!("vipcast: {count} in the configuration, nothing was changed; see vipcast help manager"));
        refused(&node, &Spec::manager().flag("config-file", shown), &lines)?;
    }
    let absent = node.file("absent.yaml").display().to_string();
    let text = format!(
        "vipcast: --config-file (config_file): {absent:?} cannot be read: there is no such file; a hostPath must exist and \
         be mounted"
    );
    let count = "vipcast: 1 mistake in the configuration, nothing was changed; see vipcast help manager".to_owned();
    refused(&node, &Spec::manager().flag("config-file", absent), &[text, count])
}

/// Runs it to its end, which must come by itself.
fn refused(node: &Host, spec: &Spec, expected: &[String]) -> Result<()> {
    let process = spec.start_as("mistake", node)?;
    let status = process.wait_exit(SOON).with_context(|| format!("{:?}", spec.words()))?;
    let said = process.said();
    ensure!(status.code() == Some(1), "{:?} ended with {status}:\n{said}", spec.words());
    let lines: Vec<&str> = said.lines().collect();
    ensure!(lines == expected, "{:?} said\n{said}\ninstead of\n{}", spec.words(), expected.join("\n"));
    ensure!(!said.contains(PLAIN), "a password is in\n{said}");
    Ok(())
}
