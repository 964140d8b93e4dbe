//! Neighbours from the API.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::super::SOON;
use super::super::expect::{external, figure, never_said, wait_paths};
use super::{TOKEN, asks};
use crate::clock;
use crate::lab::{NODE_AS, Net, node_address};
use crate::parts::metal::{Metal, neighbor, state};
use crate::parts::router::{Conf, Kind, Neighbor};
use crate::site::{PREFIX, Site};

const PASSWORD: &str = "md5-of-the-project";
/// How soon the API is asked again where somebody must do something first.
const ASKED_AGAIN: Duration = Duration::from_secs(30);

/// Nothing of BGP is in the flags: who this node is, its AS, its peer two hops away and the password are the API's.
pub(super) fn discovered(site: &mut Site) -> Result<()> {
    let (_middle, far) = site.lab.far_host()?;
    let peer = IpAddr::V4(Net::Far.v4(1));
    let own = Neighbor { password: Some(PASSWORD.to_owned()), multihop: Some(5), ..Neighbor::new(node_address(1)) };
    let kind = Kind::Gobgpd;
    let router = site.router_on(&far, kind, Conf { neighbors: vec![own], ..Conf::new(kind) })?;
    let metal = Metal::start(site, &state(60, &[]))?;
    let spec = asks(site.spec(1, &[]), &metal);
    let begin = clock::now();
    let vipcast = site.vipcast(1, &spec)?;
    // BGP is not enabled yet: said, and asked again.
    let none = "device N1.example.com has no BGP neighbours: BGP is not enabled";
    vipcast.log().wait_line(vipcast.began(), &[none], SOON)?;
    figure("from the start to the word that BGP is not enabled", clock::since(begin));
    metal.set_neighbors(1, &[neighbor(node_address(1), NODE_AS, &[peer], kind.asn(), Some(PASSWORD), true)])?;
    let begin = clock::now();
    router.wait_best(PREFIX, node_address(1), ASKED_AGAIN + SOON)?;
    wait_paths(&router, PREFIX, &[external(node_address(1), None)])?;
    figure("from the neighbour at the API to the route at gobgpd", clock::since(begin));
    let requests = metal.requests();
    let pages = requests.iter().filter(|line| line.contains("/devices?per_page=")).count();
    ensure!(pages == 3, "63 devices are three pages: {requests:#?}");
    never_said(&vipcast, &[TOKEN, PASSWORD])?;
    vipcast.term()?;
    let status = vipcast.wait_exit(Duration::from_secs(10))?;
    ensure!(status.success(), "vipcast ended with {status}");
    wait_paths(&router, PREFIX, &[])
}
