//! Without election: what the check says is what the routers hear.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cluster::Cluster;
use crate::lab::{NODE_AS, VIP, node_address};
use crate::parts::healthz::{Answer, Healthz};
use crate::parts::pki::Pki;
use crate::parts::router::{Conf, Kind, Path, Router};
use crate::parts::vipcast::Spec;
use crate::process::Process;
use crate::scenarios::SOON;
use crate::scenarios::expect::{Undo, Watch, external, figure, timed, wait_equal, wait_paths};
use crate::site::{PREFIX, Site};
use crate::{clock, wait};

const ADDRESS: &str = "controlPlaneHealthCheckAddress";
const LO: &str = "lo";
const VIP_ADDRESS: IpAddr = IpAddr::V4(VIP);
/// The API server's port.
const API: u16 = crate::parts::apiserver::PORT;
/// How long one connection is watched.
const WATCHED: Duration = Duration::from_secs(5);

/// A check a second of the scenario's own server.
fn checked(site: &Site, number: u8, routers: &[&Router]) -> Spec {
    let spec = site.spec(number, routers).flag(ADDRESS, Healthz::url());
    spec.flag("controlPlaneHealthCheckPeriodSeconds", 1).flag("controlPlaneHealthCheckTimeoutSeconds", 1)
}

/// One node, one BIRD, one server that answers as it is told.
pub(in crate::scenarios) fn answers(site: &mut Site) -> Result<()> {
    let bird = site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let node = site.node(1)?.clone();
    let server = Healthz::start(&node, Answer::Bad)?;
    let vipcast = site.vipcast(1, &checked(site, 1, &[&bird]))?;
    bird.wait_established(node_address(1), SOON)?;
    let log = vipcast.log().clone();
    log.wait_line(0, &["unfit to serve", "500 Internal Server Error: etcd failed: reason withheld"], SOON)?;
    ensure!(bird.paths(PREFIX)?.is_empty(), "an unfit node announces");
    let session = Watch::new(&vipcast, bird.kind().address());
    timed(
        "at start, from the first good answer to the route",
        || server.set(Answer::Good),
        || wait_equal(&bird, &[1]),
    )?;
    for (answer, words) in [
        (Answer::Bad, "500 Internal Server Error"),
        (Answer::Redirect, "302 Found: redirects are not followed"),
        (Answer::Never, "no answer within 1s"),
    ] {
        let mark = log.mark();
        timed(&format!("{answer:?} to no route"), || server.set(answer), || bird.wait_gone(PREFIX, None, SOON))?;
        log.wait_line(mark, &["unfit to serve", words], SOON)?;
        wait::until("the address to go", SOON, || node.expect_address(LO, VIP_ADDRESS, false))?;
        timed(&format!("{answer:?} over to the route"), || server.set(Answer::Good), || wait_equal(&bird, &[1]))?;
        node.expect_address(LO, VIP_ADDRESS, true)?;
    }
    session.undisturbed()?;
    // One connection for all answers, and one more after each check that was given up.
    let (connections, answers) = server.counts();
    println!("    figure: {answers} answers on {connections} connections");
    ensure!(connections <= 2 + 4 && answers > 10, "{answers} answers on {connections} connections");
    vipcast.alive()
}

/// Two nodes, both unfit.
pub(in crate::scenarios) fn all_unfit(site: &mut Site) -> Result<()> {
    let gobgpd = site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let frr = site.router(Kind::Frr, Conf::new(Kind::Frr))?;
    let routers = [&gobgpd, &frr];
    let servers = [Healthz::start(site.node(1)?, Answer::Good)?, Healthz::start(site.node(2)?, Answer::Good)?];
    let [first, second] = &servers;
    let peers: Vec<&Router> = routers.iter().map(|router| router.as_ref()).collect();
    let one = site.vipcast(1, &checked(site, 1, &peers))?;
    let two = site.vipcast(2, &checked(site, 2, &peers).switch("controlPlaneHealthCheckFailOpen"))?;
    routers.iter().try_for_each(|router| wait_equal(router, &[1, 2]))?;
    // The one that fails open is unfit: its route is there, and loses.
    second.set(Answer::Bad)?;
    for router in routers {
        let fit = Path { best: true, ..external(node_address(1), None) };
        wait_paths(router, PREFIX, &[fit, last_resort(2, false)])?;
    }
    // Nobody is fit: the one that does not is silent, the other's route is all there is.
    first.set(Answer::Bad)?;
    routers.iter().try_for_each(|router| wait_paths(router, PREFIX, &[last_resort(2, true)]))?;
    site.node(1)?.expect_address(LO, VIP_ADDRESS, false)?;
    site.node(2)?.expect_address(LO, VIP_ADDRESS, true)?;
    // Without it nobody announces.
    two.term()?;
    routers.iter().try_for_each(|router| router.wait_gone(PREFIX, None, SOON))?;
    first.set(Answer::Good)?;
    routers.iter().try_for_each(|router| wait_equal(router, &[1]))?;
    one.alive()
}

/// The route of a node that is not fit, but fails open: worse in length and MED.
fn last_resort(number: u8, best: bool) -> Path {
    let as_path = vec![NODE_AS; 7];
    Path { as_path, best, ..external(node_address(number), Some(u32::MAX)) }
}

