//! Timers that contradict each other.

use super::*;

const LEASE: (&str, &str) = ("leaderElection", "true");

#[test]
fn a_keepalive_interval_beyond_a_third_of_the_hold_time_does_nothing() {
    let text = "--bgpKeepAliveInterval (bgp_keepalive_interval): 5 s is more than a third of the 9 s of --bgpHoldTimer \
                (bgp_hold_time): a KEEPALIVE is sent every 3 s";
    assert_eq!(warnings(&[("bgpHoldTimer", "9"), ("bgpKeepAliveInterval", "5")], &[]), [text]);
    assert_eq!(warnings(&[("bgpHoldTimer", "9"), ("bgpKeepAliveInterval", "3")], &[]), Vec::<String>::new());
}

#[test]
fn bfd_slower_than_the_hold_time_is_named_with_the_worst_case() {
    let text = "10.0.0.1:179: BFD notices a dead path after 20 s (20 x 1 s), no sooner than the 9 s of --bgpHoldTimer \
                (bgp_hold_time): worst case 18 s until this router is rid of a dead holder's route; give a shorter interval or \
                a smaller multiplier";
    let slow = ("bgpPeerOptions", "*;bfd;bfd-tx=1000;bfd-rx=1000;bfd-multiplier=20");
    let of = |name: &str| vec![format!("{name}: {text}")];
    assert_eq!(warnings(&[("bgpHoldTimer", "9"), slow], &[]), of("--bgpPeerOptions (bgp_peer_options)"));
    let listed = ("bgppeers", "10.0.0.1:65001:::179::true;1000;1000;20");
    let text = warnings(&[("bgpHoldTimer", "9"), listed], &[]);
    assert_eq!(text.first().map(|text| text.starts_with("--bgppeers (bgp_peers): 10.0.0.1:179: BFD")), Some(true));
    assert_eq!(warnings(&[("bgpHoldTimer", "21"), slow], &[]), Vec::<String>::new());
    // Nothing is as slow as no timer at all.
    assert_eq!(warnings(&[("bgpHoldTimer", "0"), slow], &[]), Vec::<String>::new());
}

#[test]
fn a_hold_time_far_beyond_the_lease_is_named_with_the_worst_case() {
    let text = |hold: &str, worst: &str, better: &str, lease: &str| {
        vec![format!(
            "--bgpHoldTimer (bgp_hold_time): 10.0.0.1:179: an uplink that dies silently is noticed after {hold}, by the hold \
             time of {hold}, though the lease of {lease} would move sooner: worst case {worst} of silence; give this peer \
             BFD, or a hold time of {better} or less"
        )]
    };
    assert_eq!(warnings(&[LEASE, ("bgpHoldTimer", "11")], &[]), text("11 s", "12.6 s", "10 s", "5 s"));
    assert_eq!(warnings(&[LEASE, ("leaseDuration", "6")], &[]), text("30 s", "31.6 s", "12 s", "6 s"));
    let quiet: [&[(&str, &str)]; 5] = [
        &[LEASE],
        &[LEASE, ("bgpHoldTimer", "10")],
        &[LEASE, ("leaseDuration", "15")],
        &[("bgpHoldTimer", "90")],
        &[LEASE, ("bgpHoldTimer", "90"), ("bgpPeerOptions", "*;bfd")],
    ];
    for flags in quiet {
        assert_eq!(warnings(flags, &[]), Vec::<String>::new(), "{flags:?}");
    }
}

#[test]
fn checks_that_take_long_are_named_with_the_worst_case() {
    let failures = |number| warnings(&[("controlPlaneHealthCheckFailureThreshold", number)], &[]);
    let text = "--controlPlaneHealthCheckPeriodSeconds (control_plane_health_check_period_seconds): a server that hangs is \
                noticed after 31.8 s only, by 28 checks every 1 s of 1 s each: worst case so long, and the virtual IP points \
                at it; give a shorter period, or fewer failures";
    assert_eq!(failures("28"), [text]);
    assert_eq!(failures("26"), Vec::<String>::new());
}
