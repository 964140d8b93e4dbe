//! One HTTPS API that is not Kubernetes': a cloud's. Built on the same client, so that there is one TLS in the program.
//!
//! The authorities are those of the web as Mozilla has them, from inside the program: its image has no files. Redirects
//! are not followed, and nothing is asked twice.

use std::path::PathBuf;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use kube::{Client, Config};
use secrecy::{ExposeSecret as _, SecretString};

use super::credentials;
use super::fault::chain;
use crate::clock::{now, sleep_until};

/// The longest answer that is read.
const LONGEST: usize = 8 * 1024 * 1024;
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Why there is no answer; fragments that stand after "failed to …: ".
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum HttpsError {
    /// The server shows a certificate that no known authority signed, or of another name.
    #[error("{0}")]
    Certificate(String),
    /// The file with the further authority is no good.
    #[error("{0}")]
    Authority(String),
    /// The server cannot be reached, is silent, or breaks off.
    #[error("{0}")]
    Failed(String),
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct HttpsRequest<'a> {
    /// GET, POST, DELETE.
    pub method: &'a str,
    /// The path and the query behind the base.
    pub path: &'a str,
    /// A JSON document.
    pub body: Option<&'a str>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsAnswer {
    /// The status.
    pub status: u16,
    /// How long to wait before anything is asked again, where it says so in seconds.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

/// A client for one API, which keeps its connections.
#[derive(Clone)]
pub struct Https {
    client: Client,
    header: HeaderName,
    token: HeaderValue,
}

impl std::fmt::Debug for Https {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Https").field("header", &self.header).finish_non_exhaustive()
    }
}

impl Https {
    /// A client for the API at `base`, whose certificate one of the web's authorities signed, or that in the PEM file
    /// `authority`. `token` goes with every request in the header of the given name.
    ///
    /// # Errors
    /// When the file is no good. Nothing is asked yet.
    pub async fn new(
        base: &str,
        authority: Option<PathBuf>,
        header: &'static str,
        token: &SecretString,
    ) -> Result<Self, HttpsError> {
        let failed = |what: String| HttpsError::Failed(what);
        let uri = base.parse().map_err(|error: http::uri::InvalidUri| failed(format!("{base}: {error}")))?;
        let mut token = HeaderValue::from_str(token.expose_secret())
            .map_err(|_| failed("the token is none: it has characters that no header has".to_owned()))?;
        token.set_sensitive(true);
        let mut config = Config::new(uri);
        config.default_retry = false;
        config.proxy_url = None;
        config.connect_timeout = Some(CONNECT);
        // A kubeconfig's authority is a file; reading it may block.
        let made = tokio::task::spawn_blocking(move || {
            let mut roots: Vec<Vec<u8>> =
                webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|root| root.as_ref().to_vec()).collect();
            if let Some(path) = authority {
                roots.extend(further(&path)?);
            }
            config.root_cert = Some(roots);
            Client::try_from(config).map_err(|error| HttpsError::Failed(chain(&error)))
        });
        let client = made.await.map_err(|error| failed(error.to_string()))??;
        Ok(Self { client, header: HeaderName::from_static(header), token })
    }

    /// Asks once, for at most `limit`. Cancel-safe; whether a request that was dropped arrived is not known.
    ///
    /// # Errors
    /// Where there is no answer; any status is one.
    pub async fn ask(&self, request: HttpsRequest<'_>, limit: Duration) -> Result<HttpsAnswer, HttpsError> {
        let deadline = now() + limit;
        tokio::select! {
            answer = self.put(request) => answer,
            () = sleep_until(deadline) => Err(HttpsError::Failed(format!("no answer within {limit:?}"))),
        }
    }

    async fn put(&self, request: HttpsRequest<'_>) -> Result<HttpsAnswer, HttpsError> {
        let HttpsRequest { method, path, body } = request;
        let body = body.map_or_else(Body::empty, |text| Body::from(text.as_bytes().to_vec()));
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(&self.header, &self.token)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("vipcast/", env!("CARGO_PKG_VERSION")))
            .body(body)
            .map_err(|error| HttpsError::Failed(format!("{path}: {error}")))?;
        let response = self.client.send(request).await.map_err(|error| trouble(&error))?;
        let status = response.status().as_u16();
        let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let body = Limited::new(response.into_body(), LONGEST).collect().await;
        let body = body.map_err(|error| HttpsError::Failed(format!("the answer breaks off: {}", chain(&*error))))?;
        Ok(HttpsAnswer { status, retry_after: seconds.map(Duration::from_secs), body: body.to_bytes().to_vec() })
    }
}

fn further(path: &std::path::Path) -> Result<Vec<Vec<u8>>, HttpsError> {
    let wrong = |what: &str| HttpsError::Authority(format!("{}: {what}", path.display()));
    if !path.is_file() {
        return Err(wrong("there is no such file; a hostPath must exist and be mounted"));
    }
    let found = credentials::certificates(path).map_err(|what| wrong(&what))?;
    if found.is_empty() {
        return Err(wrong("there is no certificate in it; expected PEM"));
    }
    Ok(found)
}

fn trouble(error: &kube::Error) -> HttpsError {
    let text = chain(error);
    let text = text.strip_prefix("ServiceError: ").unwrap_or(&text).to_owned();
    if text.contains("peer certificate") || text.contains("UnknownIssuer") {
        return HttpsError::Certificate(text);
    }
    HttpsError::Failed(text)
}
