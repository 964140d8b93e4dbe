//! The Kubernetes API: credentials, their certificate, their rights, this node's own API server, the lease.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Api;
use tokio::sync::watch;

use super::host::is_root;
use super::{Check, Verdict};
use crate::app::fitness;
use crate::config::{Config, LeaseConfig, ProviderConfig};
use crate::kube::rights::{self, Right};
use crate::kube::{Asker, Endpoint, Settings, Trouble, Validity, endpoints_now, validity};

/// How long an API server may take to answer.
const LIMIT: Duration = Duration::from_secs(2);
/// A certificate that runs out sooner is spoken of.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);

pub(super) async fn look(config: &Config) -> Vec<Check> {
    let mut checks: Vec<Check> = health(config).await.into_iter().collect();
    let namespace = config.election.as_ref().map(|lease| lease.namespace.clone());
    if namespace.is_none() && !config.drain_on_cordon && config.provider.is_none() {
        return checks;
    }
    let settings = Settings {
        kubeconfig: config.kubeconfig.clone(),
        api_port: config.api_port,
        vips: watch::channel(config.vips.iter().map(|vip| vip.address()).collect()).1,
        call_limit: LIMIT,
        leases_in: namespace,
    };
    checks.push(credentials(config));
    let endpoints = match endpoints_now(settings).await {
        Ok(endpoints) => endpoints,
        // The credentials' own fault stands above.
        Err(_) => return checks,
    };
    let Some(endpoint) = ready(&endpoints).await else {
        let names: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
        let text = format!("none of {} answers", names.join(", "));
        checks.push(
            Check::new("API servers", Verdict::Warning, text)
                .remedy("vipcast waits for one; the rights of its account could not be looked at"),
        );
        return checks;
    };
    checks.push(Check::good("API servers", format!("{} answers", endpoint.name)));
    checks.push(account(config, endpoint).await);
    if let Some(lease) = &config.election {
        checks.push(holder(lease, endpoint).await);
    }
    checks
}

/// Asks this node's API server as the health check will.
async fn health(config: &Config) -> Option<Check> {
    let check = config.health.as_ref()?;
    let name = "health check";
    let mut asker = Asker::new(fitness::question(check, config));
    let url = check.target.url();
    Some(match tokio::time::timeout(check.timeout, asker.ask()).await {
        Ok(Ok(())) => Check::good(name, format!("{url} answers 200")),
        Ok(Err(Trouble::Fault(why))) => {
            // What is missing may come; what is there and does not do will not mend itself.
            let is_awaited = config.election.is_some() && validity(&config.kubeconfig).is_err();
            let verdict = match is_root() {
                false => Verdict::Unknown,
                true if is_awaited => Verdict::Warning,
                true => Verdict::Wrong,
            };
            Check::new(name, verdict, format!("{url}: {why}"))
        }
        Ok(Err(Trouble::Failed(why) | Trouble::Refused(why))) => {
            Check::new(name, Verdict::Warning, format!("{url}: {why}"))
                .remedy("this node is unfit until it answers 200")
        }
        Err(_) => Check::new(name, Verdict::Warning, format!("{url}: no answer within {:?}", check.timeout))
            .remedy("this node is unfit until it answers 200"),
    })
}

/// The file, and for how long its certificate is good.
fn credentials(config: &Config) -> Check {
    let name = "credentials";
    match validity(&config.kubeconfig) {
        Err(error) if !is_root() => Check::new(name, Verdict::Unknown, format!("failed to {error}")),
        Err(error) => Check::new(name, Verdict::Warning, format!("failed to {error}"))
            .remedy("vipcast waits for them, as a static pod may be there before kubeadm is done"),
        Ok(None) => Check::good(name, "are there, without a client certificate"),
        Ok(Some(Validity::Over { ago })) => {
            Check::new(name, Verdict::Wrong, format!("the client certificate ran out {} ago", days(ago)))
                .remedy("renew it")
                .command("kubeadm certs renew admin.conf")
        }
        Ok(Some(Validity::NotYet { until })) => {
            Check::new(name, Verdict::Wrong, format!("the client certificate is good only in {}", days(until)))
                .remedy("set this host's clock")
        }
        Ok(Some(Validity::For { left })) if left < SOON => {
            Check::new(name, Verdict::Warning, format!("the client certificate runs out in {}", days(left)))
                .remedy("renew it; vipcast reads it anew")
                .command("kubeadm certs renew admin.conf")
        }
        Ok(Some(Validity::For { left })) => {
            Check::good(name, format!("the client certificate is good for {}", days(left)))
        }
    }
}

