//! A host: one network namespace and the processes in it.

use std::ffi::OsStr;
use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::rc::Rc;
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

use crate::process::Process;
use crate::run::{self, Run};

/// A network namespace with `lo` up. Clones are the same host; the last one dropped takes it down with all in it.
#[derive(Debug, Clone)]
pub struct Host(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    namespace: String,
    dir: PathBuf,
}

impl Host {
    /// Makes the namespace `vc-<run>-<name>`.
    ///
    /// # Errors
    /// When the kernel or missing privileges refuse it.
    pub fn create(run: &Run, name: &str) -> Result<Self> {
        let namespace = run.namespace(name);
        capture(Command::new("ip").args(["netns", "add", &namespace]))?;
        let host = Self(Rc::new(Inner { name: name.to_owned(), namespace, dir: run.dir().to_owned() }));
        host.ip("link set lo up")?;
        Ok(host)
    }

    /// Its short name, `n1` or `bird`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The name of its namespace, for `ip netns exec`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// A file of this host in the run's directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.dir.join(format!("{}-{name}", self.0.name))
    }

    /// A command that will run on this host.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0.namespace]).arg(program);
        command
    }

    /// Runs a program on this host and returns what it printed.
    ///
    /// # Errors
    /// When it does not exist or fails; with its error output.
    pub fn exec(&self, program: impl AsRef<OsStr>, args: &[&str]) -> Result<String> {
        capture(self.command(program).args(args))
    }

    /// `ip <words>` on this host's network.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn ip(&self, words: &str) -> Result<String> {
        capture(Command::new("ip").args(["-n", &self.0.namespace]).args(words.split_whitespace()))
    }

    /// Sets kernel variables, `name=value`.
    ///
    /// # Errors
    /// When one does not exist.
    pub fn sysctl(&self, settings: &[&str]) -> Result<()> {
        self.exec("sysctl", &[&["-qw"], settings].concat()).map(drop)
    }

    /// Loads nftables rules from a script.
    ///
    /// # Errors
    /// When nft refuses them.
    pub fn nft(&self, script: &str) -> Result<()> {
        self.exec("nft", &[script]).map(drop)
    }

    /// Does something in a thread inside this host's network: the sockets it makes stay there.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or the work's own.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let namespace = File::open(Path::new("/run/netns").join(&self.0.namespace))?;
        let outcome = thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                    .context("failed to enter the namespace")?;
                work()
            });
            inside.join()
        });
        outcome.unwrap_or_else(|_| bail!("the work inside {} panicked", self.0.name))
    }

    /// Starts a long-running program; its outputs go to `<host>-<name>.log` in the run's directory.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, name: &str, program: &Path, arrange: impl FnOnce(&mut Command)) -> Result<Process> {
        let mut command = self.command(program);
        arrange(&mut command);
        Process::spawn(&format!("{name} on {}", self.0.name), command, self.file(&format!("{name}.log")))
    }

    /// All addresses on a device.
    ///
    /// # Errors
    /// When there is no such device.
    pub fn addresses(&self, device: &str) -> Result<Vec<IpAddr>> {
        let json: Value = serde_json::from_str(&self.ip(&format!("-j address show dev {device}"))?)?;
        let infos = json.pointer("/0/addr_info").and_then(Value::as_array).cloned().unwrap_or_default();
        let words = infos.iter().filter_map(|info| info.get("local").and_then(Value::as_str));
        words.map(|word| word.parse().with_context(|| format!("ip printed the address {word:?}"))).collect()
    }

    /// Fails unless `address` is on `device` (or, with `there` false, if it is).
    ///
    /// # Errors
    /// When it is not as wanted.
    pub fn expect_address(&self, device: &str, address: IpAddr, there: bool) -> Result<()> {
        let all = self.addresses(device)?;
        ensure!(all.contains(&address) == there, "{device} of {} has {all:?}", self.name());
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // What is still there after this is found by `testbed clean`.
        let _ = run::remove_namespace(&self.namespace);
    }
}

/// Runs a command to its end and returns its output as text.
///
/// # Errors
/// When it cannot be started or fails; with what it said.
pub fn capture(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } = command.output().with_context(|| format!("failed to run {command:?}"))?;
    if !status.success() {
        let said = [stderr, stdout].concat();
        bail!("{command:?} failed ({status}): {}", String::from_utf8_lossy(&said).trim());
    }
    Ok(String::from_utf8(stdout)?)
}
