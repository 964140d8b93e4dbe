//! The health check: whom it asks, how often, and what is refused.

use super::*;

/// So many seconds, so many seconds, so many failures.
pub(super) fn every(period: u64, timeout: u64, fall: u32, target: HealthTarget) -> HealthConfig {
    HealthConfig {
        target,
        server_name: None,
        ca: None,
        period: Duration::from_secs(period),
        timeout: Duration::from_secs(timeout),
        fall,
        rise: 2,
        fail_open: false,
    }
}

/// The default.
pub(super) fn own() -> HealthConfig {
    HealthConfig { server_name: Some("kubernetes".to_owned()), ..every(1, 1, 3, HealthTarget::Own { port: 6443 }) }
}

const ADDRESS: &str = "controlPlaneHealthCheckAddress";
const PERIOD: &str = "controlPlaneHealthCheckPeriodSeconds";
const TIMEOUT: &str = "controlPlaneHealthCheckTimeoutSeconds";
const FAILURES: &str = "controlPlaneHealthCheckFailureThreshold";
const CA: &str = "controlPlaneHealthCheckCAPath";
const NAME: &str = "controlPlaneHealthCheckServerName";
const FAIL_OPEN: &str = "controlPlaneHealthCheckFailOpen";

fn health(flags: &[(&str, &str)]) -> Option<HealthConfig> {
    config(flags, &[]).health
}

#[test]
fn without_an_address_it_is_this_nodes_own_server() {
    assert_eq!(health(&[]), Some(own()));
    let port = HealthConfig { target: HealthTarget::Own { port: 8443 }, ..own() };
    assert_eq!(health(&[("port", "8443")]), Some(port));
    let set = [(PERIOD, "2"), (TIMEOUT, "2"), (FAILURES, "1"), (CA, "/ca"), (NAME, "api.example"), (FAIL_OPEN, "true")];
    let expected = HealthConfig {
        server_name: Some("api.example".to_owned()),
        ca: Some("/ca".into()),
        fail_open: true,
        ..every(2, 2, 1, HealthTarget::Own { port: 6443 })
    };
    assert_eq!(health(&set), Some(expected));
    assert_eq!(HealthTarget::Own { port: 6443 }.url(), "https://127.0.0.1:6443/readyz");
}

#[test]
fn with_an_address_kube_vips_defaults_hold() {
    let urls = ["https://localhost:6443/livez", "http://[2001:db8::1]/", "https://API.example", "http://10.0.0.1?x=1"];
    for url in urls {
        assert_eq!(health(&[(ADDRESS, url)]), Some(every(5, 3, 3, HealthTarget::Url(url.to_owned()))));
    }
    let short = every(2, 2, 3, HealthTarget::Url(urls[0].to_owned()));
    assert_eq!(health(&[(ADDRESS, urls[0]), (PERIOD, "2")]), Some(short));
}

#[test]
fn all_of_it_by_kube_vips_variables() {
    let variables = [
        ("control_plane_health_check_address", "http://192.0.2.6:8080/healthz"),
        ("control_plane_health_check_period_seconds", "4"),
        ("control_plane_health_check_timeout_seconds", "2"),
        ("control_plane_health_check_failure_threshold", "7"),
    ];
    let given = HealthTarget::Url("http://192.0.2.6:8080/healthz".to_owned());
    assert_eq!(config(&[], &variables).health, Some(every(4, 2, 7, given)));
}

#[test]
fn off_is_off_and_says_what_has_no_effect() {
    assert_eq!(health(&[(ADDRESS, "off")]), None);
    assert_eq!(
        warnings(&[(ADDRESS, "off"), (TIMEOUT, "9"), (FAIL_OPEN, "true")], &[]),
        [
            "--controlPlaneHealthCheckTimeoutSeconds (control_plane_health_check_timeout_seconds): has no effect: the \
             check is off",
            "--controlPlaneHealthCheckFailOpen (control_plane_health_check_fail_open): has no effect: the check is off",
        ]
    );
}

