//! Scenario 58: a cluster of kube-vips becomes one of vipcasts, node by node, and the way back. kube-vip's part is played by
//! client-go's leader election, which it is made of: the node's name, 15/10/2 s, released at the end.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::expect::figure;
use super::{Run, SOON, Scenario};
use crate::cluster::Cluster;
use crate::lab::node_address;
use crate::parts::contend::{Candidacy, Contender, Timing, Version};
use crate::parts::router::{Conf, Kind, Router};
use crate::process::Process;
use crate::site::PREFIX;
use crate::{clock, wait};

/// The theme's scenarios.
pub(super) const MIGRATION: &[Scenario] = &[Scenario {
    name: "58-rolling",
    shows: "three kube-vips (client-go, 15/10/2) replaced by vipcasts at 5/3/1 one by one, and back: one holder at any time",
    run: Run::Cluster(rolling),
}];

/// Both programs release: nobody waits a lease out. client-go looks every two to four seconds.
const MOVE: Duration = Duration::from_secs(12);

/// What runs on a node.
enum Program {
    KubeVip(Contender),
    Vipcast(Rc<Process>),
}

impl Program {
    fn process(&self) -> &Process {
        match self {
            Self::KubeVip(contender) => contender.process(),
            Self::Vipcast(vipcast) => vipcast,
        }
    }

    /// Whether it says that it leads: the last it said of it.
    fn leads(&self) -> bool {
        match self {
            Self::KubeVip(contender) => {
                let said = contender.said();
                let last = said.iter().rev().map(|(_, words)| words.as_str()).find(|words| words.ends_with("leading"));
                last == Some("started leading")
            }
            Self::Vipcast(vipcast) => {
                let said = vipcast.said();
                let last = said.lines().rev().find(|line| {
                    ["became the holder", "lost the lease", "the lease is handed over", "leaving the lease"]
                        .iter()
                        .any(|words| line.contains(words))
                });
                last.is_some_and(|line| line.contains("became the holder"))
            }
        }
    }
}

fn kube_vip(cluster: &Cluster, number: u8) -> Result<Program> {
    let (host, name) = (cluster.site.node(number)?, format!("n{number}"));
    let candidacy =
        Candidacy { lease: "plndr-cp-lock", identity: &name, version: Version::Current, timing: Timing::SLOW };
    Ok(Program::KubeVip(Contender::start(host, &cluster.kubeconfig(number)?, candidacy)?))
}

fn vipcast(cluster: &mut Cluster, bird: &Router, number: u8) -> Result<Program> {
    let spec = cluster.spec(number, &[bird])?;
    let process = cluster.site.vipcast(number, &spec)?;
    bird.wait_established(node_address(number), SOON)?;
    Ok(Program::Vipcast(process))
}

fn rolling(cluster: &mut Cluster) -> Result<()> {
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let mut programs = Vec::new();
    for number in 1..=3 {
        programs.push(kube_vip(cluster, number)?);
    }
    settled(cluster, &bird, &programs)?;
    for to_vipcast in [true, false] {
        let mut longest = Duration::ZERO;
        for number in 1..=3 {
            let began = clock::now();
            let old = programs.remove(usize::from(number) - 1);
            old.process().term()?;
            let status = old.process().wait_exit(SOON)?;
            ensure!(status.code() == Some(0), "what ran on n{number} ended with {status}");
            drop(old);
            let new = if to_vipcast { vipcast(cluster, &bird, number)? } else { kube_vip(cluster, number)? };
            programs.insert(usize::from(number) - 1, new);
            settled(cluster, &bird, &programs)?;
            longest = longest.max(clock::since(began));
        }
        figure(if to_vipcast { "to vipcast, the slowest node" } else { "and back, the slowest node" }, longest);
    }
    ensure!(bird.paths(PREFIX)?.is_empty(), "BIRD has a route from a vipcast that is gone");
    Ok(())
}

/// Waits until one program leads and holds the Lease, and the router's route is its own, or nobody's where it is kube-vip's
/// part; in between never two of them lead.
fn settled(cluster: &Cluster, bird: &Router, programs: &[Program]) -> Result<()> {
    let mut twice = None;
    wait::until("one holder, and its route alone", MOVE, || {
        let leaders: Vec<usize> =
            (1..).zip(programs).filter(|(_, one)| one.leads()).map(|(number, _)| number).collect();
        if leaders.len() > 1 {
            twice = Some(leaders.clone());
        }
        let [leader] = leaders[..] else { anyhow::bail!("{leaders:?} lead") };
        let lease = cluster.lease()?.context("there is no Lease")?;
        ensure!(lease.holder() == format!("n{leader}"), "{:?} holds the Lease, n{leader} leads", lease.holder());
        let routes: Vec<_> = bird.paths(PREFIX)?.iter().map(|path| path.next_hop).collect();
        let number = u8::try_from(leader)?;
        let expected = match programs.get(leader - 1) {
            Some(Program::Vipcast(_)) => vec![node_address(number)],
            Some(Program::KubeVip(_)) | None => vec![],
        };
        ensure!(routes == expected, "BIRD has routes by {routes:?} instead of {expected:?}");
        Ok(())
    })?;
    ensure!(twice.is_none(), "{twice:?} led at once");
    programs.iter().try_for_each(|one| one.process().alive())
}
