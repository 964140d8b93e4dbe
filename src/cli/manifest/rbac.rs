//! What a service account may do: exactly what vipcast asks for, under kube-vip's names.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::words::Words;
use super::yaml;

/// The service account, and the names of what is bound to it in one namespace.
const NAME: &str = "kube-vip";
/// kube-vip's ClusterRole.
const CLUSTER_ROLE: &str = "system:kube-vip-role";
/// And its binding.
const CLUSTER_BINDING: &str = "system:kube-vip-binding";
/// Where the `kubernetes` Service is.
const DEFAULT: &str = "default";

const CORE: &str = "";
const COORDINATION: &str = "coordination.k8s.io";
const DISCOVERY: &str = "discovery.k8s.io";
const NETWORKING: &str = "networking.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";

/// Group, resources, verbs.
type Rule = (&'static str, &'static [&'static str], &'static [&'static str]);

/// The lease and the candidates' own ones.
const LEASES: Rule = (COORDINATION, &["leases"], &["get", "list", "watch", "create", "update"]);
/// The other API servers.
const SERVERS: Rule = (DISCOVERY, &["endpointslices"], &["list"]);
/// Whether a node is cordoned, and what its annotations say.
const NODES: Rule = (CORE, &["nodes"], &["get", "list", "watch"]);

/// What kube-vip's own manifest grants: for its image, and for the modes that vipcast has not built yet.
const OF_KUBE_VIP: [Rule; 7] = [
    (CORE, &["services/status"], &["update"]),
    (CORE, &["services", "endpoints"], &["list", "get", "watch", "update"]),
    (CORE, &["nodes"], &["list", "get", "watch", "update", "patch"]),
    (COORDINATION, &["leases"], &["list", "get", "watch", "update", "create"]),
    (DISCOVERY, &["endpointslices"], &["list", "get", "watch", "update"]),
    (CORE, &["pods"], &["list"]),
    (NETWORKING, &["servicecidrs"], &["list", "get", "watch"]),
];

/// The YAML documents, and what should be said of them.
pub(super) fn documents(words: &Words<'_>, role: bool, rolebinding: bool) -> (Vec<String>, Vec<String>) {
    let namespace = words.namespace();
    let rules: Vec<Rule> = if is_vipcasts(words) { vec![LEASES, SERVERS, NODES] } else { OF_KUBE_VIP.to_vec() };
    let account = ServiceAccount { metadata: meta(NAME, Some(namespace)), ..ServiceAccount::default() };
    let mut documents = vec![yaml::document(&account)];
    let mut notes = Vec::new();
    if role {
        documents.extend(in_namespaces(words));
        notes.push(
            "note: a Role cannot grant anything on nodes: --drainOnCordon and node annotations need the ClusterRole"
                .to_owned(),
        );
        return (documents, notes);
    }
    let cluster_role = ClusterRole {
        metadata: meta(CLUSTER_ROLE, None),
        rules: Some(rules.into_iter().map(policy).collect()),
        aggregation_rule: None,
    };
    documents.push(yaml::document(&cluster_role));
    if rolebinding {
        let places = by_namespace(words);
        let bound = |place| yaml::document(&binding(NAME, place, namespace, "ClusterRole", CLUSTER_ROLE));
        documents.extend(places.into_iter().map(|(place, _)| bound(place)));
    } else {
        let role_ref = reference("ClusterRole", CLUSTER_ROLE);
        let subjects = Some(vec![account_in(namespace)]);
        documents.push(yaml::document(&ClusterRoleBinding {
            metadata: meta(CLUSTER_BINDING, None),
            role_ref,
            subjects,
        }));
    }
    (documents, notes)
}

/// Whether vipcast runs with these words, and in a mode it has.
fn is_vipcasts(words: &Words<'_>) -> bool {
    words.is_ours() && !words.is_unbuilt()
}

/// Rules by the namespace they are needed in: the lease's, and that of the `kubernetes` Service; what is kube-vip's also
/// in the pod's.
fn by_namespace<'a>(words: &'a Words<'_>) -> Vec<(&'a str, Vec<Rule>)> {
    let lease = words.lease_namespace();
    if is_vipcasts(words) {
        return match lease {
            DEFAULT => vec![(DEFAULT, vec![LEASES, SERVERS])],
            lease => vec![(lease, vec![LEASES]), (DEFAULT, vec![SERVERS])],
        };
    }
    let all =
        OF_KUBE_VIP.into_iter().filter(|(_, resources, _)| *resources != NODES.1 && *resources != ["servicecidrs"]);
    let mut places = vec![(words.namespace(), all.collect())];
    for (place, rules) in [(lease, vec![LEASES]), (DEFAULT, vec![SERVERS])] {
        if places.iter().all(|(other, _)| *other != place) {
            places.push((place, rules));
        } else if place == DEFAULT && words.namespace() != DEFAULT {
            places.iter_mut().filter(|(other, _)| *other == place).for_each(|(_, mine)| mine.extend(&rules));
        }
    }
    places
}

/// A Role for each of these namespaces with its binding.
fn in_namespaces(words: &Words<'_>) -> Vec<String> {
    let of = |(place, rules): (&str, Vec<Rule>)| {
        let role = Role { metadata: meta(NAME, Some(place)), rules: Some(rules.into_iter().map(policy).collect()) };
        [yaml::document(&role), yaml::document(&binding(NAME, place, words.namespace(), "Role", NAME))]
    };
    by_namespace(words).into_iter().flat_map(of).collect()
}

fn meta(name: &str, namespace: Option<&str>) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), namespace: namespace.map(str::to_owned), ..ObjectMeta::default() }
}

fn policy((group, resources, verbs): Rule) -> PolicyRule {
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(list(resources)),
        verbs: list(verbs),
        ..PolicyRule::default()
    }
}

fn binding(name: &str, place: &str, account: &str, kind: &str, role: &str) -> RoleBinding {
    let metadata = meta(name, Some(place));
    RoleBinding { metadata, role_ref: reference(kind, role), subjects: Some(vec![account_in(account)]) }
}

fn reference(kind: &str, name: &str) -> RoleRef {
    RoleRef { api_group: RBAC.to_owned(), kind: kind.to_owned(), name: name.to_owned() }
}

/// With its namespace, which the API server insists on and kube-vip's own manifest forgets.
fn account_in(namespace: &str) -> Subject {
    Subject {
        api_group: None,
        kind: "ServiceAccount".to_owned(),
        name: NAME.to_owned(),
        namespace: Some(namespace.to_owned()),
    }
}
