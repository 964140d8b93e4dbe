//! The ordered list of API endpoints: the local one, the kubeconfig's, those the cluster names. Never a VIP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, ListParams};
use kube::{Client, Config};
use tokio::sync::{Notify, watch};

use super::credentials::{self, Credentials};
use super::fault::chain;
use super::rights;
use super::route::{Route, is_ready};

/// How often the list is made anew without a reason.
const REFRESH: Duration = Duration::from_secs(60);
/// How often at most, when calls fail.
const REFRESH_AT_LEAST: Duration = Duration::from_secs(5);
/// How often credentials that cannot be used are read again.
const RETRY: Duration = Duration::from_secs(1);
/// How long looking up a name may take.
const LOOKUP: Duration = Duration::from_secs(1);
/// The name every API server's certificate carries, kubeadm's included; 127.0.0.1 it does not.
const SERVER_NAME: &str = "kubernetes";

/// Where the list comes from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The kubeconfig file; where it is absent the service account's is used.
    pub kubeconfig: PathBuf,
    /// The API server's port on 127.0.0.1.
    pub api_port: u16,
    /// The VIPs of now: calls never go through them.
    pub vips: watch::Receiver<Vec<IpAddr>>,
    /// The longest one call of any user lasts; connecting takes no longer.
    pub call_limit: Duration,
    /// Where the account must be able to write Leases: kubeadm's `super-admin.conf`, where it lies beside the kubeconfig,
    /// is used for as long as that one may not. `None`: never.
    pub leases_in: Option<String>,
}

/// One API server.
#[derive(Clone)]
pub struct Endpoint {
    /// Its address, for log lines.
    pub name: String,
    /// The client that talks to it alone, without retries of its own.
    pub client: Client,
    /// Whether it is this node's own server.
    pub own: bool,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// A handle on the list: makes a [`Route`] for each user.
#[derive(Clone, Debug)]
pub struct Endpoints {
    list: watch::Receiver<Arc<[Endpoint]>>,
    nudge: Nudge,
}

/// Asks the keeper for a new list.
#[derive(Clone, Debug, Default)]
pub(super) struct Nudge(Arc<Notify>);

impl Nudge {
    pub(super) fn ask(&self) {
        self.0.notify_one();
    }
}

impl Endpoint {
    /// Whether this server says that it is ready, within `limit`.
    pub async fn is_ready(&self, limit: Duration) -> bool {
        is_ready(self.client.clone(), limit).await
    }
}

/// The list as it would be at first, without what an API server says.
///
/// # Errors
/// What is wrong with the credentials.
pub async fn endpoints_now(settings: Settings) -> Result<Vec<Endpoint>, String> {
    let (endpoints, mut keeper) = Endpoints::new(settings);
    keeper.publish().await?;
    Ok(endpoints.list.borrow().to_vec())
}

impl Endpoints {
    /// The list's handle, and the task that keeps the list: nothing is known before it runs.
    #[must_use]
    pub fn new(settings: Settings) -> (Self, Keeper) {
        let (tx, list) = watch::channel(Arc::from([]));
        let nudge = Nudge::default();
        let keeper = Keeper {
            settings,
            tx,
            nudge: nudge.clone(),
            learned: Vec::new(),
            made_of: (Vec::new(), 0),
            last_fault: None,
            is_super: false,
            hinted: false,
        };
        (Self { list, nudge }, keeper)
    }

    /// A fixed list, for where the endpoints are known: nothing keeps it.
    #[must_use]
    pub fn fixed(list: Vec<Endpoint>) -> Self {
        let (_, list) = watch::channel(Arc::from(list));
        Self { list, nudge: Nudge::default() }
    }

    /// Whether an API server besides this node's own is known.
    #[must_use]
    pub fn has_others(&self) -> bool {
        self.list.borrow().iter().any(|endpoint| !endpoint.own)
    }

    /// Waits until the list is another one.
    ///
    /// # Errors
    /// When nothing keeps it.
    pub async fn changed(&mut self) -> Result<(), watch::error::RecvError> {
        self.list.changed().await
    }

    /// A way to the API for one user; `purpose` stands in its log lines.
    #[must_use]
    pub fn route(&self, purpose: &'static str) -> Route {
        Route::new(purpose, self.list.clone(), self.nudge.clone())
    }
}

/// Where one endpoint is and what its certificate must say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    url: String,
    server_name: Option<String>,
    /// Whether this node's own server is there.
    own: bool,
}

/// Keeps the list.
#[derive(Debug)]
pub struct Keeper {
    settings: Settings,
    tx: watch::Sender<Arc<[Endpoint]>>,
    nudge: Nudge,
    learned: Vec<SocketAddr>,
    /// What the published list was made of: the targets, and the credentials' fingerprint.
    made_of: (Vec<Target>, u64),
    last_fault: Option<String>,
    /// Whether `super-admin.conf` is in use.
    is_super: bool,
    /// Whether the kubeconfig's other port was spoken of.
    hinted: bool,
}

