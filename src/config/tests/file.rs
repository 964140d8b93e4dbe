use super::*;

mod kubevip;
mod schema;
mod typed;

/// The configuration of a file alone, on this node.
fn on(name: &str, text: &str, node: &str, labels: Option<&[(&str, &str)]>) -> Result<Checked, Mistakes> {
    let words = File::parse(name, text)?.words(node, labels.map(map).as_ref());
    let facts = Facts { host_name: Some(node.to_owned()), node_labels: labels.map(map), ..files() };
    check(&raw(&[], &[]).with_file(words), Command::Start, &facts)
}

fn map(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Facts with the password file of the examples.
fn files() -> Facts {
    let password = (PathBuf::from("/etc/vipcast/password"), Ok(SecretSlice::from(b"GGGG".to_vec())));
    Facts { password_files: BTreeMap::from([password]), ..facts() }
}

fn good(name: &str, text: &str) -> (Config, Vec<String>) {
    let Checked { config, warnings, .. } = on(name, text, "cp-1", None).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    (config, lines(&warnings))
}

fn wrong(name: &str, text: &str) -> Vec<String> {
    lines(&on(name, text, "cp-1", None).map(|_| ()).unwrap_err().0)
}

/// A file, flags and variables, as the program has them.
fn layered(text: &str, flags: &[(&str, &str)], variables: &[(&str, &str)]) -> Checked {
    let words = File::parse("/f.yaml", text).unwrap().words("cp-1", None);
    check(&raw(flags, variables).with_file(words), Command::Start, &files()).unwrap()
}

const SMALL: &str = "apiVersion: vipcast.io/v1alpha1\nkind: Config\nvips: [10.88.0.40]\nbgp:\n  localAS: 65002\n  \
                     peers: [{address: 10.0.0.1, as: 65001, password: GGGG}]\n";

#[test]
fn variables_and_flags_count_before_the_file_and_the_file_before_defaults() {
    let Checked { config, warnings, .. } = layered(SMALL, &[], &[]);
    assert_eq!((config.bgp.local_as, lines(&warnings)), (65002, vec![]));
    let Checked { config, warnings, .. } = layered(SMALL, &[("localAS", "65000")], &[("bgp_as", "65003")]);
    let ignored = |first: &str, text: &str| format!("bgp_as (--localAS): bgp_as is \"65003\" and {first} is {text}");
    let expected = vec![
        ignored("--localAS", "\"65000\", which is ignored: a variable counts before a flag, as in kube-vip"),
        ignored("/f.yaml:5:12 bgp.localAS", "\"65002\", which is ignored: variables and flags count before the file"),
    ];
    assert_eq!((config.bgp.local_as, lines(&warnings)), (65003, expected));
    // A flag with the default's value is a flag.
    assert_eq!(layered(SMALL, &[("localAS", "65000")], &[]).config.bgp.local_as, 65000);
}

#[test]
fn of_start_the_file_counts_before_flags() {
    let layered = |flags: &[(&str, &str)], variables: &[(&str, &str)]| {
        let words = File::parse("/f.yaml", SMALL).unwrap().words("cp-1", None);
        let Checked { config, warnings, .. } =
            check(&raw(flags, variables).with_file(words).with_file_first(), Command::Start, &files()).unwrap();
        (config.bgp.local_as, config.bgp.hold_time.as_secs(), config.bgp.peers.len(), lines(&warnings))
    };
    let said = "/f.yaml:5:12 bgp.localAS: /f.yaml:5:12 bgp.localAS is \"65002\" and --localAS is \"65000\", which is ignored: \
                of `start` the file counts before a flag, as in kube-vip";
    let flags = [("localAS", "65000"), ("bgpHoldTimer", "9")];
    assert_eq!(layered(&flags, &[]), (65002, 9, 1, vec![said.to_owned()]));
    let said = "--bgppeers (bgp_peers): is ignored: of `start` the file counts before a flag, and has peers at /f.yaml:6:10 \
                bgp.peers";
    assert_eq!(layered(&[("bgppeers", "10.0.0.8:1,10.0.0.9:1")], &[]), (65002, 30, 1, vec![said.to_owned()]));
    let said = "bgp_peers (--bgppeers): the peers of /f.yaml:6:10 bgp.peers are ignored: variables and flags count before \
                the file";
    assert_eq!(layered(&[], &[("bgp_peers", "10.0.0.8:1,10.0.0.9:1")]), (65002, 30, 2, vec![said.to_owned()]));
}

#[test]
fn peers_of_a_variable_take_the_place_of_the_files() {
    let Checked { config, warnings, .. } = layered(SMALL, &[("bgppeers", "10.0.0.9:65009")], &[]);
    assert_eq!(peers(&config), vec![at("10.0.0.9:179", 65009)]);
    let said = "--bgppeers (bgp_peers): the peers of /f.yaml:6:10 bgp.peers are ignored: variables and flags count before \
                the file";
    assert_eq!(lines(&warnings), vec![said]);
    // One more peer is one more.
    let flags = [("peerAddress", "10.0.0.9"), ("peerAS", "65009"), ("bgpPeerOptions", "*;med=7")];
    let config = layered(SMALL, &flags, &[]).config;
    let all: Vec<_> = config.bgp.peers.iter().map(|peer| (peer.name(), peer.attributes.med)).collect();
    assert_eq!(all, vec![("10.0.0.1:179".to_owned(), Some(7)), ("10.0.0.9:179".to_owned(), Some(7))]);
}

#[test]
fn the_older_name_of_a_virtual_ip_counts_before_the_file_too() {
    let Checked { config, warnings, .. } = layered(SMALL, &[], &[("vip_address", "10.88.0.44")]);
    let said = "/f.yaml:3:8 vips[0]: \"10.88.0.40\" is ignored, because vip_address (--vip) is given too";
    assert_eq!((config.vips, lines(&warnings)), (vec![Vip::new([10, 88, 0, 44].into())], vec![said.to_owned()]));
}

#[test]
fn passwords_of_a_file_are_nowhere_shown() {
    let words = File::parse("/f.yaml", SMALL).unwrap().words("cp-1", None);
    let raw = raw(&[], &[]).with_file(words);
    let config = check(&raw, Command::Start, &facts()).unwrap();
    assert!(!format!("{raw:?} {config:?}").contains("GGGG"));
}

#[test]
fn what_is_no_mapping_is_refused() {
    let cases = [
        ("/f.yaml", "- a\n", "/f.yaml:1:1: is no mapping of keys to values"),
        ("/f.yaml", "a: [\n", "/f.yaml:1:4: is not YAML: unclosed bracket"),
        ("/f.json", "a: 1", "/f.json:1:1: is not JSON: expected value"),
        ("/f.json", "{\"a\": 1,}", "/f.json:1:9: is not JSON: key must be a string"),
        ("/f.JSON", "{\"password\": \"GGGG\n\"}", "/f.JSON:1:18: is not JSON: control character"),
        ("/f.conf", "{a: 1, a: 2}", "/f.conf:1:8: the key a is there twice, first in line 1"),
    ];
    for (name, text, expected) in cases {
        let said = wrong(name, text);
        assert!(said.len() == 1 && said[0].starts_with(expected) && !said[0].contains("GG"), "{said:?}");
    }
}

proptest! {
    /// Any file gives a configuration or mistakes, and no password is in what is said.
    #[test]
    fn any_file_without_panic_or_password(
        lines in prop::collection::vec(
            ("( {0,4}|- )", "(apiVersion|kind|vips|address|bgp|peers|as|bfd|overrides|nodes|bgpConfig|[a-zA-Z]{1,6})",
             "(: |:|: \\[|: \\{)", "([a-z0-9.:,]{0,9}|true|null|\\]|\\})"), 0..12),
        password in "[G-Z]{9}",
    ) {
        for head in ["apiVersion: vipcast.io/v1alpha1\nkind: Config\n", ""] {
            let mut text = head.to_owned();
            lines.iter().for_each(|(indent, key, colon, value)| text.push_str(&format!("{indent}{key}{colon}{value}\n")));
            text.push_str(&format!("bgp:\n  peers:\n  - password: {password}\n"));
            let shown = match on("/f.yaml", &text, "cp-1", None) {
                Ok(checked) => format!("{checked:?}"),
                Err(mistakes) => format!("{mistakes} {mistakes:?}"),
            };
            prop_assert!(!shown.contains(&password), "{shown}");
        }
    }
}
