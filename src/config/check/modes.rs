//! What is on, what is on that cannot be, and what belongs to neither.

use super::Command;
use super::metal;
use super::reader::Reader;
use crate::config::options::{
    BGP, CONTROL_PLANE, Class, ELECTION_TYPE, Kind, LEADER_ELECTION, Mode, OPTIONS, RAFT_LOCAL, RAFT_PEERS, Spec,
};
use crate::config::scalar::go_bool;

/// Whether the rest is worth checking: a configuration for another mode has other options.
pub(super) fn modes(r: &mut Reader<'_>, command: Command) -> bool {
    let on: Vec<Mode> = OPTIONS.iter().filter_map(|&spec| refused(r, spec)).collect();
    let bgp = r.switch(&BGP);
    let eip = metal::is_eip(r);
    let raft = if bgp == Some(false) && !eip { raft(r) } else { None };
    if let Some(spec) = raft {
        let text = "raft among listed peers: not built yet, and each of them would announce for itself; add --bgp and \
                    --leaderElection";
        r.mistake(spec, text);
    }
    let elsewhere = raft.is_some() || on.iter().any(|mode| matches!(mode, Mode::Arp | Mode::Table | Mode::WireGuard));
    if bgp == Some(false) && !elsewhere && !eip {
        r.mistake(&BGP, "no mode is on, and BGP is the only one built so far; add --bgp");
    }
    let implied = command == Command::Start || on.contains(&Mode::Services);
    if r.switch(&CONTROL_PLANE) == Some(false) && !implied {
        r.mistake(&CONTROL_PLANE, "no features are enabled; add --controlplane");
    }
    if raft.is_none() {
        OPTIONS.iter().for_each(|&spec| idle(r, spec, &on));
    }
    bgp == Some(true) || !elsewhere
}

/// The mode that an option turns on, if it does; it is refused.
fn refused(r: &mut Reader<'_>, spec: &'static Spec) -> Option<Mode> {
    let Class::Turns(mode) = spec.class else { return None };
    let is_on = match (mode, spec.kind) {
        (Mode::Etcd, _) => etcd(r),
        (_, Kind::Switch) => r.switch(spec) == Some(true) && !metal::is_instead_of(r, spec),
        _ => r.text(spec).is_some_and(|text| text != spec.default),
    };
    if !is_on {
        return None;
    }
    let remedy = match mode {
        Mode::Etcd => "give kubernetes",
        _ if spec.kind == Kind::Switch => "turn it off",
        _ => "leave it out",
    };
    r.mistake(spec, format!("{}: not built yet, only the control plane over BGP is; {remedy}", mode.title()));
    Some(mode)
}

fn etcd(r: &mut Reader<'_>) -> bool {
    match r.text(&ELECTION_TYPE) {
        Some("etcd") => go_bool(r.raw.get(&LEADER_ELECTION).text) == Some(true),
        None | Some("kubernetes") => false,
        Some(other) => {
            r.mistake(&ELECTION_TYPE, format!("{other:?} is not a kind of election; expected kubernetes"));
            false
        }
    }
}

/// The option by which raft is asked for: the members are listed, and nothing else says who announces.
fn raft(r: &Reader<'_>) -> Option<&'static Spec> {
    let election = go_bool(r.raw.get(&LEADER_ELECTION).text) == Some(true);
    [&RAFT_PEERS, &RAFT_LOCAL].into_iter().find(|spec| !election && r.text(spec).is_some())
}

/// Says what an option that was given does not do.
fn idle(r: &mut Reader<'_>, spec: &'static Spec, on: &[Mode]) {
    let Some(text) = r.text(spec).filter(|_| !r.is_default(spec)) else { return };
    let asks_nothing = spec.kind == Kind::Switch && go_bool(text) == Some(false);
    match spec.class {
        Class::Works | Class::Turns(_) => {}
        Class::Of(Mode::Raft) if !asks_nothing => {
            let instead = if go_bool(r.raw.get(&LEADER_ELECTION).text) == Some(true) {
                "the lease says which node announces"
            } else {
                "without --leaderElection every node announces"
            };
            r.warn(spec, format!("is ignored: there is no raft, {instead}"));
        }
        Class::Of(mode) if !on.contains(&mode) => r.note(spec, format!("has no effect without {}", mode.title())),
        Class::Of(_) => {}
        Class::Anyway(how) => r.note(spec, format!("has no effect: {how}")),
        Class::Ignored(why) if asks_nothing => r.note(spec, format!("has no effect: {why}")),
        Class::Ignored(why) => r.warn(spec, format!("is ignored: {why}")),
    }
}
