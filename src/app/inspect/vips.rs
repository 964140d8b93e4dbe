//! The VIPs: nobody else's, and in no network of this host.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Check, Verdict};
use crate::bgp::is_on_our_link;
use crate::config::Config;
use crate::net::Addresses;

/// How long somebody else at the VIP may take to answer.
const LIMIT: Duration = Duration::from_secs(1);

pub(super) async fn look(config: &Config) -> Vec<Check> {
    let vips: BTreeSet<IpAddr> = config.vips.iter().map(|vip| vip.address()).collect();
    let addresses = match Addresses::new(config.interface.as_deref()).await {
        Ok(addresses) => addresses,
        Err(error) => return vec![Check::new("addresses", Verdict::Wrong, format!("failed to {error}"))],
    };
    let (all, leftovers) = match (addresses.all().await, addresses.leftovers(&vips).await) {
        (Ok(all), Ok(leftovers)) => (all, leftovers),
        (Err(error), _) | (_, Err(error)) => {
            return vec![Check::new("addresses", Verdict::Wrong, format!("failed to {error}"))];
        }
    };
    let mut checks = Vec::new();
    for vip in vips {
        checks.push(one(config, vip, all.contains(&vip) || leftovers.contains(&vip)).await);
    }
    checks
}

async fn one(config: &Config, vip: IpAddr, is_here: bool) -> Check {
    let check = format!("VIP {vip}");
    if is_here {
        return Check::new(
            check,
            Verdict::Warning,
            "is bound here already: by a running vipcast or kube-vip, or left over",
        )
        .remedy("vipcast takes it over where it is on its own interface");
    }
    if is_on_our_link(vip).unwrap_or_default() {
        return Check::new(
            check,
            Verdict::Warning,
            "is in a network of this host: its neighbours ask for it by ARP or NDP",
        )
        .remedy("in BGP only routers learn of it: take an address of no network");
    }
    let at = SocketAddr::new(vip, config.api_port);
    match timeout(LIMIT, TcpStream::connect(at)).await {
        Ok(Ok(_)) if config.election.is_some() => {
            Check::good(check, format!("answers at port {}: whoever holds the lease below has it", config.api_port))
        }
        Ok(Ok(_)) => Check::new(check, Verdict::Warning, format!("answers at port {} from elsewhere", config.api_port))
            .remedy("another node of this cluster may announce it; else it is in use"),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            Check::new(check, Verdict::Warning, format!("some host has it, and refuses port {}", config.api_port))
                .remedy("it is in use by another host, unless a node of this cluster has a dead API server")
        }
        Ok(Err(_)) | Err(_) => Check::good(check, "nobody answers at it"),
    }
}
