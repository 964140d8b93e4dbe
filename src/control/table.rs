//! The document as text for people, within 100 columns where words allow. Pure.

use super::status::{Configuration, Drain, Event, Leadership, Mode, Peer, Role, Said, Since, Status, Vip};

/// Longer lines are broken.
const WIDTH: usize = 100;
/// So many events are shown; the document has all.
const EVENTS: usize = 12;

/// The whole text.
#[must_use]
pub fn render(status: &Status) -> String {
    let mut text = Text::default();
    head(&mut text, status);
    text.rows(
        &["VIP", "BOUND", "ANNOUNCED TO", "SINCE"],
        status.vips.iter().flat_map(|vip| vip_rows(vip, &status.peers)),
    );
    for vip in &status.vips {
        if let Some(why) = &vip.why_not {
            text.line("  ", &format!("{}: {why}", vip.address));
        }
    }
    text.blank();
    text.rows(&["PEER", "STATE", "SINCE", "HOLD", "BFD", "ROUTES", "NAME"], status.peers.iter().map(peer_row));
    status.peers.iter().for_each(|peer| remarks(&mut text, peer));
    text.blank();
    events(&mut text, &status.events);
    text.0
}

fn head(text: &mut Text, status: &Status) {
    let up = age(&status.started);
    text.line("", &format!("vipcast {} on {}, up {up}, {}", status.vipcast, status.node, status.time));
    match (&status.leadership, status.mode) {
        (Some(leadership), _) => leads(text, leadership, &status.node),
        (None, Mode::Anycast) => text.field("lease", "none: every node announces (anycast)"),
        (None, Mode::Lease) => text.field("lease", "not asked for yet"),
    }
    let fitness = &status.fitness;
    let state = if fitness.state == "unchecked" {
        "not checked".to_owned()
    } else {
        format!("{} since {}", fitness.state, age(&fitness.since))
    };
    text.field("health", &joined(state, fitness.reason.clone()));
    if let Some(Said { at, text: error }) = &fitness.last_error {
        text.field("", &format!("last failure {} ago: {error}", age(at)));
    }
    text.field("drain", &drain(&status.drain));
    configuration(text, &status.configuration);
    text.blank();
}

/// Nothing where all is as it should be.
fn configuration(text: &mut Text, configuration: &Configuration) {
    let Configuration { since, refused, needs_restart } = configuration;
    let mut name = "config";
    if let Some(refused) = refused {
        let (of, ago) = (age(since), age(&refused.since));
        text.field(name, &format!("that of {of} ago stays: since {ago} there is a newer one, which is wrong"));
        refused.mistakes.iter().for_each(|mistake| text.field("", mistake));
        name = "";
    }
    if !needs_restart.is_empty() {
        text.field(name, &format!("a restart is needed for {}", needs_restart.join(", ")));
    }
}

fn joined(state: String, reason: Option<String>) -> String {
    reason.map_or(state.clone(), |reason| format!("{state}: {reason}"))
}

fn leads(text: &mut Text, leadership: &Leadership, node: &str) {
    let Leadership { lease, role, holder, term, seconds_left, since, last_holder, fit_others, handover } = leadership;
    let left = seconds_left.map(|left| format!(", {left:.1} s left")).unwrap_or_default();
    let term = term.map(|term| format!(", term {term}")).unwrap_or_default();
    let holder = holder.as_deref().unwrap_or("nobody, as far as is known here");
    let said = match role {
        Role::Holder => format!("held by this node, {node}{term}{left}"),
        Role::Follower => format!("held by {holder}"),
        Role::Standby => format!("held by {holder}; this node is its standby{left}"),
        Role::Twin => format!("held by another process on this node under its name, {node}: stop one of them"),
    };
    text.field("lease", &format!("{lease}: {said}, since {}", age(since)));
    if let Some(last) = last_holder {
        let fence =
            if last.fenced { "its routes lose against later ones" } else { "no vipcast: its routes are not fenced" };
        text.field("", &format!("before: {} ({fence})", last.node));
    }
    if !fit_others.is_empty() {
        text.field("", &format!("also fit: {}", fit_others.join(", ")));
    } else if *role == Role::Holder {
        text.field("", "no other node is known to be fit");
    }
    if let Some(handover) = handover {
        text.field("", handover);
    }
}

fn drain(drain: &Drain) -> String {
    if !drain.drained {
        return "no".to_owned();
    }
    let whose = match (drain.by_hand, drain.cordoned) {
        (true, true) => "by hand, and the node is cordoned",
        (false, true) => "the node is cordoned",
        (_, false) => "by hand",
    };
    let lasts = if drain.persistent { ", also after a restart" } else { "" };
    let since = drain.since.as_ref().map(|since| format!(" since {}", age(since))).unwrap_or_default();
    let done = if drain.done { "nothing is announced or bound here" } else { "not done yet" };
    format!("{whose}{since}{lasts}; {done}")
}

