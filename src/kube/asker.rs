//! Asks one URL whether all is well there: a node's own API server, or whatever the operator names.
//!
//! One connection is kept and used again. What verifies the server is read anew when a check fails, and every minute:
//! certificates are renewed under a running process. Redirects are not followed.

use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::StatusCode;
use http::header::CONTENT_LENGTH;
use kube::client::Body;
use kube::config::AuthInfo;
use kube::{Client, Config};
use tokio::task::JoinHandle;

use super::credentials::{self, CredentialsError};
use super::fault::chain;
use crate::clock;
use crate::time::Instant;

/// How often files are read that did well so far.
const REFRESH: Duration = Duration::from_secs(60);
/// The longest answer that is read; of a longer one the connection is closed.
const LONGEST: u64 = 16 * 1024;

/// What to ask, and what to believe.
#[derive(Clone, Debug)]
pub struct Question {
    /// The URL, http or https.
    pub url: String,
    /// The name that the certificate must carry, and that is sent (SNI); `None`: the host of the URL.
    pub server_name: Option<String>,
    /// The file with the authority that signed the certificate.
    pub ca: Option<PathBuf>,
    /// The kubeconfig, else the service account, whose authority counts where `ca` is absent, and whose credentials
    /// are shown to a server that does not answer anybody. `None`: the authorities are the system's, and nobody is shown
    /// anything.
    pub kubeconfig: Option<PathBuf>,
    /// The longest time connecting takes.
    pub limit: Duration,
}

/// Why all is not well; fragments that stand after "failed: ".
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Trouble {
    /// The answer is another than 200, or there is none.
    #[error("{0}")]
    Failed(String),
    /// Nothing listens there.
    #[error("{0}")]
    Refused(String),
    /// It cannot be asked as it is configured.
    #[error("{0}")]
    Fault(String),
}

/// Keeps a connection to whom it asks.
#[derive(Debug)]
pub struct Asker {
    question: Question,
    asked: Option<Asked>,
    loading: Option<JoinHandle<Result<Material, Trouble>>>,
    /// When the files are to be read again.
    load_at: Instant,
}

/// What is asked with.
struct Asked {
    client: Client,
    material: Material,
    /// Whether the client shows our credentials.
    is_known: bool,
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked").field("is_known", &self.is_known).finish_non_exhaustive()
    }
}

/// What a client is made of.
#[derive(Clone, Debug)]
struct Material {
    /// Without credentials.
    config: Config,
    /// The credentials, where there are any.
    known_as: Option<Box<AuthInfo>>,
    fingerprint: u64,
}

impl Asker {
    /// Nothing is read or asked yet.
    #[must_use]
    pub fn new(question: Question) -> Self {
        Self { question, asked: None, loading: None, load_at: clock::now() }
    }

    /// Asks once. Cancel-safe: a call that takes too long can be dropped.
    ///
    /// # Errors
    /// Unless the answer is 200.
    pub async fn ask(&mut self) -> Result<(), Trouble> {
        let result = self.try_ask().await;
        if result.is_err() {
            self.load_at = clock::now();
        }
        result
    }

    async fn try_ask(&mut self) -> Result<(), Trouble> {
        let reads = self.asked.is_none() || clock::now() >= self.load_at;
        if reads {
            let refreshed = self.refresh().await;
            // What was read before may still do.
            refreshed.or_else(|trouble| if self.asked.is_some() { Ok(false) } else { Err(trouble) })?;
        }
        match self.put().await {
            // A server that has a new certificate is no fault where the files know of it already.
            Err(Trouble::Fault(_)) if !reads && self.refresh().await == Ok(true) => self.put().await,
            result => result,
        }
    }

