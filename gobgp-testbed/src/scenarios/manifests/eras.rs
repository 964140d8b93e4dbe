//! kube-vip's manifests, as they were written for it.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::{account, documents, golden, kubelet};
use crate::cluster::Cluster;
use crate::lab::node_address;
use crate::parts::kubelet::Kubelet;
use crate::parts::router::{Conf, Kind};
use crate::scenarios::SOON;
use crate::site::PREFIX;

/// The golden inputs, each with what it must say in its log.
const ERAS: [(&str, &[&str]); 6] = [
    ("0.1-start-config", &[]),
    ("0.3-start", &[]),
    ("0.3.7-manager", &[]),
    ("0.3.7-daemonset", &[]),
    ("1.2.3-pod", &[]),
    ("1.2.3-daemonset", &[]),
];

/// Each is started on a node, announces, and leaves in good order.
pub(super) fn eras(cluster: &mut Cluster) -> Result<()> {
    let gobgpd = cluster.site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let mut conf = Conf::new(Kind::Bird);
    conf.neighbors.iter_mut().for_each(|neighbor| neighbor.password = Some("Sesame".to_owned()));
    let bird = cluster.site.router(Kind::Bird, conf)?;
    for (file, words) in ERAS {
        let text = fs::read_to_string(golden(&format!("inputs/{file}.yaml")))?;
        let object = documents(&text)?.into_iter().next().context("an empty file")?;
        let kubelet = node(cluster, &text)?;
        let process = kubelet.start(&object).with_context(|| file.to_owned())?;
        let look = || -> Result<()> {
            gobgpd.wait_best(PREFIX, node_address(1), SOON)?;
            if text.contains("Sesame") {
                bird.wait_best(PREFIX, node_address(1), SOON)?;
            }
            let said = process.said();
            let missing = words.iter().find(|words| !said.contains(**words));
            ensure!(missing.is_none(), "it does not say {missing:?}");
            process.term()?;
            let status = process.wait_exit(SOON)?;
            ensure!(status.code() == Some(0), "it ended with {status}");
            gobgpd.wait_gone(PREFIX, None, SOON)
        };
        look().with_context(|| format!("{file}:\n{}", process.said()))?;
    }
    println!("    figure: {} manifests of kube-vip, from 0.1 to 1.2.3, run with the image changed alone", ERAS.len());
    Ok(())
}

/// Node 1 with the files that the manifest mounts; one that mounts no kubeconfig has a service account.
fn node(cluster: &Cluster, text: &str) -> Result<Kubelet> {
    let kubelet = kubelet(cluster, 1)?;
    kubelet.write("/etc/kube-vip/config.yaml", &fs::read_to_string(golden("inputs/0.1-config.yaml"))?)?;
    if text.contains("admin.conf") {
        return Ok(kubelet);
    }
    // The static pods of that time had none either; kube-vip's role for whoever it is.
    cluster.api(1)?.grant_kube_vip_role_to("kube-vip")?;
    Ok(kubelet.account(account(cluster, "kube-vip", 1)?))
}
