//! Scenarios 20: the rows of the requirements' table of minimum conformance, each by its name: what a peer sends, and
//! exactly what vipcast answers.
//!
//! Most rows are tables of [`Case`]s. Each case has a peer of its own (a port of the scripted speaker), so that nothing
//! waits for a back-off; all sessions are open at once and are gone through one after the other.

pub(super) mod both;
mod header;
pub(super) mod open;
mod sent;
mod timers;
pub(super) mod update;

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};

use super::{Run, Scenario};
use crate::lab::{NODE_AS, Net, VIP, VIP6};
use crate::parts::scripted::{End, Listener, SOON, Session, wire};
use crate::parts::vipcast::Spec;
use crate::process::Process;
use crate::site::Site;

/// The rows, in the table's order.
pub(super) const ROWS: &[Scenario] = &[
    Scenario {
        name: "20-marker",
        shows: "RFC 4271 6.1: the marker is all ones, or 1/1",
        run: Run::Site(header::marker),
    },
    Scenario {
        name: "20-length",
        shows: "RFC 4271 6.1: each type's shortest and longest message, or 1/2 with the length",
        run: Run::Site(header::length),
    },
    Scenario { name: "20-type", shows: "RFC 4271 6.1: a known type, or 1/3 with it", run: Run::Site(header::kind) },
    Scenario { name: "20-version", shows: "RFC 4271 6.2: version 4, or 2/1 with 0004", run: Run::Site(open::version) },
    Scenario {
        name: "20-peer-as",
        shows: "RFC 4271 6.2, RFC 6793, RFC 7607: the AS as configured, in either place, never 0, or 2/2",
        run: Run::Site(open::peer_as),
    },
    Scenario {
        name: "20-identifier",
        shows: "RFC 6286: any Identifier but 0, and but ours inside an AS, or 2/3",
        run: Run::Site(open::identifier),
    },
    Scenario {
        name: "20-parameters",
        shows: "RFC 4271 6.2, RFC 5492: unknown parameters 2/4, broken lengths 2/0, unknown capabilities ignored",
        run: Run::Site(open::parameters),
    },
    Scenario { name: "20-hold-time", shows: "RFC 4271 6.2: 0, or 3 and more, or 2/6", run: Run::Site(open::hold_time) },
    Scenario {
        name: "20-required-capability",
        shows: "RFC 5492 5: 2/7 with what is missing, only where asked for",
        run: Run::Site(both::required_capability),
    },
    Scenario {
        name: "20-extended-parameters",
        shows: "RFC 9072: the extended form, short or long; 2/0 where its lengths do not fit",
        run: Run::Site(open::extended_parameters),
    },
    Scenario {
        name: "20-unexpected-message",
        shows: "RFC 6608: 5/1, 5/2, 5/3 with the type of the message, whatever is in it",
        run: Run::Site(open::unexpected),
    },
    Scenario {
        name: "20-hold-timer",
        shows: "RFC 4271 6.5: silent for the hold time: 4/0, and dialled again",
        run: Run::Site(timers::hold_timer),
    },
    Scenario {
        name: "20-notification-error",
        shows: "RFC 4271 6.4: a NOTIFICATION, right or wrong, is never answered",
        run: Run::Site(header::notification_error),
    },
    Scenario {
        name: "20-cease",
        shows: "RFC 4486, RFC 9003: SIGTERM: withdrawn, 6/2 with a text, in every state",
        run: Run::Site(sent::cease),
    },
    Scenario {
        name: "20-collision",
        shows: "RFC 4271 6.8, RFC 6286: the higher Identifier's connection stays, the other gets 6/7; strangers 6/5",
        run: Run::Site(both::collision),
    },
    Scenario {
        name: "20-keepalive",
        shows: "RFC 4271 4.4: a third of the hold time, or the configured interval; never faster than one a second; 0: none",
        run: Run::Site(timers::keepalive),
    },
    Scenario {
        name: "20-jitter",
        shows: "RFC 4271 10: twelve sessions cut at once do not come back at once",
        run: Run::Site(timers::jitter),
    },
    Scenario {
        name: "20-connect-retry",
        shows: "RFC 4271 8.1.1: delays that double for a peer that refuses, none after a session that lasted",
        run: Run::Site(timers::connect_retry),
    },
    Scenario {
        name: "20-update-framing",
        shows: "RFC 7606 4: lengths inside an UPDATE that do not fit it, 3/1",
        run: Run::Site(update::framing),
    },
    Scenario {
        name: "20-attribute-errors",
        shows: "RFC 7606 3, 7: flags, lengths, values: withdrawn or discarded as listed, the session stays",
        run: Run::Site(update::attribute_errors),
    },
    Scenario {
        name: "20-mandatory-attributes",
        shows: "RFC 7606 3(d): a mandatory attribute is missing: withdrawn",
        run: Run::Site(update::mandatory),
    },
    Scenario {
        name: "20-duplicate-attributes",
        shows: "RFC 7606 3(g): the first one counts; multiprotocol ones 3/1",
        run: Run::Site(update::duplicates),
    },
    Scenario {
        name: "20-unknown-well-known",
        shows: "RFC 4271 6.3: 3/2 with the attribute",
        run: Run::Site(update::unknown_well_known),
    },
    Scenario {
        name: "20-nlri",
        shows: "RFC 7606 5.3: prefixes too long or cut off: 3/10, multiprotocol 3/9 with the attribute",
        run: Run::Site(update::nlri),
    },
    Scenario {
        name: "20-attributes-sent",
        shows: "RFC 4271 5, RFC 7606 5.1, RFC 6793 4.2: our UPDATEs, byte by byte, to each kind of peer",
        run: Run::Site(sent::attributes),
    },
    Scenario {
        name: "20-withdrawal-at-once",
        shows: "RFC 4271 9.2.1.1: a withdrawal waits for nothing",
        run: Run::Site(sent::withdrawal),
    },
    Scenario {
        name: "20-end-of-rib",
        shows: "RFC 4724 2: routes, then the end of each family that was agreed on",
        run: Run::Site(sent::end_of_rib),
    },
    Scenario {
        name: "20-route-refresh",
        shows: "RFC 2918: sent again; unknown families ignored; too short 1/2",
        run: Run::Site(sent::refresh),
    },
    Scenario {
        name: "20-send-hold",
        shows: "RFC 9687: a peer that reads nothing is given up, though it speaks",
        run: Run::Site(timers::send_hold),
    },
    Scenario {
        name: "20-import-nothing",
        shows: "RFC 8212: what a peer tells goes to no other peer and into no table",
        run: Run::Site(sent::import_nothing),
    },
    Scenario {
        name: "20-ttl",
        shows: "RFC 4271 5.1.3: TTL 1 to another AS, not to our own or a multihop peer",
        run: Run::Site(sent::ttl),
    },
];

