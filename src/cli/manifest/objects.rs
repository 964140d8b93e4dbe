//! The objects around the pod's spec, under kube-vip's names.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetSpec};
use k8s_openapi::api::core::v1::{Pod, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::words::Words;

/// kube-vip's DaemonSet; ours takes its place.
const DAEMON_SET: &str = "kube-vip-ds";
/// The label it selects its pods by, which cannot be changed once it is there.
const SELECTED: &str = "app.kubernetes.io/name";

/// A pod of its own.
pub(super) fn pod(words: &Words<'_>, spec: PodSpec) -> Pod {
    let metadata = ObjectMeta {
        name: Some("kube-vip".to_owned()),
        namespace: Some(words.namespace().to_owned()),
        ..ObjectMeta::default()
    };
    Pod { metadata, spec: Some(spec), status: None }
}

/// A pod on each node.
pub(super) fn daemon_set(words: &Words<'_>, spec: PodSpec) -> DaemonSet {
    let name = BTreeMap::from([(SELECTED.to_owned(), DAEMON_SET.to_owned())]);
    let mut labels = name.clone();
    labels.insert("app.kubernetes.io/version".to_owned(), version(&words.image));
    let metadata = ObjectMeta {
        name: Some(DAEMON_SET.to_owned()),
        namespace: Some(words.namespace().to_owned()),
        labels: Some(labels.clone()),
        ..ObjectMeta::default()
    };
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }),
        spec: Some(spec),
    };
    let selector = LabelSelector { match_labels: Some(name), ..LabelSelector::default() };
    DaemonSet { metadata, spec: Some(DaemonSetSpec { selector, template, ..DaemonSetSpec::default() }), status: None }
}

/// The image's tag as the value of a label; the program's version where it has none that can be one.
fn version(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or_default().split('@').next().unwrap_or_default();
    let tag = name.split_once(':').map(|(_, tag)| tag).filter(|tag| tag.len() <= 63 && !tag.is_empty());
    let fits = |tag: &&str| tag.ends_with(|c: char| c.is_ascii_alphanumeric()) && !tag.starts_with('_');
    tag.filter(fits).unwrap_or(env!("CARGO_PKG_VERSION")).to_owned()
}
