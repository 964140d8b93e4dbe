//! A kube-apiserver on a node.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::pki::{Pair, Pki};
use crate::host::Host;
use crate::paths;
use crate::process::Process;
use crate::wait;

/// Where every API server listens, on all of its node's addresses (the VIP too).
pub const PORT: u16 = 6443;

/// Tells when an API server's `/readyz` first said ok.
#[derive(Debug)]
pub struct ReadyAlarm {
    process: Process,
}

impl ReadyAlarm {
    /// When it did, since boot; `None`: not yet.
    #[must_use]
    pub fn rang(&self) -> Option<Duration> {
        let said = self.process.log().of_last_start();
        said.lines().find_map(|line| Some(Duration::from_secs_f64(line.parse().ok()?)))
    }
}

/// A running API server.
#[derive(Debug)]
pub struct ApiServer {
    host: Host,
    address: Ipv4Addr,
    certificate: Pair,
    etcd: String,
    authority: String,
    service_account_key: String,
    service_account_public: String,
    port: u16,
    process: Option<Process>,
    /// What it is told besides.
    more: Vec<String>,
}

impl ApiServer {
    /// Starts it; ready it is later, see [`ApiServer::wait_ready`].
    ///
    /// # Errors
    /// When the program is missing or cannot be started.
    pub fn start(host: &Host, address: Ipv4Addr, endpoint: Ipv4Addr, pki: &Pki, etcd: &str) -> Result<Self> {
        let mut server = Self {
            host: host.clone(),
            address,
            certificate: pki.api_server(host.name(), address, endpoint)?,
            etcd: etcd.to_owned(),
            authority: pki.authority.display().to_string(),
            service_account_key: pki.service_account_key.display().to_string(),
            service_account_public: pki.service_account_public.display().to_string(),
            port: PORT,
            process: None,
            more: Vec::new(),
        };
        server.launch()?;
        Ok(server)
    }

    fn launch(&mut self) -> Result<()> {
        let process = self.host.spawn("apiserver", &paths::kube_apiserver()?, |command| {
            command.args([
                format!("--etcd-servers={}", self.etcd),
                format!("--advertise-address={}", self.address),
                format!("--secure-port={}", self.port),
                format!("--client-ca-file={}", self.authority),
                format!("--tls-cert-file={}", self.certificate.certificate.display()),
                format!("--tls-private-key-file={}", self.certificate.key.display()),
                format!("--service-account-key-file={}", self.service_account_public),
                format!("--service-account-signing-key-file={}", self.service_account_key),
                format!("--cert-dir={}", self.host.file("certs").display()),
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
                "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
                "--authorization-mode=RBAC".to_owned(),
                "--allow-privileged=true".to_owned(),
                "--profiling=false".to_owned(),
            ]);
            command.args(&self.more);
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// Waits for `/readyz` to say ok, asked as anyone may.
    ///
    /// # Errors
    /// When it ends or is not ready in time.
    pub fn wait_ready(&self, within: Duration) -> Result<()> {
        wait::until(&format!("the API server on {} to be ready", self.host.name()), within, || {
            self.process()?.alive()?;
            let url = format!("https://{}:{}/readyz", self.address, self.port);
            let said = self.host.exec("curl", &["-sS", "--max-time", "2", "--cacert", &self.authority, &url])?;
            ensure!(said == "ok", "{said}");
            Ok(())
        })
    }

    /// Starts to ask for `/readyz` on the node itself, without pause until it says ok.
    ///
    /// # Errors
    /// When the shell cannot be started.
    pub fn ready_alarm(&self) -> Result<ReadyAlarm> {
        let ask = format!(
            "until curl -s --max-time 0.5 --cacert {} https://{}:{PORT}/readyz | grep -qx ok; do sleep 0.01; done; \
             cut -d' ' -f1 /proc/uptime",
            self.authority, self.address
        );
        let process = self.host.spawn("readyz", Path::new("/bin/sh"), |command| {
            command.args(["-c", &ask]);
        })?;
        Ok(ReadyAlarm { process })
    }

    /// Its process, to freeze or look at.
    ///
    /// # Errors
    /// When it was killed.
    pub fn process(&self) -> Result<&Process> {
        self.process.as_ref().with_context(|| format!("the API server on {} is not running", self.host.name()))
    }

    /// Lets it use another etcd: killed, and started again.
    ///
    /// # Errors
    /// As [`ApiServer::start`].
    pub fn move_to(&mut self, etcd: &str) -> Result<()> {
        self.kill();
        etcd.clone_into(&mut self.etcd);
        self.launch()
    }

    /// Lets it listen at another port: killed, and started again.
    ///
    /// # Errors
    /// As [`ApiServer::start`].
    pub fn listen_at(&mut self, port: u16) -> Result<()> {
        self.kill();
        self.port = port;
        self.launch()
    }

    /// Has it run with these flags besides: killed and started again, where it does not.
    ///
    /// # Errors
    /// As [`ApiServer::start`].
    pub fn run_with(&mut self, more: &[&str]) -> Result<()> {
        if self.more != more {
            self.kill();
            self.more = more.iter().map(|&flag| flag.to_owned()).collect();
        }
        self.restart()
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again after [`ApiServer::kill`]; nothing where it still runs.
    ///
    /// # Errors
    /// As [`ApiServer::start`].
    pub fn restart(&mut self) -> Result<()> {
        if self.port != PORT {
            return self.listen_at(PORT);
        }
        if self.process.as_ref().is_some_and(|process| process.alive().is_ok()) {
            return Ok(());
        }
        self.launch()
    }
}
