//! Scenario 44, the control socket: what `vipcast status` says beside what the routers say, draining by hand, and what
//! the socket bears.

mod drain;
mod lease;
mod socket;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::bfd::FAST;
use super::expect::external;
use super::{Run, SOON, Scenario};
use crate::host::Host;
use crate::lab::node_address;
use crate::parts::router::{Conf, Kind, Neighbor, Router};
use crate::parts::vipcast;
use crate::site::{PREFIX, Site};
use crate::{clock, paths, wait};

/// All of them.
pub(super) const ALL: &[Scenario] = &[
    Scenario {
        name: "44-status",
        shows: "`vipcast status`: each router's own word of session and routes, a wrong password, an unsendable route",
        run: Run::Site(status),
    },
    Scenario {
        name: "44-status-last-words",
        shows: "`status` with BFD, and the text of a router that shuts the session",
        run: Run::Site(last_words),
    },
    Scenario {
        name: "44-drain",
        shows: "`vipcast drain` of one of two nodes: marked, withdrawn, unbound, no session down, no ping lost; and back",
        run: Run::Site(drain::by_hand),
    },
    Scenario {
        name: "44-drain-restart",
        shows: "only a persistent drain outlasts the process; a node that starts drained announces nothing",
        run: Run::Site(drain::restart),
    },
    Scenario {
        name: "44-drain-lease",
        shows: "under a lease: status of leader and follower; a drained leader hands over, stands no more, and comes back",
        run: Run::Cluster(lease::drain),
    },
    Scenario {
        name: "44-cordon",
        shows: "--drainOnCordon: a cordoned node is drained, an uncordoned one is not; a node Kubernetes does not know is said",
        run: Run::Cluster(lease::cordon),
    },
    Scenario {
        name: "44-socket",
        shows: "two vipcasts at one socket, a stale one, nobody there, no right to it; each with its sentence",
        run: Run::Site(socket::places),
    },
    Scenario {
        name: "44-socket-garbage",
        shows: "garbage, silence and a crowd on the socket: the session and the route are not disturbed",
        run: Run::Site(socket::garbage),
    },
];

/// A node's control socket.
pub(super) struct Control {
    node: Host,
    socket: PathBuf,
}

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    code: i32,
    pub(super) out: String,
    err: String,
}

impl Control {
    /// Of the vipcast on a node.
    pub(super) fn of(node: &Host) -> Self {
        Self { node: node.clone(), socket: vipcast::socket("vipcast", node) }
    }

    /// Runs `vipcast <words>` on the node.
    pub(super) fn run(&self, words: &[&str]) -> Result<Said> {
        let mut command = self.node.command(paths::vipcast()?);
        let output = command.args(words).arg("--controlSocket").arg(&self.socket).output()?;
        Ok(Said {
            code: output.status.code().context("it was killed")?,
            out: String::from_utf8(output.stdout)?,
            err: String::from_utf8(output.stderr)?,
        })
    }

    /// Runs it and expects that it succeeds with this one line.
    pub(super) fn order(&self, words: &[&str], line: &str) -> Result<()> {
        let said = self.run(words)?;
        let expected = Said { code: 0, out: format!("{line}\n"), err: String::new() };
        ensure!(said == expected, "vipcast {words:?}: {said:?} instead of {expected:?}");
        Ok(())
    }

    /// The document, with all times masked after a look at them: none is longer ago than `began`.
    pub(super) fn status(&self, began: Duration) -> Result<Value> {
        let said = self.run(&["status", "--json"])?;
        ensure!(said.code == 0 && said.err.is_empty(), "vipcast status: {said:?}");
        let mut document = serde_json::from_str(&said.out)?;
        mask(&mut document, clock::since(began) + Duration::from_secs(1))?;
        Ok(document)
    }

    /// Waits until a part of the document is this, and returns the document.
    pub(super) fn wait(&self, began: Duration, pointer: &str, expected: &Value) -> Result<Value> {
        wait::until(&format!("{pointer} of the status to be {expected}"), SOON, || {
            let document = self.status(began)?;
            let part = document.pointer(pointer);
            ensure!(part == Some(expected), "{part:?} in {document:#}");
            Ok(document)
        })
    }
}

/// What stands for every time, port, term and version.
pub(super) const MASKED: &str = "*";

