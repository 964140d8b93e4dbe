//! A leaf-spine fabric on the lab, each router an AS of its own, all of one kind:
//!
//! ```text
//!   n1 ─────── leaf1  AS 65101 ── 10.81.1.0/24 ──┐
//!                                                ├── spine  AS 65100 ── client
//!   n2, n3 ─── leaf2  AS 65102 ── 10.81.2.0/24 ──┘
//! ```
//!
//! The routes of the two racks' nodes meet at the spine, by paths of different neighbour ASes.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::host::Host;
use crate::lab::{Net, VIP, node_address};
use crate::parts::bfd::Bfd;
use crate::parts::router::{Conf, Kind, Neighbor, Path, Router};
use crate::parts::vipcast::Spec;
use crate::site::{PREFIX, Site};
use crate::wait;

const SPINE_AS: u32 = 65100;
/// The spine's number in the client's network.
const SPINE: u8 = 9;
/// Of all routers here, seconds.
const KEEPALIVE: u16 = 2;
/// The nodes' gateway where there is no fabric: BIRD.
const LAB_GATEWAY: u8 = 2;

/// The routers of the fabric; with it goes their part of the nodes' routes.
#[derive(Debug)]
pub struct Fabric {
    /// Of the first rack, n1's, and of the second, n2's and n3's.
    pub leaves: [Rc<Router>; 2],
    /// Between them and the client.
    pub spine: Rc<Router>,
    nodes: Vec<Host>,
    bfd: Option<Bfd>,
}

impl Fabric {
    /// Wires and starts the three routers with this hold time, and BFD between leaves and nodes; the client and the nodes
    /// go through them.
    ///
    /// # Errors
    /// When the kernel refuses something, or a router does not start.
    pub fn build(site: &mut Site, kind: Kind, hold: u16, bfd: Option<Bfd>) -> Result<Self> {
        // A router that believes a session alive finds out by its next KEEPALIVE that the node has forgotten it.
        let keepalive = Some(hold.min(KEEPALIVE * 3) / 3);
        let spine_host = site.lab.forwarding_host("spine", &[(Net::Client, SPINE)])?;
        let neighbors = [1, 2].map(|rack| toward(up(rack, 1), leaf_as(rack), false)).to_vec();
        let leaf_hosts = [1, 2].map(|rack| wire(site, &spine_host, rack));
        let conf =
            Conf { asn: SPINE_AS, router_id: Net::Client.v4(SPINE), hold, keepalive, neighbors, ..Conf::new(kind) };
        let spine = site.router_on(&spine_host, kind, conf)?;
        let mut leaves = Vec::new();
        for (rack, host) in (1..).zip(leaf_hosts) {
            let mut neighbors: Vec<_> =
                nodes_of(rack).iter().map(|&node| Neighbor { bfd, ..Neighbor::new(node_address(node)) }).collect();
            neighbors.push(toward(up(rack, 2), SPINE_AS, true));
            let router_id = leaf_address(rack);
            let conf = Conf { asn: leaf_as(rack), router_id, hold, keepalive, neighbors, ..Conf::new(kind) };
            leaves.push(site.router_on(&host?, kind, conf)?);
        }
        let leaves: [Rc<Router>; 2] = leaves.try_into().ok().context("two leaves")?;
        let fabric = Self { leaves, spine, nodes: site.lab.nodes.clone(), bfd };
        for (node, number) in fabric.nodes.iter().zip(1..) {
            node.ip(&format!("route replace default via {}", leaf_address(rack_of(number))))?;
        }
        site.lab.client_via(SPINE)?;
        for rack in [1, 2] {
            fabric.spine.wait_established(up(rack, 1), Duration::from_secs(20))?;
        }
        Ok(fabric)
    }

    /// The flags of a node with its own leaf as only peer.
    #[must_use]
    pub fn peered(&self, spec: Spec, node: u8) -> Spec {
        let rack = rack_of(node);
        let bfd =
            self.bfd.map(|Bfd { tx, rx, multiplier }| format!(":::true;{rx};{tx};{multiplier}")).unwrap_or_default();
        spec.peer_text(format!("{}:{}::false{bfd}", leaf_address(rack), leaf_as(rack)))
    }