impl Keeper {
    /// Keeps the list, for ever: what fails is said and tried again.
    pub async fn run(mut self) {
        // Its own failures are no reason to hurry: a nudge nobody hears.
        let mut route = Route::new("endpoint list", self.tx.subscribe(), Nudge::default());
        loop {
            let pause = match self.refresh(&mut route).await {
                Ok(()) => REFRESH_AT_LEAST,
                Err(fault) => {
                    self.complain(fault);
                    RETRY
                }
            };
            tokio::time::sleep(pause).await;
            if pause == REFRESH_AT_LEAST && !self.learned.is_empty() && !self.is_super {
                // Whoever could not call meanwhile has asked; else there is no hurry. (Whoever knows only the local
                // server, though, has nobody to turn to when that one dies; and whoever may do everything should not for long.)
                let _ = tokio::time::timeout(REFRESH, self.nudge.0.notified()).await;
            }
        }
    }

    async fn refresh(&mut self, route: &mut Route) -> Result<(), String> {
        self.publish().await?;
        self.last_fault = None;
        let slices = route.call(self.settings.call_limit, |client| async move {
            let api: Api<EndpointSlice> = Api::namespaced(client, "default");
            api.list(&ListParams::default().labels("kubernetes.io/service-name=kubernetes")).await
        });
        // Whatever it was, the route has said it; the list known before stays.
        let Ok(slices) = slices.await else { return Ok(()) };
        let learned = addresses(&slices.items);
        if !learned.is_empty() && learned != self.learned {
            self.learned = learned;
            self.publish().await?;
        }
        Ok(())
    }

    fn complain(&mut self, fault: String) {
        if self.last_fault.as_ref() != Some(&fault) {
            tracing::error!(reason = %fault, "no way to the Kubernetes API; trying again every second");
            self.last_fault = Some(fault);
        }
    }

    /// The credentials to use.
    async fn credentials(&mut self) -> Result<Credentials, String> {
        let (path, wanted) = (self.settings.kubeconfig.clone(), self.settings.leases_in.clone());
        let more = wanted.is_some();
        let loaded = tokio::task::spawn_blocking(move || {
            let more = if more { credentials::load_super_admin(&path) } else { None };
            (credentials::load(&path), more)
        });
        let (own, more) = loaded.await.map_err(|error| error.to_string())?;
        let own = own.map_err(|error| format!("failed to {error}"));
        let (Some(namespace), Some(Ok(more))) = (wanted, more) else { return own };
        let was_super = self.is_super;
        self.is_super = match &own {
            Ok(own) => self.may_write_leases(own, &namespace).await.map_or(was_super, |may| !may),
            Err(_) => true,
        };
        match (was_super, self.is_super) {
            (false, true) => tracing::warn!(
                "the kubeconfig may not write leases yet: using super-admin.conf beside it, until it may"
            ),
            (true, false) => tracing::info!("the kubeconfig may write leases: super-admin.conf is not used any more"),
            (true, true) | (false, false) => {}
        }
        if self.is_super { Ok(more) } else { own }
    }

    /// Whether this account may write Leases there; `None`: no API server says.
    async fn may_write_leases(&self, credentials: &Credentials, namespace: &str) -> Option<bool> {
        let local = targets(&credentials.config, &self.settings, &[], &[], |_| false).into_iter().next()?;
        let (config, limit) = (credentials.config.clone(), self.settings.call_limit);
        let built = tokio::task::spawn_blocking(move || endpoint(&config, &local, limit)).await;
        let client = built.ok()?.ok()?.client;
        rights::may(client, rights::LEASE_WRITE, Some(namespace), limit).await.ok()
    }

    /// Makes the list from what is known; publishes it if it is another one.
    async fn publish(&mut self) -> Result<(), String> {
        let credentials = self.credentials().await?;
        let host = credentials.config.cluster_url.host().unwrap_or_default().to_owned();
        let resolved = resolve(&host).await;
        if let Some(hint) = other_port(&credentials.config, &self.settings, &resolved).filter(|_| !self.hinted) {
            tracing::warn!("{hint}");
            self.hinted = true;
        }
        let targets = targets(&credentials.config, &self.settings, &resolved, &self.learned, is_own);
        if self.made_of == (targets.clone(), credentials.fingerprint) {
            return Ok(());
        }
        let (config, wanted, limit) = (credentials.config, targets.clone(), self.settings.call_limit);
        let built = tokio::task::spawn_blocking(move || endpoints(&config, &wanted, limit)).await;
        let list = built.map_err(|error| error.to_string())??;
        tracing::info!(endpoints = ?list, "API endpoints in order");
        self.made_of = (targets, credentials.fingerprint);
        self.tx.send_replace(Arc::from(list));
        Ok(())
    }
}

