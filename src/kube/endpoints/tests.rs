use k8s_openapi::api::discovery::v1::{Endpoint as SliceEndpoint, EndpointPort};

use super::*;

fn settings() -> Settings {
    Settings {
        kubeconfig: PathBuf::from("/etc/kubernetes/admin.conf"),
        api_port: 6443,
        vips: watch::channel(vec!["10.88.0.40".parse().unwrap(), "fd00::40".parse().unwrap()]).1,
        call_limit: Duration::from_secs(2),
        leases_in: None,
    }
}

fn urls(server: &str, resolved: &[&str], learned: &[&str]) -> Vec<(String, Option<String>)> {
    let config = Config::new(server.parse().unwrap());
    let resolved: Vec<IpAddr> = resolved.iter().map(|text| text.parse().unwrap()).collect();
    let learned: Vec<SocketAddr> = learned.iter().map(|text| text.parse().unwrap()).collect();
    let own = |address| address == IpAddr::from([10, 88, 0, 14]);
    let targets = targets(&config, &settings(), &resolved, &learned, own);
    targets.into_iter().map(|target| (target.url, target.server_name)).collect()
}

fn named(url: &str) -> (String, Option<String>) {
    (url.to_owned(), Some("kubernetes".to_owned()))
}

fn plain(url: &str) -> (String, Option<String>) {
    (url.to_owned(), None)
}

#[test]
fn the_local_server_comes_first_then_the_kubeconfigs_then_the_clusters() {
    assert_eq!(
        urls("https://10.88.0.11:6443", &["10.88.0.11"], &["10.88.0.11:6443", "10.88.0.12:6443", "[fd00::13]:6443"]),
        [
            named("https://127.0.0.1:6443"),
            plain("https://10.88.0.11:6443"),
            named("https://10.88.0.12:6443"),
            named("https://[fd00::13]:6443")
        ]
    );
}

#[test]
fn this_hosts_own_addresses_come_last() {
    let learned = ["10.88.0.12:6443", "10.88.0.14:6443", "10.88.0.15:6443"];
    let expected = [
        named("https://127.0.0.1:6443"),
        named("https://10.88.0.12:6443"),
        named("https://10.88.0.15:6443"),
        plain("https://10.88.0.14:6443"),
    ];
    assert_eq!(urls("https://10.88.0.14:6443", &["10.88.0.14"], &learned), expected);
}

#[test]
fn this_hosts_own_server_is_known_as_such_by_all_its_addresses() {
    let config = Config::new("https://10.88.0.14:6443".parse().unwrap());
    let learned = ["10.88.0.14:6443", "10.88.0.12:6443"].map(|text| text.parse().unwrap());
    let is_own = |address| address == IpAddr::from([10, 88, 0, 14]);
    let owned = |learned: &[SocketAddr]| -> Vec<bool> {
        let resolved = ["10.88.0.14".parse().unwrap()];
        targets(&config, &settings(), &resolved, learned, is_own).iter().map(|target| target.own).collect()
    };
    assert_eq!(owned(&learned), [true, false, true]);
    assert_eq!(owned(learned.get(..1).unwrap()), [true, true]);
}

#[test]
fn another_port_of_this_host_is_another_server() {
    assert_eq!(
        urls("https://10.88.0.14:8443", &["10.88.0.14"], &["10.88.0.12:6443"]),
        [named("https://127.0.0.1:6443"), plain("https://10.88.0.14:8443"), named("https://10.88.0.12:6443")]
    );
}

#[test]
fn the_kernel_tells_what_is_our_own() {
    assert!(is_own(Ipv4Addr::new(127, 0, 0, 1).into()));
    assert!(!is_own(Ipv4Addr::new(192, 0, 2, 1).into()));
}

#[test]
fn never_the_vip_by_address_name_or_list() {
    let local = [named("https://127.0.0.1:6443")];
    // A name that resolves to nothing today may be the VIP's tomorrow.
    assert_eq!(urls("https://api.example.org:6443", &[], &[]), local);
    assert_eq!(urls("https://10.88.0.40:6443", &["10.88.0.40"], &[]), local);
    assert_eq!(urls("https://api.example.org:6443", &["10.88.0.11", "10.88.0.40"], &[]), local);
    assert_eq!(urls("https://[fd00::40]:6443", &["fd00::40"], &["10.88.0.40:6443", "[fd00::40]:6443"]), local);
}

#[test]
fn an_endpoint_at_another_port_than_ours_is_spoken_of() {
    let hint = |server: &str, resolved: &[&str]| {
        let resolved: Vec<IpAddr> = resolved.iter().map(|text| text.parse().unwrap()).collect();
        other_port(&Config::new(server.parse().unwrap()), &settings(), &resolved)
    };
    let expected = "the kubeconfig's server is https://cp.example.org:8443/, but this node's API server is asked at \
                    127.0.0.1:6443: if it listens at 8443, give --port 8443 (port)";
    assert_eq!(hint("https://cp.example.org:8443", &[]).as_deref(), Some(expected));
    assert_eq!(hint("https://cp.example.org:8443", &["10.88.0.40"]).as_deref(), Some(expected));
    assert_eq!(hint("https://cp.example.org:8443", &["10.88.0.11"]), None);
    assert_eq!(hint("https://cp.example.org:6443", &[]), None);
}

#[test]
fn the_local_server_is_not_listed_twice() {
    assert_eq!(urls("https://127.0.0.1:6443", &["127.0.0.1"], &[]), [named("https://127.0.0.1:6443")]);
}

#[test]
fn learns_addresses_and_ports_from_the_slices() {
    let slice = |port: Option<i32>, addresses: &[&str]| EndpointSlice {
        endpoints: vec![SliceEndpoint {
            addresses: addresses.iter().map(|&text| text.to_owned()).collect(),
            ..SliceEndpoint::default()
        }],
        ports: Some(vec![EndpointPort { port, ..EndpointPort::default() }]),
        ..EndpointSlice::default()
    };
    let slices = [slice(Some(7443), &["10.88.0.12", "10.88.0.11", "not an address"]), slice(None, &["fd00::13"])];
    let expected: Vec<SocketAddr> =
        ["10.88.0.11:7443", "10.88.0.12:7443", "[fd00::13]:6443"].iter().map(|text| text.parse().unwrap()).collect();
    assert_eq!(addresses(&slices), expected);
}

#[tokio::test]
async fn clients_neither_retry_nor_use_proxies() {
    let mut config = Config::new("https://10.88.0.11:6443".parse().unwrap());
    config.root_cert = Some(Vec::new());
    config.proxy_url = Some("http://proxy.example.org:3128".parse().unwrap());
    let target =
        Target { url: "https://127.0.0.1:6443".to_owned(), server_name: Some("kubernetes".to_owned()), own: true };
    // With a proxy the client could not even be made: the feature is off.
    assert_eq!(endpoint(&config, &target, Duration::from_secs(2)).unwrap().name, "https://127.0.0.1:6443");
}
