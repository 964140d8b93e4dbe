//! What is noted beside an attempt to connect, so that its silence can be explained; and the change of a password.

use std::net::IpAddr;
use std::time::Duration;

use ipnetwork::IpNetwork;

use super::Peer;
use super::probe::{LATE, Probe};
use crate::bgp::fsm::{Input, Reason, Reset, Side, StateName};
use crate::bgp::gtsm;
use crate::bgp::md5::{Answer, Counters, Evidence};
use crate::bgp::settings::{Connect, Hops, PeerHost};
use crate::bgp::socket::Target;
use crate::time::Instant;

/// How often a peer that did not take the new password is asked again while the session goes on under the former.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// An attempt to connect.
#[derive(Debug)]
pub(super) struct Attempt {
    began: Instant,
    /// The kernel's counters then.
    before: Option<Counters>,
    /// The same without a password, where there is one.
    unsigned: Option<Probe>,
}

/// Whether the peer takes the new password.
#[derive(Debug)]
pub(super) struct Trial {
    probe: Probe,
    is_told: bool,
}

impl Trial {
    /// Waits for the answer; never, where there is no trial.
    pub(super) async fn answer(trial: &mut Option<Self>) -> Answer {
        match trial {
            Some(trial) => trial.probe.wait().await,
            None => std::future::pending().await,
        }
    }
}

