use super::*;
use crate::control::status::LastHolder;
use crate::control::status::tests::example;

/// The line of this name.
fn field(status: &Status, name: &str) -> String {
    let text = render(status);
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_default().trim().to_owned()
}

#[test]
fn everything_there_can_be_said() {
    let text = render(&example());
    assert_eq!(text, include_str!("example.txt"));
    assert_eq!(text.lines().find(|line| line.chars().count() > WIDTH), None);
}

#[test]
fn who_holds_the_lease() {
    let said = |change: fn(&mut Leadership)| {
        let mut status = example();
        let leadership = status.leadership.as_mut().unwrap();
        leadership.fit_others.clear();
        change(leadership);
        let text = render(&status);
        let (_, rest) = text.split_once("plndr-cp-lock: ").unwrap();
        let (said, _) = rest.split_once("\nhealth").unwrap();
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        said(|leadership| {
            leadership.role = Role::Follower;
            (leadership.term, leadership.seconds_left, leadership.last_holder) = (None, None, None);
            leadership.holder = Some("n2".to_owned());
        }),
        "held by n2, since 6 min 39 s"
    );
    assert_eq!(
        said(|leadership| {
            leadership.role = Role::Follower;
            (leadership.term, leadership.seconds_left, leadership.last_holder) = (None, None, None);
            leadership.holder = None;
        }),
        "held by nobody, as far as is known here, since 6 min 39 s"
    );
    assert_eq!(
        said(|leadership| {
            leadership.role = Role::Standby;
            (leadership.term, leadership.seconds_left) = (None, Some(4.96));
            leadership.holder = Some("n2".to_owned());
            leadership.last_holder = Some(LastHolder { node: "n3".to_owned(), fenced: false });
            leadership.handover = Some("offered to n3".to_owned());
        }),
        "held by n2; this node is its standby, 5.0 s left, since 6 min 39 s \
         before: n3 (no vipcast: its routes are not fenced) offered to n3"
    );
    assert_eq!(
        said(|leadership| {
            leadership.role = Role::Twin;
            (leadership.term, leadership.seconds_left, leadership.last_holder) = (None, None, None);
        }),
        "held by another process on this node under its name, n1: stop one of them, since 6 min 39 s"
    );
    assert_eq!(
        said(|leadership| (leadership.term, leadership.seconds_left, leadership.last_holder) =
            (Some(7), Some(1.0), None)),
        "held by this node, n1, term 7, 1.0 s left, since 6 min 39 s no other node is known to be fit"
    );
}

#[test]
fn how_far_a_drain_is() {
    let since = || Some(Since { time: "2026-11-21T16:10:52.500Z".to_owned(), seconds_ago: 1.5 });
    let said = |by_hand, cordoned, persistent, done| {
        let drain = Drain { drained: true, by_hand, persistent, cordoned, since: since(), done };
        field(&Status { drain, ..example() }, "drain")
    };
    assert_eq!(said(true, false, false, false), "by hand since 1.5 s; not done yet");
    assert_eq!(
        said(true, false, true, true),
        "by hand since 1.5 s, also after a restart; nothing is announced or bound here"
    );
    assert_eq!(said(false, true, false, false), "the node is cordoned since 1.5 s; not done yet");
    assert_eq!(said(true, true, false, false), "by hand, and the node is cordoned since 1.5 s; not done yet");
}

#[test]
fn ages_have_two_units_at_most() {
    let ages = [0.04, 9.94, 10.0, 59.9, 60.0, 3599.0, 3600.0, 86_399.0, 86_400.0, 900_000.0];
    let said = ages.map(|seconds_ago| age(&Since { time: String::new(), seconds_ago }));
    let expected = [
        "0.0 s",
        "9.9 s",
        "10 s",
        "59 s",
        "1 min 0 s",
        "59 min 59 s",
        "1 h 0 min",
        "23 h 59 min",
        "1 d 0 h",
        "10 d 10 h",
    ];
    assert_eq!(said, expected);
}

#[test]
fn what_others_say_moves_no_cursor() {
    let mut status = example();
    let foul = "n\u{1b}[2J\n9\u{202e}";
    status.leadership.as_mut().unwrap().fit_others = vec![foul.to_owned()];
    status.fitness.last_error.as_mut().unwrap().text = foul.to_owned();
    status.peers[0].description = Some(foul.to_owned());
    status.events.last_mut().unwrap().text = foul.to_owned();
    let text = render(&status);
    assert_eq!(text.lines().count(), render(&example()).lines().count());
    assert_eq!(text.chars().find(|c| *c != '\n' && (c.is_control() || *c == '\u{202e}')), None);
    assert_eq!(text.matches("n\\u{1b}[2J\\n9\\u{202e}").count(), 5, "{text}");
}

#[test]
fn an_empty_node_has_its_table_too() {
    let mut status = example();
    (status.leadership, status.mode) = (None, Mode::Anycast);
    status.events.clear();
    status.peers.clear();
    status.vips.truncate(1);
    let vip = &mut status.vips[0];
    (vip.wanted, vip.bound) = (false, false);
    vip.announced_to.clear();
    vip.withdrawing_from = vec!["10.77.0.1:179".to_owned()];
    vip.why_not = Some("this node is drained".to_owned());
    let text = render(&status);
    let (_, body) = text.split_once("\n\n").unwrap();
    assert_eq!(
        body,
        "VIP         BOUND  ANNOUNCED TO   SINCE\n10.88.0.40  no     10.77.0.1:179  being withdrawn\n  \
         10.88.0.40: this node is drained\n\nPEER  STATE  SINCE  HOLD  BFD  ROUTES  NAME\n\nEVENTS\n"
    );
    assert_eq!(field(&status, "lease"), "none: every node announces (anycast)");
}
