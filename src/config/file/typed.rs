//! Our own form: the table of its keys, and how they become words.

use secrecy::SecretString;

use super::form::{Field, Form, Target};
use super::place::Source;
use super::tree::{Entry, Node, Value};
use super::{FilePeer, FileVip, FileWords, Place};
use crate::config::PeerHost;
use crate::config::check;
use crate::config::mpbgp::MpBgp;
use crate::config::options::{
    ADDRESS, BGP, CONTROL_PLANE, HEALTH_ADDRESS, LEADER_ELECTION, LOG, METAL as METAL_ON, OPTIONS, Spec,
};
use crate::config::peer::{BGP_PORT, asn, password_rules};
use crate::config::scalar::{decimal, go_bool, is_interface_name};
use crate::config::settings::{KEYS, Setting};

/// What our form is recognised by.
pub(super) const API_VERSION: &str = "vipcast.io/v1alpha1";
/// The only kind there is.
pub(super) const KIND: &str = "Config";

const fn field(key: &'static str, form: Form, target: Target, help: &'static str) -> Field {
    Field { key, form, target, help, required: false }
}

const fn option(key: &'static str, form: Form, flag: &'static str) -> Field {
    field(key, form, Target::Option(flag), "")
}

const fn setting(key: &'static str, form: Form, name: &'static str) -> Field {
    field(key, form, Target::Setting(name), "")
}

const fn own(key: &'static str, form: Form, help: &'static str) -> Field {
    field(key, form, Target::Own, help)
}

const fn required(field: Field) -> Field {
    Field { required: true, ..field }
}

const fn number(from: u64, to: u64) -> Form {
    Form::Number { from, to }
}

const U32: u64 = u32::MAX as u64;
const PORT: Form = number(1, 65535);
const ASN: Form = number(1, U32);
/// `leaseDurationSeconds` is an int32 in the API.
const SECONDS: Form = number(1, 2_147_483_647);
const TEXTS: Form = Form::List { of: &Form::Text, least: 1, alone: true };
const FAMILIES: Form = Form::List { of: &Form::Word(&["ipv4", "ipv6"]), least: 1, alone: true };

/// The whole document.
pub(super) static ROOT: Form = Form::Keys(&[HEAD, SECTIONS, OVERRIDES]);
/// What is set for a virtual IP, for a peer, and for BFD with it.
static OF_VIP: Form = Form::Keys(&[ATTRIBUTES]);
static OF_PEER: Form = Form::Keys(&[PEER, ATTRIBUTES]);
static OF_BFD: Form = Form::Keys(&[BFD]);
/// What an override may say.
static OVERRIDE: Form = Form::Keys(&[WHOM, SECTIONS]);

static HEAD: &[Field] = &[
    required(own("apiVersion", Form::Word(&[API_VERSION]), "the form's version, by which it is recognised")),
    required(own("kind", Form::Word(&[KIND]), "the only kind there is")),
];

static OVERRIDES: &[Field] = &[own(
    "overrides",
    Form::Patches(&OVERRIDE),
    "what differs on some nodes: the ones that are meant are merged over the rest in their order, as JSON merge patches \
     (RFC 7396): mappings key by key, null takes away, all else is replaced whole",
)];

static WHOM: &[Field] = &[
    own("nodes", TEXTS, "the nodes it is for, by name"),
    own(
        "nodeSelector",
        Form::Labels,
        "the nodes it is for, by their labels in Kubernetes: each must be there with this value",
    ),
];

static SECTIONS: &[Field] = &[
    own(
        "vips",
        Form::List { of: &Form::TextOr(&Form::Keys(&[VIP, ATTRIBUTES])), least: 1, alone: true },
        "the virtual IPs of the control plane: addresses, or mappings with what they are announced with; look after them, \
         as --controlplane says",
    ),
    option("interface", Form::Text, "interface"),
    option("apiPort", PORT, "port"),
    own("bgp", Form::Keys(&[BGP_KEYS]), "the BGP speaker; that it is there turns it on"),
    own("provider", Form::Keys(&[PROVIDER]), "who says the peers instead of `bgp`"),
    own("election", Form::Keys(&[ELECTION]), "the lease; that it is there turns it on"),
    own("health", Form::Keys(&[HEALTH]), "the check of what is behind the virtual IPs"),
    own("node", Form::Keys(&[NODE]), "this node and its API"),
    own("control", Form::Keys(&[CONTROL]), "the control socket"),
    own("log", Form::Keys(&[LOGS]), "logs"),
];

static VIP: &[Field] = &[required(own("address", Form::Text, "the address, IPv4 or IPv6"))];

