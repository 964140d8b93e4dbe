//! Scenario 50, kube-vip's words: command lines and environments of every era, to the letter, and completion.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::expect::external;
use super::{Run, SOON, Scenario};
use crate::host::Host;
use crate::lab::{VIP, node_address};
use crate::parts::router::{Conf, Kind};
use crate::parts::vipcast::socket;
use crate::paths;
use crate::site::{PREFIX, Site};

/// All of them.
pub(super) const WORDS: &[Scenario] = &[
    Scenario {
        name: "50-words",
        shows: "command lines and environments of kube-vip: what is refused, warned of and taken, to the letter",
        run: Run::Site(words),
    },
    Scenario {
        name: "50-old-start",
        shows: "`/kube-vip /kube-vip start` with a 0.3 manifest's environment: announced, each leftover warned of once",
        run: Run::Site(old_start),
    },
    Scenario {
        name: "50-healthz",
        shows: "health_check_port: /healthz answers while the process runs, not while it is frozen, and does not keep it from ending",
        run: Run::Site(healthz),
    },
    Scenario {
        name: "50-completion",
        shows: "bash takes the script of `completion bash` and completes subcommands and flags by it",
        run: Run::Site(completion),
    },
];

/// A BGP manifest's environment, complete.
const GOOD: &[(&str, &str)] = &[
    ("vip_arp", "false"),
    ("port", "6443"),
    ("vip_nodename", "n1"),
    ("vip_interface", "lo"),
    ("cp_enable", "true"),
    ("bgp_enable", "true"),
    ("bgp_as", "65000"),
    ("bgp_peers", "10.77.0.1:65001::false"),
    ("vip_address", "10.88.0.40"),
];

/// What a run must come to: exit code, lines on the standard error, and of the standard output the first table, its columns
/// one blank apart.
struct Case {
    line: &'static str,
    environment: Vec<(&'static str, &'static str)>,
    code: i32,
    stderr: Vec<String>,
    stdout: Vec<String>,
}

fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    GOOD.iter().chain(more).copied().collect()
}

/// `check` of an environment that is taken, with these warnings and notes.
fn taken(more: &[(&'static str, &'static str)], said: &[&str]) -> Case {
    let is_warned = said.iter().any(|line| line.starts_with("warning: "));
    let row = |line: &str| {
        let line = line.replacen("warning: ", "WARNING ", 1).replacen("note: ", "good ", 1);
        line.replacen(": ", " ", 1)
    };
    let fine = (!is_warned).then(|| "good configuration no mistake, no warning".to_owned());
    let rows = fine.into_iter().chain(said.iter().map(|line| row(line)));
    let stdout = std::iter::once("VERDICT CHECK FINDING".to_owned()).chain(rows).collect();
    let code = if is_warned { 2 } else { 0 };
    Case { line: "check --offline", environment: with(more), code, stderr: vec![], stdout }
}

/// A daemon that is refused, with these mistakes.
fn refused(line: &'static str, environment: Vec<(&'static str, &'static str)>, said: &[&str]) -> Case {
    let mut stderr: Vec<String> = said.iter().map(|line| format!("vipcast: {line}")).collect();
    let count = if said.len() == 1 { "1 mistake".to_owned() } else { format!("{} mistakes", said.len()) };
    stderr.push(format!("vipcast: {count} in the configuration, nothing was changed; see vipcast help manager"));
    Case { line, environment, code: 1, stderr, stdout: vec![] }
}

/// Words that are no command line.
fn mistyped(line: &'static str, said: &str) -> Case {
    Case { line, environment: vec![], code: 1, stderr: said.lines().map(str::to_owned).collect(), stdout: vec![] }
}

const STRAY: &str = "error: a word belongs to no flag (not shown: it may be part of a password)\n\n  \
                     tip: booleans take their value by \"=\": --leaderElection=false";

fn modes() -> Vec<Case> {
    let end = "not built yet, only the control plane over BGP is; turn it off";
    let services = format!("svc_enable (--services): Services of type LoadBalancer: {end}");
    let arp = format!("vip_arp (--arp): ARP mode: {end}");
    let raft = "vip_peers (--remotePeers): raft among listed peers: not built yet, and each of them would announce for \
                itself; add --bgp and --leaderElection";
    let old: &[(&str, &str)] =
        &[("vip_interface", "lo"), ("vip_address", "10.88.0.40"), ("vip_leaderelection", "true")];
    let raft_only = vec![("vip_interface", "lo"), ("vip_address", "10.88.0.40"), ("vip_peers", "n2:10.77.0.12:10000")];
    vec![
        refused("manager", with(&[("svc_enable", "true"), ("svc_election", "true")]), &[&services]),
        refused("service", with(&[("svc_enable", "true")]), &[&services]),
        refused("start", old.iter().copied().chain([("vip_arp", "true")]).collect(), &[&arp]),
        refused("start", raft_only, &[raft]),
        refused(
            "manager --leaderElectionType=etcd --leaderElection",
            GOOD.to_vec(),
            &[
                "--leaderElectionType: election by etcd: not built yet, only the control plane over BGP is; give kubernetes",
            ],
        ),
        refused(
            "manager",
            with(&[("vip_leaderelection", "yes")]),
            &[
                "vip_leaderelection (--leaderElection): \"yes\" is not a boolean; expected true or false (1, t, T, 0, f, F)",
            ],
        ),
    ]
}

