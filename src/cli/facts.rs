//! What the host says, for [`crate::config::check`].

use crate::app::read_password_file;
use crate::config::{Facts, Learned, RawConfig, password_files};

const SERVICE_ACCOUNT_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Reads them, and adds what was `learned`. What is not there is `None`; only a password file that is configured can be
/// a mistake.
pub(super) fn read(raw: &RawConfig, learned: &Learned) -> Facts {
    let passwords = password_files(raw).into_iter().map(|path| {
        let content = read_password_file(&path);
        (path, content)
    });
    Facts {
        // What uname(2) gives as the node's name.
        host_name: host_name(),
        service_account_namespace: line(SERVICE_ACCOUNT_NAMESPACE),
        password_files: passwords.collect(),
        interfaces: interfaces(),
        provided: learned.provided.clone(),
        node_labels: learned.node_labels.clone(),
    }
}

pub(super) fn host_name() -> Option<String> {
    line("/proc/sys/kernel/hostname")
}

/// Of this network namespace, which /sys/class/net need not be.
fn interfaces() -> Option<Vec<String>> {
    let table = std::fs::read_to_string("/proc/self/net/dev").ok()?;
    let name = |line: &str| line.split_once(':').map(|(name, _)| name.trim().to_owned());
    Some(table.lines().filter_map(name).collect())
}

fn line(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
