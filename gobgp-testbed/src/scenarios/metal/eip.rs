//! Elastic IPs: one device has the address, and that is the holder's.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::super::SOON;
use super::super::expect::{figure, never_said};
use super::super::pair::{LO, VIP_ADDRESS};
use super::{TOKEN, asks, block};
use crate::cluster::Cluster;
use crate::lab::{Net, node_address};
use crate::parts::metal::{Fault, Metal, What, state};
use crate::process::Process;
use crate::{clock, wait};

/// After a lost assignment the holder looks again within this: it does so ever more rarely.
const LOOKS: Duration = Duration::from_secs(40);
/// How late a removal arrives that the API has put off: after its sender has given up, and the next holder has the address.
const LATE: Duration = Duration::from_secs(12);

fn api(cluster: &mut Cluster) -> Result<Metal> {
    let (address, cidr) = block();
    Metal::start(&mut cluster.site, &state(0, &[(&address, cidr), ("147.75.2.0", 30)]))
}

/// As an old manifest has it: no BGP, and ARP, which there is nobody to hear.
fn start(cluster: &mut Cluster, metal: &Metal, number: u8) -> Result<Rc<Process>> {
    let spec = asks(cluster.spec(number, &[])?, metal).without("bgp").switch("arp");
    cluster.site.vipcast(number, &spec)
}

/// Waits until the address is assigned to the node's device and bound there; the assignment's ID.
fn wait_at(cluster: &Cluster, metal: &Metal, node: u8, within: Duration) -> Result<String> {
    let host = cluster.site.node(node)?;
    wait::until(&format!("the Elastic IP at n{node}"), within, || {
        let found = metal.assignment(VIP_ADDRESS)?;
        let (id, at) = found.context("no device has it")?;
        ensure!(at == node, "n{at} has it");
        host.expect_address(LO, VIP_ADDRESS, true)?;
        Ok(id)
    })
}

fn expect_at(metal: &Metal, node: u8, id: &str) -> Result<()> {
    let found = metal.assignment(VIP_ADDRESS)?;
    ensure!(found == Some((id.to_owned(), node)), "{found:?}");
    Ok(())
}

/// All changes that a node asked for so far: assignments and removals, with the status.
fn changes(metal: &Metal, node: u8) -> Vec<String> {
    let from = format!("{} ", node_address(node));
    let all = metal.requests().into_iter();
    all.filter_map(|line| line.strip_prefix(&from).map(str::to_owned)).filter(|line| !line.starts_with("GET")).collect()
}

pub(super) fn follows_the_lease(cluster: &mut Cluster) -> Result<()> {
    let metal = api(cluster)?;
    let begin = clock::now();
    let one = start(cluster, &metal, 1)?;
    wait_at(cluster, &metal, 1, SOON)?;
    figure("from the start to the assignment", clock::since(begin));
    let said = one.log().since(one.began());
    let position = |words: &str| said.find(words).with_context(|| format!("{words:?} is not in the log"));
    ensure!(
        position("address bound")? < position("the Elastic IP is assigned")?,
        "assigned before it was bound: {said}"
    );
    let two = start(cluster, &metal, 2)?;
    two.log().wait_line(two.began(), &["this node is known to Equinix Metal"], SOON)?;
    one.log().wait_line(one.began(), &["other nodes fit to hold the lease", "n2"], SOON)?;
    cluster.wait_holder("n1", Duration::ZERO)?;
    // A planned end: handed over, and the successor has the address before this node is done.
    let begin = clock::now();
    one.term()?;
    let id = wait_at(cluster, &metal, 2, SOON)?;
    figure("from SIGTERM to the assignment at the successor", clock::since(begin));
    let status = one.wait_exit(Duration::from_secs(30))?;
    ensure!(status.success(), "vipcast ended with {status}");
    cluster.site.node(1)?.expect_address(LO, VIP_ADDRESS, false)?;
    expect_at(&metal, 2, &id)?;
    ensure!(changes(&metal, 1).len() == 1, "who has handed over removes nothing: {:?}", changes(&metal, 1));
    // The last one gives up what is its own.
    two.term()?;
    let status = two.wait_exit(Duration::from_secs(30))?;
    ensure!(status.success(), "vipcast ended with {status}");
    ensure!(metal.holder(VIP_ADDRESS)?.is_none(), "n{:?} has it", metal.holder(VIP_ADDRESS)?);
    cluster.wait_holder("", Duration::ZERO)?;
    let expected = format!("DELETE /metal/v1/ips/{id} 204");
    ensure!(changes(&metal, 2).last() == Some(&expected), "{:?}", changes(&metal, 2));
    [one, two].iter().try_for_each(|vipcast| never_said(vipcast, &[TOKEN]))
}

pub(super) fn late_old_holders(cluster: &mut Cluster) -> Result<()> {
    let metal = api(cluster)?;
    let one = start(cluster, &metal, 1)?;
    let first = wait_at(cluster, &metal, 1, SOON)?;
    // n1 leaves alone. The API puts its removal off, so n1 goes without it.
    metal.set_faults(&[Fault { from: Some(Net::Data.v4(11).into()), ..Fault::always("DELETE", What::Late(LATE)) }])?;
    one.term()?;
    let begin = clock::now();
    one.wait_exit(Duration::from_secs(30))?;
    one.log().wait_line(one.began(), &["leaving an Elastic IP behind"], SOON)?;
    expect_at(&metal, 1, &first)?;
    let two = start(cluster, &metal, 2)?;
    let second = wait_at(cluster, &metal, 2, SOON)?;
    figure("from the lease's release to the assignment at the next node, about", clock::since(begin));
    let removed = format!("DELETE /metal/v1/ips/{first} 204");
    ensure!(changes(&metal, 2).first() == Some(&removed), "{:?}", changes(&metal, 2));
    // The late removal finds nothing of the name it has.
    let late = format!("DELETE /metal/v1/ips/{first} 404");
    wait::until("n1's removal to be carried out", LATE + SOON, || {
        ensure!(changes(&metal, 1).last() == Some(&late), "{:?}", changes(&metal, 1));
        Ok(())
    })?;
    expect_at(&metal, 2, &second)?;
    metal.set_faults(&[])?;
    // A frozen holder knows nothing of the next one, and thaws.
    two.freeze()?;
    let begin = clock::now();
    let one = start(cluster, &metal, 1)?;
    let third = wait_at(cluster, &metal, 1, Duration::from_secs(30))?;
    figure("from the freeze to the assignment at the next node, which starts then", clock::since(begin));
    let before = changes(&metal, 2);
    two.thaw()?;
    unbinds(cluster, 2)?;
    wait::holds("the address to stay at n1", Duration::from_secs(5), || expect_at(&metal, 1, &third))?;
    ensure!(changes(&metal, 2) == before, "the old holder has changed something: {:?}", changes(&metal, 2));
    // Somebody's removal is undone, as the lease still is n1's.
    let begin = clock::now();
    let (status, _) = metal.ask("DELETE", &format!("/ips/{third}"), None)?;
    ensure!(status == 204, "{status}");
    wait_at(cluster, &metal, 1, LOOKS)?;
    figure("from somebody's removal to the next assignment", clock::since(begin));
    one.alive()
}

fn unbinds(cluster: &Cluster, node: u8) -> Result<()> {
    let host = cluster.site.node(node)?;
    wait::until(&format!("n{node} to unbind the address"), SOON, || host.expect_address(LO, VIP_ADDRESS, false))
}
