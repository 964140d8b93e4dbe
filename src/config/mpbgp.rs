//! kube-vip's options for the next hops of both families: `mpbgp_nexthop`, `mpbgp_ipv4`, `mpbgp_ipv6`.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Where the next hops are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The addresses that are given.
    Fixed,
    /// The interface that has the address of `--sourceIP`.
    SourceIp,
    /// The interface of `--sourceIF`.
    SourceIf,
}

/// What is given, for all peers or for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MpBgp {
    pub mode: Option<Mode>,
    pub ipv4: Option<Ipv4Addr>,
    pub ipv6: Option<Ipv6Addr>,
}

/// Why a key or its value is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// There is no such key.
    Key,
    /// The text fits after the value.
    Value(&'static str),
}

impl MpBgp {
    /// What is given here counts before what `other` has.
    pub(super) fn over(self, other: Self) -> Self {
        Self { mode: self.mode.or(other.mode), ipv4: self.ipv4.or(other.ipv4), ipv6: self.ipv6.or(other.ipv6) }
    }

    /// Takes a key with its value.
    pub(super) fn set(&mut self, key: &str, value: &str) -> Result<(), Wrong> {
        match key {
            "mpbgp_nexthop" => self.mode = Some(mode(value)?),
            "mpbgp_ipv4" => {
                let wrong = Wrong::Value("is not an IPv4 address");
                self.ipv4 = Some(value.parse().map_err(|_| wrong)?);
            }
            "mpbgp_ipv6" => {
                let wrong = Wrong::Value("is not an IPv6 address");
                let bare = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(value);
                self.ipv6 = Some(bare.parse().map_err(|_| wrong)?);
            }
            _ => return Err(Wrong::Key),
        }
        Ok(())
    }
}

fn mode(text: &str) -> Result<Mode, Wrong> {
    match text {
        "fixed" => Ok(Mode::Fixed),
        "auto_sourceip" => Ok(Mode::SourceIp),
        "auto_sourceif" => Ok(Mode::SourceIf),
        _ => Err(Wrong::Value("is not a mode of next hops; expected fixed, auto_sourceip or auto_sourceif")),
    }
}
