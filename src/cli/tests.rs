use std::os::unix::ffi::OsStringExt as _;

use super::*;

/// A request as plain values: the subcommand that runs, and flag and text of each option.
type Words = Result<(Option<Command>, Vec<(&'static str, String)>), String>;

fn words(line: &str) -> Words {
    let words = std::iter::once("vipcast").chain(line.split_whitespace()).map(OsString::from);
    parse(words).map(|request| match request {
        Request::Run(command, flags) => {
            (Some(command), flags.into_iter().map(|(spec, text)| (spec.flag, text)).collect())
        }
        Request::Check(flags, _) => (None, flags.into_iter().map(|(spec, text)| (spec.flag, text)).collect()),
        Request::Print(_) | Request::Version | Request::Schema | Request::Ask(_) | Request::Manifest(..) => {
            (None, vec![])
        }
    })
}

fn run(command: Command, flags: &[(&'static str, &str)]) -> Words {
    Ok((Some(command), flags.iter().map(|(flag, text)| (*flag, (*text).to_owned())).collect()))
}

/// A command line and what it says.
type Case = (&'static str, Command, &'static [(&'static str, &'static str)]);

#[test]
fn flags_are_written_as_in_go() {
    use Command::{Manager, Service, Start};
    let cases: &[Case] = &[
        ("manager", Manager, &[]),
        ("start --bgp", Start, &[("bgp", "true")]),
        ("/kube-vip manager --bgp=0", Manager, &[("bgp", "0")]),
        ("/vipcast manager --bgp=", Manager, &[("bgp", "")]),
        ("manager --localAS 1 --localAS=2", Manager, &[("localAS", "1"), ("localAS", "2")]),
        ("--bgp manager --bgp=f", Manager, &[("bgp", "true"), ("bgp", "f")]),
        ("manager --log -4", Manager, &[("log", "-4")]),
        ("manager --peerPass --bgp", Manager, &[("peerPass", "--bgp")]),
        ("manager -n ha", Manager, &[("namespace", "ha")]),
        ("manager -nha", Manager, &[("namespace", "ha")]),
        ("manager --nodeName=", Manager, &[("nodeName", "")]),
        (
            "manager --multiHop --controlPlane --sourceif eth0 --cidr 32",
            Manager,
            &[("vipSubnet", "32"), ("controlplane", "true"), ("multihop", "true"), ("sourceIF", "eth0")],
        ),
        ("manager --bgppeers a,b --bgppeers c", Manager, &[("bgppeers", "a,b"), ("bgppeers", "c")]),
        ("manager -n=ha --", Manager, &[("namespace", "ha")]),
        ("manager -c /f", Manager, &[("config-file", "/f")]),
        ("start -c /f", Start, &[("config-file", "/f")]),
        ("start --config=/f", Start, &[("config-file", "/f")]),
        ("start -sl -d=false", Start, &[("disableVIP", "false"), ("startAsLeader", "true"), ("singleNode", "true")]),
        ("start --inCluster --kubeConfig /k", Start, &[("k8sConfigPath", "/k"), ("inCluster", "true")]),
        ("service -c plndr -i eth0", Service, &[("interface", "eth0"), ("configMap", "plndr")]),
        (
            "-n ha manager --metalrojectID 1 --packetKey x",
            Manager,
            &[("namespace", "ha"), ("metalKey", "x"), ("metalProjectID", "1")],
        ),
    ];
    for (line, command, flags) in cases {
        assert_eq!(words(line), run(*command, flags), "{line}");
    }
}

#[test]
fn what_prints() {
    let lines = [
        "",
        "help",
        "--help",
        "--version",
        "version",
        "version --bgp",
        "reference",
        "schema",
        "reference compatibility",
        "completion bash",
        "manager --help",
        "help start",
    ];
    for line in lines {
        assert_eq!(words(line), Ok((None, vec![])), "{line}");
    }
    let checked = words("check --bgp --localAS 1");
    assert_eq!(checked, Ok((None, vec![("bgp", "true".to_owned()), ("localAS", "1".to_owned())])));
    let version = version();
    let lines: Vec<_> = version.lines().map(|line| line.split("  ").next().unwrap_or_default()).collect();
    assert_eq!(lines, ["vipcast Release Information", "Version:", "Commit:", "Build:"]);
}

#[test]
fn help_shows_every_option_with_its_default_and_variables() {
    let Ok(Request::Print(help)) = parse(["vipcast", "manager", "--help"].map(OsString::from)) else {
        panic!("no help");
    };
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for spec in OPTIONS.iter().filter(|spec| spec.is_shown() && spec.is_flag) {
        let default = if spec.default.is_empty() { String::new() } else { format!(" [default: {}]", spec.default) };
        let variables = if spec.variables.is_empty() { "none".to_owned() } else { spec.variables.join(", ") };
        let row = format!("{}{default} [variable: {variables}]", spec.help);
        assert_eq!(help.matches(&row).count(), 1, "{row}");
        assert!(help.contains(&format!("--{}", spec.flag)), "{}", spec.flag);
    }
}

#[test]
fn completion_scripts_name_every_option() {
    for (shell, before, after) in [("bash", "--", " "), ("zsh", "'--", ":"), ("fish", " -l ", " ")] {
        let Ok(Request::Print(script)) = parse(["vipcast", "completion", shell].map(OsString::from)) else {
            panic!("no script for {shell}");
        };
        // What is local to one subcommand may be another one's own.
        for spec in OPTIONS.iter().filter(|spec| spec.is_flag || spec.local.is_empty()) {
            let is_there = script.contains(&format!("{before}{}{after}", spec.flag));
            assert_eq!(is_there, spec.is_shown() && spec.is_flag, "{shell}: {}", spec.flag);
        }
    }
    assert!(words("completion tcsh").is_err());
    assert!(words("completion").is_err());
}

#[test]
fn wrong_words_are_named_and_values_are_not() {
    let unknown = "error: unexpected argument '--peerpass' found\n\n  tip: a similar argument exists: '--peerPass'\n\n\
                   Usage: vipcast manager --peerPass <PASSWORD>\n\nFor more information, try '--help'.\n";
    let stray = "error: a word belongs to no flag (not shown: it may be part of a password)\n\n  \
                 tip: booleans take their value by \"=\": --leaderElection=false\n";
    assert_eq!(words("manager --peerpass=hunter2"), Err(unknown.to_owned()));
    assert_eq!(words("manager --peerpass hunter2"), Err(unknown.to_owned()));
    assert_eq!(words("manager --peerPass hunter 2"), Err(stray.to_owned()));
    assert_eq!(words("manager --arp false"), Err(stray.to_owned()));
    for line in [
        "manager -bgp",
        "manager -- --arp",
        "manager -s",
        "manager -i eth0",
        "start -i eth0",
        "manager --inCluster",
        "manager --Bgp",
    ] {
        assert!(words(line).is_err(), "{line}");
    }
}

#[test]
fn variables_are_those_of_the_table() {
    let os = |text: &str| OsString::from(text);
    let bad = OsString::from_vec(vec![0xff]);
    let all =
        vec![(os("PATH"), os("/bin")), (os("bgp_as"), os("1")), (bad.clone(), os("x")), (os("HOME"), bad.clone())];
    assert_eq!(variables(all.into_iter()), Ok(vec![("bgp_as".to_owned(), "1".to_owned())]));
    let finding = Finding { subject: "bgp_peerpass".to_owned(), text: "the value is not UTF-8".to_owned() };
    assert_eq!(variables([(os("bgp_peerpass"), bad)].into_iter()), Err(Mistakes(vec![finding])));
}

#[test]
fn the_complaint_ends_with_the_count() {
    let finding = |text: &str| Finding { subject: "--x (y)".to_owned(), text: text.to_owned() };
    let end = "in the configuration, nothing was changed; see vipcast help manager\n";
    assert_eq!(complaint(&Mistakes(vec![finding("a")])), format!("vipcast: --x (y): a\nvipcast: 1 mistake {end}"));
    let two = complaint(&Mistakes(vec![finding("a"), finding("b")]));
    assert_eq!(two, format!("vipcast: --x (y): a\nvipcast: --x (y): b\nvipcast: 2 mistakes {end}"));
}

#[test]
fn facts_of_a_password_file() {
    let read = |path: &str| {
        let raw = RawConfig::new([], [("bgp_peerpass_file".to_owned(), path.to_owned())]);
        facts::read(&raw, &Learned::default()).password_files.into_values().next().map(|read| read.map(|_| ()))
    };
    assert_eq!(read(""), None);
    assert_eq!(read("/dev/null"), Some(Ok(())));
    assert_eq!(read("/dev/zero"), Some(Ok(())));
    let absent = "there is no such file; a hostPath must exist and be mounted";
    assert_eq!(read("/nonexistent/file"), Some(Err(absent.to_owned())));
    let directory = "it is a directory; the kubelet makes one where a hostPath without a type does not exist";
    assert_eq!(read("/"), Some(Err(directory.to_owned())));
}

#[test]
fn a_flag_with_two_letters_changed_is_guessed() {
    let tip = |line: &str| words(line).unwrap_err().contains("tip: a similar argument exists: '--bgp'");
    assert_eq!(["manager --bpg", "manager --bpg=true", "manager --xyzw"].map(tip), [true, true, false]);
}

#[test]
fn a_check_is_printed_in_four_forms() {
    let form = |line: &str| match parse(std::iter::once("vipcast").chain(line.split(' ')).map(OsString::from)) {
        Ok(Request::Check(_, CheckForm { json, fix_hints, offline })) => Some((json, fix_hints, offline)),
        Ok(_) | Err(_) => None,
    };
    let lines = ["check --bgp", "check --json", "check --fix-hints", "check --offline --bgp", "manager --json"];
    let expected = [Some((false, false, false)), Some((true, false, false)), Some((false, true, false))];
    assert_eq!(lines.map(form), [expected[0], expected[1], expected[2], Some((false, false, true)), None]);
}

#[test]
fn what_is_asked_of_a_running_vipcast() {
    let asked = |line: &str| match parse(std::iter::once("vipcast").chain(line.split(' ')).map(OsString::from)) {
        Ok(Request::Ask(ask)) => Some(ask),
        Ok(_) | Err(_) => None,
    };
    let ask = |socket: Option<&str>, what| Some(Ask { socket: socket.map(Into::into), what });
    let drain = |persistent, secs| What::Drain { persistent, timeout: std::time::Duration::from_secs(secs) };
    assert_eq!(asked("status"), ask(None, What::Status { json: false, ready: false }));
    assert_eq!(
        asked("status -o table --controlSocket /x"),
        ask(Some("/x"), What::Status { json: false, ready: false })
    );
    for line in ["status --json", "status -o json", "status --output=json"] {
        assert_eq!(asked(line), ask(None, What::Status { json: true, ready: false }));
    }
    assert_eq!(asked("drain"), ask(None, drain(false, 60)));
    assert_eq!(asked("drain --persistent --timeout 0"), ask(None, drain(true, 0)));
    assert_eq!(asked("undrain"), ask(None, What::Undrain));
    for line in ["status -o yaml", "drain --timeout -1", "drain --bgp", "undrain --persistent"] {
        assert_eq!(asked(line), None, "{line}");
    }
}

#[test]
fn nobody_who_answers_is_said_with_the_socket_asked() {
    let said = |socket: Option<&str>, variable: Option<&str>| {
        control::ask(
            &Ask { socket: socket.map(Into::into), what: What::Status { json: false, ready: false } },
            variable,
        )
    };
    let absent = |path: &str| {
        let why = "there is no such socket; does vipcast run here, and with this --controlSocket?";
        Err(format!("failed to ask vipcast at {path}: {why}"))
    };
    assert_eq!(said(None, Some("/nonexistent/variable")), absent("/nonexistent/variable"));
    assert_eq!(said(Some("/nonexistent/flag"), Some("/nonexistent/variable")), absent("/nonexistent/flag"));
    let off = "failed to ask vipcast: control_socket is off, so it has no control socket".to_owned();
    assert_eq!(said(None, Some("off")), Err(off));
}
