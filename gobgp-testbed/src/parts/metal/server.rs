//! The helper: HTTP over TLS, one thread a connection, and the faults.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use super::answers::{Request, answer};
use super::{FAULTS, STATE};

/// The base of the paths.
const BASE: &str = "/metal/v1";

/// What all connections share.
struct Shared {
    dir: PathBuf,
    /// How often each fault has happened, by its text; who holds this may change the state.
    happened: Mutex<BTreeMap<String, u64>>,
}

/// The helper's whole life.
///
/// # Errors
/// When the port is taken, or a file is missing.
pub fn helper(dir: &str, certificate: &str, key: &str, port: &str) -> Result<()> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificates = vec![CertificateDer::from_pem_file(certificate)?];
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, PrivateKeyDer::from_pem_file(key)?)?;
    let config = Arc::new(config);
    let shared = Arc::new(Shared { dir: PathBuf::from(dir), happened: Mutex::default() });
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port.parse()?))?;
    println!("listening");
    for stream in listener.incoming() {
        let (stream, config, shared) = (stream?, Arc::clone(&config), Arc::clone(&shared));
        thread::spawn(move || {
            if let Err(error) = serve(stream, config, &shared) {
                println!("connection ended: {error:#}");
            }
        });
    }
    Ok(())
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, shared: &Shared) -> Result<()> {
    stream.set_nodelay(true)?;
    let from = stream.peer_addr()?.ip().to_string();
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config)?, stream));
    while let Some(request) = read(&mut stream)? {
        let what = format!("{} {BASE}{}", request.method, request.path);
        let fault = shared.fault(&from, &what)?;
        let late = fault.get("late_ms").and_then(Value::as_u64);
        if let Some(millis) = late {
            println!("late {from} {what}");
            thread::sleep(Duration::from_millis(millis));
        }
        let is_on = |key: &str| fault.get(key).is_some();
        if is_on("cut") {
            println!("{from} {what} cut");
            return Ok(());
        }
        let (status, body) = match fault.get("status").and_then(Value::as_u64) {
            Some(status) => {
                let text = fault.get("text").and_then(Value::as_str).unwrap_or_default();
                (u16::try_from(status)?, serde_json::json!({"errors": [text]}))
            }
            None => shared.answer(&request)?,
        };
        println!("{from} {what} {status}");
        let mut body = if body.is_null() { String::new() } else { body.to_string() };
        if is_on("garbled") {
            body.truncate(body.len() / 2);
        }
        let rest = fault.get("retry_after").and_then(Value::as_u64);
        let rest = rest.map(|seconds| format!("Retry-After: {seconds}\r\n")).unwrap_or_default();
        let length = body.len();
        if is_on("half") {
            body.truncate(length / 2);
        }
        let head =
            format!("HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n{rest}Content-Length: {length}\r\n\r\n");
        stream.get_mut().write_all(format!("{head}{body}").as_bytes())?;
        stream.get_mut().flush()?;
        if is_on("half") {
            return Ok(());
        }
    }
    Ok(())
}

/// The next request; `None`: there is none any more.
fn read(stream: &mut impl BufRead) -> Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).unwrap_or(0) == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let (mut token, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "x-auth-token" => value.trim().clone_into(&mut token),
            "content-length" => length = value.trim().parse().context("the length of the body")?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let path = path.strip_prefix(BASE).unwrap_or("/nowhere").to_owned();
    Ok(Some(Request { method, path, token, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }))
}

impl Shared {
    /// Answers by the state in the file, and keeps what became of it.
    fn answer(&self, request: &Request) -> Result<(u16, Value)> {
        let _held = self.happened.lock().unwrap_or_else(PoisonError::into_inner);
        let file = self.dir.join(STATE);
        let mut state = document(&file)?;
        let before = state.clone();
        let result = answer(&mut state, request)?;
        if state != before {
            let new = self.dir.join("new-state");
            fs::write(&new, state.to_string())?;
            fs::rename(new, file)?;
        }
        Ok(result)
    }

    /// What goes wrong with this request; null: nothing.
    fn fault(&self, from: &str, what: &str) -> Result<Value> {
        let mut happened = self.happened.lock().unwrap_or_else(PoisonError::into_inner);
        let faults = document(&self.dir.join(FAULTS))?;
        for fault in faults.as_array().into_iter().flatten() {
            let text = |key: &str| fault.get(key).and_then(Value::as_str);
            let is_meant = text("request").is_some_and(|request| what.starts_with(request));
            if !is_meant || text("from").is_some_and(|only| only != from) {
                continue;
            }
            let count = happened.entry(fault.to_string()).or_default();
            if fault.get("times").and_then(Value::as_u64).is_some_and(|times| *count >= times) {
                continue;
            }
            *count += 1;
            return Ok(fault.get("what").cloned().unwrap_or_default());
        }
        Ok(Value::Null)
    }
}

fn document(file: &Path) -> Result<Value> {
    serde_json::from_slice(&fs::read(file)?).with_context(|| format!("failed to read {}", file.display()))
}
