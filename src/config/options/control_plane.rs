//! The control plane's address, the lease, the health check, the node, the logs.

use super::options;

options! { CONTROL_PLANE_ROWS:
    Vip {
        ADDRESS = list("address", &["address"], "IP", "the virtual IPs of the control plane, IPv4 or IPv6")
            .since("v0.1.9").differs("DNS names are refused; several addresses, IPv4 and IPv6, are announced together");
        VIP = list("vip", &["vip_address"], "IP", "older name of --address, read where that is absent")
            .since("v0.1.1").differs("needs no --vipSubnet beside it");
        VIP_SUBNET = list("vipSubnet", &["vip_subnet", "vip_cidr"], "MASK",
            "mask of the virtual IPs; in BGP they are always announced as host routes, /32 and /128").alias(&["cidr"])
            .differs("a virtual IP is a host route and a host address whatever this says, a warning names it; \
                      `--cidr` (v0.1.8 to v0.4.4) and `vip_cidr` (to v0.8.10) still work; `auto` is refused");
        VIP_OPTIONS = list("vipOptions", &["vip_options"], "VIP;KEY=VALUE",
            "what single virtual IPs are announced with: VIP;key=value;…, or * for all; community, med, local-pref, prepend")
            .ours();
        INTERFACE = value("interface", &["vip_interface"], "NAME",
            "interface the virtual IPs are bound to; without it the one of the default route, else lo")
            .since("v0.1.1").local(&[("service", "i")])
            .differs("need not be up; addresses have scope host, so that they are nobody's source address");
        PORT = value("port", &["port"], "PORT", "port of the API server").default("6443").since("v0.1.9");
        CONTROL_PLANE = switch("controlplane", &["cp_enable"],
            "look after the control plane's virtual IP; `start` implies it").alias(&["controlPlane"]).since("v0.3.0");
    }
    Election {
        LEADER_ELECTION = switch("leaderElection", &["vip_leaderelection"],
            "only the holder of a Kubernetes lease announces; without it every node does (anycast)").since("v0.1.6")
            .differs("losing the lease withdraws the routes and leaves process and sessions alone; a holder that is \
                      unfit, or that no router hears, hands over");
        LEASE_NAME = value("leaseName", &["vip_leasename"], "[NAMESPACE/]NAME", "the Lease object")
            .default("plndr-cp-lock").since("v0.6.1").differs("kube-vip's until v0.2.2 was `plunder-lock`");
        NAMESPACE = value("namespace", &["cp_namespace"], "NAME",
            "namespace of the lease; in a pod with a service account its namespace counts instead, as in kube-vip")
            .default("kube-system").short('n').since("v0.3.0")
            .differs("`kube-system` as kube-vip has it, not `kube-vip` as its documents say");
        LEASE_DURATION = value("leaseDuration", &["vip_leaseduration"], "SECONDS",
            "how long others wait since they last saw the lease change").default("5").since("v0.1.8")
            .differs("5, 3 and 1 s as documented; kube-vip's are 15, 10 and 2 s since v1.1.0. Where one of the three is \
                      given and does not fit the others' 5, 3, 1, these are taken as 15, 10, 2");
        RENEW_DEADLINE = value("leaseRenewDuration", &["vip_renewdeadline"], "SECONDS",
            "how long a holder announces after its last renewal; shorter than the lease").default("3").since("v0.1.8")
            .differs("times that contradict each other are refused; kube-vip panics");
        RETRY_PERIOD = value("leaseRetry", &["vip_retryperiod"], "SECONDS",
            "time between attempts; 1.2 times it is shorter than the renew deadline").default("1").since("v0.1.8")
            .differs("seconds, as in kube-vip's code");
    }
    Health {
        HEALTH_ADDRESS = value("controlPlaneHealthCheckAddress", &["control_plane_health_check_address"], "URL",
            "what is asked whether this node is fit to serve; without it /readyz of its own API server; off: nothing is")
            .since("v1.2.0").differs("without an address /readyz of the node's own API server is asked; it counts with \
                                      election too: an unfit holder hands over");
        HEALTH_PERIOD = value("controlPlaneHealthCheckPeriodSeconds", &["control_plane_health_check_period_seconds"],
            "SECONDS", "from one check to the next; 1, or 5 where an address is given").since("v1.2.0");
        HEALTH_TIMEOUT = value("controlPlaneHealthCheckTimeoutSeconds", &["control_plane_health_check_timeout_seconds"],
            "SECONDS", "how long one check may take, at most the period; 1, or 3 where an address is given")
            .since("v1.2.0").differs("at most the period");
        HEALTH_FAILURES = value("controlPlaneHealthCheckFailureThreshold",
            &["control_plane_health_check_failure_threshold"], "CHECKS",
            "so many failed checks in a row make unfit, a refused connection at once; 3").since("v1.2.0")
            .differs("a refused connection counts at once; two good checks make fit again");
        HEALTH_CA = value("controlPlaneHealthCheckCAPath", &["control_plane_health_check_ca_path"], "PATH",
            "authority of the certificate; without it the kubeconfig's or the service account's, and the system's where \
             an address is given").since("v1.2.0");
        HEALTH_SERVER_NAME = value("controlPlaneHealthCheckServerName", &["control_plane_health_check_server_name"],
            "NAME", "name in the certificate; without it kubernetes, or the host of the address where one is given")
            .ours();
        HEALTH_FAIL_OPEN = switch("controlPlaneHealthCheckFailOpen", &["control_plane_health_check_fail_open"],
            "without election: an unfit node announces too, by routes that are worse than any fit one's").ours();
    }
    Node {
        NODE_NAME = value("nodeName", &["vip_nodename"], "NAME",
            "this node's identity in the lease; without it the host name, in lower case").since("v0.8.0");
        KUBECONFIG = value("k8sConfigPath", &["k8s_config_file"], "PATH",
            "kubeconfig file; where it is absent the pod's service account is used").alias(&["kubeConfig"])
            .default("/etc/kubernetes/admin.conf").since("v0.7.0")
            .differs("`--kubeConfig` (v0.1.6 to v0.7.2) is the same; `~/.kube/config` is not looked for");
        CONFIG_FILE = value("config-file", &["config_file"], "PATH",
            "configuration file, YAML or JSON, in kube-vip's form or our own")
            .local(&[("manager", "c"), ("check", "c"), ("start", "c"), ("manager", "config"), ("check", "config"),
                ("start", "config")]).since("v0.1.1")
            .differs("every key of every era counts, in kube-vip few do; the variable works, there it comes too late; \
                      `-c` and `--config` were those of `start` until v0.7.2");
        CONTROL_SOCKET = value("controlSocket", &["control_socket"], "PATH",
            "unix socket at which `vipcast status`, `drain` and `undrain` ask; off: none")
            .default("/run/vipcast/vipcast.sock").ours();
        HEALTH_PORT = value("healthCheckPort", &["health_check_port"], "PORT",
            "port at which /healthz says that vipcast runs, 1024 to 65535; 0: none").default("0").since("v0.8.10")
            .differs("kube-vip does not end on SIGTERM with it");
        DRAIN_ON_CORDON = switch("drainOnCordon", &["drain_on_cordon"],
            "drain while this node is cordoned; needs to get nodes from the API").ours();
    }
    Metal {
        METAL = switch("metal", &["vip_packet"],
            "ask Equinix Metal's API: with --bgp for this node's BGP neighbours, else to point the virtual IPs at the holder \
             (Elastic IP)").alias(&["packet"]).lived("v0.1.7", "v0.8.10");
        METAL_KEY = secret("metalKey", &["metal_key"], "TOKEN",
            "the API's token; else --metalKeyFile, else --provider-config, else --metalAuthToken").alias(&["packetKey"])
            .lived("v0.1.7", "v0.8.10").differs("there is a variable");
        METAL_KEY_FILE = value("metalKeyFile", &["metal_key_file"], "PATH",
            "file that holds the token; keeps it out of the process list").ours();
        METAL_AUTH_TOKEN = secret("metalAuthToken", &["PACKET_AUTH_TOKEN"], "TOKEN",
            "the token where nothing else says it: the variable is that of the vendor's own programs")
            .lived("v0.1.7", "v0.8.10").differs("there is a flag");
        METAL_PROJECT = value("metalProject", &["vip_packetproject"], "NAME",
            "name of the project, where its ID is not given").alias(&["packetProject"]).lived("v0.1.7", "v0.8.10");
        METAL_PROJECT_ID = value("metalProjectID", &["vip_packetprojectid"], "UUID",
            "ID of the project; else the one in --provider-config").alias(&["metalrojectID", "packetProjectID"])
            .lived("v0.3.0", "v0.8.10").differs("enough for Elastic IPs too");
        PROVIDER_CONFIG = value("provider-config", &["provider_config"], "PATH",
            "JSON file with apiKey and projectId, as the vendor's cloud controller manager reads it")
            .lived("v0.3.0", "v0.8.10");
        METAL_DEVICE = value("metalDevice", &["metal_device"], "NAME|UUID",
            "this node's device at the API; without it the one with this node's or this host's name").ours();
        METAL_API = value("metalAPI", &["metal_api"], "URL", "base of the API's URLs, https only")
            .default("https://api.equinix.com/metal/v1").ours();
        METAL_CA = value("metalCA", &["metal_ca"], "PATH",
            "one more authority that may sign the API's certificate, as a proxy has it; those of the web are built in")
            .ours();
    }
    Log {
        LOG = value("log", &["vip_loglevel"], "LEVEL",
            "lowest level that is logged: -4 debug, 0 info, 4 warn, 8 error").default("0")
            .differs("until v0.8.10 kube-vip's numbers meant other levels (4 was info)");
        LOG_FORMAT = value("logFormat", &["log_format"], "FORMAT", "form of the log lines: text or json")
            .default("text").ours();
    }
}
