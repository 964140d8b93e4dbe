//! Changing a running vipcast: what the words of the process point at is read again, and what differs is made true.
//!
//! ```text
//! another content of the file, SIGHUP, another word of a provider
//!   ─► Remake ─► mistakes: nothing changes, and it is said
//!             └► Config ─► speaker: peers, each by itself ─► facts: VIPs and attributes ─► password files, log level
//! ```
//!
//! The speaker comes first: it may refuse, and then nothing was changed. VIPs that come must not be the end of a
//! session, so peers hear of them before they are bound; those that go are avoided until they are unbound.

mod file;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Error;
use super::speaking;
use crate::bgp::{Changes, PeerKey, SpeakerConfig, SpeakerHandle};
use crate::clock::{Timer, now};
use crate::config::{Checked, Config, Finding, Learned, Mistakes};
use crate::net::Addresses;
use crate::provider::Told;
use crate::shutdown::HangUps;
use crate::telemetry;
use crate::time::Instant;
use crate::vip::{Facts, Vip};
use file::Watched;

/// How often the configuration file is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// How the configuration is made anew: the words of the process stay, what they point at is read again.
pub struct Remake {
    make: Box<Make>,
    /// The file that is read with it, if there is one: another content of it is a reason to.
    file: Option<PathBuf>,
}

type Make = dyn Fn(&Learned) -> Result<Checked, Mistakes> + Send + Sync;

impl Remake {
    /// By this function, which reads files and so may block.
    #[must_use]
    pub fn new(make: impl Fn(&Learned) -> Result<Checked, Mistakes> + Send + Sync + 'static) -> Self {
        Self { make: Box::new(make), file: None }
    }

    /// With this configuration file: when its content changes, the configuration is made anew.
    #[must_use]
    pub fn with_file(self, file: Option<PathBuf>) -> Self {
        Self { file, ..self }
    }

    /// The configuration as it would be now.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn make(&self, learned: &Learned) -> Result<Checked, Mistakes> {
        (self.make)(learned)
    }
}

impl fmt::Debug for Remake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remake").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Which configuration this process runs with, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loaded {
    /// Since when it is what it is.
    pub(super) since: Instant,
    /// What was last made of a new one, and how often that was.
    pub(super) news: (u64, String),
    /// A newer one that is not taken up, since when, and everything that is wrong with it.
    pub(super) refused: Option<(Instant, Vec<String>)>,
    /// What of the last one counts after a restart only.
    pub(super) waits: Vec<String>,
}

impl Loaded {
    /// The one the process began with.
    pub(super) const fn first(now: Instant) -> Self {
        Self { since: now, news: (0, String::new()), refused: None, waits: Vec::new() }
    }

    fn tell(&mut self, news: String) {
        self.news = (self.news.0 + 1, news);
    }
}

/// The ends by which the rest of the program takes changes up.
pub(super) struct Ends {
    pub(super) speaker: SpeakerHandle,
    pub(super) facts: watch::Sender<Facts>,
    /// The VIPs, for those that must not call through them.
    pub(super) vips: watch::Sender<Vec<IpAddr>>,
    pub(super) bound: watch::Receiver<BTreeSet<Vip>>,
    /// The configuration whose password files are followed.
    pub(super) current: watch::Sender<Config>,
    pub(super) loaded: watch::Sender<Loaded>,
}

/// The station.
pub(super) struct Live {
    remake: Arc<Remake>,
    file: Option<Watched>,
    told: watch::Receiver<Told>,
    hang_ups: HangUps,
    running: Config,
    router_id: Ipv4Addr,
    ends: Ends,
    /// What was last said to be odd.
    odd: Vec<Finding>,
    /// Former VIPs that are still bound: no end of a session until they are not.
    former: BTreeSet<Vip>,
}

/// Why the configuration is made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// What changed before anybody followed it.
    Start,
    File,
    HangUp,
    Provider,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::File => "the configuration file changed",
            Self::HangUp => "SIGHUP",
            Self::Provider => "what this node is told changed",
        })
    }
}

impl Live {
    /// `running` is what the process was built with, and `odd` what was said of it.
    pub(super) fn new(
        remake: Remake,
        told: watch::Receiver<Told>,
        hang_ups: HangUps,
        (running, router_id): (Config, Ipv4Addr),
        ends: Ends,
    ) -> Self {
        let file = remake.file.clone().map(Watched::new);
        let remake = Arc::new(remake);
        Self { remake, file, told, hang_ups, running, router_id, ends, odd: Vec::new(), former: BTreeSet::new() }
    }

