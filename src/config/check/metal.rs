//! Equinix Metal: the token, the project, and who this node is.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::reader::Reader;
use crate::config::options::{
    ARP, BGP, LEADER_ELECTION, METAL, METAL_API, METAL_AUTH_TOKEN, METAL_CA, METAL_DEVICE, METAL_KEY, METAL_KEY_FILE,
    METAL_PROJECT, METAL_PROJECT_ID, PROVIDER_CONFIG, STANDBY, Spec,
};
use crate::config::scalar::{go_bool, is_dns_subdomain};
use crate::config::{LeaseConfig, MetalConfig, MetalDevice, MetalProject};

/// The longest token that is taken for one; the vendor's have 32 characters.
const LONGEST_TOKEN: usize = 1024;

/// What a provider's file says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProviderFile {
    api_key: Option<String>,
    project_id: Option<String>,
}

/// Whether the API is to be asked at all.
pub(super) fn is_on(r: &Reader<'_>) -> bool {
    go_bool(r.raw.get(&METAL).text) == Some(true)
}

/// Whether Elastic IPs take the place of BGP.
pub(super) fn is_eip(r: &Reader<'_>) -> bool {
    is_on(r) && go_bool(r.raw.get(&BGP).text) == Some(false)
}

/// Whether the mode that is not built is not needed: there is nobody to hear ARP where a cloud routes each address to one
/// device, and old manifests have both.
pub(super) fn is_instead_of(r: &Reader<'_>, spec: &'static Spec) -> bool {
    is_eip(r) && spec.flag == ARP.flag
}

/// The Elastic IPs' API, where they take the place of BGP.
pub(super) fn eip(
    r: &mut Reader<'_>,
    metal: Option<&Option<MetalConfig>>,
    election: Option<&Option<LeaseConfig>>,
) -> Option<MetalConfig> {
    if !is_eip(r) {
        return None;
    }
    if go_bool(r.raw.get(&ARP).text) == Some(true) {
        r.warn(&ARP, "has no effect: Equinix Metal routes each Elastic IP to one device, where nobody hears ARP");
    }
    if go_bool(r.raw.get(&STANDBY).text) == Some(true) {
        r.warn(&STANDBY, "has no effect without --bgp: an Elastic IP is at one device");
    }
    if election.is_some_and(Option::is_none) {
        let leader_election = r.name(&LEADER_ELECTION);
        r.mistake(
            &METAL,
            format!(
                "without --bgp an Elastic IP is moved to one node, and {leader_election} decides which; turn that on"
            ),
        );
    }
    metal.cloned().flatten()
}

/// `Some(None)`: it is off. `node` is this node's name.
pub(super) fn metal(r: &mut Reader<'_>, node: Option<&str>) -> Option<Option<MetalConfig>> {
    if !r.switch(&METAL)? {
        idle(r);
        return Some(None);
    }
    let file = provider_file(r);
    let (api, authority) = (api(r), r.text(&METAL_CA).map(PathBuf::from));
    let (token, project) = match &file {
        Some(file) => (token(r, file.as_ref()), project(r, file.as_ref())),
        None => (None, None),
    };
    let device = device(r, node);
    Some(Some(MetalConfig { api: api?, token: token?, project: project?, device: device?, authority }))
}

fn idle(r: &mut Reader<'_>) {
    let all: [&'static Spec; 8] = [
        &METAL_KEY,
        &METAL_KEY_FILE,
        &METAL_AUTH_TOKEN,
        &METAL_PROJECT,
        &METAL_PROJECT_ID,
        &PROVIDER_CONFIG,
        &METAL_DEVICE,
        &METAL_CA,
    ];
    for spec in all.into_iter().filter(|spec| !r.is_default(spec)).collect::<Vec<_>>() {
        let metal = r.name(&METAL);
        r.warn(spec, format!("has no effect without {metal}"));
    }
}

/// https alone: the token goes with every request.
fn api(r: &mut Reader<'_>) -> Option<String> {
    let text = r.text(&METAL_API)?;
    let host = text.strip_prefix("https://").and_then(|rest| rest.split('/').next());
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '@' | '\\');
    if host.is_some_and(|host| !host.is_empty()) && text.chars().all(is_plain) {
        return Some(text.trim_end_matches('/').to_owned());
    }
    r.mistake(&METAL_API, format!("{text:?} is not the base of an API; expected https://host[:port][/path]"));
    None
}

/// `Some(None)`: there is none.
fn provider_file(r: &mut Reader<'_>) -> Option<Option<ProviderFile>> {
    let Some(path) = r.text(&PROVIDER_CONFIG) else { return Some(None) };
    let content = content(r, &PROVIDER_CONFIG, path)?;
    match serde_json::from_str(content.expose_secret()) {
        Ok(file) => Some(Some(file)),
        // Its own words may quote the token.
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let expected = "expected a JSON object with apiKey and projectId";
            r.mistake(&PROVIDER_CONFIG, format!("{path:?}: line {line}, column {column}: {expected}"));
            None
        }
    }
}

