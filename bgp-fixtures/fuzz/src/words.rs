//! What `text` begins with: a flag and a value a line.

/// Each is one input.
pub const LINES: &[&str] = &[
    "bgppeers 10.0.0.1:65001:secret:false:1790,[2001:db8::1]:4200000001::true",
    "bgppeers 10.0.0.1:65001,10.0.0.1:65002\naddress 10.0.0.1",
    "address 10.88.0.40,fd88::40\nsourceIP 10.77.0.1",
    "address fe80::1\nsourceIF eth0\nlocalAS 65000",
    "peerAddress [2001:db8::1]:179\npeerAS 65001\npeerPass secret\nmultihop true",
    "bgpHoldTimer 2\nbgpKeepAliveInterval 30\nbgpRouterID 0.0.0.0",
    "leaderElection true\nleaseDuration 5\nleaseRenewDuration 3\nleaseRetry 1",
    "bgpPeerOptions *;bfd;community=65000:1 rt:65000:2 65000:3:4,10.0.0.1;ttl-security;med=10;bfd-rx=50;bfd-tx=50",
    "bgpPeerOptions 10.0.0.1;next-hop=fd77::1;families=ipv4 ipv6;extended-next-hop;connect=both;shutdown-text=gone",
    "vipOptions 10.88.0.40;community=no-export rt:65000:1 ext:4004fde800000001;prepend=2;local-pref=200",
    "nodeName Node_1\nport 70000\nlog 9\ninterface lo",
];
