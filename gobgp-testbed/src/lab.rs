//! The hosts wired together.
//!
//! ```text
//!   n1 n2 n3 ──┬── management 10.78.0.0/24 ── ops, etcd           (API servers, etcd)
//!              └── data 10.77.0.0/24 ──┬── gobgp  .1  AS 65001
//!                                      ├── bird   .2  AS 65002 ──┐
//!                                      ├── frr    .3  AS 65003 ──┴── client 10.79.0.0/24 ── client
//!                                      ├── openbgpd .4  AS 65004
//!                                      ├── exabgp .5  AS 65005
//!                                      └── middle .9 ── far 10.80.0.0/24 ── a peer two hops away
//! ```
//!
//! All links end in bridges of the host `fabric`, so that a link can be cut without its ends losing carrier.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;

use crate::host::Host;
use crate::run::Run;

/// The VIP of all scenarios, outside every network of the lab.
pub const VIP: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 40);
/// Its IPv6 twin.
pub const VIP6: Ipv6Addr = Ipv6Addr::new(0xfd88, 0, 0, 0, 0, 0, 0, 0x40);
/// The nodes' AS number.
pub const NODE_AS: u32 = 65000;
/// Node `n` sends with TTL `n` × 10 + 100 when nothing else is set: the client sees who answers a ping.
const NODE_TTL_STEP: u8 = 10;

/// The networks that a node is in.
const NODE_NETS: [Net; 2] = [Net::Data, Net::Management];

/// One of the lab's networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Net {
    /// Nodes and routers: BGP and the traffic to the VIP.
    Data,
    /// Nodes, etcd and the testbed's own API calls.
    Management,
    /// The client and the routers that forward.
    Client,
    /// Behind the middle router.
    Far,
}

impl Net {
    const ALL: [Self; 4] = [Self::Data, Self::Management, Self::Client, Self::Far];

    fn octet(self) -> u8 {
        match self {
            Self::Data => 77,
            Self::Management => 78,
            Self::Client => 79,
            Self::Far => 80,
        }
    }

    fn bridge(self) -> String {
        format!("br{}", self.octet())
    }

    /// The device of every host on this network.
    #[must_use]
    pub fn device(self) -> &'static str {
        match self {
            Self::Data => "data0",
            Self::Management => "mgmt0",
            Self::Client => "client0",
            Self::Far => "far0",
        }
    }

    /// `10.<net>.0.<number>`.
    #[must_use]
    pub fn v4(self, number: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self.octet(), 0, number)
    }

    /// `fd<net>::<number>`, both written in decimal digits.
    #[must_use]
    pub fn v6(self, number: u8) -> Ipv6Addr {
        let digits = |n: u8| u16::from(n / 100) * 256 + u16::from(n / 10 % 10) * 16 + u16::from(n % 10);
        Ipv6Addr::new(0xfd00 + digits(self.octet()), 0, 0, 0, 0, 0, 0, digits(number))
    }

    fn port(self, host: &Host) -> String {
        format!("{}-{}", host.name(), self.octet())
    }

    /// The same for every host that has this number here, one after the other: whom the neighbours remember is still
    /// reached there.
    fn mac(self, number: u8) -> String {
        format!("02:00:00:00:{:02x}:{number:02x}", self.octet())
    }
}

/// Which end's frames are dropped where a link is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// What the host sends.
    FromHost,
    /// What is sent to the host.
    ToHost,
    /// Both.
    Both,
}

/// The wired hosts of a run.
#[derive(Debug)]
pub struct Lab {
    /// Bridges only; no addresses.
    fabric: Host,
    /// Where the testbed's own API calls come from.
    pub ops: Host,
    /// Who uses the VIP.
    pub client: Host,
    /// `n1`, `n2`, `n3`.
    pub nodes: Vec<Host>,
    /// Last, so that it is dropped after its hosts.
    pub run: Run,
}

