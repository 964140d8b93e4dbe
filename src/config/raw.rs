//! The first pass: words by option, each with where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::options::{ADDRESS, CONFIG_FILE, CONTROL_PLANE, Kind, OPTIONS, SERVICES, Spec, VIP};
use super::scalar::go_bool;
use super::{FileWords, Finding, Place};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This environment variable.
    Variable(&'static str),
    /// The flag, in any of its spellings.
    Flag,
    /// This place of the configuration file.
    File(Place),
    /// Nobody gave one.
    Default,
}

impl Origin {
    /// The option's names for a message: where the value stands first, the other one in parentheses.
    #[must_use]
    pub fn name(&self, spec: &Spec) -> String {
        match (self, spec.variables.first()) {
            (Self::File(place), _) => place.to_string(),
            (Self::Variable(variable), _) if spec.is_flag => format!("{variable} ({})", spec.name()),
            (Self::Variable(variable), _) => (*variable).to_owned(),
            (Self::Flag | Self::Default, Some(variable)) if spec.is_flag => format!("{} ({variable})", spec.name()),
            (Self::Flag | Self::Default, _) => spec.name(),
        }
    }

    fn short(&self, spec: &Spec) -> String {
        match self {
            Self::Variable(variable) => (*variable).to_owned(),
            Self::File(place) => place.to_string(),
            Self::Flag | Self::Default => spec.name(),
        }
    }
}

/// The value of an option that counts.
#[derive(Clone, PartialEq, Eq)]
pub struct Given<'a> {
    /// Its text, not yet checked; may be secret.
    pub text: &'a str,
    /// Where it came from.
    pub origin: Origin,
}

/// All words that were given, by option.
#[derive(Clone, Default)]
pub struct RawConfig {
    flags: BTreeMap<&'static str, String>,
    variables: BTreeMap<&'static str, String>,
    file: Option<FileWords>,
    is_file_first: bool,
}

impl RawConfig {
    /// Sorts words by option. A repeated flag adds to a list; of other options the last counts. An empty variable
    /// counts as absent, and variables that are not in the table are not kept.
    #[must_use]
    pub fn new(
        flags: impl IntoIterator<Item = (&'static Spec, String)>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let mut raw = Self::default();
        for (spec, text) in flags {
            match raw.flags.get_mut(spec.flag) {
                Some(list) if spec.kind.is_list() => {
                    list.push(',');
                    list.push_str(&text);
                }
                _ => {
                    raw.flags.insert(spec.flag, text);
                }
            }
        }
        for (name, text) in variables.into_iter().filter(|(_, text)| !text.is_empty()) {
            let known = OPTIONS.iter().flat_map(|spec| spec.variables).find(|known| **known == name);
            if let Some(known) = known {
                raw.variables.insert(known, text);
            }
        }
        raw
    }

    /// Lays the words of a file under those that are there; they count before the defaults only.
    #[must_use]
    pub fn with_file(self, file: FileWords) -> Self {
        Self { file: Some(file), ..self }
    }

    /// Lets the file count before the flags, as `start -c` had it since v0.1.5. Variables count before both.
    #[must_use]
    pub fn with_file_first(self) -> Self {
        Self { is_file_first: true, ..self }
    }

    /// Whether an option's value is a flag's that stands behind what the file has in a form of its own.
    pub(super) fn is_behind_file(&self, spec: &'static Spec) -> bool {
        self.is_file_first && self.get(spec).origin == Origin::Flag
    }

    /// The configuration file that is named.
    #[must_use]
    pub fn file_path(&self) -> Option<&Path> {
        Some(self.get(&CONFIG_FILE).text).filter(|path| !path.is_empty()).map(Path::new)
    }

    /// What an option's value is called in messages.
    #[must_use]
    pub fn name(&self, spec: &'static Spec) -> String {
        self.get(spec).origin.name(spec)
    }

    /// The words of the file, where there is one.
    pub(super) fn file(&self) -> Option<&FileWords> {
        self.file.as_ref()
    }

    /// The value that counts: variable over flag over file over default, as in kube-vip, or variable over file over flag
    /// over default.
    #[must_use]
    pub fn get(&self, spec: &'static Spec) -> Given<'_> {
        self.all(spec).next().unwrap_or(Given { text: spec.default, origin: Origin::Default })
    }

    /// Whether the control plane is meant without being named, as by the `manifest` lines of the 0.3 documents: a virtual
    /// IP is given, and neither the control plane nor Services are spoken of. `start` implies it anyway.
    #[must_use]
    pub fn implies_control_plane(&self) -> bool {
        let is_given = |spec| self.get(spec).origin != Origin::Default && !self.get(spec).text.is_empty();
        (is_given(&ADDRESS) || is_given(&VIP)) && !is_given(&CONTROL_PLANE) && !is_given(&SERVICES)
    }

    /// One finding for each value that was given and does not count because another does.
    #[must_use]
    pub fn conflicts(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        for &spec in OPTIONS {
            let mut given = self.all(spec);
            let Some(winner) = given.next() else { continue };
            for loser in given.filter(|loser| !same(spec.kind, winner.text, loser.text)) {
                found.push(conflict(spec, &winner, &loser));
            }
        }
        found
    }

    fn all(&self, spec: &'static Spec) -> impl Iterator<Item = Given<'_>> {
        let variables = spec
            .variables
            .iter()
            .filter_map(|&name| self.variables.get(name).map(|text| Given { text, origin: Origin::Variable(name) }));
        let flag = self.flags.get(spec.flag).map(|text| Given { text, origin: Origin::Flag });
        let file = self.file.as_ref().and_then(|file| file.get(spec));
        let file = file.map(|(text, place)| Given { text, origin: Origin::File(place.clone()) });
        let (second, third) = if self.is_file_first { (file, flag) } else { (flag, file) };
        variables.chain(second).chain(third)
    }
}

fn same(kind: Kind, a: &str, b: &str) -> bool {
    a == b || (kind == Kind::Switch && go_bool(a).is_some() && go_bool(a) == go_bool(b))
}

fn conflict(spec: &'static Spec, winner: &Given<'_>, loser: &Given<'_>) -> Finding {
    let (first, second) = (winner.origin.short(spec), loser.origin.short(spec));
    let rule = match (&winner.origin, &loser.origin) {
        (Origin::File(_), _) => "of `start` the file counts before a flag, as in kube-vip",
        (Origin::Variable(_), Origin::Variable(_)) => "the newer name counts",
        (_, Origin::File(_)) => "variables and flags count before the file",
        _ => "a variable counts before a flag, as in kube-vip",
    };
    let text = if spec.kind.is_secret() {
        format!("differs from {second}, which is ignored: {rule}")
    } else {
        format!("{first} is {:?} and {second} is {:?}, which is ignored: {rule}", winner.text, loser.text)
    };
    Finding { subject: winner.origin.name(spec), text }
}

/// Shows what was given, never a secret.
impl fmt::Debug for RawConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for &spec in OPTIONS {
            for given in self.all(spec) {
                let text = if spec.kind.is_secret() { "[REDACTED]" } else { given.text };
                map.entry(&given.origin.short(spec), &text);
            }
        }
        map.finish()
    }
}

/// Without the text: it may be secret.
impl fmt::Debug for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").field("origin", &self.origin).finish_non_exhaustive()
    }
}