static ATTRIBUTES: &[Field] = &[
    setting("communities", TEXTS, "community"),
    setting("med", number(0, U32), "med"),
    setting("localPref", number(0, U32), "local-pref"),
    setting("prepend", number(0, 25), "prepend"),
];

static BGP_KEYS: &[Field] = &[
    option("enabled", Form::Switch, "bgp"),
    option("localAS", ASN, "localAS"),
    option("routerID", Form::Text, "bgpRouterID"),
    option("holdTimeSeconds", number(0, 65535), "bgpHoldTimer"),
    option("keepaliveSeconds", number(0, 65535), "bgpKeepAliveInterval"),
    option("listenPort", PORT, "bgpListenPort"),
    option("sourceAddress", Form::Text, "sourceIP"),
    option("sourceInterface", Form::Text, "sourceIF"),
    option("standby", Form::Switch, "bgpStandby"),
    option("asPathFence", Form::NumberOr { from: 1, to: 10, word: "off" }, "bgpASPathFence"),
    own("peerDefaults", Form::Keys(&[PEER, ATTRIBUTES]), "what holds for each peer that does not say it itself"),
    own("peers", Form::List { of: &Form::Keys(&[WHERE, PEER, ATTRIBUTES]), least: 1, alone: false }, "the peers"),
];

static WHERE: &[Field] = &[
    own("address", Form::Text, "the peer's IP address; or `interface`"),
    own("interface", Form::Text, "the interface on which the router is found (unnumbered); or `address`"),
];

static PEER: &[Field] = &[
    own(
        "as",
        ASN,
        "the peer's AS number; the same as ours means iBGP; without it an unnumbered peer may have any but ours",
    ),
    own("port", PORT, "the peer's TCP port; 179"),
    own("password", Form::Secret, "the TCP-MD5 password (RFC 2385), 1 to 80 bytes"),
    setting("passwordFile", Form::Text, "password-file"),
    own("multihop", Form::Switch, "routers stand between us and the peer"),
    setting("ttlSecurity", number(1, 254), "ttl-security"),
    setting("connect", Form::Word(&["active", "passive", "both"]), "connect"),
    setting("families", FAMILIES, "families"),
    setting("requireFamilies", Form::Switch, "require-families"),
    setting("extendedNextHop", Form::Switch, "extended-next-hop"),
    setting("nextHop", TEXTS, "next-hop"),
    setting("description", Form::Text, "description"),
    setting("shutdownText", Form::Text, "shutdown-text"),
    setting("gracefulShutdownMilliseconds", number(0, 60_000), "graceful-shutdown"),
    own("bfd", Form::Keys(&[BFD]), "BFD (RFC 5880); that it is there turns it on"),
];

static BFD: &[Field] = &[
    setting("enabled", Form::Switch, "bfd"),
    setting("receiveMilliseconds", number(10, 1000), "bfd-rx"),
    setting("transmitMilliseconds", number(10, 1000), "bfd-tx"),
    setting("multiplier", number(3, 255), "bfd-multiplier"),
    setting("strict", Form::Switch, "bfd-strict"),
];

static PROVIDER: &[Field] = &[
    option("annotations", Form::Text, "annotations"),
    own("metal", Form::Keys(&[METAL]), "Equinix Metal's API; that it is there turns it on"),
];

static METAL: &[Field] = &[
    option("enabled", Form::Switch, "metal"),
    option("key", Form::Secret, "metalKey"),
    option("keyFile", Form::Text, "metalKeyFile"),
    option("projectID", Form::Text, "metalProjectID"),
    option("project", Form::Text, "metalProject"),
    option("device", Form::Text, "metalDevice"),
    option("url", Form::Text, "metalAPI"),
    option("caFile", Form::Text, "metalCA"),
];

static ELECTION: &[Field] = &[
    option("enabled", Form::Switch, "leaderElection"),
    option("leaseName", Form::Text, "leaseName"),
    option("namespace", Form::Text, "namespace"),
    option("leaseDurationSeconds", SECONDS, "leaseDuration"),
    option("renewDeadlineSeconds", SECONDS, "leaseRenewDuration"),
    option("retryPeriodSeconds", SECONDS, "leaseRetry"),
];

static HEALTH: &[Field] = &[
    own("enabled", Form::Switch, "whether it is made; true"),
    option("url", Form::Text, "controlPlaneHealthCheckAddress"),
    option("periodSeconds", number(1, 3600), "controlPlaneHealthCheckPeriodSeconds"),
    option("timeoutSeconds", number(1, 3600), "controlPlaneHealthCheckTimeoutSeconds"),
    option("failureThreshold", number(1, 1000), "controlPlaneHealthCheckFailureThreshold"),
    option("caFile", Form::Text, "controlPlaneHealthCheckCAPath"),
    option("serverName", Form::Text, "controlPlaneHealthCheckServerName"),
    option("failOpen", Form::Switch, "controlPlaneHealthCheckFailOpen"),
];

