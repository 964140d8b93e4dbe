//! `/healthz` over HTTP, for probes that kube-vip's manifests have (`health_check_port`): 200 for as long as this process
//! runs its tasks. Whether the node is fit, `vipcast status --ready` says.

use std::convert::Infallible;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::clock::now;
use crate::time::Said;

/// How many connections are answered at once; more are closed.
const CONNECTIONS: usize = 32;
/// How long one may last.
const LASTS: Duration = Duration::from_secs(10);
/// How soon a port that was taken is tried again: the pod before us may still have it.
const AGAIN: Duration = Duration::from_secs(1);

type Body = Full<&'static [u8]>;

/// Answers at this port of all addresses, for ever.
pub async fn healthz(port: u16) {
    let listener = listen(port).await;
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let Ok(place) = Arc::clone(&free).try_acquire_owned() else { continue };
                tokio::spawn(async move {
                    // Whoever says nothing is closed; its errors are its own.
                    let _ = timeout(LASTS, serve(stream)).await;
                    drop(place);
                });
            }
            // Out of descriptors, mostly.
            Err(_) => sleep(AGAIN).await,
        }
    }
}

async fn listen(port: u16) -> TcpListener {
    let mut said = Said::default();
    loop {
        let bound = match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
            // A host without IPv6.
            Err(error) if error.kind() != std::io::ErrorKind::AddrInUse => {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
            }
            bound => bound,
        };
        match bound {
            Ok(listener) => return listener,
            Err(error) => {
                let reason = error.to_string();
                if said.is_news(now(), &reason) {
                    tracing::warn!(
                        port,
                        reason,
                        "failed to listen for /healthz (--healthCheckPort); trying again each second"
                    );
                }
            }
        }
        sleep(AGAIN).await;
    }
}

async fn serve(stream: TcpStream) -> hyper::Result<()> {
    let mut server = http1::Builder::new();
    server.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(LASTS).max_buf_size(8 * 1024);
    let service = service_fn(|request: Request<Incoming>| async move { Ok::<_, Infallible>(answer(&request)) });
    server.serve_connection(TokioIo::new(stream), service).await
}

fn answer<B>(request: &Request<B>) -> Response<Body> {
    let (status, text): (StatusCode, &'static [u8]) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/healthz" | "/livez") => (StatusCode::OK, b"OK\n"),
        (_, "/healthz" | "/livez") => (StatusCode::METHOD_NOT_ALLOWED, b"GET is what is answered\n"),
        _ => (StatusCode::NOT_FOUND, b"only /healthz is here; vipcast status says the rest\n"),
    };
    let mut response = Response::new(Full::new(text));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_healthz_is_there() {
        let code = |method: Method, path: &str| {
            let request = Request::builder().method(method).uri(path).body(()).unwrap();
            answer(&request).status().as_u16()
        };
        let asked =
            [(Method::GET, "/healthz"), (Method::HEAD, "/livez"), (Method::POST, "/healthz"), (Method::GET, "/")];
        assert_eq!(asked.map(|(method, path)| code(method, path)), [200, 200, 405, 404]);
    }
}
