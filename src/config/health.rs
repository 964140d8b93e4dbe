//! The health check of what stands behind the virtual IPs.

use std::path::PathBuf;
use std::time::Duration;

/// How the API server behind the virtual IPs is checked. Checked: `timeout` ≤ `period`, no count is zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthConfig {
    /// Who is asked.
    pub target: HealthTarget,
    /// The name that its certificate must carry, and that it is asked by (SNI); `None`: the one in the URL.
    pub server_name: Option<String>,
    /// The file with the authority that signed its certificate; `None`: [`HealthTarget`] says.
    pub ca: Option<PathBuf>,
    /// The time from the start of one check to that of the next.
    pub period: Duration,
    /// The longest one check may take.
    pub timeout: Duration,
    /// After so many failed checks in a row it is unfit.
    pub fall: u32,
    /// After so many good checks in a row it is fit again.
    pub rise: u32,
    /// Without election: announce all the same while it is unfit, by the worst routes there are.
    pub fail_open: bool,
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthTarget {
    /// This node's own API server, for `/readyz`; its authority is the kubeconfig's, else the service account's.
    Own {
        /// Its port on 127.0.0.1.
        port: u16,
    },
    /// This URL, asked as anybody may; its authority is one of the system's.
    Url(String),
}

impl HealthTarget {
    /// What is asked for.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Own { port } => format!("https://127.0.0.1:{port}/readyz"),
            Self::Url(url) => url.clone(),
        }
    }
}
