//! `vipcast status`, `drain`, `undrain`: what to ask, and what to print.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command as Clap};

use crate::config::options::OPTIONS;
use crate::control::client::{self, Error};
use crate::control::protocol::{Command, Request};
use crate::control::status::Status;
use crate::control::table;

/// The option of the daemon that says where the socket is.
const SOCKET: &str = "controlSocket";
/// Below each help text.
const EXIT: &str = "Exit code 0 when it is so or done; 1 with a sentence on stderr when nobody answers or it is not.";
/// What it says where there is none.
const OFF: &str = "off";

/// Something to ask a running vipcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Where, if the command line says so.
    pub socket: Option<PathBuf>,
    /// What.
    pub what: What,
}

/// What to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// How it stands.
    Status {
        /// The document instead of the table.
        json: bool,
        /// A failure where this node could not serve.
        ready: bool,
    },
    /// To be empty.
    Drain {
        /// Also after a restart.
        persistent: bool,
        /// How long to wait for it; zero: not at all.
        timeout: Duration,
    },
    /// To take part again.
    Undrain,
}

/// The subcommands.
pub(super) fn commands() -> [Clap; 3] {
    let socket = || {
        let arg = Arg::new(SOCKET).long(SOCKET).value_name("PATH");
        arg.help("the socket of the vipcast to ask; without it control_socket counts, else the daemon's default")
    };
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help("print the whole document as JSON");
    let ready = Arg::new("ready").long("ready").action(ArgAction::SetTrue);
    let output = Arg::new("output").short('o').long("output").value_name("FORM").value_parser(["table", "json"]);
    let persistent = Arg::new("persistent").long("persistent").action(ArgAction::SetTrue);
    let timeout = Arg::new("timeout").long("timeout").value_name("SECONDS").default_value("60");
    [
        Clap::new("status")
            .about("Say what this node's vipcast announces to whom, and why not what it does not")
            .args([socket(), json, output.help("table, or json as --json").default_value("table")])
            .arg(ready.help("fail where this node could not serve: unless it is fit, or drained on purpose")),
        Clap::new("drain")
            .about("Empty this node: hand the lease over, announce nothing; wait until that is done")
            .args([
                socket(),
                persistent.help("also after a restart of vipcast, until undrain; kept in a file beside the socket"),
                timeout.value_parser(clap::value_parser!(u32)).help("how long to wait; 0: not at all"),
            ]),
        Clap::new("undrain").about("Let this node take part again").arg(socket()),
    ]
    .map(|command| command.after_help(EXIT))
}

pub(super) fn status(matches: &ArgMatches) -> Ask {
    let form = matches.get_one::<String>("output").is_some_and(|form| form == "json");
    of(matches, What::Status { json: matches.get_flag("json") || form, ready: matches.get_flag("ready") })
}

pub(super) fn drain(matches: &ArgMatches) -> Ask {
    let timeout = matches.get_one::<u32>("timeout").copied().unwrap_or_default();
    let persistent = matches.get_flag("persistent");
    of(matches, What::Drain { persistent, timeout: Duration::from_secs(timeout.into()) })
}

pub(super) fn undrain(matches: &ArgMatches) -> Ask {
    of(matches, What::Undrain)
}

fn of(matches: &ArgMatches, what: What) -> Ask {
    Ask { socket: matches.get_one::<String>(SOCKET).map(PathBuf::from), what }
}

/// Asks, and returns what to print. `variable`: what `control_socket` is set to.
///
/// # Errors
/// A sentence for people.
pub(super) fn ask(ask: &Ask, variable: Option<&str>) -> Result<String, String> {
    let path = socket(ask, variable)?;
    let answer = match ask.what {
        What::Status { .. } => client::ask(&path, &Request::new(Command::Status)),
        What::Drain { persistent, timeout } => client::drain(&path, persistent, timeout),
        What::Undrain => client::ask(&path, &Request::new(Command::Undrain)),
    };
    let status = answer.map_err(|error: Error| error.to_string())?;
    Ok(match ask.what {
        What::Status { ready: true, .. } if !is_ready(&status) => return Err(unready(&status)),
        What::Status { json: true, .. } => {
            serde_json::to_string_pretty(&status).map_err(|error| format!("failed to print it: {error}"))? + "\n"
        }
        What::Status { json: false, .. } => table::render(&status),
        What::Drain { .. } => drained(&status),
        What::Undrain => undrained(&status),
    })
}

/// Here the command line counts first: it was typed for this one question.
fn socket(ask: &Ask, variable: Option<&str>) -> Result<PathBuf, String> {
    let default = OPTIONS.iter().find(|spec| spec.flag == SOCKET).map_or("", |spec| spec.default);
    let path = ask.socket.clone().unwrap_or_else(|| variable.unwrap_or(default).into());
    if path.as_os_str() == OFF {
        return Err("failed to ask vipcast: control_socket is off, so it has no control socket".to_owned());
    }
    Ok(path)
}

/// Whether this node could hold the virtual IP, or is not to: a pod that waits for a node that is drained waits in vain.
fn is_ready(status: &Status) -> bool {
    matches!(status.fitness.state.as_str(), "fit" | "unchecked" | "drained")
}

fn unready(status: &Status) -> String {
    let why = status.fitness.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("{} is not ready to serve, it is {}{why}", status.node, status.fitness.state)
}

fn drained(status: &Status) -> String {
    let lasts = if status.drain.persistent { ", also after a restart" } else { "" };
    if status.drain.done {
        return format!("{} is drained{lasts}: nothing is announced or bound here\n", status.node);
    }
    format!("{} is being drained{lasts}; vipcast status says how far it is\n", status.node)
}

fn undrained(status: &Status) -> String {
    if status.drain.drained {
        return format!("{} stays drained, because the node is cordoned\n", status.node);
    }
    format!("{} is not drained\n", status.node)
}
