//! What the API answers, and what becomes of its state.

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// The longest page, whatever is asked for: smaller than a project, so that there are several.
const LONGEST_PAGE: usize = 25;

/// A request.
pub(super) struct Request {
    pub(super) method: String,
    /// Without the base, with the query.
    pub(super) path: String,
    pub(super) token: String,
    pub(super) body: Value,
}

/// Status and document (null: none).
pub(super) fn answer(state: &mut Value, request: &Request) -> Result<(u16, Value)> {
    if state.get("token").and_then(Value::as_str) != Some(&request.token) {
        return Ok((401, json!({"errors": ["Invalid authentication token"]})));
    }
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let own = state.pointer("/project/id").and_then(Value::as_str).context("no project")?.to_owned();
    Ok(match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["projects"]) => {
            (200, page("projects", vec![state.get("project").cloned().unwrap_or_default()], query))
        }
        ("GET", ["projects", id, "devices"]) if *id == own => (200, page("devices", list(state, "devices"), query)),
        ("GET", ["projects", id, "ips"]) if *id == own => (200, page("ip_addresses", blocks(state, query), query)),
        ("GET", ["devices", id]) => find(list(state, "devices"), id),
        ("GET", ["devices", id, "bgp", "neighbors"]) => {
            let known = state.get("neighbors").and_then(|all| all.get(id)).cloned();
            (200, json!({"bgp_neighbors": known.unwrap_or_else(|| json!([]))}))
        }
        ("GET", ["ips", id]) => find(list(state, "assignments"), id),
        ("POST", ["devices", id, "ips"]) => assign(state, id, &request.body)?,
        ("DELETE", ["ips", id]) => remove(state, id),
        _ => missing(),
    })
}

fn missing() -> (u16, Value) {
    (404, json!({"errors": ["Not found"]}))
}

