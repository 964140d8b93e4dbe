//! Under a lease.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Control, MASKED, Said, peer, readable, take_events, vip, with};
use crate::clock;
use crate::cluster::Cluster;
use crate::lab::{VIP, node_address};
use crate::parts::router::{Conf, Kind};
use crate::scenarios::SOON;
use crate::scenarios::expect::{external, fence, figure, wait_paths};
use crate::site::PREFIX;

/// The election in the document of a node.
fn leadership(role: &str, holder: &str) -> Value {
    let held = if role == "holder" { json!(MASKED) } else { Value::Null };
    json!({
        "lease": "kube-system/plndr-cp-lock",
        "role": role,
        "holder": holder,
        "term": held,
        "seconds_left": held,
        "since": MASKED,
        "last_holder": null,
        "fit_others": [if holder == "n1" && role == "holder" { "n2" } else { "n1" }],
        "handover": null,
    })
}

/// Leader and follower; the leader is drained, the follower takes over, and the first one comes back as a follower.
pub(super) fn drain(cluster: &mut Cluster) -> Result<()> {
    let began = clock::now();
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let mut controls = Vec::new();
    for number in [1, 2] {
        let spec = cluster.spec(number, &[&bird])?;
        cluster.site.vipcast(number, &spec)?;
        cluster.wait_holder("n1", SOON)?;
        controls.push(Control::of(cluster.site.node(number)?));
    }
    let [one, two] = controls.as_slice() else { anyhow::bail!("two nodes are needed") };
    wait_paths(&bird, PREFIX, &[external(node_address(1), Some(fence(cluster)?.med))])?;
    bird.wait_established(node_address(2), SOON)?;
    leader_and_follower(one, two, began)?;

    let asked = clock::now();
    one.order(&["drain"], "n1 is drained: nothing is announced or bound here")?;
    figure("vipcast drain of a leader to its end", clock::since(asked));
    cluster.wait_holder("n2", SOON)?;
    wait_paths(&bird, PREFIX, &[external(node_address(2), Some(fence(cluster)?.med))])?;
    cluster.site.node(1)?.expect_address("lo", IpAddr::V4(VIP), false)?;
    let mut document = one.wait(began, "/leadership/holder", &json!("n2"))?;
    let events = take_events(&mut document)?;
    let steps: Vec<&String> = events.iter().skip_while(|event| !event.starts_with("drain: ")).collect();
    let expected = [
        "drain: drained by hand",
        "lease: offered the lease to n2",
        "lease: n2 took the lease; speaking until its routes are out",
        "route: withdrew 10.88.0.40/32 from 10.77.0.2:179",
        "address: unbound 10.88.0.40",
        "lease: lost the lease: handed over to n2, whose routes are out",
    ];
    ensure!(steps == expected, "{steps:#?} instead of {expected:#?}");
    let word = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    ensure!(word("/fitness/state") == Some("drained"), "{document:#}");
    ensure!(word("/vips/0/why_not") == Some("n2 holds the lease"), "{document:#}");
    let document = two.wait(began, "/leadership/role", &json!("holder"))?;
    let former = document.pointer("/leadership/last_holder").cloned().context("no last holder")?;
    ensure!(former == json!({"node": "n1", "fenced": true}), "{former}");

    // Nobody is left to take it: the VIP stays where it is, and the command says why.
    two.wait(began, "/leadership/fit_others", &json!([]))?;
    let kept = Said {
        code: 1,
        out: String::new(),
        err: "vipcast: failed to drain this node within 1 s: it holds the lease, and no other node is known to be fit \
              to take it; it goes on, see vipcast status\n"
            .to_owned(),
    };
    let said = two.run(&["drain", "--timeout", "1"])?;
    ensure!(said == kept, "{said:?} instead of {kept:?}");
    wait_paths(&bird, PREFIX, &[external(node_address(2), Some(fence(cluster)?.med))])?;
    // As soon as somebody is, it goes on.
    one.order(&["undrain"], "n1 is not drained")?;
    cluster.wait_holder("n1", SOON)?;
    wait_paths(&bird, PREFIX, &[external(node_address(1), Some(fence(cluster)?.med))])?;
    two.order(&["drain"], "n2 is drained: nothing is announced or bound here")?;
    two.order(&["undrain"], "n2 is not drained")?;
    two.wait(began, "/fitness/state", &json!("fit"))?;
    cluster.wait_holder("n1", Duration::ZERO).map(drop)
}

fn leader_and_follower(one: &Control, two: &Control, began: Duration) -> Result<()> {
    // Each hears of the other once that one's session is up.
    one.wait(began, "/leadership/fit_others", &json!(["n2"]))?;
    two.wait(began, "/leadership/fit_others", &json!(["n1"]))?;
    let document = one.wait(began, "/vips/0", &vip("10.88.0.40", &[Kind::Bird]))?;
    let part = |document: &Value, name: &str| document.get(name).cloned().unwrap_or_default();
    let expected = (json!("lease"), leadership("holder", "n1"), json!([peer(Kind::Bird, &[PREFIX])]));
    let found = (part(&document, "mode"), part(&document, "leadership"), part(&document, "peers"));
    ensure!(found == expected, "{found:#?} instead of {expected:#?}");
    readable(one, &["held by this node, n1, term ", "also fit: n2", "fit since"])?;
    let unwanted = json!({
        "wanted": false, "bound": false, "announced_to": [], "why_not": "n1 holds the lease",
    });
    let document = two.wait(began, "/peers", &json!([peer(Kind::Bird, &[])]))?;
    let expected = (json!([with(vip("10.88.0.40", &[]), unwanted)]), leadership("follower", "n1"));
    let found = (part(&document, "vips"), part(&document, "leadership"));
    ensure!(found == expected, "{found:#?} instead of {expected:#?}");
    let fitness = json!({"state": "fit", "since": MASKED, "reason": null, "last_error": null});
    ensure!(part(&document, "fitness") == fitness, "{document:#}");
    Ok(())
}

const NODES: &str = "/api/v1/nodes";

/// A node that is cordoned is drained where that is asked for.
pub(super) fn cordon(cluster: &mut Cluster) -> Result<()> {
    let began = clock::now();
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let spec =
        cluster.spec(1, &[&bird])?.switch("drainOnCordon").without("leaderElection").switch("leaderElection=false");
    let vipcast = cluster.site.vipcast(1, &spec)?;
    let control = Control::of(cluster.site.node(1)?);
    let path = external(node_address(1), None);
    wait_paths(&bird, PREFIX, std::slice::from_ref(&path))?;
    // The node is not there yet; vipcast says so, and goes on.
    vipcast.log().wait_line(vipcast.began(), &["WARN", "failed to see whether this node is cordoned", "n1"], SOON)?;
    let node = |unschedulable: bool| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "spec": {"unschedulable": unschedulable}});
    cluster.api(1)?.create(NODES, &node(true))?;
    let cordoned = json!({
        "drained": true, "by_hand": false, "persistent": false, "cordoned": true, "since": MASKED, "done": true,
    });
    control.wait(began, "/drain", &cordoned)?;
    wait_paths(&bird, PREFIX, &[])?;
    control.order(&["undrain"], "n1 stays drained, because the node is cordoned")?;
    cluster.api(1)?.delete(&format!("{NODES}/n1"))?;
    cluster.api(1)?.create(NODES, &node(false))?;
    wait_paths(&bird, PREFIX, std::slice::from_ref(&path))?;
    control.wait(began, "/drain/drained", &json!(false))?;
    cluster.api(1)?.delete(&format!("{NODES}/n1"))
}
