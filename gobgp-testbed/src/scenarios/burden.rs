//! Scenarios 22 and 23: a peer that says very much, and one that takes nothing.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::conformance::update::{next_hop, origin};
use super::conformance::{AS, FIRST_PORT, NUMBER, Stage, open_with, peer, read_routes, still_up};
use super::expect::figure;
use super::{Run, SOON, Scenario};
use crate::cluster::Cluster;
use crate::lab::{Cut, Net, VIP, VIP6, node_address};
use crate::parts::capture::{Capture, What};
use crate::parts::router::{Conf, Kind};
use crate::parts::scripted::wire::{self, KEEPALIVE, attribute, capabilities, update};
use crate::parts::scripted::{Event, Listener, Session};
use crate::site::{PREFIX, Site};
use crate::{clock, wait};

/// Those of this theme.
pub(super) const BURDENS: &[Scenario] = &[
    Scenario {
        name: "22-full-table",
        shows: "a million routes and their churn: KEEPALIVEs in time, at most 5 MB more memory, the VIP's route stays",
        run: Run::Site(full_table),
    },
    Scenario {
        name: "23-zero-window",
        shows: "a peer that stops reading while the API is out of reach: reset at the end of the entitlement, VIP unbound",
        run: Run::Cluster(zero_window),
    },
];

/// Routes of the table: about the Internet's.
const ROUTES: u32 = 1_000_000;
/// Of them, those withdrawn and told again by another path.
const CHURN: u32 = ROUTES / 5;
/// What the memory may grow by, in KiB.
const MORE_KIB: u64 = 5 * 1024;

/// A table's UPDATEs, made up with a fixed seed: paths of two to seven ASes, communities, one to ten prefixes of a path.
struct Table {
    random: u64,
}

impl Table {
    fn below(&mut self, limit: u64) -> u64 {
        // xorshift64: any spread will do.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % limit
    }

    fn attributes(&mut self) -> Vec<u8> {
        let hops = 1 + self.below(6);
        let mut path = [0, 0, 253, 252].to_vec();
        for _ in 0..hops {
            path.extend(u32::try_from(1 + self.below(400_000)).unwrap_or(1).to_be_bytes());
        }
        let count = u8::try_from(1 + hops).unwrap_or(u8::MAX);
        let path = attribute(0x40, 2, &[&[2, count], path.as_slice()].concat());
        let communities: Vec<u8> = (0..4 * self.below(6)).map(|n| u8::try_from(n).unwrap_or(0)).collect();
        let communities = if communities.is_empty() { Vec::new() } else { attribute(0xc0, 8, &communities) };
        [origin(), path, next_hop(), attribute(0x80, 4, &[0, 0, 0, 100]), communities].concat()
    }

    /// Announces these of the table's prefixes.
    fn announce(&mut self, numbers: std::ops::Range<u32>) -> Vec<u8> {
        let (mut bytes, mut next) = (Vec::new(), numbers.start);
        while next < numbers.end {
            let end = (next + u32::try_from(1 + self.below(10)).unwrap_or(1)).min(numbers.end);
            bytes.extend(update(&[], &self.attributes(), &prefixes(next..end)));
            next = end;
        }
        bytes
    }
}

/// The table's prefixes: /24s from 16.0.0.0 on.
fn prefixes(numbers: std::ops::Range<u32>) -> Vec<u8> {
    numbers
        .flat_map(|number| [&[24], ((16 << 16) + number).to_be_bytes().get(1..).unwrap_or_default()].concat())
        .collect()
}

fn withdraw(numbers: std::ops::Range<u32>) -> Vec<u8> {
    let starts = numbers.clone().step_by(500);
    starts.flat_map(|start| update(&prefixes(start..(start + 500).min(numbers.end)), &[], &[])).collect()
}

/// The longest time between two KEEPALIVEs, each kept as it comes.
#[derive(Default)]
struct Pulse {
    last: Option<Duration>,
    longest: Duration,
    count: u32,
}

impl Pulse {
    /// Takes what has come.
    fn listen(&mut self, session: &mut Session, within: Duration) -> Result<()> {
        match session.next(within)? {
            Event::Message(message) if message.bytes == KEEPALIVE => {
                if let Some(last) = self.last {
                    self.longest = self.longest.max(message.at.saturating_sub(last));
                }
                self.last = Some(message.at);
                self.count += 1;
                Ok(())
            }
            Event::Silence => Ok(()),
            other => bail!("{other:?} came"),
        }
    }

