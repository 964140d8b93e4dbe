//! What goes wrong with the API, and what vipcast says of it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::super::expect::never_said;
use super::{TOKEN, WRONG_TOKEN, asks, block};
use crate::lab::VIP;
use crate::parts::metal::{Fault, Metal, PROJECT, What, device, state};
use crate::parts::vipcast::Spec;
use crate::site::Site;
use crate::wait;

/// The longest request, and some more.
const SILENCE: Duration = Duration::from_secs(20);

/// A fault, what else is in the flags, and the line; `P` stands for the project.
struct Case {
    fault: Option<Fault>,
    spec: fn(Spec) -> Spec,
    line: &'static str,
}

const REFUSED: &str = "failed to list the devices of project P: the API refuses the token (401: Invalid authentication \
                       token); give a valid one by --metalKeyFile, --metalKey, --provider-config or PACKET_AUTH_TOKEN";

/// The flags alone are wrong.
const FLAGS: &[Case] = &[
    Case { fault: None, spec: |spec| spec.env("PACKET_AUTH_TOKEN", WRONG_TOKEN), line: REFUSED },
    Case {
        fault: None,
        spec: |spec| spec.without("metalProjectID").flag("metalProject", "other"),
        line: "failed to find the project: the token sees no project \"other\", only bare metal; give the project's ID by \
               --metalProjectID (vip_packetprojectid), or a token that may read it",
    },
    Case {
        fault: None,
        spec: |spec| spec.flag("metalProjectID", "00000000-0000-4000-8000-000000000000"),
        line: "failed to list the devices of project 00000000-0000-4000-8000-000000000000: the API knows no such thing, or \
               the token may not see it (404: Not found)",
    },
    Case {
        fault: None,
        spec: |spec| spec.flag("metalDevice", "n9"),
        line: "failed to find this node's device: no device of the project is called n9; it has N1.example.com, \
               N2.example.com, N3.example.com; give this node's by --metalDevice (metal_device)",
    },
    Case {
        fault: None,
        spec: |spec| spec.flag("address", "10.88.0.41"),
        line: "failed to find the Elastic IP 10.88.0.41: the project has no reservation with 10.88.0.41 in it, only \
               10.88.0.40/32; reserve an Elastic IP there, or correct --address",
    },
    Case {
        fault: None,
        spec: |spec| spec.flag("metalCA", "/nowhere/ca.crt"),
        line: "failed to list the devices of project P: --metalCA (metal_ca) /nowhere/ca.crt: there is no such file; a \
               hostPath must exist and be mounted",
    },
];

const DEVICES: &str = "GET /metal/v1/projects/";

/// The API has a fault.
const FAULTS: &[Case] = &[
    Case {
        fault: Some(Fault::always(DEVICES, What::Status(403, "You are not authorized"))),
        spec: |spec| spec,
        line: "failed to list the devices of project P: the token may not do that (403: You are not authorized); give one of \
               a user or project that may read and write",
    },
    Case {
        fault: Some(Fault::always(DEVICES, What::Status(503, "maintenance"))),
        spec: |spec| spec,
        line: "failed to list the devices of project P: the API has a fault (503: maintenance)",
    },
    Case {
        fault: Some(Fault { times: Some(1), ..Fault::always(DEVICES, What::Rest(2)) }),
        spec: |spec| spec,
        line: "failed to list the devices of project P: the API's rate limit is reached (429: Too many requests); asking \
               again after 2 s",
    },
    Case {
        fault: Some(Fault::always(DEVICES, What::Garbled)),
        spec: |spec| spec,
        line: "failed to list the devices of project P: the answer of # bytes is not what the API publishes (line 1, column \
               #)",
    },
    Case {
        fault: Some(Fault::always(DEVICES, What::Late(Duration::from_secs(12)))),
        spec: |spec| spec,
        line: "failed to list the devices of project P: no answer within 10s",
    },
];

/// What is cut off: the words are those of the libraries.
const CUTS: &[(What, &str)] = &[
    (What::Cut, "failed to list the devices of project P: "),
    (What::Half, "failed to list the devices of project P: the answer breaks off: "),
];

/// In Elastic IP mode, as the API is asked there before anything is to be moved. There is no Kubernetes here.
fn spec(site: &Site, metal: &Metal) -> Spec {
    asks(site.spec(1, &[]), metal)
        .without("bgp")
        .without("leaderElection=false")
        .switch("leaderElection")
        .flag("k8sConfigPath", "/nowhere/admin.conf")
        .env("bgp_enable", "false")
}