fn vip_rows(vip: &Vip, peers: &[Peer]) -> Vec<Vec<String>> {
    let bound = if vip.bound { "yes" } else { "no" };
    let to = |peer: &String| match peers.iter().find(|known| known.peer == *peer).map(|peer| &peer.description) {
        Some(Some(name)) => format!("{peer} {name}"),
        _ => peer.clone(),
    };
    let mut rows: Vec<Vec<String>> =
        vip.announced_to.iter().map(|told| vec![to(&told.peer), age(&told.since)]).collect();
    rows.extend(vip.withdrawing_from.iter().map(|peer| vec![to(peer), "being withdrawn".to_owned()]));
    if rows.is_empty() {
        rows.push(vec![if vip.wanted { "nobody" } else { "nobody, not wanted" }.to_owned(), "-".to_owned()]);
    }
    let first = [vip.address.clone(), bound.to_owned()];
    let rest = [String::new(), String::new()];
    let heads = std::iter::once(first).chain(std::iter::repeat(rest));
    heads.zip(rows).map(|(head, row)| head.into_iter().chain(row).collect()).collect()
}

fn peer_row(peer: &Peer) -> Vec<String> {
    let hold = match peer.hold_time_seconds {
        None => "-".to_owned(),
        Some(0) => "none".to_owned(),
        Some(seconds) => format!("{seconds} s"),
    };
    let bfd = peer.bfd.as_ref().map_or("-".to_owned(), |bfd| match bfd.detection_ms {
        Some(ms) => format!("{} {ms} ms", bfd.state),
        None => bfd.state.clone(),
    });
    let name = peer.description.clone().unwrap_or_default();
    let since = age(&peer.since);
    vec![peer.peer.clone(), peer.state.clone(), since, hold, bfd, peer.announced.len().to_string(), name]
}

/// What there is to say about a peer beside its row.
fn remarks(text: &mut Text, peer: &Peer) {
    let is_up = peer.state == "Established";
    let mut remarks: Vec<String> = Vec::new();
    let error = peer.last_error.as_ref().filter(|_| !is_up);
    remarks.extend(error.map(|error| format!("last failure: {error}")));
    let said = |what: &str, said: &Option<Said>| {
        said.as_ref().map(|said| format!("{what} {} ago: {}", age(&said.at), said.text))
    };
    let down = said("was up until", &peer.last_down);
    remarks.extend(down.filter(|down| error.is_none_or(|error| !down.ends_with(error.as_str()))));
    remarks.extend(said("sent", &peer.last_sent));
    remarks.extend(said("received", &peer.last_received));
    if let Some(bfd) = &peer.bfd {
        let failed = bfd.last_failure.as_ref();
        remarks.extend(failed.map(|why| format!("BFD failed {}, last: {why}", times(bfd.failures))));
        remarks.extend(bfd.trouble.as_ref().map(|trouble| format!("BFD: {trouble}")));
    }
    remarks.extend(peer.unsendable.iter().map(|route| format!("{} is not sent: {}", route.route, route.why)));
    for remark in remarks {
        text.line("  ", &format!("{}: {remark}", peer.peer));
    }
}

fn events(text: &mut Text, events: &[Event]) {
    let shown = events.get(events.len().saturating_sub(EVENTS)..).unwrap_or_default();
    let more =
        if shown.len() < events.len() { format!(" (the last {EVENTS}; --json has more)") } else { String::new() };
    text.line("", &format!("EVENTS{more}"));
    for event in shown {
        // The date is in the head, or not worth its room.
        let time = event.at.time.split_once('T').map_or(event.at.time.as_str(), |(_, time)| time);
        text.hanging(&format!("  {} ", time.trim_end_matches('Z')), &event.text);
    }
}

/// Routers, API servers and other nodes had a say in most of it: what would move a terminal's cursor, end the line or turn
/// its direction is shown as it is written in a program.
fn shown(text: &str) -> String {
    let is_foul = |c: char| {
        c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_foul(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// How long ago, in at most two units.
fn age(since: &Since) -> String {
    let seconds = since.seconds_ago;
    if seconds < 10.0 {
        return format!("{seconds:.1} s");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates, and is not negative")]
    let seconds = seconds as u64;
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        86_400.. => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn blank(&mut self) {
        self.0.push('\n');
    }

    /// Columns as wide as their widest cell.
    fn rows(&mut self, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        let head: Vec<String> = head.iter().map(|&word| word.to_owned()).collect();
        let rows = rows.into_iter().map(|row| row.iter().map(|cell| shown(cell)).collect());
        let all: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
        let count = all.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or_default()).collect();
        for row in &all {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            self.0.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            self.0.push('\n');
        }
    }

    /// A name of at most eight letters and what it stands for.
    fn field(&mut self, name: &str, value: &str) {
        self.hanging(&format!("{name:8}"), value);
    }

    /// A sentence; its further lines are indented by two more.
    fn line(&mut self, indent: &str, sentence: &str) {
        self.broken(indent, &format!("{indent}  "), sentence);
    }

    /// A sentence behind a head; its further lines stand below its first word.
    fn hanging(&mut self, head: &str, sentence: &str) {
        self.broken(head, &" ".repeat(head.chars().count()), sentence);
    }

    fn broken(&mut self, first: &str, further: &str, sentence: &str) {
        let mut line = first.to_owned();
        let mut is_begun = false;
        for word in shown(sentence).split(' ') {
            if is_begun && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.0.push_str(line.trim_end());
                self.0.push('\n');
                further.clone_into(&mut line);
                is_begun = false;
            }
            if is_begun {
                line.push(' ');
            }
            line.push_str(word);
            is_begun = true;
        }
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }
}

#[cfg(all(test, feature = "daemon"))]
mod tests;
