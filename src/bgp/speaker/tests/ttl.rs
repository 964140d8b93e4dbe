//! Sessions with ttl-security (GTSM, RFC 5082).

use super::*;
use crate::bgp::Hops;
use socket2::SockRef;

fn secured(listener: &TcpListener) -> PeerSettings {
    PeerSettings { hops: Hops::Security(1), ..settings(listener) }
}

#[test]
fn a_peer_that_sends_255_as_we_do_makes_a_session() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let local = listener.local_addr().unwrap().ip();
        let socket = SockRef::from(&listener);
        if local.is_ipv4() { socket.set_ttl_v4(255) } else { socket.set_unicast_hops_v6(255) }.unwrap();
        // It takes nothing from farther away either: what we send has 255.
        sockopt::set_lowest_ttl(&listener, local, 255).unwrap();
        let running = Running::start(vec![secured(&listener)], routes(Until::Forever));
        drop(Script::with_route(&listener));
        running.stop("");
    }
}

#[test]
fn a_peer_that_sends_less_is_silence_and_the_reason_says_why() {
    let listener = listen();
    let peer = secured(&listener);
    let running = Running::start(vec![peer.clone()], routes(Until::Forever));
    let status = running.wait(&peer, |status| status.last_error.is_some());
    let error = status.last_error.unwrap();
    let words: Vec<&str> = error.split(' ').filter(|word| *word == "255" || word.parse::<u32>().is_err()).collect();
    assert_eq!(
        words.join(" "),
        "no connection within s; ttl-security is on: segments with a TTL below 255 came and were dropped: the peer has no ttl-security for us, \
         or is not on our network, or its port is closed (a reset has an ordinary TTL)"
    );
    running.stop("");
}
