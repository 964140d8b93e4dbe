//! Keys and certificates as kubeadm makes them, and kubeconfigs.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};

/// The first address of the Service network: the `kubernetes` Service.
const SERVICE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// A certificate and its key, as files.
#[derive(Debug, Clone)]
pub struct Pair {
    /// PEM.
    pub certificate: PathBuf,
    /// PEM, readable by its owner only.
    pub key: PathBuf,
}

/// The cluster's certificate authority.
#[derive(Debug)]
pub struct Pki {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    /// The authority's certificate.
    pub authority: PathBuf,
    /// Signs service account tokens.
    pub service_account_key: PathBuf,
    /// Verifies them.
    pub service_account_public: PathBuf,
}

impl Pki {
    /// Makes an authority in `dir`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn create(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "kubernetes");
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let authority = dir.join("ca.crt");
        fs::write(&authority, certificate.pem())?;
        let service_account_key = dir.join("sa.key");
        let service_account_public = dir.join("sa.pub");
        let accounts = KeyPair::generate()?;
        secret(&service_account_key, &accounts.serialize_pem())?;
        fs::write(&service_account_public, accounts.public_key_pem())?;
        let issuer = Issuer::new(params, key);
        Ok(Self { dir: dir.to_owned(), issuer, authority, service_account_key, service_account_public })
    }

    /// The serving certificate of a node's API server with exactly kubeadm's names: the node, the `kubernetes`
    /// Service, the advertised address, the control plane's endpoint. No `localhost`, no 127.0.0.1.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn api_server(&self, node: &str, advertised: Ipv4Addr, endpoint: Ipv4Addr) -> Result<Pair> {
        let names = [
            node,
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ];
        let mut params = CertificateParams::new(names.map(str::to_owned))?;
        let addresses = [SERVICE_ADDRESS, advertised, endpoint];
        params.subject_alt_names.extend(addresses.map(|address| SanType::IpAddress(IpAddr::V4(address))));
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(&format!("apiserver-{node}"), params)
    }

    /// The certificate of a web server at an address.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn web_server(&self, name: &str, address: IpAddr) -> Result<Pair> {
        let mut params = CertificateParams::default();
        params.subject_alt_names.push(SanType::IpAddress(address));
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(name, params)
    }

    /// A client's certificate: user name and group.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn client(&self, user: &str, group: Option<&str>) -> Result<Pair> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(user, params)
    }

    fn issue(&self, name: &str, mut params: CertificateParams) -> Result<Pair> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let pair =
            Pair { certificate: self.dir.join(format!("{name}.crt")), key: self.dir.join(format!("{name}.key")) };
        fs::write(&pair.certificate, certificate.pem())?;
        secret(&pair.key, &key.serialize_pem())?;
        Ok(pair)
    }

    /// Writes a kubeconfig for a client at one API server.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn kubeconfig(&self, file: &Path, server: &str, client: &Pair) -> Result<()> {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: testbed\n\
             clusters:\n- name: testbed\n  cluster:\n    server: {server}\n    certificate-authority: {}\n\
             users:\n- name: testbed\n  user:\n    client-certificate: {}\n    client-key: {}\n\
             contexts:\n- name: testbed\n  context:\n    cluster: testbed\n    user: testbed\n",
            self.authority.display(),
            client.certificate.display(),
            client.key.display()
        );
        secret(file, &text)
    }
}

fn secret(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
    Ok(())
}
