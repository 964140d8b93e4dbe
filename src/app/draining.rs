//! A node that is to be empty: who wants that, and doing it in good order.
//!
//! ```text
//! vipcast drain, cordon ─► Drains ─► mark routes as about to go (RFC 8326), wait ─► watch<bool> ─► no candidate,
//!                                    (only where it is set, and something is announced)             nothing announced
//! ```

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use tokio::sync::watch;

use super::Error;
use crate::bgp::SpeakerHandle;
use crate::clock::{Timer, now};
use crate::time::Instant;

/// The file beside the socket that stands for a drain which outlasts the process ends so.
const EXTENSION: &str = "drained";

/// Who wants the node to be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Drains {
    /// Its operator.
    pub(super) by_hand: Option<Hand>,
    /// Whoever cordoned it.
    pub(super) cordoned: bool,
    /// Since when it is wanted without a break.
    pub(super) since: Option<Instant>,
    /// Whether routes had their time to be marked: from now on they go.
    pub(super) is_carried_out: bool,
}

/// How the operator wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hand {
    /// Also after a restart.
    pub(super) persistent: bool,
}

impl Drains {
    pub(super) const fn is_wanted(&self) -> bool {
        self.by_hand.is_some() || self.cordoned
    }

    /// Changes who wants it.
    fn change(&mut self, at: Instant, change: impl FnOnce(&mut Self)) -> bool {
        let before = self.clone();
        change(self);
        if self.is_wanted() != before.is_wanted() {
            self.since = self.is_wanted().then_some(at);
            self.is_carried_out = false;
        }
        *self != before
    }
}

/// The operator's end.
#[derive(Debug)]
pub(super) struct Switch {
    drains: watch::Sender<Drains>,
    /// Where a drain outlasts the process; `None`: there is no socket to ask for one.
    file: Option<PathBuf>,
}

impl Switch {
    /// A node that is drained if it was left so. `socket`: the control socket, beside which that is kept.
    pub(super) fn new(socket: Option<&Path>) -> Self {
        let file = socket.map(|socket| socket.with_extension(EXTENSION));
        let mut drains = Drains::default();
        if file.as_deref().is_some_and(is_kept) {
            drains.change(now(), |drains| drains.by_hand = Some(Hand { persistent: true }));
            // Nothing is announced yet that could be marked.
            drains.is_carried_out = true;
        }
        Self { drains: watch::Sender::new(drains), file }
    }

    /// Who wants the node to be empty.
    pub(super) fn drains(&self) -> watch::Sender<Drains> {
        self.drains.clone()
    }

    /// Drains it by hand. One that outlasts the process stays so until it is undrained.
    pub(super) fn drain(&self, persistent: bool) -> Result<(), String> {
        if let (true, Some(file)) = (persistent, &self.file) {
            keep(file)
                .map_err(|error| format!("keep the drain in {}: {error}; nothing was changed", file.display()))?;
        }
        self.set(|drains| {
            let persistent = persistent || drains.by_hand.is_some_and(|hand| hand.persistent);
            drains.by_hand = Some(Hand { persistent });
        });
        Ok(())
    }

    /// Ends the drain by hand.
    pub(super) fn undrain(&self) -> Result<(), String> {
        if let Some(file) = &self.file {
            match fs::remove_file(file) {
                Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    return Err(format!("remove {}: {error}; nothing was changed", file.display()));
                }
                Ok(()) | Err(_) => {}
            }
        }
        self.set(|drains| drains.by_hand = None);
        Ok(())
    }

    fn set(&self, change: impl FnOnce(&mut Drains)) {
        self.drains.send_if_modified(|drains| drains.change(now(), change));
    }
}

fn is_kept(file: &Path) -> bool {
    let is_there = fs::exists(file);
    let path = file.display();
    match &is_there {
        Ok(true) => {
            tracing::warn!(%path, "this node is drained, as it was when vipcast ended; vipcast undrain ends it")
        }
        Ok(false) => {}
        Err(error) => {
            tracing::warn!(%path, %error, "failed to see whether this node is to stay drained: it is not");
        }
    }
    is_there.unwrap_or_default()
}