impl Lab {
    /// Builds the bridges, three nodes, `ops` and the client. Routers come with [`Lab::host`] when a scenario wants
    /// them.
    ///
    /// # Errors
    /// When the kernel refuses something; the text names the command.
    pub fn build() -> Result<Self> {
        let run = Run::begin()?;
        let fabric = Host::create(&run, "fabric")?;
        for net in Net::ALL {
            fabric.ip(&format!("link add {} type bridge", net.bridge()))?;
            fabric.ip(&format!("link set {} up", net.bridge()))?;
        }
        fabric.nft(
            "table bridge lab { set from { type ifname; }; set to { type ifname; }; \
             chain forward { type filter hook forward priority 0; iifname @from drop; oifname @to drop; }; }",
        )?;
        let ops = Host::create(&run, "ops")?;
        let client = Host::create(&run, "client")?;
        let mut lab = Self { fabric, ops, client, nodes: Vec::new(), run };
        lab.attach(&lab.ops, Net::Management, 2)?;
        lab.attach(&lab.client, Net::Client, 10)?;
        lab.client_via(2)?;
        for number in 1..=3 {
            let node = lab.node(number)?;
            lab.nodes.push(node);
        }
        Ok(lab)
    }

    fn node(&self, number: u8) -> Result<Host> {
        let host = self.host(&format!("n{number}"), &[])?;
        host.sysctl(&[&format!("net.ipv4.ip_default_ttl={}", 100 + NODE_TTL_STEP * number)])?;
        self.power_on(&host, number)?;
        Ok(host)
    }

    /// Wires a node: when it is made, and after [`Lab::power_off`].
    ///
    /// # Errors
    /// When the kernel refuses something.
    pub fn power_on(&self, host: &Host, number: u8) -> Result<()> {
        for net in NODE_NETS {
            self.attach(host, net, 10 + number)?;
        }
        // Answers to the client go back by BIRD whoever sent the question.
        host.ip(&format!("route add default via {}", Net::Data.v4(2)))?;
        host.ip(&format!("-6 route add default via {}", Net::Data.v6(2)))?;
        host.ip(&format!("route add 10.80.0.0/24 via {}", Net::Data.v4(9)))?;
        Ok(())
    }

    /// [`Lab::power_on`] for every node that is off.
    ///
    /// # Errors
    /// When the kernel refuses something.
    pub fn power_on_all(&self) -> Result<()> {
        for (node, number) in self.nodes.iter().zip(1..) {
            if node.ip(&format!("link show {}", Net::Data.device())).is_err() {
                self.power_on(node, number)?;
            }
        }
        Ok(())
    }

    /// Takes a node's links and all addresses that were given to it: nothing it still says, and no word of its end, gets
    /// out. What runs on it is the caller's to kill.
    ///
    /// # Errors
    /// When the kernel refuses something.
    pub fn power_off(&self, host: &Host) -> Result<()> {
        for net in NODE_NETS {
            host.ip(&format!("link del {}", net.device()))?;
        }
        for address in host.addresses("lo")?.into_iter().filter(|address| !address.is_loopback()) {
            host.ip(&format!("address del {address} dev lo"))?;
        }
        Ok(())
    }

    /// Makes a host on one or more networks, with its number in each.
    ///
    /// # Errors
    /// When the kernel refuses something.
    pub fn host(&self, name: &str, links: &[(Net, u8)]) -> Result<Host> {
        let host = Host::create(&self.run, name)?;
        host.sysctl(&["net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0"])?;
        // FRR advertises its prefixes wherever it has an unnumbered neighbour: no address is made of them.
        host.sysctl(&["net.ipv6.conf.default.autoconf=0"])?;
        for (net, number) in links {
            self.attach(&host, *net, *number)?;
        }
        Ok(host)
    }

