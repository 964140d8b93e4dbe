//! The testbed without vipcast: a gobgpd on a node announces, all four routers learn it, the client reaches the VIP.
//! Where this fails, no other scenario means anything.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::SOON;
use super::expect::external;
use crate::cluster::Cluster;
use crate::lab::{Cut, NODE_AS, Net, VIP, VIP6, node_address};
use crate::parts::probe::Probe;
use crate::parts::router::{Conf, Kind, Neighbor, Path};
use crate::site::PREFIX;
use crate::{clock, wait};

/// gobgpd takes its time to dial: 5-14 s.
const DIAL: Duration = Duration::from_secs(40);
const PREFIX6: &str = "fd88::40/128";

pub(super) fn play(cluster: &mut Cluster) -> Result<()> {
    let mut routers = Vec::new();
    for kind in Kind::ALL {
        routers.push(cluster.site.router(kind, Conf::new(kind))?);
    }
    let dial = |kind: Kind| Neighbor { asn: kind.asn(), dial: true, ..Neighbor::new(kind.address()) };
    let neighbors = Kind::ALL.into_iter().map(dial).collect();
    let node = cluster.site.node(1)?.clone();
    let conf = Conf { asn: NODE_AS, router_id: Net::Data.v4(11), neighbors, ..Conf::new(Kind::Gobgpd) };
    let speaker = cluster.site.router_on(&node, Kind::Gobgpd, conf)?;
    speaker.originate(PREFIX, node_address(1), 7)?;
    speaker.originate(PREFIX6, IpAddr::V6(Net::Data.v6(11)), 7)?;
    for router in &routers {
        router.wait_best(PREFIX, node_address(1), DIAL)?;
        let local_pref = if router.kind().shows_local_pref() { Some(100) } else { None };
        let expected = Path { local_pref, ..external(node_address(1), Some(7)) };
        let paths = router.paths(PREFIX)?;
        ensure!(paths == [expected], "{} has {paths:?}", router.kind());
        router.wait_best(PREFIX6, IpAddr::V6(Net::Data.v6(11)), SOON)?;
    }
    node.ip(&format!("address add {VIP}/32 dev lo"))?;
    node.ip(&format!("address add {VIP6}/128 dev lo nodad"))?;
    client_gets_through(cluster)?;
    speaker.stop()?;
    for router in &routers {
        router.wait_gone(PREFIX, None, SOON)?;
    }
    Ok(())
}

/// By BIRD and by FRR; not while the node is cut off, and again when it is healed.
fn client_gets_through(cluster: &Cluster) -> Result<()> {
    let node = cluster.site.node(1)?;
    for kind in [Kind::Bird, Kind::Frr] {
        cluster.site.lab.client_via(kind.number())?;
        let by = wait::until(&format!("HTTPS to the VIP by {kind}"), SOON, || cluster.https(IpAddr::V4(VIP)))?;
        ensure!(by == 1, "n{by} answered");
    }
    let probe = Probe::start(&cluster.site.lab.client, IpAddr::V4(VIP), Duration::from_millis(2))?;
    probe.wait_answer(1, Duration::ZERO, SOON)?;
    cluster.site.lab.cut(node, Net::Data, Cut::Both)?;
    let cut = clock::now();
    wait::until("100 ms of silence", SOON, || {
        let silence = probe.silence(cut, clock::now())?;
        ensure!(silence > Duration::from_millis(100), "{silence:?}");
        Ok(())
    })?;
    cluster.site.lab.heal(node, Net::Data, Cut::Both)?;
    probe.wait_answer(1, clock::now(), SOON)?;
    let six = Probe::start(&cluster.site.lab.client, IpAddr::V6(VIP6), Duration::from_millis(2))?;
    wait::until("an answer from the IPv6 VIP", SOON, || six.answers()?.first().copied().context("no answer"))?;
    Ok(())
}
