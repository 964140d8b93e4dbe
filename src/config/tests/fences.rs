//! The AS-path fence and hot standby.

use super::*;

const LEASE: (&str, &str) = ("leaderElection", "true");
const HOLD: (&str, &str) = ("bgpHoldTimer", "9");
const FENCE: &str = "--bgpASPathFence (bgp_as_path_fence)";
const STANDBY: &str = "--bgpStandby (bgp_standby)";

#[test]
fn the_fence_is_off_or_has_a_step() {
    let step = |text| config(&[LEASE, HOLD, ("bgpASPathFence", text)], &[]).bgp.as_path_fence;
    assert_eq!(["off", "1", "3", "10"].map(step), [None, Some(1), Some(3), Some(10)]);
    for text in ["0", "11", "-1", "on", "3.0", "256"] {
        let expected = format!(
            "{FENCE}: {text:?} is not a step of the AS-path fence; expected off, or by how many prepends a later holder's \
             path is shorter, 1 to 10"
        );
        assert_eq!(mistakes(&[LEASE, HOLD, ("bgpASPathFence", text)], &[]), [expected]);
    }
}

#[test]
fn both_need_an_election() {
    let expected = [STANDBY, FENCE].map(|option| {
        format!(
            "{option}: has no effect without --leaderElection (vip_leaderelection): every node announces, and none before \
             another"
        )
    });
    assert_eq!(warnings(&[("bgpStandby", "true"), ("bgpASPathFence", "3")], &[]), expected);
}

#[test]
fn the_fence_reaches_no_peer_in_our_own_as() {
    let peers = ("bgppeers", "10.0.0.1:65001,10.0.0.2:65000,10.0.0.3:65000");
    let expected = format!(
        "{FENCE}: 10.0.0.2:179, 10.0.0.3:179: in our own AS, where nothing is prepended; there LOCAL_PREF makes the newest \
         holder's route win"
    );
    assert_eq!(warnings(&[LEASE, HOLD, peers, ("bgpASPathFence", "3")], &[]), [expected]);
}

#[test]
fn a_standby_without_bfd_waits_for_the_hold_time() {
    let peers = ("bgppeers", "10.0.0.1:65001,10.0.0.2:65002");
    let bfd = ("bgpPeerOptions", "10.0.0.1;bfd;bfd-rx=50;bfd-tx=50");
    let expected = format!(
        "{STANDBY}: 10.0.0.2:179: without BFD this router turns to a standby only when it notices that a cut-off holder is \
         gone, after 18 s by twice the hold time of 9 s; give this peer bfd"
    );
    assert!(config(&[LEASE, HOLD], &[("bgp_standby", "1")]).bgp.standby);
    assert_eq!(warnings(&[LEASE, HOLD, peers, bfd, ("bgpStandby", "true")], &[]), [expected]);
    assert_eq!(warnings(&[LEASE, HOLD, ("bgpPeerOptions", "*;bfd"), ("bgpStandby", "true")], &[]), [""; 0]);
}

#[test]
fn a_standby_as_good_as_the_holder_is_warned_of() {
    let standby = ("bgpStandby", "true");
    let peers = ("bgppeers", "10.0.0.1:65001,10.0.0.2:65000");
    let said = |options: &str, of_vips: &[(&str, &str)]| {
        let options = format!("*;bfd,{options}");
        let flags = [&[LEASE, HOLD, standby, peers, ("bgpPeerOptions", &options)], of_vips].concat();
        warnings(&flags, &[]).into_iter().filter(|text| text.starts_with(STANDBY)).collect::<Vec<_>>()
    };
    let expected = format!(
        "{STANDBY}: 10.0.0.2:179: med and local-pref are given for it, and nothing is prepended in our own AS: a standby's \
         route is as good as the holder's there, so this router may take either; give one of the two at most"
    );
    assert_eq!(said("10.0.0.2;med=5;local-pref=7", &[]), [expected.as_str()]);
    assert_eq!(said("10.0.0.2;med=5", &[("vipOptions", "*;local-pref=7")]), [expected.as_str()]);
    for one in ["10.0.0.2;med=5", "10.0.0.2;local-pref=7", "10.0.0.1;med=5;prepend=3"] {
        assert_eq!(said(one, &[]), [""; 0], "{one}");
    }
}
