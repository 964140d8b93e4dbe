//! Scenarios 30 to 32: BFD with FRR's bfdd and BIRD.

mod path;
mod wire;

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::SOON;
use super::expect::{Watch, figure};
use crate::clock;
use crate::host::Host;
use crate::lab::{Net, node_address};
use crate::parts::bfd::Bfd;
use crate::parts::router::{Conf, Kind, Neighbor, Router};
use crate::parts::vipcast::Spec;
use crate::process::Process;
use crate::site::{PREFIX, Site};

pub(crate) use path::moment;
pub(super) use path::{bounces, cut, spoofed};
pub(super) use wire::{never_up, pace};

/// The node that everything is about.
pub(crate) const NODE: u8 = 1;

/// 50 ms × 3 both ways.
pub(crate) const FAST: Bfd = Bfd { tx: 50, rx: 50, multiplier: 3 };

/// A peer of vipcast with BFD, as `--bgppeers` has it; `more` is what follows the multiplier.
pub(crate) fn peer_text(address: IpAddr, asn: u32, multihop: bool, bfd: Bfd, more: &str) -> String {
    let address = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let Bfd { tx, rx, multiplier } = bfd;
    format!("{address}:{asn}::{multihop}:::true;{rx};{tx};{multiplier}{more}")
}

/// A router's session with the node, and with it BFD at both ends.
pub(crate) struct Pair {
    pub(crate) router: Rc<Router>,
    pub(crate) vipcast: Rc<Process>,
    /// The router's address.
    pub(crate) peer: IpAddr,
    /// The node's.
    pub(crate) node: IpAddr,
}

impl Pair {
    /// Routers of these kinds and one vipcast, all on the data network, with these figures at both ends.
    pub(crate) fn start(site: &mut Site, kinds: &[Kind], figures: Bfd) -> Result<Vec<Self>> {
        let node = node_address(NODE);
        let mut routers = Vec::new();
        let mut spec = site.spec(NODE, &[]);
        for kind in kinds {
            let neighbors = vec![Neighbor { bfd: Some(figures), ..Neighbor::new(node) }];
            routers.push(site.router(*kind, Conf { neighbors, ..Conf::new(*kind) })?);
            spec = spec.peer_text(peer_text(kind.address(), kind.asn(), false, figures, ""));
        }
        let vipcast = site.vipcast(NODE, &spec)?;
        let pair = |router: Rc<Router>| {
            let peer = router.kind().address();
            Self { router, vipcast: Rc::clone(&vipcast), peer, node }
        };
        let pairs: Vec<Self> = routers.into_iter().map(pair).collect();
        pairs.iter().try_for_each(Self::wait_up)?;
        Ok(pairs)
    }

    /// Waits until BFD is up at the router and here, and the route is there.
    pub(crate) fn wait_up(&self) -> Result<()> {
        self.router.wait_bfd(self.node, "up", SOON, |session| session.is_up())?;
        self.router.wait_best(PREFIX, self.node, SOON).map(drop)
    }

    /// Waits for a line of vipcast's about BFD with this peer.
    pub(crate) fn wait_said(&self, mark: u64, words: &[&str]) -> Result<String> {
        self.vipcast.log().wait_line(mark, &[&[self.name().as_str()], words].concat(), SOON)
    }

    /// The peer as vipcast's log has it.
    pub(crate) fn name(&self) -> String {
        format!("peer={}:179 ", self.peer)
    }
}

/// The log's word for a time.
fn in_ms(what: &str, ms: u16) -> String {
    format!("{what}={ms}.0")
}

/// What both ends must make of their figures, and do.
fn expect_negotiated(
    (router, vipcast): (&Router, &Process),
    (node, peer): (IpAddr, IpAddr),
    (theirs, ours): (Bfd, Bfd),
) -> Result<()> {
    let ms = |n: u16| Duration::from_millis(n.into());
    let interval = ms(theirs.tx.max(ours.rx));
    let detection_time = ms(u16::from(ours.multiplier) * theirs.rx.max(ours.tx));
    let session = router.wait_bfd(node, &format!("{interval:?}, {detection_time:?}"), SOON, |session| {
        session.is_up() && (session.interval, session.detection_time) == (interval, detection_time)
    })?;
    let interval = in_ms("interval", ours.tx.max(theirs.rx));
    let detection = in_ms("detection", u16::from(theirs.multiplier) * ours.rx.max(theirs.tx));
    let peer = format!("peer={}", std::net::SocketAddr::new(peer, 179));
    vipcast.log().wait_line(vipcast.began(), &["BFD: negotiated", &peer, &interval, &detection], SOON)?;
    println!("    {} sees {session:?}; vipcast says {interval} {detection}", router.kind());
    Ok(())
}

