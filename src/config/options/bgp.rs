//! The speaker.

use super::Mode::Zebra;
use super::options;

options! { BGP_ROWS:
    Bgp {
        BGP = switch("bgp", &["bgp_enable"], "announce the virtual IPs by BGP").since("v0.1.8");
        LOCAL_AS = value("localAS", &["bgp_as"], "AS", "our AS number, 1 to 4294967295").default("65000").since("v0.1.8");
        ROUTER_ID = value("bgpRouterID", &["bgp_routerid"], "IPV4",
            "our BGP Identifier; without it the node's own IPv4 address, or derived where there is none")
            .since("v0.1.8").differs("need not be given, also on nodes without IPv4");
        ROUTER_INTERFACE = value("bgp_routerinterface", &["bgp_routerinterface"], "NAME",
            "interface whose IPv4 address is our BGP Identifier, unless that is given").bare();
        BGP_PEERS = secrets("bgppeers", &["bgp_peers"], "PEER",
            "peers as host:AS[:password[:multihop[:port[:mpbgp[:bfd]]]]], IPv6 hosts in brackets, or unnumbered:interface")
            .since("v0.3.0").differs("the flag counts for the daemon too; the port is used; BFD's numbers are the \
                                      milliseconds that kube-vip documents; the older form with a slash works");
        PEER_ADDRESS = value("peerAddress", &["bgp_peeraddress"], "IP",
            "one more peer; IP, IPv4:port or [IPv6]:port").since("v0.1.8").differs("the flag adds the peer too");
        PEER_AS = value("peerAS", &["bgp_peeras"], "AS", "AS number of the --peerAddress peer").default("65000")
            .since("v0.1.8");
        PEER_PASS = secret("peerPass", &["bgp_peerpass"], "PASSWORD",
            "TCP-MD5 password of the --peerAddress peer only, 1 to 80 bytes").since("v0.3.0");
        PEER_PASS_FILE = value("peerPassFile", &["bgp_peerpass_file"], "PATH",
            "file that holds the TCP-MD5 password of the --peerAddress peer; keeps it out of the process list").ours();
        MULTIHOP = switch("multihop", &["bgp_multihop"],
            "routers stand between us and the --peerAddress peer").alias(&["multiHop"]).since("v0.3.0");
        BGP_PEER_OPTIONS = list("bgpPeerOptions", &["bgp_peer_options"], "PEER;KEY=VALUE",
            "what is special about single peers: PEER;key=value;…, or * for all; community, med, local-pref, prepend, \
             ttl-security, next-hop, families, require-families, extended-next-hop, connect, description, shutdown-text, \
             graceful-shutdown, password-file, bfd, bfd-rx, bfd-tx, bfd-multiplier, bfd-strict").ours();
        MPBGP_NEXTHOP = value("mpbgpNexthop", &["mpbgp_nexthop"], "MODE",
            "next hops as kube-vip has them: fixed, auto_sourceip or auto_sourceif; without it our own addresses")
            .since("v0.8.10").differs("there is a flag; both families are offered to every peer anyway");
        MPBGP_IPV4 = value("mpbgpIPv4", &["mpbgp_ipv4"], "IPV4", "next hop of IPv4 routes, in the mode fixed")
            .since("v0.8.10").differs("there is a flag");
        MPBGP_IPV6 = value("mpbgpIPv6", &["mpbgp_ipv6"], "IPV6", "next hop of IPv6 routes, in the mode fixed")
            .since("v0.8.10").differs("there is a flag");
        ANNOTATIONS = value("annotations", &["annotation", "annotations"], "PREFIX",
            "take local AS, source and peers from this node's annotations PREFIX/node-asn, PREFIX/peer-ip and so on")
            .since("v0.3.1").differs("changes are followed, and restart the peers they touch; SIGTERM ends the wait");
        SOURCE_IP = value("sourceIP", &["bgp_sourceip", "bgp_source_ip"], "IP",
            "local address of the sessions, for the peers of its family").alias(&["sourceip"]).since("v0.3.8")
            .differs("`bgp_source_ip` (v0.3.8 to v0.4.1) still works");
        SOURCE_IF = value("sourceIF", &["bgp_sourceif", "bgp_source_if"], "NAME",
            "interface the sessions are bound to; not together with --sourceIP").alias(&["sourceif"]).since("v0.3.8")
            .differs("`bgp_source_if` (v0.3.8 to v0.4.1) still works");
        LISTEN_PORT = value("bgpListenPort", &["bgp_listen_port"], "PORT",
            "port at which peers may dial us that are set to (connect=passive or both)").default("179").ours();
        HOLD_TIME = value("bgpHoldTimer", &["bgp_hold_time"], "SECONDS",
            "hold time we offer: 0, or 3 to 65535").default("30").since("v0.7.0");
        KEEPALIVE = value("bgpKeepAliveInterval", &["bgp_keepalive_interval"], "SECONDS",
            "keepalive interval; unless given never more than a third of the hold time").default("10").since("v0.7.0")
            .differs("must be shorter than the hold time");
        STANDBY = switch("bgpStandby", &["bgp_standby"],
            "nodes that do not hold the lease announce too, worse than the holder: routers turn to them when it is gone")
            .ours();
        AS_PATH_FENCE = value("bgpASPathFence", &["bgp_as_path_fence"], "STEP",
            "each holder's AS path is so much shorter than the last one's, for routers that do not compare MED: 1 to 10 \
             prepends (3 for a leaf-spine fabric), or off; on by itself behind a holder in another AS").default("off")
            .ours();
    }
    KubeVip {
        ZEBRA = switch("zebra", &["zebra_enable"], "hand routes to FRR's zebra").turns(Zebra).since("v1.0.0");
        ZEBRA_URL = value("zebraUrl", &["zebra_url"], "URL", "where zebra listens").of(Zebra).since("v1.0.0");
        ZEBRA_VERSION = value("zebraVersion", &["zebra_version"], "NUMBER", "version of zebra's protocol")
            .of(Zebra).since("v1.0.0");
        ZEBRA_SOFTWARE = value("zebraSoftwareName", &["zebra_software_name"], "NAME", "name and version of FRR")
            .of(Zebra).since("v1.0.0");
    }
}