pub(super) fn each_is_named(site: &mut Site) -> Result<()> {
    let (address, cidr) = block();
    let metal = Metal::start(site, &state(0, &[(&address, cidr)]))?;
    // First: a late answer to another case would be taken for a request.
    rests_as_told(site, &metal)?;
    let with = |fault: &Option<Fault>| fault.iter().cloned().collect::<Vec<_>>();
    for Case { fault, spec: change, line } in FLAGS.iter().chain(FAULTS) {
        let expected = line.replace(" P:", &format!(" {PROJECT}:"));
        let said = first_error(site, &metal, &with(fault), *change)?;
        // What the answer is long and where it ends is no matter.
        let said = if line.contains('#') { without_numbers(&said, PROJECT) } else { said };
        let expected = if line.contains('#') { without_numbers(&expected, PROJECT) } else { expected };
        ensure!(said == expected, "it says\n{said:?}\ninstead of\n{expected:?}");
    }
    for (what, beginning) in CUTS {
        let expected = beginning.replace(" P:", &format!(" {PROJECT}:"));
        let said = first_error(site, &metal, &[Fault::always(DEVICES, *what)], |spec| spec)?;
        println!("    cut off: {}", said.trim_start_matches("failed to list the devices of project "));
        ensure!(said.starts_with(&expected) && said.len() > expected.len(), "it says {said:?}");
    }
    let said = first_error(site, &metal, &[], |spec| spec.without("metalCA"))?;
    let expected = "(if a proxy stands between, give its authority by --metalCA; else the name in --metalAPI is wrong)";
    ensure!(said.ends_with(expected), "without the authority it says {said:?}");
    Ok(())
}

/// The first error that is about the API, without time and target.
fn first_error(site: &mut Site, metal: &Metal, faults: &[Fault], change: impl Fn(Spec) -> Spec) -> Result<String> {
    metal.set_faults(faults)?;
    let spec = change(spec(site, metal));
    let vipcast = site.vipcast(1, &spec)?;
    let said = wait::until("an error about the API", SILENCE, || {
        vipcast.alive()?;
        let text = vipcast.log().since(vipcast.began());
        let line = text.lines().find(|line| line.contains("ERROR") && line.contains("failed to ") && is_ours(line));
        let line = line.with_context(|| format!("its last line is {:?}", text.lines().last()))?;
        Ok(line.split_once("failed to ").map(|(_, rest)| format!("failed to {rest}")).unwrap_or_default())
    })?;
    never_said(&vipcast, &[TOKEN, WRONG_TOKEN])?;
    metal.set_faults(&[])?;
    vipcast.kill();
    Ok(said)
}

/// Not of the election, which finds no Kubernetes here.
fn is_ours(line: &str) -> bool {
    line.contains("announce::mover")
}

fn without_numbers(text: &str, keep: &str) -> String {
    text.replace(keep, "P").chars().filter(|c| !c.is_ascii_digit() && *c != '#').collect()
}

/// After 429 with a rest of 3 s nothing is asked for so long, and all is well then.
fn rests_as_told(site: &mut Site, metal: &Metal) -> Result<()> {
    metal.set_faults(&[Fault { times: Some(1), ..Fault::always("GET /metal/v1/projects/", What::Rest(3)) }])?;
    let known = metal.requests().len();
    let vipcast = site.vipcast(1, &spec(site, metal))?;
    vipcast.log().wait_line(vipcast.began(), &["asking again after 3 s"], SILENCE)?;
    let mark = vipcast.log().mark();
    wait::holds("the rest that the API asked for", Duration::from_millis(2500), || {
        let asked = metal.requests().split_off(known);
        ensure!(asked.len() == 1, "{asked:#?}");
        Ok(())
    })?;
    vipcast.log().wait_line(mark, &["this node is known to Equinix Metal", &device(1)], SILENCE)?;
    let (status, list) = metal.ask("GET", &format!("/projects/{PROJECT}/ips"), None)?;
    let none = list.pointer("/ip_addresses/0/assignments") == Some(&json!([]));
    ensure!(status == 200 && none, "who is no holder assigns nothing: {VIP}: {list}");
    vipcast.kill();
    Ok(())
}