    fn check(&self, whose: &str) -> Result<()> {
        println!("    figure: {whose}: {} KEEPALIVEs, at most {} ms apart", self.count, self.longest.as_millis());
        // One is due every second (hold time 3); the rest is for a busy machine.
        ensure!(self.count > 1 && self.longest < Duration::from_millis(1800), "KEEPALIVEs were late");
        Ok(())
    }
}

fn full_table(site: &mut Site) -> Result<()> {
    let stage = Stage::new(site, 2)?;
    let spec = site.spec(1, &[]).flag("address", format!("{VIP},{VIP6}"));
    let spec = spec.peer_text(peer(AS.into(), FIRST_PORT)).peer_text(peer(AS.into(), FIRST_PORT + 1));
    let vipcast = site.vipcast(1, &spec)?;
    let mut sessions = Vec::new();
    for listener in &stage.listeners {
        let mut session = listener.accept(SOON)?;
        session.establish(&open_with(AS, 3, &capabilities(AS.into())))?;
        let routes = read_routes(&mut session)?;
        sessions.push((session, routes));
    }
    let [(teller, routes), (bystander, others)] = sessions.as_mut_slice() else { bail!("two sessions are needed") };
    let before = (vipcast.memory_kib("VmRSS")?, vipcast.memory_kib("VmHWM")?);
    let told = AtomicBool::new(false);
    let start = clock::now();
    let (bytes, pulse, other_pulse) = thread::scope(|scope| {
        let beside = scope.spawn(|| beside(bystander, &told));
        let result = tell(teller);
        told.store(true, Ordering::SeqCst);
        let beside = beside.join().map_err(|_| anyhow!("the bystander panicked"))?;
        result.and_then(|(bytes, pulse)| Ok((bytes, pulse, beside?)))
    })?;
    let took = clock::since(start);
    // All of it is read when this is answered. Nothing but KEEPALIVEs came before, so no route went.
    still_up(teller, routes)?;
    still_up(bystander, others)?;
    let after = (vipcast.memory_kib("VmRSS")?, vipcast.memory_kib("VmHWM")?);
    println!(
        "    figure: {ROUTES} routes and the churn of {CHURN}: {:.1} MB in {:.1} s",
        f64::from(u32::try_from(bytes)?) / 1e6,
        took.as_secs_f64()
    );
    println!(
        "    figure: memory before {} KiB (at most {}), after {} KiB (at most {})",
        before.0, before.1, after.0, after.1
    );
    pulse.check("the peer that tells them")?;
    other_pulse.check("another peer")?;
    let more = after.1.saturating_sub(before.0);
    ensure!(more <= MORE_KIB, "the memory grew by {more} KiB");
    Ok(())
}

/// Tells the table and its churn while listening; the bytes it took.
fn tell(session: &mut Session) -> Result<(usize, Pulse)> {
    const STEP: u32 = 20_000;
    let mut table = Table { random: 0x9e37_79b9_7f4a_7c15 };
    let (mut pulse, mut total) = (Pulse::default(), 0);
    let steps = |end: u32| (0..end).step_by(20_000).map(move |start| start..(start + STEP).min(end));
    for numbers in steps(ROUTES) {
        total += pour(session, &table.announce(numbers), &mut pulse)?;
    }
    for numbers in steps(CHURN) {
        let again = table.announce(numbers.clone());
        total += pour(session, &[withdraw(numbers), again].concat(), &mut pulse)?;
    }
    // Two more KEEPALIVEs: what piled up behind the table would delay them.
    let seen = pulse.count;
    let end = clock::now();
    while pulse.count < seen + 2 {
        pulse.listen(session, Duration::from_millis(50))?;
        ensure!(clock::since(end) < SOON, "no KEEPALIVE came after the table");
    }
    Ok((total, pulse))
}

/// Sends all of it, listening in between.
fn pour(session: &mut Session, bytes: &[u8], pulse: &mut Pulse) -> Result<usize> {
    let mut left = bytes;
    while !left.is_empty() {
        let sent = session.send_some(left.get(..65536).unwrap_or(left))?;
        left = left.get(sent..).unwrap_or_default();
        pulse.listen(session, Duration::from_millis(1))?;
    }
    Ok(bytes.len())
}

/// Another peer's session meanwhile.
fn beside(session: &mut Session, told: &AtomicBool) -> Result<Pulse> {
    let (mut pulse, mut sent) = (Pulse::default(), clock::now());
    while !told.load(Ordering::SeqCst) {
        pulse.listen(session, Duration::from_millis(50))?;
        if clock::since(sent) > Duration::from_secs(1) {
            sent = clock::now();
            session.send(KEEPALIVE)?;
        }
    }
    Ok(pulse)
}

