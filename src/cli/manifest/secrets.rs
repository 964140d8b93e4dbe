//! What a manifest does not say: passwords and tokens, and where they are put instead.
//!
//! A static pod may not reference a Secret, so there they are files in one directory of the node; a DaemonSet has a
//! Secret mounted at the same place. Either way vipcast reads files, and takes up what changes in them.

use std::collections::BTreeMap;
use std::path::Path;

use super::words::{Words, by_variable};
use super::{What, mistake};
use crate::config::options::{
    BGP_PEER_OPTIONS, BGP_PEERS, Kind, METAL_AUTH_TOKEN, METAL_KEY, OPTIONS, PEER_ADDRESS, PEER_PASS, PEER_PASS_FILE,
    Spec,
};
use crate::config::{Mistakes, with_password_file, without_passwords};

/// Where they are, on the node and in the container.
pub(super) const DIRECTORY: &str = "/etc/kubernetes/vipcast";
/// The Secret, and the volume of it.
pub(super) const NAME: &str = "vipcast";
/// The file with the token of a cloud.
const TOKEN_FILE: &str = "metal-token";
/// The same for kube-vip, in the form of `--provider-config`.
const CLOUD_FILE: &str = "metal.json";

/// What becomes of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is not said.
    Out,
    /// This is said.
    Instead(String),
}

/// What is left out, by option and by file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Secrets {
    options: BTreeMap<&'static str, Kept>,
    /// The file, and what it is to hold.
    pub files: BTreeMap<String, String>,
    /// The operator's own files that a DaemonSet has from the same Secret, by their keys.
    own: BTreeMap<String, String>,
}

impl Secrets {
    /// Takes secrets out of the words, unless they are to be printed.
    ///
    /// # Errors
    /// Where passwords cannot be told from the rest.
    pub fn take(words: &Words<'_>) -> Result<Self, Mistakes> {
        let mut secrets = Self::default();
        if words.wanted.password_in_manifest {
            return Ok(secrets);
        }
        if words.is_given(&PEER_PASS) {
            secrets.of_single(words);
        }
        if words.is_given(&BGP_PEERS) {
            secrets.of_listed(words)?;
        }
        if !words.is_ours() && !secrets.files.is_empty() {
            let spec = if words.is_given(&PEER_PASS) { &PEER_PASS } else { &BGP_PEERS };
            let text = "kube-vip reads passwords from its environment alone, and a manifest is no place for them: leave them \
                        out and add them by hand, or give --passwordInManifest";
            return Err(mistake(spec, text));
        }
        let is_other =
            |spec: &&&'static Spec| spec.kind == Kind::Secret && spec.flag != PEER_PASS.flag && words.is_given(spec);
        secrets.options.extend(OPTIONS.iter().filter(is_other).map(|spec| (spec.flag, Kept::Out)));
        secrets.of_cloud(words);
        Ok(secrets)
    }