fn odd() -> Vec<Case> {
    vec![
        taken(&[], &[]),
        taken(
            &[("prometheus_server", ":2112"), ("dns_mode", "first"), ("vip_startleader", "true")],
            &[
                "warning: vip_startleader (--startAsLeader): is ignored: there is no raft, without --leaderElection every \
                 node announces",
                "warning: prometheus_server (--prometheusHTTPServer): is ignored: metrics are not built yet, nothing \
                 listens there",
                "note: dns_mode (--dnsMode): has no effect without virtual IPs by DNS name",
            ],
        ),
        taken(
            &[("vip_cidr", "24"), ("bgp_routerinterface", "lo")],
            &["warning: vip_cidr (--vipSubnet): \"24\": BGP announces host routes all the same, /32 and /128"],
        ),
        Case {
            line: "check --offline --localAS=65009",
            ..taken(
                &[],
                &["warning: bgp_as (--localAS): bgp_as is \"65000\" and --localAS is \"65009\", which is ignored: a \
                   variable counts before a flag, as in kube-vip"],
            )
        },
        Case { line: "/kube-vip check --offline -n=ha --vip 10.88.0.40", ..taken(&[], &[]) },
    ]
}

fn typing() -> Vec<Case> {
    vec![
        mistyped("manager --bgp false", STRAY),
        mistyped(
            "manager --peerpass=hunter2",
            "error: unexpected argument '--peerpass' found\n\n  tip: a similar argument exists: '--peerPass'\n\n\
             Usage: vipcast manager --peerPass <PASSWORD>\n\nFor more information, try '--help'.",
        ),
        mistyped(
            "manager --servicesElektion",
            "error: unexpected argument '--servicesElektion' found\n\n  tip: a similar argument exists: \
             '--servicesElection'\n\nUsage: vipcast manager [OPTIONS]\n\nFor more information, try \
             '--help'.",
        ),
    ]
}

/// Runs each as a manifest does, and compares all that comes of it.
fn words(site: &mut Site) -> Result<()> {
    let node = site.node(1)?.clone();
    let cases: Vec<Case> = modes().into_iter().chain(odd()).chain(typing()).collect();
    for Case { line, environment, code, stderr, stdout } in &cases {
        let output = run(&node, line, environment)?.output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        let narrow = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let said: Vec<String> = out.lines().take_while(|line| !line.is_empty()).map(narrow).collect();
        ensure!(
            (output.status.code(), err.lines().collect::<Vec<_>>(), &said)
                == (Some(*code), stderr.iter().map(String::as_str).collect(), stdout),
            "`{line}` with {environment:?} ended with {}, said\n{err}\nand printed\n{}\ninstead of\n{}\nand\n{}",
            output.status,
            said.join("\n"),
            stderr.join("\n"),
            stdout.join("\n"),
        );
    }
    println!("    figure: {} command lines and environments, each answered to the letter", cases.len());
    Ok(())
}

/// vipcast with these words and nothing but this environment.
fn run(node: &Host, line: &str, environment: &[(&str, &str)]) -> Result<Command> {
    let mut command = node.command(paths::vipcast()?);
    command.args(line.split_whitespace()).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.envs(environment.iter().copied());
    Ok(command)
}

/// The environment of a 0.3 manifest with BGP and raft's leftovers.
const OLD: &[(&str, &str)] = &[
    ("vip_arp", "false"),
    ("vip_interface", "lo"),
    ("vip_cidr", "32"),
    ("vip_startleader", "false"),
    ("vip_addpeerstolb", "true"),
    ("vip_localpeer", "n1:10.77.0.11:10000"),
    ("bgp_enable", "true"),
    ("bgp_routerid", "10.77.0.11"),
    ("bgp_as", "65000"),
    ("bgp_peeraddress", "10.77.0.1"),
    ("bgp_peerpass", ""),
    ("bgp_peeras", "65001"),
    ("lb_enable", "false"),
    ("lb_backendport", "6443"),
    ("lb_bindtovip", "false"),
    ("vip_address", "10.88.0.40"),
    // Not of that time: a site has no API server to be fit by.
    ("control_plane_health_check_address", "off"),
    ("log_format", "json"),
];

