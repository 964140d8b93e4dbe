//! `manifest`, `kubeadm`, `sample`: what a cluster is to run, as YAML, from the same words as `manager`'s.
//!
//! Pure: flags and variables in, text out. Nothing of the host that prints a manifest is looked at, because it runs
//! somewhere else.

mod command;
mod container;
mod environment;
mod objects;
mod rbac;
mod sample;
mod secrets;
mod words;
mod yaml;

pub(super) use command::{commands, wanted};
use words::Words;

use crate::config::options::Spec;
use crate::config::{Finding, Mistakes};

/// What to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// `manifest pod`, `kubeadm init`, `kubeadm join`: a static pod.
    Pod,
    /// `manifest daemonset`.
    DaemonSet,
    /// `manifest rbac`.
    Rbac {
        /// A Role in the namespace instead of a ClusterRole.
        role: bool,
        /// A RoleBinding instead of a ClusterRoleBinding.
        rolebinding: bool,
    },
    /// `sample config`: the file of the 0.1 documents.
    SampleConfig,
    /// `sample manifest`: their pod, which reads that file.
    SampleManifest,
}

/// What these commands are told beside the options of the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What to print.
    pub what: What,
    /// `--inCluster`: a service account instead of a kubeconfig.
    pub in_cluster: bool,
    /// `--taint`: on control-plane nodes alone, whatever their taints.
    pub taint: bool,
    /// `--passwordInManifest`: print secrets too.
    pub password_in_manifest: bool,
    /// `--image`.
    pub image: Option<String>,
    /// `kubeadm join --config` was given.
    pub config: bool,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// For the standard output.
    pub yaml: String,
    /// For the standard error, one sentence or set of commands each.
    pub notes: Vec<String>,
}

/// Generates what is wanted.
///
/// # Errors
/// What is wrong with the words: then nothing is printed.
pub fn generate(
    wanted: &Wanted,
    flags: Vec<(&'static Spec, String)>,
    variables: Vec<(String, String)>,
) -> Result<Printed, Mistakes> {
    if wanted.what == What::SampleConfig {
        return sample::config(&Words::unchecked(wanted, flags, variables));
    }
    if wanted.what == What::SampleManifest {
        return finish(yaml::document(&sample::manifest(wanted)), Vec::new());
    }
    if let What::Rbac { role, rolebinding } = wanted.what {
        let words = Words::unchecked(wanted, flags, variables);
        let (documents, notes) = rbac::documents(&words, role, rolebinding);
        return finish(documents.join("---\n"), notes);
    }
    let words = Words::checked(wanted, flags, variables)?;
    let (spec, mut notes) = container::pod(&words)?;
    notes.extend(advice(wanted));
    match wanted.what {
        What::DaemonSet => finish(yaml::document(&objects::daemon_set(&words, spec)), notes),
        _ => finish(yaml::document(&objects::pod(&words, spec)), notes),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the end of functions that may fail")]
fn finish(yaml: String, notes: Vec<String>) -> Result<Printed, Mistakes> {
    Ok(Printed { yaml, notes })
}

/// What should be said of the words of the command itself.
fn advice(wanted: &Wanted) -> Vec<String> {
    let mut notes = Vec::new();
    if wanted.what == What::Pod && wanted.in_cluster {
        notes.push(
            "warning: --inCluster: a static pod may not use a service account, so kubelet refuses this one where it is a \
             file in /etc/kubernetes/manifests; apply it as a bare pod, or leave --inCluster out"
                .to_owned(),
        );
    }
    if wanted.config {
        notes.push(
            "note: --config is not read, as nothing is asked of the cluster; the kubeconfig of the pod is \
             --k8sConfigPath"
                .to_owned(),
        );
    }
    notes
}

/// One mistake about an option.
fn mistake(spec: &'static Spec, text: impl Into<String>) -> Mistakes {
    Mistakes(vec![Finding { subject: crate::config::Origin::Flag.name(spec), text: text.into() }])
}

#[cfg(test)]
mod tests;
