//! The control socket, and the port of `/healthz`.

use std::path::PathBuf;

use super::reader::Reader;
use crate::config::options::{CONTROL_SOCKET, HEALTH_PORT};

/// The kernel takes 107 bytes; beside the socket another is made under a longer name.
const LONGEST: usize = 90;

/// The port of `/healthz`; `Some(None)` where there is to be none.
pub(super) fn health_port(r: &mut Reader<'_>) -> Option<Option<u16>> {
    if r.text(&HEALTH_PORT) == Some("0") {
        return Some(None);
    }
    let port = r.number(&HEALTH_PORT, 1024..=65535, "a port of no privilege, or 0");
    port.and_then(|port| u16::try_from(port).ok()).map(Some)
}

/// Its path; `Some(None)` where there is to be none.
pub(super) fn socket(r: &mut Reader<'_>) -> Option<Option<PathBuf>> {
    let text = r.text(&CONTROL_SOCKET)?;
    if text == "off" {
        return Some(None);
    }
    let path = PathBuf::from(text);
    let wrong = if !path.is_absolute() || path.file_name().is_none() {
        "is not the path of a socket"
    } else if text.len() > LONGEST {
        "is longer than sockets' paths may be"
    } else {
        return Some(Some(path));
    };
    r.mistake(
        &CONTROL_SOCKET,
        format!("{text:?} {wrong}; expected an absolute path of at most {LONGEST} bytes, or off"),
    );
    None
}