fn days(time: Duration) -> String {
    match time.as_secs() / 86_400 {
        0 => format!("{} hours", time.as_secs() / 3600),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

async fn ready(endpoints: &[Endpoint]) -> Option<&Endpoint> {
    for endpoint in endpoints {
        if endpoint.is_ready(LIMIT).await {
            return Some(endpoint);
        }
    }
    None
}

/// What the account must be able to do, and where.
fn needed(config: &Config) -> Vec<(Right, Option<&str>)> {
    let right = |group, resource, verb| Right { group, resource, verb };
    let mut needed = Vec::new();
    if let Some(lease) = &config.election {
        let verbs = ["get", "list", "watch", "create", "update"];
        let leases = verbs.map(|verb| (right("coordination.k8s.io", "leases", verb), Some(lease.namespace.as_str())));
        needed.extend(leases);
        needed.push((right("discovery.k8s.io", "endpointslices", "list"), Some("default")));
    }
    let nodes: &[&str] = match (&config.provider, config.drain_on_cordon) {
        (Some(ProviderConfig::Annotations { .. }), _) => &["get", "list", "watch"],
        (_, true) => &["get"],
        (_, false) => &[],
    };
    needed.extend(nodes.iter().map(|verb| (right("", "nodes", verb), None)));
    needed
}

async fn account(config: &Config, endpoint: &Endpoint) -> Check {
    let name = "permissions";
    let mut missing = Vec::new();
    for (right, namespace) in needed(config) {
        match rights::may(endpoint.client.clone(), right, namespace, LIMIT).await {
            Ok(true) => {}
            Ok(false) => missing.push(match namespace {
                Some(namespace) => format!("{} {} in {namespace}", right.verb, right.resource),
                None => format!("{} {}", right.verb, right.resource),
            }),
            Err(error) => return Check::new(name, Verdict::Unknown, format!("the API does not say: {error}")),
        }
    }
    if missing.is_empty() {
        return Check::good(name, "the account may do all that is needed");
    }
    Check::new(name, Verdict::Wrong, format!("the account may not {}", missing.join(", ")))
        .remedy("grant it kube-vip's ClusterRole, or what vipcast prints for it")
        .command("vipcast manifest rbac | kubectl apply -f -")
}

/// Who holds the lease now.
async fn holder(lease: &LeaseConfig, endpoint: &Endpoint) -> Check {
    let name = format!("lease {}/{}", lease.namespace, lease.name);
    let api = Api::<Lease>::namespaced(endpoint.client.clone(), &lease.namespace);
    let found = tokio::time::timeout(LIMIT, api.get_opt(&lease.name)).await;
    let spec = match found {
        Ok(Ok(found)) => found.and_then(|lease| lease.spec),
        Ok(Err(_)) | Err(_) => return Check::new(name, Verdict::Unknown, "the API does not show it"),
    };
    let holder = spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
    let theirs = spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
    let ours = lease.duration.as_secs();
    match holder {
        "" => Check::good(name, "is free"),
        holder if u64::try_from(theirs) == Ok(ours) => Check::good(name, format!("is held by {holder}")),
        holder => Check::new(
            name,
            Verdict::Warning,
            format!(
                "is held by {holder} with a duration of {theirs} s, ours is {ours} s: everybody waits for the longer"
            ),
        )
        .remedy(format!(
            "give all nodes the same times: --leaseDuration {theirs} (vip_leaseduration) here, or {ours} there"
        )),
    }
}
