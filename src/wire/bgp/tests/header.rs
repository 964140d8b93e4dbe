//! RFC 4271 §6.1: the header, as early as its bytes are there.

use super::*;

#[test]
fn marker_not_all_ones_is_1_1_at_its_first_wrong_octet() {
    for wrong in 0..16 {
        let mut bytes = message(4, &[]);
        bytes[wrong] = 0xfe;
        for len in 0..=bytes.len() {
            let expected = if len > wrong { Err(notification((1, 1), "")) } else { Ok(None) };
            assert_eq!(frame_len(&bytes[..len]), expected, "octet {wrong} wrong, {len} octets there");
        }
    }
}

#[test]
fn length_out_of_bounds_is_1_2_with_the_length() {
    for len in [0_u16, 18, 4097, 65535] {
        let mut bytes = message(2, &[0; 4]);
        bytes[16..18].copy_from_slice(&len.to_be_bytes());
        assert_eq!(frame_len(&bytes[..18]), Ok(None));
        assert_eq!(frame_len(&bytes[..19]), Err(notification((1, 2), &format!("{len:04x}"))));
    }
}

#[test]
fn length_that_its_type_cannot_have_is_1_2_with_the_length() {
    for (kind, len) in [(1, 28), (2, 22), (3, 20), (4, 20), (4, 4096), (5, 22), (5, 19)] {
        let bytes = message(kind, &vec![0; len - 19]);
        let expected = notification((1, 2), &format!("{len:04x}"));
        assert_eq!(frame_len(&bytes[..19]), Err(expected.clone()), "type {kind}, {len} octets");
        assert_eq!(decode(&bytes, &EBGP), Err(expected));
    }
}

#[test]
fn shortest_and_longest_of_each_type_are_legal() {
    for (kind, len) in [(1, 29), (1, 4096), (2, 23), (2, 4096), (3, 21), (3, 4096), (4, 19), (5, 23), (5, 4096)] {
        let bytes = message(kind, &vec![0; len - 19]);
        assert_eq!(frame_len(&bytes), Ok(Some(len)), "type {kind}, {len} octets");
    }
}

/// CVE-2023-46565: GoBGP 3.10 exits on types 0 and 6.
#[test]
fn unknown_type_is_1_3_with_the_octet() {
    for kind in [0, 6, 255] {
        let expected = Err(notification((1, 3), &format!("{kind:02x}")));
        assert_eq!(frame_len(&message(kind, &[])), expected);
        assert_eq!(frame_len(&message(kind, &[0; 40])), expected);
        assert_eq!(message_type(&message(kind, &[])), None);
    }
}

#[test]
fn message_is_whole_at_its_last_octet_and_the_next_one_does_not_matter() {
    let mut bytes = message(5, &hex("0001 00 01"));
    let len = bytes.len();
    bytes.extend(hex("00"));
    for there in 0..len {
        assert_eq!(frame_len(&bytes[..there]), Ok(None));
    }
    assert_eq!(frame_len(&bytes[..len]), Ok(Some(len)));
    assert_eq!(frame_len(&bytes), Ok(Some(len)));
}

#[test]
fn decode_of_what_is_not_one_whole_message_is_1_2() {
    let bytes = message(5, &hex("0001 00 01"));
    let two = [bytes.clone(), bytes.clone()].concat();
    assert_eq!(decode(&bytes[..22], &EBGP), Err(notification((1, 2), "0016")));
    assert_eq!(decode(&two, &EBGP), Err(notification((1, 2), "002e")));
    assert_eq!(decode(&[], &EBGP), Err(notification((1, 2), "0000")));
}

/// RFC 4271 §6.4: the caller sees that the error is in a NOTIFICATION, and keeps silent.
#[test]
fn type_is_known_once_its_octet_is_there() {
    let short = message(3, &hex("06"));
    assert_eq!(frame_len(&short), Err(notification((1, 2), "0014")));
    assert_eq!(message_type(&short[..19]), Some(MessageType::Notification));
    assert_eq!(message_type(&short[..18]), None);
}

#[test]
fn kind_of_each_message_is_its_type_octet() {
    let kinds = [
        (Outgoing::Keepalive, 4),
        (Outgoing::Update(Update::EndOfRib(Family::Ipv4Unicast)), 2),
        (Outgoing::Notification(Notification::hold_timer_expired()), 3),
        (Outgoing::RouteRefresh(Family::Ipv4Unicast), 5),
        (Outgoing::Open(Open { asn: 1, hold_time: 3, id: Ipv4Addr::LOCALHOST, capabilities: Vec::new() }), 1),
    ];
    for (outgoing, octet) in kinds {
        let decoded = decode(&encode(&outgoing, &EBGP), &EBGP).unwrap();
        assert_eq!(decoded.kind().octet(), octet);
    }
}

/// What is taken of a stream that arrives in these pieces, and the error that ends it.
fn taken(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Option<Notification>) {
    let (mut inbox, mut frames) = (Inbox::default(), Vec::new());
    for piece in pieces {
        inbox.push(piece);
        loop {
            match inbox.next_frame() {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

#[test]
fn a_stream_cut_anywhere_gives_the_same_messages() {
    let frames = vec![message(4, &[]), message(3, &[6, 2]), message(2, &[0, 0, 0, 0])];
    let stream = frames.concat();
    for at in 0..=stream.len() {
        assert_eq!(taken(&[&stream[..at], &stream[at..]]), (frames.clone(), None));
    }
    let octets: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(taken(&octets), (frames.clone(), None));
    let broken = [stream.as_slice(), &[0]].concat();
    let error = notification(error::CONNECTION_NOT_SYNCHRONIZED, "");
    assert_eq!(taken(&[&broken]), (frames, Some(error)));
}

#[test]
fn what_was_thrown_away_does_not_come_back() {
    let mut inbox = Inbox::default();
    inbox.push(&message(4, &[]));
    assert_eq!(inbox.next_type(), Some(MessageType::Keepalive));
    inbox.clear();
    assert_eq!((inbox.next_type(), inbox.next_frame()), (None, Ok(None)));
}
