use std::net::TcpListener;

use super::*;

#[tokio::test]
async fn a_silent_peer_is_asked_whether_it_is_there_and_our_own_limit_governs_the_attempt() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target { peer: listener.local_addr().unwrap(), password: None, ttl: 1, source: LocalEnd::Any };
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
        Target { peer, password: None, ttl, source: LocalEnd::Any }.is_out_of_reach()
    };
    assert!(out_of_reach("198.51.100.1", 1));
    assert!(!out_of_reach("198.51.100.1", 50));
    assert!(!out_of_reach("127.0.0.1", 1));
}
