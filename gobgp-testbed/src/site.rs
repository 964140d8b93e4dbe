//! The lab with routers and vipcasts on it, and no Kubernetes: what announces without election needs no more.

use std::collections::BTreeMap;
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context, Result, bail};

use crate::clock;
use crate::host::{Host, capture};
use crate::lab::{Lab, NODE_AS, Net, VIP};
use crate::parts::router::{Conf, Kind, Router};
use crate::parts::vipcast::{self, Spec};
use crate::process::Process;

/// The VIP as routers see it.
pub const PREFIX: &str = "10.88.0.40/32";

/// The hosts and what scenarios start on them.
#[derive(Debug)]
pub struct Site {
    vipcasts: Vec<Rc<Process>>,
    routers: Vec<Rc<Router>>,
    router_hosts: BTreeMap<Kind, Host>,
    other_hosts: BTreeMap<String, Host>,
    /// The hosts, last to go.
    pub lab: Lab,
}

impl Site {
    /// Builds the lab; prints a line for the step.
    ///
    /// # Errors
    /// When the kernel refuses something.
    pub fn build() -> Result<Self> {
        let (vipcasts, routers) = (Vec::new(), Vec::new());
        let (router_hosts, other_hosts) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { vipcasts, routers, router_hosts, other_hosts, lab: step("network namespaces", Lab::build)? })
    }

    /// Node 1, 2 or 3.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn node(&self, number: u8) -> Result<&Host> {
        let node = usize::from(number).checked_sub(1).and_then(|index| self.lab.nodes.get(index));
        node.with_context(|| format!("there is no node {number}"))
    }

    /// The flags of a node that announces the VIP on `lo` without election (anycast) and without a health check, as
    /// there is no API server on a site: these routers as peers with hold time 9, keepalive 3.
    #[must_use]
    pub fn spec(&self, number: u8, routers: &[&Router]) -> Spec {
        let spec = Spec::manager()
            .switch("bgp")
            .switch("controlplane")
            // kube-vip's way to say no: "=" and nothing else.
            .switch("leaderElection=false")
            .flag("controlPlaneHealthCheckAddress", "off")
            .flag("address", VIP)
            .flag("interface", "lo")
            .flag("localAS", NODE_AS)
            .flag("bgpRouterID", Net::Data.v4(10 + number))
            .flag("bgpHoldTimer", 9)
            .flag("bgpKeepAliveInterval", 3)
            .flag("nodeName", format!("n{number}"));
        routers.iter().fold(spec, |spec, router| spec.peer(router.kind().address(), router.kind().asn(), "", false))
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

    /// One more host on the data network, made at first need and kept for the scenarios to come: of one made anew under
    /// the same address the nodes would not know the new MAC address for half a minute.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn host(&mut self, name: &str, number: u8) -> Result<Host> {
        if let Some(host) = self.other_hosts.get(name) {
            return Ok(host.clone());
        }
        let host = self.lab.host(name, &[(Net::Data, number)])?;
        self.other_hosts.insert(name.to_owned(), host.clone());
        Ok(host)
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

    /// Ends vipcasts and routers, heals the network, removes left-over addresses: as after [`Site::build`].
    ///
    /// # Errors
    /// When something cannot be undone.
    pub fn reset(&mut self) -> Result<()> {
        self.vipcasts.clear();
        self.routers.clear();
        self.lab.heal_all()?;
        self.lab.power_on_all()?;
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
            for address in node.addresses("lo")?.into_iter().filter(|address| !address.is_loopback()) {
                node.ip(&format!("address del {address} dev lo"))?;
            }
            node.nft("flush ruleset")?;
            // A drain that a failed scenario left.
            let _ = std::fs::remove_file(vipcast::socket("vipcast", node).with_extension("drained"));
        }
        Ok(())
    }

    /// What a failed scenario leaves to read: the routers' tables, the nodes' addresses, the ends of all logs of parts
    /// that ran in it.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = String::new();
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