#[test]
fn what_has_no_effect_is_a_warning() {
    assert_eq!(
        warnings(&[(ADDRESS, "http://localhost/"), (CA, "/ca"), (FAIL_OPEN, "1"), ("leaderElection", "1")], &[]),
        [
            "--controlPlaneHealthCheckCAPath (control_plane_health_check_ca_path): has no effect: the address is asked by \
             http, without a certificate",
            "--controlPlaneHealthCheckFailOpen (control_plane_health_check_fail_open): has no effect under a lease: where \
             no candidate is fit the last holder stays anyway",
        ]
    );
}

#[test]
fn wrong_addresses() {
    let said = |url: &str| {
        let lines = mistakes(&[(ADDRESS, url)], &[]);
        assert_eq!(lines.len(), 1, "{lines:?}");
        let name = "--controlPlaneHealthCheckAddress (control_plane_health_check_address): ";
        lines[0].strip_prefix(name).map(str::to_owned).unwrap()
    };
    let else_ = "; expected a URL like https://10.0.0.1:6443/readyz, off, or nothing for /readyz of this node's own API \
                 server";
    let cases = [
        ("localhost:6443", "is not a URL"),
        ("ftp://localhost/", "is not a URL"),
        ("false", "is not a URL"),
        ("https://", "has no host in it"),
        ("https:///readyz", "has no host in it"),
        ("https://[::1/readyz", "has no host in it"),
        ("https://[::1]6443/readyz", "has no host in it"),
        ("https://::1/readyz", "has no good port"),
        ("https://a_b/", "has no host in it"),
        ("https://[localhost]/", "has no host in it"),
        ("https://localhost:0/", "has no good port"),
        ("https://localhost:65536/", "has no good port"),
        ("https://localhost:/", "has no good port"),
        ("https://localhost/#x", "has a character in it that no URL has"),
        ("https://localhost/ü", "has a character in it that no URL has"),
    ];
    for (url, wrong) in cases {
        assert_eq!(said(url), format!("{url:?} {wrong}{else_}"));
    }
    assert_eq!(
        said("https://10.88.0.40:6443/readyz"),
        "\"https://10.88.0.40:6443/readyz\" is the virtual IP itself: whoever holds it would answer; expected this node's \
         own server"
    );
    let secret = said("https://user:hunter2@localhost/");
    assert_eq!(secret, "the URL has an \"@\" in it; expected one without a user name and password");
}

#[test]
fn wrong_numbers_and_names() {
    let flags = [(PERIOD, "0"), (TIMEOUT, "-1"), (FAILURES, "0"), (NAME, "two words"), (FAIL_OPEN, "maybe")];
    assert_eq!(
        mistakes(&flags, &[]),
        [
            "--controlPlaneHealthCheckFailOpen (control_plane_health_check_fail_open): \"maybe\" is not a boolean; expected \
             true or false (1, t, T, 0, f, F)",
            "--controlPlaneHealthCheckPeriodSeconds (control_plane_health_check_period_seconds): \"0\" is not a number of \
             seconds; expected 1 to 3600",
            "--controlPlaneHealthCheckTimeoutSeconds (control_plane_health_check_timeout_seconds): \"-1\" is not a number \
             of seconds; expected 1 to 3600",
            "--controlPlaneHealthCheckFailureThreshold (control_plane_health_check_failure_threshold): \"0\" is not a \
             number of checks; expected 1 to 1000",
            "--controlPlaneHealthCheckServerName (control_plane_health_check_server_name): \"two words\" is not a name that \
             a certificate can have; expected one like kubernetes, or an IP address",
        ]
    );
    assert_eq!(
        mistakes(&[(TIMEOUT, "2")], &[]),
        [
            "--controlPlaneHealthCheckTimeoutSeconds (control_plane_health_check_timeout_seconds): 2 s is longer than the 1 s \
          of --controlPlaneHealthCheckPeriodSeconds (control_plane_health_check_period_seconds): a check would be due \
          before the last one is over; expected 1 to 1"
        ]
    );
}