static NODE: &[Field] = &[
    option("name", Form::Text, "nodeName"),
    option("kubeconfig", Form::Text, "k8sConfigPath"),
    option("drainOnCordon", Form::Switch, "drainOnCordon"),
];

static CONTROL: &[Field] = &[option("socket", Form::Text, "controlSocket")];

static LOGS: &[Field] = &[
    own("level", Form::Word(&["debug", "info", "warn", "error"]), "lowest level that is logged"),
    option("format", Form::Word(&["text", "json"]), "logFormat"),
];

/// The option of a flag.
pub(super) fn spec(flag: &str) -> Option<&'static Spec> {
    OPTIONS.iter().copied().find(|spec| spec.flag == flag)
}

/// The words of a document whose form is right, its overrides applied.
pub(super) fn words(root: &Node, file: &Source) -> FileWords {
    let mut words = FileWords::default();
    walk(&ROOT, root, file, &mut words);
    if let Some(vips) = root.get("vips") {
        words.set_if_absent(&CONTROL_PLANE, "true", file.place(vips));
        let items = if vips.items().is_empty() { std::slice::from_ref(vips) } else { vips.items() };
        items.iter().for_each(|item| vip(item, file, &mut words));
    }
    let metal = root.get("provider").and_then(|provider| provider.get("metal"));
    let sections = [(root.get("bgp"), &BGP), (root.get("election"), &LEADER_ELECTION), (metal, &METAL_ON)];
    for (section, on) in sections {
        if let Some(section) = section {
            words.set_if_absent(on, "true", file.place(section));
        }
    }
    if let Some(off) = root.get("health").and_then(|health| health.get("enabled")).filter(|on| is_off(on)) {
        words.set(&HEALTH_ADDRESS, "off", file.place(off));
    }
    if let Some(level) = root.get("log").and_then(|log| log.get("level")) {
        let number = match text(level) {
            "debug" => "-4",
            "warn" => "4",
            "error" => "8",
            _ => "0",
        };
        words.set(&LOG, number, file.place(level));
    }
    if let Some(bgp) = root.get("bgp") {
        peers(bgp, file, &mut words);
    }
    words
}

fn text(node: &Node) -> &str {
    if let Value::Scalar { text, .. } = &node.value { text } else { "" }
}

/// One text for a value: a boolean as Go has it, a list's members with spaces between.
fn joined(node: &Node) -> String {
    match &node.value {
        Value::List(items) => items.iter().map(text).collect::<Vec<_>>().join(" "),
        Value::Null | Value::Scalar { .. } | Value::Map(_) => text(node).to_owned(),
    }
}

fn is_off(node: &Node) -> bool {
    go_bool(text(node)) == Some(false)
}

/// Takes the keys that are options, in all sections.
fn walk(form: &Form, node: &Node, file: &Source, words: &mut FileWords) {
    for Entry { key, value, .. } in node.entries() {
        let Some(field) = form.fields().find(|field| field.key == key) else { continue };
        match (field.target, field.form) {
            (Target::Option(flag), _) => {
                if let Some(spec) = spec(flag) {
                    words.set(spec, text(value), file.place(value));
                }
            }
            (Target::Own, Form::Keys(_)) => walk(&field.form, value, file, words),
            (Target::Own | Target::Setting(_), _) => {}
        }
    }
}

fn vip(node: &Node, file: &Source, words: &mut FileWords) {
    let address = node.get("address").unwrap_or(node);
    if text(address).contains(',') {
        words.mistake(&file.place(address), "has a comma in it; expected one address in each item of the list");
        return;
    }
    let vip = match check::vips::vip(text(address)) {
        Ok(vip) => vip,
        Err(why) => return words.mistake(&file.place(address), format!("{:?} {why}", text(address))),
    };
    words.push(&ADDRESS, text(address), file.place(address));
    let settings = settings(&OF_VIP, node, file, words);
    if !settings.is_empty() {
        words.vips.push(FileVip { place: file.place(address), vip, settings });
    }
}