    /// The leaf of a node's rack.
    #[must_use]
    pub fn leaf_of(&self, node: u8) -> &Rc<Router> {
        let [first, second] = &self.leaves;
        if rack_of(node) == 1 { first } else { second }
    }

    /// Fails unless every router's best path leads to this node: its leaf's straight there, the spine's to that leaf, the
    /// other leaf's to the spine. Returns the paths in that order.
    ///
    /// # Errors
    /// Says which router forwards where instead.
    pub fn expect_all_toward(&self, node: u8) -> Result<[Path; 3]> {
        let (rack, other) = (rack_of(node), 3 - rack_of(node));
        let [first, second] = &self.leaves;
        let (own, far) = if rack == 1 { (first, second) } else { (second, first) };
        let best = |router: &Router, next_hop: IpAddr| -> Result<Path> {
            let paths = router.paths(PREFIX)?;
            let best = paths.iter().find(|path| path.best && path.next_hop == next_hop).cloned();
            best.with_context(|| format!("{} has {paths:?}", router.host().name()))
        };
        Ok([best(own, node_address(node))?, best(&self.spine, up(rack, 1))?, best(far, up(other, 2))?])
    }

    /// Waits for that.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn wait_all_toward(&self, node: u8, within: Duration) -> Result<[Path; 3]> {
        wait::until(&format!("leaves and spine to forward to n{node}"), within, || self.expect_all_toward(node))
    }

    /// Fails unless a node's route still stands at its leaf, in use or not.
    ///
    /// # Errors
    /// When it is gone.
    pub fn expect_standing(&self, node: u8, best: bool) -> Result<()> {
        let leaf = self.leaf_of(node);
        let paths = leaf.paths(PREFIX)?;
        let stands = paths.iter().any(|path| path.next_hop == node_address(node) && path.best == best);
        ensure!(stands, "of n{node} {} has {paths:?}", leaf.host().name());
        Ok(())
    }

    /// Where the client's packets to the VIP go: the rack that the spine forwards to.
    ///
    /// # Errors
    /// When it has no route.
    pub fn spine_toward(&self) -> Result<u8> {
        let best = self.spine.best(PREFIX)?.with_context(|| format!("the spine has no route to {VIP}"))?;
        [1, 2].into_iter().find(|&rack| best.next_hop == up(rack, 1)).with_context(|| format!("{best:?}"))
    }
}

impl Drop for Fabric {
    fn drop(&mut self) {
        for node in &self.nodes {
            let _ = node.ip(&format!("route replace default via {}", Net::Data.v4(LAB_GATEWAY)));
        }
    }
}

/// A leaf's host on its rack's network, wired to the spine.
fn wire(site: &Site, spine: &Host, rack: u8) -> Result<Host> {
    let device = format!("leaf{rack}");
    let leaf = site.lab.forwarding_host(&device, &[(Net::Data, 20 + rack)])?;
    site.lab.cable(&leaf, spine, &device)?;
    for (host, end) in [(&leaf, 1), (spine, 2)] {
        host.ip(&format!("address add {}/24 dev {device}", up(rack, end)))?;
    }
    leaf.ip(&format!("route add {}/24 via {}", Net::Client.v4(0), up(rack, 2)))?;
    Ok(leaf)
}

/// One router's view of another; routes of the nodes are passed on.
fn toward(address: IpAddr, asn: u32, dial: bool) -> Neighbor {
    Neighbor { asn, dial, transit: true, ..Neighbor::new(address) }
}

/// The ends of a rack's uplink: 1 is the leaf's, 2 the spine's.
fn up(rack: u8, end: u8) -> IpAddr {
    IpAddr::from([10, 81, rack, end])
}

fn leaf_as(rack: u8) -> u32 {
    SPINE_AS + u32::from(rack)
}

fn leaf_address(rack: u8) -> Ipv4Addr {
    Net::Data.v4(20 + rack)
}

fn nodes_of(rack: u8) -> &'static [u8] {
    if rack == 1 { &[1] } else { &[2, 3] }
}

fn rack_of(node: u8) -> u8 {
    if node == 1 { 1 } else { 2 }
}
