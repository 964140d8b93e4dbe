//! Three Kubernetes nodes on a site: etcd, an API server per node, kube-vip's role for vipcast.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::host::Host;
use crate::lab::{Lab, Net, VIP};
use crate::parts::api::{Api, LEASES, Lease, NODES, VIPCAST_USER};
use crate::parts::apiserver::{self, ApiServer};
use crate::parts::etcd::Etcd;
use crate::parts::pki::{Pair, Pki};
use crate::parts::router::Router;
use crate::parts::vipcast::Spec;
use crate::site::{Site, step};
use crate::wait;

/// How long the slowest machine may take to start three API servers.
const API_START: Duration = Duration::from_secs(240);

/// The nodes and what runs on them and beside them.
#[derive(Debug)]
pub struct Cluster {
    /// Node 1's first.
    pub servers: Vec<ApiServer>,
    /// One member, on a host of its own.
    pub etcd: Etcd,
    etcd_host: Host,
    /// A member on each node, where a scenario put the API servers on these: see [`Cluster::stack_etcd`].
    pub stacked: Option<Etcd>,
    /// Certificates and kubeconfigs.
    pub pki: Pki,
    admin: Pair,
    user: Pair,
    /// The hosts with routers and vipcasts, last to go.
    pub site: Site,
}

impl Cluster {
    /// Brings Kubernetes up on a site; prints a line for each long step.
    ///
    /// # Errors
    /// When something is missing or does not come up.
    pub fn start(site: Site) -> Result<Self> {
        let lab = &site.lab;
        let pki = Pki::create(&lab.run.dir().join("pki"))?;
        let etcd_host = lab.host("etcd", &[(Net::Management, 5)])?;
        let etcd = step("etcd", || {
            let etcd = Etcd::start(vec![(etcd_host.clone(), Net::Management.v4(5))])?;
            etcd.wait_healthy(Duration::from_secs(30))?;
            Ok(etcd)
        })?;
        let servers = step("three API servers", || start_servers(lab, &pki, &etcd.endpoints()))?;
        let admin = pki.client("kubernetes-admin", Some("system:masters"))?;
        let user = pki.client(VIPCAST_USER, None)?;
        let cluster = Self { servers, etcd, etcd_host, stacked: None, pki, admin, user, site };
        step("kube-vip's ClusterRole", || cluster.api(1)?.grant_kube_vip_role())?;
        Ok(cluster)
    }

    /// etcd's host.
    #[must_use]
    pub fn etcd_host(&self) -> &Host {
        &self.etcd_host
    }

