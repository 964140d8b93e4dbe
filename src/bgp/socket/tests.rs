use std::net::TcpListener;

use super::*;

#[tokio::test]
async fn a_silent_peer_is_asked_whether_it_is_there_and_our_own_limit_governs_the_attempt() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target {
        peer: listener.local_addr().unwrap(),
        password: None,
        ttl: 1,
        lowest_ttl: None,
        source: LocalEnd::Any,
    };
    let stream = target.connect(&|_| false).unwrap();
    let socket = SockRef::from(&stream);
    assert!(socket.keepalive().unwrap());
    let times = (socket.tcp_keepalive_time().unwrap(), socket.tcp_keepalive_interval().unwrap());
    assert_eq!(times, (Duration::from_secs(10), Duration::from_secs(5)));
    assert_eq!(socket.tcp_user_timeout().unwrap(), None);
}

#[test]
fn only_a_peer_off_our_networks_with_ttl_1_is_out_of_reach() {
    let out_of_reach = |peer: &str, ttl| {
        let peer = SocketAddr::new(peer.parse().unwrap(), 179);
        Target { peer, password: None, ttl, lowest_ttl: None, source: LocalEnd::Any }.is_out_of_reach()
    };
    assert!(out_of_reach("198.51.100.1", 1));
    assert!(!out_of_reach("198.51.100.1", 50));
    assert!(!out_of_reach("127.0.0.1", 1));
}

#[test]
fn the_next_hop_of_the_other_family_is_on_the_interface_of_the_session() {
    let local = |interface: &str, address: &str, netmask: &str| LocalAddress {
        interface: interface.into(),
        address: address.parse().unwrap(),
        netmask: netmask.parse().unwrap(),
    };
    let addresses = [
        local("lo", "127.0.0.1", "255.0.0.0"),
        local("eth0", "10.0.0.7", "255.255.255.0"),
        local("eth1", "192.0.2.7", "255.255.255.0"),
        local("docker0", "172.17.0.1", "255.255.0.0"),
        local("docker0", "fd00:17::1", "ffff:ffff:ffff:ffff::"),
        local("eth1", "fe80::7", "ffff:ffff:ffff:ffff::"),
        local("eth1", "2001:db8:99::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        local("eth1", "2001:db8::7", "ffff:ffff:ffff:ffff::"),
        local("eth1", "2001:db8::8", "ffff:ffff:ffff:ffff::"),
    ];
    let vip: IpAddr = "2001:db8:99::1".parse().unwrap();
    let hop = |from: &str| {
        let hop = other_family_hop(&addresses, from.parse().unwrap(), |hop| hop != vip);
        hop.map(|hop| hop.to_string())
    };
    assert_eq!(hop("192.0.2.7").as_deref(), Some("2001:db8::7"));
    assert_eq!(hop("2001:db8::7").as_deref(), Some("192.0.2.7"));
    assert_eq!(hop("fe80::7").as_deref(), Some("192.0.2.7"));
    let link_local = |from: &str, peer: &str| {
        let hop = link_local_hop(&addresses, from.parse().unwrap(), peer.parse().unwrap());
        hop.map(|hop| hop.to_string())
    };
    assert_eq!(link_local("2001:db8::7", "2001:db8::1").as_deref(), Some("fe80::7"));
    assert_eq!(link_local("2001:db8::7", "2001:db8:1::1"), None);
    assert_eq!(link_local("192.0.2.7", "192.0.2.1"), None);
    assert_eq!(link_local("fd00:17::1", "fd00:17::2"), None);
    assert_eq!(link_local("fe80::7", "fe80::1").as_deref(), Some("fe80::7"));
    // No other interface helps out.
    assert_eq!(hop("10.0.0.7"), None);
    assert_eq!(hop("10.0.0.99"), None);
}
