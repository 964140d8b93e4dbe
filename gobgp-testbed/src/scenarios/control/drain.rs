//! Draining by hand, without election.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Control, MASKED, vip};
use crate::lab::{VIP, node_address};
use crate::parts::probe::Probe;
use crate::parts::router::{Conf, Kind, Path, Router};
use crate::process::Process;
use crate::scenarios::SOON;
use crate::scenarios::expect::{GRACEFUL_SHUTDOWN, Watch, external, figure, wait_paths};
use crate::site::{PREFIX, Site};
use crate::{clock, wait};

/// How long routes to FRR are marked before they go.
const MARKED: Duration = Duration::from_secs(2);

fn routers(site: &mut Site) -> Result<[Rc<Router>; 2]> {
    Ok([site.router(Kind::Frr, Conf::new(Kind::Frr))?, site.router(Kind::Bird, Conf::new(Kind::Bird))?])
}

/// Two nodes announce; one is drained, and undrained. FRR has a graceful shutdown, BIRD has none.
pub(super) fn by_hand(site: &mut Site) -> Result<()> {
    let [frr, bird] = routers(site)?;
    let option = format!("{};graceful-shutdown={}", frr.kind().address(), MARKED.as_millis());
    let (one, two) = (external(node_address(1), None), external(node_address(2), None));
    let began = clock::now();
    let first = start(site, 1, &[&frr, &bird], &option)?;
    [&frr, &bird].iter().try_for_each(|router| wait_paths(router, PREFIX, std::slice::from_ref(&one)))?;
    start(site, 2, &[&frr, &bird], &option)?;
    let beside = Path { best: false, ..two.clone() };
    [&frr, &bird].iter().try_for_each(|router| wait_paths(router, PREFIX, &[one.clone(), beside.clone()]))?;
    site.lab.client_via(Kind::Frr.number())?;
    let probe = Probe::start(&site.lab.client, IpAddr::V4(VIP), Duration::from_millis(2))?;
    probe.wait_answer(1, clock::now(), SOON)?;
    let watches = [&frr, &bird].map(|router| Watch::new(&first, router.kind().address()));

    let control = Control::of(site.node(1)?);
    let asked = clock::now();
    let said = "n1 is being drained; vipcast status says how far it is";
    control.order(&["drain", "--timeout", "0"], said)?;
    let marked = Path { communities: [GRACEFUL_SHUTDOWN.to_owned()].into(), best: false, ..one.clone() };
    wait_paths(&frr, PREFIX, &[marked, two.clone()])?;
    wait_paths(&bird, PREFIX, &[one.clone(), beside.clone()])?;
    ensure!(clock::since(asked) < MARKED, "the routers were looked at only after {:?}", clock::since(asked));
    probe.wait_answer(2, asked, SOON)?;
    // Asked again it waits for the end.
    control.order(&["drain"], "n1 is drained: nothing is announced or bound here")?;
    let took = clock::since(asked);
    figure("vipcast drain to its end, with 2000 ms for one of the routers", took);
    ensure!(took >= MARKED, "it was drained after {took:?}");
    [&frr, &bird].iter().try_for_each(|router| wait_paths(router, PREFIX, std::slice::from_ref(&two)))?;
    site.node(1)?.expect_address("lo", IpAddr::V4(VIP), false)?;
    let empty = json!({
        "drained": true, "by_hand": true, "persistent": false, "cordoned": false, "since": MASKED, "done": true,
    });
    let document = control.wait(began, "/drain", &empty)?;
    let gone = json!({
        "address": "10.88.0.40", "wanted": false, "bound": false, "announced_to": [], "withdrawing_from": [],
        "why_not": "this node is drained",
    });
    ensure!(document.pointer("/vips/0") == Some(&gone), "{document:#}");

    let asked = clock::now();
    control.order(&["undrain"], "n1 is not drained")?;
    control.order(&["undrain"], "n1 is not drained")?;
    for router in [&frr, &bird] {
        wait::until("the route of n1 to be back, unmarked", SOON, || {
            let paths = router.paths(PREFIX)?;
            let back = paths.iter().find(|path| path.next_hop == node_address(1));
            ensure!(back.is_some_and(|path| path.communities.is_empty()) && paths.len() == 2, "{paths:?}");
            Ok(())
        })?;
    }
    figure("vipcast undrain to the route's return in both routers", clock::since(asked));
    control.wait(began, "/vips/0", &vip("10.88.0.40", &[Kind::Bird, Kind::Frr]))?;
    watches.iter().try_for_each(Watch::undisturbed)?;
    let silence = probe.silence(asked - MARKED, clock::now())?;
    figure("longest time without an answer meanwhile", silence);
    ensure!(silence < MARKED / 4, "the client heard nothing for {silence:?}");
    Ok(())
}

fn start(site: &mut Site, number: u8, routers: &[&Router], option: &str) -> Result<Rc<Process>> {
    let spec = site.spec(number, routers).flag("bgpPeerOptions", option);
    site.vipcast(number, &spec)
}

/// A drain ends with the process unless it is persistent.
pub(super) fn restart(site: &mut Site) -> Result<()> {
    let [frr, _] = routers(site)?;
    let control = Control::of(site.node(1)?);
    let path = external(node_address(1), None);
    let spec = site.spec(1, &[&frr]);
    let again = |site: &mut Site, former: &Process| -> Result<Rc<Process>> {
        former.term()?;
        former.wait_exit(SOON)?;
        site.vipcast(1, &spec)
    };
    let began = clock::now();
    let vipcast = site.vipcast(1, &spec)?;
    wait_paths(&frr, PREFIX, std::slice::from_ref(&path))?;
    control.order(&["drain"], "n1 is drained: nothing is announced or bound here")?;
    wait_paths(&frr, PREFIX, &[])?;
    let vipcast = again(site, &vipcast)?;
    wait_paths(&frr, PREFIX, std::slice::from_ref(&path))?;

    let kept = "n1 is drained, also after a restart: nothing is announced or bound here";
    control.order(&["drain", "--persistent"], kept)?;
    let vipcast = again(site, &vipcast)?;
    frr.wait_established(node_address(1), SOON)?;
    let lasting = json!({
        "drained": true, "by_hand": true, "persistent": true, "cordoned": false, "since": MASKED, "done": true,
    });
    let mut document = control.wait(began, "/drain", &lasting)?;
    let events = super::take_events(&mut document)?;
    ensure!(!events.iter().any(|event| event.starts_with("address: ") || event.starts_with("route: ")), "{events:#?}");
    wait_paths(&frr, PREFIX, &[])?;
    // What the operator ends is ended for the next process too.
    control.order(&["undrain"], "n1 is not drained")?;
    wait_paths(&frr, PREFIX, std::slice::from_ref(&path))?;
    again(site, &vipcast)?;
    wait_paths(&frr, PREFIX, std::slice::from_ref(&path))
}
