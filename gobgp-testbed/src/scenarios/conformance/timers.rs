//! Rows about timers, by a clock on the wall: a few seconds each, all peers of a row at once.

use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};

use super::{AS, FIRST_PORT, Stage, good_open, open_with, peer, read_routes, spec, still_up, update};
use crate::clock;
use crate::parts::scripted::wire::{self, KEEPALIVE, capabilities};
use crate::parts::scripted::{End, Event, Listener, SOON, Session};
use crate::parts::vipcast::Spec;
use crate::process::Process;
use crate::scenarios::expect::figure;
use crate::site::Site;

/// How late an event may be seen on a busy machine.
const SLACK: Duration = Duration::from_millis(700);
/// How much earlier than it was, measured from a moment that was seen late.
const EARLY: Duration = Duration::from_millis(50);

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A vipcast and a listener for each of so many peers.
fn start(site: &mut Site, peers: usize) -> Result<(std::rc::Rc<Process>, Stage)> {
    start_with(site, peers, |spec| spec)
}

/// The same with more flags.
fn start_with(site: &mut Site, peers: usize, more: impl FnOnce(Spec) -> Spec) -> Result<(std::rc::Rc<Process>, Stage)> {
    let stage = Stage::new(site, peers)?;
    let spec = (FIRST_PORT..).take(peers).fold(spec(site), |spec, port| spec.peer_text(peer(AS.into(), port)));
    Ok((site.vipcast(1, &more(spec))?, stage))
}

/// Does the same with all listeners at once.
fn with_all<T: Send>(listeners: &[Listener], work: impl Fn(usize, &Listener) -> Result<T> + Sync) -> Result<Vec<T>> {
    thread::scope(|scope| {
        let work = &work;
        let each = |(index, listener)| scope.spawn(move || work(index, listener));
        let threads: Vec<_> = listeners.iter().enumerate().map(each).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a peer panicked"))?).collect()
    })
}

fn open_holding(seconds: u16) -> Vec<u8> {
    open_with(AS, seconds, &capabilities(AS.into()))
}

/// The whole of the NOTIFICATION that ends a session by the hold timer.
fn expired() -> Vec<u8> {
    wire::notification(4, 0, &[])
}

pub(in super::super) fn hold_timer(site: &mut Site) -> Result<()> {
    const NAMES: [&str; 3] = ["in OpenConfirm", "in Established", "in Established, after an UPDATE at 2 s"];
    let (_vipcast, stage) = start(site, NAMES.len())?;
    let took = with_all(&stage.listeners, |index, listener| {
        let mut session = listener.accept(SOON)?;
        if index == 0 {
            session.confirm(&open_holding(3))?;
        } else {
            session.establish(&open_holding(3))?;
        }
        let mut last = clock::now();
        if index == 2 {
            thread::sleep(Duration::from_secs(2));
            session.send(&update::route(&[]))?;
            last = clock::now();
        }
        let (messages, end) = session.rest(SOON * 2)?;
        let Some(goodbye) = messages.last().filter(|message| message.bytes == expired()) else {
            bail!("the last words are {messages:?}");
        };
        ensure!(end == End::Closed, "the connection ended by {end:?}");
        let took = goodbye.at.saturating_sub(last);
        drop(session);
        listener.accept(SOON)?;
        Ok(took)
    })?;
    for (name, took) in NAMES.into_iter().zip(took) {
        figure(&format!("hold time 3, silent {name}: 4/0 after"), took);
        ensure!(took + EARLY > Duration::from_secs(3) && took < Duration::from_secs(3) + SLACK, "{took:?}");
    }
    Ok(())
}

/// The times between KEEPALIVEs, for so long; ours are sent every second.
fn intervals(session: &mut Session, during: Duration) -> Result<Vec<Duration>> {
    let (start, mut sent, mut came) = (clock::now(), clock::now(), Vec::new());
    while clock::since(start) < during {
        match session.next(millis(100))? {
            Event::Message(message) if message.bytes == KEEPALIVE => came.push(message.at),
            Event::Message(_) | Event::Silence => {}
            Event::End(end) => bail!("the session ended by {end:?}"),
        }
        if clock::since(sent) > Duration::from_secs(1) {
            sent = clock::now();
            session.send(KEEPALIVE)?;
        }
    }
    Ok(came.windows(2).filter_map(|pair| Some(pair.last()?.saturating_sub(*pair.first()?))).collect())
}

fn range(what: &str, intervals: &[Duration]) -> Result<(Duration, Duration)> {
    let (Some(shortest), Some(longest)) = (intervals.iter().min(), intervals.iter().max()) else {
        bail!("{what}: none came");
    };
    println!("    figure: {what}: {} from {} to {} ms", intervals.len(), shortest.as_millis(), longest.as_millis());
    Ok((*shortest, *longest))
}

