//! Against sockets on this host: one that never answers, one that does.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::kube::Endpoints;

/// Far beyond what a test may wait: an early end is no accident.
const LIMIT: Duration = Duration::from_secs(20);

async fn endpoint(answers: bool) -> (Endpoint, TcpListener) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
    let name = if answers { "ready" } else { "hanging" }.to_owned();
    (Endpoint { name, client, own: false }, listener)
}

/// Says ok to whatever is asked.
async fn serve(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = [0; 4096];
        while stream.read(&mut request).await.is_ok_and(|length| length > 0) {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        }
    }
}

async fn ask(client: Client) -> kube::Result<String> {
    client.request_text(http::Request::get("/").body(Vec::new()).unwrap()).await
}

#[tokio::test]
async fn a_call_that_hangs_ends_when_another_server_is_ready() {
    let (hanging, _open) = endpoint(false).await;
    let (ready, listener) = endpoint(true).await;
    tokio::spawn(serve(listener));
    // Not the next in order: that one hangs too.
    let mut second = hanging.clone();
    second.name.push_str(" too");
    let mut route = Endpoints::fixed(vec![hanging, second, ready]).route("test");
    let limit = LIMIT / 100;
    assert_eq!(route.call(limit, ask).await, Err(CallError::timeout(limit / 2)));
    assert_eq!(route.call(LIMIT, ask).await, Ok("ok".to_owned()));
}

#[tokio::test]
async fn a_call_that_hangs_lasts_its_time_where_no_other_is_ready() {
    let (hanging, _open) = endpoint(false).await;
    let mut second = hanging.clone();
    second.name.push_str(" too");
    let mut route = Endpoints::fixed(vec![hanging, second]).route("test");
    let limit = LIMIT / 100;
    assert_eq!(route.call(limit, ask).await, Err(CallError::timeout(limit)));
}
