//! What the API's answers mean. Pure.
//!
//! The shapes are those that the vendor publishes; of each only what is needed is read, and everything else ignored.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use secrecy::SecretString;
use serde::Deserialize;

use crate::config::{MetalDevice, Provided, ProvidedPeer, password_rules};

/// How many names are listed where one is not found.
const LISTED: usize = 10;

/// Where in a list an answer stands.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Meta {
    /// This page's number, from 1.
    pub current_page: Option<u32>,
    /// The last one's.
    pub last_page: Option<u32>,
    /// How many entries all pages have.
    pub total: Option<usize>,
}

/// One page of a list.
pub trait Page {
    /// What the list is of.
    type Item;

    /// The entries, and where they stand.
    fn open(self) -> (Vec<Self::Item>, Meta);
}

/// `GET /projects`.
#[derive(Debug, Deserialize)]
pub struct Projects {
    projects: Vec<Project>,
    meta: Option<Meta>,
}

/// A project.
#[derive(Clone, Debug, Deserialize)]
pub struct Project {
    id: String,
    name: Option<String>,
}

/// `GET /projects/{id}/devices`.
#[derive(Debug, Deserialize)]
pub struct Devices {
    devices: Vec<Device>,
    meta: Option<Meta>,
}

/// A device.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Device {
    /// Its ID.
    pub id: String,
    /// Its host name, as its owner wrote it.
    pub hostname: Option<String>,
}

/// `GET /projects/{id}/ips`.
#[derive(Debug, Deserialize)]
pub struct Reservations {
    ip_addresses: Vec<Reservation>,
    meta: Option<Meta>,
}

/// A block of addresses that belongs to a project.
#[derive(Clone, Debug, Deserialize)]
pub struct Reservation {
    id: String,
    address: Option<IpAddr>,
    network: Option<IpAddr>,
    cidr: Option<u8>,
    #[serde(default)]
    assignments: Vec<AssignmentEntry>,
}

/// An assignment, whole or as a reference to it.
#[derive(Clone, Debug, Deserialize)]
pub struct AssignmentEntry {
    id: Option<String>,
    href: Option<String>,
    address: Option<IpAddr>,
    assigned_to: Option<Href>,
}

/// A reference.
#[derive(Clone, Debug, Deserialize)]
pub struct Href {
    href: Option<String>,
}

/// `GET /devices/{id}/bgp/neighbors`.
#[derive(Debug, Deserialize)]
pub struct Neighbors {
    bgp_neighbors: Vec<Neighbor>,
}

/// What a device's sessions in one family look like.
#[derive(Debug, Deserialize)]
struct Neighbor {
    customer_as: Option<u32>,
    customer_ip: Option<IpAddr>,
    #[serde(default)]
    md5_enabled: Option<bool>,
    md5_password: Option<String>,
    #[serde(default)]
    multihop: Option<bool>,
    peer_as: Option<u32>,
    #[serde(default)]
    peer_ips: Option<Vec<IpAddr>>,
}

/// An address at a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Its ID; another assignment of the same address has another one.
    pub id: String,
    /// The device's ID.
    pub device: String,
}

/// What is known of one of a reservation's assignments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The address, and who has it.
    Known(IpAddr, Assignment),
    /// Only its ID: the rest is to be asked for.
    Named(String),
}

impl Page for Projects {
    type Item = Project;

    fn open(self) -> (Vec<Project>, Meta) {
        (self.projects, self.meta.unwrap_or_default())
    }
}

impl Page for Devices {
    type Item = Device;

    fn open(self) -> (Vec<Device>, Meta) {
        (self.devices, self.meta.unwrap_or_default())
    }
}

impl Page for Reservations {
    type Item = Reservation;

    fn open(self) -> (Vec<Reservation>, Meta) {
        (self.ip_addresses, self.meta.unwrap_or_default())
    }
}