/// The default check, with the kubeconfig for its authority.
pub(super) fn with_own_check(cluster: &Cluster, number: u8, routers: &[&Router]) -> Result<Spec> {
    let spec = cluster.site.spec(number, routers).without(ADDRESS);
    Ok(spec.flag("k8sConfigPath", cluster.kubeconfig(number)?.display()))
}

pub(in crate::scenarios) fn own_api(cluster: &mut Cluster) -> Result<()> {
    let bird = cluster.site.router(Kind::Bird, Conf { multipath: true, ..Conf::new(Kind::Bird) })?;
    let mut vipcasts: Vec<Rc<Process>> = Vec::new();
    for number in [1, 2] {
        let spec = with_own_check(cluster, number, &[&bird])?;
        vipcasts.push(cluster.site.vipcast(number, &spec)?);
    }
    wait_equal(&bird, &[1, 2])?;
    let sessions: Vec<Watch<'_>> = vipcasts.iter().map(|vipcast| Watch::new(vipcast, bird.kind().address())).collect();
    one_connection(cluster)?;
    let server = cluster.servers.get_mut(0).context("no API server")?;
    timed(
        "API server killed to no route",
        || {
            server.kill();
            Ok(())
        },
        || wait_equal(&bird, &[2]),
    )?;
    let node = cluster.site.node(1)?.clone();
    wait::until("the address to go", SOON, || node.expect_address(LO, VIP_ADDRESS, false))?;
    cluster.servers.get_mut(0).context("no API server")?.restart()?;
    let server = cluster.servers.first().context("no API server")?;
    server.wait_ready(SOON * 4)?;
    let ready = clock::now();
    wait_equal(&bird, &[1, 2])?;
    figure("API server ready to the route", clock::since(ready));
    let server = cluster.servers.get(1).context("no API server")?;
    timed("API server frozen to no route", || server.process()?.freeze(), || wait_equal(&bird, &[1]))?;
    timed("API server thawed to the route", || server.process()?.thaw(), || wait_equal(&bird, &[1, 2]))?;
    sessions.iter().try_for_each(Watch::undisturbed)
}

/// Counts the connections that checks make while all is well.
fn one_connection(cluster: &Cluster) -> Result<()> {
    let node = cluster.site.node(1)?;
    let _rules = Undo::table(
        node,
        &format!(
            "counter made {{ }}; counter used {{ }}; chain out {{ type filter hook output priority 0; \
             ip daddr 127.0.0.1 tcp dport {API} tcp flags & (syn|ack) == syn counter name made; \
             ip daddr 127.0.0.1 tcp dport {API} tcp flags & psh == psh counter name used; }}"
        ),
    )?;
    let packets = |name: &str| -> Result<u64> {
        let text = node.exec("nft", &["list", "counter", "inet", "scenario", name])?;
        let words: Vec<&str> = text.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "packets").context("no counter")?;
        Ok(words.get(at + 1).context("no counter")?.parse()?)
    };
    let asked = Duration::from_secs(WATCHED.as_secs() - 1).as_secs();
    wait::until("some checks", SOON, || {
        let used = packets("used")?;
        ensure!(used >= asked, "{used} requests");
        Ok(())
    })?;
    let made = packets("made")?;
    println!("    figure: {} requests on {made} new connections", packets("used")?);
    ensure!(made == 0, "{made} connections were made for {asked} checks");
    Ok(())
}

/// What cannot be verified is said to be a fault, and the node announces nothing.
pub(in crate::scenarios) fn certificate(cluster: &mut Cluster) -> Result<()> {
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let stranger = Pki::create(&cluster.site.lab.run.dir().join("stranger"))?;
    let good = with_own_check(cluster, 1, &[&bird])?;
    let absent = |spec: Spec| spec.flag("k8sConfigPath", "/nowhere/admin.conf");
    let authority = |spec: Spec, path: &std::path::Path| spec.flag("controlPlaneHealthCheckCAPath", path.display());
    let cases = [
        (authority(good.clone(), &stranger.authority), vec!["invalid peer certificate: ", "CAPath"]),
        (good.clone().flag("controlPlaneHealthCheckServerName", "other.example"), vec!["not valid for name", "other"]),
        (
            absent(good.clone()),
            vec!["there is no kubeconfig /nowhere/admin.conf", "CAPath", "pki/ca.crt", "Address off"],
        ),
    ];
    for (spec, words) in cases {
        let vipcast = cluster.site.vipcast(1, &spec)?;
        bird.wait_established(node_address(1), SOON)?;
        let words = [vec!["ERROR", "cannot be made as it is configured"], words].concat();
        vipcast.log().wait_line(vipcast.began(), &words, SOON)?;
        ensure!(bird.paths(PREFIX)?.is_empty(), "it announces what it cannot verify");
        vipcast.kill();
    }
    // No kubeconfig, but an authority: nothing of Kubernetes but the API server itself is needed. And none at all.
    for spec in [authority(absent(good.clone()), &cluster.pki.authority), absent(good).flag(ADDRESS, "off")] {
        let vipcast = cluster.site.vipcast(1, &spec)?;
        wait_equal(&bird, &[1])?;
        vipcast.kill();
        bird.wait_gone(PREFIX, None, SOON)?;
    }
    Ok(())
}
