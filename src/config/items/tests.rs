use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::Connect;
use crate::config::options::{BGP_PEER_OPTIONS, VIP_OPTIONS};

fn settings(text: &str) -> Vec<Setting> {
    let (items, mistakes) = parse(text, Of::Peers);
    assert_eq!(mistakes, Vec::<String>::new(), "{text}");
    items.into_iter().flat_map(|item| item.settings.into_values()).collect()
}

#[test]
fn every_key_is_read() {
    let communities = "no-export 65000:1".split(' ').map(|one| one.parse().unwrap()).collect();
    let cases = [
        ("community=no-export  65000:1", Setting::Communities(communities)),
        ("med=0", Setting::Med(0)),
        ("local-pref = 4294967295", Setting::LocalPref(u32::MAX)),
        ("prepend=25", Setting::Prepend(25)),
        ("ttl-security", Setting::TtlSecurity(1)),
        ("ttl-security=254", Setting::TtlSecurity(254)),
        ("next-hop=self", Setting::NextHop { v4: None, v6: None }),
        ("next-hop=10.0.0.1", Setting::NextHop { v4: Some([10, 0, 0, 1].into()), v6: None }),
        (
            "next-hop=2001:db8::1 10.0.0.1",
            Setting::NextHop { v4: Some([10, 0, 0, 1].into()), v6: Some("2001:db8::1".parse().unwrap()) },
        ),
        ("families=ipv4", Setting::Families { ipv4: true, ipv6: false }),
        ("families=ipv6 ipv4", Setting::Families { ipv4: true, ipv6: true }),
        ("require-families", Setting::RequireFamilies(true)),
        ("extended-next-hop=false", Setting::ExtendedNextHop(false)),
        ("connect=active", Setting::Connect(Connect::Active)),
        ("connect=passive", Setting::Connect(Connect::Passive)),
        ("connect=both", Setting::Connect(Connect::Both)),
        ("description=leaf 1", Setting::Description("leaf 1".to_owned())),
        ("description=a=b", Setting::Description("a=b".to_owned())),
        ("shutdown-text=Wartung für heute", Setting::ShutdownText("Wartung für heute".to_owned())),
        ("graceful-shutdown=60000", Setting::GracefulShutdown(Duration::from_secs(60))),
        ("password-file=/run/p", Setting::PasswordFile(PathBuf::from("/run/p"))),
        ("bfd", Setting::Bfd(true)),
        ("bfd-rx=10", Setting::BfdRx(Duration::from_millis(10))),
        ("bfd-tx=1000", Setting::BfdTx(Duration::from_secs(1))),
        ("bfd-multiplier=255", Setting::BfdMultiplier(255)),
        ("bfd-strict", Setting::BfdStrict(true)),
    ];
    for (text, setting) in cases {
        assert_eq!(settings(&format!("*;{text}")), [setting], "{text}");
    }
}

#[test]
fn items_are_told_apart_by_commas_and_settings_by_semicolons() {
    let (items, mistakes) = parse(" 10.0.0.1 ; med=1 ;; bfd; ,, 2001:db8::1;med=2,", Of::Peers);
    assert_eq!(mistakes, Vec::<String>::new());
    let item = |selector: &'static str, settings| Item { selector, label: format!("{selector:?}"), settings };
    let first = item("10.0.0.1", [("med", Setting::Med(1)), ("bfd", Setting::Bfd(true))].into());
    let second = item("2001:db8::1", [("med", Setting::Med(2))].into());
    assert_eq!(items, [first, second]);
    assert_eq!(parse("", Of::Vips), (vec![], vec![]));
}

/// Each wrong in one thing.
const WRONG: &[(&str, &str)] = &[
    ("*", "\"*\" sets nothing; expected PEER;key=value, and no comma or semicolon in a value"),
    ("*;comunity=1:1", "\"*\": unknown key \"comunity\"; did you mean community?"),
    (
        "*;BFD",
        "\"*\": unknown key \"BFD\"; expected one of community, med, local-pref, prepend, ttl-security, \
          next-hop, families, require-families, extended-next-hop, connect, description, shutdown-text, \
          graceful-shutdown, password-file, bfd, bfd-rx, bfd-tx, bfd-multiplier, bfd-strict",
    ),
    ("*;med", "\"*\": med has no value; expected med=0-4294967295"),
    ("*;med=", "\"*\": med has no value; expected med=0-4294967295"),
    ("*;med=x", "\"*\": med \"x\" is not a number; expected 0 to 4294967295"),
    ("*;med=+1", "\"*\": med \"+1\" is not a number; expected 0 to 4294967295"),
    ("*;local-pref=4294967296", "\"*\": local-pref \"4294967296\" is not a number; expected 0 to 4294967295"),
    ("*;med=1;med=2", "\"*\": med is there twice"),
    ("*;prepend=26", "\"*\": prepend \"26\" is not a number; expected 0 to 25"),
    ("*;ttl-security=0", "\"*\": ttl-security \"0\" is not a number; expected 1 to 254"),
    ("*;ttl-security=255", "\"*\": ttl-security \"255\" is not a number; expected 1 to 254"),
    (
        "*;community=1:1 1:x",
        "\"*\": community \"1:1 1:x\" has \"1:x\", which is not a community; expected one like 65000:1, 65000:1:2, \
             rt:65000:1, soo:65000:1 or no-export",
    ),
    (
        "*;next-hop=router",
        "\"*\": next-hop \"router\" has \"router\", which is no IP address; expected self, or addresses",
    ),
    (
        "*;next-hop=10.0.0.1 10.0.0.2",
        "\"*\": next-hop \"10.0.0.1 10.0.0.2\" has two addresses of one family; expected one of each at most",
    ),
    ("*;families=ip", "\"*\": families \"ip\" has \"ip\", which is no address family; expected ipv4, ipv6 or both"),
    ("*;bfd=yes", "\"*\": bfd \"yes\" is not a boolean; expected true or false, or the key alone"),
    ("*;connect=dial", "\"*\": connect \"dial\" is not who makes the connection; expected active, passive or both"),
    ("*;bfd-rx=9", "\"*\": bfd-rx \"9\" is not a number of milliseconds; expected 10 to 1000"),
    ("*;bfd-multiplier=2", "\"*\": bfd-multiplier \"2\" is not a number; expected 3 to 255"),
    ("*;graceful-shutdown=1s", "\"*\": graceful-shutdown \"1s\" is not a number of milliseconds; expected 0 to 60000"),
    ("*;description=a\tb", "\"*\": description \"a\\tb\" has a control character in it"),
];

