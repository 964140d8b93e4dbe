use proptest::prelude::*;

use super::*;

/// Up, Poll, multiplier 3, discriminators 1 and 2, 300 ms both ways, no echo.
const UP: [u8; LEN] = [0x20, 0xe0, 3, 24, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0x04, 0x93, 0xe0, 0, 0x04, 0x93, 0xe0, 0, 0, 0, 0];

fn up() -> Packet {
    Packet {
        diagnostic: Diagnostic::NONE,
        state: State::Up,
        poll: true,
        is_final: false,
        control_plane_independent: false,
        demand: false,
        multiplier: 3,
        my_discriminator: NonZeroU32::MIN,
        your_discriminator: NonZeroU32::new(2),
        desired_min_tx: 300_000,
        required_min_rx: 300_000,
        required_min_echo_rx: 0,
    }
}

/// [`UP`] with some octets changed, and so many octets of it.
fn changed(changes: &[(usize, u8)], octets: usize) -> Vec<u8> {
    let mut bytes = UP.to_vec();
    bytes.resize(octets.max(LEN), 0);
    for (at, value) in changes {
        bytes[*at] = *value;
    }
    bytes.truncate(octets);
    bytes
}

#[test]
fn a_packet_is_laid_out_as_in_section_4_1() {
    assert_eq!(up().encode(), UP);
    assert_eq!(decode(&UP), Ok(up()));
    let every_bit = Packet {
        diagnostic: Diagnostic::new(31),
        state: State::Down,
        poll: false,
        is_final: true,
        control_plane_independent: true,
        demand: true,
        ..up()
    };
    assert_eq!(every_bit.encode()[..2], [0x3f, 0x5a]);
    assert_eq!(decode(&every_bit.encode()), Ok(every_bit));
}

#[test]
fn what_section_6_8_6_discards_is_discarded() {
    const AUTHENTICATED: u8 = 0xc4;
    type Case = (&'static [(usize, u8)], usize, Discard);
    let cases: &[Case] = &[
        (&[], 0, Discard::Short(0)),
        (&[], 23, Discard::Short(23)),
        (&[(0, 0x00)], 24, Discard::Version(0)),
        (&[(0, 0x40)], 24, Discard::Version(2)),
        (&[(3, 23)], 24, Discard::Length { length: 23, octets: 24 }),
        (&[(3, 25)], 24, Discard::Length { length: 25, octets: 24 }),
        (&[(1, AUTHENTICATED), (3, 25)], 26, Discard::Length { length: 25, octets: 26 }),
        (&[(1, AUTHENTICATED), (3, 26)], 26, Discard::Authenticated),
        (&[(1, AUTHENTICATED), (3, 26)], 25, Discard::Length { length: 26, octets: 25 }),
        (&[(2, 0)], 24, Discard::Multiplier),
        (&[(1, 0xe1)], 24, Discard::Multipoint),
        (&[(7, 0)], 24, Discard::MyDiscriminator),
        (&[(11, 0)], 24, Discard::YourDiscriminator(State::Up)),
        (&[(1, 0x80), (11, 0)], 24, Discard::YourDiscriminator(State::Init)),
    ];
    for (changes, octets, expected) in cases {
        assert_eq!(decode(&changed(changes, *octets)), Err(*expected), "{changes:?}, {octets} octets");
    }
}

#[test]
fn no_discriminator_is_needed_in_down_and_admin_down_nor_is_the_rest_of_the_datagram() {
    let first = |bits, state| {
        let expected = Packet { state, poll: false, your_discriminator: None, ..up() };
        assert_eq!(decode(&changed(&[(1, bits), (11, 0)], 40)), Ok(expected));
    };
    first(0x40, State::Down);
    first(0x00, State::AdminDown);
}

#[test]
fn diagnostics_have_their_names() {
    let names: Vec<String> = (0..10).map(|code| Diagnostic::new(code).to_string()).collect();
    assert_eq!(
        names,
        [
            "No Diagnostic",
            "Control Detection Time Expired",
            "Echo Function Failed",
            "Neighbor Signaled Session Down",
            "Forwarding Plane Reset",
            "Path Down",
            "Concatenated Path Down",
            "Administratively Down",
            "Reverse Concatenated Path Down",
            "diagnostic 9",
        ]
    );
}

prop_compose! {
    fn packet()(
        (diagnostic, bits) in (any::<u8>(), any::<u8>()),
        (multiplier, mine, yours) in (1..=u8::MAX, 1..=u32::MAX, 1..=u32::MAX),
        (desired_min_tx, required_min_rx, required_min_echo_rx) in any::<(u32, u32, u32)>(),
        known in any::<bool>(),
    ) -> Packet {
        let state = State::from_bits(bits >> 6);
        let must_know = matches!(state, State::Init | State::Up);
        Packet {
            diagnostic: Diagnostic::new(diagnostic),
            state,
            poll: bits & 1 != 0,
            is_final: bits & 2 != 0,
            control_plane_independent: bits & 4 != 0,
            demand: bits & 8 != 0,
            multiplier,
            my_discriminator: NonZeroU32::new(mine).unwrap(),
            your_discriminator: NonZeroU32::new(yours).filter(|_| known || must_know),
            desired_min_tx,
            required_min_rx,
            required_min_echo_rx,
        }
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(packet in packet()) {
        prop_assert_eq!(decode(&packet.encode()), Ok(packet));
    }

    #[test]
    fn any_bytes_are_read_without_panic_and_what_is_read_is_written_the_same(
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        changes in prop::collection::vec((0..LEN, any::<u8>()), 0..4),
    ) {
        for bytes in [bytes, changed(&changes, LEN)] {
            if let Ok(packet) = decode(&bytes) {
                // The Length field may count octets behind the packet.
                let mut written = packet.encode();
                written[3] = bytes[3];
                prop_assert_eq!(&written[..], &bytes[..LEN]);
            }
        }
    }
}
