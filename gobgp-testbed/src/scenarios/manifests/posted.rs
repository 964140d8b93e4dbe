//! Golden manifests at the API server.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{collection, documents, golden, make_account, name};
use crate::cluster::Cluster;
use crate::parts::api::Api;

/// Nothing is stored, and fields that there are not are refused.
const DRY: &str = "?dryRun=All&fieldValidation=Strict";

/// Each is taken; ours takes the place of kube-vip's DaemonSet, but not of one that selects its pods by another label.
pub(super) fn posted(cluster: &mut Cluster) -> Result<()> {
    let api = cluster.api(1)?;
    ["default", "kube-vip"].iter().try_for_each(|account| make_account(&api, account))?;
    let mut count = 0;
    for entry in fs::read_dir(golden("manifests"))? {
        let path = entry?.path();
        // A file of vipcast's, no object.
        if path.ends_with("sample-config.yaml") {
            continue;
        }
        let file = path.display().to_string();
        for object in documents(&fs::read_to_string(&path)?).with_context(|| file.clone())? {
            let (code, answer) = api.request("POST", &format!("{}{DRY}", collection(&object)?), Some(&object))?;
            let is_there =
                code == 409 && name(&object) == "kube-vip" && object.get("kind") == Some(&"ServiceAccount".into())
                    || code == 409 && name(&object).starts_with("system:kube-vip");
            ensure!(code == 201 || is_there, "{file}: the API server answered {code} {answer}");
            count += 1;
        }
    }
    println!("    figure: {count} objects taken by the API server");
    in_place_of(&api, "1.2.3-daemonset", 200)?;
    in_place_of(&api, "0.3.7-daemonset", 422)
}

/// What the API server says to our DaemonSet where kube-vip's is.
fn in_place_of(api: &Api, theirs: &str, expected: u16) -> Result<()> {
    let read = |path: &str| -> Result<Value> {
        documents(&fs::read_to_string(golden(path))?)?.into_iter().next().context("an empty file")
    };
    let old = read(&format!("inputs/{theirs}.yaml"))?;
    let at = format!("{}/{}", collection(&old)?, name(&old));
    api.delete(&at)?;
    let (code, answer) = api.request("POST", &collection(&old)?, Some(&old))?;
    ensure!(code == 201, "{theirs}: the API server answered {code} {answer}");
    let (code, answer) = api.request("PUT", &format!("{at}{DRY}"), Some(&read("manifests/daemonset.yaml")?))?;
    api.delete(&at)?;
    ensure!(code == expected, "ours in place of {theirs}: {code} {answer}");
    ensure!(code == 200 || answer.to_string().contains("field is immutable"), "{answer}");
    Ok(())
}
