//! Passwords in files: what of the content is the password, and what is wrong with it.

use std::path::PathBuf;

use secrecy::SecretString;

use super::items::{self, Of};
use super::options::{BGP_PEER_OPTIONS, METAL_KEY_FILE, PEER_PASS_FILE, PROVIDER_CONFIG};
use super::peer::password_rules;
use super::settings::Setting;
use super::{FileWords, RawConfig};

/// The password of a file.
#[derive(Clone, Debug)]
pub struct FilePassword {
    /// The password, 1 to 80 bytes without NUL.
    pub secret: SecretString,
    /// Whether a line break at the end of the file was left out: `echo` and most editors write one.
    pub trimmed: bool,
}

impl FilePassword {
    /// The notice that goes with [`Self::trimmed`].
    pub const TRIMMED: &'static str = "the line break at its end is not part of the password";

    /// Reads the content of a file; one line break at its end is not part of the password.
    ///
    /// # Errors
    /// What is wrong with it; the text fits after the file's name and a colon, and has nothing of the content.
    pub fn read(content: &[u8]) -> Result<Self, String> {
        let line = content.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let bytes = line.unwrap_or(content);
        password_rules(bytes)?;
        match std::str::from_utf8(bytes) {
            Ok("") => Err("the password is empty; expected 1 to 80 bytes".to_owned()),
            Ok(password) => Ok(Self { secret: password.into(), trimmed: line.is_some() }),
            Err(_) => Err("the password is not UTF-8".to_owned()),
        }
    }
}

/// The files with passwords or tokens that are named, for [`super::Facts::password_files`].
#[must_use]
pub fn password_files(raw: &RawConfig) -> Vec<PathBuf> {
    let single = [&PEER_PASS_FILE, &METAL_KEY_FILE, &PROVIDER_CONFIG].map(|spec| raw.get(spec).text);
    let single = single.into_iter().filter(|path| !path.is_empty()).map(PathBuf::from);
    let (items, _) = items::parse(raw.get(&BGP_PEER_OPTIONS).text, Of::Peers);
    let listed = items.into_iter().flat_map(|item| item.settings.into_values()).filter_map(|setting| match setting {
        Setting::PasswordFile(path) => Some(path),
        _ => None,
    });
    let filed = raw.file().into_iter().flat_map(FileWords::password_files);
    single.chain(listed).chain(filed).collect()
}