/// Whether the text can stand in a path as an ID.
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The ID of the project of this name.
///
/// # Errors
/// What is there instead, and what to do.
pub fn find_project(projects: &[Project], name: &str) -> Result<String, String> {
    let named: Vec<&Project> = projects.iter().filter(|project| project.name.as_deref() == Some(name)).collect();
    match named.as_slice() {
        [project] if is_id(&project.id) => Ok(project.id.clone()),
        [] => Err(format!(
            "the token sees no project {name:?}, only {}; give the project's ID by --metalProjectID (vip_packetprojectid), \
             or a token that may read it",
            listed(projects.iter().map(|project| project.name.as_deref()))
        )),
        _ => Err(format!("there are {} projects {name:?}; give the ID of one by --metalProjectID", named.len())),
    }
}

/// The device that this node is: by its whole name, else by the part before the first dot.
///
/// # Errors
/// What is there instead, and what to do.
pub fn find_device<'a>(devices: &'a [Device], wanted: &MetalDevice) -> Result<&'a Device, String> {
    let names = match wanted {
        MetalDevice::Id(id) => {
            let found = devices.iter().find(|device| device.id.eq_ignore_ascii_case(id));
            return found.ok_or_else(|| format!("the project has no device with the ID {id}; correct --metalDevice"));
        }
        MetalDevice::Names(names) => names,
    };
    for short in [false, true] {
        let is_one = |device: &&Device| {
            let hostname = device.hostname.as_deref().unwrap_or_default();
            names.iter().any(|name| is_same(name, hostname, short))
        };
        let found: Vec<&Device> = devices.iter().filter(is_one).collect();
        match found.as_slice() {
            [] => {}
            [device] if is_id(&device.id) => return Ok(device),
            several => {
                let ids: Vec<&str> = several.iter().map(|device| device.id.as_str()).collect();
                let (name, ids) = (names.join(" or "), ids.join(", "));
                return Err(format!("several devices are called {name}: {ids}; give this node's ID by --metalDevice"));
            }
        }
    }
    Err(format!(
        "no device of the project is called {}; it has {}; give this node's by --metalDevice (metal_device)",
        names.join(" or "),
        listed(devices.iter().map(|device| device.hostname.as_deref()))
    ))
}

/// Host names have no case; `short`: what stands before the first dot decides.
fn is_same(one: &str, other: &str, short: bool) -> bool {
    let part = |name: &str| if short { name.split('.').next().unwrap_or_default().to_owned() } else { name.to_owned() };
    !other.is_empty() && part(one).eq_ignore_ascii_case(&part(other))
}

fn listed<'a>(names: impl Iterator<Item = Option<&'a str>>) -> String {
    let names: Vec<&str> = names.flatten().collect();
    let more = names.len().saturating_sub(LISTED);
    let shown = names.into_iter().take(LISTED).collect::<Vec<_>>().join(", ");
    match (shown.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (false, 0) => shown,
        (false, more) => format!("{shown} and {more} more"),
    }
}

impl Neighbors {
    /// What it says of this node's sessions.
    ///
    /// # Errors
    /// What is missing, and what to do.
    pub fn provided(self, device: &str) -> Result<Provided, String> {
        let Some(first) = self.bgp_neighbors.first() else {
            return Err(format!(
                "device {device} has no BGP neighbours: BGP is not enabled; enable it for the project, and for the device \
                 with IPv4, IPv6 or both"
            ));
        };
        let local_as = first.asn("customer_as", first.customer_as)?;
        let router_id = self.bgp_neighbors.iter().find_map(|neighbor| match neighbor.customer_ip {
            Some(IpAddr::V4(address)) if !address.is_unspecified() => Some(address),
            _ => None,
        });
        let mut peers = Vec::new();
        for neighbor in &self.bgp_neighbors {
            let own = neighbor.asn("customer_as", neighbor.customer_as)?;
            if own != local_as {
                return Err(format!(
                    "the neighbours of device {device} know it by two AS numbers, {local_as} and {own}"
                ));
            }
            peers.extend(neighbor.peers()?);
        }
        Ok(Provided { source: SOURCE.to_owned(), local_as: Some(local_as), router_id, source_ip: None, peers })
    }
}

