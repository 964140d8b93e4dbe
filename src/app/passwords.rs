//! Passwords in files, and what happens when a file changes: a mounted Secret does when it is edited.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use tokio::sync::watch;

use super::Error;
use super::speaking::peer_host;
use crate::bgp::{PeerKey, SpeakerHandle};
use crate::clock::{Timer, now};
use crate::config::{Config, FilePassword};

/// How often the files are read. A mounted Secret is a chain of links of which the kubelet changes one in the middle,
/// so it is the content that is watched; it is a few bytes.
const EVERY: Duration = Duration::from_secs(2);

/// More than a password may have, so that a too long one is seen as such and a wrong file is not read whole.
const LIMIT: u64 = 4096;

/// Reads a password file, or the beginning of a longer one.
///
/// # Errors
/// Why it cannot be read.
pub fn read_password_file(path: &Path) -> Result<SecretSlice<u8>, String> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LIMIT).read_to_end(&mut content));
    match read {
        Ok(_) => Ok(content.into()),
        Err(error) => Err(match error.kind() {
            ErrorKind::NotFound => "there is no such file; a hostPath must exist and be mounted".to_owned(),
            ErrorKind::IsADirectory => {
                "it is a directory; the kubelet makes one where a hostPath without a type does not exist".to_owned()
            }
            _ => error.to_string(),
        }),
    }
}

/// A file, the peers whose password it has, and what was seen of it last.
struct Watched {
    path: PathBuf,
    peers: Vec<PeerKey>,
    seen: Result<SecretString, String>,
}

/// Gives the speaker the passwords of files that change, for as long as it runs: of the files of the configuration that
/// is in force. What is no password changes nothing, and is said once.
pub(super) async fn follow(mut current: watch::Receiver<Config>, speaker: SpeakerHandle) -> Result<(), Error> {
    let mut timer = Timer::new()?;
    let mut files = Files::of(&current.borrow_and_update());
    loop {
        let look = (!files.is_empty()).then(|| now() + EVERY);
        tokio::select! {
            changed = current.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                files = Files::of(&current.borrow_and_update());
                continue;
            }
            () = timer.until(look) => {}
        }
        // A file on a share that hangs must not hold a worker of the runtime.
        let read = tokio::task::spawn_blocking(move || {
            let changes = files.changes();
            (files, changes)
        });
        let Ok((again, changes)) = read.await else { return Ok(()) };
        files = again;
        for (peer, password) in changes {
            speaker.change_password(&peer, password);
        }
    }
}

/// All password files.
struct Files(Vec<Watched>);

impl Files {
    /// Those of a configuration, as they were when it was made.
    fn of(config: &Config) -> Self {
        let mut files: BTreeMap<&Path, Watched> = BTreeMap::new();
        for peer in &config.bgp.peers {
            let (Some(path), Some(password)) = (&peer.password_file, &peer.password) else { continue };
            let new = || Watched { path: path.clone(), peers: Vec::new(), seen: Ok(password.clone()) };
            let key = PeerKey { host: peer_host(&peer.host), port: peer.port };
            files.entry(path).or_insert_with(new).peers.push(key);
        }
        Self(files.into_values().collect())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn changes(&mut self) -> Vec<(PeerKey, SecretString)> {
        let mut changes = Vec::new();
        for file in &mut self.0 {
            if let Some(password) = file.change() {
                changes.extend(file.peers.iter().map(|peer| (peer.clone(), password.clone())));
            }
        }
        changes
    }
}

impl Watched {
    /// The password, if the file was changed and has one.
    fn change(&mut self) -> Option<SecretString> {
        let content = read_password_file(&self.path).map_err(|why| format!("it cannot be read: {why}"));
        let (trimmed, found) = match content.and_then(|content| FilePassword::read(content.expose_secret())) {
            Ok(FilePassword { secret, trimmed }) => (trimmed, Ok(secret)),
            Err(error) => (false, Err(error)),
        };
        if is_same(&found, &self.seen) {
            return None;
        }
        self.seen = found;
        let path = self.path.display();
        match &self.seen {
            Ok(_) if trimmed => tracing::info!(%path, "the password file was changed; {}", FilePassword::TRIMMED),
            Ok(_) => tracing::info!(%path, "the password file was changed"),
            Err(error) => tracing::error!(%path, %error, "no password is in the file: the former one stays in use"),
        }
        self.seen.clone().ok()
    }
}

fn is_same(one: &Result<SecretString, String>, other: &Result<SecretString, String>) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => one.expose_secret() == other.expose_secret(),
        (Err(one), Err(other)) => one == other,
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("vipcast-{name}-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        /// What a kubelet does: new content in a directory of its own, a link to it that is swapped.
        fn mount(&self, generation: &str, content: &[u8]) {
            std::fs::create_dir(self.file(generation)).unwrap();
            std::fs::write(self.file(generation).join("password"), content).unwrap();
            symlink(generation, self.file("..data_tmp")).unwrap();
            std::fs::rename(self.file("..data_tmp"), self.file("..data")).unwrap();
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn watched(path: PathBuf, password: &str) -> Watched {
        Watched { path, peers: Vec::new(), seen: Ok(password.into()) }
    }

    fn change(file: &mut Watched) -> Option<String> {
        file.change().map(|password| password.expose_secret().to_owned())
    }

    #[test]
    fn a_swapped_secret_is_a_change_and_an_equal_one_is_none() {
        let dir = Dir::new("swapped");
        dir.mount("..1", b"old\n");
        symlink("..data/password", dir.file("password")).unwrap();
        let mut file = watched(dir.file("password"), "old");
        assert_eq!(change(&mut file), None);
        dir.mount("..2", b"new");
        assert_eq!(change(&mut file).as_deref(), Some("new"));
        dir.mount("..3", b"new\n");
        assert_eq!(change(&mut file), None);
    }

    #[test]
    fn what_is_no_password_changes_nothing_until_there_is_one() {
        let dir = Dir::new("none");
        let mut file = watched(dir.file("password"), "old");
        let said = |file: &Watched| file.seen.as_ref().err().cloned().unwrap();
        let absent = "it cannot be read: there is no such file; a hostPath must exist and be mounted";
        assert_eq!((change(&mut file), said(&file)), (None, absent.to_owned()));
        let cases: [(&[u8], &str); 4] = [
            (b"\n", "the password is empty; expected 1 to 80 bytes"),
            (b"GG\0", "the password has a NUL byte in it"),
            (&[b'G'; 81], "the password has 81 bytes; TCP-MD5 takes 80 at most"),
            (b"G\xff", "the password is not UTF-8"),
        ];
        for (content, wrong) in cases {
            std::fs::write(&file.path, content).unwrap();
            assert_eq!((change(&mut file), said(&file)), (None, wrong.to_owned()));
        }
        // The former one again: there is nothing for the session to do, and the speaker sees that.
        std::fs::write(&file.path, b"old").unwrap();
        assert_eq!(change(&mut file).as_deref(), Some("old"));
    }
}
