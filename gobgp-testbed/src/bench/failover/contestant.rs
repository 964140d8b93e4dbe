//! Who is on the nodes, and what it is told.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::lab::{NODE_AS, Net, VIP};
use crate::parts::outlook::{self, Outlook};
use crate::parts::router::Kind;
use crate::paths;

/// The hold time on both sides, in seconds.
pub(super) const HOLD: u16 = 9;

/// A program that takes kube-vip's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contestant {
    /// What the tables call it.
    pub name: String,
    pub program: PathBuf,
    /// Whether those who do not lead announce too, and BFD tells the routers who died.
    pub standby: bool,
}

impl Contestant {
    /// vipcast's two ways.
    pub(super) fn vipcasts() -> Result<Vec<Self>> {
        let program = paths::vipcast()?;
        let one = |name: &str, standby| Self { name: name.to_owned(), program: program.clone(), standby };
        Ok(vec![one("vipcast", false), one("vipcast with standby", true)])
    }

    /// Its peers.
    pub(super) fn routers(&self) -> &'static [Kind] {
        if self.standby { &[Kind::Bird, Kind::Frr] } else { &[Kind::Gobgpd, Kind::Bird, Kind::Frr] }
    }

    /// What kube-vip would be told on this node.
    pub(super) fn environment(&self, number: u8, kubeconfig: &Path) -> Vec<(&'static str, String)> {
        let bfd = if self.standby { ":::179::true;50;50;3" } else { "::false" };
        let peer = |router: &Kind| format!("{}:{}{bfd}", router.address(), router.asn());
        let peers: Vec<String> = self.routers().iter().map(peer).collect();
        let mut all = vec![
            ("vip_arp", "false".to_owned()),
            ("cp_enable", "true".to_owned()),
            ("bgp_enable", "true".to_owned()),
            ("address", VIP.to_string()),
            ("port", "6443".to_owned()),
            ("vip_interface", "lo".to_owned()),
            ("vip_subnet", "32".to_owned()),
            ("vip_nodename", format!("n{number}")),
            ("bgp_as", NODE_AS.to_string()),
            ("bgp_routerid", Net::Data.v4(10 + number).to_string()),
            ("bgp_peers", peers.join(",")),
            ("bgp_hold_time", HOLD.to_string()),
            ("bgp_keepalive_interval", (HOLD / 3).to_string()),
            ("vip_leaderelection", "true".to_owned()),
            ("vip_leaseduration", "5".to_owned()),
            ("vip_renewdeadline", "3".to_owned()),
            ("vip_retryperiod", "1".to_owned()),
            ("cp_namespace", "kube-system".to_owned()),
            ("k8s_config_file", kubeconfig.display().to_string()),
        ];
        if self.standby {
            all.push(("bgp_standby", "true".to_owned()));
        }
        all
    }

    /// What vipcast foretells of this configuration.
    pub(super) fn outlook(&self) -> Result<Outlook> {
        let mut command = Command::new(&self.program);
        let environment = self.environment(1, Path::new("/etc/kubernetes/admin.conf"));
        let output = command.args(["check", "--offline"]).env_clear().envs(environment).output()?;
        let said = String::from_utf8(output.stdout)?;
        ensure!(output.status.code() != Some(1), "vipcast check ended with {}:\n{said}", output.status);
        outlook::parse(&said)
    }
}
