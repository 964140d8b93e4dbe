use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use secrecy::{ExposeSecret as _, SecretSlice};

use super::options::{OPTIONS, Spec};
use super::*;
use crate::vip::Vip;

mod control;
mod eras;
mod fences;
mod file;
mod health;
mod metal;
mod mistakes;
mod provided;
mod timings;
mod tuning;

/// What every good configuration needs.
const BASE: &[(&str, &str)] =
    &[("bgp", "true"), ("controlplane", "true"), ("address", "10.88.0.40"), ("bgppeers", "10.0.0.1:65001")];

fn spec(flag: &str) -> &'static Spec {
    OPTIONS.iter().find(|spec| spec.flag == flag).unwrap()
}

fn raw(flags: &[(&str, &str)], variables: &[(&str, &str)]) -> RawConfig {
    let flags = flags.iter().map(|(flag, text)| (spec(flag), (*text).to_owned()));
    RawConfig::new(flags, variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
}

fn facts() -> Facts {
    Facts { host_name: Some("Node-1".to_owned()), ..Facts::default() }
}

/// Checks `BASE`, with the flags of the same name replaced. A list is replaced too, not added to.
fn checked(flags: &[(&str, &str)], variables: &[(&str, &str)], facts: &Facts) -> Result<Checked, Mistakes> {
    let kept = BASE.iter().filter(|(flag, _)| !flags.iter().any(|(other, _)| other == flag));
    let all: Vec<_> = kept.chain(flags).copied().collect();
    check(&raw(&all, variables), Command::Manager, facts)
}

fn lines(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

pub(super) fn config(flags: &[(&str, &str)], variables: &[(&str, &str)]) -> Config {
    checked(flags, variables, &facts()).unwrap().config
}

fn warnings(flags: &[(&str, &str)], variables: &[(&str, &str)]) -> Vec<String> {
    lines(&checked(flags, variables, &facts()).unwrap().warnings)
}

fn mistakes(flags: &[(&str, &str)], variables: &[(&str, &str)]) -> Vec<String> {
    lines(&checked(flags, variables, &facts()).unwrap_err().0)
}

/// A peer as plain values: address and port, AS, password, multihop, source.
fn peers(config: &Config) -> Vec<(String, u32, Option<String>, bool, Source)> {
    let plain = |peer: &PeerConfig| {
        let at = peer.name();
        let password = peer.password.as_ref().map(|p| p.expose_secret().to_owned());
        (at, peer.asn.unwrap_or_default(), password, peer.hops == Hops::Multihop, peer.source.clone())
    };
    config.bgp.peers.iter().map(plain).collect()
}

fn at(address: &str, asn: u32) -> (String, u32, Option<String>, bool, Source) {
    (address.to_owned(), asn, None, false, Source::Any)
}

#[test]
fn the_defaults() {
    let Checked { config, warnings, .. } = checked(&[], &[], &facts()).unwrap();
    assert_eq!(warnings, vec![]);
    assert_eq!(peers(&config), vec![at("10.0.0.1:179", 65001)]);
    let Config { control_socket, drain_on_cordon, .. } = config.clone();
    let Config { node_name, vips, vip_attributes, interface, api_port, bgp, election, health, kubeconfig, log, .. } =
        config;
    assert_eq!(vip_attributes, BTreeMap::new());
    let vip = Vip::new(Ipv4Addr::new(10, 88, 0, 40).into());
    assert_eq!((node_name.as_str(), vips, interface, api_port), ("node-1", vec![vip], None, 6443));
    let (hold, keepalive) = (Duration::from_secs(30), Duration::from_secs(10));
    assert_eq!((bgp.local_as, bgp.router_id, bgp.hold_time, bgp.keepalive), (65000, None, hold, keepalive));
    assert_eq!((bgp.standby, bgp.as_path_fence, election), (false, None, None));
    assert_eq!(health, Some(health::own()));
    assert_eq!(kubeconfig, PathBuf::from("/etc/kubernetes/admin.conf"));
    assert_eq!((control_socket, drain_on_cordon), (Some(PathBuf::from("/run/vipcast/vipcast.sock")), false));
    assert_eq!(log, LogConfig { level: LogLevel::Info, format: LogFormat::Text });
}

#[test]
fn everything_by_variables() {
    let variables = [
        ("address", "10.88.0.40/32, 2001:db8::40"),
        ("vip_interface", "lo"),
        ("port", "8443"),
        ("bgp_as", "4200000001"),
        ("bgp_routerid", "192.0.2.1"),
        ("bgp_peers", "10.0.0.1:65001::false,[2001:db8::1]:65002:pw:true:1179"),
        ("bgp_peeraddress", "10.0.0.2:2179"),
        ("bgp_peeras", "65003"),
        ("bgp_peerpass", "secret"),
        ("bgp_multihop", "1"),
        ("bgp_source_if", "eth0"),
        ("bgp_listen_port", "1790"),
        ("bgp_hold_time", "9"),
        ("bgp_keepalive_interval", "2"),
        ("vip_leaderelection", "T"),
        ("vip_leasename", "my-lock"),
        ("cp_namespace", "ha"),
        ("vip_leaseduration", "15"),
        ("vip_renewdeadline", "10"),
        ("vip_retryperiod", "2"),
        ("vip_nodename", "CP1.example"),
        ("k8s_config_file", "/k"),
        ("vip_loglevel", "-4"),
        ("log_format", "json"),
        ("vip_arp", "false"),
        ("unknown_to_us", "x"),
    ];
    let flags = [("bgp", "true"), ("controlplane", "true")];
    let Checked { config, warnings, .. } = check(&raw(&flags, &variables), Command::Manager, &facts()).unwrap();
    assert_eq!(warnings, vec![]);
    let source = Source::Interface("eth0".to_owned());
    assert_eq!(
        peers(&config),
        vec![
            ("10.0.0.1:179".to_owned(), 65001, None, false, source.clone()),
            ("[2001:db8::1]:1179".to_owned(), 65002, Some("pw".to_owned()), true, source.clone()),
            ("10.0.0.2:2179".to_owned(), 65003, Some("secret".to_owned()), true, source),
        ]
    );
    let shown = format!("{config:?}");
    assert!(!shown.contains("secret") && !shown.contains("\"pw\""), "{shown}");
    let Config { node_name, vips, vip_attributes, interface, api_port, bgp, election, kubeconfig, log, .. } = config;
    assert_eq!(vip_attributes, BTreeMap::new());
    let vips: Vec<String> = vips.iter().map(ToString::to_string).collect();
    assert_eq!(vips, ["10.88.0.40/32", "2001:db8::40/128"]);
    assert_eq!((node_name.as_str(), interface.as_deref(), api_port), ("cp1.example", Some("lo"), 8443));
    let id = Some(Ipv4Addr::new(192, 0, 2, 1));
    assert_eq!((bgp.local_as, bgp.router_id, bgp.listen_port), (4_200_000_001, id, 1790));
    assert_eq!((bgp.hold_time, bgp.keepalive), (Duration::from_secs(9), Duration::from_secs(2)));
    let lease = LeaseConfig {
        name: "my-lock".to_owned(),
        namespace: "ha".to_owned(),
        duration: Duration::from_secs(15),
        renew_deadline: Duration::from_secs(10),
        retry_period: Duration::from_secs(2),
    };
    assert_eq!(election, Some(lease));
    assert_eq!(kubeconfig, PathBuf::from("/k"));
    assert_eq!(log, LogConfig { level: LogLevel::Debug, format: LogFormat::Json });
}

#[test]
fn start_implies_the_control_plane() {
    let flags = [("bgp", "1"), ("address", "10.0.0.40"), ("bgppeers", "10.0.0.1:1")];
    assert!(check(&raw(&flags, &[]), Command::Start, &facts()).is_ok());
}

#[test]
fn a_line_of_0_3_means_the_control_plane() {
    let implies = |flags: &[(&str, &str)], variables: &[(&str, &str)]| raw(flags, variables).implies_control_plane();
    assert!(implies(&[("vip", "10.0.0.40"), ("arp", "true")], &[]));
    assert!(implies(&[], &[("address", "10.0.0.40"), ("cp_enable", "")]));
    for other in [("controlplane", "false"), ("controlplane", "true"), ("services", "true")] {
        assert!(!implies(&[("address", "10.0.0.40"), other], &[]), "{other:?}");
    }
    assert!(!implies(&[("bgp", "true")], &[]));
}

#[test]
fn a_variable_counts_before_a_flag() {
    let flags = [("localAS", "65001"), ("bgppeers", "10.0.0.1:1:GGGG"), ("controlplane", "true")];
    let variables = [
        ("bgp_as", "65002"),
        ("bgp_peers", "10.0.0.2:2:HHHH"),
        ("cp_enable", "1"),
        ("vip_subnet", ""),
        ("bgp_sourceip", "10.0.0.8"),
        ("bgp_source_ip", "10.0.0.9"),
    ];
    let Checked { config, warnings, .. } = checked(&flags, &variables, &facts()).unwrap();
    let source = Source::Address(Ipv4Addr::new(10, 0, 0, 8).into());
    let expected = ("10.0.0.2:179".to_owned(), 2, Some("HHHH".to_owned()), false, source);
    assert_eq!((config.bgp.local_as, peers(&config)), (65002, vec![expected]));
    assert_eq!(
        lines(&warnings),
        [
            "bgp_as (--localAS): bgp_as is \"65002\" and --localAS is \"65001\", which is ignored: a variable counts before a \
         flag, as in kube-vip",
            "bgp_peers (--bgppeers): differs from --bgppeers, which is ignored: a variable counts before a flag, as in kube-vip",
            "bgp_sourceip (--sourceIP): bgp_sourceip is \"10.0.0.8\" and bgp_source_ip is \"10.0.0.9\", which is ignored: the \
         newer name counts",
        ]
    );
}

#[test]
fn repeated_flags() {
    let flags = [("bgppeers", "10.0.0.1:1"), ("bgppeers", "10.0.0.2:2,10.0.0.3:3"), ("localAS", "1"), ("localAS", "2")];
    let config = config(&flags, &[]);
    let expected = vec![at("10.0.0.1:179", 1), at("10.0.0.2:179", 2), at("10.0.0.3:179", 3)];
    assert_eq!((config.bgp.local_as, peers(&config)), (2, expected));
}

#[test]
fn the_keepalive_follows_a_shorter_hold_time_unless_it_is_given() {
    let keepalive = |flags: &[(&str, &str)]| config(flags, &[]).bgp.keepalive.as_secs();
    assert_eq!(keepalive(&[("bgpHoldTimer", "9")]), 3);
    assert_eq!(keepalive(&[("bgpHoldTimer", "3")]), 1);
    assert_eq!(keepalive(&[("bgpHoldTimer", "90")]), 10);
    assert_eq!(keepalive(&[("bgpHoldTimer", "9"), ("bgpKeepAliveInterval", "8")]), 8);
}

#[test]
fn log_levels_filter_as_slog_does() {
    let level = |number: &str| config(&[("log", number)], &[]).log.level;
    let levels = ["-8", "-4", "-3", "0", "1", "4", "5", "8", "9"].map(level);
    use LogLevel::{Debug, Error, Info, Warn};
    assert_eq!(levels, [Debug, Debug, Info, Info, Warn, Warn, Error, Error, Error]);
}

#[test]
fn where_the_lease_lives() {
    let place = |flags: &[(&str, &str)], own: Option<&str>| {
        let facts = Facts { service_account_namespace: own.map(str::to_owned), ..facts() };
        let flags: Vec<_> = flags.iter().chain(&[("leaderElection", "true")]).copied().collect();
        let Checked { config, warnings, .. } = checked(&flags, &[], &facts).unwrap();
        let lease = config.election.unwrap();
        (format!("{}/{}", lease.namespace, lease.name), lines(&warnings))
    };
    let quiet = |place: &str| (place.to_owned(), vec![]);
    assert_eq!(place(&[], None), quiet("kube-system/plndr-cp-lock"));
    assert_eq!(place(&[], Some("ha")), quiet("ha/plndr-cp-lock"));
    assert_eq!(place(&[("namespace", "x")], None), quiet("x/plndr-cp-lock"));
    assert_eq!(place(&[("namespace", "x"), ("leaseName", "y/z")], Some("ha")), quiet("y/z"));
    let ignored = "--namespace (cp_namespace): \"x\" is ignored: as in kube-vip the lease lives in this pod's namespace \
                   \"ha\"; --leaseName x/NAME overrules that";
    assert_eq!(place(&[("namespace", "x")], Some("ha")), ("ha/plndr-cp-lock".to_owned(), vec![ignored.to_owned()]));
}

#[test]
fn the_password_file() {
    let read = |content: Result<&[u8], &str>| {
        let content = content.map(|bytes| SecretSlice::from(bytes.to_vec())).map_err(str::to_owned);
        let facts = Facts { password_files: [("/p".into(), content)].into(), ..facts() };
        let flags = [("bgppeers", ""), ("peerAddress", "10.0.0.2"), ("peerPassFile", "/p")];
        match checked(&flags, &[], &facts) {
            Ok(Checked { config, warnings, .. }) => {
                assert_eq!(config.bgp.peers[0].password_file, Some("/p".into()));
                (peers(&config).remove(0).2, lines(&warnings))
            }
            Err(Mistakes(mistakes)) => (None, lines(&mistakes)),
        }
    };
    let name = "--peerPassFile (bgp_peerpass_file): \"/p\"";
    let said = |text: &str| vec![format!("{name}{text}")];
    let trimmed = said(": the line break at its end is not part of the password");
    assert_eq!(read(Ok(b"a:b,c ")), (Some("a:b,c ".to_owned()), vec![]));
    assert_eq!(read(Ok(b"pw\n")), (Some("pw".to_owned()), trimmed.clone()));
    assert_eq!(read(Ok(b"pw\r\n")), (Some("pw".to_owned()), trimmed.clone()));
    assert_eq!(read(Ok(&[&[b'x'; 80][..], b"\n"].concat())), (Some("x".repeat(80)), trimmed));
    assert_eq!(read(Ok(b"\n")), (None, said(": the password is empty; expected 1 to 80 bytes")));
    assert_eq!(read(Ok(b"GG\0GG")), (None, said(": the password has a NUL byte in it")));
    assert_eq!(read(Ok(&[b'x'; 81])), (None, said(": the password has 81 bytes; TCP-MD5 takes 80 at most")));
    assert_eq!(read(Ok(b"G\xff")), (None, said(": the password is not UTF-8")));
    assert_eq!(read(Err("it is a directory")), (None, said(" cannot be read: it is a directory")));
}

#[test]
fn secrets_stay_out_of_debug() {
    let flags = [("peerPass", "GGGG"), ("bgppeers", "10.0.0.1:1:GGGG"), ("localAS", "1")];
    let expected = "{\"--localAS\": \"1\", \"--bgppeers\": \"[REDACTED]\", \"bgp_peerpass\": \"[REDACTED]\", \
                    \"--peerPass\": \"[REDACTED]\"}";
    assert_eq!(format!("{:?}", raw(&flags, &[("bgp_peerpass", "GGGG")])), expected);
}

#[test]
fn the_table_names_nothing_twice() {
    let mut flags: Vec<&str> = OPTIONS.iter().flat_map(|s| s.aliases.iter().copied().chain([s.flag])).collect();
    let mut variables: Vec<&str> = OPTIONS.iter().flat_map(|s| s.variables).copied().collect();
    for spec in OPTIONS {
        let longs = spec.local.iter().map(|(_, spelling)| *spelling).filter(|s| s.len() > 1 && *s != spec.flag);
        flags.extend(longs.collect::<std::collections::BTreeSet<_>>());
    }
    let (all_flags, all_variables) = (flags.len(), variables.len());
    flags.sort_unstable();
    flags.dedup();
    variables.sort_unstable();
    variables.dedup();
    assert_eq!((flags.len(), variables.len()), (all_flags, all_variables));
    let reachable = |spec: &Spec| spec.is_flag || !spec.variables.is_empty() || !spec.local.is_empty();
    assert!(OPTIONS.iter().all(|spec| reachable(spec) && !spec.help.is_empty()));
    let mut shorts: Vec<(&str, &str)> = OPTIONS.iter().flat_map(|s| s.local).copied().collect();
    let all_shorts = shorts.len();
    shorts.sort_unstable();
    shorts.dedup();
    assert_eq!(shorts.len(), all_shorts);
}

#[test]
fn the_page_is_the_table() {
    let page = include_str!("../../docs/configuration.md");
    assert_eq!(page, reference(), "write it anew: vipcast reference > docs/configuration.md");
    let page = include_str!("../../docs/compatibility.md");
    assert_eq!(page, compatibility(), "write it anew: vipcast reference compatibility > docs/compatibility.md");
}

proptest! {
    /// Any words give a configuration or mistakes, and a password is in neither's messages.
    #[test]
    fn any_words_without_panic_or_password(
        words in prop::collection::vec((0..OPTIONS.len(), any::<bool>(), "[a-f0-9:.,/\\[\\] -]{0,20}|true|\\PC{0,9}"), 0..12),
        password in "[G-Z]{9}",
        address in any::<bool>(),
    ) {
        let mut flags: Vec<(&'static Spec, String)> = Vec::new();
        let mut variables = vec![("bgp_peerpass".to_owned(), format!("{password}\0"))];
        for (n, variable, text) in words {
            match OPTIONS[n].variables.first() {
                Some(name) if variable => variables.push(((*name).to_owned(), text)),
                _ => flags.push((OPTIONS[n], text)),
            }
        }
        flags.push((spec("peerPass"), format!("{password}x")));
        flags.push((spec("bgppeers"), format!("10.0.0.1:1:{password},{password}")));
        if address {
            flags.push((spec("peerAddress"), "10.0.0.2".to_owned()));
        }
        let raw = RawConfig::new(flags, variables);
        let shown = match check(&raw, Command::Manager, &facts()) {
            Ok(checked) => format!("{checked:?}"),
            Err(mistakes) => format!("{mistakes} {mistakes:?}"),
        };
        prop_assert!(!shown.contains(&password) && !format!("{raw:?}").contains(&password), "{shown}");
    }
}
