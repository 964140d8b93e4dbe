//! The calls: who this node is, its neighbours, its project's addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;

use super::answers::{
    Assignment, AssignmentEntry, Device, Devices, Entry, Neighbors, Page, Projects, Reservations, find_device,
    find_project, find_reservation, is_id,
};
use super::fault::Fault;
use crate::config::{MetalConfig, MetalDevice, MetalProject, Provided};
use crate::kube::{Https, HttpsError, HttpsRequest};

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How many entries a page of a list is asked for.
const PER_PAGE: usize = 250;
/// More pages than any project has: a server whose list never ends is not believed.
const MOST_PAGES: u32 = 200;
/// The header that the token goes in.
const HEADER: &str = "x-auth-token";

/// What became of each address: who has it, or why that cannot be known.
pub type Assignments = BTreeMap<IpAddr, Result<Option<Assignment>, String>>;

/// The API, and what was learned of this node there.
#[derive(Debug)]
pub struct Metal {
    config: MetalConfig,
    https: Option<Https>,
    project: Option<String>,
    device: Option<Device>,
}

impl Metal {
    /// Nothing is read or asked yet.
    #[must_use]
    pub const fn new(config: MetalConfig) -> Self {
        Self { config, https: None, project: None, device: None }
    }

    /// This node's BGP neighbours.
    ///
    /// # Errors
    /// Why they are not known.
    pub async fn neighbors(&mut self) -> Result<Provided, Fault> {
        let device = self.device().await?;
        let what = format!("list the BGP neighbours of device {}", name(&device));
        let result = self.get::<Neighbors>(&what, &format!("/devices/{}/bgp/neighbors", device.id)).await;
        let neighbors = self.forgetting(result)?;
        neighbors.provided(&name(&device)).map_err(|why| Fault::lasting(&what, &why))
    }

    /// The ID of this node's device.
    ///
    /// # Errors
    /// Why it is not known.
    pub async fn device(&mut self) -> Result<Device, Fault> {
        if let Some(device) = &self.device {
            return Ok(device.clone());
        }
        let project = self.project().await?;
        let device = match self.config.device.clone() {
            MetalDevice::Id(id) => {
                let what = format!("look up the device {id}");
                self.get::<Device>(&what, &format!("/devices/{id}")).await?
            }
            wanted @ MetalDevice::Names(_) => {
                let what = format!("list the devices of project {project}");
                let result = self.all::<Devices>(&what, &format!("/projects/{project}/devices")).await;
                let devices = self.forgetting(result)?;
                find_device(&devices, &wanted)
                    .cloned()
                    .map_err(|why| Fault::lasting("find this node's device", &why))?
            }
        };
        tracing::info!(device = device.id, hostname = device.hostname, project, "this node is known to Equinix Metal");
        self.device = Some(device.clone());
        Ok(device)
    }

    async fn project(&mut self) -> Result<String, Fault> {
        if let Some(project) = &self.project {
            return Ok(project.clone());
        }
        let project = match self.config.project.clone() {
            MetalProject::Id(id) => id,
            MetalProject::Name(name) => {
                let projects = self.all::<Projects>("list the projects", "/projects").await?;
                find_project(&projects, &name).map_err(|why| Fault::lasting("find the project", &why))?
            }
        };
        self.project = Some(project.clone());
        Ok(project)
    }

    /// Who has each of these addresses.
    ///
    /// # Errors
    /// Why nothing is known.
    pub async fn assignments(&mut self, addresses: &[IpAddr]) -> Result<Assignments, Fault> {
        let project = self.project().await?;
        let what = format!("list the addresses of project {project}");
        let path = format!("/projects/{project}/ips?include=assignments");
        let result = self.all::<Reservations>(&what, &path).await;
        let reservations = self.forgetting(result)?;
        let mut found = Assignments::new();
        for &address in addresses {
            let holder = match find_reservation(&reservations, address) {
                Ok(reservation) => self.holder(address, reservation.entries()).await?,
                Err(why) => Err(why),
            };
            found.insert(address, holder);
        }
        Ok(found)
    }

    /// Who of these has the address; an entry that cannot be read is one that may have it.
    async fn holder(
        &mut self,
        address: IpAddr,
        entries: Vec<Entry>,
    ) -> Result<Result<Option<Assignment>, String>, Fault> {
        let mut unread = None;
        for entry in entries {
            let known = match entry {
                Entry::Known(of, assignment) => Some((of, assignment)),
                Entry::Named(id) => match self.assignment(&id).await {
                    Err(fault) if fault.is_of_one => {
                        unread.get_or_insert(fault.text);
                        None
                    }
                    known => known?,
                },
            };
            if let Some((_, assignment)) = known.filter(|(of, _)| *of == address) {
                return Ok(Ok(Some(assignment)));
            }
        }
        Ok(unread.map_or(Ok(None), Err))
    }

