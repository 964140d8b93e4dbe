//! etcd: one member beside the nodes, or one on each of several hosts.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::host::Host;
use crate::paths;
use crate::process::Process;
use crate::wait;

const CLIENTS: u16 = 2379;
const PEERS: u16 = 2380;

/// A place for a member: the host and its address there.
pub type Seat = (Host, Ipv4Addr);

/// An etcd of one or more members.
#[derive(Debug)]
pub struct Etcd {
    seats: Vec<Seat>,
    /// In the order of the seats.
    pub members: Vec<Process>,
}

impl Etcd {
    /// Starts a member on each seat.
    ///
    /// # Errors
    /// When etcd is not installed or does not start.
    pub fn start(seats: Vec<Seat>) -> Result<Self> {
        let initial: Vec<String> =
            seats.iter().map(|(host, address)| format!("{}=http://{address}:{PEERS}", host.name())).collect();
        let initial = initial.join(",");
        let members = seats.iter().map(|seat| member(seat, &initial)).collect::<Result<_>>()?;
        Ok(Self { seats, members })
    }

    /// Where its clients find it, as the API server wants it.
    #[must_use]
    pub fn endpoints(&self) -> String {
        let all: Vec<String> = self.seats.iter().map(|(_, address)| format!("http://{address}:{CLIENTS}")).collect();
        all.join(",")
    }

    /// Waits until every member says that it is healthy.
    ///
    /// # Errors
    /// When one does not in time.
    pub fn wait_healthy(&self, within: Duration) -> Result<()> {
        for ((host, address), member) in self.seats.iter().zip(&self.members) {
            wait::until(&format!("etcd on {} to be healthy", host.name()), within, || {
                member.alive()?;
                let url = format!("http://{address}:{CLIENTS}/health");
                let said = host.exec("curl", &["-sS", "--max-time", "2", &url])?;
                ensure!(said.contains("\"true\""), "{said}");
                Ok(())
            })?;
        }
        Ok(())
    }

    /// The index of the member that leads, as the members themselves say.
    ///
    /// # Errors
    /// When none answers.
    pub fn leader(&self) -> Result<usize> {
        let (host, _) = self.seats.first().context("an etcd without members")?;
        let list = ["--endpoints", &self.endpoints(), "endpoint", "status"];
        let said = host.exec("/usr/bin/etcdctl", &list)?;
        // endpoint, id, version, size, is leader, ...
        let leads = |line: &str| line.split(", ").nth(4) == Some("true");
        said.lines().position(leads).with_context(|| format!("no leader in {said:?}"))
    }
}

fn data(host: &Host) -> PathBuf {
    host.file("etcd")
}

fn member((host, address): &Seat, initial: &str) -> Result<Process> {
    host.spawn("etcd", &paths::etcd()?, |command| {
        command.arg("--name").arg(host.name()).arg("--data-dir").arg(data(host));
        command.arg(format!("--listen-client-urls=http://0.0.0.0:{CLIENTS}"));
        command.arg(format!("--advertise-client-urls=http://{address}:{CLIENTS}"));
        command.arg(format!("--listen-peer-urls=http://{address}:{PEERS}"));
        command.arg(format!("--initial-advertise-peer-urls=http://{address}:{PEERS}"));
        command.arg("--initial-cluster").arg(initial);
        // The machine's disk is no part of what is measured.
        command.arg("--unsafe-no-fsync");
    })
}
