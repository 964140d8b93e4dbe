//! Options of kube-vip that do nothing here: what they ask for is so anyway, or is not done.

use super::options;

options! { GONE_ROWS:
    KubeVip {
        ALLOW_DOWN = switch("allowInterfaceNotUp", &["vip_allow_interface_not_up"], "start although the interface is down")
            .anyway("the interface need not be up").since("v1.2.2");
        DETECT = switch("autodetectcp", &["cp_detect"], "find the address of the node's own API server")
            .anyway("the node's own API server is asked first, by its certificate's name").since("v0.7.0");
        SKIP_DAD = switch("vip_skipdad", &["vip_skipdad"], "no duplicate address detection")
            .bare().anyway("there is none for virtual IPs").since("v1.2.3");
        IN_CLUSTER = switch("inCluster", &[], "use the pod's service account").bare().local(&[("start", "inCluster")])
            .anyway("the service account is used where there is no kubeconfig").lived("v0.1.6", "v0.7.2")
            .differs("`manifest` has a flag of that name, which works");

        PRESERVE = switch("preserveVipOnLeadershipLoss", &["vip_preserve_on_leadership_loss"],
            "keep the address without the lease")
            .ignored("an address is unbound when its route is withdrawn").since("v1.0.2");
        LOSE_LEADERSHIP = switch("loseLeadership", &["vip_loseleadership"], "exit when the interface goes down")
            .ignored("a node that no router hears hands over by itself").since("v1.2.2")
            .differs("in kube-vip for ARP mode only");
        LOSE_LEADERSHIP_TIMEOUT = value("loseLeadershiptTimeoutSeconds", &["vip_loseleadership_timeout_seconds"],
            "SECONDS", "how long the interface may be down").alias(&["loseLeadershipTimeoutSeconds"])
            .ignored("a node that no router hears hands over by itself").since("v1.2.2");
        LO_GLOBAL = switch("loInterfaceGlobalScope", &["vip_interfaceloglobal"], "scope global for addresses on lo")
            .ignored("addresses have scope host, so that they are nobody's source address").since("v0.8.4");
        PROMETHEUS = value("prometheusHTTPServer", &["prometheus_server"], "ADDRESS", "where metrics are served")
            .alias(&["promethuesHTTPServer"]).ignored("metrics are not built yet, nothing listens there").since("v0.3.2")
            .differs("`--promethuesHTTPServer` until v0.4.2");
        LEASE_ANNOTATIONS = value("vip_leaseannotations", &["vip_leaseannotations"], "JSON", "annotations of the lease")
            .bare().ignored("not built yet, the lease gets none of them");
        KUBERNETES_ADDRESS = value("kubernetes_addr", &["kubernetes_addr"], "URL", "where the API is")
            .bare().ignored("the node's own API server is asked first, then the others the cluster names");
        CONFIG_MAP = value("configMap", &["vip_configmap"], "NAME", "ConfigMap that lists Services")
            .local(&[("service", "c")]).ignored("kube-vip itself has not read it since v0.3.0").since("v0.1.1");
    }
}
