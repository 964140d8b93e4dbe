//! The configuration file: read, and laid under the words of the process.

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use super::facts::host_name;
use crate::config::options::{CONFIG_FILE, NODE_NAME};
use crate::config::{File, Finding, Learned, Mistakes, RawConfig};

/// One byte more than a file may have, so that a larger one is seen as such and not read whole.
const LIMIT: u64 = (1 << 20) + 1;

/// The words with those of the file that they name, if they name one.
pub(super) fn lay_under(raw: &RawConfig, learned: &Learned) -> Result<RawConfig, Mistakes> {
    let Some(path) = raw.file_path() else { return Ok(raw.clone()) };
    let text = read(path).map_err(|why| {
        let text = format!("{path:?} {why}");
        Mistakes(vec![Finding { subject: raw.name(&CONFIG_FILE), text }])
    })?;
    let file = File::parse(&path.to_string_lossy(), &text)?;
    let given = raw.get(&NODE_NAME).text;
    let given = Some(given).filter(|name| !name.is_empty()).or(file.node_name()).map(str::to_owned);
    let node = given.or_else(host_name).unwrap_or_default().to_lowercase();
    Ok(raw.clone().with_file(file.words(&node, learned.node_labels.as_ref())))
}

/// The text of a file; the error fits after its name.
fn read(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(LIMIT).read_to_end(&mut bytes));
    if let Err(error) = read {
        return Err(match error.kind() {
            ErrorKind::NotFound => {
                "cannot be read: there is no such file; a hostPath must exist and be mounted".to_owned()
            }
            ErrorKind::IsADirectory => {
                "is a directory; the kubelet makes one where a hostPath without a type does not \
                                        exist"
                    .to_owned()
            }
            _ => format!("cannot be read: {error}"),
        });
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes().iter().take(good).filter(|byte| **byte == b'\n').count();
        format!("is not UTF-8 in line {line}")
    })
}
