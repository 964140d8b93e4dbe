//! Three nodes with nothing to do: memory, processor time, what they ask of the API; gobgpd with one peer beside.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::figures::{API_CALLS, FOLLOWER_CPU, FOLLOWER_MEMORY, Figure, Figures, LEADER_CPU, LEADER_MEMORY, Who};
use super::{PATIENCE, RUNS};
use crate::cluster::Cluster;
use crate::lab::{NODE_AS, Net, node_address};
use crate::parts::router::{Conf, Kind, Neighbor, Router};
use crate::process::Process;
use crate::site::PREFIX;
use crate::{clock, wait};

/// One run.
const WINDOW: Duration = Duration::from_secs(20);
/// Often enough to know what a thread has used before it ends: idle ones end after 10 s.
const LOOK: Duration = Duration::from_millis(500);

pub(super) fn measure(cluster: &mut Cluster, figures: &mut Figures) -> Result<()> {
    let router = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let alone = with_gobgpd(cluster, &router, figures)?;
    let vipcasts = start(cluster, &router)?;
    let leader = cluster.wait_leader(PATIENCE)?;
    println!("  n{leader} leads");
    let before = Calls::now(cluster)?;
    for run in 1..=RUNS {
        println!("  three vipcasts, run {run} of {RUNS}: {} s", WINDOW.as_secs());
        let processes: Vec<&Process> = vipcasts.iter().map(Rc::as_ref).collect();
        let used = watch(&processes)?;
        for (number, (process, used)) in (1..=3).zip(vipcasts.iter().zip(used)) {
            let (memory, cpu) =
                if number == leader { (&LEADER_MEMORY, &LEADER_CPU) } else { (&FOLLOWER_MEMORY, &FOLLOWER_CPU) };
            add(figures, Who::Vipcast, memory, cpu, process, used)?;
        }
    }
    // One mean over all windows: the API servers' own calls come in bursts.
    figures.add(&API_CALLS, Who::Vipcast, before.per_second(cluster)? - alone);
    ensure!(cluster.wait_leader(PATIENCE)? == leader, "the lease changed hands meanwhile");
    Ok(())
}

fn start(cluster: &mut Cluster, router: &Router) -> Result<Vec<Rc<Process>>> {
    let mut vipcasts = Vec::new();
    for number in 1..=3 {
        let spec = cluster.spec(number, &[router])?;
        vipcasts.push(cluster.site.vipcast(number, &spec)?);
    }
    (1..=3).try_for_each(|number| router.wait_established(node_address(number), PATIENCE))?;
    Ok(vipcasts)
}

/// gobgpd as the client of one peer; meanwhile, the API calls per second that the API servers make by themselves.
fn with_gobgpd(cluster: &Cluster, router: &Router, figures: &mut Figures) -> Result<f64> {
    let kind = router.kind();
    let neighbors = vec![Neighbor { asn: kind.asn(), dial: true, ..Neighbor::new(kind.address()) }];
    let conf = Conf { asn: NODE_AS, router_id: Net::Data.v4(11), neighbors, ..Conf::new(Kind::Gobgpd) };
    let speaker = Router::start(Kind::Gobgpd, cluster.site.node(1)?, conf)?;
    speaker.originate(PREFIX, node_address(1), 7)?;
    router.wait_best(PREFIX, node_address(1), PATIENCE)?;
    let processes = speaker.processes();
    let process = processes.first().context("gobgpd does not run")?;
    let before = Calls::now(cluster)?;
    for run in 1..=RUNS {
        println!("  gobgpd alone, run {run} of {RUNS}: {} s", WINDOW.as_secs());
        let used = watch(&[process])?.into_iter().sum();
        add(figures, Who::Gobgpd, &LEADER_MEMORY, &LEADER_CPU, process, used)?;
    }
    before.per_second(cluster)
}

fn add(
    figures: &mut Figures,
    who: Who,
    memory: &'static Figure,
    cpu: &'static Figure,
    process: &Process,
    used: f64,
) -> Result<()> {
    let kib = u32::try_from(process.resident_kib()?)?;
    figures.add(memory, who, f64::from(kib));
    figures.add(cpu, who, used);
    Ok(())
}

/// The share of one processor that each process used during one window, in percent.
fn watch(processes: &[&Process]) -> Result<Vec<f64>> {
    let start = clock::now();
    let mut meters: Vec<Meter> = processes.iter().map(|process| Meter::new(process)).collect::<Result<_>>()?;
    while clock::since(start) < WINDOW {
        sleep(LOOK);
        meters.iter_mut().try_for_each(Meter::look)?;
    }
    let took = clock::since(start).as_secs_f64();
    Ok(meters.iter().map(|meter| meter.used().as_secs_f64() / took * 100.0).collect())
}

/// Processor time of a process, its ended threads included.
struct Meter<'a> {
    process: &'a Process,
    before: BTreeMap<String, Duration>,
    last: BTreeMap<String, Duration>,
}

impl<'a> Meter<'a> {
    fn new(process: &'a Process) -> Result<Self> {
        let before = process.cpu_by_thread()?;
        Ok(Self { process, last: before.clone(), before })
    }

    fn look(&mut self) -> Result<()> {
        self.last.extend(self.process.cpu_by_thread()?);
        Ok(())
    }

    fn used(&self) -> Duration {
        let sum = |threads: &BTreeMap<String, Duration>| threads.values().sum::<Duration>();
        sum(&self.last).saturating_sub(sum(&self.before))
    }
}

/// All API servers' counters of requests at one moment.
struct Calls {
    at: Duration,
    count: u64,
}

impl Calls {
    fn now(cluster: &Cluster) -> Result<Self> {
        let counts = (1..=3).map(|number| {
            let api = cluster.api(number)?;
            wait::until("an API server's counters", PATIENCE, || api.requests_answered())
        });
        Ok(Self { at: clock::now(), count: counts.sum::<Result<u64>>()? })
    }

    /// Since this moment, our own looks at the counters among them.
    fn per_second(&self, cluster: &Cluster) -> Result<f64> {
        let now = Self::now(cluster)?;
        let more = u32::try_from(now.count - self.count)?;
        Ok(f64::from(more) / (now.at - self.at).as_secs_f64())
    }
}
