//! What a file says, by option.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{FilePeer, FileVip, Place};
use crate::config::Finding;
use crate::config::options::Spec;
use crate::config::settings::Setting;

/// A file's words, each with its place, and what the words of a command line have no room for.
#[derive(Clone, Default)]
pub struct FileWords {
    words: BTreeMap<&'static str, (String, Place)>,
    /// The peers, and where their list stands; `None`: the file names none in this form.
    pub(in crate::config) peers: Option<(Place, Vec<FilePeer>)>,
    /// What single virtual IPs are announced with.
    pub(in crate::config) vips: Vec<FileVip>,
    /// Whether something of it hangs on this node's labels, and whether they are not known yet.
    pub(in crate::config) depends_on_labels: bool,
    pub(in crate::config) awaits_labels: bool,
    /// What is wrong with the file, and where.
    pub(super) mistakes: Vec<(Place, String)>,
    /// What is odd about it.
    pub(super) warnings: Vec<(Place, String)>,
}

impl FileWords {
    /// Takes the text of an option; of several the last counts.
    pub(super) fn set(&mut self, spec: &'static Spec, text: impl Into<String>, place: Place) {
        self.words.insert(spec.flag, (text.into(), place));
    }

    /// Takes it where the file has not said it yet.
    pub(super) fn set_if_absent(&mut self, spec: &'static Spec, text: impl Into<String>, place: Place) {
        self.words.entry(spec.flag).or_insert_with(|| (text.into(), place));
    }

    /// Adds to a list.
    pub(super) fn push(&mut self, spec: &'static Spec, text: &str, place: Place) {
        let (list, _) = self.words.entry(spec.flag).or_insert_with(|| (String::new(), place));
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(text);
    }

    /// Keeps a mistake, once: what all peers have is read with each of them.
    pub(super) fn mistake(&mut self, place: &Place, text: impl Into<String>) {
        let mistake = (place.clone(), text.into());
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }

    pub(super) fn warn(&mut self, place: &Place, text: impl Into<String>) {
        self.warnings.push((place.clone(), text.into()));
    }

    /// What is wrong with the file.
    pub(in crate::config) fn mistakes(&self) -> Vec<Finding> {
        self.mistakes.iter().map(finding).collect()
    }

    /// What is odd about it.
    pub(in crate::config) fn warnings(&self) -> Vec<Finding> {
        self.warnings.iter().map(finding).collect()
    }

    /// The text of an option that is not empty, and its place.
    pub(in crate::config) fn get(&self, spec: &Spec) -> Option<(&str, &Place)> {
        self.words.get(spec.flag).map(|(text, place)| (text.as_str(), place)).filter(|(text, _)| !text.is_empty())
    }

    /// The password files of the peers.
    pub(in crate::config) fn password_files(&self) -> impl Iterator<Item = PathBuf> {
        let settings = self.peers.iter().flat_map(|(_, peers)| peers).flat_map(|peer| &peer.settings);
        settings.filter_map(|(_, _, setting)| match setting {
            Setting::PasswordFile(path) => Some(path.clone()),
            _ => None,
        })
    }

    /// Whether the file is wrong, so that what it seems not to say may be said there.
    pub(in crate::config) fn is_broken(&self) -> bool {
        !self.mistakes.is_empty()
    }
}

fn finding((place, text): &(Place, String)) -> Finding {
    Finding { subject: place.to_string(), text: text.clone() }
}