/// Two routers at different rates, each over IPv4 and IPv6; one changes its own while up.
pub(super) fn negotiated(site: &mut Site) -> Result<()> {
    let figures = [
        (Kind::Frr, Bfd { tx: 60, rx: 150, multiplier: 5 }, Bfd { tx: 100, rx: 50, multiplier: 4 }),
        (Kind::Bird, Bfd { tx: 300, rx: 200, multiplier: 3 }, Bfd { tx: 10, rx: 1000, multiplier: 255 }),
    ];
    let node = [IpAddr::from(Net::Data.v4(10 + NODE)), IpAddr::from(Net::Data.v6(10 + NODE))];
    let mut spec = site.spec(NODE, &[]);
    let mut routers = Vec::new();
    for (kind, theirs, ours) in figures {
        let neighbors = node.map(|node| Neighbor { bfd: Some(theirs), ..Neighbor::new(node) }).to_vec();
        routers.push(site.router(kind, Conf { neighbors, ..Conf::new(kind) })?);
        for peer in [IpAddr::from(Net::Data.v4(kind.number())), IpAddr::from(Net::Data.v6(kind.number()))] {
            spec = spec.peer_text(peer_text(peer, kind.asn(), false, ours, ""));
        }
    }
    let vipcast = site.vipcast(NODE, &spec)?;
    for ((kind, theirs, ours), router) in figures.into_iter().zip(&routers) {
        let peers = [IpAddr::from(Net::Data.v4(kind.number())), IpAddr::from(Net::Data.v6(kind.number()))];
        for ends in node.into_iter().zip(peers) {
            expect_negotiated((router, &vipcast), ends, (theirs, ours))?;
        }
    }
    let (frr, (kind, _, ours)) = routers.first().zip(figures.into_iter().next()).context("a router")?;
    let watch = Watch::new(&vipcast, kind.address());
    let slower = Bfd { tx: 400, rx: 250, multiplier: 7 };
    frr.tell_bfdd(&[
        "configure terminal",
        "bfd",
        "profile n0",
        "transmit-interval 400",
        "receive-interval 250",
        "detect-multiplier 7",
    ])?;
    expect_negotiated((frr, &vipcast), (node_address(NODE), kind.address()), (slower, ours))?;
    watch.undisturbed()
}

/// Behind the middle router: port 4784, and a least TTL of its own.
pub(super) fn multihop(site: &mut Site) -> Result<()> {
    let (_middle, far) = site.lab.far_host()?;
    let second = site.lab.host("far2", &[(Net::Far, 2)])?;
    second.ip(&format!("route add default via {}", Net::Far.v4(9)))?;
    let node = node_address(NODE);
    let mut spec = site.spec(NODE, &[]);
    let mut routers = Vec::new();
    for (number, host, kind) in [(1, &far, Kind::Frr), (2, &second, Kind::Bird)] {
        let peer = IpAddr::from(Net::Far.v4(number));
        let (bfd, multihop, source) = (Some(FAST), Some(3), Some(peer));
        let neighbors = vec![Neighbor { bfd, multihop, source, ..Neighbor::new(node) }];
        routers.push((site.router_on(host, kind, Conf { neighbors, ..Conf::new(kind) })?, peer));
        spec = spec.peer_text(peer_text(peer, kind.asn(), true, FAST, ""));
    }
    let vipcast = site.vipcast(NODE, &spec)?;
    for (router, peer) in &routers {
        expect_negotiated((router, &vipcast), (node, *peer), (FAST, FAST))?;
        router.wait_best(PREFIX, node, SOON)?;
    }
    routers.iter().try_for_each(|(router, peer)| wire::spoofed_from_afar(site, router, &vipcast, *peer))
}

