//! Scenario 57: `vipcast check` against real routers and a real API server.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Run, Scenario};
use crate::cluster::Cluster;
use crate::lab::{NODE_AS, Net, node_address};
use crate::parts::router::{Conf, Kind, Neighbor};
use crate::parts::vipcast::Spec;
use crate::paths;

/// The theme's scenarios.
pub(super) const INSPECTION: &[Scenario] = &[
    Scenario {
        name: "57-would-work",
        shows: "vipcast check where all is well: every verdict good, exit code 0, nothing changed; as nobody: what could not be seen",
        run: Run::Cluster(would_work),
    },
    Scenario {
        name: "57-would-not",
        shows: "peers that refuse, are silent, out of reach; no rights, a VIP in a network of the host: verdicts, remedies, commands",
        run: Run::Cluster(would_not),
    },
    Scenario {
        name: "57-other-speaker",
        shows: "a router that has a session with another speaker of the host is not dialled, and the speaker is named",
        run: Run::Cluster(other_speaker),
    },
];

/// gobgpd takes its time to dial.
const DIAL: Duration = Duration::from_secs(40);

/// The findings of a command line on a node: exit code, verdict and text by what was looked at.
type Findings = (i32, BTreeMap<String, (String, String)>);

fn inspect(cluster: &Cluster, spec: &Spec, as_nobody: bool) -> Result<Findings> {
    let node = cluster.site.node(1)?;
    let program = paths::vipcast()?;
    let mut command = if as_nobody { node.command("/usr/bin/setpriv") } else { node.command(&program) };
    if as_nobody {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]);
        command.arg(&program);
    }
    let output = command.args(spec.clone().check().switch("json").words()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let code = output.status.code().context("it was killed")?;
    let document: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
    ensure!(document.get("exit_code").and_then(Value::as_i64) == Some(code.into()), "exit code {code}: {text}");
    let checks = document.get("checks").and_then(Value::as_array).context("no checks")?;
    let word = |check: &Value, name: &str| check.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let findings = checks.iter().map(|check| (word(check, "check"), (word(check, "verdict"), word(check, "finding"))));
    Ok((code, findings.collect()))
}

/// Verdicts alone.
fn verdicts(findings: &Findings) -> BTreeMap<&str, &str> {
    findings.1.iter().map(|(check, (verdict, _))| (check.as_str(), verdict.as_str())).collect()
}

/// What is looked at where nothing special is configured, all good.
const ALL_GOOD: [(&str, &str); 13] = [
    ("API servers", "good"),
    ("VIP 10.88.0.40", "good"),
    ("capabilities", "good"),
    ("configuration", "good"),
    ("control socket", "good"),
    ("credentials", "good"),
    ("health check", "good"),
    ("interface lo", "good"),
    ("kernel", "good"),
    ("lease kube-system/plndr-cp-lock", "good"),
    ("peer 10.77.0.1:179", "good"),
    ("permissions", "good"),
    ("router ID", "good"),
];

fn would_work(cluster: &mut Cluster) -> Result<()> {
    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let socket = cluster.site.node(1)?.file("nobody.sock");
    let spec = cluster.spec(1, &[&gobgpd])?.flag("controlSocket", socket.display());
    let findings = inspect(cluster, &spec, false)?;
    ensure!(findings.0 == 0 && verdicts(&findings) == ALL_GOOD.into(), "{findings:#?}");
    ensure!(cluster.lease()?.is_none(), "a Lease was written");
    ensure!(gobgpd.sessions()?.iter().all(|session| !session.established), "there is a session");
    // The same as nobody: what could not be seen is said, and nothing is called wrong for it.
    let findings = inspect(cluster, &spec, true)?;
    let mut expected: BTreeMap<&str, &str> = ALL_GOOD.into();
    expected.extend([("user", "unknown"), ("capabilities", "unknown"), ("credentials", "unknown")]);
    // Without credentials nobody can be asked.
    for check in ["API servers", "permissions", "lease kube-system/plndr-cp-lock"] {
        expected.remove(check);
    }
    expected.insert("health check", "unknown");
    ensure!(findings.0 == 2 && verdicts(&findings) == expected, "{findings:#?}");
    Ok(())
}