    /// A host that forwards, as routers do.
    ///
    /// # Errors
    /// When the kernel refuses something.
    pub fn forwarding_host(&self, name: &str, links: &[(Net, u8)]) -> Result<Host> {
        let host = self.host(name, links)?;
        host.sysctl(&["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])?;
        Ok(host)
    }

    /// A cable between two hosts: this device at both, with link-local addresses alone, which can be used at once. It
    /// goes with either.
    ///
    /// # Errors
    /// When the kernel refuses something.
    pub fn cable(&self, one: &Host, other: &Host, device: &str) -> Result<()> {
        one.ip(&format!("link add {device} type veth peer name {device} netns {}", other.namespace()))?;
        for host in [one, other] {
            host.sysctl(&[&format!("net.ipv6.conf.{device}.accept_dad=0")])?;
            host.ip(&format!("link set {device} up"))?;
        }
        Ok(())
    }

    /// The middle router and, behind it, a host two hops away from the nodes (10.80.0.1). Keep both.
    ///
    /// # Errors
    /// When the kernel refuses something.
    pub fn far_host(&self) -> Result<(Host, Host)> {
        let middle = self.forwarding_host("middle", &[(Net::Data, 9), (Net::Far, 9)])?;
        let far = self.host("far", &[(Net::Far, 1)])?;
        far.ip(&format!("route add default via {}", Net::Far.v4(9)))?;
        Ok((middle, far))
    }

    /// Points the client's default route at the router with this number (2 BIRD, 3 FRR).
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn client_via(&self, number: u8) -> Result<()> {
        self.client.ip(&format!("route replace default via {}", Net::Client.v4(number)))?;
        self.client.ip(&format!("-6 route replace default via {}", Net::Client.v6(number)))?;
        Ok(())
    }

    fn attach(&self, host: &Host, net: Net, number: u8) -> Result<()> {
        let (device, port) = (net.device(), net.port(host));
        // A busy kernel takes its time to take down the namespace of an earlier host of this name, and its links.
        let _ = self.fabric.ip(&format!("link del {port}"));
        let (mac, fabric) = (net.mac(number), self.fabric.namespace());
        host.ip(&format!("link add {device} address {mac} type veth peer name {port} netns {fabric}"))?;
        self.fabric.ip(&format!("link set {port} master {} up", net.bridge()))?;
        host.ip(&format!("link set {device} up"))?;
        host.ip(&format!("address add {}/24 dev {device}", net.v4(number)))?;
        host.ip(&format!("address add {}/64 dev {device} nodad", net.v6(number)))?;
        Ok(())
    }

    /// Drops a host's frames on a network; its carrier stays.
    ///
    /// # Errors
    /// When nft refuses it.
    pub fn cut(&self, host: &Host, net: Net, cut: Cut) -> Result<()> {
        self.edit_cut("add", host, net, cut)
    }

    /// Undoes [`Lab::cut`].
    ///
    /// # Errors
    /// When it was not cut that way.
    pub fn heal(&self, host: &Host, net: Net, cut: Cut) -> Result<()> {
        self.edit_cut("delete", host, net, cut)
    }

    /// Undoes all cuts, whatever they are.
    ///
    /// # Errors
    /// When nft refuses it.
    pub fn heal_all(&self) -> Result<()> {
        self.fabric.nft("flush set bridge lab from")?;
        self.fabric.nft("flush set bridge lab to")
    }

    fn edit_cut(&self, verb: &str, host: &Host, net: Net, cut: Cut) -> Result<()> {
        let port = net.port(host);
        if matches!(cut, Cut::FromHost | Cut::Both) {
            self.fabric.nft(&format!("{verb} element bridge lab from {{ \"{port}\" }}"))?;
        }
        if matches!(cut, Cut::ToHost | Cut::Both) {
            self.fabric.nft(&format!("{verb} element bridge lab to {{ \"{port}\" }}"))?;
        }
        Ok(())
    }

    /// Takes the carrier of a host's link away, as a pulled cable does, or gives it back.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn carrier(&self, host: &Host, net: Net, up: bool) -> Result<()> {
        let state = if up { "up" } else { "down" };
        self.fabric.ip(&format!("link set {} {state}", net.port(host))).map(drop)
    }
}

/// The node that sent a packet which arrived with this TTL over at most nine routers.
#[must_use]
pub fn node_by_ttl(ttl: u8) -> Option<u8> {
    let number = ttl.checked_sub(91)? / NODE_TTL_STEP;
    (1..=3).contains(&number).then_some(number)
}

/// The BGP address of node `number` (1 to 3).
#[must_use]
pub fn node_address(number: u8) -> IpAddr {
    IpAddr::V4(Net::Data.v4(10 + number))
}

/// Its IPv6 address.
#[must_use]
pub fn node_address6(number: u8) -> IpAddr {
    IpAddr::V6(Net::Data.v6(10 + number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_their_decimal_numbers() {
        assert_eq!(Net::Data.v4(11).to_string(), "10.77.0.11");
        assert_eq!(Net::Data.v6(11).to_string(), "fd77::11");
        assert_eq!(Net::Far.v6(9).to_string(), "fd80::9");
    }

    #[test]
    fn the_ttl_tells_the_node() {
        let seen = [255, 130, 129, 121, 120, 119, 110, 101, 100, 64].map(node_by_ttl);
        let none = None;
        assert_eq!(seen, [none, Some(3), Some(3), Some(3), Some(2), Some(2), Some(1), Some(1), none, none]);
    }
}
