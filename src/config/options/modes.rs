//! Modes of kube-vip that are not built: what turns them on, and what belongs to them.

use super::Mode::{Arp, Etcd, LoadBalancer, Names, Raft, Services, Table, WireGuard};
use super::options;

options! { MODE_ROWS:
    KubeVip {
        ARP = switch("arp", &["vip_arp"], "announce by ARP and NDP").turns(Arp).since("v0.1.1")
            .differs("never on unless asked for");
        ARP_RATE = value("vip_arpRate", &["vip_arpRate"], "MILLISECONDS", "pause between gratuitous ARP packets")
            .bare().of(Arp);
        TABLE = switch("table", &["vip_routingtable"], "announce by a routing table").turns(Table).since("v0.5.0");
        TABLE_ID = value("tableID", &["vip_routingtableid"], "NUMBER", "number of the routing table").of(Table);
        TABLE_TYPE = value("tableType", &["vip_routingtabletype"], "NUMBER", "type of the routes").of(Table)
            .since("v0.6.4");
        ROUTING_PROTOCOL = value("routingProtocol", &["vip_routingprotocol"], "NUMBER", "protocol of the routes")
            .of(Table).since("v0.7.1");
        CLEAN_TABLE = switch("cleanRoutingTable", &["vip_cleanroutingtable"], "remove strange routes from the table")
            .of(Table).since("v0.7.1");
        WIREGUARD = switch("wireguard", &["vip_wireguard"], "announce through WireGuard").turns(WireGuard).since("v0.5.0");

        SERVICES = switch("services", &["svc_enable"], "look after Services of type LoadBalancer").turns(Services)
            .since("v0.3.0");
        SERVICES_INTERFACE = value("serviceInterface", &["vip_servicesinterface"], "NAME",
            "interface of the Services' addresses").alias(&["servicesInterface"]).of(Services).since("v0.3.9");
        SERVICES_ELECTION = switch("servicesElection", &["svc_election"], "a lease for each Service").of(Services)
            .since("v0.5.0");
        SERVICES_LEASE = value("servicesLeaseName", &["svc_leasename"], "NAME", "lease of all Services").of(Services)
            .since("v0.6.3");
        SERVICES_NAMESPACE = value("svc_namespace", &["svc_namespace"], "NAME", "namespace of the Services looked after")
            .bare().of(Services);
        LB_CLASS_ONLY = switch("lbClassOnly", &["lb_class_only"], "only Services of our class").of(Services);
        LB_CLASS_NAME = value("lbClassName", &["lb_class_name"], "NAME", "our class of Services").of(Services);
        LB_CLASS_LEGACY = switch("lbClassNameLegacyHandling", &["lb_class_legacy_handling"],
            "how a change of class is taken").of(Services).since("v0.8.1");
        SERVICE_SECURITY = switch("onlyAllowTrafficServicePorts", &["enable_service_security"],
            "drop what is not for a port of the Service").of(Services);
        NODE_LABELING = switch("enableNodeLabeling", &["enable_node_labeling"],
            "label the node that announces").ignored("nodes are not labelled").since("v0.6.3");
        SERVICE_UPDATES = switch("disableServiceUpdates", &["disable_service_updates"], "leave the Services' status alone")
            .of(Services).since("v0.7.0");
        ENDPOINTS = switch("enableEndpoints", &["enable_endpoints"], "Endpoints instead of EndpointSlices").of(Services)
            .since("v1.0.0");
        ENDPOINT_SLICES = switch("enableEndpointSlices", &["enable_endpointslices"], "EndpointSlices instead of Endpoints")
            .of(Services).lived("v0.7.0", "v0.9.2");
        ATTACH_IP = switch("bgpAttachIPToInterface", &["bgp_attach_ip_to_interface"], "bind the Services' addresses")
            .of(Services).since("v1.2.2");
        SERVICE_DEBOUNCE = value("debounceTime", &["debounce_time"], "DURATION", "wait for more changes of a Service")
            .of(Services).since("v1.2.2");
        ON_DEMAND_ELECTION = switch("perServiceElectionOnDemand", &["per_service_election_on_demand"],
            "a lease for each Service that asks for one").of(Services).since("v1.2.2");
        MIRROR = value("mirrorDestInterface", &["mirror_dest_interface"], "NAME", "where the Services' traffic is copied to")
            .of(Services).since("v0.8.0");
        UPNP = switch("enable_upnp", &["enable_upnp", "enableUPNP"], "open ports at a home router").bare().of(Services)
            .differs("`enableUPNP` until v0.9");
        EGRESS_NFTABLES = switch("egressWithNftables", &["egress_withnftables"], "egress by nftables").of(Services)
            .since("v1.2.2");
        EGRESS_PODS = value("egress_podcidr", &["egress_podcidr"], "CIDR", "addresses of pods").bare().of(Services);
        EGRESS_SERVICES = value("egress_servicecidr", &["egress_servicecidr"], "CIDR", "addresses of Services").bare()
            .of(Services);
        EGRESS_SNAT = switch("egress_enableinternalsnat", &["egress_enableinternalsnat"], "translate inside too").bare()
            .of(Services);
        EGRESS_CLEAN = switch("egress_clean", &["egress_clean", "EGRESS_CLEAN"], "remove rules at start").bare()
            .of(Services);
        INSTANCE_NAME = value("instanceName", &["instance_name", "INSTANCE_NAME"], "NAME",
            "part of the names of nftables' tables").of(Services).since("v1.2.2");
        IPTABLES_BACKEND = value("iptables_backend", &["iptables_backend"], "NAME", "nft or legacy").bare().of(Services);
        OUTSIDE_CLUSTER = switch("OutSideCluster", &[], "Services by a kubeconfig").of(Services).lived("v0.1.1", "v0.2.2");

        LOAD_BALANCER = switch("enableLoadBalancer", &["lb_enable"], "spread connections over all API servers by IPVS")
            .alias(&["lbEnable"]).turns(LoadBalancer).since("v0.1.7").differs("`--lbEnable` until v0.3.9");
        LB_PORT = value("lbPort", &["lb_port"], "PORT", "port of the load balancer").of(LoadBalancer);
        LB_METHOD = value("lbForwardingMethod", &["lb_fwdmethod"], "NAME", "how it forwards").of(LoadBalancer);
        BACKEND_INTERVAL = value("backend_health_check_interval", &["backend_health_check_interval"], "SECONDS",
            "pause between checks of its backends").bare().of(LoadBalancer);
        LB_BIND = switch("lbBindToVip", &["lb_bindtovip"], "proxy at the virtual IP").of(LoadBalancer)
            .lived("v0.1.5", "v0.3.9");
        LB_TYPE = value("lbType", &["lb_type"], "NAME", "tcp or http").of(LoadBalancer).lived("v0.1.5", "v0.3.9");
        LB_NAME = value("lbName", &["lb_name"], "NAME", "name of the proxy").of(LoadBalancer).lived("v0.1.5", "v0.3.9");
        LB_BACKEND_PORT = value("lbBackEndPort", &["lb_backendport"], "PORT", "port of the API servers")
            .of(LoadBalancer).lived("v0.1.5", "v0.3.9");
        LB_BACKENDS = list("lbBackends", &["lb_backends"], "IP:PORT", "the API servers").of(LoadBalancer)
            .lived("v0.1.5", "v0.3.9");
        NO_VIP = switch("disableVIP", &[], "the proxy alone, without a virtual IP").local(&[("start", "d")])
            .turns(LoadBalancer).lived("v0.1.1", "v0.7.2");

        DDNS = switch("ddns", &["vip_ddns"], "DHCP and dynamic DNS for the virtual IP").turns(Names).since("v0.2.2");
        DNS_MODE = value("dnsMode", &["dns_mode"], "MODE", "which addresses of a DNS name count").of(Names).since("v0.7.0");
        DHCP_MODE = value("dhcpMode", &["dhcp_mode"], "MODE", "families of DHCP").of(Names).since("v1.0.3");
        DHCP_ATTEMPTS = value("dhcpBackoffAttempts", &["dhcp_backoff_attempts"], "NUMBER", "attempts at DHCP").of(Names)
            .since("v1.0.4");

        ELECTION_TYPE = value("leaderElectionType", &[], "NAME", "who holds the lease: kubernetes or etcd")
            .default("kubernetes").turns(Etcd).since("v0.6.4");
        ETCD_ENDPOINTS = list("etcdEndpoints", &[], "URL", "etcd's servers").of(Etcd).since("v0.6.4");
        ETCD_CA = value("etcdCACert", &[], "PATH", "authority of etcd's certificates").of(Etcd).since("v0.6.4");
        ETCD_CERT = value("etcdCert", &[], "PATH", "our certificate for etcd").of(Etcd).since("v0.6.4");
        ETCD_KEY = value("etcdKey", &[], "PATH", "its key").of(Etcd).since("v0.6.4");

        RAFT_LOCAL = value("localPeer", &["vip_localpeer"], "ID:IP:PORT", "this member").of(Raft).lived("v0.1.1", "v0.3.9");
        RAFT_PEERS = list("remotePeers", &["vip_peers", "vip_remotepeers"], "ID:IP:PORT", "the other members").of(Raft)
            .lived("v0.1.1", "v0.3.9").differs("`start` with members, without election and BGP, is refused: each of them \
                                                would announce for itself");
        RAFT_START = switch("startAsLeader", &["vip_startleader"], "the first member").local(&[("start", "l")]).of(Raft)
            .lived("v0.1.1", "v0.3.9");
        RAFT_ADD = switch("addPeersToLB", &["vip_addpeerstolb"], "members are backends of the proxy").of(Raft)
            .lived("v0.1.5", "v0.3.9");
        SINGLE_NODE = switch("singleNode", &["vip_singlenode"], "there are no other members").local(&[("start", "s")])
            .of(Raft).lived("v0.1.1", "v0.7.2");
    }
}