fn would_not(cluster: &mut Cluster) -> Result<()> {
    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let nobody = cluster.pki.client("nobody", None)?;
    let file = cluster.site.node(1)?.file("nobody.conf");
    cluster.pki.kubeconfig(&file, &format!("https://{}:6443", Net::Management.v4(11)), &nobody)?;
    let socket = cluster.site.node(1)?.file("nobody.sock");
    let spec = cluster
        .spec(1, &[])?
        .flag("controlSocket", socket.display())
        .flag("k8sConfigPath", file.display())
        .flag("address", "10.77.0.200")
        // Nothing listens there, no key there, and a router too far away.
        .peer_text("10.77.0.1:65001:::1179".to_owned())
        .peer_text(format!("{}:65001:secret:false", gobgpd.kind().address()))
        .peer_text("10.80.0.2:65001".to_owned());
    let findings = inspect(cluster, &spec, false)?;
    let expected = [
        ("VIP 10.77.0.200", "warning", "is in a network of this host: its neighbours ask for it by ARP or NDP"),
        (
            "permissions",
            "wrong",
            "the account may not get leases in kube-system, list leases in kube-system, watch leases in kube-system, create \
             leases in kube-system, update leases in kube-system, list endpointslices in default",
        ),
        ("peer 10.77.0.1:1179", "wrong", "refuses: nothing listens there for this address"),
        ("peer 10.77.0.1:179", "wrong", "does not answer within 3 s"),
        ("peer 10.80.0.2:179", "wrong", "is on no network of this node, and our packets pass no router (TTL 1)"),
    ];
    ensure!(findings.0 == 1, "{findings:#?}");
    for (check, verdict, text) in expected {
        let found = findings.1.get(check).with_context(|| format!("no {check:?} in {findings:#?}"))?;
        ensure!((found.0.as_str(), found.1.as_str()) == (verdict, text), "{check}: {found:?}");
    }
    let node = cluster.site.node(1)?;
    let output = node.command(paths::vipcast()?).args(spec.check().switch("fix-hints").words()).output()?;
    let said = String::from_utf8(output.stdout)?;
    for words in ["\nvipcast manifest rbac | kubectl apply -f -\n", "what happens when", "→ give --multihop"] {
        ensure!(said.contains(words), "without {words:?}:\n{said}");
    }
    ensure!(!said.contains("secret"), "the password is shown:\n{said}");
    let _ = fs::remove_file(file);
    Ok(())
}

fn other_speaker(cluster: &mut Cluster) -> Result<()> {
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let node = cluster.site.node(1)?.clone();
    let neighbor = Neighbor { asn: Kind::Bird.asn(), dial: true, ..Neighbor::new(Kind::Bird.address()) };
    let conf = Conf { asn: NODE_AS, router_id: Net::Data.v4(11), neighbors: vec![neighbor], ..Conf::new(Kind::Gobgpd) };
    let other = cluster.site.router_on(&node, Kind::Gobgpd, conf)?;
    bird.wait_established(node_address(1), DIAL)?;
    let findings = inspect(cluster, &cluster.spec(1, &[&bird])?, false)?;
    let check = format!("peer {}:179", IpAddr::from(Net::Data.v4(Kind::Bird.number())));
    let found = findings.1.get(&check).with_context(|| format!("no {check:?} in {findings:#?}"))?;
    let expected = ("wrong", "has a session with gobgpd on this host already; not dialled");
    ensure!((found.0.as_str(), found.1.as_str()) == expected, "{found:?}");
    ensure!(findings.0 == 1, "{findings:#?}");
    ensure!(bird.session(node_address(1))?.established, "the session was disturbed");
    drop(other);
    Ok(())
}
