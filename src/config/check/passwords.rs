//! Passwords of peers: given, or in a file.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::reader::Reader;
use crate::config::FilePassword;
use crate::config::options::{PEER_PASS, PEER_PASS_FILE};
use crate::config::peer::password_rules;

/// A peer's password, if it has one, and the file it is from.
#[derive(Default)]
pub(super) struct Password {
    pub secret: Option<SecretString>,
    pub file: Option<PathBuf>,
}

/// The password of the `--peerAddress` peer; `None` where it is wrong.
pub(super) fn password(r: &mut Reader<'_>) -> Option<Password> {
    let given = r.text(&PEER_PASS);
    match (given, r.text(&PEER_PASS_FILE)) {
        (Some(_), Some(path)) => {
            let other = r.name(&PEER_PASS_FILE);
            r.mistake(&PEER_PASS, format!("is given together with {other} {path:?}; give one of them"));
            None
        }
        (None, Some(path)) => {
            let subject = r.name(&PEER_PASS_FILE);
            password_in(r, &subject, "", Path::new(path))
        }
        (Some(password), None) => match password_rules(password.as_bytes()) {
            Ok(()) => Some(Password { secret: Some(password.into()), file: None }),
            Err(wrong) => {
                r.mistake(&PEER_PASS, wrong);
                None
            }
        },
        (None, None) => Some(Password::default()),
    }
}

/// The password in a file that is named by what messages call `subject`; `label` says for whom, with a colon and a space,
/// or is empty.
pub(super) fn password_in(r: &mut Reader<'_>, subject: &str, label: &str, path: &Path) -> Option<Password> {
    let wrong = match r.facts.password_files.get(path) {
        Some(Ok(content)) => match FilePassword::read(content.expose_secret()) {
            Ok(FilePassword { secret, trimmed }) => {
                if trimmed {
                    r.warn_at(subject.to_owned(), format!("{label}{path:?}: {}", FilePassword::TRIMMED));
                }
                return Some(Password { secret: Some(secret), file: Some(path.to_owned()) });
            }
            Err(wrong) => format!(": {wrong}"),
        },
        Some(Err(why)) => format!(" cannot be read: {why}"),
        None => " was not read".to_owned(),
    };
    r.mistake_at(subject.to_owned(), format!("{label}{path:?}{wrong}"));
    None
}
