//! Three Kubernetes nodes on a lab: etcd, an API server per node, kube-vip's role for vipcast; shared by all scenarios.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::host::{Host, capture};
use crate::lab::{Lab, NODE_AS, Net, VIP, VIP6};
use crate::parts::api::{Api, LEASES, Lease, VIPCAST_USER};
use crate::parts::apiserver::{self, ApiServer};
use crate::parts::etcd::Etcd;
use crate::parts::pki::{Pair, Pki};
use crate::parts::router::{Conf, Kind, Router};
use crate::parts::vipcast::Spec;
use crate::process::Process;
use crate::{clock, wait};

/// How long the slowest machine may take to start three API servers.
const API_START: Duration = Duration::from_secs(240);
/// The prefix that the routers see.
pub const PREFIX: &str = "10.88.0.40/32";

/// The nodes and what runs on them and beside them.
#[derive(Debug)]
pub struct Cluster {
    vipcasts: Vec<Rc<Process>>,
    routers: Vec<Rc<Router>>,
    router_hosts: BTreeMap<Kind, Host>,
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
    /// The hosts, last to go.
    pub lab: Lab,
}

impl Cluster {
    /// Builds the lab and brings Kubernetes up; prints a line for each long step.
    ///
    /// # Errors
    /// When something is missing or does not come up.
    pub fn start() -> Result<Self> {
        let lab = step("network namespaces", Lab::build)?;
        let pki = Pki::create(&lab.run.dir().join("pki"))?;
        let etcd_host = lab.host("etcd", &[(Net::Management, 5)])?;
        let etcd = step("etcd", || {
            let etcd = Etcd::start(vec![(etcd_host.clone(), Net::Management.v4(5))])?;
            etcd.wait_healthy(Duration::from_secs(30))?;
            Ok(etcd)
        })?;
        let servers = step("three API servers", || start_servers(&lab, &pki, &etcd.endpoints()))?;
        let admin = pki.client("kubernetes-admin", Some("system:masters"))?;
        let user = pki.client(VIPCAST_USER, None)?;
        let routers = Vec::new();
        let router_hosts = BTreeMap::new();
        let (vipcasts, stacked) = (Vec::new(), None);
        let cluster =
            Self { vipcasts, routers, router_hosts, servers, etcd, etcd_host, stacked, pki, admin, user, lab };
        step("kube-vip's ClusterRole", || cluster.api(1)?.grant_kube_vip_role())?;
        Ok(cluster)
    }

    /// Node 1, 2 or 3.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn node(&self, number: u8) -> Result<&Host> {
        let node = usize::from(number).checked_sub(1).and_then(|index| self.lab.nodes.get(index));
        node.with_context(|| format!("there is no node {number}"))
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
        self.node(number)?;
        Ok(Api {
            host: self.lab.ops.clone(),
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
        let file = self.node(number)?.file("vipcast.conf");
        self.pki.kubeconfig(&file, &server(number), &self.user)?;
        Ok(file)
    }

    /// Starts a router of the lab. It ends with the scenario.
    ///
    /// # Errors
    /// When it does not start.
    pub fn router(&mut self, kind: Kind, conf: Conf) -> Result<Rc<Router>> {
        let host = self.router_host(kind)?;
        let router = Rc::new(Router::start(kind, &host, conf)?);
        self.routers.push(Rc::clone(&router));
        Ok(router)
    }

    /// Starts a router on another host than its own.
    ///
    /// # Errors
    /// When it does not start.
    pub fn router_on(&mut self, host: &Host, kind: Kind, conf: Conf) -> Result<Rc<Router>> {
        let router = Rc::new(Router::start(kind, host, conf)?);
        self.routers.push(Rc::clone(&router));
        Ok(router)
    }

    /// A router's host, made at first need.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn router_host(&mut self, kind: Kind) -> Result<Host> {
        if let Some(host) = self.router_hosts.get(&kind) {
            return Ok(host.clone());
        }
        let number = kind.number();
        let host = if kind.forwards() {
            self.lab.forwarding_host(&kind.to_string(), &[(Net::Data, number), (Net::Client, number)])?
        } else {
            self.lab.host(&kind.to_string(), &[(Net::Data, number)])?
        };
        self.router_hosts.insert(kind, host.clone());
        Ok(host)
    }