    /// Follows all causes for as long as the process runs.
    pub(super) async fn run(mut self) -> Result<(), Error> {
        let mut timer = Timer::new()?;
        let mut is_gone = false;
        self.take_up(Cause::Start).await;
        loop {
            let look = self.file.is_some().then(|| now() + EVERY);
            let cause = tokio::select! {
                () = self.hang_ups.next() => Cause::HangUp,
                more = self.told.changed(), if !is_gone => match more {
                    Ok(()) => Cause::Provider,
                    Err(_) => {
                        is_gone = true;
                        continue;
                    }
                },
                Ok(()) = self.ends.bound.changed(), if !self.former.is_empty() => {
                    self.let_go().await;
                    continue;
                }
                () = timer.until(look) => match self.has_file_changed().await {
                    true => Cause::File,
                    false => continue,
                },
            };
            self.take_up(cause).await;
        }
    }

    async fn has_file_changed(&mut self) -> bool {
        let Some(mut file) = self.file.take() else { return false };
        // A file on a share that hangs must not hold a worker of the runtime.
        let looked = tokio::task::spawn_blocking(move || {
            let has_changed = file.has_changed();
            (file, has_changed)
        });
        let Ok((file, has_changed)) = looked.await else { return false };
        self.file = Some(file);
        has_changed
    }

    async fn take_up(&mut self, cause: Cause) {
        let told = self.told.borrow_and_update().clone();
        let (learned, troubles) = (told.learned.clone(), told.troubles());
        let (remake, mut file) = (self.remake.clone(), self.file.take());
        let made = tokio::task::spawn_blocking(move || {
            // First, so that what is written meanwhile is a change.
            if let (Some(file), Cause::HangUp) = (&mut file, cause) {
                file.take_up();
            }
            let made = remake.make(&learned);
            (file, made.map(|checked| checked.config.is_complete(&learned).then_some(checked)))
        });
        let Ok((file, made)) = made.await else {
            return self.refuse(cause, vec!["reading it failed; this is a defect of vipcast".to_owned()]);
        };
        self.file = file;
        match made {
            Ok(Some(checked)) => self.make_true(cause, checked, troubles).await,
            // What was learned before stays.
            Ok(None) => {}
            Err(Mistakes(mistakes)) => {
                let mistakes = mistakes.iter().map(ToString::to_string);
                self.refuse(cause, troubles.into_iter().chain(mistakes).collect());
            }
        }
    }

    /// Says once what is wrong; everything stays as it is.
    fn refuse(&self, cause: Cause, mistakes: Vec<String>) {
        self.ends.loaded.send_if_modified(|loaded| {
            if loaded.refused.as_ref().is_some_and(|(_, known)| *known == mistakes) {
                if cause == Cause::HangUp {
                    tracing::error!("the configuration is as wrong as before: the former one stays in use");
                }
                return false;
            }
            for mistake in &mistakes {
                tracing::error!(%cause, mistake, "the new configuration is not taken up");
            }
            tracing::error!(mistakes = mistakes.len(), "nothing was changed: the former configuration stays in use");
            let more = match mistakes.len() {
                0 | 1 => String::new(),
                count => format!(" (and {} more)", count - 1),
            };
            let first = mistakes.first().cloned().unwrap_or_default();
            loaded.tell(format!("a new configuration was not taken up: {first}{more}"));
            loaded.refused = Some((now(), mistakes));
            true
        });
    }

    /// `troubles`: what this node is told is wrong, and the last good word is in `config`.
    async fn make_true(&mut self, cause: Cause, Checked { config, warnings, .. }: Checked, troubles: Vec<String>) {
        let (next, waits) = self.running.taking_up(config);
        if let Err(why) = self.look_at_new_vips(&next).await {
            return self.refuse(cause, vec![why]);
        }
        let changes = match self.ends.speaker.set_peers(self.settings(&next)).await {
            Ok(changes) => changes,
            Err(crate::bgp::Error::Ending) => return,
            Err(error) => return self.refuse(cause, vec![error.to_string()]),
        };
        self.warn(cause, warnings);
        let news = difference(&self.running, &next, &changes);
        self.former.extend(self.running.vips.iter().filter(|vip| !next.vips.contains(vip)));
        self.ends.facts.send_if_modified(|facts| {
            let is_other = facts.vips != next.vips || facts.attributes != next.vip_attributes;
            (facts.vips, facts.attributes) = (next.vips.clone(), next.vip_attributes.clone());
            is_other
        });
        self.ends.vips.send_if_modified(|vips| {
            let addresses = addresses(&next);
            let is_other = *vips != addresses;
            *vips = addresses;
            is_other
        });
        telemetry::set_level(next.log.level);
        self.ends.current.send_replace(next.clone());
        self.running = next;
        self.tell(cause, &news, waits, troubles.is_empty());
        if !troubles.is_empty() {
            self.refuse(cause, troubles);
        }
    }

    /// A VIP that is the node's own address would be taken from it.
    async fn look_at_new_vips(&self, next: &Config) -> Result<(), String> {
        let new: BTreeSet<IpAddr> =
            next.vips.iter().filter(|vip| !self.running.vips.contains(vip)).map(|vip| vip.address()).collect();
        if new.is_empty() {
            return Ok(());
        }
        let host = Addresses::new(self.running.interface.as_deref()).await.map_err(|error| error.to_string())?;
        host.leftovers(&new).await.map(|_| ()).map_err(|error| error.to_string())
    }

