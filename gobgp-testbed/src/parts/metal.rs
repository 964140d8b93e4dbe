//! Equinix Metal's API, as far as vipcast asks it: over TLS, in the shapes that the vendor publishes, with a project whose
//! addresses are assigned and removed, and with faults on order.
//!
//! The helper runs on a host of its own and prints a line for each request: who, what, the status of the answer.

mod answers;
mod server;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::pki::Pki;
use crate::host::Host;
use crate::paths;
use crate::process::Process;
use crate::site::Site;

pub use server::helper;

/// The token it knows.
pub const TOKEN: &str = "correct-horse-token";
/// The project's ID.
pub const PROJECT: &str = "6df7ab72-fdc6-4d3a-b7a8-4f1f4a3f2c11";
/// The project's name.
pub const PROJECT_NAME: &str = "bare metal";
/// Its number on the data network.
const NUMBER: u8 = 6;
const PORT: u16 = 8443;
/// Names of the files in its directory.
const STATE: &str = "state.json";
const FAULTS: &str = "faults.json";

/// The ID of a node's device.
#[must_use]
pub fn device(node: u8) -> String {
    format!("0c695640-0000-4000-8000-0000000000{node:02}")
}

/// What goes wrong with requests.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Method and path, or how they begin.
    pub request: &'static str,
    /// Only from this address.
    pub from: Option<IpAddr>,
    /// So often; `None`: every time.
    pub times: Option<u32>,
    /// What happens.
    pub what: What,
}

/// What happens to a request.
#[derive(Debug, Clone, Copy)]
pub enum What {
    /// This status, and the words for it.
    Status(u16, &'static str),
    /// 429, with a rest in seconds.
    Rest(u64),
    /// It is carried out so much later.
    Late(Duration),
    /// The connection is cut in place of an answer.
    Cut,
    /// The answer ends in its middle, and the connection is cut.
    Half,
    /// The answer is JSON no more, though whole.
    Garbled,
}

/// A running API.
#[derive(Debug)]
pub struct Metal {
    host: Host,
    process: Process,
    dir: PathBuf,
    /// The certificate's authority.
    pub authority: PathBuf,
    address: Ipv4Addr,
}

impl Metal {
    /// Starts it with this state; see [`state`].
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(site: &mut Site, state: &Value) -> Result<Self> {
        let host = site.host("metal", NUMBER)?;
        let address = crate::lab::Net::Data.v4(NUMBER);
        let dir = host.file("api");
        let _ = fs::remove_dir_all(&dir);
        let pki = Pki::create(&dir)?;
        let pair = pki.web_server("api", address.into())?;
        let metal =
            |process| Self { host: host.clone(), process, dir: dir.clone(), authority: pki.authority.clone(), address };
        fs::write(dir.join(STATE), state.to_string())?;
        fs::write(dir.join(FAULTS), "[]")?;
        let process = host.spawn("metal", &paths::myself()?, |command| {
            command.arg("metal").arg(&dir).arg(&pair.certificate).arg(&pair.key).arg(PORT.to_string());
        })?;
        process.log().wait_line(process.began(), &["listening"], Duration::from_secs(5))?;
        Ok(metal(process))
    }

    /// What to give vipcast as `--metalAPI`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}:{PORT}/metal/v1", self.address)
    }

