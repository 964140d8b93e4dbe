//! The testbed's own Kubernetes client: curl with a client certificate.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::pki::Pair;
use crate::clock;
use crate::host::{Host, capture};

/// Where the Leases are.
pub const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
/// Where the Nodes are.
pub const NODES: &str = "/api/v1/nodes";
/// kube-vip's Lease for the control plane, and vipcast's.
pub const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/plndr-cp-lock";
/// Roles and their bindings.
const GROUP: &str = "/apis/rbac.authorization.k8s.io/v1";
/// The user that vipcast's certificate names.
pub const VIPCAST_USER: &str = "vipcast";

/// A user at an API server.
#[derive(Debug, Clone)]
pub struct Api {
    /// Where curl runs.
    pub host: Host,
    /// `https://<address>:6443`
    pub server: String,
    /// The authority's certificate.
    pub authority: std::path::PathBuf,
    /// The user.
    pub client: Pair,
}

impl Api {
    /// One request; the answer's status and body (null where there is none).
    ///
    /// # Errors
    /// When the server cannot be reached or does not answer in JSON.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let (code, body) = self.ask(method, path, body)?;
        let body =
            if body.is_empty() { Value::Null } else { serde_json::from_str(&body).with_context(|| body.clone())? };
        Ok((code, body))
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, String)> {
        // What is not named in a patch stays, and null takes away.
        let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        self.ask_as(content, method, path, body)
    }

    fn ask_as(&self, content: &str, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, String)> {
        let mut curl: Command = self.host.command("curl");
        curl.args([
            "-sS",
            "--max-time",
            "5",
            "-X",
            method,
            "-w",
            "\n%{http_code}",
            "-H",
            &format!("Content-Type: {content}"),
        ]);
        curl.arg("--cacert").arg(&self.authority);
        curl.arg("--cert").arg(&self.client.certificate).arg("--key").arg(&self.client.key);
        if let Some(body) = body {
            curl.arg("-d").arg(body.to_string());
        }
        let said = capture(curl.arg(format!("{}{path}", self.server)))?;
        let (body, code) = said.rsplit_once('\n').context("curl printed no status")?;
        Ok((code.parse()?, body.to_owned()))
    }

    /// How many requests this server has answered since its start, its own to itself included.
    ///
    /// # Errors
    /// When it does not say.
    pub fn requests_answered(&self) -> Result<u64> {
        let (code, text) = self.ask("GET", "/metrics", None)?;
        ensure!(code == 200, "GET /metrics: {code}");
        let counters = text.lines().filter(|line| line.starts_with("apiserver_request_total{"));
        let values = counters.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
        Ok(values.sum())
    }

    /// Creates an object; one that exists already is fine.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn create(&self, path: &str, body: &Value) -> Result<()> {
        let (code, answer) = self.request("POST", path, Some(body))?;
        ensure!(matches!(code, 200..=202 | 409), "POST {path}: {code} {answer}");
        Ok(())
    }

    /// Deletes an object; one that does not exist is fine.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn delete(&self, path: &str) -> Result<()> {
        let (code, answer) = self.request("DELETE", path, None)?;
        ensure!(matches!(code, 200..=202 | 404), "DELETE {path}: {code} {answer}");
        Ok(())
    }

    /// The control plane's Lease, if there is one.
    ///
    /// # Errors
    /// When the server does not say.
    pub fn lease(&self) -> Result<Option<Lease>> {
        self.lease_at(LEASE)
    }

    /// The Lease at a path, if there is one.
    ///
    /// # Errors
    /// When the server does not say.
    pub fn lease_at(&self, path: &str) -> Result<Option<Lease>> {
        let (code, answer) = self.request("GET", path, None)?;
        ensure!(matches!(code, 200 | 404), "GET {path}: {code} {answer}");
        Ok((code == 200).then_some(Lease(answer)))
    }

    /// Changes an object by a JSON patch.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn patch(&self, path: &str, patch: &Value) -> Result<()> {
        let (code, answer) = self.ask_as("application/json-patch+json", "PATCH", path, Some(patch))?;
        ensure!(code == 200, "PATCH {path}: {code} {answer}");
        Ok(())
    }

    /// Binds a service account of kube-system to kube-vip's own `ClusterRole` too.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn grant_kube_vip_role_to(&self, account: &str) -> Result<()> {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("testbed-{account}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:kube-vip-role"},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "kube-system"}],
        });
        self.create(&format!("{GROUP}/clusterrolebindings"), &binding)
    }

    /// Binds [`VIPCAST_USER`] to kube-vip's own `ClusterRole`, rule by rule: no patch and no delete on leases.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn grant_kube_vip_role(&self) -> Result<()> {
        let rule = |group: &str, resources: &[&str], verbs: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "system:kube-vip-role"},
            "rules": [
                rule("", &["services/status"], &["update"]),
                rule("", &["services", "endpoints"], &["list", "get", "watch", "update"]),
                rule("", &["nodes"], &["list", "get", "watch", "update", "patch"]),
                rule("coordination.k8s.io", &["leases"], &["list", "get", "watch", "update", "create"]),
                rule("discovery.k8s.io", &["endpointslices"], &["list", "get", "watch", "update"]),
                rule("", &["pods"], &["list"]),
                rule("networking.k8s.io", &["servicecidrs"], &["list", "get", "watch"]),
            ],
        });
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "system:kube-vip-binding"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:kube-vip-role"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": VIPCAST_USER}],
        });
        self.create(&format!("{GROUP}/clusterroles"), &role)?;
        self.create(&format!("{GROUP}/clusterrolebindings"), &binding)
    }
}

/// A Lease object as the server gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Lease(pub Value);

impl Lease {
    /// Who holds it; empty where it is released.
    #[must_use]
    pub fn holder(&self) -> &str {
        self.0.pointer("/spec/holderIdentity").and_then(Value::as_str).unwrap_or_default()
    }

    /// `acquireTime` or `renewTime`, since 1970.
    ///
    /// # Errors
    /// When it is not there.
    pub fn time(&self, field: &str) -> Result<Duration> {
        let text = self.0.pointer(&format!("/spec/{field}")).and_then(Value::as_str);
        clock::parse(text.with_context(|| format!("no {field} in {}", self.0))?)
    }

    /// How often it changed hands.
    #[must_use]
    pub fn transitions(&self) -> u64 {
        self.0.pointer("/spec/leaseTransitions").and_then(Value::as_u64).unwrap_or(0)
    }

    /// When it was renewed last, on the testbed's clock.
    ///
    /// # Errors
    /// When it never was.
    pub fn renewed(&self) -> Result<Duration> {
        let text = self.0.pointer("/spec/renewTime").and_then(Value::as_str);
        clock::from_text(text.context("the Lease has no renewTime")?)
    }

    /// An annotation.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.0.get("metadata")?.get("annotations")?.get(name)?.as_str()
    }
}
