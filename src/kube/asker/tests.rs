use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::*;

/// A request: its path, and whether credentials were shown.
type Request = (String, bool);

/// A web server that gives one answer, whatever it is asked.
#[derive(Clone)]
struct Server {
    url: String,
    /// Head and body of the answer; to requests with credentials the second.
    answers: Arc<Mutex<[String; 2]>>,
    /// What was asked on each connection.
    seen: Arc<Mutex<Vec<Vec<Request>>>>,
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

impl Server {
    async fn start(answers: [String; 2]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/a/readyz?x=1", listener.local_addr().unwrap());
        let server = Self { url, answers: Arc::new(Mutex::new(answers)), seen: Arc::default() };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.seen.lock().unwrap().push(Vec::new());
                let place = serving.seen.lock().unwrap().len() - 1;
                tokio::spawn(serving.clone().connection(BufReader::new(stream), place));
            }
        });
        server
    }

    async fn saying(status: &str, body: &str) -> Self {
        Self::start([answer(status, body), String::new()]).await
    }

    async fn connection(self, mut stream: BufReader<tokio::net::TcpStream>, place: usize) {
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            let known = head.to_lowercase().contains("authorization: bearer token");
            let path = head.split(' ').nth(1).unwrap().to_owned();
            self.seen.lock().unwrap()[place].push((path, known));
            let answer = self.answers.lock().unwrap()[usize::from(known)].clone();
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    /// Requests a connection.
    fn requests(&self) -> Vec<usize> {
        self.seen.lock().unwrap().iter().map(Vec::len).collect()
    }
}

fn asker(url: &str, kubeconfig: Option<&Path>) -> Asker {
    Asker::new(Question {
        url: url.to_owned(),
        server_name: None,
        ca: None,
        kubeconfig: kubeconfig.map(Path::to_owned),
        limit: Duration::from_secs(5),
    })
}

async fn said(status: &str, body: &str) -> Result<(), Trouble> {
    let server = Server::saying(status, body).await;
    asker(&server.url, None).ask().await
}

fn failed(text: &str) -> Result<(), Trouble> {
    Err(Trouble::Failed(text.to_owned()))
}

#[tokio::test]
async fn only_200_is_good_and_redirects_are_not_followed() {
    assert_eq!(said("200 OK", "ok").await, Ok(()));
    assert_eq!(said("204 No Content", "").await, failed("204 No Content"));
    assert_eq!(said("503 Service Unavailable", "x").await, failed("503 Service Unavailable"));
    let moved = said("302 Found\r\nlocation: http://127.0.0.1:1/", "").await;
    assert_eq!(moved, failed("302 Found: redirects are not followed; name the place it leads to"));
}

#[tokio::test]
async fn an_api_servers_own_words_are_passed_on() {
    let body =
        "[+]ping ok\n[-]etcd failed: reason withheld\n[+]log ok\n[-]informer-sync failed: x\nreadyz check failed\n";
    let expected = "500 Internal Server Error: etcd failed: reason withheld, informer-sync failed: x";
    assert_eq!(said("500 Internal Server Error", body).await, failed(expected));
}

#[tokio::test]
async fn one_connection_is_kept() {
    let server = Server::saying("200 OK", "ok").await;
    let mut asker = asker(&server.url, None);
    for _ in 0..5 {
        assert_eq!(asker.ask().await, Ok(()));
    }
    assert_eq!(server.requests(), [5]);
    assert_eq!(server.seen.lock().unwrap()[0][4], ("/a/readyz?x=1".to_owned(), false));
    // Bad answers do not cost it either.
    server.answers.lock().unwrap()[0] = answer("500 X", "bad");
    assert_eq!(asker.ask().await, failed("500 Internal Server Error"));
    server.answers.lock().unwrap()[0] = answer("200 OK", "ok");
    assert_eq!(asker.ask().await, Ok(()));
    assert_eq!(server.requests(), [7]);
}