/// Hold time 3: every second, no more; 9: every 3 s and up to a quarter less; 30: as configured, every 4 s and up to a
/// quarter less; 0: never.
pub(in super::super) fn keepalive(site: &mut Site) -> Result<()> {
    const HOLDS: [u16; 9] = [3, 3, 3, 9, 9, 9, 30, 30, 0];
    let configured = |spec: Spec| spec.flag("bgpHoldTimer", 30).flag("bgpKeepAliveInterval", 4);
    let (_vipcast, stage) = start_with(site, HOLDS.len(), configured)?;
    let heard = with_all(&stage.listeners, |index, listener| {
        let mut session = listener.accept(SOON)?;
        session.establish(&open_holding(*HOLDS.get(index).unwrap_or(&0)))?;
        let routes = read_routes(&mut session)?;
        let intervals = intervals(&mut session, Duration::from_secs(10))?;
        still_up(&mut session, &routes)?;
        Ok(intervals)
    })?;
    let of = |hold: u16| -> Vec<Duration> {
        HOLDS.iter().zip(&heard).filter(|(h, _)| **h == hold).flat_map(|(_, intervals)| intervals.clone()).collect()
    };
    let (shortest, longest) = range("hold time 3, times between KEEPALIVEs", &of(3))?;
    ensure!(shortest + EARLY > millis(1000) && longest < millis(1000) + SLACK, "not every second");
    let (shortest, longest) = range("hold time 9, times between KEEPALIVEs", &of(9))?;
    ensure!(shortest + EARLY > millis(2250) && longest < millis(3000) + SLACK, "not every 2.25 to 3 s");
    ensure!(longest - shortest > millis(20), "no jitter");
    let (shortest, longest) = range("hold time 30, configured 4 s, times between KEEPALIVEs", &of(30))?;
    ensure!(shortest + EARLY > millis(3000) && longest < millis(4000) + SLACK, "not every 3 to 4 s");
    ensure!(of(0).is_empty(), "hold time 0, and KEEPALIVEs came: {:?}", of(0));
    Ok(())
}

/// All sessions are cut at one moment, as by a router that restarts; none comes back when another does.
pub(in super::super) fn jitter(site: &mut Site) -> Result<()> {
    let (_vipcast, stage) = start(site, 12)?;
    let mut sessions = Vec::new();
    for listener in &stage.listeners {
        let mut session = listener.accept(SOON)?;
        session.establish(&good_open(AS))?;
        read_routes(&mut session)?;
        sessions.push(session);
    }
    let cut = clock::now();
    sessions.into_iter().try_for_each(Session::reset)?;
    let delays = with_all(&stage.listeners, |_, listener| {
        listener.accept(SOON)?;
        Ok(clock::since(cut))
    })?;
    let (shortest, longest) = range("twelve sessions cut at once, times until they are dialled", &delays)?;
    ensure!(shortest + EARLY > millis(187) && longest < millis(250) + SLACK, "not within 187 to 250 ms");
    ensure!(longest - shortest > millis(10), "no jitter");
    Ok(())
}

/// A peer that refuses every connection is dialled less and less often; one that was up for 10 s at once.
pub(in super::super) fn connect_retry(site: &mut Site) -> Result<()> {
    const DELAYS: [u64; 5] = [250, 500, 1000, 2000, 4000];
    let (_vipcast, stage) = start(site, 2)?;
    let delays = with_all(&stage.listeners, |index, listener| {
        let mut delays = Vec::new();
        if index == 0 {
            let mut refused = listener.accept(SOON)?;
            for _ in DELAYS {
                refused.reset()?;
                let ended = clock::now();
                refused = listener.accept(SOON * 2)?;
                delays.push(clock::since(ended));
            }
            return Ok(delays);
        }
        // Two attempts fail, then the session lasts.
        listener.accept(SOON)?.reset()?;
        listener.accept(SOON)?.reset()?;
        let mut session = listener.accept(SOON)?;
        session.establish(&good_open(AS))?;
        intervals(&mut session, millis(10_300))?;
        session.reset()?;
        let ended = clock::now();
        listener.accept(SOON)?;
        Ok(vec![clock::since(ended)])
    })?;
    let [refused, lasted] = delays.as_slice() else { bail!("two peers are needed") };
    println!(
        "    figure: a peer that refuses is dialled after {:?} ms",
        refused.iter().map(Duration::as_millis).collect::<Vec<_>>()
    );
    for (delay, full) in refused.iter().zip(DELAYS.map(millis)) {
        ensure!(
            *delay + EARLY > full * 3 / 4 && *delay < full + SLACK,
            "{delay:?} instead of {full:?} or up to a quarter less"
        );
    }
    for delay in lasted {
        figure("a session that lasted 10 s is dialled after", *delay);
        ensure!(*delay < millis(250) + SLACK, "{delay:?}");
    }
    Ok(())
}

/// A peer that asks for its routes again and again, and reads none: given up a hold time after the buffers between are
/// full, though it speaks.
pub(in super::super) fn send_hold(site: &mut Site) -> Result<()> {
    let host = site.host("scripted", super::NUMBER)?;
    let at = |port| std::net::SocketAddr::from((crate::lab::Net::Data.v4(super::NUMBER), port));
    let listener = Listener::narrow(&host, at(FIRST_PORT))?;
    let vipcast = site.vipcast(1, &spec(site).peer_text(peer(AS.into(), FIRST_PORT)))?;
    let mut session = listener.accept(SOON)?;
    session.establish(&open_holding(3))?;
    read_routes(&mut session)?;
    let start = clock::now();
    let asking = [wire::route_refresh(1, 1).repeat(100), KEEPALIVE.to_vec()].concat();
    let took = loop {
        // What is half sent must be ended, or the session would be out of step.
        match session.send(&asking) {
            Ok(()) => thread::sleep(millis(2)),
            Err(_) => break clock::since(start),
        }
        ensure!(clock::since(start) < SOON * 4, "the session still stands");
    };
    figure("hold time 3, a peer that reads nothing is given up, with the filling of buffers, after", took);
    ensure!(took + EARLY > Duration::from_secs(3), "given up after {took:?}");
    let line = vipcast.log().wait_line(vipcast.began(), &["from=Established", "to=Idle"], SOON)?;
    let reason = line.split_once("reason=").map_or("", |(_, reason)| reason);
    println!("    the reason: {reason}");
    ensure!(reason.contains("send hold timer expired"), "the reason is {reason:?}");
    Ok(())
}
