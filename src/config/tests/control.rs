//! The control socket.

use super::*;

#[test]
fn healthz_has_a_port_where_one_is_given() {
    let port = |value: &str| config(&[], &[("health_check_port", value)]).health_port;
    assert_eq!([port("0"), port("8080")], [None, Some(8080)]);
}

#[test]
fn the_socket_is_somewhere_or_off() {
    let socket = |text: &str| config(&[("controlSocket", text)], &[]).control_socket;
    assert_eq!(socket("/var/lib/vipcast/v.sock"), Some(PathBuf::from("/var/lib/vipcast/v.sock")));
    assert_eq!(socket("off"), None);
    let by_variables = config(&[], &[("control_socket", "/run/v.sock"), ("drain_on_cordon", "1")]);
    let expected = (Some(PathBuf::from("/run/v.sock")), true);
    assert_eq!((by_variables.control_socket, by_variables.drain_on_cordon), expected);
    let long = format!("/{}", "x".repeat(90));
    let cases = [("v.sock", "is not the path of a socket"), ("/", "is not the path of a socket"), (&long, LONG)];
    for (text, wrong) in cases {
        let said = format!(
            "--controlSocket (control_socket): {text:?} {wrong}; expected an absolute path of at most 90 bytes, or off"
        );
        assert_eq!(mistakes(&[("controlSocket", text)], &[]), [said]);
    }
}

const LONG: &str = "is longer than sockets' paths may be";
