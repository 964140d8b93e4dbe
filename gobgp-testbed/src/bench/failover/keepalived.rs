//! keepalived in the same cut: VRRP, an advertisement every 50 ms, no router in the choice of the node.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::LIMIT;
use super::case::Case;
use super::samples::Sample;
use crate::bench::PATIENCE;
use crate::host::Host;
use crate::lab::{Cut, Net};
use crate::parts::probe::Probe;
use crate::parts::router::Kind;
use crate::process::Process;
use crate::site::Site;
use crate::{clock, paths, wait};

pub(super) const NAME: &str = "keepalived, VRRP every 50 ms";
/// Its address: in the data network, where VRRP is spoken.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 200);
const PING: Duration = Duration::from_millis(2);
/// How long the client is heard after the move.
const AFTERWARDS: Duration = Duration::from_secs(1);
const PHASE: Duration = Duration::from_millis(130);

/// Cuts its master off so many times.
pub(super) fn measure(site: &mut Site, runs: u32) -> Result<Vec<Sample>> {
    let bird = site.router_host(Kind::Bird)?;
    let _all: Vec<Process> = (1..=3).map(|number| start(site.node(number)?, number)).collect::<Result<_>>()?;
    let mut samples = Vec::new();
    for run in 1..=runs {
        let master = settle(site)?;
        sleep(PHASE * run);
        let probe = Probe::start(&site.lab.client, IpAddr::V4(ADDRESS), PING)?;
        probe.hurry()?;
        probe.wait_answer(master, Duration::ZERO, PATIENCE)?;
        let from = clock::now();
        let node = site.node(master)?.clone();
        for net in [Net::Data, Net::Management] {
            site.lab.cut(&node, net, Cut::Both)?;
        }
        let next = wait::until("another node's answer", LIMIT, || {
            let answers = probe.answers()?;
            let next = answers.iter().find(|one| one.sent >= from && one.node.is_some_and(|node| node != master));
            next.map(|answer| answer.received).context("none yet")
        });
        sleep(AFTERWARDS);
        let silence = next.as_ref().ok().map(|_| probe.silence(from, clock::now())).transpose()?;
        site.lab.heal_all()?;
        let then = settle(site)?;
        sleep(AFTERWARDS);
        let strays = probe
            .answers()?
            .into_iter()
            .filter(|one| one.node == Some(master) && next.as_ref().is_ok_and(|next| one.received > *next));
        let (strays, moves) = (strays.count(), if then == master { 2 } else { 1 });
        println!("  cut-off, run {run}: n{master}; {silence:?}; strays {strays}");
        let router = bird.name().to_owned();
        samples.push(Sample { program: NAME.to_owned(), case: Case::CutOff, router, run, silence, strays, moves });
    }
    Ok(samples)
}

fn start(node: &Host, number: u8) -> Result<Process> {
    let program = paths::debian("/usr/sbin/keepalived", "keepalived")?;
    let (file, device) = (node.file("keepalived.conf"), Net::Data.device());
    // Whoever is master stays it when an earlier one comes back.
    let text = format!(
        "global_defs {{\n  vrrp_version 3\n}}\nvrrp_instance vip {{\n  state BACKUP\n  nopreempt\n  interface {device}\n  \
         virtual_router_id 51\n  priority {}\n  advert_int 0.05\n  virtual_ipaddress {{\n    {ADDRESS}/32 dev {device}\n  \
         }}\n}}\n",
        100 + number
    );
    std::fs::write(&file, text)?;
    let pid = |name: &str| node.file(name).display().to_string();
    let process = node.spawn("keepalived", Path::new(&program), |command| {
        command.args(["--dont-fork", "--log-console", "--vrrp", "--use-file"]).arg(&file);
        command.args(["--pid", &pid("keepalived.pid"), "--vrrp_pid", &pid("vrrp.pid")]);
    })?;
    process.hurry()?;
    Ok(process)
}

/// Waits until one node alone has the address, and says which.
fn settle(site: &Site) -> Result<u8> {
    wait::until("one master", PATIENCE, || {
        let owns = |number: &u8| -> Result<bool> {
            Ok(site.node(*number)?.addresses(Net::Data.device())?.contains(&IpAddr::V4(ADDRESS)))
        };
        let mut masters = Vec::new();
        for number in 1..=3 {
            if owns(&number)? {
                masters.push(number);
            }
        }
        ensure!(masters.len() == 1, "the address is on {masters:?}");
        masters.first().copied().context("no master")
    })
}
