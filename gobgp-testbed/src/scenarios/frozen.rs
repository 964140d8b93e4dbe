//! Scenario 5: the leader's process stands still, its kernel goes on.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use super::SOON;
use super::pair::{LO, Moved, Pair, VIP_ADDRESS};
use crate::cluster::Cluster;
use crate::lab::node_address;
use crate::parts::router::Kind;
use crate::{clock, wait};

const ROUTERS: [Kind; 2] = [Kind::Gobgpd, Kind::Bird];
/// How long after the end of an entitlement a route may stand whatever hangs.
const BOUND: Duration = Duration::from_millis(200);
/// Looking at two tables takes time too, and machines are noisy.
const NOISE: Duration = Duration::from_millis(500);

/// The session is up all the while and the stale route stands; the new holder's MED keeps the traffic.
pub(super) fn within_the_hold_time(cluster: &mut Cluster) -> Result<()> {
    let pair = Pair::start(cluster, &ROUTERS, 60)?;
    let frozen = clock::now();
    pair.one.freeze()?;
    let moved = pair.wait_moved(cluster)?;
    pair.expect_tables(&[pair.before(false), moved.route()])?;
    for router in &pair.routers {
        router.wait_established(node_address(1), Duration::ZERO)?;
    }
    thaw(cluster, &pair, &moved, frozen)
}

/// The routers have given the session up before the thaw.
pub(super) fn beyond_the_hold_time(cluster: &mut Cluster) -> Result<()> {
    let pair = Pair::start(cluster, &ROUTERS, 6)?;
    let frozen = clock::now();
    pair.one.freeze()?;
    let moved = pair.wait_moved(cluster)?;
    for router in &pair.routers {
        wait::until(&format!("{} to give n1 up", router.kind()), Duration::from_secs(30), || {
            let session = router.session(node_address(1))?;
            ensure!(!session.established, "{session:?}");
            Ok(())
        })?;
    }
    pair.expect_tables(&[moved.route()])?;
    thaw(cluster, &pair, &moved, frozen)
}

fn thaw(cluster: &Cluster, pair: &Pair, moved: &Moved, frozen: Duration) -> Result<()> {
    // Its kernel has the address still, and would answer if asked.
    cluster.site.node(1)?.expect_address(LO, VIP_ADDRESS, true)?;
    println!("    figure: frozen for {:.1?}", clock::since(frozen));
    pair.one.thaw()?;
    pair.expect_settled(cluster, moved)?;
    let answers = pair.probe.answers()?;
    let last = answers.iter().rfind(|answer| answer.node == Some(1)).context("n1 never answered")?;
    println!(
        "    figure: n1's last answer {:.1?} after the freeze, n2's first {:.1?} after it, longest silence {:.1?}",
        last.received.saturating_sub(frozen),
        moved.first_answer.saturating_sub(frozen),
        pair.probe.silence(frozen, clock::now())?
    );
    Ok(())
}

/// Every thread of the runtime blocks: only the watchdog's own thread is left, and it needs no more.
pub(super) fn hung(cluster: &mut Cluster) -> Result<()> {
    let pair = Pair::start(cluster, &ROUTERS, 60)?;
    let mark = pair.one.log().mark();
    let hang = clock::now();
    pair.one.signal(Signal::USR2)?;
    let line = pair.one.log().wait_line(mark, &["hanging on demand"], SOON);
    line.context("is VIPCAST_BIN built with the feature test-faults?")?;
    let until = Pair::entitled_until(cluster)?;
    for offset in pair.wait_withdrawn(until)? {
        // Not before the end either: that would not be the watchdog. A renewal may have been on its way.
        offset.expect("a route was gone", Duration::from_secs(1), BOUND + NOISE)?;
    }
    let moved = pair.wait_moved(cluster)?;
    println!("    figure: silence {:.2?}", pair.probe.silence(hang, moved.first_answer)?);
    pair.expect_tables(&[moved.route()])?;
    let said = pair.one.log().since(mark);
    ensure!(!said.contains("session state changed"), "the runtime was not hung:\n{said}");
    pair.expect_no_return(&moved)?;
    pair.one.alive()
}