/// FRR's operator takes BFD down: BGP stays. vipcast leaves: FRR is told that this, too, is meant, and reads our Cease.
pub(super) fn admin_down(site: &mut Site) -> Result<()> {
    let pairs = Pair::start(site, &[Kind::Frr], FAST)?;
    let pair = pairs.first().context("a pair")?;
    let watch = Watch::new(&pair.vipcast, pair.peer);
    let mark = pair.vipcast.log().mark();
    let profile = |word| pair.router.tell_bfdd(&["configure terminal", "bfd", "profile n0", word]);
    profile("shutdown")?;
    pair.wait_said(mark, &["BFD state changed", "to=Down", "the peer took it down on purpose"])?;
    crate::wait::holds("the session without BFD", Duration::from_secs(1), || watch.undisturbed())?;
    profile("no shutdown")?;
    pair.wait_said(mark, &["BFD state changed", "to=Up"])?;
    pair.wait_up()?;
    watch.undisturbed()?;

    pair.vipcast.term()?;
    ensure!(pair.vipcast.wait_exit(SOON)?.success(), "vipcast did not end well");
    let session = pair.router.wait_bfd(pair.node, "down", SOON, |session| !session.is_up())?;
    let said = pair.router.tell_bfdd(&["show bfd peers json"])?;
    ensure!(said.contains("\"remote-diagnostic\":\"administratively down\""), "{session:?} of {said}");
    let text = pair.router.log()?.of_last_start();
    let told: Vec<&str> = text.lines().filter(|line| line.contains("%NOTIFICATION")).collect();
    let read = matches!(told.as_slice(), [line] if line.contains("received") && line.contains("6/2"));
    ensure!(read, "frr says {told:?}");
    Ok(())
}

/// Strict: no BGP before BFD.
pub(super) fn strict(site: &mut Site) -> Result<()> {
    let (kind, node) = (Kind::Frr, node_address(NODE));
    let other = Neighbor { bfd: Some(FAST), ..Neighbor::new(node_address(3)) };
    let neighbors = vec![Neighbor::new(node), other];
    let router = site.router(kind, Conf { neighbors, ..Conf::new(kind) })?;
    let spec: Spec = site.spec(NODE, &[]).peer_text(peer_text(kind.address(), kind.asn(), false, FAST, ";strict"));
    let vipcast = site.vipcast(NODE, &spec)?;
    let watch = Watch::from_start(&vipcast, kind.address());
    let reason = watch.wait_failure()?;
    ensure!(reason.contains("BFD is Down, and strict: the peer is not heard"), "the reason is {reason:?}");
    crate::wait::holds("no session", Duration::from_secs(2), || watch.never_up())?;

    let started = clock::now();
    let neighbor = format!("neighbor {node} bfd");
    let profile = format!("neighbor {node} bfd profile n1");
    router.tell_bgpd(&["configure terminal", &format!("router bgp {}", kind.asn()), &neighbor, &profile])?;
    router.wait_best(PREFIX, node, SOON)?;
    figure("from BFD at the router to the route", clock::since(started));

    // A path that fails ends the session as ever, and it does not come back before BFD does.
    let watch = Watch::new(&vipcast, kind.address());
    let blocked = super::expect::Undo::table(site.node(NODE)?, BLOCKED)?;
    let reason = watch.wait_failure()?;
    ensure!(reason.contains("BFD Down (6/10)"), "the reason is {reason:?}");
    crate::wait::holds("no session", Duration::from_secs(2), || watch.never_up())?;
    drop(blocked);
    router.wait_best(PREFIX, node, SOON).map(drop)
}

/// A firewall that drops BFD and nothing else.
const BLOCKED: &str = "chain in { type filter hook input priority 0; udp dport { 3784, 4784 } drop; }";

/// How many threads and open files vipcast has.
fn holdings(vipcast: &Process) -> Result<(usize, usize)> {
    let count =
        |what: &str| -> Result<usize> { Ok(std::fs::read_dir(format!("/proc/{}/{what}", vipcast.pid()))?.count()) };
    Ok((count("task")?, count("fd")?))
}

/// Sends one BFD packet from an address of the host's to `to`: Down, of nobody's session.
fn send_down(host: &Host, from: IpAddr, to: (IpAddr, u16), ttl: u32) -> Result<()> {
    const DOWN: [u8; 24] = [0x20, 0x40, 3, 24, 0, 0, 0, 9, 0, 0, 0, 0, 0, 15, 66, 64, 0, 15, 66, 64, 0, 0, 0, 0];
    host.inside(|| {
        let socket = std::net::UdpSocket::bind((from, 0))?;
        socket.set_ttl(ttl)?;
        socket.send_to(&DOWN, to)?;
        Ok(())
    })
}
