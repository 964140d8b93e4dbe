//! A candidate of client-go's own leader election, as kube-vip is one: `clientgo/main.go`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::host::Host;
use crate::paths::cached;
use crate::process::Process;
use crate::wait;

/// Which client-go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// v0.36.3.
    Current,
    /// v0.20.15: waits by its own configuration, not by the record's duration.
    Old,
}

/// Lease duration, renew deadline and retry period, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing(pub u64, pub u64, pub u64);

impl Timing {
    /// kube-vip's.
    pub const FAST: Self = Self(5, 3, 1);
    /// client-go's.
    pub const SLOW: Self = Self(15, 10, 2);

    /// The lease duration.
    #[must_use]
    pub fn lease(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// The longest pause between two looks of a waiting client-go: its jitter adds up to 1.2 retry periods.
    #[must_use]
    pub fn look(self) -> Duration {
        Duration::from_secs(self.2).mul_f64(2.2)
    }
}

/// Who stands for what.
#[derive(Debug, Clone, Copy)]
pub struct Candidacy<'a> {
    /// The Lease's name.
    pub lease: &'a str,
    /// The name to hold it under.
    pub identity: &'a str,
    /// Which client-go.
    pub version: Version,
    /// Its durations.
    pub timing: Timing,
}

/// A running candidate.
#[derive(Debug)]
pub struct Contender {
    process: Process,
}

impl Contender {
    /// Starts it; its log is `<host>-contend-<lease>.log`.
    ///
    /// # Errors
    /// When the program is missing.
    pub fn start(host: &Host, kubeconfig: &Path, candidacy: Candidacy<'_>) -> Result<Self> {
        let Candidacy { lease, identity, version, timing: Timing(duration, deadline, retry) } = candidacy;
        let name = format!("contend-{lease}");
        let program = match version {
            Version::Current => "contend",
            Version::Old => "contend-old",
        };
        let process = host.spawn(&name, &cached(program)?, |command| {
            command.arg("--kubeconfig").arg(kubeconfig).args(["--lease", lease, "--identity", identity]);
            command.args([
                format!("--lease-duration={duration}s"),
                format!("--renew-deadline={deadline}s"),
                format!("--retry-period={retry}s"),
            ]);
        })?;
        Ok(Self { process })
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// What it said so far: when (since 1970, whole milliseconds), and what.
    #[must_use]
    pub fn said(&self) -> Vec<(Duration, String)> {
        let text = self.process.said();
        let line = |line: &str| {
            let (time, what) = line.split_once(' ')?;
            Some((Duration::from_millis(time.parse().ok()?), what.to_owned()))
        };
        text.lines().filter_map(line).collect()
    }

    /// Waits until it says `what`; when it did.
    ///
    /// # Errors
    /// When it does not in time; with all it said.
    pub fn wait_said(&self, what: &str, within: Duration) -> Result<Duration> {
        wait::until(&format!("client-go to say {what:?}"), within, || {
            self.process.alive()?;
            let said = self.said();
            let found = said.iter().find(|(_, words)| words == what);
            found.map(|(time, _)| *time).with_context(|| format!("{said:?}"))
        })
    }
}
