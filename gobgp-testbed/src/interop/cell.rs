//! One session of the matrix: what it is like, and how it is made.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Result, ensure};

use super::{CHANGED_FOR, with_length};
use crate::host::Host;
use crate::lab::{NODE_AS, Net};
use crate::parts::router::{Kind, Neighbor, Router};
use crate::parts::vipcast::Spec;
use crate::wait::Hopeless;

const RIGHT: &str = "correct-horse";
const WRONG: &str = "battery-staple";
/// The first of the vipcasts' numbers on their networks; those below are the hosts' own.
const FIRST: u8 = 100;

/// Who has which TCP-MD5 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Md5 {
    None,
    Right,
    Wrong,
    OnlyUs,
    OnlyRouter,
}

impl Md5 {
    /// Whether a session may come of it.
    pub(super) fn fits(self) -> bool {
        matches!(self, Self::None | Self::Right)
    }

    fn ours(self) -> &'static str {
        match self {
            Self::None | Self::OnlyRouter => "",
            Self::Right | Self::OnlyUs => RIGHT,
            Self::Wrong => WRONG,
        }
    }

    fn theirs(self) -> Option<String> {
        match self {
            Self::None | Self::OnlyUs => None,
            Self::Right | Self::OnlyRouter | Self::Wrong => Some(RIGHT.to_owned()),
        }
    }
}

/// One session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    /// Its number among all of one router.
    pub(super) index: u8,
    pub(super) v6: bool,
    pub(super) internal: bool,
    pub(super) far: bool,
    pub(super) md5: Md5,
    /// The hold time vipcast offers, seconds.
    pub(super) hold: u16,
}

/// The hold times of the matrix.
pub(super) const HOLDS: [u16; 4] = [3, 9, 90, 0];

/// All sessions of one router: where keys fit with every hold time, where they do not with one.
pub(super) fn cells() -> Vec<Cell> {
    let keyed = [Md5::None, Md5::Right].into_iter().flat_map(|md5| HOLDS.map(|hold| (md5, hold)));
    let unfit = [Md5::Wrong, Md5::OnlyUs, Md5::OnlyRouter].into_iter().map(|md5| (md5, 9));
    let columns: Vec<(Md5, u16)> = keyed.chain(unfit).collect();
    let rows = [false, true].into_iter().flat_map(|v6| {
        [(false, false), (false, true), (true, false), (true, true)].map(|(internal, far)| (v6, internal, far))
    });
    let all = rows.flat_map(|(v6, internal, far)| {
        columns.iter().map(move |&(md5, hold)| Cell { index: 0, v6, internal, far, md5, hold })
    });
    all.zip(0..).map(|(cell, index)| Cell { index, ..cell }).collect()
}

impl Cell {
    fn net(self) -> Net {
        if self.far { Net::Far } else { Net::Data }
    }

    fn v4(self) -> Ipv4Addr {
        self.net().v4(FIRST + self.index)
    }

    fn v6(self) -> Ipv6Addr {
        self.net().v6(FIRST + self.index)
    }

    /// Our end of the session.
    pub(super) fn address(self) -> IpAddr {
        if self.v6 { self.v6().into() } else { self.v4().into() }
    }

    fn vips(self) -> [IpAddr; 2] {
        [Ipv4Addr::new(10, 88, 1, self.index).into(), Ipv6Addr::new(0xfd88, 0, 0, 0, 0, 0, 1, self.index.into()).into()]
    }

    /// The host routes of its VIPs.
    pub(super) fn prefixes(self) -> [String; 2] {
        self.vips().map(|vip| format!("{vip}/{}", if vip.is_ipv4() { 32 } else { 128 }))
    }

    fn asn(self, kind: Kind) -> u32 {
        if self.internal { kind.asn() } else { NODE_AS }
    }

    /// What the router is told about it.
    pub(super) fn neighbor(self, kind: Kind) -> Neighbor {
        Neighbor {
            asn: self.asn(kind),
            password: self.md5.theirs(),
            multihop: self.far.then_some(5),
            ..Neighbor::new(self.address())
        }
    }

    /// Gives its host the addresses of its sessions.
    pub(super) fn add_addresses(self, host: &Host) -> Result<()> {
        let device = self.net().device();
        host.ip(&format!("address add {} dev {device}", with_length(self.v4().into())))?;
        host.ip(&format!("address add {} dev {device} nodad", with_length(self.v6().into()))).map(drop)
    }

    /// The command line.
    pub(super) fn vipcast(self, kind: Kind) -> Spec {
        let router = if self.v6 { Net::Data.v6(kind.number()).into() } else { kind.address() };
        let [v4, v6] = self.vips();
        let multihop = self.far && !self.internal;
        Spec::manager()
            .switch("bgp")
            .switch("controlplane")
            .flag("controlPlaneHealthCheckAddress", "off")
            .flag("address", format!("{v4},{v6}"))
            .flag("interface", "lo")
            .flag("nodeName", format!("cell-{}", self.index))
            .flag("localAS", self.asn(kind))
            .flag("bgpRouterID", Ipv4Addr::new(10, 91, 0, self.index + 1))
            .flag("bgpHoldTimer", self.hold)
            .flag("bgpPeerOptions", format!("*;graceful-shutdown={}", CHANGED_FOR.as_millis()))
            .flag("sourceIP", self.address())
            .peer(router, kind.asn(), self.md5.ours(), multihop)
    }

    /// Fails unless the route is in the router's table, by a next hop of this cell's host.
    pub(super) fn is_there(self, router: &Router, prefix: &str) -> Result<()> {
        let paths = router.paths(prefix)?;
        let [path] = paths.as_slice() else { anyhow::bail!("{paths:?}") };
        let expected = if self.internal { Vec::new() } else { vec![NODE_AS] };
        ensure!(path.as_path == expected, "AS path {:?}", path.as_path);
        let same_family = prefix.contains(':') == self.v6;
        ensure!(!same_family || path.next_hop == self.address(), "next hop {}", path.next_hop);
        Ok(())
    }

    /// Fails unless the route there is the one of a node that leaves.
    pub(super) fn is_changed(self, router: &Router, prefix: &str) -> Result<()> {
        let paths = router.paths(prefix)?;
        let path = paths.first().ok_or_else(|| Hopeless("it went without a change".to_owned()))?;
        ensure!(path.communities.iter().any(|word| word == "65535:0"), "{path:?}");
        Ok(())
    }
}
