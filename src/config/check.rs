//! The second pass: from words to a valid [`Config`], or to everything that is wrong with them.

mod bgp;
mod control;
mod effects;
mod fences;
mod health;
mod lease;
mod metal;
mod modes;
mod next_hops;
mod passwords;
mod peers;
mod provided;
mod reader;
mod timings;
mod tuning;
pub(super) mod vips;

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretSlice;

use super::options::{DRAIN_ON_CORDON, KUBECONFIG, LOG, LOG_FORMAT, NODE_NAME, PORT};
use super::scalar::is_dns_subdomain;
use super::{Config, Finding, LogConfig, LogFormat, LogLevel, Mistakes, Provided, RawConfig};
use reader::Reader;

/// Which of the daemon's subcommands was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `manager`.
    Manager,
    /// `start`: the control plane's virtual IP is meant without being named.
    Start,
    /// `service`, an older name of `manager`.
    Service,
}

/// What the host says; read by the shell before the check.
#[derive(Debug, Default)]
pub struct Facts {
    /// The host's name.
    pub host_name: Option<String>,
    /// The namespace of the pod's service account, where there is one.
    pub service_account_namespace: Option<String>,
    /// The content of each file of [`super::password_files`], or why it could not be read.
    pub password_files: BTreeMap<PathBuf, Result<SecretSlice<u8>, String>>,
    /// The names of the host's interfaces; `None` where they could not be read, and no name is doubted.
    pub interfaces: Option<Vec<String>>,
    /// What the provider says; `None`: there is none, or it has said nothing complete yet.
    pub provided: Option<Provided>,
    /// This node's labels; `None`: not known.
    pub node_labels: Option<BTreeMap<String, String>>,
}

/// A configuration without mistakes.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The configuration.
    pub config: Config,
    /// What is odd about it.
    pub warnings: Vec<Finding>,
    /// What was given and is as good as not given, in kube-vip too.
    pub notes: Vec<Finding>,
}

/// Makes words into a configuration.
///
/// # Errors
/// Every mistake there is, each with the option's names, the value and what was expected. No password among it.
pub fn check(raw: &RawConfig, command: Command, facts: &Facts) -> Result<Checked, Mistakes> {
    let mut reader = Reader::new(raw, facts);
    let config = assemble(&mut reader, command);
    let (mistakes, warnings, notes) = reader.finish();
    match config {
        Some(config) if mistakes.is_empty() => Ok(Checked { config, warnings, notes }),
        _ => Err(Mistakes(mistakes)),
    }
}

fn assemble(r: &mut Reader<'_>, command: Command) -> Option<Config> {
    if !modes::modes(r, command) {
        return None;
    }
    let vips = vips::vips(r);
    let interface = r.interface(&super::options::INTERFACE);
    let api_port = r.number(&PORT, 1..=65535, "a port");
    let election = lease::lease(r);
    let health = health::health(r, api_port, vips.as_deref().unwrap_or_default());
    let vip_options = tuning::vips(r, vips.as_deref());
    let annotations = provided::annotations(r);
    let bgp = bgp::bgp(r, vips.as_deref().unwrap_or_default(), vip_options.as_ref());
    let node_name = node_name(r);
    let metal = metal::metal(r, node_name.as_deref());
    let eip = metal::eip(r, metal.as_ref(), election.as_ref());
    let kubeconfig = PathBuf::from(r.text(&KUBECONFIG)?);
    let control_socket = control::socket(r);
    let health_port = control::health_port(r);
    let drain_on_cordon = r.switch(&DRAIN_ON_CORDON);
    let log = log(r);
    let config = Config {
        node_name: node_name?,
        vips: vips?,
        vip_attributes: vip_options?.attributes,
        interface: interface?,
        api_port: u16::try_from(api_port?).ok()?,
        bgp: bgp?,
        provider: provided::provider(annotations?, metal?, eip.is_some()),
        eip,
        depends_on_labels: r.raw.file().is_some_and(|file| file.depends_on_labels),
        election: election?,
        health: health?,
        kubeconfig,
        control_socket: control_socket?,
        health_port: health_port?,
        drain_on_cordon: drain_on_cordon?,
        log: log?,
    };
    timings::timings(r, &config);
    fences::fences(r, &config);
    Some(config)
}

/// As in kube-vip: the name that is configured, else the host's, in lower case.
fn node_name(r: &mut Reader<'_>) -> Option<String> {
    let Some(name) = r.text(&NODE_NAME).or(r.facts.host_name.as_deref()).map(str::to_lowercase) else {
        r.mistake(&NODE_NAME, "not given, and the host has no name; give the node's name in Kubernetes");
        return None;
    };
    if is_dns_subdomain(&name) {
        return Some(name);
    }
    let wrong = "is not a node name; expected letters, digits, \"-\" and \".\", at most 253 bytes";
    if r.text(&NODE_NAME).is_some() {
        r.mistake(&NODE_NAME, format!("{name:?} {wrong}"));
    } else {
        r.mistake(&NODE_NAME, format!("not given, and the host name {name:?} {wrong}"));
    }
    None
}

fn log(r: &mut Reader<'_>) -> Option<LogConfig> {
    let level = level(r);
    let format = match r.text(&LOG_FORMAT)? {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        other => {
            r.mistake(&LOG_FORMAT, format!("{other:?} is not a form of log lines; expected text or json"));
            None
        }
    };
    Some(LogConfig { level: level?, format: format? })
}

/// A number as Go's `slog` filters by it: the lowest named level that is not below it.
fn level(r: &mut Reader<'_>) -> Option<LogLevel> {
    let text = r.raw.get(&LOG).text;
    let Ok(number) = text.parse::<i32>() else {
        r.mistake(&LOG, format!("{text:?} is not a log level; expected -4 (debug), 0 (info), 4 (warn) or 8 (error)"));
        return None;
    };
    let (level, name) = match number {
        ..=-4 => (LogLevel::Debug, "-4 (debug)"),
        -3..=0 => (LogLevel::Info, "0 (info)"),
        1..=4 => (LogLevel::Warn, "4 (warn)"),
        5.. => (LogLevel::Error, "8 (error)"),
    };
    if !matches!(number, -4 | 0 | 4 | 8) {
        r.warn(&LOG, format!("{number} has no name of its own and is taken as {name}"));
    }
    Some(level)
}