/// The scripted speaker's number on the data network.
pub(super) const NUMBER: u8 = 20;
/// Its AS.
pub(super) const AS: u16 = 65020;
/// Its BGP Identifier.
pub(super) const ID: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 20);
/// vipcast's BGP Identifier.
pub(super) const OUR_ID: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 11);
/// The hold time that its OPENs offer, as vipcast's do.
pub(super) const HOLD: u16 = 9;
pub(super) const FIRST_PORT: u16 = 2000;

/// Where the session stands when the case begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// vipcast's OPEN came.
    OpenSent,
    /// The OPENs are exchanged, and vipcast's KEEPALIVE came.
    OpenConfirm,
    /// The session is up, and all routes came.
    Established,
}

/// What must follow.
#[derive(Debug, Clone)]
pub(super) enum Then {
    /// This NOTIFICATION (code, subcode, data), and the end of the connection.
    Refused(u8, u8, Vec<u8>),
    /// The end of the connection, without a word.
    Unanswered,
    /// The OPEN is accepted: a KEEPALIVE.
    Confirmed,
    /// The session stays up, and nothing was wrong.
    Stays,
    /// The session stays up, and a debug log line says this of the UPDATE.
    Noted(Outcome, &'static str),
}

/// What became of an UPDATE with an error in it (RFC 7606 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// "Attribute discard": only the attribute is void.
    Discarded,
    /// "Treat-as-withdraw": the routes are, too.
    Withdrawn,
}

