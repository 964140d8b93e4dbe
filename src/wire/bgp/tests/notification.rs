//! NOTIFICATION: what it says on the wire and in a log.

use super::*;

#[test]
fn text_is_shown_with_its_name_and_numbers() {
    let cease = Notification::administrative_shutdown("node is drained");
    assert_eq!(cease.to_string(), r#"Cease/Administrative Shutdown (6/2): "node is drained""#);
    assert_eq!(cease.text(), Some("node is drained"));
}

#[test]
fn text_of_a_peer_cannot_break_a_line_or_a_terminal() {
    let cease = Notification::administrative_shutdown("a\nb\u{1b}[2J\"\u{202e}ü");
    let reset = Notification::with_data(error::CEASE_ADMINISTRATIVE_RESET, cease.data);
    assert_eq!(reset.to_string(), r#"Cease/Administrative Reset (6/4): "a\nb\u{1b}[2J\"\u{202e}ü""#);
}

#[test]
fn empty_text_is_no_text() {
    assert_eq!(Notification::administrative_shutdown("").to_string(), "Cease/Administrative Shutdown (6/2)");
    assert_eq!(
        Notification::plain(error::CEASE_ADMINISTRATIVE_SHUTDOWN).to_string(),
        "Cease/Administrative Shutdown (6/2)"
    );
}

#[test]
fn text_whose_length_or_letters_are_wrong_is_shown_as_octets() {
    assert_eq!(notification((6, 2), "05 6162").to_string(), "Cease/Administrative Shutdown (6/2): 0x056162");
    assert_eq!(notification((6, 4), "02 ffff").to_string(), "Cease/Administrative Reset (6/4): 0x02ffff");
}

#[test]
fn text_belongs_to_two_errors_only() {
    assert_eq!(notification((6, 3), "02 6162").to_string(), "Cease/Peer De-configured (6/3): 0x026162");
}

#[test]
fn text_is_cut_at_255_octets_between_two_characters() {
    let cease = Notification::administrative_shutdown(&"ü".repeat(200));
    assert_eq!(cease.text(), Some("ü".repeat(127).as_str()));
    assert_eq!((cease.data.len(), cease.data[0]), (255, 254));
    let cease = Notification::administrative_shutdown(&"u".repeat(256));
    assert_eq!(cease.text(), Some("u".repeat(255).as_str()));
}

#[test]
fn data_is_hexadecimal_and_cut() {
    assert_eq!(notification((1, 2), "0012").to_string(), "Message Header Error/Bad Message Length (1/2): 0x0012");
    let long = Notification::with_data(error::UNRECOGNIZED_WELL_KNOWN, vec![0xab; 4000]);
    let shown = "ab".repeat(32);
    assert_eq!(
        long.to_string(),
        format!("UPDATE Message Error/Unrecognized Well-known Attribute (3/2): 0x{shown} and 3968 octets more"),
    );
}

#[test]
fn unknown_codes_are_numbers() {
    assert_eq!(notification((9, 0), "").to_string(), "error code 9 (9/0)");
    assert_eq!(notification((9, 1), "").to_string(), "error code 9/subcode 1 (9/1)");
    assert_eq!(notification((6, 99), "").to_string(), "Cease/subcode 99 (6/99)");
    assert_eq!(notification((4, 0), "").to_string(), "Hold Timer Expired (4/0)");
    assert_eq!(notification((5, 0), "").to_string(), "Finite State Machine Error (5/0)");
    assert_eq!(notification((8, 0), "").to_string(), "Send Hold Timer Expired (8/0)");
}

#[test]
fn each_one_we_send_is_what_its_rfc_says() {
    assert_eq!(Notification::hold_timer_expired(), notification((4, 0), ""));
    let unexpected = [
        (error::UNEXPECTED_IN_OPEN_SENT, MessageType::Update, notification((5, 1), "02")),
        (error::UNEXPECTED_IN_OPEN_CONFIRM, MessageType::Open, notification((5, 2), "01")),
        (error::UNEXPECTED_IN_ESTABLISHED, MessageType::RouteRefresh, notification((5, 3), "05")),
    ];
    for (error, kind, expected) in unexpected {
        assert_eq!(Notification::unexpected_message(error, kind), expected);
    }
    let missing = [Capability::Multiprotocol(Family::Ipv6Unicast), Capability::RouteRefresh];
    assert_eq!(Notification::unsupported_capability(&missing), notification((2, 7), "0104 00020001 0200"));
}

#[test]
fn data_too_long_for_a_message_is_cut() {
    let long = Notification::with_data(error::OPTIONAL_ATTRIBUTE, vec![1; 5000]);
    let bytes = encode(&Outgoing::Notification(long), &EBGP);
    let cut = Notification::with_data(error::OPTIONAL_ATTRIBUTE, vec![1; 4075]);
    assert_eq!(decode(&bytes, &EBGP), Ok(Message::Notification(cut)));
}

/// RFC 4271 §6.4: an unknown code is no error, there would be nobody to tell.
#[test]
fn unknown_code_is_read() {
    let expected = notification((200, 201), "ca");
    assert_eq!(decode(&message(3, &hex("c8c9ca")), &EBGP), Ok(Message::Notification(expected)));
}