/// The addresses of a host, by DNS where it is a name; none where that fails: the call will say it.
async fn resolve(host: &str) -> Vec<IpAddr> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return vec![address];
    }
    match tokio::time::timeout(LOOKUP, tokio::net::lookup_host((bare, 0))).await {
        Ok(Ok(found)) => found.map(|address| address.ip()).collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

/// The API servers' own addresses, as the `kubernetes` Service has them.
fn addresses(slices: &[EndpointSlice]) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for slice in slices {
        let port = slice.ports.iter().flatten().find_map(|port| u16::try_from(port.port?).ok()).unwrap_or(6443);
        let addresses = slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses);
        found.extend(addresses.filter_map(|text| Some(SocketAddr::new(text.parse().ok()?, port))));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether it is an address of this host: the kernel would talk to it from itself. Nothing is sent.
fn is_own(address: IpAddr) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).and_then(|socket| socket.connect((address, 9)).map(|()| socket));
    socket.and_then(|socket| socket.local_addr()).is_ok_and(|from| from.ip() == address)
}

/// The order of preference, without the VIPs and without duplicates. `resolved` is where the kubeconfig's host is: a
/// name that resolves to nothing may be a VIP's, and is left out until it does.
/// This node's own server by its other addresses comes last: where it hangs, asking it again would cost a leader the
/// rest of its renew deadline.
fn targets(
    config: &Config,
    settings: &Settings,
    resolved: &[IpAddr],
    learned: &[SocketAddr],
    is_own: impl Fn(IpAddr) -> bool,
) -> Vec<Target> {
    let scheme = config.cluster_url.scheme_str().unwrap_or("https");
    let by_name = |address: SocketAddr, own| Target {
        url: format!("{scheme}://{address}"),
        server_name: Some(SERVER_NAME.to_owned()),
        own,
    };
    let vips = settings.vips.borrow().clone();
    let is_vip = |address: &IpAddr| vips.contains(address);
    let is_local = |address: IpAddr, port| port == settings.api_port && is_own(address);
    let (mut targets, mut local) =
        (vec![by_name(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), settings.api_port), true)], vec![]);
    if !resolved.is_empty() && !resolved.iter().any(is_vip) {
        let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let port = config.cluster_url.port_u16().unwrap_or(443);
        let here = resolved.iter().all(|&address| is_local(address, port));
        let list = if here { &mut local } else { &mut targets };
        list.push(Target { url, server_name: config.tls_server_name.clone(), own: here });
    }
    for &address in learned.iter().filter(|address| !is_vip(&address.ip())) {
        let own = is_local(address.ip(), address.port());
        let list = if own { &mut local } else { &mut targets };
        list.push(by_name(address, own));
    }
    targets.extend(local);
    let mut unique: Vec<Target> = Vec::new();
    for target in targets {
        if unique.iter().all(|known| known.url != target.url) {
            unique.push(target);
        }
    }
    unique
}

/// What to say where the kubeconfig names the VIP, or a name that leads nowhere yet, at another port than the one the
/// local server is asked at.
fn other_port(config: &Config, settings: &Settings, resolved: &[IpAddr]) -> Option<String> {
    let (url, ours) = (&config.cluster_url, settings.api_port);
    let port = url.port_u16().unwrap_or(443);
    let leads_elsewhere =
        !resolved.is_empty() && !resolved.iter().any(|address| settings.vips.borrow().contains(address));
    (port != ours && !leads_elsewhere).then(|| {
        format!(
            "the kubeconfig's server is {url}, but this node's API server is asked at 127.0.0.1:{ours}: if it listens at \
             {port}, give --port {port} (port)"
        )
    })
}

/// Blocks: a kubeconfig may name files and plugins.
fn endpoints(config: &Config, targets: &[Target], limit: Duration) -> Result<Vec<Endpoint>, String> {
    targets.iter().map(|target| endpoint(config, target, limit)).collect()
}

fn endpoint(config: &Config, target: &Target, limit: Duration) -> Result<Endpoint, String> {
    let mut config = config.clone();
    let invalid = |what: String| format!("failed to make a client for {}: {what}", target.url);
    config.cluster_url = target.url.parse().map_err(|error: http::uri::InvalidUri| invalid(error.to_string()))?;
    config.tls_server_name.clone_from(&target.server_name);
    config.default_retry = false;
    config.proxy_url = None;
    config.connect_timeout = Some(limit);
    config.write_timeout = Some(limit);
    let client = Client::try_from(config).map_err(|error| invalid(chain(&error)))?;
    Ok(Endpoint { name: target.url.clone(), client, own: target.own })
}

#[cfg(test)]
mod tests;