    /// What goes wrong from now on, in place of what went wrong before.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_faults(&self, faults: &[Fault]) -> Result<()> {
        let all: Vec<Value> = faults.iter().map(Fault::order).collect();
        self.write(FAULTS, &Value::from(all))
    }

    /// Replaces the neighbours of a device.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub fn set_neighbors(&self, node: u8, neighbors: &[Value]) -> Result<()> {
        let mut state: Value = serde_json::from_slice(&fs::read(self.dir.join(STATE))?)?;
        let all = state.get_mut("neighbors").and_then(Value::as_object_mut).context("no neighbours")?;
        all.insert(device(node), Value::from(neighbors));
        self.write(STATE, &state)
    }

    /// Never half written.
    fn write(&self, name: &str, value: &Value) -> Result<()> {
        let new = self.dir.join("new");
        fs::write(&new, value.to_string())?;
        fs::rename(new, self.dir.join(name)).context("failed to give the order")
    }

    /// Who asked for what, and the status of the answer, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.process.said().lines().filter(|line| line.starts_with("10.")).map(str::to_owned).collect()
    }

    /// The node whose device has the address, asked as any user asks; `None`: no device.
    ///
    /// # Errors
    /// When the API does not answer.
    pub fn holder(&self, address: IpAddr) -> Result<Option<u8>> {
        Ok(self.assignment(address)?.map(|(_, node)| node))
    }

    /// The ID of the address's assignment, and the node.
    ///
    /// # Errors
    /// When the API does not answer.
    pub fn assignment(&self, address: IpAddr) -> Result<Option<(String, u8)>> {
        let (status, list) = self.ask("GET", &format!("/projects/{PROJECT}/ips?include=assignments"), None)?;
        ensure!(status == 200, "{status}: {list}");
        let blocks = list.get("ip_addresses").and_then(Value::as_array).context("no list")?;
        let mut all = blocks.iter().filter_map(|block| block.get("assignments")?.as_array()).flatten();
        let text = address.to_string();
        let found = all.find(|found| found.get("address").and_then(Value::as_str) == Some(&text));
        let Some(found) = found else { return Ok(None) };
        let id = found.get("id").and_then(Value::as_str).context("no ID")?;
        let href = found.pointer("/assigned_to/href").and_then(Value::as_str).context("no device")?;
        let node = (1..=9).find(|node| href.ends_with(&device(*node))).with_context(|| href.to_owned())?;
        Ok(Some((id.to_owned(), node)))
    }

    /// One request with the good token, by curl on the API's own host.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let authority = self.authority.display().to_string();
        let (token, url) = (format!("X-Auth-Token: {TOKEN}"), format!("{}{path}", self.url()));
        let body = body.map(Value::to_string);
        let mut words = vec!["-sS", "--max-time", "5", "-X", method, "-w", "\n%{http_code}", "--cacert", &authority];
        words.extend(["-H", &token, &url]);
        words.extend(body.iter().flat_map(|body| ["-d", body.as_str()]));
        let said = self.host.exec("curl", &words)?;
        let (text, status) = said.rsplit_once('\n').context("curl printed no status")?;
        let answer = if text.is_empty() { Value::Null } else { serde_json::from_str(text).unwrap_or(Value::Null) };
        Ok((status.parse()?, answer))
    }
}

impl Fault {
    /// Every time, from anybody.
    #[must_use]
    pub const fn always(request: &'static str, what: What) -> Self {
        Self { request, from: None, times: None, what }
    }

    fn order(&self) -> Value {
        let what = match self.what {
            What::Status(status, text) => json!({"status": status, "text": text}),
            What::Rest(seconds) => json!({"status": 429, "text": "Too many requests", "retry_after": seconds}),
            What::Late(by) => json!({"late_ms": u64::try_from(by.as_millis()).unwrap_or(u64::MAX)}),
            What::Cut => json!({"cut": true}),
            What::Half => json!({"half": true}),
            What::Garbled => json!({"garbled": true}),
        };
        json!({"request": self.request, "from": self.from.map(|ip| ip.to_string()), "times": self.times, "what": what})
    }
}

/// A project with three nodes among so many other devices, whose reserved address blocks are these.
#[must_use]
pub fn state(others: usize, blocks: &[(&str, u8)]) -> Value {
    let other = |n: usize| json!({"id": format!("ffffffff-0000-4000-8000-{n:012}"), "hostname": format!("other-{n}")});
    let own = (1..=3).map(|node| json!({"id": device(node), "hostname": format!("N{node}.example.com")}));
    let devices: Vec<Value> = (0..others).map(other).chain(own).collect();
    let block = |(n, (network, cidr)): (usize, &(&str, u8))| json!({"id": format!("b10c0000-0000-4000-8000-{n:012}"), "network": network, "cidr": cidr});
    let blocks: Vec<Value> = blocks.iter().enumerate().map(block).collect();
    json!({
        "token": TOKEN,
        "project": {"id": PROJECT, "name": PROJECT_NAME},
        "devices": devices,
        "blocks": blocks,
        "assignments": [],
        "neighbors": {},
        "next": 1,
    })
}

/// A device's neighbours in one family.
#[must_use]
pub fn neighbor(
    own: IpAddr,
    own_as: u32,
    peers: &[IpAddr],
    peer_as: u32,
    password: Option<&str>,
    multihop: bool,
) -> Value {
    json!({
        "address_family": if own.is_ipv4() { 4 } else { 6 },
        "customer_as": own_as,
        "customer_ip": own.to_string(),
        "md5_enabled": password.is_some(),
        "md5_password": password,
        "multihop": multihop,
        "peer_as": peer_as,
        "peer_ips": peers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "routes_in": [],
        "routes_out": [],
    })
}