#[tokio::test]
async fn an_endless_answer_is_not_read() {
    let server = Server::saying("200 OK", "ok").await;
    server.answers.lock().unwrap()[0] = "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n".to_owned();
    let mut asker = asker(&server.url, None);
    assert_eq!((asker.ask().await, asker.ask().await), (Ok(()), Ok(())));
    assert_eq!(server.requests(), [1, 1]);
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/readyz", listener.local_addr().unwrap());
    drop(listener);
    let plain = asker(&url, None).ask().await;
    assert!(matches!(&plain, Err(Trouble::Refused(text)) if text.contains("Connection refused")), "{plain:?}");
}

fn tempdir(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("vipcast-asker-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

#[tokio::test]
async fn credentials_are_shown_only_to_a_server_that_asks_for_them() {
    let dir = tempdir("known");
    let kubeconfig = dir.join("admin.conf");
    let text = "{current-context: c, contexts: [{name: c, context: {cluster: k, user: u}}], clusters: [{name: k, cluster: \
                {server: 'https://10.0.0.1:6443'}}], users: [{name: u, user: {token: TOKEN}}]}";
    std::fs::write(&kubeconfig, text).unwrap();
    let server = Server::start([answer("401 Unauthorized", "x"), answer("200 OK", "ok")]).await;
    let mut asker = asker(&server.url, Some(&kubeconfig));
    assert_eq!((asker.ask().await, asker.ask().await), (Ok(()), Ok(())));
    let shown = |server: &Server| server.seen.lock().unwrap().concat().into_iter().map(|(_, k)| k).collect::<Vec<_>>();
    assert_eq!(shown(&server), [false, true, true]);
    // Credentials that are not accepted either: said, and next time it is asked as anybody again.
    server.answers.lock().unwrap()[1] = answer("403 Forbidden", "x");
    let expected = failed("403 Forbidden (may anybody, or whom the kubeconfig names, ask for that?)");
    assert_eq!(asker.ask().await, expected);
    server.answers.lock().unwrap()[0] = answer("200 OK", "ok");
    assert_eq!(asker.ask().await, Ok(()));
    assert_eq!(shown(&server)[3..], [true, false]);
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn what_it_is_to_believe_is_named_where_it_is_missing() {
    let dir = tempdir("ca");
    let absent = dir.join("admin.conf");
    let text = |result: Result<(), Trouble>| match result {
        Err(Trouble::Fault(text)) => text.replace(&dir.display().to_string(), "DIR"),
        other => panic!("{other:?}"),
    };
    let fault = text(asker("https://127.0.0.1:1/readyz", Some(&absent)).ask().await);
    assert!(fault.starts_with(
        "failed to find credentials for the Kubernetes API: there is no kubeconfig DIR/admin.conf, and no service account"
    ));
    assert!(fault.ends_with(
        "; or say by --controlPlaneHealthCheckCAPath (control_plane_health_check_ca_path) which authority signed the API \
         server's certificate, kubeadm's is /etc/kubernetes/pki/ca.crt; or turn the check off: \
         --controlPlaneHealthCheckAddress off"
    ));
    let with = |ca: PathBuf| {
        let mut asker = asker("https://127.0.0.1:1/readyz", Some(&absent));
        asker.question.ca = Some(ca);
        asker
    };
    let named = "failed to read --controlPlaneHealthCheckCAPath (control_plane_health_check_ca_path) DIR";
    let fault = text(with(dir.join("ca.crt")).ask().await);
    assert_eq!(fault, format!("{named}/ca.crt: there is no such file; a hostPath must exist and be mounted"));
    let fault = text(with(dir.clone()).ask().await);
    let directory = "it is a directory; the kubelet makes one where a hostPath without a type does not exist";
    assert_eq!(fault, format!("{named}: {directory}"));
    std::fs::write(dir.join("ca.crt"), "nothing").unwrap();
    let fault = text(with(dir.join("ca.crt")).ask().await);
    assert_eq!(fault, format!("{named}/ca.crt: there is no certificate in it; expected PEM"));
    std::fs::remove_dir_all(&dir).unwrap();
}
