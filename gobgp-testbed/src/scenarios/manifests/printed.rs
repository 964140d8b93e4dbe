//! A static pod from the command line to the route.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};

use super::{documents, kubelet, run};
use crate::cluster::Cluster;
use crate::lab::{VIP, node_address};
use crate::parts::router::{Conf, Kind};
use crate::process::Process;
use crate::scenarios::SOON;
use crate::site::PREFIX;
use crate::wait;

const PASSWORD: &str = "Sesame: open, please";
const FILE: &str = "/etc/kubernetes/vipcast/bgp-10.77.0.2";

/// Printed where nothing of it exists; started with its own capabilities on three nodes, its secrets where the standard
/// error says; probed, drained and ended as kubelet does.
pub(super) fn printed(cluster: &mut Cluster) -> Result<()> {
    let (yaml, said) = run(
        &cluster.site.lab.ops,
        &[
            "manifest",
            "pod",
            "--interface",
            "lo",
            "--address",
            "10.88.0.40",
            "--controlplane",
            "--bgp",
            "--leaderElection",
            "--localAS",
            "65000",
            "--bgppeers",
            "10.77.0.1:65001::false",
            "--peerAddress",
            "10.77.0.2",
            "--peerAS",
            "65002",
            "--peerPass",
            PASSWORD,
            "--bgpPeerOptions",
            "10.77.0.1;bfd",
        ],
    )?;
    ensure!(!(yaml.clone() + &said).contains("Sesame"), "a password is printed:\n{yaml}\n{said}");
    ensure!(said.contains(&format!("sudo install -m 0600 /dev/stdin {FILE} ")), "it does not say where to:\n{said}");
    let pod = documents(&yaml)?.into_iter().next().context("nothing printed")?;

    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let mut conf = Conf::new(Kind::Bird);
    conf.neighbors.iter_mut().for_each(|neighbor| neighbor.password = Some(PASSWORD.to_owned()));
    let bird = cluster.site.router(Kind::Bird, conf)?;
    let mut nodes = Vec::new();
    for number in 1..=3 {
        let kubelet = kubelet(cluster, number)?;
        let refused = kubelet.start(&pod).err().map(|error| error.to_string()).unwrap_or_default();
        ensure!(refused.contains("is not a directory"), "it is started without its secrets: {refused:?}");
        kubelet.write(FILE, &format!("{PASSWORD}\n"))?;
        let process = kubelet.start(&pod)?;
        nodes.push((kubelet, process));
    }
    let leader = cluster.wait_leader(SOON)?;
    gobgpd.wait_best(PREFIX, node_address(leader), SOON)?;
    bird.wait_best(PREFIX, node_address(leader), SOON)?;
    cluster.site.node(leader)?.expect_address("lo", IpAddr::V4(VIP), true)?;
    for (kubelet, process) in &nodes {
        let ready = || kubelet.exec(process, &["/vipcast", "status", "--ready"]);
        wait::until("the readiness probe", SOON, ready)?;
        let said = process.said();
        ensure!(said.contains("BFD runs with real-time scheduling"), "SYS_NICE is not enough:\n{said}");
        ensure!(!said.contains("Sesame"), "a password is in the log");
    }
    let (_, process) = nodes.get(usize::from(leader) - 1).context("no such node")?;
    end_of_leader(cluster, leader, process)?;
    without_api(cluster, &nodes)
}

/// SIGTERM, within the time that the pod has for it.
fn end_of_leader(cluster: &Cluster, leader: u8, process: &Process) -> Result<()> {
    process.term()?;
    let status = process.wait_exit(std::time::Duration::from_secs(30))?;
    ensure!(status.code() == Some(0), "vipcast ended with {status}");
    cluster.wait_holder_other_than(leader, SOON).map(|_| ())
}

/// A node is unready while no API server answers, and its process is alive all the same.
fn without_api(cluster: &mut Cluster, nodes: &[(crate::parts::kubelet::Kubelet, Process)]) -> Result<()> {
    cluster.servers.iter_mut().for_each(crate::parts::apiserver::ApiServer::kill);
    let running = nodes.iter().filter(|(_, process)| process.alive().is_ok());
    for (kubelet, process) in running {
        wait::until("the readiness probe to fail", SOON, || {
            let said = kubelet.exec(process, &["/vipcast", "status", "--ready"]).err().context("it is ready")?;
            ensure!(format!("{said:#}").contains("is not ready to serve, it is unfit"), "{said:#}");
            Ok(())
        })?;
        kubelet.exec(process, &["/vipcast", "status"]).context("the liveness probe")?;
    }
    Ok(())
}
