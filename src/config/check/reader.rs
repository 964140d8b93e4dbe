//! Reads values one by one and keeps what is wrong with them.

use std::ops::RangeInclusive;

use crate::config::options::{Kind, Spec};
use crate::config::scalar::{decimal, go_bool, is_interface_name};
use crate::config::{Facts, FileWords, Finding, Origin, RawConfig};

/// The words, the host's facts, and the findings so far.
pub(super) struct Reader<'a> {
    pub raw: &'a RawConfig,
    pub facts: &'a Facts,
    mistakes: Vec<Finding>,
    warnings: Vec<Finding>,
    notes: Vec<Finding>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(raw: &'a RawConfig, facts: &'a Facts) -> Self {
        let file = raw.file();
        let mistakes = file.map(FileWords::mistakes).unwrap_or_default();
        let mut warnings = file.map(FileWords::warnings).unwrap_or_default();
        warnings.extend(raw.conflicts());
        Self { raw, facts, mistakes, warnings, notes: Vec::new() }
    }

    /// The mistakes, the warnings and the notes.
    pub(super) fn finish(self) -> (Vec<Finding>, Vec<Finding>, Vec<Finding>) {
        (self.mistakes, self.warnings, self.notes)
    }

    /// Keeps a mistake. Of what nobody gave it says nothing where the file's form is wrong: it may stand there.
    pub(super) fn mistake(&mut self, spec: &'static Spec, text: impl Into<String>) {
        if !(self.is_default(spec) && self.raw.file().is_some_and(FileWords::is_broken)) {
            self.mistake_at(self.name(spec), text);
        }
    }

    /// Keeps a mistake in something that is no option of its own; `subject` is how messages call it.
    pub(super) fn mistake_at(&mut self, subject: String, text: impl Into<String>) {
        self.mistakes.push(Finding { subject, text: text.into() });
    }

    pub(super) fn warn_at(&mut self, subject: String, text: impl Into<String>) {
        self.warnings.push(Finding { subject, text: text.into() });
    }

    pub(super) fn warn(&mut self, spec: &'static Spec, text: impl Into<String>) {
        self.warn_at(self.name(spec), text);
    }

    pub(super) fn note(&mut self, spec: &'static Spec, text: impl Into<String>) {
        self.notes.push(Finding { subject: self.name(spec), text: text.into() });
    }

    /// The option's names, as in every message.
    pub(super) fn name(&self, spec: &'static Spec) -> String {
        self.raw.get(spec).origin.name(spec)
    }

    /// Whether nobody gave a value.
    pub(super) fn is_default(&self, spec: &'static Spec) -> bool {
        self.raw.get(spec).origin == Origin::Default
    }

    /// The text that was given, else the default; `None` where there is neither.
    pub(super) fn text(&self, spec: &'static Spec) -> Option<&'a str> {
        let given = self.raw.get(spec).text;
        [given, spec.default].into_iter().find(|text| !text.is_empty())
    }

    /// A boolean.
    pub(super) fn switch(&mut self, spec: &'static Spec) -> Option<bool> {
        debug_assert_eq!(spec.kind, Kind::Switch);
        let text = self.raw.get(spec).text;
        let on = go_bool(text);
        if on.is_none() {
            self.mistake(spec, format!("{text:?} is not a boolean; expected true or false (1, t, T, 0, f, F)"));
        }
        on
    }

    /// A number within `range`; `what` it should be fits after "is not".
    pub(super) fn number(&mut self, spec: &'static Spec, range: RangeInclusive<u64>, what: &str) -> Option<u64> {
        let text = self.raw.get(spec).text;
        let number = decimal(text).filter(|n| range.contains(n));
        if number.is_none() {
            self.mistake(spec, format!("{text:?} is not {what}; expected {} to {}", range.start(), range.end()));
        }
        number
    }

    /// The name of an interface, `Some(None)` where there is none.
    pub(super) fn interface(&mut self, spec: &'static Spec) -> Option<Option<String>> {
        let Some(name) = self.text(spec) else { return Some(None) };
        if !is_interface_name(name) {
            let expected = "expected 1 to 15 bytes without \"/\", \":\" or white space";
            self.mistake(spec, format!("{name:?} is not the name of an interface; {expected}"));
            return None;
        }
        if let Some(known) = self.facts.interfaces.as_ref().filter(|known| !known.iter().any(|k| k == name)) {
            self.mistake(spec, format!("{name:?} is not an interface of this host; it has {}", known.join(", ")));
            return None;
        }
        Some(Some(name.to_owned()))
    }
}
