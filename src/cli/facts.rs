//! What the host says, for [`crate::config::check`].

use std::fs::File;
use std::io::{ErrorKind, Read as _};

use secrecy::SecretSlice;

use crate::config::options::PEER_PASS_FILE;
use crate::config::{Facts, RawConfig};

const SERVICE_ACCOUNT_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// More than a password may have, so that a too long one is seen as such and a wrong file is not read whole.
const PASSWORD_FILE_LIMIT: u64 = 4096;

/// Reads them. What is not there is `None`; only a password file that is configured can be a mistake.
pub(super) fn read(raw: &RawConfig) -> Facts {
    let path = raw.get(&PEER_PASS_FILE).text;
    Facts {
        // What uname(2) gives as the node's name.
        host_name: line("/proc/sys/kernel/hostname"),
        service_account_namespace: line(SERVICE_ACCOUNT_NAMESPACE),
        peer_pass_file: (!path.is_empty()).then(|| password(path)),
        interfaces: interfaces(),
    }
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

fn password(path: &str) -> Result<SecretSlice<u8>, String> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(PASSWORD_FILE_LIMIT).read_to_end(&mut content));
    match read {
        Ok(_) => Ok(content.into()),
        Err(error) => Err(match error.kind() {
            ErrorKind::NotFound => "there is no such file; a hostPath must exist and be mounted".to_owned(),
            ErrorKind::IsADirectory => {
                "it is a directory; the kubelet makes one where a hostPath without a type does not exist".to_owned()
            }
            _ => error.to_string(),
        }),
    }
}
