//! Communities as text.

use super::*;

#[test]
fn every_kind_is_read_and_written() {
    let large = Community::Large { asn: 65000, first: 1, second: 2 };
    let table = [
        ("65000:1", "65000:1", Community::Standard(0xfde8_0001)),
        ("0:0", "0:0", Community::Standard(0)),
        ("no-export", "no-export", Community::Standard(0xffff_ff01)),
        ("65535:65281", "no-export", Community::Standard(0xffff_ff01)),
        ("no-advertise", "no-advertise", Community::Standard(0xffff_ff02)),
        ("no-export-subconfed", "no-export-subconfed", Community::Standard(0xffff_ff03)),
        ("no-peer", "no-peer", Community::Standard(0xffff_ff04)),
        ("graceful-shutdown", "graceful-shutdown", Community::GRACEFUL_SHUTDOWN),
        ("blackhole", "blackhole", Community::Standard(0xffff_029a)),
        ("65000:1:2", "65000:1:2", large),
        ("rt:65000:4294967295", "rt:65000:4294967295", Community::Extended([0, 2, 0xfd, 0xe8, 255, 255, 255, 255])),
        ("rt:65000L:1", "rt:65000L:1", Community::Extended([2, 2, 0, 0, 0xfd, 0xe8, 0, 1])),
        ("rt:4200000001:1", "rt:4200000001:1", Community::Extended([2, 2, 0xfa, 0x56, 0xea, 1, 0, 1])),
        ("rt:4200000001L:1", "rt:4200000001:1", Community::Extended([2, 2, 0xfa, 0x56, 0xea, 1, 0, 1])),
        ("soo:192.0.2.1:65535", "soo:192.0.2.1:65535", Community::Extended([1, 3, 192, 0, 2, 1, 255, 255])),
        ("origin:65000:1", "soo:65000:1", Community::Extended([0, 3, 0xfd, 0xe8, 0, 0, 0, 1])),
        ("ext:4004fde800000001", "ext:4004fde800000001", Community::Extended([0x40, 4, 0xfd, 0xe8, 0, 0, 0, 1])),
        ("ext:0002FDE800000001", "rt:65000:1", Community::Extended([0, 2, 0xfd, 0xe8, 0, 0, 0, 1])),
    ];
    for (text, written, community) in table {
        assert_eq!(text.parse(), Ok(community), "{text}");
        assert_eq!(community.to_string(), written);
    }
}

#[test]
fn what_is_no_community_is_refused_by_its_shape() {
    let table = [
        ("", CommunityError::Shape),
        ("65000", CommunityError::Shape),
        ("65000:", CommunityError::Shape),
        ("65000:+1", CommunityError::Shape),
        (" 65000:1", CommunityError::Shape),
        ("NO-EXPORT", CommunityError::Shape),
        ("65000:1:2:3", CommunityError::Shape),
        ("target:65000:1", CommunityError::Shape),
        ("65536:1", CommunityError::Standard),
        ("1:65536", CommunityError::Standard),
        ("1:2:4294967296", CommunityError::Large),
        ("rt:65536:65536", CommunityError::Extended),
        ("rt:192.0.2.1:65536", CommunityError::Extended),
        ("rt:192.0.2:1", CommunityError::Extended),
        ("rt:1", CommunityError::Extended),
        ("soo:1:2:3", CommunityError::Extended),
        ("rt:+1:2", CommunityError::Extended),
        ("ext:4004fde80000001", CommunityError::Digits),
        ("ext:+004fde800000001", CommunityError::Digits),
    ];
    for (text, error) in table {
        assert_eq!(text.parse::<Community>(), Err(error), "{text}");
    }
}

#[test]
fn a_set_is_sorted_without_doubles_and_the_empty_one_is_nothing() {
    let set =
        |text: &str| text.split_whitespace().map(|one| one.parse::<Community>().unwrap()).collect::<Communities>();
    let all = set("1:1:1 rt:1:1 2:2 1:1 2:2");
    assert_eq!(all.to_string(), "1:1 2:2 rt:1:1 1:1:1");
    assert_eq!(all.encoded_len(), 4 + 8 + 4 + 8 + 4 + 12);
    assert_eq!(set("2:2 rt:1:1").union(&set("1:1 1:1:1 2:2")), all);
    assert_eq!(set("2:2 rt:1:1").with("no-export".parse().unwrap()).to_string(), "2:2 no-export rt:1:1");
    assert_eq!(all.union(&Communities::default()), all);
    assert_eq!(Communities::default().union(&all), all);
    assert_eq!(set(""), Communities::default());
    assert_eq!(Communities::default().encoded_len(), 0);
}
