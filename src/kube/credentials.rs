//! The kubeconfig file, k3s's or RKE2's where kubeadm's is absent, or the service account where there is none.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use kube::Config;
use kube::config::{Cluster, Context, NamedCluster, NamedContext};
use kube::config::{InClusterError, Kubeconfig, KubeconfigError};

/// Why there are no credentials (yet): a file that kubeadm or kubelet may still write is no reason to give up.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("read the kubeconfig {}: {error}; give vipcast read access to it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// kubelet makes a directory where a hostPath without a type does not exist. (Where there is a service account, that is
    /// used.)
    #[error("read the kubeconfig {}: it is a directory (kubelet makes one where a hostPath volume without `type: File` is absent); remove it and put the file there", .0.display())]
    Directory(PathBuf),
    /// Somebody is about to write it, or nobody did.
    #[error("read the kubeconfig {}: it is empty; write it, for kubeadm /etc/kubernetes/admin.conf", .0.display())]
    Empty(PathBuf),
    /// It is not what it should be. What stands in it is a secret and not shown.
    #[error("use the kubeconfig {}: {what}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Neither a file nor a service account.
    #[error("find credentials for the Kubernetes API: there is no kubeconfig {}, and no service account ({error}); mount one of them", path.display())]
    Nothing {
        /// The file that is absent.
        path: PathBuf,
        /// What is missing of the service account.
        error: InClusterError,
    },
}

/// What a client is made of.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    pub config: Config,
    /// Changes when what the files say changes: certificates are renewed under a running process.
    pub fingerprint: u64,
}

/// kubeadm's kubeconfig, which is looked for unless another is named.
const KUBEADM: &str = "/etc/kubernetes/admin.conf";
/// Where k3s and RKE2 write theirs.
const ELSEWHERE: [&str; 2] = ["/etc/rancher/k3s/k3s.yaml", "/etc/rancher/rke2/rke2.yaml"];
/// kubeadm's other kubeconfig, beside its first: allowed everything from the start (1.29 and later).
const SUPER_ADMIN: &str = "super-admin.conf";

/// Reads the credentials anew. Blocks: files are read.
pub(super) fn load(path: &Path) -> Result<Credentials, CredentialsError> {
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return elsewhere(path),
        found => found.map_err(|error| CredentialsError::Read { path: path.to_owned(), error })?,
    };
    if metadata.is_dir() {
        return service_account(path).map_err(|_| CredentialsError::Directory(path.to_owned()));
    }
    file(path)
}

/// The kubeconfig that is allowed everything, where it lies beside kubeadm's: what to use while the other one may do
/// nothing yet. Blocks.
pub(super) fn load_super_admin(path: &Path) -> Option<Result<Credentials, CredentialsError>> {
    let beside = path.with_file_name(SUPER_ADMIN);
    (beside != path && beside.is_file()).then(|| file(&beside))
}

/// Where the file is absent.
fn elsewhere(path: &Path) -> Result<Credentials, CredentialsError> {
    let others = ELSEWHERE.iter().map(Path::new).filter(|_| path == Path::new(KUBEADM));
    match others.into_iter().find(|other| other.is_file()) {
        Some(other) => file(other),
        None => service_account(path),
    }
}

fn file(path: &Path) -> Result<Credentials, CredentialsError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| CredentialsError::Read { path: path.to_owned(), error })?;
    if text.trim().is_empty() {
        return Err(CredentialsError::Empty(path.to_owned()));
    }
    let invalid = |what: String| CredentialsError::Invalid { path: path.to_owned(), what };
    let file = Kubeconfig::read_from(path).map_err(|error| invalid(harmless(&error)))?;
    let config = Config::try_from(file).map_err(|error| invalid(harmless(&error)))?;
    let fingerprint = fingerprint(&config, &text);
    Ok(Credentials { config, fingerprint })
}

/// kube rereads a service account's token and CA by itself.
fn service_account(path: &Path) -> Result<Credentials, CredentialsError> {
    let config = Config::incluster().map_err(|error| CredentialsError::Nothing { path: path.to_owned(), error })?;
    Ok(Credentials { config, fingerprint: 0 })
}

/// The certificates in a PEM file. Blocks: it is read.
pub(super) fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let name = || "ca".to_owned();
    let authority = path.to_str().map(str::to_owned);
    let server = Some("https://127.0.0.1".to_owned());
    let cluster = Cluster { server, certificate_authority: authority, ..Cluster::default() };
    let context = Context { cluster: name(), ..Context::default() };
    let file = Kubeconfig {
        current_context: Some(name()),
        contexts: vec![NamedContext { name: name(), context: Some(context), ..NamedContext::default() }],
        clusters: vec![NamedCluster { name: name(), cluster: Some(cluster), ..NamedCluster::default() }],
        ..Kubeconfig::default()
    };
    let config = Config::try_from(file).map_err(|error| super::fault::chain(&error))?;
    Ok(config.root_cert.unwrap_or_default())
}

fn fingerprint(config: &Config, text: &str) -> u64 {
    let named = [&config.auth_info.client_certificate, &config.auth_info.client_key];
    let mut hasher = DefaultHasher::new();
    (text, &config.root_cert).hash(&mut hasher);
    for path in named.into_iter().flatten() {
        std::fs::read(path).ok().hash(&mut hasher);
    }
    hasher.finish()
}

/// The error without the text of the file: a parser's message may quote a token.
fn harmless(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(_) => "it is not the YAML of a kubeconfig".to_owned(),
        other => super::fault::chain(other),
    }
}

#[cfg(test)]
mod tests;