    /// The operator's own files that are to be in the Secret too.
    ///
    /// # Errors
    /// Where one key would stand for two files.
    pub fn of_operator(&mut self, words: &Words<'_>) -> Result<(), Mistakes> {
        if words.wanted.what == What::Pod {
            return Ok(());
        }
        for file in words.secret_files().into_iter().filter(|file| own_directory(file).is_some()) {
            let Some(key) = Path::new(&file).file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
                continue;
            };
            let is_ours = self.files.contains_key(&key);
            let other = self.own.insert(key.clone(), file.clone()).filter(|other| *other != file);
            if is_ours || other.is_some() {
                let text = format!(
                    "{file:?}: the Secret {NAME} holds the files of all peers by name, and {key:?} would be two of them; \
                     give it another name"
                );
                return Err(mistake(&BGP_PEER_OPTIONS, text));
            }
        }
        Ok(())
    }

    pub fn of(&self, spec: &Spec) -> Option<&Kept> {
        self.options.get(spec.flag)
    }

    fn keep(&mut self, owner: &str) -> String {
        let file = format!("bgp-{}", file_name(owner));
        let path = format!("{DIRECTORY}/{file}");
        self.files.insert(file, format!("the password of {owner}"));
        path
    }

    fn of_single(&mut self, words: &Words<'_>) {
        let path = self.keep(words.raw.get(&PEER_ADDRESS).text);
        self.options.insert(PEER_PASS.flag, Kept::Out);
        self.options.insert(PEER_PASS_FILE.flag, Kept::Instead(path));
    }

    fn of_listed(&mut self, words: &Words<'_>) -> Result<(), Mistakes> {
        let text = words.raw.get(&BGP_PEERS).text;
        let withheld = without_passwords(text).map_err(|wrong| mistake(&BGP_PEERS, wrong.join("; ")))?;
        if withheld.owners.is_empty() {
            return Ok(());
        }
        let mut options = words.raw.get(&BGP_PEER_OPTIONS).text.to_owned();
        for owner in &withheld.owners {
            let path = self.keep(owner);
            options = with_password_file(&options, owner, &path);
        }
        self.options.insert(BGP_PEERS.flag, Kept::Instead(withheld.peers));
        self.options.insert(BGP_PEER_OPTIONS.flag, Kept::Instead(options));
        Ok(())
    }

    /// A token of the cloud, where that is asked: in a file of its own, or in the one that `--provider-config` names, which
    /// is ours unless one is given. The vendor's variable may be there for other programs, and counts last: no file of
    /// ours is to come before one that is given.
    fn of_cloud(&mut self, words: &Words<'_>) {
        let is_meant = words.is_given(&METAL_KEY) && words.text("config_file").is_some();
        let counts =
            words.is_given(&METAL_KEY) || words.is_given(&METAL_AUTH_TOKEN) && words.text("provider_config").is_none();
        if !counts || !(words.is_on_by("vip_packet") || is_meant) {
            return;
        }
        let project = words.text("vip_packetprojectid").unwrap_or("PROJECT");
        let (variable, file, content) = if words.is_ours() {
            ("metal_key_file", TOKEN_FILE, "the token".to_owned())
        } else {
            ("provider_config", CLOUD_FILE, format!(r#"{{"apiKey": "TOKEN", "projectId": "{project}"}}"#))
        };
        let Some(spec) = by_variable(variable).filter(|spec| !words.is_given(spec)) else { return };
        self.options.insert(spec.flag, Kept::Instead(format!("{DIRECTORY}/{file}")));
        self.files.insert(file.to_owned(), content);
    }

    /// How the files come to where they are read; no secret is in it.
    pub fn notes(&self, words: &Words<'_>) -> Vec<String> {
        let namespace = words.namespace();
        let own: String = self.own.values().map(|path| format!(" --from-file={path}")).collect();
        if self.files.is_empty() {
            let create = format!("kubectl -n {namespace} create secret generic {NAME}{own}");
            let note =
                format!("note: password files are from a Secret; make it before the manifest is applied: {create}");
            return if own.is_empty() { Vec::new() } else { vec![note] };
        }
        let is_static = words.wanted.what == What::Pod;
        let (sudo, dir) = if is_static { ("sudo ", DIRECTORY) } else { ("", "vipcast-secrets") };
        let head = if is_static {
            "note: secrets are not in the manifest; put each into its file, on every node, before the pod is to start:"
        } else {
            "note: secrets are not in the manifest; make a Secret of them before it is applied:"
        };
        let mut lines = vec![head.to_owned(), format!("  {sudo}install -d -m 0700 {dir}")];
        for (file, content) in &self.files {
            lines.push(format!("  {sudo}install -m 0600 /dev/stdin {dir}/{file}    # type {content}, Enter, Ctrl-D"));
        }
        if !is_static {
            lines.push(format!(
                "  kubectl -n {namespace} create secret generic {NAME} --from-file={dir}{own} && rm -r {dir}"
            ));
        }
        vec![lines.join("\n")]
    }
}

/// The name of a peer as that of a file and of a Secret's key.
fn file_name(owner: &str) -> String {
    let bare = owner.trim_start_matches("unnumbered:").replace(['[', ']'], "");
    bare.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' }).collect()
}

/// The directory of a file, if it is one to give to a container: one that is made for this, not `/etc` or the root.
pub(super) fn own_directory(path: &str) -> Option<&str> {
    let directory = Path::new(path).parent()?.to_str()?;
    let deep = Path::new(directory).components().count() > 3;
    (deep || ["/etc/vipcast", "/etc/kube-vip", "/etc/cloud-sa"].contains(&directory)).then_some(directory)
}
