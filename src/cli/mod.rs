//! Subcommands and flags: from the words of the process to a configuration, and on to [`crate::app`].
//!
//! The only place that reads arguments and environment.

mod args;
mod completion;
mod control;
mod facts;
mod file;
mod manifest;

use std::ffi::OsString;
use std::io::{Write as _, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;

use crate::app::{Inspection, Remake};
use crate::config::options::{OPTIONS, Spec};
use crate::config::{Checked, Command, Finding, Learned, Mistakes, RawConfig, check, outlook, outlook_table, schema};

pub use args::{CheckForm, Request, parse};
pub use control::{Ask, What};
pub use manifest::Wanted;

/// The program: reads, complains or runs. Exit code 1 where anything is wrong with the words, 0 for help.
pub fn main() -> ExitCode {
    match parse(std::env::args_os()) {
        Ok(Request::Print(text)) => print(&text),
        Ok(Request::Version) => print(&version()),
        Ok(Request::Schema) => print(&schema()),
        Ok(Request::Run(command, flags)) => run(command, flags),
        Ok(Request::Manifest(wanted, flags)) => manifest(&wanted, flags),
        Ok(Request::Check(flags, form)) => inspect(flags, form),
        Ok(Request::Ask(ask)) => match control::ask(&ask, socket_variable().as_deref()) {
            Ok(text) => print(&text),
            Err(text) => {
                let _ = writeln!(stderr(), "vipcast: {text}");
                ExitCode::FAILURE
            }
        },
        Err(text) => {
            let _ = stderr().write_all(text.as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// Where the daemon beside us has its socket, if a pod's environment says so.
fn socket_variable() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read, once")]
    let socket = std::env::var("control_socket");
    socket.ok().filter(|path| !path.is_empty())
}

fn print(text: &str) -> ExitCode {
    match stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Three lines below the name, as kube-vip's: version, commit and build, where the build was told them.
///
/// The build is what `VIPCAST_BUILD` said, a date as a rule: a clock that a build script reads would make two builds of
/// one commit differ.
fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let commit = option_env!("VIPCAST_COMMIT").filter(|commit| !commit.is_empty()).unwrap_or("unknown");
    let build = option_env!("VIPCAST_BUILD").filter(|build| !build.is_empty()).unwrap_or("unknown");
    format!("vipcast Release Information\nVersion:  {version}\nCommit:   {commit}\nBuild:    {build}\n")
}

/// YAML or nothing on the standard output, all else on the other one.
fn manifest(wanted: &Wanted, flags: Vec<(&'static Spec, String)>) -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read, once")]
    let environment = std::env::vars_os();
    match variables(environment).and_then(|variables| manifest::generate(wanted, flags, variables)) {
        Ok(manifest::Printed { yaml, notes }) => {
            for note in notes {
                let _ = writeln!(stderr(), "vipcast: {note}");
            }
            print(&yaml)
        }
        Err(Mistakes(mistakes)) => {
            for mistake in mistakes {
                let _ = writeln!(stderr(), "vipcast: {mistake}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, flags: Vec<(&'static Spec, String)>) -> ExitCode {
    let read = words(command, flags).and_then(|words| {
        let checked = words.read(&Learned::default())?;
        Ok((words, checked))
    });
    match read {
        Ok((words, Checked { config, warnings, notes })) => {
            crate::telemetry::init(config.log);
            for Finding { subject, text } in warnings {
                tracing::warn!(option = subject, "{text}");
            }
            for Finding { subject, text } in notes {
                tracing::debug!(option = subject, "{text}");
            }
            let file = words.raw.file_path().map(Path::to_path_buf);
            crate::app::run(config, Remake::new(move |learned| words.read(learned)).with_file(file))
        }
        Err(mistakes) => complain(&mistakes),
    }
}

/// What the process was given, once: flags and variables.
struct Words {
    command: Command,
    raw: RawConfig,
}

/// Those of these flags and the environment.
fn words(command: Command, flags: Vec<(&'static Spec, String)>) -> Result<Words, Mistakes> {
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read, once")]
    let environment = std::env::vars_os();
    let raw = RawConfig::new(flags, variables(environment)?);
    Ok(Words { command, raw: if command == Command::Start { raw.with_file_first() } else { raw } })
}

impl Words {
    /// The configuration of these words, and of what the host says now.
    fn read(&self, learned: &Learned) -> Result<Checked, Mistakes> {
        let raw = file::lay_under(&self.raw, learned)?;
        check(&raw, self.command, &facts::read(&raw, learned))
    }
}

/// `check`: what it finds, and where the words are a configuration, what happens when.
fn inspect(flags: Vec<(&'static Spec, String)>, form: CheckForm) -> ExitCode {
    let (inspection, more) = match words(Command::Manager, flags).and_then(|words| words.read(&Learned::default())) {
        Ok(Checked { config, warnings, notes }) => {
            let words = Inspection::of_words(&warnings, &notes);
            let inspection = if form.offline { words } else { words.look(&config) };
            (inspection, format!("\n{}", outlook_table(&outlook(&config))))
        }
        Err(mistakes) if !form.json => return complain(&mistakes),
        Err(mistakes) => (Inspection::of_mistakes(&mistakes), String::new()),
    };
    let text = match form {
        CheckForm { json: true, .. } => inspection.json(),
        CheckForm { fix_hints: true, .. } => inspection.table() + &more + &inspection.hints(),
        CheckForm { .. } => inspection.table() + &more,
    };
    if print(&text) == ExitCode::SUCCESS { ExitCode::from(inspection.code()) } else { ExitCode::FAILURE }
}

fn complain(mistakes: &Mistakes) -> ExitCode {
    let _ = stderr().write_all(complaint(mistakes).as_bytes());
    ExitCode::FAILURE
}

/// The variables that the table names.
fn variables(all: impl Iterator<Item = (OsString, OsString)>) -> Result<Vec<(String, String)>, Mistakes> {
    let (mut variables, mut mistakes) = (Vec::new(), Vec::new());
    for (name, value) in all {
        let Some(name) = name.to_str() else { continue };
        if !OPTIONS.iter().any(|spec| spec.variables.contains(&name)) {
            continue;
        }
        match value.into_string() {
            Ok(value) => variables.push((name.to_owned(), value)),
            Err(_) => mistakes.push(Finding { subject: name.to_owned(), text: "the value is not UTF-8".to_owned() }),
        }
    }
    if mistakes.is_empty() { Ok(variables) } else { Err(Mistakes(mistakes)) }
}

fn complaint(Mistakes(mistakes): &Mistakes) -> String {
    let mut text: String = mistakes.iter().map(|mistake| format!("vipcast: {mistake}\n")).collect();
    let count = if mistakes.len() == 1 { "1 mistake".to_owned() } else { format!("{} mistakes", mistakes.len()) };
    text.push_str(&format!("vipcast: {count} in the configuration, nothing was changed; see vipcast help manager\n"));
    text
}

#[cfg(test)]
mod tests;
