//! The matrix as tables, and the document they make.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};

use super::cell::{Cell, HOLDS, Md5};
use crate::host::capture;
use crate::parts::router::Kind;
use crate::paths;

/// How a cell ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The session came up, both routes appeared, changed and went.
    Works,
    /// No session, as it must be.
    Refused,
    /// Neither; why.
    Failed(String),
}

impl Verdict {
    pub(super) fn of(cell: Cell, failure: Option<String>) -> Self {
        match failure {
            Some(why) => Self::Failed(why),
            None if cell.md5.fits() => Self::Works,
            None => Self::Refused,
        }
    }

    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Works => "yes",
            Self::Refused => "none",
            Self::Failed(_) => "**FAILED**",
        }
    }
}

/// The table of one program, with the reasons of what failed under it.
pub(super) fn table(kind: Kind, version: &str, verdicts: &[(Cell, Verdict)]) -> String {
    let mut text = format!("## {kind}\n\n{version}\n\n| session |");
    let holds = |key: &str| HOLDS.map(|hold| format!(" {key}hold {hold} |")).concat();
    let _ = writeln!(text, "{}{} wrong key | key here only | key there only |", holds(""), holds("MD5, "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(HOLDS.len() * 2 + 3));
    for row in verdicts.chunk_by(|(a, _), (b, _)| row_of(*a) == row_of(*b)) {
        let Some((cell, _)) = row.first() else { continue };
        let words: String = row.iter().map(|(_, verdict)| format!(" {} |", verdict.word())).collect();
        let _ = writeln!(text, "| {} |{words}", row_name(*cell));
    }
    for (cell, verdict) in verdicts {
        if let Verdict::Failed(why) = verdict {
            let _ = writeln!(text, "\nFailed: {}, hold {}, {}: {why}", row_name(*cell), cell.hold, key_name(cell.md5));
        }
    }
    text
}

fn row_of(cell: Cell) -> (bool, bool, bool) {
    (cell.v6, cell.internal, cell.far)
}

fn row_name(cell: Cell) -> String {
    let family = if cell.v6 { "IPv6" } else { "IPv4" };
    let kind = if cell.internal { "iBGP" } else { "eBGP" };
    let hops = if cell.far { "two hops" } else { "one hop" };
    format!("{family} {kind}, {hops}")
}

fn key_name(md5: Md5) -> &'static str {
    match md5 {
        Md5::None => "no key",
        Md5::Right => "right key",
        Md5::Wrong => "wrong key",
        Md5::OnlyUs => "key here only",
        Md5::OnlyRouter => "key there only",
    }
}

/// Which version was tried, as its package or itself says.
pub(super) fn version(kind: Kind) -> Result<String> {
    let package = match kind {
        Kind::Gobgpd => {
            let said = capture(std::process::Command::new(paths::cached("gobgpd")?).arg("--version"))?;
            return Ok(format!("GoBGP, {}", said.trim()));
        }
        Kind::Bird => "bird2",
        Kind::Frr => "frr",
        Kind::Openbgpd => "openbgpd",
        Kind::Exabgp => "exabgp",
    };
    let said = capture(std::process::Command::new("dpkg-query").args(["-W", "-f", "${Version}", package]))?;
    Ok(format!("Debian's {package} {said}"))
}

const INTRODUCTION: &str = "\
# Interoperability

Made by `gobgp-testbed/run interop`; do not edit. Each cell is a vipcast of its own with one session to the router, all
sessions of a router at once. **yes**: the session came up, an IPv4 and an IPv6 host route appeared in the router's
table with the right AS path (and the right next hop, where it is of the session's family), the session stayed up for
20 s, on SIGTERM both routes changed (GRACEFUL_SHUTDOWN, RFC 8326) and went, and vipcast ended with 0. **none**: the
keys do not fit; no session came up in all that time, and vipcast said that its SYNs met silence (hold time 9 s). The
hold time is the one vipcast offers; the router offers 90 s.
";

/// Writes `docs/interop.md`.
pub(super) fn write<'a>(tables: impl Iterator<Item = &'a str>) -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/interop.md");
    let text = std::iter::once(INTRODUCTION).chain(tables).collect::<Vec<_>>().join("\n");
    std::fs::write(&file, text).with_context(|| format!("failed to write {}", file.display()))?;
    println!("written: docs/interop.md");
    Ok(())
}
