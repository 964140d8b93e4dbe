//! One run of the testbed: its directory, its namespaces, and who takes them down.
//!
//! Everything a run makes carries its id: the namespaces `vc-<id>-<host>` with all processes in them, and one
//! directory. A *reaper*, this program once more in a session of its own, holds the other end of a pipe: when
//! the run dies of whatever cause (Ctrl-C, crash, SIGKILL), the pipe ends and the reaper takes everything down.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

use crate::host::capture;
use crate::{paths, wait};

const PREFIX: &str = "vc-";
/// What the run tells its reaper before a good end; anything else, or nothing, is a crash.
const GOOD_END: &[u8] = b"end";

/// A run in progress. Dropped, it is taken down (its directory stays where asked, see [`Run::keep_logs`]).
#[derive(Debug)]
pub struct Run {
    id: String,
    dir: PathBuf,
    /// Locked as long as this process lives: tells `clean` that the run is not a leftover.
    _lock: File,
    reaper: Child,
    keep_logs: bool,
}

impl Run {
    /// Begins a run: checks privileges, makes the directory, starts the reaper.
    ///
    /// # Errors
    /// Without root or network namespaces; says what to do.
    pub fn begin() -> Result<Self> {
        ensure!(rustix::process::geteuid().is_root(), "the testbed makes network namespaces: run it as root (sudo)");
        let id = format!("{:x}", std::process::id());
        let dir = base().join(&id);
        fs::create_dir_all(&dir).with_context(|| format!("failed to make {}", dir.display()))?;
        // Daemons that drop their privileges (FRR, OpenBGPD) keep their sockets here.
        fs::set_permissions(&dir, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let lock = File::create(dir.join("lock"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        // A session of its own: neither Ctrl-C nor a closing terminal reaches it.
        let reaper = Command::new("setsid")
            .arg(paths::myself()?)
            .args(["reap", &id])
            .stdin(Stdio::piped())
            .spawn()
            .context("failed to start the reaper")?;
        Ok(Self { id, dir, _lock: lock, reaper, keep_logs: false })
    }

    /// The run's id, part of all its names.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The run's directory: logs, configurations, keys.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The namespace of a host of this run.
    #[must_use]
    pub fn namespace(&self, host: &str) -> String {
        format!("{PREFIX}{}-{host}", self.id)
    }

    /// Leaves the directory in place at the end, to read the logs.
    pub fn keep_logs(&mut self) {
        self.keep_logs = true;
    }

    /// Sends the reaper home: what runs now outlives this process, for `testbed clean` to remove. The caller leaks
    /// what owns the hosts and processes.
    pub fn leave_running(&mut self) {
        if let Some(mut pipe) = self.reaper.stdin.take() {
            // Fails only where the reaper is dead, which serves as well.
            let _ = pipe.write_all(GOOD_END);
        }
        let _ = self.reaper.wait();
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Err(error) = take_down(&self.id, self.keep_logs) {
            eprintln!("testbed: failed to take everything down: {error:#}; try `testbed clean`");
        }
        self.leave_running();
    }
}

/// The reaper's whole life: wait for the end of run `id`; where it was not a good one, take everything down.
///
/// # Errors
/// When something cannot be removed.
pub fn reap(id: &str) -> Result<()> {
    let mut told = Vec::new();
    std::io::stdin().read_to_end(&mut told)?;
    if told != GOOD_END {
        take_down(id, false)?;
        eprintln!("testbed: the run ended early; its namespaces, processes and files are removed");
    }
    Ok(())
}

/// Removes what runs left behind (`--keep`, or a reaper that was killed too); runs still in progress are left alone.
///
/// # Errors
/// When something cannot be removed.
pub fn clean() -> Result<()> {
    let mut ids: Vec<String> = namespaces()?
        .iter()
        .filter_map(|name| Some(name.strip_prefix(PREFIX)?.split_once('-')?.0.to_owned()))
        .collect();
    if let Ok(entries) = fs::read_dir(base()) {
        ids.extend(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()));
    }
    ids.sort();
    ids.dedup();
    for id in &ids {
        if in_progress(id) {
            println!("run {id} is still in progress, left alone");
        } else {
            take_down(id, false)?;
            println!("run {id} removed");
        }
    }
    if ids.is_empty() {
        println!("nothing to remove");
    }
    Ok(())
}

fn base() -> PathBuf {
    std::env::temp_dir().join("vipcast-testbed")
}

fn in_progress(id: &str) -> bool {
    let lock = File::open(base().join(id).join("lock"));
    lock.is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockShared).is_err())
}

fn namespaces() -> Result<Vec<String>> {
    let list = capture(Command::new("ip").args(["netns", "list"]))?;
    Ok(list.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

fn take_down(id: &str, keep_logs: bool) -> Result<()> {
    let prefix = format!("{PREFIX}{id}-");
    let ours = namespaces()?.into_iter().filter(|name| name.starts_with(&prefix));
    // One that does not go must not keep the others.
    let stuck: Vec<String> =
        ours.filter_map(|namespace| remove_namespace(&namespace).err()).map(|error| format!("{error:#}")).collect();
    ensure!(stuck.is_empty(), "{}", stuck.join("; "));
    if !keep_logs {
        match fs::remove_dir_all(base().join(id)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Kills everything in a namespace of the testbed, then deletes it.
///
/// # Errors
/// When the name is not one of ours, a process does not die, or `ip` refuses.
pub fn remove_namespace(namespace: &str) -> Result<()> {
    if !namespace.starts_with(PREFIX) {
        bail!("namespace {namespace} is not of the testbed");
    }
    wait::until(&format!("an empty namespace {namespace}"), Duration::from_secs(5), || {
        let pids = capture(Command::new("ip").args(["netns", "pids", namespace]))?;
        for pid in pids.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
            // Fails only where the process is gone by itself.
            let _ = kill_process(pid, Signal::KILL);
        }
        ensure!(pids.trim().is_empty(), "processes {pids:?}");
        Ok(())
    })?;
    capture(Command::new("ip").args(["netns", "del", namespace])).map(drop)
}
