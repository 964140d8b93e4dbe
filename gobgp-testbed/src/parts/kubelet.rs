//! As much of a kubelet as it takes to run a manifest unchanged: mounts, variables, capabilities, a root file system of
//! its own. The image is the vipcast under test, as `/vipcast` and `/kube-vip`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::host::{Host, capture};
use crate::paths;
use crate::process::Process;

/// What containers get as the credentials of a service account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// What the program needs of this machine, as the tested build is not static.
const SYSTEM: [&str; 6] = ["proc", "sys", "dev", "lib", "lib64", "usr"];

/// A node's files, and what the cluster has for its pods.
#[derive(Debug)]
pub struct Kubelet {
    host: Host,
    /// Secrets and ConfigMaps: by name, key and value.
    secrets: BTreeMap<String, BTreeMap<String, String>>,
    /// The token of the pod's service account, its authority and its API server.
    account: Option<Account>,
    /// Variables of the container that its manifest does not have.
    environment: BTreeMap<String, String>,
}

/// A service account's credentials.
#[derive(Debug, Clone)]
pub struct Account {
    /// A token of the API server's.
    pub token: String,
    /// The certificate of its authority.
    pub authority: PathBuf,
    /// The API server's address.
    pub server: String,
}

impl Kubelet {
    /// A node without any file.
    ///
    /// # Errors
    /// When its directory cannot be made.
    pub fn new(host: &Host) -> Result<Self> {
        let (secrets, environment) = (BTreeMap::new(), BTreeMap::new());
        let kubelet = Self { host: host.clone(), secrets, account: None, environment };
        if kubelet.file("").exists() {
            fs::remove_dir_all(kubelet.file(""))?;
        }
        fs::create_dir_all(kubelet.file(""))?;
        Ok(kubelet)
    }

    /// Where a file of the node is.
    #[must_use]
    pub fn file(&self, path: &str) -> PathBuf {
        self.host.file("files").join(path.trim_start_matches('/'))
    }