    /// The administrator at a node's API server.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn api(&self, number: u8) -> Result<Api> {
        self.site.node(number)?;
        Ok(Api {
            host: self.site.lab.ops.clone(),
            server: server(number),
            authority: self.pki.authority.clone(),
            client: self.admin.clone(),
        })
    }

    /// The control plane's Lease, asked of whichever API server answers.
    ///
    /// # Errors
    /// When none does.
    pub fn lease(&self) -> Result<Option<Lease>> {
        let mut last = Err(anyhow::anyhow!("there is no API server"));
        for number in 1..=3 {
            last = self.api(number)?.lease();
            if last.is_ok() {
                break;
            }
        }
        last
    }

    /// Waits until the Lease names this holder (empty: released, or no Lease at all).
    ///
    /// # Errors
    /// When it does not in time; with the Lease as it is.
    pub fn wait_holder(&self, holder: &str, within: Duration) -> Result<Lease> {
        wait::until(&format!("the Lease to be held by {holder:?}"), within, || {
            let lease = self.lease()?.context("there is no Lease")?;
            ensure!(lease.holder() == holder, "it is held by {:?}", lease.holder());
            Ok(lease)
        })
    }

    /// Waits until someone holds the Lease, and tells which node.
    ///
    /// # Errors
    /// When nobody does in time, or it is no node.
    pub fn wait_leader(&self, within: Duration) -> Result<u8> {
        wait::until("a holder of the Lease", within, || {
            let lease = self.lease()?.context("there is no Lease")?;
            let number = lease.holder().strip_prefix('n').and_then(|number| number.parse().ok());
            number.with_context(|| format!("it is held by {:?}", lease.holder()))
        })
    }

    /// Waits until another node than this one holds the Lease, and tells which.
    ///
    /// # Errors
    /// When none does in time.
    pub fn wait_holder_other_than(&self, number: u8, within: Duration) -> Result<u8> {
        wait::until(&format!("another node than n{number} to hold the Lease"), within, || {
            let leader = self.wait_leader(Duration::ZERO)?;
            ensure!(leader != number, "n{number} holds it");
            Ok(leader)
        })
    }

    /// A kubeconfig of vipcast's user for a node's own API server.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn kubeconfig(&self, number: u8) -> Result<PathBuf> {
        let file = self.site.node(number)?.file("vipcast.conf");
        self.pki.kubeconfig(&file, &server(number), &self.user)?;
        Ok(file)
    }

    /// The main job's flags for a node: the VIP on `lo` under the lease 5/3/1, these routers as peers with hold
    /// time 9, keepalive 3.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn spec(&self, number: u8, routers: &[&Router]) -> Result<Spec> {
        let spec = self.site.spec(number, routers).without("leaderElection=false").switch("leaderElection");
        let spec = spec.without("controlPlaneHealthCheckAddress");
        Ok(spec
            .flag("k8sConfigPath", self.kubeconfig(number)?.display())
            .flag("leaseDuration", 5)
            .flag("leaseRenewDuration", 3)
            .flag("leaseRetry", 1))
    }

    /// The client's HTTPS request to `https://<address>:6443/version`, verified against the cluster's authority; the
    /// node whose API server answered, by the names in its certificate.
    ///
    /// # Errors
    /// When the request fails.
    pub fn https(&self, address: IpAddr) -> Result<u8> {
        let url = format!("https://{address}:{}/version", apiserver::PORT);
        let authority = self.pki.authority.display().to_string();
        let said = self
            .site
            .lab
            .client
            .exec("curl", &["-sS", "--max-time", "3", "--cacert", &authority, "-w", "%{http_code} %{certs}", &url])?;
        ensure!(said.contains("gitVersion") && said.contains("200 "), "the API server answered {said:?}");
        let by = (1..=3).find(|number| said.contains(&format!("DNS:n{number}, ")));
        by.with_context(|| format!("no node's name in the certificate {said:?}"))
    }

    /// [`Site::reset`], heals Kubernetes and removes Leases and Nodes: as after [`Cluster::start`].
    ///
    /// # Errors
    /// When something cannot be undone.
    pub fn reset(&mut self) -> Result<()> {
        self.site.reset()?;
        self.etcd.thaw()?;
        self.unstack_etcd()?;
        for server in &mut self.servers {
            server.run_with(&[])?;
            server.process()?.thaw()?;
        }
        for server in &self.servers {
            server.wait_ready(API_START)?;
        }
        self.delete_all(LEASES)?;
        self.delete_all(NODES)
    }

    /// Puts an etcd of three members on the nodes and each API server on its own node's member, as kubeadm stacks
    /// them. [`Cluster::reset`] undoes it.
    ///
    /// # Errors
    /// When something does not come up.
    pub fn stack_etcd(&mut self) -> Result<()> {
        let address = |number: u8| Net::Management.v4(10 + number);
        let seats = self.site.lab.nodes.iter().cloned().zip((1..=3).map(address)).collect();
        let etcd = self.stacked.insert(Etcd::start(seats)?);
        etcd.wait_healthy(Duration::from_secs(30))?;
        for (server, number) in self.servers.iter_mut().zip(1..) {
            server.move_to(&Etcd::endpoint(address(number)))?;
        }
        for server in &self.servers {
            server.wait_ready(API_START)?;
        }
        self.api(1)?.grant_kube_vip_role()
    }

    fn unstack_etcd(&mut self) -> Result<()> {
        let Some(stacked) = self.stacked.take() else { return Ok(()) };
        for server in &mut self.servers {
            server.move_to(&self.etcd.endpoints())?;
        }
        stacked.remove()
    }

    fn delete_all(&self, path: &str) -> Result<()> {
        let api = self.api(1)?;
        let (code, list) = api.request("GET", path, None)?;
        ensure!(code == 200, "GET {path}: {code} {list}");
        let items = list.get("items").and_then(Value::as_array).into_iter().flatten();
        let names = items.filter_map(|item| item.pointer("/metadata/name").and_then(Value::as_str));
        // The API servers' own identity Leases stay.
        for name in names.filter(|name| !name.starts_with("apiserver-")) {
            api.delete(&format!("{path}/{name}"))?;
        }
        Ok(())
    }

    /// What a failed scenario leaves to read: the Lease, and [`Site::report`].
    #[must_use]
    pub fn report(&self) -> String {
        let lease = match self.lease() {
            Ok(Some(lease)) => format!("Lease: {:#}\n", lease.0),
            other => format!("Lease: {other:?}\n"),
        };
        lease + &self.site.report()
    }
}

fn server(number: u8) -> String {
    format!("https://{}:{}", Net::Management.v4(10 + number), apiserver::PORT)
}

fn start_servers(lab: &Lab, pki: &Pki, etcd: &str) -> Result<Vec<ApiServer>> {
    let started = lab.nodes.iter().zip(11..);
    let servers: Vec<ApiServer> = started
        .map(|(node, number)| ApiServer::start(node, Net::Management.v4(number), VIP, pki, etcd))
        .collect::<Result<_>>()?;
    servers.iter().try_for_each(|server| server.wait_ready(API_START))?;
    Ok(servers)
}