/// Made and, with its directory, brought to the disk: a drain that is acknowledged is there after a power loss too,
/// where the directory is.
fn keep(file: &Path) -> io::Result<()> {
    File::create(file)?.sync_all()?;
    file.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// Whether the node is cordoned.
pub(super) fn set_cordoned(drains: &watch::Sender<Drains>, cordoned: bool) {
    drains.send_if_modified(|drains| drains.change(now(), |drains| drains.cordoned = cordoned));
}

/// Carries drains out: `gate` says when the node is to be empty, after its routes were marked where peers have that.
pub(super) async fn carry_out(
    drains: watch::Sender<Drains>,
    speaker: SpeakerHandle,
    gate: watch::Sender<bool>,
) -> Result<(), Error> {
    let mut wanted = drains.subscribe();
    let mut timer = Timer::new()?;
    loop {
        let current = wanted.borrow_and_update().clone();
        speaker.mark_about_to_go(current.is_wanted());
        gate.send_if_modified(|gate| std::mem::replace(gate, current.is_carried_out) != current.is_carried_out);
        let announces = speaker.status().borrow().values().any(|status| !status.announced.is_empty());
        let since = current.since.filter(|_| !current.is_carried_out);
        let due = since.map(|since| if announces { since + speaker.graceful_shutdown() } else { since });
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { return Ok(()) },
            () = timer.until(due) => {
                drains.send_if_modified(|drains| {
                    // It may have been taken back since.
                    let is_due = drains.since == since && !drains.is_carried_out;
                    drains.is_carried_out |= is_due;
                    is_due
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("vipcast-drain-{name}-{}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn switch(&self) -> Switch {
            Switch::new(Some(&self.0.join("vipcast.sock")))
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn by_hand(switch: &Switch) -> Option<bool> {
        switch.drains.borrow().by_hand.map(|hand| hand.persistent)
    }

    #[test]
    fn only_a_persistent_drain_is_there_after_a_restart() {
        let dir = Dir::new("restart");
        let switch = dir.switch();
        assert_eq!((by_hand(&switch), switch.drains.borrow().since), (None, None));
        switch.drain(false).unwrap();
        assert_eq!((by_hand(&switch), by_hand(&dir.switch())), (Some(false), None));
        switch.drain(true).unwrap();
        // One that is asked for again without it stays what it is.
        switch.drain(false).unwrap();
        let again = dir.switch();
        assert_eq!((by_hand(&switch), by_hand(&again)), (Some(true), Some(true)));
        assert!(again.drains.borrow().is_carried_out, "nothing may be announced before it is looked at");
        switch.undrain().unwrap();
        switch.undrain().unwrap();
        assert_eq!((by_hand(&switch), by_hand(&dir.switch())), (None, None));
    }

    #[test]
    fn a_drain_that_cannot_be_kept_is_none() {
        let dir = Dir::new("lost");
        let switch = Switch::new(Some(&dir.0.join("gone").join("vipcast.sock")));
        let why = format!(
            "keep the drain in {}: No such file or directory (os error 2); nothing was changed",
            dir.0.join("gone/vipcast.drained").display()
        );
        assert_eq!((switch.drain(true), by_hand(&switch)), (Err(why), None));
        assert_eq!((switch.drain(false), by_hand(&switch), switch.undrain()), (Ok(()), Some(false), Ok(())));
    }

    #[test]
    fn it_lasts_from_the_first_who_wants_it_to_the_last() {
        let at = |secs| Instant::from_boot(Duration::from_secs(secs));
        let mut drains = Drains::default();
        assert!(drains.change(at(1), |drains| drains.cordoned = true));
        drains.is_carried_out = true;
        assert!(drains.change(at(2), |drains| drains.by_hand = Some(Hand { persistent: false })));
        assert!(drains.change(at(3), |drains| drains.cordoned = false));
        assert_eq!((drains.since, drains.is_carried_out), (Some(at(1)), true));
        assert!(!drains.change(at(4), |drains| drains.cordoned = false));
        assert!(drains.change(at(5), |drains| drains.by_hand = None));
        assert_eq!(drains, Drains::default());
    }
}