    /// Puts a file on the node, for root alone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &str, content: &str) -> Result<()> {
        let file = self.file(path);
        fs::create_dir_all(file.parent().context("a file has a directory")?)?;
        fs::write(&file, content)?;
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600))?;
        Ok(())
    }

    /// A Secret or ConfigMap with one more key.
    #[must_use]
    pub fn secret(mut self, name: &str, key: &str, value: &str) -> Self {
        self.secrets.entry(name.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
        self
    }

    /// What pods without a kubeconfig have.
    #[must_use]
    pub fn account(mut self, account: Account) -> Self {
        self.account = Some(account);
        self
    }

    /// One more variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Starts the container of a pod, or of a template of pods.
    ///
    /// # Errors
    /// Where a volume is not what the manifest says it is: then kubelet does not start the pod either.
    pub fn start(&self, object: &Value) -> Result<Process> {
        let spec = object.pointer("/spec/template/spec").or_else(|| object.get("spec")).context("no spec")?;
        ensure!(spec.get("hostNetwork") == Some(&Value::Bool(true)), "it is not in the node's network");
        let container = spec.pointer("/containers/0").context("no container")?;
        let root = self.host.file("container");
        fs::create_dir_all(&root)?;
        let script = self.script(spec, container, &root)?;
        self.host.spawn("vipcast", Path::new("/bin/sh"), |command| {
            command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").arg("-c").arg(script);
            command.envs(&self.environment);
        })
    }

    /// Runs a program in the container, as `kubectl exec` and probes do.
    ///
    /// # Errors
    /// When it fails; with what it said.
    pub fn exec(&self, process: &Process, words: &[&str]) -> Result<String> {
        let mut command = std::process::Command::new("nsenter");
        let target = format!("--target={}", process.pid());
        command.args([&target, "--mount", "--net", "--root", "--wd=/", "--"]).args(words);
        capture(command.env_clear())
    }

    fn script(&self, spec: &Value, container: &Value, root: &Path) -> Result<String> {
        let mut lines = vec!["set -eu".to_owned(), format!("mount -t tmpfs none {root:?}"), format!("cd {root:?}")];
        for dir in SYSTEM {
            lines.push(format!("mkdir {dir}; mount --rbind /{dir} {dir}"));
        }
        let binary = paths::vipcast()?;
        let aliases = spec.get("hostAliases").and_then(Value::as_array).into_iter().flatten();
        let hosts: String =
            aliases.map(|alias| format!("{} {}\n", text(alias, "ip"), text(alias, "/hostnames/0"))).collect();
        lines.push("mkdir etc tmp; touch vipcast kube-vip".to_owned());
        lines.push(format!("printf %s {} > etc/hosts", quoted(&hosts)));
        lines.extend(["vipcast", "kube-vip"].map(|name| format!("mount --bind {binary:?} {name}")));
        // Certificates that kubeconfigs of the testbed name.
        let run = root.parent().context("a directory is in one")?;
        lines.push(format!("mkdir -p .{run:?}; mount --bind {run:?} .{run:?}"));
        for (source, place, read_only) in self.mounts(spec, container)? {
            lines.push(bind(&source, &place, read_only));
        }
        if container.pointer("/securityContext/readOnlyRootFilesystem") == Some(&Value::Bool(true)) {
            lines.push(format!("mount -o remount,ro none {root:?}"));
        }
        let words = self.words(container)?;
        lines.push(format!(
            "exec env -i {} /usr/sbin/chroot {root:?} {} {words}",
            self.variables(container)?,
            confined(container)
        ));
        Ok(lines.join("\n"))
    }

    fn words(&self, container: &Value) -> Result<String> {
        let list = |key: &str| container.get(key).and_then(Value::as_array).cloned();
        let mut words = list("command").unwrap_or_else(|| vec!["/kube-vip".into()]);
        words.extend(list("args").unwrap_or_default());
        let words = words.iter().map(|word| word.as_str().map(quoted).context("a word is no text"));
        Ok(words.collect::<Result<Vec<_>>>()?.join(" "))
    }

    fn variables(&self, container: &Value) -> Result<String> {
        let mut all = self.environment.clone();
        if let Some(account) = &self.account {
            all.insert("KUBERNETES_SERVICE_HOST".to_owned(), account.server.clone());
            all.insert("KUBERNETES_SERVICE_PORT".to_owned(), "6443".to_owned());
        }
        for variable in container.get("env").and_then(Value::as_array).into_iter().flatten() {
            let name = text(variable, "name").to_owned();
            let value = match variable.pointer("/valueFrom/fieldRef/fieldPath").and_then(Value::as_str) {
                Some("spec.nodeName") => self.host.name(),
                Some(other) => bail!("{name} is of the field {other}"),
                None => text(variable, "value"),
            };
            all.insert(name, value.to_owned());
        }
        Ok(all.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect::<Vec<_>>().join(" "))
    }

    /// What is to be seen where in the container, and whether it is read-only.
    fn mounts(&self, spec: &Value, container: &Value) -> Result<Vec<(PathBuf, String, bool)>> {
        let mut mounts = Vec::new();
        let volumes = spec.get("volumes").and_then(Value::as_array).cloned().unwrap_or_default();
        for mount in container.get("volumeMounts").and_then(Value::as_array).into_iter().flatten() {
            let name = text(mount, "name");
            let volume = volumes.iter().find(|volume| text(volume, "name") == name);
            let source = self.volume(volume.with_context(|| format!("there is no volume {name}"))?)?;
            let read_only = mount.get("readOnly") == Some(&Value::Bool(true));
            mounts.push((source, text(mount, "mountPath").to_owned(), read_only));
        }
        if let Some(account) = &self.account {
            for (file, content) in [("token", account.token.clone()), ("namespace", "kube-system".to_owned())] {
                self.write(&format!("account/{file}"), &content)?;
            }
            self.write("account/ca.crt", &fs::read_to_string(&account.authority)?)?;
            mounts.push((self.file("account"), ACCOUNT.to_owned(), true));
        }
        Ok(mounts)
    }

    fn volume(&self, volume: &Value) -> Result<PathBuf> {
        let name = text(volume, "/secret/secretName").to_owned() + text(volume, "/configMap/name");
        if !name.is_empty() {
            let secret = self.secrets.get(&name).with_context(|| format!("there is no Secret or ConfigMap {name}"))?;
            for (key, value) in secret {
                self.write(&format!("secrets/{name}/{key}"), value)?;
            }
            return Ok(self.file(&format!("secrets/{name}")));
        }
        let path = text(volume, "/hostPath/path");
        let (file, kind) = (self.file(path), text(volume, "/hostPath/type"));
        match kind {
            "File" => ensure!(file.is_file(), "hostPath {path} is not a file"),
            "Directory" => ensure!(file.is_dir(), "hostPath {path} is not a directory"),
            "" | "DirectoryOrCreate" if file.exists() => {}
            "" | "DirectoryOrCreate" => fs::create_dir_all(&file)?,
            other => bail!("hostPath {path} is of type {other}"),
        }
        Ok(file)
    }
}

/// A member of an object by its name, or by a pointer; empty where it is not there.
fn text<'a>(object: &'a Value, member: &str) -> &'a str {
    let found = if member.starts_with('/') { object.pointer(member) } else { object.get(member) };
    found.and_then(Value::as_str).unwrap_or_default()
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The lines that mount something at a place of the container.
fn bind(source: &Path, place: &str, read_only: bool) -> String {
    let place = quoted(&format!(".{place}"));
    let make = if source.is_dir() {
        format!("mkdir -p {place}")
    } else {
        format!("mkdir -p \"$(dirname {place})\"; touch {place}")
    };
    let seal = if read_only { format!("; mount -o remount,bind,ro {place}") } else { String::new() };
    format!("{make}; mount --bind {source:?} {place}{seal}")
}

/// The words that take all capabilities away but those of the manifest.
fn confined(container: &Value) -> String {
    if container.pointer("/securityContext/privileged") == Some(&Value::Bool(true)) {
        return String::new();
    }
    let added = container.pointer("/securityContext/capabilities/add").and_then(Value::as_array);
    let names = added.into_iter().flatten().filter_map(Value::as_str).map(|name| format!(",+{}", name.to_lowercase()));
    let set: String = ["-all".to_owned()].into_iter().chain(names).collect();
    format!("/usr/bin/setpriv --bounding-set={set} --inh-caps={set} --no-new-privs")
}
