use super::*;
use crate::config::tests::config;

const LEASE: (&str, &str) = ("leaderElection", "true");
const BFD: (&str, &str) = ("bgpPeerOptions", "*;bfd;bfd-rx=50;bfd-tx=50");

/// Failure, worst case in milliseconds (`None`: unbounded) and how.
fn rows(flags: &[(&str, &str)]) -> Vec<(Failure, Option<u128>, String)> {
    let millis = |worst| match worst {
        Outage::AtMost(time) => Some(Duration::as_millis(&time)),
        Outage::Unbounded => None,
    };
    outlook(&config(flags, &[])).into_iter().map(|row| (row.failure, millis(row.worst), row.how)).collect()
}

fn worst(flags: &[(&str, &str)]) -> Vec<(Failure, Option<u128>)> {
    rows(flags).into_iter().map(|(failure, worst, _)| (failure, worst)).collect()
}

#[test]
fn without_election_the_routers_notice() {
    let gone = "the routers notice by twice the hold time of 9 s and go on with the other nodes";
    let row = |failure, worst, how: &str| (failure, Some(worst), how.to_owned());
    assert_eq!(
        rows(&[("bgpHoldTimer", "9")]),
        [
            row(Failure::Stopped, 100, "withdrawn while the address still answers"),
            row(Failure::Killed, 100, "its sessions close at once; the routers go on with the other nodes"),
            row(Failure::Frozen, 18_100, gone),
            row(Failure::CutOff, 18_100, gone),
            row(Failure::NoCarrier, 18_100, gone),
            row(Failure::UplinkSilent, 18_100, gone),
            row(Failure::ServerDead, 4_400, "3 checks fail, one every 1 s for 1 s each, then its route is withdrawn"),
        ]
    );
    assert_eq!(worst(&[BFD]).get(5), Some(&(Failure::UplinkSilent, Some(250))));
}

#[test]
fn under_a_lease_its_duration_counts_and_the_hold_time_for_a_silent_uplink_alone() {
    let lease = "another node takes the lease 5 s after its last renewal";
    let wins = "; its route wins over the dead one";
    let handed = "the lease is handed to a node that routers hear";
    let checks = "3 checks fail, one every 1 s for 1 s each, then the lease is handed to a fit node".to_owned();
    let row = |failure, worst, how: String| (failure, Some(worst), how);
    assert_eq!(
        rows(&[LEASE]),
        [
            row(
                Failure::Stopped,
                100,
                "the next node announces before this one withdraws, where another vipcast is fit".to_owned()
            ),
            row(Failure::Killed, 5_300, format!("its sessions close at once; {lease}")),
            row(Failure::Frozen, 5_300, format!("{lease}{wins}")),
            row(Failure::CutOff, 5_300, format!("{lease}{wins}")),
            row(Failure::NoCarrier, 600, format!("{handed}{wins}")),
            row(Failure::UplinkSilent, 31_600, format!("noticed by the hold time of 30 s, then {handed}{wins}")),
            row(Failure::ApiLost, 2_550, format!("it withdraws 3 s after its last renewal; {lease}")),
            row(Failure::ServerDead, 4_900, checks),
        ]
    );
    let by_bfd = rows(&[LEASE, BFD]).into_iter().find(|row| row.0 == Failure::UplinkSilent);
    let how = format!("noticed by BFD (3 x 0.05 s), then {handed}{wins}");
    assert_eq!(by_bfd, Some(row(Failure::UplinkSilent, 1_750, how)));
}

#[test]
fn where_the_fence_is_off_the_routers_timers_count() {
    let two = ("bgppeers", "10.0.0.1:65001,10.0.0.2:65000");
    let of = |options: &str| worst(&[LEASE, two, ("bgpHoldTimer", "9"), ("bgpPeerOptions", options)]);
    let row = |failure, worst| (failure, Some(worst));
    let fenced = [
        row(Failure::Stopped, 100),
        row(Failure::Killed, 5_300),
        row(Failure::Frozen, 5_300),
        row(Failure::CutOff, 5_300),
        row(Failure::NoCarrier, 600),
        row(Failure::UplinkSilent, 10_600),
        row(Failure::ApiLost, 2_550),
        row(Failure::ServerDead, 4_900),
    ];
    // Inside the AS the rising LOCAL_PREF does it alone.
    assert_eq!(of("10.0.0.2;med=5"), fenced);
    let mut exposed = fenced;
    for row in exposed
        .iter_mut()
        .filter(|row| matches!(row.0, Failure::Frozen | Failure::CutOff | Failure::NoCarrier | Failure::UplinkSilent))
    {
        row.1 = Some(18_100);
    }
    assert_eq!(of("10.0.0.1;med=5"), exposed);
    assert_eq!(of("10.0.0.2;med=5;local-pref=7"), exposed);
    let by_path = [LEASE, two, ("bgpHoldTimer", "9"), ("bgpASPathFence", "3"), ("bgpPeerOptions", "10.0.0.1;med=5")];
    assert_eq!(worst(&by_path), fenced);
    let how = "another node takes the lease 5 s after its last renewal; 10.0.0.1:179 has a fixed MED and keeps the dead \
               route until twice the hold time of 9 s ended it";
    let options = ("bgpPeerOptions", "10.0.0.1;med=5");
    let cut = rows(&[LEASE, two, ("bgpHoldTimer", "9"), options]).into_iter().find(|row| row.0 == Failure::CutOff);
    assert_eq!(cut.map(|row| row.2).as_deref(), Some(how));
}

