//! A path that fails, a router that bounces, and packets that come from too far away.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::super::SOON;
use super::super::expect::{Watch, figure};
use super::{FAST, NODE, Pair, holdings, send_down};
use crate::lab::{Cut, Net};
use crate::parts::capture::{Capture, What};
use crate::parts::router::Kind;
use crate::site::{PREFIX, Site};
use crate::{clock, wait};

/// How often the router bounces.
const BOUNCES: u64 = 20;

/// Cut without carrier loss: noticed here or by the router, told with 6/10 towards the router, and everything back when
/// it heals.
pub(in super::super) fn cut(site: &mut Site) -> Result<()> {
    let pairs = Pair::start(site, &[Kind::Frr, Kind::Bird], FAST)?;
    let node = site.node(NODE)?.clone();
    let (silence, word) = ("no packet of the peer for 150 ms", "the peer says Down: Control Detection Time Expired");
    // Where what comes to the node is dropped, what it sends arrives: so the Cease can be seen to leave. Where what it
    // sends is dropped, the router notices first, and says so.
    for (cut, cause) in [(Cut::Both, silence), (Cut::ToHost, silence), (Cut::FromHost, word)] {
        let capture = Capture::start(&node, Net::Data)?;
        let watches: Vec<Watch<'_>> = pairs.iter().map(|pair| Watch::new(&pair.vipcast, pair.peer)).collect();
        let mark = pairs.first().context("a pair")?.vipcast.log().mark();
        let start = clock::now();
        site.lab.cut(&node, Net::Data, cut)?;
        for (pair, watch) in pairs.iter().zip(&watches) {
            let said = pair.wait_said(mark, &["BFD: the path to the peer failed", cause])?;
            let noticed = moment(&said)?.saturating_sub(start);
            figure(&format!("{cut:?} cut, {}: from the cut to the alarm", pair.router.kind()), noticed);
            let reason = watch.wait_failure()?;
            ensure!(reason.contains("sent NOTIFICATION: Cease/BFD Down (6/10)"), "the reason is {reason:?}");
            let is_cease =
                |seen: &crate::parts::capture::Seen| seen.to == pair.peer && seen.what == What::Notification(6, 10);
            capture.wait("Cease 6/10", start, SOON, is_cease)?;
            pair.router.wait_gone(PREFIX, Some(pair.node), SOON)?;
        }
        site.lab.heal(&node, Net::Data, cut)?;
        let healed = clock::now();
        for pair in &pairs {
            pair.wait_up()?;
            figure(&format!("{}: from the heal to the route", pair.router.kind()), clock::since(healed));
        }
    }
    Ok(())
}

/// When a line was written.
pub(crate) fn moment(line: &str) -> Result<Duration> {
    clock::from_text(line.split_whitespace().next().unwrap_or_default())
}

/// A router that is killed and started again and again: each time it is noticed once, and nothing piles up.
pub(in super::super) fn bounces(site: &mut Site) -> Result<()> {
    let pairs = Pair::start(site, &[Kind::Bird], FAST)?;
    let pair = pairs.first().context("a pair")?;
    let (log, before) = (pair.vipcast.log(), holdings(&pair.vipcast)?);
    let mark = log.mark();
    let count = |words: &[&str]| -> usize {
        let text = log.since(mark);
        text.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
    };
    let start = clock::now();
    for bounce in 1..=BOUNCES {
        let mark = log.mark();
        pair.router.kill();
        pair.wait_said(mark, &["BFD: the path to the peer failed"])?;
        pair.router.restart()?;
        let up = pair.router.wait_bfd(pair.node, "up", SOON, |session| session.is_up());
        up.with_context(|| format!("bounce {bounce}"))?;
    }
    let each = clock::since(start) / u32::try_from(BOUNCES)?;
    figure("from the router's death to BFD being up again, on average", each);
    // The session waits for the back-off of a path that comes and goes.
    pair.wait_up()?;
    let seen = [count(&["BFD: the path to the peer failed"]), count(&["BFD state changed", "to=Up"])];
    ensure!(seen == [BOUNCES as usize; 2], "{seen:?} failures and recoveries in {BOUNCES} bounces");
    wait::until("no more threads and files than before", SOON, || {
        let now = holdings(&pair.vipcast)?;
        ensure!(now.0 <= before.0 && now.1 <= before.1, "threads and files: {now:?}, before {before:?}");
        Ok(())
    })?;
    println!("    threads and open files: {before:?} before, {:?} after", holdings(&pair.vipcast)?);
    Ok(())
}

/// A Down "of the router" from behind the middle router, with all the TTL there is: ignored, and said.
pub(in super::super) fn spoofed(site: &mut Site) -> Result<()> {
    let pairs = Pair::start(site, &[Kind::Bird], FAST)?;
    let pair = pairs.first().context("a pair")?;
    let (_middle, far) = site.lab.far_host()?;
    far.ip(&format!("address add {}/32 dev lo", pair.peer))?;
    let watch = Watch::new(&pair.vipcast, pair.peer);
    let mark = pair.vipcast.log().mark();
    send_down(&far, pair.peer, (pair.node, 3784), 255)?;
    pair.wait_said(mark, &["BFD ignores packets from the peer's address", "TTL 254, expected 255"])?;
    wait::holds("BFD and the session", Duration::from_secs(1), || {
        let failed = pair.vipcast.log().since(mark).lines().any(|line| line.contains("BFD state changed"));
        ensure!(!failed, "a packet from two hops away was heard");
        watch.undisturbed()
    })?;
    // The same packet from the router's own host does end it: it was a good one but for its TTL.
    send_down(pair.router.host(), pair.peer, (pair.node, 3784), 255)?;
    pair.wait_said(mark, &["BFD: the path to the peer failed", "the peer says Down"])?;
    pair.wait_up()?;
    Ok(())
}
