//! The main job on one machine, to look at: three nodes, one VIP, the leader killed once.

use std::net::IpAddr;
use std::rc::Rc;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cluster::Cluster;
use crate::lab::{VIP, node_address};
use crate::parts::probe::Probe;
use crate::parts::router::{Conf, Kind, Router};
use crate::process::Process;
use crate::site::{PREFIX, Site, check_tools, step};
use crate::{clock, paths};

/// Between two looks at everything.
const LOOK: Duration = Duration::from_millis(20);
/// How long the demo watches a quiet cluster.
const QUIET: Duration = Duration::from_secs(3);
/// From this on a silence of the client's probe is told.
const GAP: Duration = Duration::from_millis(100);
/// By when the VIP must have come up, or moved.
const PATIENCE: Duration = Duration::from_secs(30);

/// Plays the demo; with `keep` everything is left running.
///
/// # Errors
/// When something does not come up, or the VIP does not move.
pub fn play(keep: bool) -> Result<()> {
    check_tools()?;
    println!("building three nodes with a Kubernetes API, two routers and a client in network namespaces");
    let mut cluster = Cluster::start(Site::build()?)?;
    let (gobgpd, bird) = step("gobgpd and BIRD", || {
        let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
        Ok((gobgpd, cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?))
    })?;
    let probe = Probe::start(&cluster.site.lab.client, IpAddr::V4(VIP), Duration::from_millis(2))?;
    println!("\n  time s  what happens");
    let mut timeline = Timeline::new(Rc::clone(&gobgpd), probe);
    let vipcasts = start_nodes(&mut cluster, &[&gobgpd, &bird], &mut timeline)?;
    let leader = timeline.watch_until_served(&cluster, None)?;
    timeline.watch(&cluster, QUIET)?;
    timeline.say("kill -9", &format!("the leader's vipcast, n{leader}"));
    let killed = clock::now();
    vipcasts.get(usize::from(leader) - 1).context("the leader is no node")?.kill();
    let next = timeline.watch_until_served(&cluster, Some(leader))?;
    timeline.watch(&cluster, QUIET)?;
    let silence = timeline.probe.silence(killed, clock::now())?;
    println!(
        "\nthe VIP {VIP} moved from n{leader} to n{next}; the client's longest silence was {:.2} s",
        silence.as_secs_f64()
    );
    if keep {
        leave(cluster, timeline, vipcasts, bird);
    } else {
        println!("taking everything down");
    }
    Ok(())
}

fn start_nodes(cluster: &mut Cluster, routers: &[&Router], timeline: &mut Timeline) -> Result<Vec<Rc<Process>>> {
    let mut vipcasts = Vec::new();
    for number in 1..=3 {
        let spec = cluster.spec(number, routers)?;
        vipcasts.push(cluster.site.vipcast(number, &spec)?);
        timeline.say("start", &format!("vipcast on n{number}"));
    }
    Ok(vipcasts)
}

/// Says how to look inside and lets go of everything without ending it.
fn leave(mut cluster: Cluster, timeline: Timeline, vipcasts: Vec<Rc<Process>>, bird: Rc<Router>) {
    let run = &cluster.site.lab.run;
    let exec = |host: &str, words: &str| println!("  ip netns exec {} {words}", run.namespace(host));
    println!("\nleft running; to look inside:");
    let gobgp = paths::cached("gobgp").map_or_else(|_| "gobgp".to_owned(), |path| path.display().to_string());
    exec("gobgpd", &format!("{gobgp} global rib"));
    exec("n2", "ip address show dev lo");
    exec("client", &format!("ping {VIP}"));
    println!("  birdc -s {}/bird-bird.ctl show route for {VIP} all", run.dir().display());
    println!("  ls {}      the logs: n1-vipcast.log, gobgpd-gobgpd.log ...", run.dir().display());
    println!("to end it: testbed clean (gobgp-testbed/run clean)");
    cluster.site.lab.run.leave_running();
    // What owns the processes and namespaces must not be dropped.
    std::mem::forget((cluster, timeline, vipcasts, bird));
}

/// Prints what changes, as it changes.
struct Timeline {
    start: Duration,
    gobgpd: Rc<Router>,
    probe: Probe,
    lease: String,
    route: String,
    server: Option<u8>,
    /// How many answers were looked at.
    answers: usize,
}

impl Timeline {
    fn new(gobgpd: Rc<Router>, probe: Probe) -> Self {
        Self {
            start: clock::now(),
            gobgpd,
            probe,
            lease: String::new(),
            route: String::new(),
            server: None,
            answers: 0,
        }
    }

    fn say(&self, who: &str, what: &str) {
        self.say_at(clock::now(), who, what);
    }

    fn say_at(&self, when: Duration, who: &str, what: &str) {
        println!("{:8.2}  {who:8} {what}", when.saturating_sub(self.start).as_secs_f64());
    }

    /// One look at the Lease, gobgpd's table and the client's ping.
    fn look(&mut self, cluster: &Cluster) -> Result<()> {
        let lease = cluster.lease()?.map_or_else(String::new, |lease| lease.holder().to_owned());
        if lease != self.lease {
            self.say("lease", &if lease.is_empty() { "held by nobody".to_owned() } else { format!("held by {lease}") });
            self.lease = lease;
        }
        let route = match self.gobgpd.best(PREFIX)? {
            None => String::new(),
            Some(path) => format!("via {} AS path {:?} MED {:?}", path.next_hop, path.as_path, path.med.unwrap_or(0)),
        };
        if route != self.route {
            self.say("gobgpd", &format!("{PREFIX} {}", if route.is_empty() { "is gone" } else { &route }));
            self.route = route;
        }
        self.look_at_ping()
    }

    fn look_at_ping(&mut self) -> Result<()> {
        let answers = self.probe.answers()?;
        for pair in answers.windows(2).skip(self.answers.saturating_sub(1)) {
            let [before, after] = pair else { continue };
            let gap = after.received.saturating_sub(before.received);
            if gap >= GAP {
                self.say_at(after.received, "client", &format!("no answer for {:.2} s until now", gap.as_secs_f64()));
            }
        }
        self.answers = answers.len();
        let Some(last) = answers.last() else { return Ok(()) };
        if last.node != self.server && last.node.is_some() {
            let first = answers.iter().rposition(|answer| answer.node != last.node).map_or(0, |before| before + 1);
            let first = answers.get(first).unwrap_or(last);
            let by = last.node.map_or_else(String::new, |node| format!("n{node}"));
            self.say_at(first.received, "client", &format!("the ping to {VIP} is answered by {by}"));
            self.server = last.node;
        }
        Ok(())
    }

    fn watch(&mut self, cluster: &Cluster, during: Duration) -> Result<()> {
        let start = clock::now();
        while clock::since(start) < during {
            self.look(cluster)?;
            sleep(LOOK);
        }
        Ok(())
    }

    /// Watches until Lease, gobgpd and client agree on one node other than `before`.
    fn watch_until_served(&mut self, cluster: &Cluster, before: Option<u8>) -> Result<u8> {
        let start = clock::now();
        loop {
            self.look(cluster)?;
            if let Some(node) = self.server.filter(|node| Some(*node) != before) {
                let routed = self.route.starts_with(&format!("via {} ", node_address(node)));
                if routed && self.lease == format!("n{node}") {
                    return Ok(node);
                }
            }
            ensure!(
                clock::since(start) < PATIENCE,
                "the VIP is not served after {PATIENCE:?}; lease {:?}, gobgpd {:?}, ping {:?}\n{}",
                self.lease,
                self.route,
                self.server,
                cluster.report()
            );
            sleep(LOOK);
        }
    }
}
