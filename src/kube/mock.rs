//! An API server in memory, over real HTTP, for tests: Leases with compare-and-swap, list and watch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::Endpoint;

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
/// The shared Lease's name in most tests.
const LEASE: &str = "plndr-cp-lock";

#[derive(Clone, Debug)]
struct State {
    revision: u64,
    /// By name.
    objects: BTreeMap<String, Value>,
    /// All that were ever deleted, as they were, with the deletion's revision.
    deleted: Vec<Value>,
}

/// What the servers of one cluster share.
#[derive(Clone, Debug)]
pub(crate) struct Etcd {
    state: Arc<watch::Sender<State>>,
    requests: Arc<Mutex<Vec<String>>>,
}

/// How a server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Serves,
    Hangs,
    /// Answers everything with 503.
    Unavailable,
}

impl Etcd {
    pub(crate) fn new() -> Self {
        let state = State { revision: 1, objects: BTreeMap::new(), deleted: Vec::new() };
        Self { state: Arc::new(watch::channel(state).0), requests: Arc::default() }
    }

    /// The same object, with requests counted anew.
    pub(crate) fn counted_apart(&self) -> Self {
        Self { state: self.state.clone(), requests: Arc::default() }
    }

    /// The shared Lease.
    pub(crate) fn object(&self) -> Option<Value> {
        self.named(LEASE)
    }

    pub(crate) fn named(&self, name: &str) -> Option<Value> {
        self.state.borrow().objects.get(name).cloned()
    }

    /// Waits until one of the objects is as wanted.
    pub(crate) async fn until(&self, name: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let mut states = self.state.subscribe();
        let state = states.wait_for(|state| state.objects.get(name).is_some_and(&mut wanted)).await.unwrap();
        state.objects[name].clone()
    }

    pub(crate) fn put(&self, mut object: Value) -> Value {
        self.state.send_modify(|state| {
            state.revision += 1;
            object["metadata"]["resourceVersion"] = json!(state.revision.to_string());
            state.objects.insert(object["metadata"]["name"].as_str().unwrap().to_owned(), object.clone());
        });
        object
    }

    pub(crate) fn delete(&self) {
        self.delete_named(LEASE);
    }

    pub(crate) fn delete_named(&self, name: &str) {
        self.state.send_modify(|state| {
            state.revision += 1;
            if let Some(mut object) = state.objects.remove(name) {
                object["metadata"]["resourceVersion"] = json!(state.revision.to_string());
                state.deleted.push(object);
            }
        });
    }

    /// The requests so far, method and path.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Starts a server on this etcd.
    pub(crate) async fn serve(&self, mood: watch::Receiver<Mood>) -> Endpoint {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let etcd = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(etcd.clone(), stream, mood.clone()));
            }
        });
        let mut config = kube::Config::new(url.parse().unwrap());
        config.default_retry = false;
        Endpoint { name: url, client: kube::Client::try_from(config).unwrap(), own: false }
    }

    fn respond(&self, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        let sent: Value = serde_json::from_slice(body).unwrap_or_default();
        let bare = path.split('?').next().unwrap();
        let name = bare.strip_prefix(&format!("{LEASES}/")).or(sent["metadata"]["name"].as_str());
        let current = name.and_then(|name| self.named(name));
        match (method, path.starts_with(&format!("{LEASES}/"))) {
            ("GET", true) => current.map_or_else(|| failure(404, "NotFound"), |object| (200, object)),
            ("GET", false) if path.starts_with(LEASES) => {
                let state = self.state.borrow().clone();
                let items: Vec<Value> = state.objects.into_values().filter(|object| selects(path, object)).collect();
                let metadata = json!({ "resourceVersion": state.revision.to_string() });
                (200, json!({ "kind": "LeaseList", "metadata": metadata, "items": items }))
            }
            ("POST", _) if current.is_some() => failure(409, "AlreadyExists"),
            ("POST", _) => (201, self.put(sent)),
            ("PUT", true) => {
                let Some(current) = current else { return failure(404, "NotFound") };
                let same = sent["metadata"]["resourceVersion"] == current["metadata"]["resourceVersion"];
                if same { (200, self.put(sent)) } else { failure(409, "Conflict") }
            }
            (_, _) => failure(404, "NotFound"),
        }
    }
}

/// Whether the selectors of a list or watch name this object; one `name=value` each.
fn selects(path: &str, object: &Value) -> bool {
    let query = path.split_once('?').map_or("", |(_, query)| query).replace("%3D", "=").replace("%2F", "/");
    query.split('&').all(|part| match part.split_once('=') {
        Some(("fieldSelector", selector)) => {
            selector.strip_prefix("metadata.name=") == object["metadata"]["name"].as_str()
        }
        Some(("labelSelector", selector)) => {
            let (label, value) = selector.split_once('=').unwrap();
            object["metadata"]["labels"][label] == value
        }
        _ => true,
    })
}

fn failure(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason,
    });
    (code, status)
}

async fn connection(etcd: Etcd, stream: TcpStream, mood: watch::Receiver<Mood>) {
    let mut stream = BufReader::new(stream);
    while let Some((method, path, body)) = request(&mut stream).await {
        etcd.requests.lock().unwrap().push(format!("{method} {path}"));
        let mood = *mood.borrow();
        let (code, answer) = match mood {
            Mood::Hangs => return std::future::pending().await,
            Mood::Unavailable => failure(503, "ServiceUnavailable"),
            Mood::Serves if path.contains("watch=true") => return watch_stream(&etcd, &mut stream, &path).await,
            Mood::Serves => etcd.respond(&method, &path, &body),
        };
        let text = answer.to_string();
        let head =
            format!("HTTP/1.1 {code} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", text.len());
        if stream.write_all(format!("{head}{text}").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, String, Vec<u8>)> {
    let mut first = String::new();
    stream.read_line(&mut first).await.ok().filter(|&read| read > 0)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let line = line.trim().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let mut words = first.split_whitespace();
    Some((words.next()?.to_owned(), words.next()?.to_owned(), body))
}

/// Every later state of the object, as chunks of a watch (states that follow too fast on each other are skipped).
async fn watch_stream(etcd: &Etcd, stream: &mut BufReader<TcpStream>, path: &str) {
    let from = path.split("resourceVersion=").nth(1).and_then(|rest| rest.split('&').next()?.parse().ok()).unwrap_or(0);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    if stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    let mut states = etcd.state.subscribe();
    let mut seen = from;
    loop {
        let Ok(state) = states.wait_for(|state| state.revision > seen).await.map(|state| state.clone()) else { return };
        let revision = |object: &Value| object["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
        let all = state.objects.values().map(|object| ("MODIFIED", object));
        let all = all.chain(state.deleted.iter().map(|object| ("DELETED", object)));
        let mut news: Vec<_> = all.filter(|(_, object)| revision(object) > seen && selects(path, object)).collect();
        news.sort_by_key(|(_, object)| revision(object));
        for (kind, object) in news {
            let text = format!("{}\n", json!({ "type": kind, "object": object }));
            if stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await.is_err() {
                return;
            }
        }
        seen = state.revision;
    }
}