/// The settings of a peer or a virtual IP, each with its place; mistakes go to the words.
fn settings(
    form: &'static Form,
    node: &Node,
    file: &Source,
    words: &mut FileWords,
) -> Vec<(Place, &'static str, Setting)> {
    let mut found = Vec::new();
    for Entry { key, value, .. } in node.entries() {
        let Some(Field { target: Target::Setting(name), .. }) = form.fields().find(|field| field.key == key) else {
            continue;
        };
        let Some(known) = KEYS.iter().find(|known| known.name == *name) else { continue };
        let text = joined(value);
        match (known.read)(&text) {
            Ok(setting) => found.push((file.place(value), known.name, setting)),
            Err(why) => words.mistake(&file.place(value), format!("{text:?} {why}")),
        }
    }
    found
}

fn peers(bgp: &Node, file: &Source, words: &mut FileWords) {
    let Some(list) = bgp.get("peers") else { return };
    let mut peers = Vec::new();
    for item in list.items() {
        let merged = match bgp.get("peerDefaults") {
            Some(defaults) => over(defaults, item),
            None => item.clone(),
        };
        peers.extend(peer(&merged, file, words));
    }
    words.peers = Some((file.place(list), peers));
}

/// What a peer says over what all say; it has one password, wherever that is from.
fn over(defaults: &Node, item: &Node) -> Node {
    let mut defaults = defaults.clone();
    if let (Value::Map(entries), true) =
        (&mut defaults.value, ["password", "passwordFile"].iter().any(|key| item.get(key).is_some()))
    {
        entries.retain(|entry| entry.key != "password" && entry.key != "passwordFile");
    }
    let merged = super::merge(Some(defaults), item);
    Node { at: item.at, path: item.path.clone(), value: merged.value }
}

fn peer(node: &Node, file: &Source, words: &mut FileWords) -> Option<FilePeer> {
    let before = words.mistakes.len();
    let host = host(node, file, words);
    let asn = number_of(node, "as", file, words);
    if let (Some(PeerHost::Address(_)), None, true) = (&host, node.get("as"), words.mistakes.len() == before) {
        words.mistake(&file.place(node), "has no as; expected the peer's AS number, 1 to 4294967295");
    }
    let password = node.get("password").map(|password| {
        if let Err(why) = password_rules(text(password).as_bytes()) {
            words.mistake(&file.place(password), why);
        }
        SecretString::from(text(password))
    });
    if let (Some(_), Some(path)) = (&password, node.get("passwordFile")) {
        words.mistake(&file.place(path), "is given together with password; give one of them");
    }
    let mut settings = settings(&OF_PEER, node, file, words);
    if let Some(bfd) = node.get("bfd") {
        if bfd.get("enabled").is_none() {
            settings.push((file.place(bfd), "bfd", Setting::Bfd(true)));
        }
        let more = self::settings(&OF_BFD, bfd, file, words);
        let is_off = bfd.get("enabled").is_some_and(is_off);
        settings.extend(more.into_iter().filter(|(_, name, _)| !is_off || *name == "bfd"));
    }
    let port = node.get("port").and_then(|port| decimal(text(port))).and_then(|port| u16::try_from(port).ok());
    let multihop = node.get("multihop").is_some_and(|on| go_bool(text(on)) == Some(true));
    let host = host.filter(|_| words.mistakes.len() == before)?;
    let (place, port) = (file.place(node), port.unwrap_or(BGP_PORT));
    Some(FilePeer { place, host, port, asn, password, multihop, mpbgp: MpBgp::default(), bfd: None, settings })
}

fn host(node: &Node, file: &Source, words: &mut FileWords) -> Option<PeerHost> {
    match (node.get("address"), node.get("interface")) {
        (Some(address), None) => {
            let ip = text(address).parse();
            // Not shown: a peer of kube-vip's text form has its password behind the address.
            ip.map(PeerHost::Address)
                .map_err(|_| {
                    words
                        .mistake(&file.place(address), "is not an IP address (not shown); host names are not supported")
                })
                .ok()
        }
        (None, Some(name)) if is_interface_name(text(name)) => Some(PeerHost::Interface(text(name).to_owned())),
        (None, Some(name)) => {
            words.mistake(&file.place(name), "is not the name of an interface (not shown); expected 1 to 15 bytes without \"/\", \":\" or white space");
            None
        }
        (Some(_), Some(_)) => {
            words.mistake(&file.place(node), "has an address and an interface; give one of them");
            None
        }
        (None, None) => {
            words.mistake(
                &file.place(node),
                "has no address; expected the peer's address, or interface for an unnumbered one",
            );
            None
        }
    }
}

fn number_of(node: &Node, key: &str, file: &Source, words: &mut FileWords) -> Option<u32> {
    let value = node.get(key)?;
    asn(text(value)).map_err(|why| words.mistake(&file.place(value), format!("AS number {:?} {why}", text(value)))).ok()
}
