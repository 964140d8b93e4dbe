//! The pod: one container in the node's network, with what it needs and no more.

use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, ConfigMapVolumeSource, Container, ExecAction, HostAlias, HostPathVolumeSource,
    NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Probe, ResourceRequirements,
    SecretVolumeSource, SecurityContext, Toleration, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::secrets::{DIRECTORY, NAME, Secrets, own_directory};
use super::words::{Words, by_flag};
use super::{What, environment, mistake};
use crate::config::Mistakes;
use crate::config::options::{CONTROL_SOCKET, KUBECONFIG, NODE_NAME};

/// The container's name is kube-vip's: `kubectl apply` merges containers by name.
const CONTAINER: &str = "kube-vip";
/// Where kube-vip and vipcast look for a kubeconfig.
const ADMIN_CONF: &str = "/etc/kubernetes/admin.conf";
/// The Secret of the vendor's cloud controller manager.
const CLOUD_SECRET: &str = "metal-cloud-config";
/// Before everything but the node itself.
const PRIORITY: &str = "system-node-critical";
/// Files of the node that options name, besides passwords.
const FILES: [&str; 5] = ["controlPlaneHealthCheckCAPath", "metalCA", "etcdCACert", "etcdCert", "etcdKey"];

/// The pod's spec, and what should be said of it.
///
/// # Errors
/// Where secrets cannot be taken out, or a file is where none can be mounted.
pub(super) fn pod(words: &Words<'_>) -> Result<(PodSpec, Vec<String>), Mistakes> {
    let mut secrets = Secrets::take(words)?;
    secrets.of_operator(words)?;
    let told = environment::told(words, &secrets);
    let mut mounts = Mounts::default();
    let mut notes = words.warnings.clone();
    notes.extend(secrets.notes(words));
    mount(words, &secrets, &mut mounts, &mut notes)?;
    let (volumes, volume_mounts): (Vec<_>, Vec<_>) = mounts.0.into_iter().unzip();
    let mut arguments = vec!["manager".to_owned()];
    arguments.extend(told.arguments);
    let probe = has_socket(words);
    let container = Container {
        name: CONTAINER.to_owned(),
        image: Some(words.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: Some(arguments),
        env: Some(told.variables),
        liveness_probe: (probe && !words.may_wait()).then(liveness),
        readiness_probe: probe.then(readiness),
        resources: words.is_ours().then(resources),
        security_context: Some(security(words)),
        volume_mounts: some(volume_mounts),
        ..Container::default()
    };
    let in_cluster = words.wanted.in_cluster;
    let spec = PodSpec {
        affinity: words.wanted.taint.then(control_planes),
        containers: vec![container],
        host_aliases: (!in_cluster)
            .then(|| vec![HostAlias { hostnames: Some(vec!["kubernetes".to_owned()]), ip: "127.0.0.1".to_owned() }]),
        host_network: Some(true),
        priority_class_name: words.is_ours().then(|| PRIORITY.to_owned()),
        service_account_name: in_cluster.then(|| "kube-vip".to_owned()),
        termination_grace_period_seconds: words.is_ours().then(|| i64::try_from(words.needs.grace).unwrap_or(i64::MAX)),
        tolerations: words.wanted.taint.then(|| ["NoSchedule", "NoExecute"].map(tolerate).to_vec()),
        volumes: some(volumes),
        ..PodSpec::default()
    };
    Ok((spec, notes))
}

/// Whether the words have it answer for itself.
fn has_socket(words: &Words<'_>) -> bool {
    words.is_ours() && words.raw.get(&CONTROL_SOCKET).text != "off"
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// Volumes with their places in the container.
#[derive(Default)]
struct Mounts(Vec<(Volume, VolumeMount)>);

impl Mounts {
    fn add(&mut self, volume: Volume, path: &str, read_only: bool) {
        if self.0.iter().any(|(_, mount)| mount.mount_path == path) {
            return;
        }
        let read_only = read_only.then_some(true);
        let mount =
            VolumeMount { mount_path: path.to_owned(), name: volume.name.clone(), read_only, ..VolumeMount::default() };
        self.0.push((volume, mount));
    }

    /// Something of the node.
    fn host(&mut self, name: &str, of_host: &str, kind: &str, path: &str) {
        let host_path = Some(HostPathVolumeSource { path: of_host.to_owned(), type_: Some(kind.to_owned()) });
        let read_only = kind != "DirectoryOrCreate";
        self.add(Volume { name: name.to_owned(), host_path, ..Volume::default() }, path, read_only);
    }

    /// The Secret of this name, readable by its owner alone.
    fn secret(&mut self, volume: &str, name: &str, path: &str) {
        let source = SecretVolumeSource {
            secret_name: Some(name.to_owned()),
            default_mode: Some(0o400),
            ..SecretVolumeSource::default()
        };
        self.add(Volume { name: volume.to_owned(), secret: Some(source), ..Volume::default() }, path, true);
    }
}

/// All that is mounted.
fn mount(words: &Words<'_>, secrets: &Secrets, mounts: &mut Mounts, notes: &mut Vec<String>) -> Result<(), Mistakes> {
    if !words.wanted.in_cluster {
        mounts.host("kubeconfig", words.raw.get(&KUBECONFIG).text, "File", ADMIN_CONF);
    }
    let socket = words.raw.get(&CONTROL_SOCKET).text;
    if has_socket(words) {
        let directory =
            std::path::Path::new(socket).parent().and_then(|parent| parent.to_str()).filter(|dir| *dir != "/");
        let Some(directory) = directory else {
            return Err(mistake(
                &CONTROL_SOCKET,
                "is in the root directory; expected a path in a directory of its own",
            ));
        };
        mounts.host("control", directory, "DirectoryOrCreate", directory);
    }
    if !secrets.files.is_empty() {
        secret_directory(words, mounts, NAME, DIRECTORY);
    }
    for (n, file) in words.secret_files().iter().enumerate() {
        match own_directory(file) {
            Some(directory) => secret_directory(words, mounts, &format!("passwords-{n}"), directory),
            None => mounts.host(&format!("password-{n}"), file, "File", file),
        }
    }
    for spec in FILES.iter().filter_map(|flag| by_flag(flag)).filter(|spec| words.is_given(spec)) {
        let path = words.raw.get(spec).text;
        if !path.starts_with("/var/run/secrets/") {
            mounts.host(&format!("file-{}", spec.flag.to_lowercase()), path, "File", path);
        }
    }
    configuration(words, mounts, notes);
    if words.is_given(&NODE_NAME) {
        notes.push("note: --nodeName is left out: each pod has the name of its own node".to_owned());
    }
    Ok(())
}

/// A directory of password files: the node's, or a Secret where a pod may have one.
fn secret_directory(words: &Words<'_>, mounts: &mut Mounts, volume: &str, directory: &str) {
    if words.wanted.what == What::Pod {
        mounts.host(volume, directory, "Directory", directory);
    } else {
        mounts.secret(volume, NAME, directory);
    }
}

/// The files of `--config-file` and `--provider-config`.
fn configuration(words: &Words<'_>, mounts: &mut Mounts, notes: &mut Vec<String>) {
    let is_static = words.wanted.what == What::Pod;
    if let Some(path) = words.text("provider_config") {
        match own_directory(path).filter(|_| !is_static) {
            Some(directory) => {
                mounts.secret("cloud-sa-volume", CLOUD_SECRET, directory);
                let namespace = words.namespace();
                notes.push(format!(
                    "note: the file of --provider-config is from a Secret, which the vendor's cloud controller manager has \
                     too: kubectl -n {namespace} create secret generic {CLOUD_SECRET} --from-file={path}"
                ));
            }
            None => mounts.host("cloud-config", path, "File", path),
        }
    }
    let Some(path) = words.text("config_file") else { return };
    notes.push(
        "note: what the file of --config-file asks for is not known here: with BFD add the capability SYS_NICE, with \
         unnumbered peers NET_RAW, with peers that dial us NET_BIND_SERVICE"
            .to_owned(),
    );
    if has_socket(words) {
        notes.push(
            "note: there is no liveness probe, as the file of --config-file may name a provider that is waited for, or have \
             no control socket; the readiness probe asks at that of --controlSocket: if the file has another one, or \
             \"off\", say that here too"
                .to_owned(),
        );
    }
    match own_directory(path) {
        Some(directory) if is_static => mounts.host("configuration", directory, "Directory", directory),
        Some(directory) => {
            let config_map = Some(ConfigMapVolumeSource { name: NAME.to_owned(), ..ConfigMapVolumeSource::default() });
            mounts.add(Volume { name: "configuration".to_owned(), config_map, ..Volume::default() }, directory, true);
            let namespace = words.namespace();
            notes.push(format!(
                "note: the file is from a ConfigMap: kubectl -n {namespace} create configmap {NAME} --from-file={path}"
            ));
        }
        // A file that is mounted alone stays the one it was when another takes its place.
        None => mounts.host("configuration", path, "File", path),
    }
}

/// What the kernel lets it do.
fn security(words: &Words<'_>) -> SecurityContext {
    if words.needs.privileged {
        return SecurityContext { privileged: Some(true), ..SecurityContext::default() };
    }
    let wanted = [
        ("NET_ADMIN", true),
        ("NET_BIND_SERVICE", words.needs.low_port),
        ("NET_RAW", words.needs.raw_sockets),
        ("SYS_NICE", words.needs.real_time),
    ];
    let add = wanted.iter().filter(|(_, needed)| *needed).map(|(name, _)| (*name).to_owned()).collect();
    SecurityContext {
        allow_privilege_escalation: words.is_ours().then_some(false),
        capabilities: Some(Capabilities { add: Some(add), drop: Some(vec!["ALL".to_owned()]) }),
        read_only_root_filesystem: words.is_ours().then_some(true),
        ..SecurityContext::default()
    }
}

fn ask(words: &[&str]) -> Option<ExecAction> {
    Some(ExecAction { command: Some(words.iter().map(|word| (*word).to_owned()).collect()) })
}

/// A process that does not answer on its own node for a minute. Neither the API nor a router has a part in it.
fn liveness() -> Probe {
    Probe {
        exec: ask(&["/vipcast", "status"]),
        initial_delay_seconds: Some(10),
        period_seconds: Some(10),
        timeout_seconds: Some(6),
        failure_threshold: Some(6),
        ..Probe::default()
    }
}

/// Fit to hold the virtual IP: a rolling update waits for it before it takes the next node.
fn readiness() -> Probe {
    Probe {
        exec: ask(&["/vipcast", "status", "--ready"]),
        period_seconds: Some(5),
        timeout_seconds: Some(6),
        ..Probe::default()
    }
}

/// No limit: one on the processor would make it miss its times.
fn resources() -> ResourceRequirements {
    let quantity = |name: &str, amount: &str| (name.to_owned(), Quantity(amount.to_owned()));
    let requests = [quantity("cpu", "50m"), quantity("memory", "32Mi")].into_iter().collect();
    ResourceRequirements { requests: Some(requests), ..ResourceRequirements::default() }
}

fn tolerate(effect: &str) -> Toleration {
    Toleration { effect: Some(effect.to_owned()), operator: Some("Exists".to_owned()), ..Toleration::default() }
}

/// Nodes with either name of the label, whatever its value.
fn control_planes() -> Affinity {
    let term = |role: &str| NodeSelectorTerm {
        match_expressions: Some(vec![NodeSelectorRequirement {
            key: format!("node-role.kubernetes.io/{role}"),
            operator: "Exists".to_owned(),
            values: None,
        }]),
        ..NodeSelectorTerm::default()
    };
    let nodes = NodeSelector { node_selector_terms: vec![term("master"), term("control-plane")] };
    let node_affinity = Some(NodeAffinity {
        required_during_scheduling_ignored_during_execution: Some(nodes),
        ..NodeAffinity::default()
    });
    Affinity { node_affinity, ..Affinity::default() }
}
