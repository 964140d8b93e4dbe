//! How fast BFD notices a dead path, what it costs, and whether a full processor makes it see what is not there. Apart
//! from the other figures, because it needs no Kubernetes and takes its time.

use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::host::Host;
use crate::lab::{Cut, Net, node_address};
use crate::parts::bfd::Bfd;
use crate::parts::router::{Conf, Kind, Neighbor, Router};
use crate::process::{Log, Process};
use crate::scenarios::bfd::{FAST, NODE, Pair, moment, peer_text};
use crate::site::{PREFIX, Site};
use crate::{clock, paths, wait};

const KINDS: [Kind; 2] = [Kind::Frr, Kind::Bird];
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the path is cut.
const CUTS: u32 = 20;
/// So long after the detection time the alarm may come. The median is judged: the machine is shared, and what the
/// command that cuts takes is in it.
const GRACE: Duration = Duration::from_millis(20);
/// How long processor time is counted.
const WINDOW: Duration = Duration::from_secs(10);
/// How long the processors are kept busy.
const SOAK: Duration = Duration::from_secs(600);
/// What the log says of a failed path.
const ALARM: &str = "BFD: the path to the peer failed";

/// From the cut to the alarm; and the processor time of sessions at several rates.
///
/// # Errors
/// When a session does not come up, a cut is not noticed, or half of them later than [`GRACE`] allows.
pub fn detection() -> Result<()> {
    super::describe()?;
    let mut site = Site::build()?;
    cuts(&mut site)?;
    site.reset()?;
    println!("processor time of vipcast's BFD thread, two sessions, {} s:", WINDOW.as_secs());
    for ms in [300, 50, 10] {
        cost(&mut site, ms)?;
        site.reset()?;
    }
    Ok(())
}

fn cuts(site: &mut Site) -> Result<()> {
    let pairs = Pair::start(site, &KINDS, FAST)?;
    let node = site.node(NODE)?.clone();
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); pairs.len()];
    for _ in 0..CUTS {
        let mark = pairs.first().context("a pair")?.vipcast.log().mark();
        // What the command takes counts as the path's.
        let start = clock::now();
        site.lab.cut(&node, Net::Data, Cut::Both)?;
        for (pair, times) in pairs.iter().zip(&mut times) {
            let said = pair.wait_said(mark, &[ALARM])?;
            times.push(moment(&said)?.saturating_sub(start));
        }
        site.lab.heal(&node, Net::Data, Cut::Both)?;
        pairs.iter().try_for_each(Pair::wait_up)?;
    }
    let detection = u32::from(FAST.rx.max(FAST.tx)) * u32::from(FAST.multiplier);
    println!("from a cut without carrier loss to the alarm, {CUTS} cuts, detection time {detection} ms:");
    for (pair, times) in pairs.iter().zip(&mut times) {
        times.sort();
        let [median, worst] = [times.get(times.len() / 2), times.last()].map(|time| time.copied().unwrap_or_default());
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        println!(
            "  {:5} median {:.1} ms, worst {:.1} ms: {:+.1} ms against the detection time",
            pair.router.kind().to_string(),
            ms(median),
            ms(worst),
            ms(worst) - f64::from(detection)
        );
        let latest = Duration::from_millis(detection.into()) + GRACE;
        ensure!(median <= latest, "{}: the median is {median:?}, at most {latest:?} was asked", pair.router.kind());
    }
    Ok(())
}

fn cost(site: &mut Site, ms: u16) -> Result<()> {
    let figures = Bfd { tx: ms, rx: ms, multiplier: 10 };
    let pairs = Pair::start(site, &KINDS, figures)?;
    let vipcast = &pairs.first().context("a pair")?.vipcast;
    let before = bfd_thread(vipcast)?;
    sleep(WINDOW);
    let used = bfd_thread(vipcast)?.saturating_sub(before);
    let share = used.as_secs_f64() / WINDOW.as_secs_f64() * 100.0;
    println!("  {ms:3} ms: {share:.2} % of a core for both, {:.2} % a session", share / 2.0);
    Ok(())
}

/// The processor time of the thread that does BFD.
fn bfd_thread(process: &Process) -> Result<Duration> {
    let name = |id: &str| std::fs::read_to_string(format!("/proc/{}/task/{id}/comm", process.pid()));
    let all = process.cpu_by_thread()?;
    let thread = all.into_iter().find(|(id, _)| name(id).is_ok_and(|name| name.trim() == "bfd"));
    Ok(thread.context("vipcast has no BFD thread")?.1)
}