/// The lease's renew deadline in [`Cluster::spec`].
const RENEW_DEADLINE: Duration = Duration::from_secs(3);
/// How late its end may be seen.
const SLACK: Duration = Duration::from_millis(500);

fn zero_window(cluster: &mut Cluster) -> Result<()> {
    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let host = cluster.site.host("scripted", NUMBER)?;
    let listener = Listener::narrow(&host, SocketAddr::from((Net::Data.v4(NUMBER), FIRST_PORT)))?;
    // A hold time so long that no timer of BGP's own helps.
    let spec = cluster.spec(1, &[&gobgpd])?.flag("bgpHoldTimer", 90).flag("address", format!("{VIP},{VIP6}"));
    let vipcast = cluster.site.vipcast(1, &spec.peer_text(peer(AS.into(), FIRST_PORT)))?;
    let mut session = listener.accept(SOON)?;
    session.establish(&open_with(AS, 90, &capabilities(AS.into())))?;
    read_routes(&mut session)?;
    gobgpd.wait_best(PREFIX, node_address(1), SOON)?;
    let stuck = clog(cluster, &mut session)?;
    println!("    {stuck} bytes wait in vipcast's socket");

    let node = cluster.site.node(1)?.clone();
    let capture = Capture::start(&node, Net::Data)?;
    let cut = clock::now();
    cluster.site.lab.cut(&node, Net::Management, Cut::Both)?;
    // The peer goes on speaking, and reads nothing: only a reset ends this.
    let reset = wait::until("the reset", RENEW_DEADLINE * 3, || match session.send(KEEPALIVE) {
        Ok(()) => Err(anyhow!("the connection stands")),
        Err(_) => Ok(clock::since(cut)),
    })?;
    figure("a peer with a zero window is reset, from the cut of the API on, after", reset);
    wait::until("the VIPs to be unbound", Duration::from_secs(2), || {
        node.expect_address("lo", IpAddr::V4(VIP), false)?;
        node.expect_address("lo", IpAddr::V6(VIP6), false)
    })?;
    figure("the VIPs are unbound after", clock::since(cut));
    gobgpd.wait_gone(PREFIX, None, SOON)?;
    gobgpd.wait_established(node_address(1), SOON)?;
    ensure!(reset < RENEW_DEADLINE + SLACK, "the connection stood beyond the entitlement");
    told_in_time(&capture, cut)?;
    let line = vipcast.log().wait_line(vipcast.began(), &["from=Established", "to=Idle"], SOON)?;
    ensure!(
        line.ends_with("the entitlement ran out before a withdrawal was delivered: connection reset"),
        "the reason is {line:?}"
    );
    vipcast.alive()
}

/// The healthy peer does not wait for the one that is stuck: its withdrawal leaves before the entitlement ends.
fn told_in_time(capture: &Capture, cut: Duration) -> Result<()> {
    let healthy = Kind::Gobgpd.address();
    let withdrawal =
        capture.wait("a withdrawal to gobgpd", cut, SOON, |seen| seen.to == healthy && seen.what == What::Withdraw)?;
    let took = withdrawal.at.saturating_sub(cut);
    figure("a healthy peer is told the withdrawal after", took);
    ensure!(took < RENEW_DEADLINE + SLACK, "the withdrawal came after the entitlement");
    Ok(())
}

/// So much in vipcast's socket is no pause between two segments.
const CLOGGED: u64 = 16 * 1024;

/// Asks for the routes again and again and reads none, until vipcast can send no more; the bytes that wait there.
fn clog(cluster: &Cluster, session: &mut Session) -> Result<u64> {
    let node = cluster.site.node(1)?;
    let asking = wire::route_refresh(1, 1).repeat(200);
    let (mut last, mut since) = (0, clock::now());
    wait::until("vipcast's send queue to stand still", SOON * 4, || {
        session.send(&asking)?;
        let filter = format!("dport = :{FIRST_PORT}");
        let table = node.exec("ss", &["-Htn", "state", "established", &filter])?;
        let waiting: u64 = table.split_whitespace().nth(1).context("no connection")?.parse()?;
        if waiting != last {
            (last, since) = (waiting, clock::now());
        }
        ensure!(waiting > CLOGGED && clock::since(since) > Duration::from_millis(300), "{waiting} bytes wait");
        Ok(waiting)
    })
}
