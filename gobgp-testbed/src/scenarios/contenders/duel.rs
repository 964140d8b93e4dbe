//! One vipcast and one client-go contender for one Lease, and who led when.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::clock;
use crate::cluster::Cluster;
use crate::lab::node_address;
use crate::parts::api::{LEASES, Lease};
use crate::parts::contend::{Candidacy, Contender, Timing, Version};
use crate::parts::router::Router;
use crate::process::Process;
use crate::scenarios::SOON;
use crate::site::PREFIX;
use crate::wait;

/// The contender's name in the Lease.
pub(super) const IDENTITY: &str = "go";

/// Who began or ceased to lead.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    /// Since 1970, whole milliseconds: client-go's lines say no more.
    millis: u128,
    /// `false` sorts first: who ceases in the millisecond in which another begins did so before.
    leads: bool,
    who: String,
}

/// vipcast on a node against a contender on the same node.
pub(super) struct Duel {
    node: u8,
    lease: String,
    version: Version,
    pub(super) timing: Timing,
    gobgpd: Rc<Router>,
    vipcast: Option<Rc<Process>>,
    contender: Option<Contender>,
    changes: Vec<Change>,
}

impl Duel {
    pub(super) fn begin(
        cluster: &Cluster,
        gobgpd: &Rc<Router>,
        node: u8,
        version: Version,
        timing: Timing,
    ) -> Result<Self> {
        cluster.site.node(node)?;
        Ok(Self {
            node,
            lease: format!("duel{node}"),
            version,
            timing,
            gobgpd: Rc::clone(gobgpd),
            vipcast: None,
            contender: None,
            changes: Vec::new(),
        })
    }

    pub(super) fn node_name(&self) -> String {
        format!("n{}", self.node)
    }

    pub(super) fn name(&self) -> String {
        let Timing(duration, deadline, retry) = self.timing;
        format!("{:?} client-go {duration}/{deadline}/{retry}", self.version)
    }

    pub(super) fn figure(&self, what: &str, time: Duration) {
        println!("    figure: {}: {what}: {:.3} s", self.name(), time.as_secs_f64());
    }

    pub(super) fn lease(&self, cluster: &Cluster) -> Result<Lease> {
        cluster.api(self.node)?.lease_at(&format!("{LEASES}/{}", self.lease))?.context("there is no Lease")
    }

    pub(super) fn start_contender(&mut self, cluster: &Cluster) -> Result<&Contender> {
        let kubeconfig = cluster.kubeconfig(self.node)?;
        self.note_contender();
        let candidacy =
            Candidacy { lease: &self.lease, identity: IDENTITY, version: self.version, timing: self.timing };
        Ok(self.contender.insert(Contender::start(cluster.site.node(self.node)?, &kubeconfig, candidacy)?))
    }

    pub(super) fn contender(&self) -> Result<&Contender> {
        self.contender.as_ref().context("no contender was started")
    }

    /// The main job's vipcast for this duel's Lease, with the contender's durations.
    pub(super) fn start_vipcast(&mut self, cluster: &mut Cluster) -> Result<()> {
        self.start_vipcast_with(cluster, self.timing)
    }

    pub(super) fn start_vipcast_with(&mut self, cluster: &mut Cluster, timing: Timing) -> Result<()> {
        let Timing(duration, deadline, retry) = timing;
        let spec = cluster
            .spec(self.node, &[&self.gobgpd])?
            .flag("leaseName", &self.lease)
            .flag("leaseDuration", duration)
            .flag("leaseRenewDuration", deadline)
            .flag("leaseRetry", retry)
            .flag("logFormat", "json");
        self.note_vipcast()?;
        self.vipcast = Some(cluster.site.vipcast(self.node, &spec)?);
        Ok(())
    }

    fn vipcast(&self) -> Result<&Process> {
        self.vipcast.as_deref().context("no vipcast was started")
    }

