//! Equinix Metal: how to ask its API, and about what.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

/// How to ask the API, and who this node is there.
#[derive(Clone, Debug)]
pub struct MetalConfig {
    /// The base of all URLs: https, without a slash at its end.
    pub api: String,
    /// The token: printable ASCII.
    pub token: SecretString,
    /// The project.
    pub project: MetalProject,
    /// This node.
    pub device: MetalDevice,
    /// The file with one more authority that may sign the API's certificate.
    pub authority: Option<PathBuf>,
}

/// A project, by either of its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetalProject {
    /// A UUID.
    Id(String),
    /// As its owner calls it.
    Name(String),
}

/// A device, by either of its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetalDevice {
    /// A UUID.
    Id(String),
    /// The host names it may have, in lower case; at least one.
    Names(Vec<String>),
}

impl PartialEq for MetalConfig {
    fn eq(&self, other: &Self) -> bool {
        let Self { api, token, project, device, authority } = self;
        (api, project, device, authority) == (&other.api, &other.project, &other.device, &other.authority)
            && token.expose_secret() == other.token.expose_secret()
    }
}

impl Eq for MetalConfig {}