    /// Asks with what is known.
    async fn put(&mut self) -> Result<(), Trouble> {
        let Some(asked) = self.asked.as_mut() else { return Ok(()) };
        let answer = send(&asked.client, &self.question.url).await?;
        if !answer.is_refusal() {
            return answer.judge();
        }
        if !asked.is_known && asked.material.known_as.is_some() {
            asked.client = client(asked.material.clone(), true).await?;
            asked.is_known = true;
            let answer = send(&asked.client, &self.question.url).await?;
            if !answer.is_refusal() {
                return answer.judge();
            }
        }
        // Next time as anybody: credentials run out, and some servers answer everybody.
        self.asked = None;
        let hint = "may anybody, or whom the kubeconfig names, ask for that?";
        Err(Trouble::Failed(format!("{} ({hint})", answer.status)))
    }

    /// Reads the files; makes another client if they say something else, `true`.
    async fn refresh(&mut self) -> Result<bool, Trouble> {
        let question = self.question.clone();
        let loading = self.loading.get_or_insert_with(|| tokio::task::spawn_blocking(move || load(&question)));
        let loaded = loading.await;
        self.loading = None;
        let material = loaded.map_err(|error| Trouble::Failed(error.to_string()))??;
        self.load_at = clock::now() + REFRESH;
        if self.asked.as_ref().is_some_and(|asked| asked.material.fingerprint == material.fingerprint) {
            return Ok(false);
        }
        let client = client(material.clone(), false).await?;
        self.asked = Some(Asked { client, material, is_known: false });
        Ok(true)
    }
}

/// Blocks: files are read.
fn load(question: &Question) -> Result<Material, Trouble> {
    let known = question.kubeconfig.as_deref().map(credentials::load);
    let authority = question.ca.as_deref().map(authority).transpose().map_err(Trouble::Fault)?;
    let server = server(&question.url)?;
    let (mut config, mut fingerprint) = match known {
        Some(Ok(known)) => (known.config, known.fingerprint),
        // The authority is all that is needed of it, and that is given.
        Some(Err(_)) if authority.is_some() => (Config::new(server.clone()), 0),
        Some(Err(error)) => return Err(Trouble::Fault(nothing(&error))),
        None => (Config::new(server.clone()), 0),
    };
    if let Some(authority) = authority {
        fingerprint ^= authority.fingerprint;
        config.root_cert = Some(authority.certificates);
        config.root_cert_file = None;
        config.accept_invalid_certs = false;
    }
    config.cluster_url = server;
    config.tls_server_name.clone_from(&question.server_name);
    config.default_retry = false;
    config.proxy_url = None;
    config.connect_timeout = Some(question.limit);
    config.write_timeout = Some(question.limit);
    let known_as = std::mem::take(&mut config.auth_info);
    let has_credentials = question.kubeconfig.is_some() && !is_anonymous(&known_as);
    Ok(Material { config, known_as: has_credentials.then(|| Box::new(known_as)), fingerprint })
}

/// The URL without its path.
fn server(url: &str) -> Result<http::Uri, Trouble> {
    let mut parts = parse(url)?.into_parts();
    parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
    http::Uri::from_parts(parts).map_err(|error| Trouble::Fault(format!("{url}: {error}")))
}

fn parse(url: &str) -> Result<http::Uri, Trouble> {
    url.parse().map_err(|error: http::uri::InvalidUri| Trouble::Fault(format!("{url}: {error}")))
}

fn is_anonymous(info: &AuthInfo) -> bool {
    let AuthInfo { token, token_file, client_certificate, client_certificate_data, exec, username, .. } = info;
    let files = [token_file, client_certificate, client_certificate_data, username];
    token.is_none() && exec.is_none() && info.auth_provider.is_none() && files.iter().all(|given| given.is_none())
}

/// What to do where nothing says whom to believe.
fn nothing(error: &CredentialsError) -> String {
    format!(
        "failed to {error}; or say by --controlPlaneHealthCheckCAPath (control_plane_health_check_ca_path) which authority \
         signed the API server's certificate, kubeadm's is /etc/kubernetes/pki/ca.crt; or turn the check off: \
         --controlPlaneHealthCheckAddress off"
    )
}