    /// What the speaker is to do: it avoids what is bound too.
    fn settings(&self, next: &Config) -> SpeakerConfig {
        let mut settings = speaking::settings(next, next.bgp.router_id.unwrap_or(self.router_id));
        let bound: Vec<IpAddr> = self.ends.bound.borrow().iter().map(|vip| vip.address()).collect();
        for peer in &mut settings.peers {
            let more = bound.iter().filter(|address| !peer.avoid_source.contains(address));
            let more: Vec<IpAddr> = more.copied().collect();
            peer.avoid_source.extend(more);
        }
        settings
    }

    /// Former VIPs that are unbound are addresses like any other. Passwords are left as they are: those of files may be
    /// newer than the configuration.
    async fn let_go(&mut self) {
        let bound = self.ends.bound.borrow_and_update().clone();
        self.former.retain(|vip| bound.contains(vip));
        if !self.former.is_empty() {
            return;
        }
        let settings = self.ends.speaker.with_passwords_of_now(self.settings(&self.running));
        if let Err(error) = self.ends.speaker.set_peers(settings).await {
            tracing::debug!(%error, "the speaker did not hear that former VIPs are gone");
        }
        // A password that changed in this very moment is seen again.
        self.ends.current.send_replace(self.running.clone());
    }

    /// What is odd is said when it is not what was said before.
    fn warn(&mut self, cause: Cause, warnings: Vec<Finding>) {
        if cause != Cause::Start {
            for Finding { subject, text } in warnings.iter().filter(|warning| !self.odd.contains(warning)) {
                tracing::warn!(option = subject, "{text}");
            }
        }
        self.odd = warnings;
    }

    fn tell(&self, cause: Cause, news: &[String], waits: Vec<String>, is_good: bool) {
        self.ends.loaded.send_if_modified(|loaded| {
            let before = loaded.clone();
            let was_refused = is_good && loaded.refused.take().is_some();
            let mut events = Vec::new();
            if !news.is_empty() {
                let text = format!("the configuration was changed: {}", news.join("; "));
                tracing::info!(%cause, "{text}");
                loaded.since = now();
                events.push(text);
            } else if was_refused {
                let text = "the configuration is good again, and the one in use";
                tracing::info!(%cause, "{text}");
                events.push(text.to_owned());
            } else if cause == Cause::HangUp && waits.is_empty() {
                tracing::info!(%cause, "the configuration was read again: nothing in it changed");
            }
            if !waits.is_empty() && waits != loaded.waits {
                let text = format!("a restart is needed for {}", waits.join(", "));
                tracing::warn!(%cause, "the rest of the new configuration is in force; {text}");
                events.push(text);
            }
            if !events.is_empty() {
                loaded.tell(events.join("; "));
            }
            loaded.waits = waits;
            *loaded != before
        });
    }
}

/// What changed, a phrase each; empty: nothing.
fn difference(before: &Config, after: &Config, changes: &Changes) -> Vec<String> {
    let peers = |what: &str, keys: &[PeerKey]| phrase(what, keys.iter().map(ToString::to_string));
    let come = after.vips.iter().filter(|vip| !before.vips.contains(vip));
    let gone = before.vips.iter().filter(|vip| !after.vips.contains(vip));
    let address = |vip: &Vip| vip.address().to_string();
    let level =
        (before.log.level != after.log.level).then(|| format!("log level {:?}", after.log.level).to_lowercase());
    let attributes = (before.vip_attributes != after.vip_attributes).then(|| "what VIPs are announced with".to_owned());
    let phrases = [
        phrase("added the VIP", come.map(address)),
        phrase("removed the VIP", gone.map(address)),
        attributes,
        peers("added the peer", &changes.added),
        peers("removed the peer", &changes.removed),
        peers("made anew the session with", &changes.restarted),
        peers("adjusted the session with", &changes.adjusted),
        level,
    ];
    phrases.into_iter().flatten().collect()
}

fn phrase(what: &str, items: impl Iterator<Item = String>) -> Option<String> {
    let items: Vec<String> = items.collect();
    (!items.is_empty()).then(|| format!("{what} {}", items.join(", ")))
}

fn addresses(config: &Config) -> Vec<IpAddr> {
    config.vips.iter().map(|vip| vip.address()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bgp::PeerHost;

    fn key(last: u8) -> PeerKey {
        PeerKey { host: PeerHost::Address([10, 0, 0, last].into()), port: 179 }
    }

    #[test]
    fn what_changed_is_said_in_one_phrase_each() {
        assert_eq!(phrase("added the peer", std::iter::empty()), None);
        let keys = [key(1), key(2)].map(|key| key.to_string());
        let expected = "added the peer 10.0.0.1:179, 10.0.0.2:179";
        assert_eq!(phrase("added the peer", keys.into_iter()).as_deref(), Some(expected));
    }
}
