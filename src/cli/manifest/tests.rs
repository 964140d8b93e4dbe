use std::path::{Path, PathBuf};

use super::{Printed, generate};
use crate::cli::{Request, parse};
use crate::config::Mistakes;
use crate::config::options::{Kind, OPTIONS};

/// What is printed for a command line, or what is wrong with it.
fn generated(line: &[&str], variables: &[(&str, &str)]) -> Result<Printed, Mistakes> {
    let words = ["vipcast"].iter().chain(line).map(Into::into);
    let Ok(Request::Manifest(wanted, flags)) = parse(words) else { panic!("{line:?} is no manifest") };
    generate(&wanted, flags, variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn printed(line: &str) -> Printed {
    generated(&line.split(' ').collect::<Vec<_>>(), &[]).unwrap()
}

fn refused(line: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let Mistakes(mistakes) = generated(&line.split(' ').collect::<Vec<_>>(), variables).unwrap_err();
    mistakes.iter().map(ToString::to_string).collect()
}

const MAIN_JOB: &str = "--interface lo --address 10.88.0.40 --controlplane --bgp --leaderElection --localAS 65000";

/// The files of `tests/golden/manifests`, each with its command line; MAIN stands for [`MAIN_JOB`].
const GOLDEN: &[(&str, &str)] = &[
    ("pod", "manifest pod MAIN --bgppeers 10.77.0.1:65001::false"),
    (
        "pod-secrets",
        "manifest pod MAIN --bgppeers 10.77.0.1:65001:Sesame-1,[fd77::2]:65002:Sesame-2:false,10.77.0.3:65003 \
         --peerAddress 10.77.0.4 --peerAS 65004 --peerPass Sesame-3 --bgpPeerOptions 10.77.0.1;bfd;connect=both",
    ),
    (
        "pod-secrets-printed",
        "manifest pod MAIN --bgppeers 10.77.0.1:65001:Sesame-1 --peerAddress 10.77.0.4 --peerAS 65004 --peerPass Sesame-3 \
         --passwordInManifest",
    ),
    (
        "pod-everything-needed",
        "manifest pod MAIN --bgppeers unnumbered:eth1,10.77.0.1:65001 --bgpPeerOptions \
         10.77.0.1;bfd-rx=50;bfd;connect=passive;graceful-shutdown=20000 --drainOnCordon --bgpStandby \
         --controlPlaneHealthCheckCAPath /etc/kubernetes/pki/ca.crt --k8sConfigPath /etc/kubernetes/super-admin.conf",
    ),
    (
        "daemonset",
        "manifest daemonset MAIN --bgppeers 10.77.0.1:65001:Sesame-1 --inCluster --taint --image \
         registry.example/net/vipcast",
    ),
    ("daemonset-anycast", "manifest daemonset --address 10.88.0.40,fd88::40 --bgp --bgppeers 10.77.0.1:65001"),
    (
        "pod-of-0.3",
        "manifest pod --interface lo --vip 10.88.0.40 --bgp --leaderElection --localAS 65000 --peerAddress 10.77.0.1 \
         --peerAS 65001 --cidr 32",
    ),
    (
        "daemonset-arp-services",
        "manifest daemonset --interface eth0 --address 10.88.0.40 --controlplane --services --arp \
         --leaderElection --inCluster --taint",
    ),
    (
        "pod-metal",
        "manifest pod --interface lo --address 10.88.0.40 --controlplane --bgp --metal --metalKey Sesame-4 \
         --metalProjectID 93125c2a-8b78-4d4f-a3c4-7367d6b7cca8",
    ),
    ("pod-of-kube-vip", "manifest pod MAIN --bgppeers 10.77.0.1:65001::false --image ghcr.io/kube-vip/kube-vip:v1.2.3"),
    ("rbac", "manifest rbac"),
    ("rbac-role", "manifest rbac --role"),
    ("rbac-rolebinding", "manifest rbac --rolebinding"),
    ("rbac-services", "manifest rbac --services"),
    ("sample-config", "sample config"),
    ("sample-manifest", "sample manifest"),
];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/manifests/{name}.yaml"))
}

#[test]
fn manifests_are_those_of_the_golden_files() {
    let mut wrong = Vec::new();
    for (name, line) in GOLDEN {
        let yaml = printed(&line.replace("MAIN", MAIN_JOB)).yaml;
        let header = format!("# vipcast {}\n", line.replace("MAIN", MAIN_JOB));
        let expected = std::fs::read_to_string(golden(name)).unwrap_or_default();
        if expected != format!("{header}{yaml}") {
            wrong.push(format!("tests/golden/manifests/{name}.yaml is not\n{header}{yaml}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_golden_file_has_its_command_line() {
    let listed = |path: &PathBuf| GOLDEN.iter().any(|(name, _)| golden(name) == *path);
    let files = std::fs::read_dir(golden("x").parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(files.filter(|path| !listed(path)).collect::<Vec<_>>(), Vec::<PathBuf>::new());
}

#[test]
fn no_secret_is_printed_unless_that_is_asked_for() {
    for (name, line) in GOLDEN {
        let Printed { yaml, notes } = printed(&line.replace("MAIN", MAIN_JOB));
        assert_eq!(yaml.contains("Sesame"), *name == "pod-secrets-printed", "{name}: {yaml}");
        assert!(!notes.concat().contains("Sesame"), "{notes:?}");
    }
}

#[test]
fn where_secrets_go_is_said_in_commands() {
    let line = "manifest pod MAIN --bgppeers 10.77.0.1:65001:a:b,10.77.0.2:65002:Sesame".replace("MAIN", MAIN_JOB);
    assert_eq!(
        refused(&line, &[]),
        [
            "--bgppeers (bgp_peers): peer 1: multihop (not shown) is not true or false; a password with a colon or a comma \
          cannot stand here: use --peerPassFile"
        ],
    );
    let line = "manifest daemonset MAIN --bgppeers [fd77::1]:65001:Sesame --inCluster".replace("MAIN", MAIN_JOB);
    let expected = "\
note: secrets are not in the manifest; make a Secret of them before it is applied:
  install -d -m 0700 vipcast-secrets
  install -m 0600 /dev/stdin vipcast-secrets/bgp-fd77--1    # type the password of fd77::1, Enter, Ctrl-D
  kubectl -n kube-system create secret generic vipcast --from-file=vipcast-secrets && rm -r vipcast-secrets";
    assert_eq!(printed(&line).notes, [expected]);
    let line = "manifest pod MAIN --peerAddress 10.77.0.4 --peerAS 65004 --peerPass Sesame".replace("MAIN", MAIN_JOB);
    let expected = "\
note: secrets are not in the manifest; put each into its file, on every node, before the pod is to start:
  sudo install -d -m 0700 /etc/kubernetes/vipcast
  sudo install -m 0600 /dev/stdin /etc/kubernetes/vipcast/bgp-10.77.0.4    # type the password of 10.77.0.4, Enter, Ctrl-D";
    assert_eq!(printed(&line).notes, [expected]);
}

#[test]
fn variables_of_the_shell_count_before_flags() {
    let line: Vec<&str> = "manifest pod --address 10.88.0.41 --bgp --bgppeers 10.77.0.1:65001".split(' ').collect();
    let Printed { yaml, notes } = generated(&line, &[("address", "10.88.0.40"), ("HOME", "/")]).unwrap();
    assert!(yaml.contains("- name: address\n      value: \"10.88.0.40\"\n"), "{yaml}");
    let warning = "warning: address (--address): address is \"10.88.0.40\" and --address is \"10.88.0.41\", which is ignored: \
                   a variable counts before a flag, as in kube-vip";
    assert_eq!(notes, [warning]);
}

#[test]
fn what_cannot_run_anywhere_is_refused() {
    assert_eq!(
        refused("manifest pod --bgp", &[]),
        ["--address (address): no virtual IP is given; expected one like 10.0.0.40 or 2001:db8::40"],
    );
    assert_eq!(
        refused("manifest daemonset --arp --address 10.88.0.40", &[("svc_enable", "yes")]),
        ["--services (svc_enable): \"yes\" is not a boolean; expected true or false"],
    );
    assert_eq!(
        refused("manifest pod --address 10.88.0.400 --bgp --bgppeers 10.77.0.1:65001", &[]),
        ["--address (address): \"10.88.0.400\" is not an IP address; expected one like 10.0.0.40 or 2001:db8::40"],
    );
}

#[test]
fn kube_vip_has_no_password_files() {
    let expected =
        ["--bgppeers (bgp_peers): kube-vip reads passwords from its environment alone, and a manifest is no place \
                     for them: leave them out and add them by hand, or give --passwordInManifest"];
    let line = "manifest daemonset --address 10.88.0.40 --bgp --bgppeers 10.77.0.1:65001:Sesame --image ghcr.io/kube-vip/kube-vip";
    assert_eq!(refused(line, &[]), expected);
    assert!(printed(&format!("{line} --passwordInManifest")).yaml.contains("value: 10.77.0.1:65001:Sesame\n"));
}

#[test]
fn kubeadm_prints_the_same_pod() {
    let rest = format!("{MAIN_JOB} --bgppeers 10.77.0.1:65001");
    let pod = printed(&format!("manifest pod {rest}"));
    assert_eq!(printed(&format!("kubeadm init {rest}")), pod);
    let joined = printed(&format!("kubeadm join {rest} --config /x"));
    assert_eq!(joined.yaml, pod.yaml);
    let note =
        "note: --config is not read, as nothing is asked of the cluster; the kubeconfig of the pod is --k8sConfigPath";
    assert_eq!(joined.notes, [note]);
}

#[test]
fn flags_may_stand_before_each_word() {
    let last = printed(&format!("manifest pod {MAIN_JOB} --bgppeers 10.77.0.1:65001"));
    assert_eq!(printed(&format!("manifest {MAIN_JOB} --bgppeers 10.77.0.1:65001 pod")), last);
    assert_eq!(printed(&format!("{MAIN_JOB} --bgppeers 10.77.0.1:65001 manifest pod")), last);
}

#[test]
fn a_service_account_in_a_static_pod_is_warned_of() {
    let Printed { yaml, notes } = printed(&format!("manifest pod --inCluster {MAIN_JOB} --bgppeers 10.77.0.1:65001"));
    assert!(yaml.contains("serviceAccountName: kube-vip\n") && !yaml.contains("admin.conf"), "{yaml}");
    assert!(notes.iter().any(|note| note.starts_with("warning: --inCluster: a static pod may not")), "{notes:?}");
}

/// The vendor's variable is in the shells of people who use their other programs.
#[test]
fn a_token_in_the_shell_does_not_change_a_manifest_that_needs_none() {
    let token = [("PACKET_AUTH_TOKEN", "Sesame")];
    for rest in ["--bgppeers 10.77.0.1:65001", "--metal --provider-config /etc/cloud-sa/cloud-sa.json"] {
        let line = format!("manifest daemonset {MAIN_JOB} {rest}");
        let line: Vec<&str> = line.split(' ').collect();
        assert_eq!(generated(&line, &token).unwrap().yaml, generated(&line, &[]).unwrap().yaml);
    }
    let line = format!("manifest pod {MAIN_JOB} --metal --metalProject mine");
    let Printed { yaml, notes } = generated(&line.split(' ').collect::<Vec<_>>(), &token).unwrap();
    assert!(yaml.contains("- name: metal_key_file\n      value: /etc/kubernetes/vipcast/metal-token\n"), "{yaml}");
    assert!(notes.concat().contains("/metal-token    # type the token"), "{notes:?}");
}

/// The lease of a pod with a service account is in the pod's namespace, unless its name says another.
#[test]
fn the_lease_is_granted_where_it_is() {
    let bound = |rest: &str| {
        let yaml = printed(&format!("manifest rbac {rest}")).yaml;
        let roles = yaml.split("---\n").filter(|one| one.contains("kind: RoleBinding\n"));
        roles
            .map(|one| one.split("  namespace: ").nth(1).unwrap().lines().next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for kind in ["--role", "--rolebinding"] {
        assert_eq!(bound(kind), ["kube-system", "default"]);
        assert_eq!(bound(&format!("{kind} --namespace ha")), ["kube-system", "default"]);
        assert_eq!(bound(&format!("{kind} --leaseName ha/lock")), ["ha", "default"]);
        assert_eq!(bound(&format!("{kind} --leaseName default/lock")), ["default"]);
        assert_eq!(bound(&format!("{kind} --services --leaseName ha/lock")), ["kube-system", "ha", "default"]);
    }
    let role = printed("manifest rbac --role --leaseName ha/lock").yaml;
    assert!(
        role.contains("  name: kube-vip\n  namespace: ha\nrules:\n- apiGroups:\n  - coordination.k8s.io\n"),
        "{role}"
    );
}

/// A DaemonSet has the operator's own files from a Secret as well.
#[test]
fn how_own_files_come_into_the_secret_is_said() {
    let line =
        format!("manifest daemonset {MAIN_JOB} --peerAddress 10.77.0.4 --peerAS 65004 --peerPassFile /etc/vipcast/bgp");
    let expected = "note: password files are from a Secret; make it before the manifest is applied: kubectl -n kube-system \
                    create secret generic vipcast --from-file=/etc/vipcast/bgp";
    assert_eq!(printed(&line).notes, [expected]);
    let both = printed(&format!("{line} --bgppeers 10.77.0.1:65001:Sesame")).notes.concat();
    let create = "create secret generic vipcast --from-file=vipcast-secrets --from-file=/etc/vipcast/bgp && rm -r";
    assert!(both.contains(create), "{both}");
    let twins = format!("{line} --bgppeers 10.77.0.1:65001 --bgpPeerOptions 10.77.0.1;password-file=/etc/kube-vip/bgp");
    let Printed { yaml, .. } = printed(&twins.replace("kube-vip/bgp", "kube-vip/leaf-1"));
    assert_eq!(yaml.matches("secretName: vipcast\n").count(), 2, "{yaml}");
    assert_eq!(refused(&twins, &[]).len(), 1);
    let cloud = format!("manifest daemonset {MAIN_JOB} --metal --provider-config /etc/cloud-sa/cloud-sa.json");
    let create =
        "kubectl -n kube-system create secret generic metal-cloud-config --from-file=/etc/cloud-sa/cloud-sa.json";
    assert!(printed(&cloud).notes.concat().ends_with(create), "{:?}", printed(&cloud).notes);
}

/// The file may name a provider, which is waited for, or have no control socket.
#[test]
fn what_nobody_said_is_left_to_the_file() {
    let yaml = printed("manifest pod --config-file /etc/vipcast.yaml --bgp --leaderElection --address 10.88.0.40").yaml;
    let names: Vec<&str> = yaml.lines().filter_map(|line| line.trim().strip_prefix("- name: ")).collect();
    for defaulted in ["port", "vip_arp", "bgp_as", "vip_leasename", "vip_leaseduration", "cp_namespace"] {
        assert!(!names.contains(&defaulted), "{defaulted} is in {names:?}");
    }
    assert!(names.contains(&"bgp_enable"), "{names:?}");
}

#[test]
fn with_a_file_nobody_kills_a_pod_for_its_silence() {
    let line = format!("manifest pod {MAIN_JOB} --bgppeers 10.77.0.1:65001");
    assert!(printed(&line).yaml.contains("livenessProbe"));
    let Printed { yaml, notes } = printed(&format!("{line} --config-file /etc/vipcast/config.yaml"));
    assert!(!yaml.contains("livenessProbe") && yaml.contains("readinessProbe"), "{yaml}");
    let about = "note: there is no liveness probe, as the file of --config-file may name a provider";
    assert_eq!(notes.iter().filter(|note| note.starts_with(about)).count(), 1, "{notes:?}");
}

/// Every option that is given comes out again, by its variable, or as an argument where it has none.
#[test]
fn no_option_is_lost() {
    // The mount and the node say these; secrets are where the notes say.
    const ELSEWHERE: [&str; 2] = ["k8sConfigPath", "nodeName"];
    for spec in OPTIONS.iter().filter(|spec| !spec.kind.is_secret() && !ELSEWHERE.contains(&spec.flag)) {
        let value = match spec.kind {
            Kind::Switch => "true",
            _ if spec.flag == "controlSocket" => "/run/x/y",
            _ => "/a/7",
        };
        let flag = format!("--{}={value}", spec.flag);
        // An image of kube-vip's is not checked for what vipcast would say.
        let mut line = vec!["manifest", "daemonset", "--image", "kube-vip:1"];
        let mut variables = Vec::new();
        match spec.variables.first() {
            Some(name) => variables.push((*name, value)),
            None if spec.flag == "inCluster" => continue,
            None => line.push(&flag),
        }
        if spec.flag != "vip" {
            line.push("--address=10.88.0.40");
        }
        let yaml = generated(&line, &variables).unwrap().yaml;
        let text = if value == "true" { "\"true\"" } else { value };
        let expected = match spec.variables.first() {
            Some(name) if *name != "config_file" => format!("- name: {name}\n          value: {text}\n"),
            _ => format!("- {flag}\n"),
        };
        assert!(yaml.contains(&expected) || spec.flag == "address", "{expected} is not in\n{yaml}");
    }
}
