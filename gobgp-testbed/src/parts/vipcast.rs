//! The program under test on a node.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::Result;

use crate::host::Host;
use crate::paths;
use crate::process::Process;

/// For `ip netns exec`, which starts it.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A vipcast's command line and environment, built flag by flag.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    command: String,
    flags: BTreeMap<String, Option<String>>,
    peers: Vec<String>,
    environment: BTreeMap<String, String>,
}

impl Spec {
    /// `vipcast manager` without any flag.
    #[must_use]
    pub fn manager() -> Self {
        Self { command: "manager".to_owned(), ..Self::default() }
    }

    /// `vipcast start` without any flag.
    #[must_use]
    pub fn start_command() -> Self {
        Self { command: "start".to_owned(), ..Self::default() }
    }

    /// The same words for `vipcast check`.
    #[must_use]
    pub fn check(mut self) -> Self {
        "check".clone_into(&mut self.command);
        self
    }

    /// `--name value`; a second one replaces the first.
    #[must_use]
    pub fn flag(mut self, name: &str, value: impl ToString) -> Self {
        self.flags.insert(name.to_owned(), Some(value.to_string()));
        self
    }

    /// `--name`.
    #[must_use]
    pub fn switch(mut self, name: &str) -> Self {
        self.flags.insert(name.to_owned(), None);
        self
    }

    /// Takes a flag or switch away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.flags.remove(name);
        self
    }

    /// One more peer in `--bgppeers`: `address:AS:password:multihop`, IPv6 in brackets.
    #[must_use]
    pub fn peer(self, address: IpAddr, asn: u32, password: &str, multihop: bool) -> Self {
        let address = match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        self.peer_text(format!("{address}:{asn}:{password}:{multihop}"))
    }

    /// One more peer in `--bgppeers`, in any of its forms.
    #[must_use]
    pub fn peer_text(mut self, text: String) -> Self {
        self.peers.push(text);
        self
    }

    /// Takes all peers away.
    #[must_use]
    pub fn without_peers(mut self) -> Self {
        self.peers.clear();
        self
    }

    /// A variable of the environment; the testbed's own is not passed on.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.insert(name.to_owned(), value.to_string());
        self
    }

    /// The words of the command line after the program's name.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words = vec![self.command.clone()];
        for (name, value) in &self.flags {
            words.push(format!("--{name}"));
            words.extend(value.clone());
        }
        if !self.peers.is_empty() {
            words.extend(["--bgppeers".to_owned(), self.peers.join(",")]);
        }
        words
    }

    /// Starts it on a host; its log is `<host>-vipcast.log`.
    ///
    /// # Errors
    /// When the program is missing.
    pub fn start(&self, host: &Host) -> Result<Process> {
        self.start_as("vipcast", host)
    }

    /// Starts it under another name, for a second one on the same host.
    ///
    /// # Errors
    /// When the program is missing.
    pub fn start_as(&self, name: &str, host: &Host) -> Result<Process> {
        host.spawn(name, &paths::vipcast()?, |command| {
            // All nodes have one file system here: each has its own socket unless the scenario says otherwise.
            let socket = socket(name, host);
            command.args(self.words()).env_clear().env("PATH", PATH);
            if !self.flags.contains_key("controlSocket") {
                command.env("control_socket", &socket);
            }
            command.envs(&self.environment);
        })
    }
}

/// The control socket of the vipcast of this name on a host.
#[must_use]
pub fn socket(name: &str, host: &Host) -> PathBuf {
    host.file(&format!("{name}.sock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_says_what_was_built() {
        let spec = Spec::manager()
            .switch("bgp")
            .flag("localAS", 1)
            .flag("localAS", 65000)
            .switch("arp")
            .without("arp")
            .peer(IpAddr::from([10, 77, 0, 1]), 65001, "", false)
            .peer("fd77::2".parse().unwrap(), 65002, "secret", true);
        let expected = [
            "manager",
            "--bgp",
            "--localAS",
            "65000",
            "--bgppeers",
            "10.77.0.1:65001::false,[fd77::2]:65002:secret:true",
        ];
        assert_eq!(spec.words(), expected);
    }
}