    /// `None`: it is gone meanwhile.
    async fn assignment(&mut self, id: &str) -> Result<Option<(IpAddr, Assignment)>, Fault> {
        let what = format!("look up the assignment {id}");
        match self.get::<AssignmentEntry>(&what, &format!("/ips/{id}")).await {
            Err(fault) if fault.is_missing => Ok(None),
            Err(fault) => Err(fault),
            Ok(entry) => match entry.entry() {
                Some(Entry::Known(address, assignment)) => Ok(Some((address, assignment))),
                Some(Entry::Named(_)) | None => {
                    let fault = Fault::passing(&what, "the answer says neither address nor device");
                    Err(Fault { is_of_one: true, ..fault })
                }
            },
        }
    }

    /// Points an address at this node's device; it must be nobody's.
    ///
    /// # Errors
    /// Why it may not be so now. The API refuses an address that somebody has.
    pub async fn attach(&mut self, address: IpAddr) -> Result<(), Fault> {
        let device = self.device().await?;
        let what = format!("assign {address} to device {}", name(&device));
        let body = format!(r#"{{"address":"{address}"}}"#);
        let path = format!("/devices/{}/ips", device.id);
        let result = self.call(&what, HttpsRequest { method: "POST", path: &path, body: Some(&body) }).await;
        self.forgetting(result).map(drop)
    }

    /// Ends an assignment; one that is gone already is no fault.
    ///
    /// # Errors
    /// Why it may still be there.
    pub async fn detach(&mut self, id: &str) -> Result<(), Fault> {
        let what = format!("remove the assignment {id}");
        // Without one the path would name another thing.
        if !is_id(id) {
            return Err(Fault::lasting(&what, "that is no ID"));
        }
        let path = format!("/ips/{id}");
        match self.call(&what, HttpsRequest { method: "DELETE", path: &path, body: None }).await {
            Err(fault) if fault.is_missing => Ok(()),
            result => result.map(drop),
        }
    }

    /// What is not there any more was learned wrong, or long ago.
    fn forgetting<T>(&mut self, result: Result<T, Fault>) -> Result<T, Fault> {
        if result.as_ref().is_err_and(|fault| fault.is_missing) {
            (self.project, self.device) = (None, None);
        }
        result
    }

    /// All pages of a list.
    async fn all<P: Page + DeserializeOwned>(&mut self, what: &str, path: &str) -> Result<Vec<P::Item>, Fault> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut all = Vec::new();
        for page in 1..=MOST_PAGES {
            let page: P = self.get(what, &format!("{path}{joint}per_page={PER_PAGE}&page={page}")).await?;
            let (items, meta) = page.open();
            let is_empty = items.is_empty();
            all.extend(items);
            let is_last = meta.current_page.zip(meta.last_page).is_none_or(|(current, last)| current >= last);
            if !is_last && !is_empty {
                continue;
            }
            return match meta.total.filter(|total| *total > all.len()) {
                Some(total) => {
                    Err(Fault::passing(what, &format!("the list ends after {} of {total} entries", all.len())))
                }
                None => Ok(all),
            };
        }
        Err(Fault::lasting(what, &format!("the list has no end after {MOST_PAGES} pages")))
    }

    async fn get<T: DeserializeOwned>(&mut self, what: &str, path: &str) -> Result<T, Fault> {
        let body = self.call(what, HttpsRequest { method: "GET", path, body: None }).await?;
        // Its own words may quote the answer, and passwords are among it.
        serde_json::from_slice(&body).map_err(|error| {
            let (line, column, size) = (error.line(), error.column(), body.len());
            let why =
                format!("the answer of {size} bytes is not what the API publishes (line {line}, column {column})");
            Fault { is_of_one: true, ..Fault::passing(what, &why) }
        })
    }

    /// One request, and the body of a good answer.
    async fn call(&mut self, what: &str, request: HttpsRequest<'_>) -> Result<Vec<u8>, Fault> {
        let https = self.https(what).await?;
        let answer = https.ask(request, LIMIT).await.map_err(|error| https_fault(what, &error))?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        let token = self.config.token.expose_secret();
        Err(Fault::of_status(what, answer.status, answer.retry_after, &answer.body, token))
    }

    async fn https(&mut self, what: &str) -> Result<Https, Fault> {
        if let Some(https) = &self.https {
            return Ok(https.clone());
        }
        let MetalConfig { api, authority, token, .. } = &self.config;
        let made =
            Https::new(api, authority.clone(), HEADER, token).await.map_err(|error| https_fault(what, &error))?;
        Ok(self.https.insert(made).clone())
    }
}

fn https_fault(what: &str, error: &HttpsError) -> Fault {
    match error {
        HttpsError::Certificate(text) => Fault::lasting(
            what,
            &format!(
                "{text} (if a proxy stands between, give its authority by --metalCA; else the name in --metalAPI is wrong)"
            ),
        ),
        HttpsError::Authority(text) => Fault::lasting(what, &format!("--metalCA (metal_ca) {text}")),
        HttpsError::Failed(text) => Fault::passing(what, text),
    }
}

fn name(device: &Device) -> String {
    device.hostname.clone().unwrap_or_else(|| device.id.clone())
}

#[cfg(test)]
mod tests;