impl Outcome {
    /// What the log calls it.
    const fn word(self) -> &'static str {
        match self {
            Self::Discarded => "attribute discard",
            Self::Withdrawn => "treat as withdraw",
        }
    }
}

/// One row's example.
#[derive(Debug, Clone)]
pub(super) struct Case {
    name: &'static str,
    internal: bool,
    open: Vec<u8>,
    at: At,
    send: Vec<u8>,
    /// FIN behind it.
    half_close: bool,
    then: Then,
}

impl Case {
    /// An external peer that has nothing special about it sends these bytes.
    pub(super) fn new(name: &'static str, at: At, send: Vec<u8>, then: Then) -> Self {
        Self { name, internal: false, open: good_open(AS), at, send, half_close: false, then }
    }

    /// One that is refused.
    pub(super) fn refused(name: &'static str, at: At, send: Vec<u8>, error: (u8, u8), data: &[u8]) -> Self {
        Self::new(name, at, send, Then::Refused(error.0, error.1, data.to_vec()))
    }

    /// The peer is in vipcast's own AS.
    pub(super) fn internal(mut self) -> Self {
        self.internal = true;
        self.open = good_open(65000);
        self
    }

    /// The peer says no more after these bytes.
    pub(super) fn then_half_close(mut self) -> Self {
        self.half_close = true;
        self
    }

    /// The peer's OPEN, where the case begins after it.
    pub(super) fn open(mut self, open: Vec<u8>) -> Self {
        self.open = open;
        self
    }

    fn play(&self, listener: &Listener, vipcast: &Process, port: u16) -> Result<()> {
        let mut session = listener.accept(SOON)?;
        let mut routes = Vec::new();
        match self.at {
            At::OpenSent => drop(session.read_open()?),
            At::OpenConfirm => session.confirm(&self.open)?,
            At::Established => {
                session.establish(&self.open)?;
                routes = read_routes(&mut session)?;
            }
        }
        let mark = vipcast.log().mark();
        session.send(&self.send)?;
        if self.half_close {
            session.half_close()?;
        }
        match &self.then {
            Then::Refused(code, subcode, data) => {
                let (messages, end) = session.rest(SOON)?;
                let said: Vec<_> = messages.into_iter().map(|message| message.bytes).collect();
                let expected = wire::notification(*code, *subcode, data);
                ensure!(said == [expected.clone()], "expected {expected:02x?}, but {said:02x?}");
                ensure!(end == End::Closed, "the connection ended by {end:?}");
            }
            Then::Unanswered => {
                let (messages, _) = session.rest(SOON)?;
                ensure!(messages.is_empty(), "it was answered with {messages:?}");
            }
            Then::Confirmed => drop(session.expect(wire::KEEPALIVE)?),
            Then::Stays => {
                still_up(&mut session, &routes)?;
                let noted = noted(&vipcast.log().since(mark), port);
                ensure!(noted.is_empty(), "the log has {noted:?}");
            }
            Then::Noted(outcome, text) => {
                still_up(&mut session, &routes)?;
                let noted = noted(&vipcast.log().since(mark), port);
                let expected = format!("outcome=\"{}\" error={text}", outcome.word());
                ensure!(noted == [expected.clone()], "expected {expected:?}, but the log has {noted:?}");
            }
        }
        Ok(())
    }
}

/// What the log says became of malformed UPDATEs of the peer at this port, and why.
fn noted(log: &str, port: u16) -> Vec<String> {
    let about = format!("received UPDATE is malformed peer={}:{port} ", Net::Data.v4(NUMBER));
    log.lines().filter_map(|line| Some(line.split_once(&about)?.1.to_owned())).collect()
}