/// The image's entry point and the same word again, as the 0.1 documents have it.
fn old_start(site: &mut Site) -> Result<()> {
    let gobgpd = site.router(Kind::Gobgpd, Conf::new(Kind::Gobgpd))?;
    let node = site.node(1)?.clone();
    let program = node.file("kube-vip");
    let _ = std::fs::remove_file(&program);
    std::os::unix::fs::symlink(paths::vipcast()?, &program)?;
    let process = node.spawn("old-start", &program, |command| {
        command.args(["/kube-vip", "start"]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("control_socket", socket("old-start", &node)).envs(OLD.iter().copied());
    })?;
    let best = gobgpd.wait_best(PREFIX, node_address(1), SOON)?;
    ensure!(best == external(node_address(1), best.med), "the route is {best:?}");
    node.expect_address("lo", VIP.into(), true)?;
    process.term()?;
    let status = process.wait_exit(SOON)?;
    ensure!(status.code() == Some(0), "it ended with {status}");
    let said = process.said();
    let mut warnings = Vec::new();
    for line in said.lines() {
        let line: serde_json::Value = serde_json::from_str(line).with_context(|| format!("not JSON: {line:?}"))?;
        if let (Some(option), Some(text)) = (line.get("option"), line.get("message")) {
            warnings.push(format!("{}: {}", option.as_str().unwrap_or_default(), text.as_str().unwrap_or_default()));
        }
    }
    let ignored = "is ignored: there is no raft, without --leaderElection every node announces";
    let expected =
        ["vip_localpeer (--localPeer)", "vip_addpeerstolb (--addPeersToLB)"].map(|name| format!("{name}: {ignored}"));
    ensure!(warnings == expected, "the warnings are {warnings:#?}");
    println!("    figure: announced from {} old variables, {} warnings", OLD.len(), warnings.len());
    Ok(())
}

/// Words so far, and what bash must offer for the last of them.
const COMPLETED: &[(&str, &[&str])] = &[
    ("vipcast mana", &["manager"]),
    ("vipcast manager --bgppe", &["--bgppeers"]),
    ("vipcast manager --bgp --leaseD", &["--leaseDuration"]),
    ("kube-vip completion ", &["bash", "zsh", "fish", "--help"]),
    ("vipcast status --j", &["--json"]),
    ("vipcast manager --servicesE", &[]),
];

fn completion(site: &mut Site) -> Result<()> {
    let node = site.node(1)?.clone();
    let script = node.exec(paths::vipcast()?, &["completion", "bash"])?;
    let file = node.file("completion.bash");
    std::fs::write(&file, &script)?;
    let path = file.display().to_string();
    node.exec("bash", &["-n", &path])?;
    for (line, expected) in COMPLETED {
        let complete = "source \"$0\"; COMP_WORDS=($1); [[ $1 == *' ' ]] && COMP_WORDS+=(''); \
                        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _vipcast; printf '%s\\n' \"${COMPREPLY[@]}\"";
        let said = node.exec("bash", &["--norc", "-c", complete, &path, line])?;
        let offered: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
        ensure!(offered == *expected, "after {line:?} bash offers {offered:?} instead of {expected:?}");
    }
    let registered = node.exec("bash", &["--norc", "-c", "source \"$0\"; complete -p vipcast kube-vip", &path])?;
    ensure!(registered.lines().count() == 2, "bash has registered {registered}");
    println!("    figure: {} bytes of script, {} completions as expected", script.len(), COMPLETED.len());
    Ok(())
}

/// What a kubelet's probe sees.
fn healthz(site: &mut Site) -> Result<()> {
    const PORT: u16 = 8086;
    let node = site.node(1)?.clone();
    let bird = site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let vipcast = site.vipcast(1, &site.spec(1, &[&bird]).env("health_check_port", PORT))?;
    bird.wait_best(PREFIX, node_address(1), SOON)?;
    let ask = |address: &str, path: &str| {
        let url = format!("http://{address}:{PORT}{path}");
        node.exec("curl", &["-sS", "--max-time", "1", "-w", " %{http_code}", &url])
    };
    for address in ["127.0.0.1", "[::1]", "10.77.0.11"] {
        let said = ask(address, "/healthz")?;
        ensure!(said == "OK\n 200", "{address}: {said:?}");
    }
    let said = ask("127.0.0.1", "/metrics")?;
    ensure!(said.ends_with(" 404"), "{said:?}");
    vipcast.freeze()?;
    ensure!(ask("127.0.0.1", "/healthz").is_err(), "a frozen process answered");
    vipcast.thaw()?;
    // Somebody who connects and says nothing.
    let idle = node.inside(|| Ok(std::net::TcpStream::connect(("127.0.0.1", PORT))?))?;
    vipcast.term()?;
    let status = vipcast.wait_exit(SOON)?;
    ensure!(status.code() == Some(0), "vipcast ended with {status}");
    drop(idle);
    bird.wait_gone(PREFIX, None, SOON)
}
