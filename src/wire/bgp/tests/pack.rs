//! Many UPDATEs in few messages.

use proptest::collection::vec;
use proptest::prelude::*;

use super::properties::{sessions, updates};
use super::*;

fn route(prefix: &str, med: Option<u32>) -> Update {
    let next_hop: std::net::IpAddr = if prefix.contains(':') { "2001:db8::1" } else { "192.0.2.1" }.parse().unwrap();
    Update::Announce(Route {
        prefix: prefix.parse().unwrap(),
        next_hop: next_hop.into(),
        as_path: vec![65001],
        med,
        local_pref: None,
        communities: Communities::default(),
    })
}

fn withdraw(prefix: &str) -> Update {
    Update::Withdraw(prefix.parse().unwrap())
}

fn packed(updates: impl IntoIterator<Item = Update>, session: &Session) -> Vec<u8> {
    let mut packer = Packer::new(session);
    updates.into_iter().for_each(|update| packer.push(update));
    packer.finish()
}

fn frames(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut frames) = (bytes, Vec::new());
    while let Some(len) = frame_len(rest).unwrap() {
        let (frame, more) = rest.split_at(len);
        frames.push(frame);
        rest = more;
    }
    assert!(rest.is_empty(), "half a message is left");
    frames
}

#[test]
fn neighbours_with_the_same_attributes_share_a_message() {
    let all = [
        route("10.99.0.1/32", None),
        route("10.99.0.2/32", None),
        route("10.99.0.3/32", Some(7)),
        Update::EndOfRib(Family::Ipv4Unicast),
        route("2001:db8::40/128", None),
        route("2001:db8::41/128", None),
    ];
    let attributes = "40010100 4002060201 0000FDE9";
    let expected = [
        message(2, &hex(&format!("0000 0014 {attributes} 400304C0000201 20 0A630001 20 0A630002"))),
        message(2, &hex(&format!("0000 001B {attributes} 400304C0000201 80040400000007 20 0A630003"))),
        message(2, &hex("0000 0000")),
        message(
            2,
            &hex(&format!(
                "0000 0047 800E37 0002 01 10 20010DB8000000000000000000000001 00 \
                 80 20010DB8000000000000000000000040 80 20010DB8000000000000000000000041 {attributes}"
            )),
        ),
    ];
    assert_eq!(packed(all, &EBGP), expected.concat());
}

#[test]
fn withdrawals_of_a_family_share_a_message() {
    let all = [
        withdraw("10.99.0.1/32"),
        withdraw("10.99.7.0/24"),
        withdraw("2001:db8::/32"),
        withdraw("::/0"),
        route("10.99.0.1/32", None),
        withdraw("10.99.0.2/32"),
    ];
    let expected = [
        message(2, &hex("0009 20 0A630001 18 0A6307 0000")),
        message(2, &hex("0000 000C 800F09 0002 01 20 20010DB8 00")),
        message(2, &hex("0000 0014 40010100 4002060201 0000FDE9 400304C0000201 20 0A630001")),
        message(2, &hex("0005 20 0A630002 0000")),
    ];
    assert_eq!(packed(all, &EBGP), expected.concat());
}

#[test]
fn a_message_is_filled_and_never_too_long() {
    let host = |i: u32| route(&format!("{}/32", Ipv4Addr::from_bits(0x0a63_0000 + i)), None);
    let bytes = packed((0..10_000).map(host), &EBGP);
    let lengths: Vec<usize> = frames(&bytes).iter().map(|frame| frame.len()).collect();
    // 19 + 4 + 20 octets and 5 a prefix: 810 fit, with one octet to spare for a longer attribute header.
    assert_eq!(lengths, [vec![4093; 12], vec![43 + 5 * 280]].concat());
    let six = |i: u128| route(&format!("{}/128", std::net::Ipv6Addr::from_bits((0x2001_0db8 << 96) + i)), None);
    let bytes = packed((0..1000).map(six), &EBGP);
    let lengths: Vec<usize> = frames(&bytes).iter().map(|frame| frame.len()).collect();
    assert!(lengths.iter().all(|len| *len <= MAX_LEN), "{lengths:?}");
    assert_eq!(lengths.len(), 5);
}

/// However full a message is, every community is in it.
#[test]
fn no_community_is_left_out_of_a_full_message() {
    let communities: Communities =
        ["1:1", "rt:1:1", "1:1:1"].map(|text| text.parse::<Community>().unwrap()).into_iter().collect();
    let last = hex("c020 0c 00000001 00000001 00000001");
    for path_len in 1..=5 {
        let tagged = |i: u32| match route(&format!("{}/32", Ipv4Addr::from_bits(0x0a63_0000 + i)), None) {
            Update::Announce(route) => {
                let as_path = vec![65001; path_len];
                Update::Announce(Route { as_path, communities: communities.clone(), ..route })
            }
            other => other,
        };
        let bytes = packed((0..2000).map(tagged), &EBGP);
        for frame in frames(&bytes) {
            assert!(frame.windows(last.len()).any(|window| window == last), "{path_len}: {} octets", frame.len());
        }
    }
}

proptest! {
    /// What is packed is what was told, in its order, in messages a peer accepts.
    #[test]
    fn nothing_is_lost_and_every_message_is_good(list in vec(updates(), 0..60), session in sessions()) {
        let bytes = packed(list.clone(), &session);
        let (mut announced, mut withdrawn) = (0, 0);
        for frame in frames(&bytes) {
            prop_assert!(frame.len() <= MAX_LEN);
            let Ok(Message::Update(update)) = decode(frame, &session) else { panic!("{frame:?}") };
            prop_assert_eq!(update.outcome, Outcome::Accepted);
            (announced, withdrawn) = (announced + update.announced, withdrawn + update.withdrawn);
        }
        let count = |wanted: fn(&Update) -> bool| list.iter().filter(|update| wanted(update)).count();
        prop_assert_eq!(announced, count(|update| matches!(update, Update::Announce(_))));
        prop_assert_eq!(withdrawn, count(|update| matches!(update, Update::Withdraw(_))));
    }

    /// One alone is what [`encode`] makes of it.
    #[test]
    fn one_alone_is_unchanged(update in updates(), session in sessions()) {
        prop_assert_eq!(packed([update.clone()], &session), encode(&Outgoing::Update(update), &session));
    }
}