/// Plays all cases against one vipcast, and tells all that fail.
pub(super) fn play(site: &mut Site, cases: &[Case]) -> Result<()> {
    play_with(site, cases, |spec| spec)
}

/// The same with more flags.
pub(super) fn play_with(site: &mut Site, cases: &[Case], more: impl FnOnce(Spec) -> Spec) -> Result<()> {
    let stage = Stage::new(site, cases.len())?;
    let spec = cases.iter().zip(FIRST_PORT..).fold(spec(site), |spec, (case, port)| {
        spec.peer_text(peer(if case.internal { NODE_AS } else { AS.into() }, port))
    });
    let vipcast = site.vipcast(1, &more(spec))?;
    let mut failures = Vec::new();
    for ((case, listener), port) in cases.iter().zip(&stage.listeners).zip(FIRST_PORT..) {
        if let Err(error) = case.play(listener, &vipcast, port) {
            let sent = &case.send;
            failures.push(format!("{} ({:?}, {sent:02x?}): {error:#}", case.name, case.at));
        }
    }
    vipcast.alive()?;
    ensure!(failures.is_empty(), "{} of {} cases failed:\n  {}", failures.len(), cases.len(), failures.join("\n  "));
    println!("    {} cases", cases.len());
    Ok(())
}

/// The scripted speaker's host and the ports where it listens.
pub(super) struct Stage {
    pub(super) listeners: Vec<Listener>,
}

impl Stage {
    pub(super) fn new(site: &mut Site, ports: usize) -> Result<Self> {
        let host = site.host("scripted", NUMBER)?;
        let open = |port| Listener::open(&host, SocketAddr::from((Net::Data.v4(NUMBER), port)));
        let listeners = (FIRST_PORT..).take(ports).map(open).collect::<Result<_>>()?;
        Ok(Self { listeners })
    }
}

/// Both VIPs, debug logs, and no peer yet.
pub(super) fn spec(site: &Site) -> Spec {
    site.spec(1, &[]).flag("address", format!("{VIP},{VIP6}")).switch("log=-4")
}

/// The scripted speaker's `index`th port as a peer.
pub(super) fn peer(asn: u32, port: u16) -> String {
    format!("{}:{asn}::false:{port}", Net::Data.v4(NUMBER))
}

/// An OPEN that vipcast has no objection to.
pub(super) fn good_open(asn: u16) -> Vec<u8> {
    open_with(asn, HOLD, &wire::capabilities(asn.into()))
}

/// An OPEN with these capabilities in one parameter.
pub(super) fn open_with(asn: u16, hold: u16, capabilities: &[u8]) -> Vec<u8> {
    wire::open(asn, hold, ID, &wire::parameter(2, capabilities))
}

/// Reads until both VIPs and both ends are told; the bodies of the UPDATEs with routes. (The session may be up before the
/// addresses are bound: the ends come first then.)
pub(super) fn read_routes(session: &mut Session) -> Result<Vec<Vec<u8>>> {
    let (mut routes, mut ends) = (Vec::new(), 0);
    while routes.len() < 2 || ends < 2 {
        let message = session.message(SOON).with_context(|| format!("after {ends} ends and {routes:02x?}"))?;
        match message.bytes.as_slice() {
            wire::KEEPALIVE => {}
            wire::END_OF_RIB | wire::END_OF_RIB6 => ends += 1,
            _ => routes.push(message.body),
        }
    }
    Ok(routes)
}

/// The session is up and in step: the first of its routes comes when its family is asked for (RFC 2918).
pub(super) fn still_up(session: &mut Session, routes: &[Vec<u8>]) -> Result<()> {
    session.send(&wire::route_refresh(1, 1))?;
    let mut came = Vec::new();
    while came.len() < 2 {
        let message = session.message(SOON).with_context(|| format!("after {came:02x?}"))?;
        if message.bytes != wire::KEEPALIVE {
            came.push(message.body);
        }
    }
    let route = routes.first().context("no route came")?;
    ensure!(came == [route.as_slice(), &[0; 4]], "the session is not in step: {came:02x?}");
    Ok(())
}