fn list(state: &Value, key: &str) -> Vec<Value> {
    state.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn is(value: &Value, key: &str, text: &str) -> bool {
    value.get(key).and_then(Value::as_str) == Some(text)
}

fn find(all: Vec<Value>, id: &str) -> (u16, Value) {
    all.into_iter().find(|one| is(one, "id", id)).map_or_else(missing, |one| (200, one))
}

/// One page of a list, and where it stands.
fn page(key: &str, all: Vec<Value>, query: &str) -> Value {
    let number =
        |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
    let length = number("per_page").unwrap_or(10).clamp(1, LONGEST_PAGE);
    let current = number("page").unwrap_or(1).max(1);
    let total = all.len();
    let last = total.div_ceil(length).max(1);
    let items: Vec<Value> = all.into_iter().skip((current - 1) * length).take(length).collect();
    let next = (current < last).then(|| json!({"href": format!("?page={}", current + 1)}));
    json!({key: items, "meta": {"current_page": current, "last_page": last, "total": total, "next": next}})
}

/// The reservations; their assignments are references unless they are asked for.
fn blocks(state: &Value, query: &str) -> Vec<Value> {
    let is_whole = query.contains("include=assignments");
    let assignments = list(state, "assignments");
    let mut blocks = list(state, "blocks");
    for block in &mut blocks {
        let id = block.get("id").cloned().unwrap_or_default();
        let inside = assignments.iter().filter(|assignment| assignment.get("block") == Some(&id));
        let shown: Vec<Value> =
            inside.map(|one| if is_whole { one.clone() } else { json!({"href": one.get("href").cloned()}) }).collect();
        let address = block.get("network").cloned();
        if let Some(object) = block.as_object_mut() {
            object.insert("assignments".to_owned(), shown.into());
            object.insert("address".to_owned(), address.unwrap_or_default());
            object.insert("type".to_owned(), "public_ipv4".into());
        }
    }
    blocks
}

/// The API assigns nothing twice.
fn assign(state: &mut Value, device: &str, body: &Value) -> Result<(u16, Value)> {
    if !list(state, "devices").iter().any(|one| is(one, "id", device)) {
        return Ok(missing());
    }
    let refused = |text: &str| Ok((422, json!({"errors": [text]})));
    let Some(address) = body.get("address").and_then(Value::as_str).map(str::to_owned) else {
        return refused("address is missing");
    };
    let Some(block) = list(state, "blocks").into_iter().find(|block| covers(block, &address)) else {
        return refused("address is not in a reserved block of this project");
    };
    if list(state, "assignments").iter().any(|one| is(one, "address", &address)) {
        return refused("address is already assigned");
    }
    let number = state.get("next").and_then(Value::as_u64).context("no number")?;
    let id = format!("a5510000-0000-4000-8000-{number:012}");
    let made = json!({
        "id": id,
        "href": format!("/metal/v1/ips/{id}"),
        "address": address,
        "cidr": if address.contains(':') { 128 } else { 32 },
        "assigned_to": {"href": format!("/metal/v1/devices/{device}")},
        "block": block.get("id").cloned(),
    });
    let all = state.get_mut("assignments").and_then(Value::as_array_mut).context("no assignments")?;
    all.push(made.clone());
    if let Some(next) = state.get_mut("next") {
        *next = (number + 1).into();
    }
    Ok((201, made))
}

/// Whether an address is in a block: the blocks here are whole addresses, or end with `.0`.
fn covers(block: &Value, address: &str) -> bool {
    let network = block.get("network").and_then(Value::as_str).unwrap_or_default();
    let whole = block.get("cidr").and_then(Value::as_u64).is_none_or(|cidr| cidr == 32 || cidr == 128);
    if whole { network == address } else { address.starts_with(network.trim_end_matches('0')) }
}

/// An assignment goes; a reservation would be given up for ever, which no scenario wants.
fn remove(state: &mut Value, id: &str) -> (u16, Value) {
    let Some(all) = state.get_mut("assignments").and_then(Value::as_array_mut) else { return missing() };
    let before = all.len();
    all.retain(|one| !is(one, "id", id));
    if all.len() < before { (204, Value::Null) } else { missing() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(state: &mut Value, method: &str, path: &str, body: Value) -> (u16, Value) {
        let token = super::super::TOKEN.to_owned();
        answer(state, &Request { method: method.to_owned(), path: path.to_owned(), token, body }).unwrap()
    }

    #[test]
    fn an_address_is_assigned_once_and_each_assignment_has_its_own_id() {
        let mut state = super::super::state(0, &[("147.75.1.1", 32)]);
        let path = |node| format!("/devices/{}/ips", super::super::device(node));
        let body = json!({"address": "147.75.1.1"});
        let (status, first) = ask(&mut state, "POST", &path(1), body.clone());
        assert_eq!(status, 201);
        assert_eq!(ask(&mut state, "POST", &path(2), body.clone()).0, 422);
        let id = first.get("id").and_then(Value::as_str).unwrap().to_owned();
        assert_eq!(ask(&mut state, "DELETE", &format!("/ips/{id}"), Value::Null), (204, Value::Null));
        assert_eq!(ask(&mut state, "DELETE", &format!("/ips/{id}"), Value::Null).0, 404);
        let (_, second) = ask(&mut state, "POST", &path(2), body);
        assert_ne!(second.get("id").and_then(Value::as_str), Some(id.as_str()));
    }

    #[test]
    fn a_list_has_pages() {
        let mut state = super::super::state(60, &[]);
        let path = format!("/projects/{}/devices?per_page=250&page=3", super::super::PROJECT);
        let (_, third) = ask(&mut state, "GET", &path, Value::Null);
        assert_eq!(third.get("devices").and_then(Value::as_array).unwrap().len(), 13);
        let meta = json!({"current_page": 3, "last_page": 3, "total": 63, "next": null});
        assert_eq!(third.get("meta"), Some(&meta));
    }
}
