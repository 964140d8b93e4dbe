//! Where the API server and its kubeconfig may be.

use std::fs;

use anyhow::{Result, ensure};

use super::{Kubeadm, START, etc, only_the_first, wait_said, with_etc};
use crate::cluster::Cluster;
use crate::lab::{VIP, node_address};
use crate::parts::apiserver;
use crate::parts::router::{Conf, Kind};
use crate::scenarios::SOON;
use crate::site::PREFIX;

const NAME: &str = "cp.example.org";

/// The endpoint is a name that means the VIP, as kubeadm's `--control-plane-endpoint` may be, at other ports than 6443.
pub(super) fn name_and_port(cluster: &mut Cluster) -> Result<()> {
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let kubeadm = Kubeadm::on(cluster, 1)?;
    let etc = etc(cluster, 1)?;
    fs::write(etc.join("hosts"), format!("127.0.0.1 localhost\n{VIP} {NAME}\n"))?;
    fs::write(etc.join("nsswitch.conf"), "hosts: files\n")?;
    let spec = kubeadm.spec(cluster, 1, &bird)?;
    for port in [8443, 443] {
        let server = format!("https://{NAME}:{port}");
        cluster.pki.kubeconfig(&kubeadm.admin_conf(), &server, &kubeadm.super_admin)?;
        let server = only_the_first(cluster)?;
        server.listen_at(port)?;
        server.wait_ready(START)?;
        let vipcast = with_etc(cluster, 1, &etc, &spec.clone().flag("port", port))?;
        bird.wait_best(PREFIX, node_address(1), SOON)?;
        let by_vip = vipcast.said().lines().any(|line| line.contains("API endpoints in order") && line.contains(NAME));
        ensure!(!by_vip, "vipcast calls the API through its own VIP: {}", vipcast.said());
        vipcast.term()?;
        vipcast.wait_exit(SOON)?;
        bird.wait_gone(PREFIX, None, SOON)?;
    }
    let vipcast = with_etc(cluster, 1, &etc, &spec)?;
    wait_said(&vipcast, &["WARN", "if it listens at 443, give --port 443 (port)"]).map(drop)
}

/// Neither is named: the default is kubeadm's, which is absent.
pub(super) fn k3s_and_rke2(cluster: &mut Cluster) -> Result<()> {
    let bird = cluster.site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let kubeadm = Kubeadm::on(cluster, 1)?;
    let spec = cluster.spec(1, &[&bird])?.without("k8sConfigPath");
    for file in ["rancher/k3s/k3s.yaml", "rancher/rke2/rke2.yaml"] {
        let etc = etc(cluster, 1)?;
        let path = etc.join(file);
        fs::create_dir_all(path.parent().unwrap_or(&etc))?;
        let server = format!("https://127.0.0.1:{}", apiserver::PORT);
        cluster.pki.kubeconfig(&path, &server, &kubeadm.super_admin)?;
        let vipcast = with_etc(cluster, 1, &etc, &spec)?;
        bird.wait_best(PREFIX, node_address(1), SOON)?;
        vipcast.term()?;
        let status = vipcast.wait_exit(SOON)?;
        ensure!(status.code() == Some(0), "vipcast ended with {status}");
        bird.wait_gone(PREFIX, None, SOON)?;
    }
    Ok(())
}
