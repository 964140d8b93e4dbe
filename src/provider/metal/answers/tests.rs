use std::net::Ipv4Addr;

use secrecy::ExposeSecret as _;

use super::*;

fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap()
}

fn devices() -> Vec<Device> {
    let text = r#"{"devices": [
        {"id": "aaaaaaaa-0000-4000-8000-000000000001", "hostname": "Node-1.example.com", "state": "active"},
        {"id": "aaaaaaaa-0000-4000-8000-000000000002", "hostname": "node-2"},
        {"id": "aaaaaaaa-0000-4000-8000-000000000003", "hostname": "twin"},
        {"id": "aaaaaaaa-0000-4000-8000-000000000004", "hostname": "twin"},
        {"id": "aaaaaaaa-0000-4000-8000-000000000005"}],
        "meta": {"current_page": 1, "last_page": 1, "total": 5, "next": null}}"#;
    let (devices, meta) = read::<Devices>(text).open();
    assert_eq!((meta.current_page, meta.last_page, meta.total), (Some(1), Some(1), Some(5)));
    devices
}

fn found(names: &[&str]) -> Result<String, String> {
    let wanted = MetalDevice::Names(names.iter().map(|name| (*name).to_owned()).collect());
    find_device(&devices(), &wanted).map(|device| device.id.chars().last().unwrap().to_string())
}

#[test]
fn a_device_is_found_by_host_name_whole_or_short_in_any_case() {
    assert_eq!(found(&["node-1.example.com"]), Ok("1".to_owned()));
    assert_eq!(found(&["node-1"]), Ok("1".to_owned()));
    assert_eq!(found(&["node-2.example.com"]), Ok("2".to_owned()));
    assert_eq!(found(&["k8s-7", "NODE-2"]), Ok("2".to_owned()));
    let several = "several devices are called twin: aaaaaaaa-0000-4000-8000-000000000003, \
                   aaaaaaaa-0000-4000-8000-000000000004; give this node's ID by --metalDevice";
    assert_eq!(found(&["twin"]), Err(several.to_owned()));
    let none = "no device of the project is called other or node-11; it has Node-1.example.com, node-2, twin, twin; give this \
                node's by --metalDevice (metal_device)";
    assert_eq!(found(&["other", "node-11"]), Err(none.to_owned()));
    let id = MetalDevice::Id("AAAAAAAA-0000-4000-8000-000000000005".to_owned());
    assert_eq!(find_device(&devices(), &id).unwrap().id, "aaaaaaaa-0000-4000-8000-000000000005");
}

#[test]
fn a_project_is_found_by_its_name_and_nothing_else() {
    let (projects, _) =
        read::<Projects>(r#"{"projects": [{"id": "p-1", "name": "one"}, {"id": "p-2", "name": "two"}]}"#).open();
    assert_eq!(find_project(&projects, "two"), Ok("p-2".to_owned()));
    let none = "the token sees no project \"One\", only one, two; give the project's ID by --metalProjectID \
                (vip_packetprojectid), or a token that may read it";
    assert_eq!(find_project(&projects, "One"), Err(none.to_owned()));
    assert!(find_project(&[], "one").unwrap_err().contains("only none"));
}

const FOUR: &str = r#"{"address_family": 4, "customer_as": 65000, "customer_ip": "10.77.0.11", "md5_enabled": true,
    "md5_password": "s3cret", "multihop": true, "peer_as": 65530, "peer_ips": ["169.254.255.1", "169.254.255.2"],
    "routes_in": [], "routes_out": []}"#;
const SIX: &str = r#"{"address_family": 6, "customer_as": 65000, "customer_ip": "2604:1380::3", "md5_enabled": false,
    "md5_password": null, "multihop": false, "peer_as": 65530, "peer_ips": ["2604:1380::2"]}"#;