    /// The main job's flags for a node: the VIP on `lo` under the lease 5/3/1, these routers as peers with hold
    /// time 9, keepalive 3.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn spec(&self, number: u8, routers: &[&Router]) -> Result<Spec> {
        let spec = Spec::manager()
            .switch("bgp")
            .switch("controlplane")
            .switch("leaderElection")
            .flag("address", VIP)
            .flag("interface", "lo")
            .flag("localAS", NODE_AS)
            .flag("bgpRouterID", Net::Data.v4(10 + number))
            .flag("bgpHoldTimer", 9)
            .flag("bgpKeepAliveInterval", 3)
            .flag("k8sConfigPath", self.kubeconfig(number)?.display())
            .flag("nodeName", self.node(number)?.name())
            .flag("leaseDuration", 5)
            .flag("leaseRenewDuration", 3)
            .flag("leaseRetry", 1);
        Ok(routers.iter().fold(spec, |spec, router| spec.peer(router.kind().address(), router.kind().asn(), "", false)))
    }

    /// Starts vipcast on a node. It ends with the scenario.
    ///
    /// # Errors
    /// When the program is missing.
    pub fn vipcast(&mut self, number: u8, spec: &Spec) -> Result<Rc<Process>> {
        let process = Rc::new(spec.start(self.node(number)?)?);
        self.vipcasts.push(Rc::clone(&process));
        Ok(process)
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
            .lab
            .client
            .exec("curl", &["-sS", "--max-time", "3", "--cacert", &authority, "-w", "%{http_code} %{certs}", &url])?;
        ensure!(said.contains("gitVersion") && said.contains("200 "), "the API server answered {said:?}");
        let by = (1..=3).find(|number| said.contains(&format!("DNS:n{number}, ")));
        by.with_context(|| format!("no node's name in the certificate {said:?}"))
    }

    /// Ends vipcasts and routers, heals the network, removes Leases and left-over addresses: as after
    /// [`Cluster::start`].
    ///
    /// # Errors
    /// When something cannot be undone.
    pub fn reset(&mut self) -> Result<()> {
        self.vipcasts.clear();
        self.routers.clear();
        self.lab.heal_all()?;
        for host in self.router_hosts.values().filter(|host| matches!(host.name(), "bird" | "frr")) {
            // FRR's routes hang on nexthop objects and go with them; `route flush` cannot remove them.
            host.ip("nexthop flush")?;
            for family in ["-4", "-6"] {
                host.ip(&format!("{family} route flush proto bird"))?;
                host.ip(&format!("{family} route flush proto bgp"))?;
            }
        }
        self.lab.client_via(Kind::Bird.number())?;
        for node in &self.lab.nodes {
            self.lab.carrier(node, Net::Data, true)?;
            self.lab.carrier(node, Net::Management, true)?;
            // What a killed vipcast left bound, wherever it bound it.
            for address in node.addresses("lo")?.into_iter().filter(|a| [IpAddr::V4(VIP), IpAddr::V6(VIP6)].contains(a))
            {
                node.ip(&format!("address del {address} dev lo"))?;
            }
            node.nft("flush ruleset")?;
        }
        self.etcd.thaw()?;
        self.unstack_etcd()?;
        for server in &mut self.servers {
            server.restart()?;
            server.process()?.thaw()?;
        }
        for server in &self.servers {
            server.wait_ready(API_START)?;
        }
        self.delete_leases()
    }

    /// Puts an etcd of three members on the nodes and each API server on its own node's member, as kubeadm stacks
    /// them. [`Cluster::reset`] undoes it.
    ///
    /// # Errors
    /// When something does not come up.
    pub fn stack_etcd(&mut self) -> Result<()> {
        let address = |number: u8| Net::Management.v4(10 + number);
        let seats = self.lab.nodes.iter().cloned().zip((1..=3).map(address)).collect();
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

    fn delete_leases(&self) -> Result<()> {
        let api = self.api(1)?;
        let (code, list) = api.request("GET", LEASES, None)?;
        ensure!(code == 200, "GET {LEASES}: {code} {list}");
        let items = list.get("items").and_then(Value::as_array).into_iter().flatten();
        let names = items.filter_map(|item| item.pointer("/metadata/name").and_then(Value::as_str));
        // The API servers' own identity Leases stay.
        for name in names.filter(|name| !name.starts_with("apiserver-")) {
            api.delete(&format!("{LEASES}/{name}"))?;
        }
        Ok(())
    }

    /// What a failed scenario leaves to read: the Lease, the routers' tables, the ends of all logs of parts that ran
    /// in it.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = match self.lease() {
            Ok(Some(lease)) => format!("Lease: {:#}\n", lease.0),
            other => format!("Lease: {other:?}\n"),
        };
        for router in &self.routers {
            text += &format!("{}\n", router.report(PREFIX));
        }
        for node in &self.lab.nodes {
            text += &format!("{} has on lo: {:?}\n", node.name(), node.addresses("lo"));
        }
        let logs = self.vipcasts.iter().map(|process| process.log().clone());
        for log in logs.chain(self.routers.iter().filter_map(|router| router.log().ok())) {
            text += &format!("--- {}\n{}\n", log.path().display(), log.tail(40));
        }
        text
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

/// One long step with its line of progress.
///
/// # Errors
/// The step's own.
pub fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = clock::now();
    println!("  {what} ...");
    let done = work().with_context(|| format!("failed at the step: {what}"))?;
    println!("  {what}: {:.1} s", clock::since(start).as_secs_f64());
    Ok(done)
}

/// Fails early and plainly where a tool that everything needs is missing.
///
/// # Errors
/// Names all that are missing.
pub fn check_tools() -> Result<()> {
    let tools = ["ip", "nft", "curl", "sysctl", "id"];
    let missing: Vec<&str> =
        tools.into_iter().filter(|tool| capture(Command::new("which").arg(tool)).is_err()).collect();
    if !missing.is_empty() {
        bail!("{missing:?} are missing: gobgp-testbed/run setup installs them");
    }
    Ok(())
}