#[test]
fn what_no_timer_ends_is_unbounded() {
    let zero = ("bgpHoldTimer", "0");
    let row = |failure, worst| (failure, worst);
    assert_eq!(
        worst(&[LEASE, zero]),
        [
            row(Failure::Stopped, Some(100)),
            row(Failure::Killed, Some(5_300)),
            row(Failure::Frozen, Some(5_300)),
            row(Failure::CutOff, Some(5_300)),
            row(Failure::NoCarrier, Some(600)),
            row(Failure::UplinkSilent, None),
            row(Failure::ApiLost, Some(2_550)),
            row(Failure::ServerDead, Some(4_900)),
        ]
    );
    // BFD goes on where there is no hold time.
    assert_eq!(worst(&[LEASE, zero, BFD]), worst(&[LEASE, BFD]));
}

#[test]
fn the_slowest_peer_counts_and_bfd_only_where_it_is_the_faster() {
    let two = ("bgppeers", "10.0.0.1:65001,10.0.0.2:65002");
    let silent = |options: &str, hold| {
        let flags = [LEASE, two, ("bgpHoldTimer", hold), ("bgpPeerOptions", options)];
        worst(&flags).into_iter().find(|row| row.0 == Failure::UplinkSilent).and_then(|row| row.1)
    };
    assert_eq!(silent("*;bfd", "9"), Some(2_500));
    assert_eq!(silent("10.0.0.1;bfd", "9"), Some(10_600));
    assert_eq!(silent("*;bfd,10.0.0.2;bfd-multiplier=255;bfd-rx=100", "9"), Some(10_600));
}

#[test]
fn the_table_is_one_line_a_failure() {
    let how = |text: &str| text.to_owned();
    let rows = [
        Prospect { failure: Failure::Stopped, worst: Outage::AtMost(TURN), how: how("a") },
        Prospect { failure: Failure::NoCarrier, worst: Outage::AtMost(Duration::from_millis(5_300)), how: how("b") },
        Prospect { failure: Failure::UplinkSilent, worst: Outage::Unbounded, how: how("c") },
    ];
    let expected = "\
what happens when                      silent for  how it ends
vipcast stopped (SIGTERM)                   0.1 s  a
uplink without carrier, API in reach        5.3 s  b
uplink silently lost, API in reach      unbounded  c

One failure at a time, another node fit and its API server alive. A holder that is not fit hands over no sooner
than 10 s after its take-over. A later holder's route wins over a dead one by its MED where one router hears both;
where they meet behind routers of different ASes (a leaf per rack) it takes --bgpASPathFence, or the dead route
stands there until its own router notices.
";
    assert_eq!(outlook_table(&rows), expected);
}

#[test]
fn a_standby_takes_over_as_soon_as_the_router_notices() {
    let standby = ("bgpStandby", "true");
    let turn = "the routers turn to a standby";
    let noticed = "the routers notice by BFD (3 x 0.05 s) and turn to a standby";
    let row = |failure, worst, how: &str| (failure, Some(worst), how.to_owned());
    assert_eq!(
        rows(&[LEASE, standby, BFD]),
        [
            row(
                Failure::Stopped,
                100,
                "the next node announces before this one withdraws, where another vipcast is fit"
            ),
            row(Failure::Killed, 100, &format!("its sessions close at once; {turn}")),
            row(Failure::Frozen, 250, noticed),
            row(Failure::CutOff, 250, noticed),
            row(Failure::NoCarrier, 250, noticed),
            row(Failure::UplinkSilent, 250, noticed),
            row(Failure::ApiLost, 100, &format!("it withdraws 3 s after its last renewal; {turn}")),
            row(
                Failure::ServerDead,
                4_900,
                "3 checks fail, one every 1 s for 1 s each, then the lease is handed to a fit node"
            ),
        ]
    );
    // Where no BFD tells the router, the lease and the hold time of the holder are sooner than that of the router.
    let without = worst(&[LEASE, standby, ("bgpHoldTimer", "9")]);
    let millis: Vec<_> = without.into_iter().filter_map(|(_, worst)| worst).collect();
    assert_eq!(millis, [100, 100, 5_300, 5_300, 600, 10_600, 100, 4_900]);
}

#[test]
fn a_server_that_hangs_is_found_by_as_many_checks_as_it_takes() {
    let of = |flags: &[(&str, &str)]| rows(flags).pop();
    let url = ("controlPlaneHealthCheckAddress", "https://127.0.0.1:6443/readyz");
    let how = "3 checks fail, one every 5 s for 3 s each, then the lease is handed to a fit node".to_owned();
    assert_eq!(of(&[LEASE, url]), Some((Failure::ServerDead, Some(20_100), how)));
    let off = "nothing checks it (the health check is off)".to_owned();
    assert_eq!(of(&[LEASE, (url.0, "off")]), Some((Failure::ServerDead, None, off)));
}