    /// Every line of vipcast's log, each one JSON object.
    pub(super) fn vipcast_said(&self) -> Result<Vec<Value>> {
        let said = self.vipcast()?.said();
        // The last line may be half written.
        let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line:?}"))).collect()
    }

    pub(super) fn vipcast_line(&self, message: &str) -> Result<Value> {
        wait::until(&format!("vipcast on n{} to log {message:?}", self.node), SOON, || {
            self.vipcast()?.alive()?;
            let said = self.vipcast_said()?;
            said.into_iter().find(|line| text(line, "message") == message).context("not yet")
        })
    }

    /// Waits until vipcast knows the contender as the holder and has its session: no route, no address.
    pub(super) fn vipcast_follows(&self) -> Result<()> {
        let line = self.vipcast_line("the lease has a new holder")?;
        ensure!(text(&line, "holder") == IDENTITY, "{line}");
        self.gobgpd.wait_established(node_address(self.node), SOON)?;
        self.silent()
    }

    /// Waits until vipcast says that it became the holder after `from`; when.
    pub(super) fn vipcast_leads(&self, from: Duration) -> Result<Duration> {
        let line = self.vipcast_line("became the holder of the lease")?;
        let at = clock::parse(text(&line, "timestamp"))?;
        ensure!(at >= from, "vipcast led at {at:?}, before {from:?}");
        Ok(at)
    }

    /// Waits for this node's route in gobgpd.
    pub(super) fn announces(&self) -> Result<()> {
        wait::until(&format!("n{}'s route in gobgpd", self.node), SOON, || {
            ensure!(self.routes()? == 1, "there is none");
            Ok(())
        })
    }

    /// Fails where gobgpd has a route from this node.
    pub(super) fn silent(&self) -> Result<()> {
        let routes = self.routes()?;
        ensure!(routes == 0, "gobgpd has {routes} routes from n{}", self.node);
        Ok(())
    }

    fn routes(&self) -> Result<usize> {
        let paths = self.gobgpd.paths(PREFIX)?;
        Ok(paths.iter().filter(|path| path.next_hop == node_address(self.node)).count())
    }

    pub(super) fn kill_contender(&mut self) -> Result<()> {
        self.contender()?.process().kill();
        self.change(IDENTITY, false, clock::wall());
        Ok(())
    }

    /// SIGTERM; when. From then on it does not lead: it says "stopped" only after its release.
    pub(super) fn term_contender(&mut self) -> Result<Duration> {
        self.contender()?.process().term()?;
        let asked = clock::wall();
        self.change(IDENTITY, false, asked);
        Ok(asked)
    }

    pub(super) fn kill_vipcast(&mut self) -> Result<()> {
        self.vipcast()?.kill();
        self.change(&self.node_name(), false, clock::wall());
        Ok(())
    }

    pub(super) fn term_vipcast(&mut self) -> Result<()> {
        self.vipcast()?.term()
    }

    /// Waits for vipcast's end in good order; when it gave the lease back.
    pub(super) fn vipcast_left(&self) -> Result<Duration> {
        let status = self.vipcast()?.wait_exit(SOON)?;
        ensure!(status.code() == Some(0), "vipcast on n{} ended with {status}", self.node);
        let said = self.vipcast_said()?;
        let line = said.iter().find(|line| text(line, "message") == "gave the lease back");
        clock::parse(text(line.context("vipcast did not give the lease back")?, "timestamp"))
    }

    fn change(&mut self, who: &str, leads: bool, at: Duration) {
        self.changes.push(Change { millis: at.as_millis(), leads, who: who.to_owned() });
    }

    fn note_contender(&mut self) {
        for (time, what) in self.contender.iter().flat_map(Contender::said).collect::<Vec<_>>() {
            match what.as_str() {
                "started leading" => self.change(IDENTITY, true, time),
                "stopped leading" => self.change(IDENTITY, false, time),
                _ => {}
            }
        }
    }

    fn note_vipcast(&mut self) -> Result<()> {
        if self.vipcast.is_none() {
            return Ok(());
        }
        let node = self.node_name();
        for line in self.vipcast_said()? {
            let leads = match text(&line, "message") {
                "became the holder of the lease" => true,
                "lost the lease" | "leaving the lease" => false,
                _ => continue,
            };
            self.change(&node, leads, clock::parse(text(&line, "timestamp"))?);
        }
        Ok(())
    }

    /// Fails where one began to lead before the other had ceased, by their own words and the moments they were killed.
    pub(super) fn never_both(&mut self) -> Result<()> {
        self.note_contender();
        self.note_vipcast()?;
        self.changes.sort();
        let terms = terms(&self.changes)?;
        println!("    figure: {}: {terms} terms of leadership, no two at once", self.name());
        Ok(())
    }
}

/// How many terms of leadership there were in these changes, oldest first.
fn terms(changes: &[Change]) -> Result<usize> {
    let mut leader: Option<&str> = None;
    let mut terms = 0;
    for change in changes {
        match (leader, change.leads) {
            (None, true) => (leader, terms) = (Some(change.who.as_str()), terms + 1),
            (Some(other), true) => anyhow::bail!("{} led while {other} did: {changes:?}", change.who),
            (Some(who), false) if who == change.who => leader = None,
            (_, false) => {}
        }
    }
    Ok(terms)
}

/// Waits until each Lease is held by `heir`. How long after the last renewal by its old holder each was taken, by the
/// times that both wrote into the record.
pub(super) fn take_over(cluster: &Cluster, duels: &[Duel], heir: impl Fn(&Duel) -> String) -> Result<Vec<Duration>> {
    let mut last: Vec<Lease> = duels.iter().map(|duel| duel.lease(cluster)).collect::<Result<_>>()?;
    let longest = duels.iter().map(|duel| duel.timing.lease() + duel.timing.look()).max().unwrap_or_default();
    let mut figures: Vec<Option<Duration>> = vec![None; duels.len()];
    wait::until("all Leases to be taken over", longest + SOON, || {
        for ((duel, last), figure) in duels.iter().zip(&mut last).zip(&mut figures) {
            let now = duel.lease(cluster)?;
            if figure.is_none() && now.holder() == heir(duel) {
                *figure = Some(now.time("acquireTime")?.saturating_sub(last.time("renewTime")?));
            } else if figure.is_none() {
                *last = now;
            }
        }
        figures.iter().copied().collect::<Option<Vec<_>>>().with_context(|| format!("{figures:?}"))
    })
}

/// A field of a log line.
pub(super) fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(changes: &[(u128, bool, &str)]) -> Option<usize> {
        let change = |&(millis, leads, who): &(u128, bool, &str)| Change { millis, leads, who: who.to_owned() };
        let mut changes: Vec<Change> = changes.iter().map(change).collect();
        changes.sort();
        terms(&changes).ok()
    }

    #[test]
    fn two_leaders_at_once_are_seen_to_the_millisecond() {
        assert_eq!(count(&[(1, true, "a"), (5, true, "b"), (5, false, "a"), (6, false, "a")]), Some(2));
        assert_eq!(count(&[(1, true, "a"), (5, true, "b"), (6, false, "a")]), None);
        assert_eq!(count(&[(1, true, "a"), (2, false, "b"), (3, true, "b")]), None);
    }
}