impl Peer {
    /// Whether an address must not be our end.
    pub(super) fn is_vip(&self) -> impl Fn(IpAddr) -> bool + Send + Sync + 'static {
        let (routes, avoided) = (self.wiring.routes.clone(), self.settings.avoid_source.clone());
        move |address| avoided.contains(&address) || routes.borrow().contains_key(&IpNetwork::from(address))
    }

    pub(super) fn begin_attempt(&mut self, now: Instant) {
        self.target.password = self.keys.in_use().cloned();
        let unsigned = self.target.password.as_ref().map(|_| {
            let target = Target { password: None, ..self.target.clone() };
            Probe::start(target, LATE, self.is_vip())
        });
        let netstat = netstat();
        self.dropped = gtsm::dropped(&netstat);
        let before = Counters::parse(&netstat);
        self.attempt = Some(Attempt { began: now, before, unsigned });
    }

    /// What is known about an attempt that found only silence.
    pub(super) fn evidence(&mut self, reason: &Reason) -> Option<Evidence> {
        let Attempt { began, before, unsigned } =
            self.attempt.as_mut().filter(|_| *reason == Reason::ConnectTimeout)?;
        let counters = before.zip(Counters::parse(&netstat())).map(|(before, after)| after.since(before));
        let has_password = self.target.password.is_some();
        Some(Evidence {
            has_password,
            counters: counters.unwrap_or_default(),
            unsigned: unsigned.as_mut().and_then(Probe::answer),
            others: self.wiring.report.silent_since(*began, has_password),
        })
    }

    /// The same for a peer that may be only so many hops away. A router whose listener sends TTL 255 to everybody
    /// (FRR, OpenBGPD) makes the connection, and only then is not heard.
    pub(super) fn ttl_evidence(&self, from: StateName, reason: &Reason) -> Option<gtsm::Evidence> {
        let Hops::Security(hops) = self.settings.hops else { return None };
        let dropped = self.dropped.zip(gtsm::dropped(&netstat()));
        let dropped = dropped.map(|(before, after)| after.saturating_sub(before));
        let is_silence = match from {
            StateName::Connect => *reason == Reason::ConnectTimeout,
            StateName::OpenSent | StateName::OpenConfirm => dropped.is_some_and(|dropped| dropped > 0),
            StateName::Idle | StateName::Active | StateName::Established => false,
        };
        is_silence.then_some(gtsm::Evidence { hops, dropped })
    }

    /// The state changed: what that means for the passwords.
    pub(super) fn note_password(&mut self, side: Side, from: StateName, to: StateName, reason: &Reason) {
        if side == Side::Incoming {
            return self.note_incoming(from, to);
        }
        if from == StateName::Connect {
            self.attempt = None;
        }
        match (from, to) {
            (StateName::Connect, StateName::Idle) if *reason == Reason::ConnectTimeout => self.keys.silent(),
            (StateName::Connect, StateName::Idle) => {}
            (_, StateName::Idle) => {
                self.keys.renew();
                self.trial = None;
            }
            (_, StateName::OpenSent) => {
                self.keys.connected();
                self.ask_for_new(Duration::ZERO, false);
            }
            _ => {}
        }
    }

    /// The same for a connection that the peer makes.
    fn note_incoming(&mut self, from: StateName, to: StateName) {
        let connected = |state| state >= StateName::OpenSent;
        if to == StateName::OpenSent {
            self.keys.dialled_by_peer();
            self.trial = None;
        } else if connected(from) && !connected(to) {
            // An attempt of ours goes on with the key it has.
            if self.attempt.is_none() && !connected(self.fsm.side(Side::Outgoing).name()) {
                self.keys.renew();
                self.trial = None;
            }
        }
    }

    /// Takes a password that changed. Without a connection the next attempt is due at once; a connection goes on under
    /// the password it was made with until the peer takes the new one.
    pub(super) fn take_password(&mut self, now: Instant) {
        let passwords = self.wiring.passwords.borrow_and_update();
        let Some(password) = passwords.get(&self.settings.key()) else { return };
        let connected = self.fsm.state().name() >= StateName::OpenSent;
        if !self.keys.change(password, connected) {
            return;
        }
        if let (Some(listener), PeerHost::Address(address)) = (&self.wiring.listener, &self.settings.host) {
            // The session keeps the key it was made with.
            if let Err(error) = listener.set(*address, password) {
                tracing::error!(peer = %self.settings.key(), %error, "the kernel refuses the new password where we listen");
            }
        }
        drop(passwords);
        self.turn_out();
        let (peer, description) = (self.settings.key(), self.settings.description());
        tracing::info!(%peer, description, connected, "the password changed");
        self.trial = None;
        // Whom we only wait for comes with the new password when it has it.
        if self.stopping.is_some() || self.settings.connect == Connect::Passive {
            return;
        }
        if connected {
            self.ask_for_new(Duration::ZERO, false);
        } else {
            self.start_anew(now);
        }
    }

    fn ask_for_new(&mut self, delay: Duration, is_told: bool) {
        if self.keys.is_former() {
            let target = Target { password: self.keys.wanted().cloned(), ..self.target.clone() };
            self.trial = Some(Trial { probe: Probe::start(target, delay, self.is_vip()), is_told });
        }
    }

    pub(super) fn tried(&mut self, now: Instant, answer: Answer) {
        let is_told = self.trial.take().is_some_and(|trial| trial.is_told);
        // It is about a session under the former password, and one that is to stay.
        if !self.keys.is_former() || self.stopping.is_some() {
            return;
        }
        let (peer, description) = (self.settings.key(), self.settings.description());
        if answer == Answer::Accepted {
            tracing::info!(%peer, description, "the peer takes the new password: the session is made anew with it");
            return self.start_anew(now);
        }
        if !is_told {
            tracing::warn!(
                %peer,
                description,
                "the peer does not take the new password yet: the session goes on under the former one until it does"
            );
        }
        self.ask_for_new(ASK_AGAIN, true);
    }

    /// Ends what there is, and dials at once. The key of a connection cannot be changed: the kernel would accept it,
    /// and drop all that comes from then on.
    fn start_anew(&mut self, now: Instant) {
        self.keys.renew();
        self.fsm.tell(now, &Input::Reset(Reset::ConfigChange));
    }
}

/// The counters of this thread's network namespace; empty where they cannot be read.
fn netstat() -> String {
    std::fs::read_to_string("/proc/thread-self/net/netstat").unwrap_or_default()
}