/// Masks what is another thing in each run.
fn mask(value: &mut Value, at_most: Duration) -> Result<()> {
    match value {
        Value::Object(fields) => {
            if let Some(ago) = fields.get("seconds_ago").and_then(Value::as_f64) {
                ensure!((0.0..=at_most.as_secs_f64()).contains(&ago), "{fields:?} is longer ago than {at_most:?}");
                clock::parse(fields.get("time").and_then(Value::as_str).context("a moment without a time")?)?;
                *value = json!(MASKED);
                return Ok(());
            }
            for name in ["time", "local", "term", "seconds_left", "vipcast"] {
                if let Some(field) = fields.get_mut(name).filter(|field| !field.is_null()) {
                    *field = json!(MASKED);
                }
            }
            fields.values_mut().try_for_each(|field| mask(field, at_most))
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| mask(item, at_most)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// A peer as the document has it when its session is up.
pub(super) fn peer(kind: Kind, routes: &[&str]) -> Value {
    json!({
        "peer": format!("{}:179", kind.address()),
        "description": null,
        "router": null,
        "state": "Established",
        "since": MASKED,
        "local": MASKED,
        "times_up": 1,
        "hold_time_seconds": 9,
        "bfd": null,
        "last_error": null,
        "last_down": null,
        "last_sent": null,
        "last_received": null,
        "announced": routes,
        "unsendable": [],
    })
}

/// Sets fields.
pub(super) fn with(mut value: Value, fields: Value) -> Value {
    if let (Value::Object(all), Value::Object(fields)) = (&mut value, fields) {
        all.extend(fields);
    }
    value
}

/// A VIP as the document has it where these have it.
pub(super) fn vip(address: &str, to: &[Kind]) -> Value {
    let told = |kind: &Kind| json!({"peer": format!("{}:179", kind.address()), "since": MASKED});
    json!({
        "address": address,
        "wanted": true,
        "bound": true,
        "announced_to": to.iter().map(told).collect::<Vec<_>>(),
        "withdrawing_from": [],
        "why_not": null,
    })
}

/// A node without election, but for its peers, VIPs and events.
pub(super) fn anycast(node: &str) -> Value {
    json!({
        "version": 1,
        "vipcast": MASKED,
        "node": node,
        "time": MASKED,
        "started": MASKED,
        "mode": "anycast",
        "configuration": {"since": MASKED, "refused": null, "needs_restart": []},
        "leadership": null,
        "fitness": {"state": "unchecked", "since": MASKED, "reason": null, "last_error": null},
        "drain": {
            "drained": false, "by_hand": false, "persistent": false, "cordoned": false, "since": null, "done": false,
        },
    })
}

/// Takes the events out; their kinds and texts.
pub(super) fn take_events(document: &mut Value) -> Result<Vec<String>> {
    let events = document.as_object_mut().and_then(|fields| fields.remove("events")).context("no events")?;
    let events = events.as_array().context("events that are no list")?.iter();
    let text = |event: &Value| {
        let word = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(format!("{}: {}", word("kind")?, word("text")?))
    };
    events.map(|event| text(event).with_context(|| format!("the event {event}"))).collect()
}

/// What the routers themselves say: whose session is up, and who has which of these routes from node 1.
fn expect_routers(routers: &[&Router], up: &[(Kind, &[&str])]) -> Result<()> {
    for router in routers {
        let routes = up.iter().find(|(kind, _)| *kind == router.kind()).map(|(_, routes)| *routes);
        let session = router.session(node_address(1))?;
        ensure!(session.established == routes.is_some(), "{} has {session:?}", router.kind());
        for prefix in [PREFIX, super::expect::PREFIX6] {
            let paths = router.paths(prefix)?;
            let expected = usize::from(routes.is_some_and(|routes| routes.contains(&prefix)));
            ensure!(paths.len() == expected, "{} has {paths:?} to {prefix}", router.kind());
        }
    }
    Ok(())
}

const SILENT: &str = "no connection within 5 s; MD5: no SYN was answered, signed or not: the peer has another password \
                      for us, or is down or filtered";

/// Three routers: one has both routes, one does not carry IPv6, one has another password.
fn status(site: &mut Site) -> Result<()> {
    let began = clock::now();
    let node = node_address(1);
    let gobgpd = site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let bird = site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let neighbors = vec![Neighbor { password: Some("another-one".to_owned()), ..Neighbor::new(node) }];
    let frr = site.router(Kind::Frr, Conf { neighbors, ..Conf::new(Kind::Frr) })?;
    let spec = site
        .spec(1, &[&gobgpd, &bird])
        .flag("address", "10.88.0.40,fd88::40")
        .flag(
            "bgpPeerOptions",
            format!("{};description=spine 1,{};families=ipv4", gobgpd.kind().address(), bird.kind().address()),
        )
        .peer(frr.kind().address(), frr.asn(), "the-right-one", false);
    site.vipcast(1, &spec)?;
    let control = Control::of(site.node(1)?);
    let mut document = control.wait(began, "/peers/2/last_error", &json!(SILENT))?;
    let both = [PREFIX, super::expect::PREFIX6];
    expect_routers(&[&gobgpd, &bird, &frr], &[(Kind::Gobgpd, &both), (Kind::Bird, &[PREFIX])])?;

    // Between two attempts, or in one.
    let state = document.pointer("/peers/2/state").and_then(Value::as_str).unwrap_or_default().to_owned();
    ensure!(["Idle", "Connect"].contains(&state.as_str()), "the session with the third is {state}");
    let silent = format!("{}:179 is {state}: {SILENT}", frr.kind().address());
    let unsent = format!("not sent to {}:179: the peer does not carry this address family", bird.kind().address());
    let no_session = json!({
        "state": state, "times_up": 0, "hold_time_seconds": null, "last_error": SILENT, "local": null,
    });
    let unsendable = json!([{"route": "fd88::40/128", "why": "the peer does not carry this address family"}]);
    let expected = with(
        anycast("n1"),
        json!({
            "vips": [
                with(vip("10.88.0.40", &[Kind::Gobgpd, Kind::Bird]), json!({"why_not": silent})),
                with(vip("fd88::40", &[Kind::Gobgpd]), json!({"why_not": format!("{unsent}; {silent}")})),
            ],
            "peers": [
                with(peer(Kind::Gobgpd, &both), json!({"description": "spine 1"})),
                with(peer(Kind::Bird, &[PREFIX]), json!({"unsendable": unsendable})),
                with(peer(Kind::Frr, &[]), no_session),
            ],
        }),
    );
    let text = document.to_string();
    ensure!(!["the-right-one", "another-one"].iter().any(|word| text.contains(word)), "a password is in {text}");
    let mut events = take_events(&mut document)?;
    ensure!(document == expected, "{document:#} instead of {expected:#}");
    events.sort();
    let to = |kind: Kind| format!("{}:179", kind.address());
    let expected = [
        "address: bound 10.88.0.40, fd88::40".to_owned(),
        "fitness: this node is fit".to_owned(),
        format!("peer: the session with {} came up", to(Kind::Gobgpd)),
        format!("peer: the session with {} came up", to(Kind::Bird)),
        format!("route: announced 10.88.0.40/32 to {}", to(Kind::Bird)),
        format!("route: announced 10.88.0.40/32, fd88::40/128 to {}", to(Kind::Gobgpd)),
    ];
    ensure!(events == expected, "{events:#?} instead of {expected:#?}");
    readable(&control, &["10.77.0.1:179 spine 1", "none: every node announces (anycast)", "fd88::40/128 is not sent"])
}

/// The table fits a terminal of 100 columns and has these words; it is printed.
fn readable(control: &Control, words: &[&str]) -> Result<()> {
    let said = control.run(&["status"])?;
    ensure!(said.code == 0 && said.err.is_empty(), "{said:?}");
    let wide: Vec<&str> = said.out.lines().filter(|line| line.chars().count() > 100).collect();
    ensure!(wide.is_empty(), "too wide: {wide:?}");
    for words in words {
        ensure!(said.out.contains(words), "{words:?} is not in\n{}", said.out);
    }
    println!("{}", said.out.lines().map(|line| format!("    | {line}\n")).collect::<String>().trim_end());
    Ok(())
}

/// BIRD's operator shuts the session with a text, and enables it again.
fn last_words(site: &mut Site) -> Result<()> {
    const WHY: &str = "rack 7 is being moved";
    let began = clock::now();
    let neighbors = vec![Neighbor { bfd: Some(FAST), ..Neighbor::new(node_address(1)) }];
    let bird = site.router(Kind::Bird, Conf { neighbors, ..Conf::new(Kind::Bird) })?;
    let spec = site.spec(1, &[&bird]).flag("bgpPeerOptions", "*;bfd;bfd-rx=50;bfd-tx=50;bfd-multiplier=3");
    let vipcast = site.vipcast(1, &spec)?;
    let control = Control::of(site.node(1)?);
    bird.wait_best(PREFIX, node_address(1), SOON)?;
    control.wait(began, "/vips/0", &vip("10.88.0.40", &[Kind::Bird]))?;
    let bfd = json!({
        "state": "Up", "since": MASKED, "detection_ms": 150.0, "failures": 0, "last_failure": null, "trouble": null,
    });
    let with_bfd = with(peer(Kind::Bird, &[PREFIX]), json!({"bfd": bfd}));
    control.wait(began, "/peers/0", &with_bfd)?;
    bird.shut(node_address(1), WHY)?;
    let text = format!("Cease/Administrative Shutdown (6/2): \"{WHY}\"");
    let heard = json!({"at": MASKED, "text": text});
    let document = control.wait(began, "/peers/0/last_received", &heard)?;
    ensure!(!bird.session(node_address(1))?.established, "the session is up");
    let down = json!({"at": MASKED, "text": format!("received NOTIFICATION: {text}")});
    let peer = document.pointer("/peers/0").context("no peer")?;
    ensure!(peer.get("last_down") == Some(&down) && peer.get("announced") == Some(&json!([])), "{peer:#}");
    ensure!(document.pointer("/vips/0/announced_to") == Some(&json!([])), "{document:#}");
    vipcast.alive()?;
    crate::parts::bird::query(bird.host(), &["enable", "peer0"])?;
    super::expect::wait_paths(&bird, PREFIX, &[external(node_address(1), None)])?;
    let mut document = control.wait(began, "/peers/0/times_up", &json!(2))?;
    let of_peer = |text: String| format!("peer: the session with {}:179 {text}", Kind::Bird.address());
    let mut events = take_events(&mut document)?;
    events.retain(|event| event.starts_with("peer: "));
    let up = of_peer("came up".to_owned());
    let expected = [up.clone(), of_peer(format!("went down: received NOTIFICATION: {text}")), up];
    ensure!(events == expected, "{events:#?} instead of {expected:#?}");
    Ok(())
}