/// Ten minutes at 50 ms × 3 beside twice as many busy loops as there are processors: one vipcast with real-time
/// scheduling, one that is denied it. The routers have it, so that what is counted is vipcast's.
///
/// # Errors
/// When a session does not come up, or the vipcast with real-time scheduling saw or made a false alarm.
pub fn soak() -> Result<()> {
    super::describe()?;
    let mut site = Site::build()?;
    let (with, without) = (NODE, NODE + 1);
    let mut routers: Vec<Rc<Router>> = Vec::new();
    for kind in KINDS {
        let neighbor = |node| Neighbor { bfd: Some(FAST), ..Neighbor::new(node_address(node)) };
        let neighbors = vec![neighbor(with), neighbor(without)];
        routers.push(site.router(kind, Conf { neighbors, ..Conf::new(kind) })?);
    }
    routers.iter().try_for_each(|router| router.hurry())?;
    let vipcasts = [("with", start(&site, with, true)?), ("without", start(&site, without, false)?)];
    for (router, node) in routers.iter().flat_map(|router| [(router, with), (router, without)]) {
        router.wait_bfd(node_address(node), "up", PATIENCE, crate::parts::bfd::Session::is_up)?;
        wait::until("the route", PATIENCE, || {
            let paths = router.paths(PREFIX)?;
            ensure!(paths.iter().any(|path| path.next_hop == node_address(node)), "{paths:?}");
            Ok(())
        })?;
    }
    let cores = std::thread::available_parallelism()?.get();
    let marks: Vec<u64> = vipcasts.iter().map(|(_, process)| process.log().mark()).collect();
    let loops = (0..2 * cores).map(|number| busy(site.node(3)?, number)).collect::<Result<Vec<Process>>>()?;
    println!("{} s, {} busy loops on {cores} cores, 50 ms x 3, two routers:", SOAK.as_secs(), loops.len());
    let stall = longest_stall()?;
    println!("  the longest time that a real-time thread with nothing else to do overslept: {} ms", stall.as_millis());
    let mut alarms = Vec::new();
    for ((name, process), mark) in vipcasts.iter().zip(marks) {
        process.alive()?;
        let count = false_alarms(process.log(), mark);
        process.log().since(mark).lines().filter(|line| line.contains(ALARM)).for_each(|line| println!("    {line}"));
        println!("  {name} real-time scheduling: {count:?}");
        alarms.push(count);
    }
    drop(loops);
    let first = alarms.first().context("a count")?;
    ensure!(*first == Alarms::default(), "false alarms with real-time scheduling: {first:?}");
    Ok(())
}

/// Sleeps through the soak in short naps with a higher priority than all else, and says how late the latest awakening
/// was: so long the machine itself stood still, and nobody could send.
fn longest_stall() -> Result<Duration> {
    const NAP: Duration = Duration::from_millis(5);
    let nap = || -> Result<Duration> {
        let thread = rustix::thread::gettid().as_raw_nonzero().to_string();
        crate::host::capture(Command::new("chrt").args(["--rr", "--pid", "20", &thread]))?;
        let (start, mut longest) = (clock::now(), Duration::ZERO);
        while clock::since(start) < SOAK {
            let asleep = clock::now();
            sleep(NAP);
            longest = longest.max(clock::since(asleep).saturating_sub(NAP));
        }
        Ok(longest)
    };
    // In a thread of its own, so that nothing inherits the priority.
    std::thread::scope(|scope| scope.spawn(nap).join()).unwrap_or_else(|_| bail!("the napping thread panicked"))
}

/// What a log says of paths that did not fail.
#[derive(Debug, Default, PartialEq, Eq)]
struct Alarms {
    /// vipcast missed the router's packets, or was too late to take them.
    ours: usize,
    /// The router missed vipcast's.
    theirs: usize,
}

fn false_alarms(log: &Log, mark: u64) -> Alarms {
    let text = log.since(mark);
    let count = |cause: &str| text.lines().filter(|line| line.contains(ALARM) && line.contains(cause)).count();
    Alarms { ours: count("no packet of the peer"), theirs: count("the peer says Down") }
}

fn start(site: &Site, number: u8, real_time: bool) -> Result<Process> {
    let peers = KINDS.map(|kind| peer_text(kind.address(), kind.asn(), false, FAST, ""));
    let spec = peers.into_iter().fold(site.spec(number, &[]), crate::parts::vipcast::Spec::peer_text);
    let host = site.node(number)?;
    let program = paths::vipcast()?;
    let process = host.spawn("vipcast", Path::new("setpriv"), |command| {
        if !real_time {
            command.args(["--bounding-set", "-sys_nice"]);
        }
        command.arg("--").arg(program).args(spec.words());
    })?;
    let expected = if real_time { "BFD runs with real-time" } else { "BFD runs without real-time" };
    process.log().wait_line(process.began(), &[expected], PATIENCE)?;
    Ok(process)
}

fn busy(host: &Host, number: usize) -> Result<Process> {
    host.spawn(&format!("busy{number}"), Path::new("sh"), |command| {
        command.args(["-c", "while :; do :; done"]);
    })
}