struct Authority {
    certificates: Vec<Vec<u8>>,
    fingerprint: u64,
}

fn authority(path: &Path) -> Result<Authority, String> {
    let name = path.display();
    let wrong = |what: &dyn std::fmt::Display| {
        format!("failed to read --controlPlaneHealthCheckCAPath (control_plane_health_check_ca_path) {name}: {what}")
    };
    let content = std::fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => wrong(&"there is no such file; a hostPath must exist and be mounted"),
        io::ErrorKind::IsADirectory => {
            wrong(&"it is a directory; the kubelet makes one where a hostPath without a type does not exist")
        }
        _ => wrong(&error),
    })?;
    let certificates = credentials::certificates(path).map_err(|what| wrong(&what))?;
    if certificates.is_empty() {
        return Err(wrong(&"there is no certificate in it; expected PEM"));
    }
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    Ok(Authority { certificates, fingerprint: hasher.finish() })
}

/// Made where it may block: a kubeconfig may name files and plugins.
async fn client(material: Material, is_known: bool) -> Result<Client, Trouble> {
    let Material { mut config, known_as, .. } = material;
    if let Some(info) = known_as.filter(|_| is_known) {
        config.auth_info = *info;
    }
    let made = tokio::task::spawn_blocking(move || Client::try_from(config).map_err(|error| chain(&error))).await;
    let made = made.map_err(|error| Trouble::Failed(error.to_string()))?;
    made.map_err(|what| Trouble::Fault(format!("failed to make a client: {what}")))
}

struct Answer {
    status: StatusCode,
    /// What an API server says is wrong with it.
    details: Option<String>,
}

impl Answer {
    /// Whether it does not answer whom it does not know.
    const fn is_refusal(&self) -> bool {
        matches!(self.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    }

    fn judge(self) -> Result<(), Trouble> {
        match self.status {
            StatusCode::OK => Ok(()),
            status if status.is_redirection() => {
                Err(Trouble::Failed(format!("{status}: redirects are not followed; name the place it leads to")))
            }
            status => Err(Trouble::Failed(match self.details {
                Some(details) => format!("{status}: {details}"),
                None => status.to_string(),
            })),
        }
    }
}

async fn send(client: &Client, url: &str) -> Result<Answer, Trouble> {
    let target = parse(url)?;
    let path = target.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let request = http::Request::get(path).body(Body::empty());
    let request = request.map_err(|error| Trouble::Fault(format!("{url}: {error}")))?;
    let response = client.send(request).await.map_err(|error| trouble(&error))?;
    let (status, length) = (response.status(), response.headers().get(CONTENT_LENGTH));
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    // What is not read to its end ends the connection.
    let body = match length.filter(|length| *length <= LONGEST) {
        Some(_) => Some(response.into_body().collect_bytes().await.map_err(|error| trouble(&error))?),
        None => None,
    };
    let details = body.and_then(|body| failed_checks(&String::from_utf8_lossy(&body)));
    Ok(Answer { status, details })
}

/// Of what an API server says about its health, what is bad.
fn failed_checks(text: &str) -> Option<String> {
    const MOST: usize = 3;
    let bad: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("[-]")).take(MOST).collect();
    (!bad.is_empty()).then(|| bad.join(", "))
}

fn trouble(error: &kube::Error) -> Trouble {
    let text = chain(error);
    let text = text.strip_prefix("ServiceError: ").unwrap_or(&text).to_owned();
    if is_refusal(error) {
        return Trouble::Refused(text);
    }
    if text.contains("peer certificate") || text.contains("UnknownIssuer") {
        return Trouble::Fault(format!(
            "{text} (a fault of configuration: --controlPlaneHealthCheckCAPath must name the authority that signed the \
             certificate, and --controlPlaneHealthCheckServerName a name in it)"
        ));
    }
    Trouble::Failed(text)
}

/// Whether the kernel of the other side said that nobody listens.
fn is_refusal(error: &kube::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests;
