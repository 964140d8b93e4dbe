//! gobgpd's table as it changes: each change of a best path with its time, to the millisecond and without polling.

use std::io::{BufRead, BufReader, Read};
use std::net::IpAddr;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::router::{Kind, Router};
use crate::host::Host;
use crate::{clock, paths, wait};

/// Added and deleted until the monitor tells of it: from then on it misses nothing.
const MARKER: &str = "192.0.2.1/32";

/// One change of the best path to a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When gobgpd told of it.
    pub at: Duration,
    /// `10.88.0.40/32`
    pub prefix: String,
    /// Where the path points; of a path that went, where it pointed.
    pub next_hop: Option<IpAddr>,
    /// Whether the prefix has no path any more.
    pub gone: bool,
}

/// `gobgp monitor global rib` in progress.
#[derive(Debug)]
pub struct Rib {
    child: Child,
    changes: Arc<Mutex<Vec<Change>>>,
}

impl Rib {
    /// Starts to watch a gobgpd.
    ///
    /// # Errors
    /// When it is no gobgpd, or the monitor does not start.
    pub fn watch(router: &Router) -> Result<Self> {
        anyhow::ensure!(router.kind() == Kind::Gobgpd, "only gobgpd's table can be watched");
        let mut command = router.host().command(paths::cached("gobgp")?);
        command.args(["-j", "monitor", "global", "rib"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().context("failed to start gobgp monitor")?;
        let changes = Arc::default();
        let output = child.stdout.take().context("gobgp monitor has no output")?;
        let rib = Self { child, changes: Arc::clone(&changes) };
        thread::spawn(move || read(output, &changes));
        rib.wait_ready(router.host())?;
        Ok(rib)
    }

    fn wait_ready(&self, host: &Host) -> Result<()> {
        let gobgp = paths::cached("gobgp")?;
        wait::until("gobgp monitor to tell of changes", Duration::from_secs(10), || {
            host.exec(&gobgp, &["global", "rib", "add", MARKER])?;
            host.exec(&gobgp, &["global", "rib", "del", MARKER])?;
            let told = self.changes().iter().any(|change| change.prefix == MARKER && change.gone);
            told.then_some(()).context("nothing told yet")
        })
    }

    fn changes(&self) -> MutexGuard<'_, Vec<Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the first change after `from` that is as `wanted`.
    ///
    /// # Errors
    /// When there is none in time.
    pub fn wait(
        &self,
        what: &str,
        from: Duration,
        within: Duration,
        wanted: impl Fn(&Change) -> bool,
    ) -> Result<Change> {
        wait::until(&format!("{what} in gobgpd's table"), within, || {
            let changes = self.changes();
            let found = changes.iter().find(|change| change.at >= from && wanted(change));
            found.cloned().with_context(|| format!("the last change is {:?}", changes.last()))
        })
    }
}

impl Drop for Rib {
    fn drop(&mut self) {
        // Both fail only where it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(output: impl Read, changes: &Mutex<Vec<Change>>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let at = clock::now();
        changes.lock().unwrap_or_else(PoisonError::into_inner).extend(parse(&line, at));
    }
}

/// A line is a JSON array of paths, or something else.
fn parse(line: &str, at: Duration) -> Vec<Change> {
    let paths: Value = serde_json::from_str(line).unwrap_or_default();
    paths.as_array().into_iter().flatten().filter_map(|path| change(path, at)).collect()
}

fn change(path: &Value, at: Duration) -> Option<Change> {
    /// `NEXT_HOP`'s attribute code.
    const NEXT_HOP: u64 = 3;
    let prefix = path.pointer("/nlri/prefix")?.as_str()?.to_owned();
    let attributes = path.get("attrs").and_then(Value::as_array).into_iter().flatten();
    let next_hop = attributes
        .filter(|attribute| attribute.get("type").and_then(Value::as_u64) == Some(NEXT_HOP))
        .find_map(|attribute| attribute.get("nexthop")?.as_str()?.parse().ok());
    let gone = path.get("withdrawal").and_then(Value::as_bool).unwrap_or(false);
    Some(Change { at, prefix, next_hop, gone })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_changes_as_gobgp_4_8_prints_them() {
        let at = Duration::from_secs(1);
        let line = |end: &str| {
            format!(
                r#"[{{"Family":0,"nlri":{{"prefix":"10.88.0.40/32"}},"age":1,"best":false,"attrs":[{{"type":1,"value":2}},{{"type":3,"nexthop":"10.77.0.11"}}],"stale":false{end}}}]"#
            )
        };
        let change = |gone| {
            let (prefix, next_hop) = ("10.88.0.40/32".to_owned(), Some(IpAddr::from([10, 77, 0, 11])));
            vec![Change { at, prefix, next_hop, gone }]
        };
        assert_eq!(parse(&line(""), at), change(false));
        assert_eq!(parse(&line(r#","withdrawal":true"#), at), change(true));
        assert_eq!(parse("[ROUTE] 10.88.0.40/32", at), []);
    }
}