/// What messages call it.
pub const SOURCE: &str = "Equinix Metal's API";

impl Neighbor {
    fn peers(&self) -> Result<Vec<ProvidedPeer>, String> {
        let addresses = self.peer_ips.as_deref().unwrap_or_default();
        if addresses.is_empty() {
            return Err(format!("the neighbour of {} has no peer_ips", self.name()));
        }
        let asn = self.asn("peer_as", self.peer_as)?;
        let password = match (self.md5_enabled, self.md5_password.as_deref().filter(|text| !text.is_empty())) {
            (Some(true), None) => {
                let what = "has MD5 enabled, but the API shows no password; give a token that may read it";
                return Err(format!("the neighbour of {} {what}", self.name()));
            }
            (Some(true), Some(password)) => {
                password_rules(password.as_bytes())
                    .map_err(|why| format!("the neighbour of {}: {why}", self.name()))?;
                Some(SecretString::from(password))
            }
            (Some(false) | None, _) => None,
        };
        let peer = |address: &IpAddr| ProvidedPeer {
            address: *address,
            asn,
            password: password.clone(),
            multihop: self.multihop == Some(true),
            source_ip: self.customer_ip,
            label: format!("neighbour {address}"),
        };
        Ok(addresses.iter().map(peer).collect())
    }

    fn asn(&self, key: &str, number: Option<u32>) -> Result<u32, String> {
        let number = number.filter(|number| *number != 0);
        number.ok_or_else(|| format!("the neighbour of {} has no {key}", self.name()))
    }

    fn name(&self) -> String {
        self.customer_ip.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string())
    }
}

/// The reservation that an address is in.
///
/// # Errors
/// What the project has instead, and what to do.
pub fn find_reservation(reservations: &[Reservation], address: IpAddr) -> Result<&Reservation, String> {
    let found =
        reservations.iter().find(|reservation| reservation.block().is_some_and(|block| block.contains(address)));
    found.ok_or_else(|| {
        let blocks: Vec<String> = reservations.iter().filter_map(|r| Some(r.block()?.to_string())).collect();
        format!(
            "the project has no reservation with {address} in it, only {}; reserve an Elastic IP there, or correct --address",
            listed(blocks.iter().map(|block| Some(block.as_str())))
        )
    })
}

impl Reservation {
    fn block(&self) -> Option<IpNetwork> {
        let address = self.network.or(self.address)?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        IpNetwork::new(address, self.cidr.unwrap_or(whole)).ok()
    }

    /// Its assignments. An ID that is the reservation's own is none: deleting by it would give up the block.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.assignments.iter().filter_map(AssignmentEntry::entry).filter(|entry| entry.id() != self.id).collect()
    }
}

impl Entry {
    fn id(&self) -> &str {
        match self {
            Self::Known(_, Assignment { id, .. }) | Self::Named(id) => id,
        }
    }
}

impl AssignmentEntry {
    /// `None` where it is a reference to nothing.
    #[must_use]
    pub fn entry(&self) -> Option<Entry> {
        let id = self.id.clone().or_else(|| last(self.href.as_deref()?)).filter(|id| is_id(id))?;
        let device = self.assigned_to.as_ref().and_then(|to| last(to.href.as_deref()?)).filter(|id| is_id(id));
        Some(match (self.address, device) {
            (Some(address), Some(device)) => Entry::Known(address, Assignment { id, device }),
            _ => Entry::Named(id),
        })
    }
}

/// The last part of a reference.
fn last(href: &str) -> Option<String> {
    href.trim_end_matches('/').rsplit('/').next().map(str::to_owned)
}

#[cfg(test)]
mod tests;
