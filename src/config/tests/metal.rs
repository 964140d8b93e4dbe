use secrecy::{ExposeSecret as _, SecretSlice};

use super::*;

const PROJECT: &str = "6df7ab72-fdc6-4d3a-b7a8-4f1f4a3f2c11";

/// Flags that turn it on beside BGP, with a token and a project.
const ON: &[(&str, &str)] = &[("metal", "true"), ("metalKey", "t0ken"), ("metalProjectID", PROJECT)];

/// The same in place of BGP.
const EIP: &[(&str, &str)] = &[("bgp", "false"), ("leaderElection", "true")];

fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let kept = ON.iter().filter(|(flag, _)| !more.iter().any(|(other, _)| other == flag));
    let flags: Vec<_> = kept.chain(more).copied().collect();
    // The peers are not given.
    flags.into_iter().chain([("bgppeers", "")]).collect()
}

fn file(path: &str, content: &str) -> Facts {
    let content = SecretSlice::from(content.as_bytes().to_vec());
    Facts { password_files: [(PathBuf::from(path), Ok(content))].into(), ..facts() }
}

fn metal(config: &Config) -> &MetalConfig {
    match (&config.provider, &config.eip) {
        (Some(ProviderConfig::Metal(metal)), None) | (None, Some(metal)) => metal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn beside_bgp_it_is_the_provider_and_in_its_place_it_moves_the_address() {
    let Checked { config, warnings, .. } = checked(&with(&[]), &[], &facts()).unwrap();
    assert_eq!(lines(&warnings), Vec::<String>::new());
    let expected = MetalConfig {
        api: "https://api.equinix.com/metal/v1".to_owned(),
        token: "t0ken".into(),
        project: MetalProject::Id(PROJECT.to_owned()),
        device: MetalDevice::Names(vec!["node-1".to_owned()]),
        authority: None,
    };
    assert_eq!((config.provider, config.eip), (Some(ProviderConfig::Metal(expected.clone())), None));
    let Checked { config, warnings, .. } = checked(&with(EIP), &[], &facts()).unwrap();
    assert_eq!(lines(&warnings), Vec::<String>::new());
    assert_eq!((config.provider, config.eip, config.bgp.peers.len()), (None, Some(expected), 0));
}

#[test]
fn old_manifests_have_arp_beside_it() {
    let flags = [EIP, &[("arp", "true"), ("bgpStandby", "true"), ("bgppeers", "10.0.0.1:65001")]].concat();
    let flags = [ON, &flags].concat();
    let Checked { config, warnings, .. } = checked(&flags, &[], &facts()).unwrap();
    assert!(!config.bgp.standby);
    let expected = [
        "--bgppeers (bgp_peers): has no effect: with --metal (vip_packet) and without --bgp there are no sessions",
        "--arp (vip_arp): has no effect: Equinix Metal routes each Elastic IP to one device, where nobody hears ARP",
        "--bgpStandby (bgp_standby): has no effect without --bgp: an Elastic IP is at one device",
    ];
    assert_eq!(lines(&warnings), expected);
    let refused = checked(&with(&[("arp", "true")]), &[], &facts()).unwrap_err();
    assert!(
        lines(&refused.0).iter().all(|line| line.starts_with("--arp (vip_arp): ARP mode: not built yet")),
        "{refused:?}"
    );
    let without = checked(&with(&[("bgp", "false")]), &[], &facts()).unwrap_err();
    let text = "--metal (vip_packet): without --bgp an Elastic IP is moved to one node, and --leaderElection \
                (vip_leaderelection) decides which; turn that on";
    assert_eq!(lines(&without.0), [text]);
}

#[test]
fn the_old_names_are_the_same_options() {
    let vars = [("vip_packet", "true"), ("PACKET_AUTH_TOKEN", "old"), ("vip_packetproject", "My Project")];
    let Checked { config, .. } = checked(&[("bgppeers", "")], &vars, &facts()).unwrap();
    assert_eq!(metal(&config).token.expose_secret(), "old");
    assert_eq!(metal(&config).project, MetalProject::Name("My Project".to_owned()));
}

#[test]
fn the_token_is_the_flags_then_the_files_then_the_variables() {
    const FILE: &str = r#"{"apiKey": "in-file", "projectId": "6DF7AB72-fdc6-4d3a-b7a8-4f1f4a3f2c12", "facility": "x"}"#;
    let facts = file("/p.json", FILE);
    let vars = [("PACKET_AUTH_TOKEN", "in-variable")];
    let provider = [("metal", "true"), ("provider-config", "/p.json"), ("bgppeers", "")];
    let Checked { config, warnings, .. } = checked(&provider, &vars, &facts).unwrap();
    assert_eq!(metal(&config).token.expose_secret(), "in-file");
    assert_eq!(metal(&config).project, MetalProject::Id("6df7ab72-fdc6-4d3a-b7a8-4f1f4a3f2c12".to_owned()));
    let loses = "PACKET_AUTH_TOKEN (--metalAuthToken): its token differs from that of --provider-config (provider_config), \
                 which counts before it";
    assert_eq!(lines(&warnings), [loses]);
    let all = [provider.as_slice(), &[("metalKey", "by-flag"), ("metalProjectID", PROJECT)]].concat();
    let Checked { config, warnings, .. } = checked(&all, &[("PACKET_AUTH_TOKEN", "by-flag")], &facts).unwrap();
    assert_eq!(metal(&config).token.expose_secret(), "by-flag");
    assert_eq!(metal(&config).project, MetalProject::Id(PROJECT.to_owned()));
    let expected = [
        "--provider-config (provider_config): its token differs from that of --metalKey (metal_key), which counts before it"
            .to_owned(),
        format!(
            "--provider-config (provider_config): its projectId \"6DF7AB72-fdc6-4d3a-b7a8-4f1f4a3f2c12\" is ignored: \
             --metalProjectID (vip_packetprojectid) {PROJECT:?} counts before it"
        ),
    ];
    assert_eq!(lines(&warnings), expected);
    let key = file("/key", " in-its-file\n");
    let flags = [("metal", "true"), ("metalKeyFile", "/key"), ("metalProjectID", PROJECT), ("bgppeers", "")];
    assert_eq!(metal(&checked(&flags, &[], &key).unwrap().config).token.expose_secret(), "in-its-file");
}

#[test]
fn what_is_wrong_is_named_and_the_token_is_not() {
    let wrong = |flags: &[(&'static str, &'static str)], vars: &[(&str, &str)], facts: &Facts| {
        let flags: Vec<_> = flags.iter().copied().chain([("metal", "true"), ("bgppeers", "")]).collect();
        lines(&checked(&flags, vars, facts).unwrap_err().0)
    };
    let nothing = [
        "--metal (vip_packet): no token for the API is given; expected one by --metalKeyFile (metal_key_file), --metalKey, \
         --provider-config (provider_config) or PACKET_AUTH_TOKEN",
        "--metal (vip_packet): no project is given; expected its ID by --metalProjectID (vip_packetprojectid), or its name by \
         --metalProject",
    ];
    assert_eq!(wrong(&[], &[], &facts()), nothing);
    let given =
        [("metalKey", "se cret"), ("metalProjectID", "mine"), ("metalAPI", "http://api"), ("metalDevice", "a_b")];
    let expected = [
        "--metalAPI (metal_api): \"http://api\" is not the base of an API; expected https://host[:port][/path]",
        "--metalKey (metal_key): its token is none: expected 1 to 1024 printable ASCII characters without spaces",
        "--metalProjectID (vip_packetprojectid): \"mine\" is not the ID of a project; expected a UUID; a name goes to \
         --metalProject",
        "--metalDevice (metal_device): \"a_b\" is no device; expected its host name or its ID, a UUID",
    ];
    assert_eq!(wrong(&given, &[], &facts()), expected);
    let broken = file("/p.json", "{\"apiKey\": \"s3cret\" \"x\"}");
    let expected = "--provider-config (provider_config): \"/p.json\": line 1, column 21: expected a JSON object with apiKey \
                    and projectId";
    assert_eq!(wrong(&[("provider-config", "/p.json"), ("metalProjectID", PROJECT)], &[], &broken), [expected]);
    let both = [("metalKey", "a"), ("metalKeyFile", "/key"), ("metalProjectID", PROJECT)];
    let expected =
        "--metalKey (metal_key): is given together with --metalKeyFile (metal_key_file) \"/key\"; give one of them";
    assert_eq!(wrong(&both, &[], &facts()), [expected]);
    let unread = [("metalKeyFile", "/key"), ("metalProjectID", PROJECT)];
    assert_eq!(wrong(&unread, &[], &facts()), ["--metalKeyFile (metal_key_file): \"/key\" was not read"]);
}

#[test]
fn without_it_its_options_have_no_effect() {
    let expected = [
        "PACKET_AUTH_TOKEN (--metalAuthToken): has no effect without --metal (vip_packet)",
        "provider_config (--provider-config): has no effect without --metal (vip_packet)",
    ];
    assert_eq!(warnings(&[], &[("PACKET_AUTH_TOKEN", "x"), ("provider_config", "/p")]), expected);
}

#[test]
fn annotations_are_another_provider() {
    let flags = with(&[("annotations", "metal.equinix.com")]);
    let expected = "--annotations (annotation): \"metal.equinix.com\" is given together with --metal (vip_packet); give one of \
                    them";
    assert_eq!(lines(&checked(&flags, &[], &facts()).unwrap_err().0), [expected]);
}
