//! The container's variables, in kube-vip's order.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector};

use super::secrets::{Kept, Secrets};
use super::words::{Words, by_variable};
use crate::config::go_bool;
use crate::config::options::{CONFIG_FILE, Kind, OPTIONS, Spec};

/// kube-vip's order (v1.2.3, and for what it has no more v0.3.7); what is not here follows in the table's order.
const ORDER: &[&str] = &[
    "vip_arp",
    "port",
    "vip_nodename",
    "instance_name",
    "vip_interface",
    "vip_interfaceloglobal",
    "vip_servicesinterface",
    "vip_allow_interface_not_up",
    "vip_subnet",
    "dns_mode",
    "dhcp_mode",
    "dhcp_backoff_attempts",
    "cp_enable",
    "cp_namespace",
    "vip_ddns",
    "cp_detect",
    "svc_enable",
    "svc_leasename",
    "svc_election",
    "lb_class_only",
    "lb_class_name",
    "lb_class_legacy_handling",
    "enable_service_security",
    "vip_leaderelection",
    "vip_leasename",
    "vip_leaseduration",
    "vip_renewdeadline",
    "vip_retryperiod",
    "vip_loseleadership",
    "vip_loseleadership_timeout_seconds",
    "enable_node_labeling",
    "annotation",
    "vip_wireguard",
    "vip_routingtable",
    "vip_routingtableid",
    "vip_routingtabletype",
    "vip_routingprotocol",
    "vip_cleanroutingtable",
    "provider_config",
    "vip_packet",
    "vip_packetproject",
    "vip_packetprojectid",
    "PACKET_AUTH_TOKEN",
    "bgp_enable",
    "bgp_attach_ip_to_interface",
    "bgp_routerid",
    "bgp_as",
    "bgp_peeraddress",
    "bgp_peerpass",
    "bgp_peerpass_file",
    "bgp_peeras",
    "bgp_multihop",
    "bgp_sourceif",
    "bgp_sourceip",
    "bgp_peers",
    "bgp_peer_options",
    "bgp_hold_time",
    "bgp_keepalive_interval",
    "mpbgp_nexthop",
    "mpbgp_ipv4",
    "mpbgp_ipv6",
    "zebra_enable",
    "zebra_url",
    "zebra_version",
    "zebra_software_name",
    "control_plane_health_check_address",
    "control_plane_health_check_period_seconds",
    "control_plane_health_check_timeout_seconds",
    "control_plane_health_check_failure_threshold",
    "control_plane_health_check_ca_path",
    "lb_enable",
    "lb_port",
    "lb_fwdmethod",
    "address",
    "vip_address",
    "prometheus_server",
    "enable_endpoints",
    "disable_service_updates",
    "mirror_dest_interface",
    "health_check_port",
    "vip_preserve_on_leadership_loss",
    "debounce_time",
];

/// What is said though nobody did, once an option is given and not off: a manifest is read by people, and defaults
/// change. With kube-vip's default where the table has none.
const WITH: &[(&str, &[(&str, &str)])] = &[
    ("cp_enable", &[("cp_namespace", "")]),
    ("svc_enable", &[("svc_leasename", "plndr-svcs-lock")]),
    (
        "vip_leaderelection",
        &[("vip_leasename", ""), ("vip_leaseduration", ""), ("vip_renewdeadline", ""), ("vip_retryperiod", "")],
    ),
    ("bgp_enable", &[("bgp_as", "")]),
    ("bgp_peeraddress", &[("bgp_peeras", "")]),
    ("lb_enable", &[("lb_port", "6443"), ("lb_fwdmethod", "local")]),
];

/// Always there, as in kube-vip.
const ALWAYS: &[(&str, &str)] = &[("vip_arp", "false"), ("port", "6443")];

/// Said in other ways: by the mount, and by each pod's own node.
const ELSEWHERE: &[&str] = &["k8s_config_file", "vip_nodename"];

/// What the container is told.
pub(super) struct Told {
    pub variables: Vec<EnvVar>,
    /// Options without a variable.
    pub arguments: Vec<String>,
}

/// All that was given, and what belongs to it; of secrets what [`Secrets`] leaves.
pub(super) fn told(words: &Words<'_>, secrets: &Secrets) -> Told {
    let mut told = Told { variables: Vec::new(), arguments: Vec::new() };
    let on = |name: &&str| words.text(name).is_some_and(|text| go_bool(text) != Some(false));
    let with = WITH.iter().filter(|(option, _)| on(option)).flat_map(|(_, companions)| *companions);
    let mut companions: BTreeMap<&str, &str> = with.chain(ALWAYS).copied().collect();
    if words.is_given(&CONFIG_FILE) && words.is_ours() {
        // The file may say otherwise, and a variable would count before it.
        companions.clear();
    }
    if words.has_provider() {
        // It says that too.
        companions.remove("bgp_as");
    }
    for name in ORDER {
        if *name == "vip_nodename" {
            told.variables.push(node_name());
        } else if let Some(spec) = by_variable(name).filter(|spec| spec.variables.first() == Some(name)) {
            tell(&mut told, words, secrets, spec, companions.get(name).copied());
        }
    }
    for &spec in OPTIONS.iter().filter(|spec| spec.variables.first().is_none_or(|name| !ORDER.contains(name))) {
        tell(&mut told, words, secrets, spec, None);
    }
    told
}

/// One option, if it was given or goes without saying.
fn tell(told: &mut Told, words: &Words<'_>, secrets: &Secrets, spec: &'static Spec, companion: Option<&str>) {
    let name = spec.variables.first().copied();
    let text = match secrets.of(spec) {
        Some(Kept::Instead(text)) => text.as_str(),
        Some(Kept::Out) => return,
        None if words.is_given(spec) => words.raw.get(spec).text,
        None => match companion {
            Some(otherwise) if spec.default.is_empty() => otherwise,
            Some(_) => spec.default,
            None => return,
        },
    };
    if text.is_empty() || name.is_some_and(|name| ELSEWHERE.contains(&name)) {
        return;
    }
    let text = match (spec.kind, go_bool(text)) {
        (Kind::Switch, Some(on)) => on.to_string(),
        _ => text.to_owned(),
    };
    // kube-vip has this variable, and reads it too late.
    let early = name == Some("config_file") && !words.is_ours();
    match name.filter(|_| !early) {
        Some(name) => told.variables.push(EnvVar { name: name.to_owned(), value: Some(text), value_from: None }),
        None => told.arguments.push(format!("--{}={text}", spec.flag)),
    }
}

/// The node that the pod runs on.
fn node_name() -> EnvVar {
    let field = ObjectFieldSelector { api_version: None, field_path: "spec.nodeName".to_owned() };
    let value_from = Some(EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() });
    EnvVar { name: "vip_nodename".to_owned(), value: None, value_from }
}
