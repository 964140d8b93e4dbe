//! A process on a host: its log, its signals, its end.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::host::capture;
use crate::wait::{self, Hopeless};

/// The priority of what is in a hurry, of 99.
const REAL_TIME: &str = "10";

/// A running program in a process group of its own, killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: Pid,
    child: Mutex<Child>,
    log: Log,
    /// Where its own lines begin in the log, which may have those of an earlier one.
    mark: u64,
}

impl Process {
    /// Starts `command` (already placed in its namespace); both its outputs are appended to `log`.
    ///
    /// # Errors
    /// When the log cannot be opened or the program not started.
    pub fn spawn(name: &str, mut command: Command, log: PathBuf) -> Result<Self> {
        let mut out = OpenOptions::new().create(true).append(true).open(&log)?;
        writeln!(out, "# {name}: {command:?}")?;
        let mark = out.metadata()?.len();
        let child = command
            .stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out)
            .process_group(0)
            .spawn()
            .with_context(|| format!("failed to start {name}"))?;
        let pid = Pid::from_child(&child);
        Ok(Self { name: name.to_owned(), pid, child: Mutex::new(child), log: Log { path: log }, mark })
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// What it wrote so far.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Where its own part of the log begins, for [`Log::since`]: an earlier process of the name wrote before that.
    #[must_use]
    pub fn began(&self) -> u64 {
        self.mark
    }

    /// All it wrote itself, without what an earlier process wrote to the same log.
    #[must_use]
    pub fn said(&self) -> String {
        self.log.since(self.mark)
    }

    /// Sends a signal to the process alone.
    ///
    /// # Errors
    /// When it is gone already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if let Some(status) = self.exited()? {
            bail!("{} has ended already: {status}", self.name);
        }
        kill_process(self.pid, signal).with_context(|| format!("failed to signal {}", self.name))
    }

    /// SIGTERM.
    ///
    /// # Errors
    /// When it is gone already.
    pub fn term(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// SIGKILL to the whole group, and waits until it is gone.
    pub fn kill(&self) {
        let mut child = self.child();
        if matches!(child.try_wait(), Ok(None)) {
            // Both may fail only because the process ended in between.
            let _ = kill_process_group(self.pid, Signal::KILL);
            let _ = child.wait();
        }
    }

    /// Freezes the whole group (SIGSTOP).
    ///
    /// # Errors
    /// When it is gone already.
    pub fn freeze(&self) -> Result<()> {
        kill_process_group(self.pid, Signal::STOP).with_context(|| format!("failed to freeze {}", self.name))
    }

    /// Lets the frozen group go on (SIGCONT).
    ///
    /// # Errors
    /// When it is gone already.
    pub fn thaw(&self) -> Result<()> {
        kill_process_group(self.pid, Signal::CONT).with_context(|| format!("failed to thaw {}", self.name))
    }

    /// Real-time scheduling for all its threads and those they start: it runs before anything that has none, so that
    /// what else the machine does is not in the figures.
    ///
    /// # Errors
    /// When it is gone, or this container may not (`CAP_SYS_NICE`).
    pub fn hurry(&self) -> Result<()> {
        let pid = self.pid().to_string();
        capture(Command::new("chrt").args(["--rr", "--all-tasks", "--pid", REAL_TIME, &pid])).map(drop)
    }

    /// How it ended, if it did.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn exited(&self) -> Result<Option<ExitStatus>> {
        Ok(self.child().try_wait()?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it still runs after `within`.
    pub fn wait_exit(&self, within: Duration) -> Result<ExitStatus> {
        wait::until(&format!("the end of {}", self.name), within, || self.exited()?.context("it still runs"))
    }

    /// Fails if it has ended, with the end of its log.
    ///
    /// # Errors
    /// When it has ended.
    pub fn alive(&self) -> Result<()> {
        match self.exited()? {
            None => Ok(()),
            Some(status) => {
                let tail = self.log.tail(15);
                Err(Hopeless(format!("{} ended ({status}); its log ends:\n{tail}", self.name)).into())
            }
        }
    }

    /// Resident memory in KiB (`VmRSS`).
    ///
    /// # Errors
    /// When it is gone.
    pub fn resident_kib(&self) -> Result<u64> {
        self.memory_kib("VmRSS")
    }

    /// A figure of `/proc/<pid>/status` in KiB: `VmRSS`, `VmHWM`.
    ///
    /// # Errors
    /// When it is gone, or there is no such figure.
    pub fn memory_kib(&self, name: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(line.with_context(|| format!("no {name}"))?.trim().trim_end_matches(" kB").parse()?)
    }

    /// Processor time used so far by each thread that lives, by its id, from the scheduler's accounting.
    ///
    /// # Errors
    /// When it is gone.
    pub fn cpu_by_thread(&self) -> Result<BTreeMap<String, Duration>> {
        let mut threads = BTreeMap::new();
        for task in std::fs::read_dir(format!("/proc/{}/task", self.pid()))? {
            let task = task?;
            // A thread may end between the two looks.
            let Ok(line) = std::fs::read_to_string(task.path().join("schedstat")) else { continue };
            let nanos = line.split_whitespace().next().context("schedstat is empty")?.parse()?;
            threads.insert(task.file_name().to_string_lossy().into_owned(), Duration::from_nanos(nanos));
        }
        Ok(threads)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A log file that is still being written.
#[derive(Debug, Clone)]
pub struct Log {
    path: PathBuf,
}

impl Log {
    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it ends now, for [`Log::since`].
    #[must_use]
    pub fn mark(&self) -> u64 {
        File::open(&self.path).and_then(|file| file.metadata()).map_or(0, |meta| meta.len())
    }

    /// Everything written so far.
    #[must_use]
    pub fn text(&self) -> String {
        std::fs::read(&self.path).map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What was written after `mark`.
    #[must_use]
    pub fn since(&self, mark: u64) -> String {
        let text = self.text();
        usize::try_from(mark).ok().and_then(|mark| text.get(mark..)).unwrap_or_default().to_owned()
    }

    /// What was written since the program was last started under this name.
    #[must_use]
    pub fn of_last_start(&self) -> String {
        let text = self.text();
        let after =
            text.rmatch_indices("# ").find(|(at, _)| *at == 0 || text.get(..*at).is_some_and(|t| t.ends_with('\n')));
        let said = after.and_then(|(at, _)| text.get(at..)?.split_once('\n'));
        said.map(|(_, said)| said.to_owned()).unwrap_or_default()
    }

    /// The last `count` lines.
    #[must_use]
    pub fn tail(&self, count: usize) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
    }

    /// Waits for a line after `mark` that has all of `words` in it, and returns it.
    ///
    /// # Errors
    /// When none came in time.
    pub fn wait_line(&self, mark: u64, words: &[&str], within: Duration) -> Result<String> {
        wait::until(&format!("a line with {words:?} in {}", self.path.display()), within, || {
            let text = self.since(mark);
            let line = text.lines().find(|line| words.iter().all(|word| line.contains(word)));
            line.map(str::to_owned).with_context(|| format!("its last line is {:?}", text.lines().last().unwrap_or("")))
        })
    }
}
