use super::*;

fn meaning(code: u16, reason: &str) -> CallError {
    status_error(&Status::failure("why", reason).with_code(code))
}

#[test]
fn refusals_are_answers() {
    let cases = [
        (409, "Conflict", Refusal::Conflict),
        (409, "AlreadyExists", Refusal::AlreadyExists),
        (404, "NotFound", Refusal::NotFound("why".to_owned())),
        (410, "Expired", Refusal::Expired),
        (422, "Invalid", Refusal::Other { code: 422, reason: "Invalid".to_owned(), message: "why".to_owned() }),
    ];
    for (code, reason, refusal) in cases {
        assert_eq!(meaning(code, reason), CallError::Answer(refusal));
    }
}

#[test]
fn faults_are_failures_with_a_remedy() {
    let cases = [
        (401, "the credentials are not accepted; renew the kubeconfig (kubeadm certs renew) (401 R: why)"),
        (404, "the server cannot answer now (404 R: why)"),
        (429, "the server cannot answer now (429 R: why)"),
        (500, "the server has a fault (500 R: why)"),
        (503, "the server has a fault (503 R: why)"),
    ];
    for (code, text) in cases {
        assert_eq!(meaning(code, "R"), CallError::Failed(text.to_owned()));
    }
    let denied = "not permitted; grant vipcast kube-vip's ClusterRole (403 R: why)";
    assert_eq!(meaning(403, "R"), CallError::Denied(denied.to_owned()));
}

#[test]
fn certificate_faults_are_named_as_configuration() {
    assert_eq!(
        connection_error("invalid peer certificate: UnknownIssuer"),
        "invalid peer certificate: UnknownIssuer (a fault of configuration: the API server's certificate must be \
         signed by the kubeconfig's CA and name the server, `kubernetes` where it is reached by address)"
    );
    assert_eq!(connection_error("connection refused"), "connection refused");
}