fn provided(neighbors: &[&str]) -> Result<Provided, String> {
    read::<Neighbors>(&format!(r#"{{"bgp_neighbors": [{}]}}"#, neighbors.join(","))).provided("d-1")
}

#[test]
fn the_neighbours_of_both_families_are_peers() {
    let Provided { source, local_as, router_id, source_ip, peers } = provided(&[FOUR, SIX]).unwrap();
    assert_eq!((source.as_str(), local_as, source_ip), ("Equinix Metal's API", Some(65000), None));
    assert_eq!(router_id, Some(Ipv4Addr::new(10, 77, 0, 11)));
    let plain = |peer: &ProvidedPeer| {
        let password = peer.password.as_ref().map(|password| password.expose_secret().to_owned());
        (peer.address.to_string(), peer.asn, password, peer.multihop, peer.source_ip.map(|ip| ip.to_string()))
    };
    let four =
        |address: &str| (address.to_owned(), 65530, Some("s3cret".to_owned()), true, Some("10.77.0.11".to_owned()));
    let six = ("2604:1380::2".to_owned(), 65530, None, false, Some("2604:1380::3".to_owned()));
    let expected = vec![four("169.254.255.1"), four("169.254.255.2"), six];
    assert_eq!(peers.iter().map(plain).collect::<Vec<_>>(), expected);
}

#[test]
fn ipv6_alone_has_no_router_id() {
    assert_eq!(provided(&[SIX]).unwrap().router_id, None);
}

#[test]
fn what_is_missing_of_neighbours_is_named() {
    let none = "device d-1 has no BGP neighbours: BGP is not enabled; enable it for the project, and for the device with IPv4, \
                IPv6 or both";
    assert_eq!(provided(&[]), Err(none.to_owned()));
    let other = SIX.replace("65000", "65001");
    let two = "the neighbours of device d-1 know it by two AS numbers, 65000 and 65001";
    assert_eq!(provided(&[FOUR, &other]), Err(two.to_owned()));
    let hidden = FOUR.replace("\"s3cret\"", "null");
    let password =
        "the neighbour of 10.77.0.11 has MD5 enabled, but the API shows no password; give a token that may read it";
    assert_eq!(provided(&[&hidden]), Err(password.to_owned()));
    let nobody = SIX.replace("\"2604:1380::2\"", "");
    assert_eq!(provided(&[&nobody]), Err("the neighbour of 2604:1380::3 has no peer_ips".to_owned()));
    let zero = FOUR.replace("65530", "0");
    assert_eq!(provided(&[&zero]), Err("the neighbour of 10.77.0.11 has no peer_as".to_owned()));
}

fn reservations() -> Vec<Reservation> {
    let text = r#"{"ip_addresses": [
        {"id": "r-1", "address": "147.75.1.1", "network": "147.75.1.1", "cidr": 32, "assignments": [{"href": "/metal/v1/ips/a-1"}]},
        {"id": "r-2", "address": "147.75.2.0", "network": "147.75.2.0", "cidr": 30, "assignments": [
            {"id": "a-2", "href": "/ips/a-2", "address": "147.75.2.2", "assigned_to": {"href": "/metal/v1/devices/d-9"}},
            {"href": "/ips/r-2"}, {"href": "/ips/../../x"}, {}]},
        {"id": "r-3", "type": "vrf"}], "meta": null}"#;
    read::<Reservations>(text).open().0
}

#[test]
fn a_reservation_is_found_by_what_is_in_its_block() {
    let entries = |address: &str| find_reservation(&reservations(), address.parse().unwrap()).map(Reservation::entries);
    assert_eq!(entries("147.75.1.1"), Ok(vec![Entry::Named("a-1".to_owned())]));
    let assignment = Assignment { id: "a-2".to_owned(), device: "d-9".to_owned() };
    // What names the reservation itself is never taken for an assignment, nor what is no ID.
    assert_eq!(
        entries("147.75.2.3"),
        Ok(vec![Entry::Known(IpAddr::from([147, 75, 2, 2]), assignment), Entry::Named("x".to_owned())])
    );
    let none = "the project has no reservation with 10.1.1.1 in it, only 147.75.1.1/32, 147.75.2.0/30; reserve an Elastic IP \
                there, or correct --address";
    assert_eq!(entries("10.1.1.1"), Err(none.to_owned()));
}
