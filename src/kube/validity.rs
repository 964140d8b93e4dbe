//! For how long a kubeconfig's client certificate is good.

use std::path::Path;
use std::time::{Duration, SystemTime};

use k8s_openapi::ByteString;
use kube::Config;
use x509_parser::pem::parse_x509_pem;

use super::credentials::{self, CredentialsError};

/// How a certificate stands to this host's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Not good before then.
    NotYet {
        /// From now.
        until: Duration,
    },
    /// Good.
    For {
        /// From now.
        left: Duration,
    },
    /// Not good any more.
    Over {
        /// Since when.
        ago: Duration,
    },
}

/// For how long the client certificate that the kubeconfig at `path` shows is good; `None`: it shows none. Blocks.
///
/// # Errors
/// When there are no credentials, or what is called a certificate is none.
pub fn validity(path: &Path) -> Result<Option<Validity>, CredentialsError> {
    let config = credentials::load(path)?.config;
    let invalid = |what: &str| CredentialsError::Invalid { path: path.to_owned(), what: what.to_owned() };
    let Some(pem) = certificate(&config).map_err(invalid)? else { return Ok(None) };
    let limits = limits(&pem).ok_or_else(|| invalid("its client certificate is not an X.509 certificate in PEM"))?;
    #[expect(clippy::disallowed_methods, reason = "certificates are dated by the wall clock")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(Some(judge(limits, i64::try_from(now.as_secs()).unwrap_or(i64::MAX))))
}

/// Its PEM, in the file or beside it.
fn certificate(config: &Config) -> Result<Option<Vec<u8>>, &'static str> {
    match (&config.auth_info.client_certificate_data, &config.auth_info.client_certificate) {
        (Some(data), _) => {
            let bytes = serde_json::from_value(serde_json::Value::String(data.clone()));
            let ByteString(bytes) = bytes.map_err(|_| "its client-certificate-data is not base64")?;
            Ok(Some(bytes))
        }
        (None, Some(path)) => std::fs::read(path).map(Some).map_err(|_| "its client certificate's file cannot be read"),
        (None, None) => Ok(None),
    }
}

/// From when until when, in seconds since 1970.
fn limits(pem: &[u8]) -> Option<(i64, i64)> {
    let (_, pem) = parse_x509_pem(pem).ok()?;
    let validity = pem.parse_x509().ok()?.validity().clone();
    Some((validity.not_before.timestamp(), validity.not_after.timestamp()))
}

fn judge((from, to): (i64, i64), now: i64) -> Validity {
    let between = |a: i64, b: i64| Duration::from_secs(u64::try_from(b.saturating_sub(a)).unwrap_or_default());
    match now {
        _ if now < from => Validity::NotYet { until: between(now, from) },
        _ if now > to => Validity::Over { ago: between(to, now) },
        _ => Validity::For { left: between(now, to) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_good_between_its_dates() {
        let at = |now| judge((100, 200), now);
        let seconds = Duration::from_secs;
        assert_eq!(
            [99, 100, 200, 201].map(at),
            [
                Validity::NotYet { until: seconds(1) },
                Validity::For { left: seconds(100) },
                Validity::For { left: seconds(0) },
                Validity::Over { ago: seconds(1) }
            ]
        );
        assert_eq!(limits(b"no certificate"), None);
    }
}