/// The text of a file that an option names.
fn content(r: &mut Reader<'_>, spec: &'static Spec, path: &str) -> Option<SecretString> {
    let wrong = match r.facts.password_files.get(Path::new(path)) {
        Some(Ok(content)) => match std::str::from_utf8(content.expose_secret()) {
            Ok(text) => return Some(text.into()),
            Err(_) => ": it is not UTF-8".to_owned(),
        },
        Some(Err(why)) => format!(" cannot be read: {why}"),
        None => " was not read".to_owned(),
    };
    r.mistake(spec, format!("{path:?}{wrong}"));
    None
}

/// The flag or the file of the token, the provider's file, the variable: the first that says it.
fn token(r: &mut Reader<'_>, file: Option<&ProviderFile>) -> Option<SecretString> {
    if let (Some(_), Some(path)) = (r.text(&METAL_KEY), r.text(&METAL_KEY_FILE)) {
        let other = r.name(&METAL_KEY_FILE);
        r.mistake(&METAL_KEY, format!("is given together with {other} {path:?}; give one of them"));
        return None;
    }
    let in_file = match r.text(&METAL_KEY_FILE) {
        Some(path) => Some(content(r, &METAL_KEY_FILE, path)?),
        None => None,
    };
    let of_provider =
        file.and_then(|file| file.api_key.as_deref()).filter(|key| !key.is_empty()).map(SecretString::from);
    let given = [
        (&METAL_KEY, r.text(&METAL_KEY).map(SecretString::from)),
        (&METAL_KEY_FILE, in_file),
        (&PROVIDER_CONFIG, of_provider),
        (&METAL_AUTH_TOKEN, r.text(&METAL_AUTH_TOKEN).map(SecretString::from)),
    ];
    let mut given = given.into_iter().filter_map(|(spec, token)| Some((spec, token?)));
    let Some((spec, token)) = given.next() else {
        r.mistake(
            &METAL,
            "no token for the API is given; expected one by --metalKeyFile (metal_key_file), --metalKey, \
             --provider-config (provider_config) or PACKET_AUTH_TOKEN",
        );
        return None;
    };
    let token: SecretString = token.expose_secret().trim().into();
    for (loser, other) in given {
        if other.expose_secret().trim() != token.expose_secret() {
            let winner = r.name(spec);
            r.warn(loser, format!("its token differs from that of {winner}, which counts before it"));
        }
    }
    let text = token.expose_secret();
    if !text.is_empty() && text.len() <= LONGEST_TOKEN && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(token);
    }
    let what = format!("expected 1 to {LONGEST_TOKEN} printable ASCII characters without spaces");
    r.mistake(spec, format!("its token is none: {what}"));
    None
}

/// The ID where there is one, else the name.
fn project(r: &mut Reader<'_>, file: Option<&ProviderFile>) -> Option<MetalProject> {
    let of_file = file.and_then(|file| file.project_id.as_deref()).filter(|id| !id.is_empty());
    let (spec, id) = match (r.text(&METAL_PROJECT_ID), of_file) {
        (Some(id), other) => {
            if let Some(other) = other.filter(|other| *other != id) {
                let winner = r.name(&METAL_PROJECT_ID);
                r.warn(
                    &PROVIDER_CONFIG,
                    format!("its projectId {other:?} is ignored: {winner} {id:?} counts before it"),
                );
            }
            (&METAL_PROJECT_ID, id)
        }
        (None, Some(id)) => (&PROVIDER_CONFIG, id),
        (None, None) => {
            let name = r.text(&METAL_PROJECT).map(|name| MetalProject::Name(name.to_owned()));
            if name.is_none() {
                let wanted = r.name(&METAL_PROJECT_ID);
                r.mistake(
                    &METAL,
                    format!("no project is given; expected its ID by {wanted}, or its name by --metalProject"),
                );
            }
            return name;
        }
    };
    if is_uuid(id) {
        return Some(MetalProject::Id(id.to_ascii_lowercase()));
    }
    r.mistake(spec, format!("{id:?} is not the ID of a project; expected a UUID; a name goes to --metalProject"));
    None
}

fn device(r: &mut Reader<'_>, node: Option<&str>) -> Option<MetalDevice> {
    let Some(text) = r.text(&METAL_DEVICE).map(str::to_ascii_lowercase) else {
        let host = r.facts.host_name.as_ref().map(|name| name.to_lowercase());
        let mut names: Vec<String> = node.map(str::to_owned).into_iter().chain(host).collect();
        names.dedup();
        return (!names.is_empty()).then_some(MetalDevice::Names(names));
    };
    if is_uuid(&text) {
        return Some(MetalDevice::Id(text));
    }
    if is_dns_subdomain(&text) {
        return Some(MetalDevice::Names(vec![text]));
    }
    r.mistake(&METAL_DEVICE, format!("{text:?} is no device; expected its host name or its ID, a UUID"));
    None
}

/// 8-4-4-4-12 hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.concat().bytes().all(|digit| digit.is_ascii_hexdigit())
}
