//! What a router is told while it runs, each in its own tongue: announce, withdraw, ask again, shut a session.

use std::net::IpAddr;

use anyhow::{Result, bail, ensure};

use super::router::{Kind, Router};
use super::{bird, exabgp, frr, openbgpd};
use crate::lab::Net;
use crate::paths::cached;

/// What it announces on order, with [`MED`] and the communities `<AS>:1` and `<AS>:1:2`.
pub const PREFIX4: &str = "192.0.2.0/24";
/// Its IPv6 twin.
pub const PREFIX6: &str = "2001:db8:1::/48";
/// The `MULTI_EXIT_DISC` of both.
pub const MED: u32 = 7;

impl Router {
    /// Gives `ExaBGP` a command of its API, such as `announce route 192.0.2.0/24 next-hop self`.
    ///
    /// # Errors
    /// When the router is not `ExaBGP`, or not running.
    pub fn tell(&self, command: &str) -> Result<()> {
        ensure!(self.kind() == Kind::Exabgp, "only exabgp takes commands by a file");
        exabgp::tell(self.host(), command)
    }

    /// Has it announce [`PREFIX4`] and [`PREFIX6`] to its peers.
    ///
    /// # Errors
    /// When its CLI refuses.
    pub fn announce(&self) -> Result<()> {
        self.originate_ours(true)
    }

    /// Undoes [`Router::announce`].
    ///
    /// # Errors
    /// When its CLI refuses.
    pub fn withdraw(&self) -> Result<()> {
        self.originate_ours(false)
    }

    fn originate_ours(&self, there: bool) -> Result<()> {
        let (asn, med) = (self.asn() & 0xffff, MED.to_string());
        let (standard, large) = (format!("{asn}:1"), format!("{asn}:1:2"));
        let verb = |yes, no| if there { yes } else { no };
        match self.kind() {
            Kind::Gobgpd => {
                for (family, prefix) in [("ipv4", PREFIX4), ("ipv6", PREFIX6)] {
                    let head = ["global", "rib", "-a", family, verb("add", "del"), prefix];
                    let tail = ["origin", "igp", "med", &med, "community", &standard, "large-community", &large];
                    self.host().exec(cached("gobgp")?, &[&head[..], if there { &tail } else { &[] }].concat())?;
                }
            }
            Kind::Bird => {
                for protocol in ["orders4", "orders6"] {
                    let said = bird::query(self.host(), &[verb("enable", "disable"), protocol])?;
                    ensure!(said.contains(&format!("{protocol}: ")), "birdc answered {said:?}");
                }
            }
            Kind::Frr => self.frr_networks(verb("", "no "), &standard, &large)?,
            Kind::Openbgpd => {
                for prefix in [PREFIX4, PREFIX6] {
                    let head = ["network", verb("add", "delete"), prefix];
                    let tail = ["metric", &med, "community", &standard, "large-community", &large];
                    openbgpd::order(self.host(), &[&head[..], if there { &tail } else { &[] }].concat())?;
                }
            }
            Kind::Exabgp => {
                let (four, six) = (self.kind().address(), IpAddr::V6(Net::Data.v6(self.kind().number())));
                for (prefix, next_hop) in [(PREFIX4, four), (PREFIX6, six)] {
                    let route = format!("{} route {prefix} next-hop {next_hop}", verb("announce", "withdraw"));
                    self.tell(&format!("{route} med {MED} community [{standard}] large-community [{large}]"))?;
                }
            }
        }
        Ok(())
    }

    fn frr_networks(&self, no: &str, standard: &str, large: &str) -> Result<()> {
        let (med, router) = (format!("set metric {MED}"), format!("router bgp {}", self.asn()));
        let (standard, large) = (format!("set community {standard}"), format!("set large-community {large}"));
        let [four, six] = [PREFIX4, PREFIX6].map(|prefix| format!("{no}network {prefix} route-map orders"));
        let words = ["configure terminal", "route-map orders permit 10", &med, &standard, &large, "exit", &router];
        let networks = ["address-family ipv4 unicast", &four, "exit", "address-family ipv6 unicast", &six, "exit"];
        let anyway = ["no bgp network import-check"];
        frr::order(self.host(), &[&words[..], &anyway, &networks].concat()).map(drop)
    }

    /// Has it ask a peer for its IPv4 routes again (RFC 2918), which gobgpd never does.
    ///
    /// # Errors
    /// When its CLI refuses, or it is gobgpd.
    pub fn ask_again(&self, peer: IpAddr) -> Result<()> {
        let name = peer.to_string();
        match self.kind() {
            Kind::Gobgpd => bail!("gobgpd sends no ROUTE-REFRESH"),
            // The lab's first peer.
            Kind::Bird => bird::query(self.host(), &["reload", "in", "peer0"])?,
            Kind::Frr => frr::order(self.host(), &[&format!("clear bgp ipv4 unicast {name} soft in")])?,
            Kind::Openbgpd => openbgpd::order(self.host(), &["neighbor", &name, "refresh"])?,
            Kind::Exabgp => {
                self.tell(&format!("neighbor {name} announce route-refresh ipv4 unicast"))?;
                String::new()
            }
        };
        Ok(())
    }

    /// Has it shut the session with a peer and say why (RFC 9003), which `ExaBGP` cannot.
    ///
    /// # Errors
    /// When its CLI refuses.
    pub fn shut(&self, peer: IpAddr, why: &str) -> Result<()> {
        let name = peer.to_string();
        match self.kind() {
            Kind::Gobgpd => {
                self.host().exec(cached("gobgp")?, &["neighbor", &name, "shutdown", "--reason", why])?;
            }
            Kind::Bird => {
                bird::query(self.host(), &["disable", "peer0", &format!("\"{why}\"")])?;
            }
            Kind::Frr => {
                let router = format!("router bgp {}", self.asn());
                let shut = format!("neighbor {name} shutdown message {why}");
                frr::order(self.host(), &["configure terminal", &router, &shut])?;
            }
            Kind::Openbgpd => {
                openbgpd::order(self.host(), &["neighbor", &name, "down", why])?;
            }
            Kind::Exabgp => self.tell(&format!("neighbor {name} teardown 2"))?,
        }
        Ok(())
    }
}
