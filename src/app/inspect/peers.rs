//! The peers: whether they answer, and whether another speaker has them already.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use futures::future::join_all;

use super::{Check, Verdict};
use crate::app::speaking;
use crate::bgp::{PeerSettings, Reach, SpeakerConfig, reach};
use crate::config::{Config, Connect, PeerConfig};
use crate::net::{Addresses, Identity, router_id};

/// How long a router may take to answer a SYN.
const LIMIT: Duration = Duration::from_secs(3);

pub(super) async fn look(config: &Config) -> Vec<Check> {
    if config.bgp.peers.is_empty() {
        let text = "the peers come from a provider, which is not asked here";
        return vec![Check::new("peers", Verdict::Unknown, text)];
    }
    let mut checks = vec![identity(config).await];
    let sessions = sessions();
    let id = config.bgp.router_id.unwrap_or(Ipv4Addr::LOCALHOST);
    let speaker = speaking::settings(config, id);
    let (speaker, sessions) = (&speaker, &sessions);
    let one = |(peer, settings): (&'_ PeerConfig, &'_ PeerSettings)| {
        let (peer, settings) = (peer.clone(), settings.clone());
        async move {
            let check = format!("peer {}", peer.name());
            let at = peer.host.address().map(|address| SocketAddr::new(address, peer.port));
            match at.and_then(|at| sessions.get(&at)) {
                Some(owner) => taken(check, owner),
                None => dial(check, &peer, &settings, speaker).await,
            }
        }
    };
    checks.extend(join_all(config.bgp.peers.iter().zip(&speaker.peers).map(one)).await);
    checks
}

async fn identity(config: &Config) -> Check {
    let name = "router ID";
    if let Some(id) = config.bgp.router_id {
        return Check::good(name, id.to_string());
    }
    let vips: Vec<IpAddr> = config.vips.iter().map(|vip| vip.address()).collect();
    let peers: Vec<IpAddr> = config.bgp.peers.iter().filter_map(|peer| peer.host.address()).collect();
    let all = match Addresses::new(config.interface.as_deref()).await {
        Ok(addresses) => addresses.all().await.unwrap_or_default(),
        Err(_) => Default::default(),
    };
    match router_id(Identity::find(&peers, &all, &vips)) {
        Some(id) => Check::good(name, format!("{id}, derived from the node's addresses")),
        None => Check::new(name, Verdict::Wrong, "this host has neither an IPv4 nor a global IPv6 address")
            .remedy("set --bgpRouterID (bgp_routerid)"),
    }
}

fn taken(check: String, owner: &str) -> Check {
    match owner {
        "vipcast" => Check::good(check, "has a session with the vipcast that runs here; not dialled"),
        "kube-vip" => {
            Check::new(check, Verdict::Warning, "has a session with the kube-vip that runs here; not dialled")
                .remedy("stop kube-vip before vipcast starts: a router takes one session per pair of addresses")
        }
        owner => Check::new(
            check,
            Verdict::Wrong,
            format!("has a session with {owner} on this host already; not dialled"),
        )
        .remedy(
            "a router takes one session per pair of addresses (MetalLB, Calico and Cilium speak BGP too): give vipcast \
                 another address by --sourceIP, or another peer",
        ),
    }
}

