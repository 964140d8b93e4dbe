//! The command line: clap, fed from the table of options.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command as Clap};

use super::completion;
use super::control::{self, Ask};
use super::manifest::{self, Wanted};
use crate::config::options::{Kind, OPTIONS, Spec};
use crate::config::{Command, compatibility, distance, reference};

/// How the findings of `check` are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckForm {
    /// As JSON, and nothing else.
    pub json: bool,
    /// With the commands that mend what is not good.
    pub fix_hints: bool,
    /// Of the words alone: neither host nor routers nor API are looked at.
    pub offline: bool,
}

/// What the command line asks for.
#[derive(Clone)]
pub enum Request {
    /// Print this text.
    Print(String),
    /// Print the version.
    Version,
    /// Print the JSON schema of configuration files.
    Schema,
    /// Run the daemon with these flags, in their order.
    Run(Command, Vec<(&'static Spec, String)>),
    /// Read the same words, start nothing, and say what is wrong with them or what comes of them.
    Check(Vec<(&'static Spec, String)>, CheckForm),
    /// Ask a running vipcast.
    Ask(Ask),
    /// Print what a cluster is to run, from these flags.
    Manifest(Wanted, Vec<(&'static Spec, String)>),
}

/// The argument of `reference`.
const PAGE: &str = "page";
/// The argument of `completion`.
const SHELL: &str = "shell";
const PRECEDENCE: &str = "\
A variable counts before a flag, and a flag before the default, as in kube-vip; a warning says where they differ.
Booleans take their value by \"=\" only: --bgp=false. Where `default` is not given there is none.
Every other flag of kube-vip is known too; `vipcast reference compatibility` says what becomes of it.";

/// Reads a command line, the program's name first. A path to the program is passed over where it follows, because
/// kube-vip's old manifests say `/kube-vip` twice.
///
/// # Errors
/// The text to print where the words are not a command line; values are not in it.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Request, String> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    if words.get(1).is_some_and(|word| [OsStr::new("/kube-vip"), OsStr::new("/vipcast")].contains(&word.as_os_str())) {
        words.remove(1);
    }
    match command().try_get_matches_from(words) {
        Ok(matches) => Ok(request(&matches)),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Ok(Request::Print(error.to_string()))
        }
        Err(error) => Err(stray(&error).unwrap_or_else(|| error.to_string() + &slip(&error).unwrap_or_default())),
    }
}

/// The text for a word that no flag takes. It is not shown: it may be the second half of a password.
fn stray(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return None };
    (error.kind() == ErrorKind::UnknownArgument && !word.starts_with('-')).then(|| {
        "error: a word belongs to no flag (not shown: it may be part of a password)\n\n  \
         tip: booleans take their value by \"=\": --leaderElection=false\n"
            .to_owned()
    })
}

/// The flag that was meant by an unknown one, where clap finds none: it does not see that two letters changed places.
fn slip(error: &clap::Error) -> Option<String> {
    const NEAR: usize = 2;
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return None };
    let is_told = error.get(ContextKind::SuggestedArg).is_some();
    let name = word.strip_prefix("--").filter(|_| error.kind() == ErrorKind::UnknownArgument && !is_told)?;
    let name = name.split('=').next().unwrap_or_default();
    let flags = OPTIONS
        .iter()
        .filter(|spec| spec.is_flag)
        .flat_map(|spec| [spec.flag].into_iter().chain(spec.aliases.iter().copied()));
    let (far, flag) = flags.map(|flag| (distance(name, flag), flag)).min()?;
    (far <= NEAR.min(name.len() / 2 + 1)).then(|| format!("\n  tip: a similar argument exists: '--{flag}'\n"))
}

fn request(matches: &ArgMatches) -> Request {
    // As in kube-vip flags may stand before the subcommand too.
    let run = |command, own: &ArgMatches| Request::Run(command, flags(matches).chain(flags(own)).collect());
    match matches.subcommand() {
        Some(("manager", own)) => run(Command::Manager, own),
        Some(("start", own)) => run(Command::Start, own),
        Some(("service", own)) => run(Command::Service, own),
        Some(("check", own)) => {
            let flag = |name| own.get_flag(name);
            let form = CheckForm { json: flag("json"), fix_hints: flag("fix-hints"), offline: flag("offline") };
            Request::Check(flags(matches).chain(flags(own)).collect(), form)
        }
        Some(("status", own)) => Request::Ask(control::status(own)),
        Some(("drain", own)) => Request::Ask(control::drain(own)),
        Some(("undrain", own)) => Request::Ask(control::undrain(own)),
        Some((name @ ("manifest" | "kubeadm" | "sample"), own)) => match manifest::wanted(name, own) {
            Some((wanted, words)) => {
                let all = [matches].into_iter().chain(words);
                Request::Manifest(wanted, all.flat_map(flags).collect())
            }
            None => Request::Print(command().render_help().to_string()),
        },
        Some(("version", _)) => Request::Version,
        Some(("schema", _)) => Request::Schema,
        Some(("reference", own)) => Request::Print(match own.get_one::<String>(PAGE).map(String::as_str) {
            Some("compatibility") => compatibility(),
            _ => reference(),
        }),
        Some(("completion", own)) => {
            Request::Print(completion::script(own.get_one::<String>(SHELL).map_or("", String::as_str), &command()))
        }
        _ => Request::Print(command().render_help().to_string()),
    }
}

fn flags(matches: &ArgMatches) -> impl Iterator<Item = (&'static Spec, String)> {
    OPTIONS.iter().flat_map(|&spec| {
        // Some subcommands leave one out.
        let values = matches.try_get_many::<String>(spec.flag).ok().flatten().into_iter().flatten();
        values.map(move |value| (spec, value.clone()))
    })
}

fn command() -> Clap {
    let run = |name: &'static str, about: &'static str| {
        Clap::new(name).about(about).args(options(name)).after_help(PRECEDENCE)
    };
    let page = Arg::new(PAGE).value_parser(["configuration", "compatibility"]).default_value("configuration");
    let shell = Arg::new(SHELL).value_parser(completion::SHELLS).required(true);
    Clap::new("vipcast")
        .about("A virtual IP for bare-metal Kubernetes, announced over BGP by the node that holds the lease")
        .version(env!("CARGO_PKG_VERSION"))
        .args(options("").into_iter().map(|arg| arg.hide(true)))
        .subcommand(run("manager", "Run the daemon"))
        .subcommand(run("start", "Run the daemon; older name, implies --controlplane"))
        .subcommand(run("service", "Run the daemon; older name"))
        .subcommand(check(run(
            "check",
            "Read the words of `manager`, look at host, routers and API, and change nothing",
        )))
        .subcommands(control::commands())
        .subcommands(manifest::commands())
        .subcommand(
            Clap::new("version")
                .about("Print version, commit and build")
                .args(options("").into_iter().map(|arg| arg.hide(true))),
        )
        .subcommand(Clap::new("schema").about("Print the JSON schema of vipcast's own configuration files"))
        .subcommand(Clap::new("completion").about("Print a script by which a shell completes our words").arg(shell))
        .subcommand(Clap::new("reference").about("Print a page of docs/").hide(true).arg(page))
}

/// The flags that a subcommand knows; with the empty name those that all of them know.
pub(super) fn options(command: &str) -> Vec<Arg> {
    let local = |spec: &Spec| spec.local.iter().filter(|(of, _)| *of == command).map(|(_, spelling)| *spelling);
    let arg = |spec: &Spec| {
        local(spec).fold(arg(spec), |arg, spelling| match (spelling.len(), spelling.chars().next()) {
            (1, Some(letter)) => arg.short(letter),
            _ if spelling == spec.flag => arg,
            _ => arg.alias(spelling),
        })
    };
    OPTIONS.iter().filter(|spec| spec.is_flag || local(spec).next().is_some()).map(|spec| arg(spec)).collect()
}

fn check(command: Clap) -> Clap {
    let switch =
        |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    command
        .arg(switch("json", "print the findings as JSON, and nothing else"))
        .arg(switch("offline", "look at the words alone, not at host, routers and API"))
        .arg(switch("fix-hints", "print the commands that mend what is not good, too"))
        .after_help(
            "Exit code 0: it would work; 1: it would not; 2: it would, with warnings or as far as could be seen.",
        )
}

fn arg(spec: &Spec) -> Arg {
    let arg = Arg::new(spec.flag)
        .long(spec.flag)
        .aliases(spec.aliases)
        .value_name(spec.value)
        .action(ArgAction::Append)
        .help(help(spec))
        .help_heading(spec.group.title())
        .hide(!spec.is_shown());
    let arg = match spec.kind {
        Kind::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        Kind::Value | Kind::List | Kind::Secret | Kind::SecretList => arg.num_args(1).allow_hyphen_values(true),
    };
    match spec.short {
        Some(letter) => arg.short(letter),
        None => arg,
    }
}

fn help(spec: &Spec) -> String {
    let default = if spec.default.is_empty() { String::new() } else { format!(" [default: {}]", spec.default) };
    let variables = if spec.variables.is_empty() { "none".to_owned() } else { spec.variables.join(", ") };
    format!("{}{default} [variable: {variables}]", spec.help)
}