#[test]
fn each_mistake_says_what_was_expected() {
    for (text, mistake) in WRONG {
        assert_eq!(parse(text, Of::Peers), (vec![], vec![(*mistake).to_owned()]), "{text}");
    }
    let of_vips = parse("10.0.0.4;bfd;prepent=1;x=1,10.0.0.5", Of::Vips);
    let mistakes = [
        "\"10.0.0.4\": bfd is for peers: give it in --bgpPeerOptions",
        "\"10.0.0.4\": unknown key \"prepent\"; did you mean prepend?",
        "\"10.0.0.4\": unknown key \"x\"; expected one of community, med, local-pref, prepend",
        "\"10.0.0.5\" sets nothing; expected VIP;key=value, and no comma or semicolon in a value",
    ];
    assert_eq!(of_vips, (vec![], mistakes.map(str::to_owned).to_vec()));
}

#[test]
fn what_may_be_a_password_is_not_quoted() {
    let keys = |of: Of| of.keys().map(|key| key.name).collect::<Vec<_>>().join(", ");
    let all = format!("expected one of {}", keys(Of::Peers));
    let hidden = format!("unknown key (not shown); {all}");
    let nothing = "sets nothing; expected PEER;key=value, and no comma or semicolon in a value";
    let wrong = |text: &str| parse(text, Of::Peers).1;
    assert_eq!(
        wrong("10.0.0.1:65001:hunter2;med=x;bar=1"),
        ["item 1: med \"x\" is not a number; expected 0 to 4294967295".to_owned(), format!("item 1: {hidden}")]
    );
    assert_eq!(wrong("*;med=1,10.0.0.1:65001:hun;ter2"), [format!("item 2: {hidden}")]);
    assert_eq!(wrong("10.0.0.1:65001:hun,ter2"), [format!("item 1 {nothing}"), format!("item 2 {nothing}")]);
    let unknown = format!("\"10.0.0.1\": unknown key \"password\"; {all}");
    assert_eq!(wrong("10.0.0.1;password=hun,ter2"), [unknown.clone(), format!("item 2 {nothing}")]);
    assert_eq!(wrong("10.0.0.1;password=hun;medd"), [unknown, format!("\"10.0.0.1\": {hidden}")]);
    assert_eq!(
        wrong("unnumbered:eth0;med,[2001:db8::1]:179;med,10.0.0.1/32;med,eth0;med"),
        ["\"unnumbered:eth0\"", "\"[2001:db8::1]:179\"", "\"10.0.0.1/32\"", "item 4"]
            .map(|label| format!("{label}: med has no value; expected med=0-4294967295"))
    );
}

#[test]
fn what_is_too_long_is_refused() {
    let long = "x".repeat(256);
    let many = (0..800).map(|n| format!("1:{n}")).collect::<Vec<_>>().join(" ");
    let wrong = |text: &str| parse(text, Of::Peers).1;
    assert_eq!(
        wrong(&format!("*;shutdown-text={long}")),
        [format!("\"*\": shutdown-text \"{long}\" has 256 bytes; expected 255 at most")]
    );
    assert_eq!(
        wrong(&format!("*;community={many}")),
        [format!("\"*\": community \"{many}\" takes 3204 bytes of a message; 3072 are the most")]
    );
}

#[test]
fn the_help_of_both_options_names_their_keys() {
    for (spec, of) in [(&BGP_PEER_OPTIONS, Of::Peers), (&VIP_OPTIONS, Of::Vips)] {
        let names: Vec<&str> = of.keys().map(|key| key.name).collect();
        assert_eq!(spec.help.rsplit_once("; ").unwrap().1, names.join(", "));
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "\\PC*", like in "[0-9a-z:.;=, *-]{0,60}", key in 0..KEYS.len()) {
        for of in [Of::Peers, Of::Vips] {
            parse(&text, of);
            parse(&like, of);
            parse(&format!("*;{}={like}", KEYS[key].name), of);
        }
    }
}