async fn dial(check: String, peer: &PeerConfig, settings: &PeerSettings, speaker: &SpeakerConfig) -> Check {
    if peer.host.address().is_none() {
        return Check::new(check, Verdict::Unknown, "its router is found by its announcements once vipcast runs");
    }
    if peer.connect == Connect::Passive {
        return Check::new(check, Verdict::Unknown, "it dials us once vipcast runs");
    }
    match reach(settings, speaker, LIMIT).await {
        Ok(Reach::Answers { from }) => Check::good(check, format!("answers, from {from}")),
        Ok(Reach::OutOfReach) => {
            Check::new(check, Verdict::Wrong, "is on no network of this node, and our packets pass no router (TTL 1)")
                .remedy("give --multihop, or true in its fourth field of --bgppeers")
        }
        Ok(Reach::Refused) => Check::new(check, Verdict::Wrong, "refuses: nothing listens there for this address")
            .remedy("configure this node as a neighbour of the router, or mend the port"),
        Ok(Reach::Silent) if peer.password.is_some() => {
            Check::new(check, Verdict::Wrong, format!("does not answer within {} s", LIMIT.as_secs())).remedy(
                "the router has no or another TCP-MD5 password for this node, or a filter drops it; `vipcast status` \
                 tells them apart once vipcast runs",
            )
        }
        Ok(Reach::Silent) => Check::new(check, Verdict::Wrong, format!("does not answer within {} s", LIMIT.as_secs()))
            .remedy("it is down, filtered, or wants a TCP-MD5 password"),
        Ok(Reach::Failed(why)) => Check::new(check, Verdict::Wrong, format!("cannot be reached: {why}")),
        Err(error) => Check::new(check, Verdict::Wrong, format!("failed to {error}")),
    }
}

/// Who on this host has a TCP connection to which address and port: the process's name.
fn sessions() -> BTreeMap<SocketAddr, String> {
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let established: Vec<(SocketAddr, u64)> =
        tables.iter().flat_map(|table| table.lines().filter_map(connection)).collect();
    if established.is_empty() {
        return BTreeMap::new();
    }
    let owners = owners();
    let owner = |inode: &u64| owners.get(inode).cloned().unwrap_or_else(|| "another process".to_owned());
    established.iter().map(|(remote, inode)| (*remote, owner(inode))).collect()
}

/// An established connection of `/proc/net/tcp`: the other end, and the socket's inode.
fn connection(line: &str) -> Option<(SocketAddr, u64)> {
    const ESTABLISHED: &str = "01";
    let words: Vec<&str> = line.split_whitespace().collect();
    let (remote, state, inode) = (words.get(2)?, words.get(3)?, words.get(9)?);
    (*state == ESTABLISHED).then_some(())?;
    let (address, port) = remote.split_once(':')?;
    Some((SocketAddr::new(in_hex(address)?, u16::from_str_radix(port, 16).ok()?), inode.parse().ok()?))
}

/// An address as the kernel prints it: 32-bit words in the host's byte order.
fn in_hex(text: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match text.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let octets: [u8; 16] = words.concat().try_into().ok()?;
            let v6 = Ipv6Addr::from(octets);
            Some(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4))
        }
        _ => None,
    }
}

/// The names of processes by the inodes of their sockets; only of those that we may look at.
fn owners() -> BTreeMap<u64, String> {
    let mut owners = BTreeMap::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        let inodes = files.flatten().filter_map(|file| socket_inode(&fs::read_link(file.path()).ok()?));
        let inodes: Vec<u64> = inodes.collect();
        if inodes.is_empty() {
            continue;
        }
        let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default().trim().to_owned();
        owners.extend(inodes.into_iter().map(|inode| (inode, name.clone())));
    }
    owners
}

fn socket_inode(link: &Path) -> Option<u64> {
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn reads_the_kernels_table_of_connections() {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
        let up = "   1: 0B004D0A:A0E6 01004D0A:00B3 01 00000000:00000000 02:000A8B6C 00000000     0        0 41235 2";
        let syn = up.replace(" 01 ", " 02 ");
        assert_eq!([head, up, &syn].map(connection), [None, Some(("10.77.0.1:179".parse().unwrap(), 41235)), None]);
        let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        assert_eq!(in_hex("B80D0120000000000000000001000000"), address("2001:db8::1"));
        assert_eq!(in_hex("0000000000000000FFFF00000100000A"), address("10.0.0.1"));
        assert_eq!(in_hex("0A"), None);
        assert_eq!(socket_inode(Path::new("socket:[41235]")), Some(41235));
        assert_eq!(socket_inode(Path::new("/dev/null")), None);
    }
}
