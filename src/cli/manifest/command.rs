//! The subcommands.

use clap::{Arg, ArgAction, ArgMatches, Command as Clap};

use super::super::args;
use super::{Wanted, What};

const IN_CLUSTER: &str = "inCluster";
const IMAGE: &str = "image";
const TAINT: &str = "taint";
const ROLE: &str = "role";
const ROLE_BINDING: &str = "rolebinding";
const CONFIG: &str = "config";
const PASSWORD: &str = "passwordInManifest";
/// The subcommand that has [`CONFIG`].
const JOIN: &str = "join";
/// All of them: where the daemon has an option of that name, these count here.
const OWN: [&str; 7] = [IN_CLUSTER, IMAGE, TAINT, ROLE, ROLE_BINDING, CONFIG, PASSWORD];

/// Below each help text.
const OUTPUT: &str = "\
The YAML goes to the standard output, everything else to the standard error; on a mistake there is no YAML, and the exit
code is 1. Variables of the environment count before flags, as in kube-vip.";

/// `manifest`, `kubeadm`, `sample`.
pub(in super::super) fn commands() -> [Clap; 3] {
    let pod =
        |name: &'static str, about: &'static str| with_options(name, about).args([in_cluster(), image(), password()]);
    [
        group("manifest", "Print a manifest that runs vipcast with these flags").subcommands([
            pod("pod", "A static pod, for /etc/kubernetes/manifests"),
            pod("daemonset", "A DaemonSet").arg(taint()),
            with_options("rbac", "A service account and what it may do").args([
                in_cluster(),
                image(),
                role(),
                role_binding(),
            ]),
        ]),
        group("kubeadm", "Print the static pod of a kubeadm control plane")
            .subcommands([pod("init", "For the first node"), pod(JOIN, "For the others").arg(config())]),
        group("sample", "Print the examples of kube-vip 0.1").subcommands([
            with_options("config", "A configuration file for `start -c`").arg(image()),
            with_options("manifest", "The pod that reads it").arg(image()),
        ]),
    ]
}

/// Flags may stand before the last word too.
fn group(name: &'static str, about: &'static str) -> Clap {
    Clap::new(name)
        .about(about)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args(options().map(|arg| arg.hide(true)))
}

fn with_options(name: &'static str, about: &'static str) -> Clap {
    // `--config` is another spelling of an option elsewhere; where it is ours, that option is out of place.
    let is_config = |arg: &Arg| arg.get_all_aliases().is_some_and(|names| names.contains(&CONFIG));
    let options = options().filter(|arg| name != JOIN || !is_config(arg));
    Clap::new(name).about(about).args(options).after_help(OUTPUT)
}

fn options() -> impl Iterator<Item = Arg> {
    args::options("").into_iter().filter(|arg| !OWN.contains(&arg.get_id().as_str()))
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    let arg = Arg::new(name).long(name).value_name("BOOL").action(ArgAction::Set).num_args(0..=1).require_equals(true);
    arg.default_missing_value("true").value_parser(boolean).help_heading("Manifest").help(help)
}

/// As in Go.
fn boolean(text: &str) -> Result<bool, String> {
    crate::config::go_bool(text).ok_or_else(|| "expected true or false".to_owned())
}

fn value(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help_heading("Manifest").help(help)
}

fn in_cluster() -> Arg {
    switch(IN_CLUSTER, "use the service account kube-vip instead of a kubeconfig")
}

fn image() -> Arg {
    value(IMAGE, "IMAGE", "the image; without a tag it is this version's [default: vipcast with its version]")
}

fn taint() -> Arg {
    switch(TAINT, "on control-plane nodes only, and whatever their taints")
}

fn password() -> Arg {
    switch(PASSWORD, "print passwords and tokens too; without it the standard error says where to put them")
}

fn role() -> Arg {
    switch(ROLE, "Roles instead of a ClusterRole, and bindings of them")
}

fn role_binding() -> Arg {
    switch(ROLE_BINDING, "bind the ClusterRole in the namespaces where it is needed, not in the whole cluster")
}

fn config() -> Arg {
    value(CONFIG, "PATH", "a kubeconfig; not read, nothing is asked of the cluster")
}

/// What one of these commands asks for, and the matches of all its words that may hold options, in their order.
pub(in super::super) fn wanted<'a>(name: &str, group: &'a ArgMatches) -> Option<(Wanted, [&'a ArgMatches; 2])> {
    let (leaf, own) = group.subcommand()?;
    let is = |flag: &str| own.try_get_one::<bool>(flag).ok().flatten().copied().unwrap_or(false);
    let text = |flag: &str| own.try_get_one::<String>(flag).ok().flatten().cloned();
    let what = match (name, leaf) {
        ("manifest", "daemonset") => What::DaemonSet,
        ("manifest", "rbac") => What::Rbac { role: is(ROLE), rolebinding: is(ROLE_BINDING) },
        ("sample", "config") => What::SampleConfig,
        ("sample", "manifest") => What::SampleManifest,
        _ => What::Pod,
    };
    let wanted = Wanted {
        what,
        in_cluster: is(IN_CLUSTER),
        taint: is(TAINT),
        password_in_manifest: is(PASSWORD),
        image: text(IMAGE),
        config: text(CONFIG).is_some(),
    };
    Some((wanted, [group, own]))
}
