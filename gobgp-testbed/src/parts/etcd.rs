//! etcd: one member beside the nodes, or one on each of several hosts.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::host::Host;
use crate::paths;
use crate::process::Process;
use crate::wait;

const ETCDCTL: &str = "/usr/bin/etcdctl";
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

    /// Kills all members and removes what they kept.
    ///
    /// # Errors
    /// When the files cannot be removed.
    pub fn remove(self) -> Result<()> {
        drop(self.members);
        self.seats.iter().try_for_each(|(host, _)| Ok(std::fs::remove_dir_all(data(host))?))
    }

    /// Where one member's clients find it.
    #[must_use]
    pub fn endpoint(address: Ipv4Addr) -> String {
        format!("http://{address}:{CLIENTS}")
    }

    /// Where its clients find it, as the API server wants it.
    #[must_use]
    pub fn endpoints(&self) -> String {
        let all: Vec<String> = self.seats.iter().map(|(_, address)| Self::endpoint(*address)).collect();
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

    /// Freezes all members (SIGSTOP).
    ///
    /// # Errors
    /// When one is gone.
    pub fn freeze(&self) -> Result<()> {
        self.members.iter().try_for_each(Process::freeze)
    }

    /// Undoes [`Etcd::freeze`].
    ///
    /// # Errors
    /// When one is gone.
    pub fn thaw(&self) -> Result<()> {
        self.members.iter().try_for_each(Process::thaw)
    }

    /// Writes a snapshot, of the first member.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn snapshot(&self, file: &Path) -> Result<()> {
        let (host, address) = self.seats.first().context("an etcd without members")?;
        let endpoint = Self::endpoint(*address);
        let _ = std::fs::remove_file(file);
        host.exec(ETCDCTL, &["--endpoints", &endpoint, "snapshot", "save", &file.display().to_string()]).map(drop)
    }

    /// Puts an etcd of one member back to a snapshot: killed, restored, started on the same endpoint.
    ///
    /// # Errors
    /// When it has more members, or does not come back.
    pub fn restore(&mut self, file: &Path) -> Result<()> {
        let [seat @ (host, address)] = self.seats.as_slice() else { bail!("only an etcd of one member is restored") };
        self.members.clear();
        std::fs::remove_dir_all(data(host))?;
        let (file, dir) = (file.display().to_string(), data(host).display().to_string());
        let peer = format!("http://{address}:{PEERS}");
        let initial = format!("{}={peer}", host.name());
        let words = ["snapshot", "restore", &file, "--data-dir", &dir, "--name", host.name(), "--initial-cluster"];
        host.exec(ETCDCTL, &[&words[..], &[&initial, "--initial-advertise-peer-urls", &peer]].concat())?;
        self.members = vec![member(seat, &initial)?];
        self.wait_healthy(Duration::from_secs(30))
    }

    /// The index of the member that leads, as the members themselves say.
    ///
    /// # Errors
    /// When none answers.
    pub fn leader(&self) -> Result<usize> {
        let (host, _) = self.seats.first().context("an etcd without members")?;
        let list = ["--endpoints", &self.endpoints(), "endpoint", "status"];
        let said = host.exec(ETCDCTL, &list)?;
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
