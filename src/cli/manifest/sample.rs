//! `sample config` and `sample manifest`, as the 0.1 documents have them.

use k8s_openapi::api::core::v1::{
    Capabilities, Container, HostPathVolumeSource, Pod, PodSpec, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use super::words::{Words, by_flag, image};
use super::{Printed, Wanted, mistake, yaml};
use crate::config::{Mistakes, go_bool};

/// The file on the node.
const CONFIG: &str = "/etc/kube-vip/config.yaml";
/// And where the pod reads it.
const MOUNTED: &str = "/vip.yaml";

/// The keys of version 0.1.1, in its order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    local_peer: Peer,
    remote_peers: Vec<Peer>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    add_peers_as_backends: bool,
    vip: String,
    #[serde(rename = "gratuitousARP")]
    gratuitous_arp: bool,
    single_node: bool,
    start_as_leader: bool,
    interface: String,
    load_balancers: Vec<LoadBalancer>,
}

#[derive(Clone, Serialize)]
struct Peer {
    id: String,
    address: String,
    port: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LoadBalancer {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    port: u16,
    bind_to_vip: bool,
    backends: Vec<Backend>,
}

#[derive(Serialize)]
struct Backend {
    port: u16,
    address: String,
}

/// The file: what was given by the old flags, else the documents' examples.
///
/// # Errors
/// What is not of the form it should be.
pub(super) fn config(words: &Words<'_>) -> Result<Printed, Mistakes> {
    let port = text(words, "lbPort", "8080");
    let wrong = |flag: &'static str, what: &str| {
        by_flag(flag).map_or_else(
            || Mistakes(Vec::new()),
            |spec| mistake(spec, format!("{:?} is not {what}", spec_text(words, flag))),
        )
    };
    let peer = |flag: &'static str, item: &str| peer(item).ok_or_else(|| wrong(flag, "id:address:port"));
    let backend = |item: &str| backend(item).ok_or_else(|| wrong("lbBackends", "a list of address:port"));
    let remote = text(words, "remotePeers", "server2:192.168.0.2:10000,server3:192.168.0.3:10000");
    let backends = text(words, "lbBackends", "192.168.0.1:8080,192.168.0.2:8080");
    let balancer = LoadBalancer {
        name: text(words, "lbName", "Example Load Balancer"),
        kind: text(words, "lbType", "tcp"),
        port: port.parse().map_err(|_| wrong("lbPort", "a port"))?,
        bind_to_vip: on(words, "lbBindToVip"),
        backends: items(&backends).map(backend).collect::<Result<_, _>>()?,
    };
    let config = Config {
        local_peer: peer("localPeer", &text(words, "localPeer", "server1:192.168.0.1:10000"))?,
        remote_peers: items(&remote).map(|item| peer("remotePeers", item)).collect::<Result<_, _>>()?,
        add_peers_as_backends: on(words, "addPeersToLB"),
        vip: text(words, "vip", "192.168.0.1"),
        gratuitous_arp: on(words, "arp"),
        single_node: on(words, "singleNode"),
        start_as_leader: on(words, "startAsLeader"),
        interface: text(words, "interface", "eth0"),
        load_balancers: vec![balancer],
    };
    let note = "note: this is the file of kube-vip 0.1, whose peers elect by raft: vipcast reads it, and refuses to run \
                raft; see docs/manifests.md for what it runs";
    Ok(Printed { yaml: yaml::document(&config), notes: vec![note.to_owned()] })
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn spec_text<'a>(words: &'a Words<'_>, flag: &str) -> &'a str {
    by_flag(flag).filter(|spec| words.is_given(spec)).map_or("", |spec| words.raw.get(spec).text)
}

fn text(words: &Words<'_>, flag: &str, otherwise: &str) -> String {
    let given = spec_text(words, flag);
    if given.is_empty() { otherwise.to_owned() } else { given.to_owned() }
}

fn on(words: &Words<'_>, flag: &str) -> bool {
    go_bool(spec_text(words, flag)) == Some(true)
}

fn peer(item: &str) -> Option<Peer> {
    let (rest, port) = item.rsplit_once(':')?;
    let (id, address) = rest.split_once(':')?;
    Some(Peer { id: id.to_owned(), address: address.to_owned(), port: port.parse().ok()? })
}

fn backend(item: &str) -> Option<Backend> {
    let (address, port) = item.rsplit_once(':')?;
    Some(Backend { port: port.parse().ok()?, address: address.to_owned() })
}

/// The pod of that file.
pub(super) fn manifest(wanted: &Wanted) -> Pod {
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let capabilities = Capabilities { add: Some(list(&["NET_ADMIN", "NET_RAW"])), drop: Some(list(&["ALL"])) };
    let container = Container {
        name: "kube-vip".to_owned(),
        image: Some(image(wanted.image.as_deref())),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(list(&["/kube-vip", "start", "-c", MOUNTED])),
        security_context: Some(SecurityContext { capabilities: Some(capabilities), ..SecurityContext::default() }),
        volume_mounts: Some(vec![VolumeMount {
            mount_path: MOUNTED.to_owned(),
            name: "config".to_owned(),
            ..VolumeMount::default()
        }]),
        ..Container::default()
    };
    let host_path = Some(HostPathVolumeSource { path: CONFIG.to_owned(), type_: Some("File".to_owned()) });
    let spec = PodSpec {
        containers: vec![container],
        host_network: Some(true),
        volumes: Some(vec![Volume { name: "config".to_owned(), host_path, ..Volume::default() }]),
        ..PodSpec::default()
    };
    let metadata = ObjectMeta {
        name: Some("kube-vip".to_owned()),
        namespace: Some("kube-system".to_owned()),
        ..ObjectMeta::default()
    };
    Pod { metadata, spec: Some(spec), status: None }
}
