//! Holds the modules to the import table of docs/architecture.md: stations never import their neighbour in the flow.

#![expect(clippy::unwrap_used, reason = "a test may panic, and says where")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What each module may import, besides `time`, which everybody may, and `clock`, which every shell module may.
const TABLE: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("clock", &[]),
    ("wire", &[]),
    ("vip", &["wire"]),
    ("config", &["vip", "wire"]),
    ("bgp", &["wire"]),
    ("net", &[]),
    ("kube", &[]),
    ("election", &["kube", "config"]),
    ("health", &["config"]),
    ("provider", &["kube", "config"]),
    ("announce", &["vip", "bgp", "net", "config"]),
    ("control", &[]),
    ("cli", &["config", "control", "telemetry", "app"]),
    ("telemetry", &["config"]),
    ("shutdown", &[]),
    ("http", &[]),
    (
        "app",
        &[
            "config",
            "vip",
            "bgp",
            "net",
            "kube",
            "election",
            "health",
            "provider",
            "announce",
            "control",
            "http",
            "shutdown",
            "telemetry",
        ],
    ),
];

/// Modules that must stay free of clocks and sockets.
const PURE: &[&str] = &[
    "src/time",
    "src/time.rs",
    "src/wire",
    "src/vip",
    "src/config",
    "src/bgp/fsm",
    "src/bgp/gtsm.rs",
    "src/bgp/adj_out.rs",
    "src/bgp/backoff.rs",
    "src/bgp/changes.rs",
    "src/bgp/bfd/session",
    "src/bgp/bfd/session.rs",
    "src/bgp/keys.rs",
    "src/bgp/lookup.rs",
    "src/bgp/md5.rs",
    "src/bgp/next_hops.rs",
    "src/bgp/settings.rs",
    "src/election/access.rs",
    "src/election/candidates",
    "src/election/candidates.rs",
    "src/election/elector",
    "src/election/elector.rs",
    "src/election/fence",
    "src/election/fence.rs",
    "src/election/record.rs",
    "src/election/story.rs",
    "src/provider/metal/answers",
    "src/provider/metal/answers.rs",
    "src/provider/metal/fault.rs",
    "src/announce/eip.rs",
    "src/announce/schedule.rs",
    "src/provider/annotations",
    "src/provider/annotations.rs",
    "src/provider/base64.rs",
    "src/health/gate",
    "src/health/gate.rs",
    "src/health/heard.rs",
    "src/control/events.rs",
    "src/control/protocol.rs",
    "src/control/status.rs",
    "src/control/table.rs",
    "src/control/wall.rs",
];

fn sources(root: &Path) -> Vec<(String, String)> {
    if root.is_file() {
        return vec![(root.display().to_string(), fs::read_to_string(root).unwrap())];
    }
    let Ok(entries) = fs::read_dir(root) else { return vec![] };
    entries.flat_map(|entry| sources(&entry.unwrap().path())).filter(|(name, _)| name.ends_with(".rs")).collect()
}

/// The first path segments after `crate::` in code, doc comments left out.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .filter(|word: &String| !word.is_empty())
        .collect()
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let table: BTreeMap<_, _> = TABLE.iter().copied().collect();
    let mut wrong = vec![];
    for (name, text) in sources(Path::new("src")) {
        let module = name.trim_start_matches("src/").split(['/', '.']).next().unwrap().to_owned();
        if ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        let allowed =
            table.get(module.as_str()).unwrap_or_else(|| panic!("{name}: module {module} is not in the table"));
        assert!(!text.contains("use crate::{"), "{name} groups imports, which this test does not read");
        for import in imports(&text) {
            let fine =
                [module.as_str(), "time", "clock"].contains(&import.as_str()) || allowed.contains(&import.as_str());
            if !fine {
                wrong.push(format!("{name} imports crate::{import}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_pure_part_knows_no_clock_and_no_async() {
    let mut wrong = vec![];
    for path in PURE {
        assert!(Path::new(path).exists(), "{path} is in the list of the pure part, but not there");
        for (name, text) in sources(Path::new(path)) {
            if name.ends_with("tests.rs") {
                continue;
            }
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for word in [
                "crate::clock",
                "tokio",
                "async ",
                "rustix",
                "socket2",
                "std::thread",
                "rand::",
                "std::net::Tcp",
                "TcpStream",
                "TcpListener",
                "UdpSocket",
            ] {
                if code.clone().any(|line| line.contains(word)) {
                    wrong.push(format!("{name} mentions {word}"));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
