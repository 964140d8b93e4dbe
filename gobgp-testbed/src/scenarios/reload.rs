//! Scenarios 52: the configuration of a running vipcast changes, by its file, a mounted one, and SIGHUP.

use std::cell::Cell;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::bfd::FAST;
use super::control::Control;
use super::expect::{Watch, external, figure, timed, wait_paths};
use super::{Run, SOON, Scenario};
use crate::clock;
use crate::host::Host;
use crate::lab::node_address;
use crate::parts::path::Path;
use crate::parts::router::{Conf, Kind, Neighbor, Router};
use crate::process::Process;
use crate::site::{PREFIX, Site};
use crate::wait;

/// All of them.
pub(super) const ALL: &[Scenario] = &[
    Scenario {
        name: "52-reload-attributes",
        shows: "communities, MED and description change with the file while three routers keep their sessions",
        run: Run::Site(attributes),
    },
    Scenario {
        name: "52-reload-peers",
        shows: "a peer is added, changed and removed (Cease 6/3) while another one's session and BFD stay",
        run: Run::Site(peers),
    },
    Scenario {
        name: "52-reload-invalid",
        shows: "a mounted file that becomes wrong changes nothing and is said; so is what needs a restart; SIGHUP",
        run: Run::Site(invalid),
    },
    Scenario {
        name: "52-reload-vips",
        shows: "a VIP comes and another one goes: withdrawn first, unbound last, no session down",
        run: Run::Site(vips),
    },
    Scenario {
        name: "52-reload-often",
        shows: "300 changes by SIGHUP leave no descriptor and no thread behind",
        run: Run::Site(often),
    },
];

/// The node that everything is about.
const NODE: u8 = 1;
/// [`FAST`] in the file.
const BFD: &str = ", bfd: {receiveMilliseconds: 50, transmitMilliseconds: 50}";
const VIP: &str = "10.88.0.40";
const VIP2: &str = "10.88.0.41";
const PREFIX2: &str = "10.88.0.41/32";

/// A configuration file as a kubelet mounts a `ConfigMap`: a link to a link to a directory, of which the middle one is
/// swapped.
struct ConfigMap {
    dir: PathBuf,
    generation: Cell<u32>,
}

impl ConfigMap {
    fn mount(host: &Host, content: &str) -> Result<Self> {
        let map = Self { dir: host.file("config"), generation: Cell::new(0) };
        // An earlier scenario's.
        let _ = std::fs::remove_dir_all(&map.dir);
        std::fs::create_dir(&map.dir)?;
        map.write(content)?;
        symlink("..data/vipcast.yaml", map.file())?;
        Ok(map)
    }

    fn file(&self) -> PathBuf {
        self.dir.join("vipcast.yaml")
    }

    fn write(&self, content: &str) -> Result<()> {
        let generation = format!("..{}", self.generation.replace(self.generation.get() + 1));
        std::fs::create_dir(self.dir.join(&generation))?;
        std::fs::write(self.dir.join(&generation).join("vipcast.yaml"), content)?;
        symlink(generation, self.dir.join("..data_tmp"))?;
        Ok(std::fs::rename(self.dir.join("..data_tmp"), self.dir.join("..data"))?)
    }
}

/// The file: these VIPs, these peers, each with the lines that follow its AS.
fn file(vips: &[&str], peers: &[(Kind, &str)]) -> String {
    let peer =
        |(kind, more): &(Kind, &str)| format!("    - {{address: {}, as: {}{more}}}\n", kind.address(), kind.asn());
    let peers: String = peers.iter().map(peer).collect();
    format!("apiVersion: vipcast.io/v1alpha1\nkind: Config\nvips: [{}]\nbgp:\n  peers:\n{peers}", vips.join(", "))
}

/// The node under test.
struct Node {
    map: ConfigMap,
    vipcast: Rc<Process>,
    control: Control,
    began: Duration,
}

impl Node {
    /// One whose flags say all but VIPs and peers.
    fn start(site: &mut Site, content: &str) -> Result<Self> {
        let map = ConfigMap::mount(site.node(NODE)?, content)?;
        let spec = site.spec(NODE, &[]).without("address").flag("config-file", map.file().display());
        let began = clock::now();
        let vipcast = site.vipcast(NODE, &spec)?;
        Ok(Self { map, vipcast, control: Control::of(site.node(NODE)?), began })
    }

    fn hang_up(&self) -> Result<()> {
        self.vipcast.signal(Signal::HUP)
    }

    /// A part of `vipcast status`.
    fn part(&self, pointer: &str) -> Result<Value> {
        let document = self.control.status(self.began)?;
        document.pointer(pointer).cloned().with_context(|| format!("no {pointer} in {document:#}"))
    }

    fn wait_part(&self, pointer: &str, expected: &Value) -> Result<()> {
        self.control.wait(self.began, pointer, expected).map(drop)
    }

    fn watch(&self, kind: Kind) -> Watch<'_> {
        Watch::new(&self.vipcast, kind.address())
    }
}

/// The node's route with these communities.
fn with(communities: &[&str], med: Option<u32>) -> Path {
    let communities = communities.iter().map(|text| (*text).to_owned()).collect();
    Path { communities, ..external(node_address(NODE), med) }
}

/// What each router says of the session with the node that would be another in another session.
fn marks(routers: &[Rc<Router>]) -> Result<Vec<String>> {
    routers.iter().map(|router| router.up_mark(node_address(NODE))).collect()
}

fn attributes(site: &mut Site) -> Result<()> {
    const KINDS: [Kind; 3] = [Kind::Frr, Kind::Bird, Kind::Gobgpd];
    let routers = KINDS.map(|kind| site.router(kind, Conf::new(kind)));
    let routers: Vec<Rc<Router>> = routers.into_iter().collect::<Result<_>>()?;
    let all = |more: &str| file(&[VIP], &KINDS.map(|kind| (kind, more)));
    let node = Node::start(site, &all(", communities: [\"65000:1\"]"))?;
    let have =
        |path: &Path| routers.iter().try_for_each(|router| wait_paths(router, PREFIX, std::slice::from_ref(path)));
    have(&with(&["65000:1"], None))?;
    let (before, watches) = (marks(&routers)?, KINDS.map(|kind| node.watch(kind)));
    let second = all(", communities: [\"65000:2\", \"65000:3\"], med: 7, description: leaf");
    timed(
        "file changed to the route with it at three routers",
        || node.map.write(&second),
        || have(&with(&["65000:2", "65000:3"], Some(7))),
    )?;
    node.wait_part("/peers/0/description", &json!("leaf"))?;
    let third = all("");
    timed(
        "file changed and SIGHUP to the same",
        || node.map.write(&third).and_then(|()| node.hang_up()),
        || have(&with(&[], None)),
    )?;
    ensure!(marks(&routers)? == before, "{:?} instead of {before:?}", marks(&routers)?);
    watches.iter().try_for_each(Watch::undisturbed)?;
    for number in 0..KINDS.len() {
        ensure!(node.part(&format!("/peers/{number}/times_up"))? == json!(1), "another session");
    }
    Ok(())
}

fn peers(site: &mut Site) -> Result<()> {
    let address: IpAddr = node_address(NODE);
    let neighbors = vec![Neighbor { bfd: Some(FAST), ..Neighbor::new(address) }];
    let stays = site.router(Kind::Frr, Conf { neighbors, ..Conf::new(Kind::Frr) })?;
    let comes = site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let node = Node::start(site, &file(&[VIP], &[(Kind::Frr, BFD)]))?;
    stays.wait_best(PREFIX, address, SOON)?;
    let frr = format!("{}:179", Kind::Frr.address());
    let of = |peer: &str| -> Result<Value> {
        let all = node.part("/peers")?;
        let found = all.as_array().into_iter().flatten().find(|value| value.get("peer") == Some(&json!(peer))).cloned();
        found.with_context(|| format!("no {peer} in {all:#}"))
    };
    wait::until("BFD with FRR to be Up", SOON, || {
        ensure!(of(&frr)?.pointer("/bfd/state") == Some(&json!("Up")), "not yet");
        Ok(())
    })?;
    let (before, bfd_before, watch) = (marks(std::slice::from_ref(&stays))?, of(&frr)?, node.watch(Kind::Frr));

    let added = file(&[VIP], &[(Kind::Frr, BFD), (Kind::Bird, "")]);
    timed(
        "file with another peer to its route there",
        || node.map.write(&added),
        || comes.wait_best(PREFIX, address, SOON).map(drop),
    )?;
    let new = node.watch(Kind::Bird);
    let changed = file(&[VIP], &[(Kind::Frr, BFD), (Kind::Bird, ", families: [ipv4]")]);
    timed(
        "a changed peer to its new session",
        || node.map.write(&changed).and_then(|()| node.hang_up()),
        || {
            new.wait_words(&["Other Configuration Change"])?;
            new.wait_words(&["to=Established"])?;
            comes.wait_best(PREFIX, address, SOON).map(drop)
        },
    )?;
    let start = clock::now();
    node.map.write(&file(&[VIP], &[(Kind::Frr, BFD)]))?;
    comes.wait_gone(PREFIX, None, SOON)?;
    figure("file without the peer to its route gone", clock::since(start));
    let told = "Peer de-configured";
    wait::until("BIRD to have been told why", SOON, || {
        let said = comes.session(address)?.last_error;
        ensure!(said.contains(told), "{said:?}");
        Ok(())
    })?;
    wait::until("the removed peer to be off the status", SOON, || {
        let peers = node.part("/peers")?;
        ensure!(peers.as_array().map(Vec::len) == Some(1), "{peers:#}");
        Ok(())
    })?;
    ensure!(of(&frr)? == bfd_before, "{:#} instead of {bfd_before:#}", of(&frr)?);
    ensure!(marks(std::slice::from_ref(&stays))? == before, "FRR has another session");
    watch.undisturbed()
}

fn invalid(site: &mut Site) -> Result<()> {
    let address = node_address(NODE);
    let router = site.router(Kind::Bird, Conf::new(Kind::Bird))?;
    let good = file(&[VIP], &[(Kind::Bird, "")]);
    let node = Node::start(site, &good)?;
    router.wait_best(PREFIX, address, SOON)?;
    let (watch, mark) = (node.watch(Kind::Bird), node.vipcast.log().mark());
    let fine = json!({"since": "*", "refused": null, "needs_restart": []});
    node.wait_part("/configuration", &fine)?;

    // Two mistakes: both are said, with their places, and nothing is changed.
    let wrong = file(&["10.88.0.300"], &[(Kind::Bird, ", med: many")]);
    node.map.write(&wrong)?;
    node.vipcast.log().wait_line(
        mark,
        &["nothing was changed: the former configuration stays in use", "mistakes="],
        SOON,
    )?;
    let refused = node.part("/configuration/refused/mistakes")?;
    let refused = refused.as_array().context("no list")?.clone();
    ensure!(!refused.is_empty(), "no mistake is named");
    for mistake in &refused {
        let text = mistake.as_str().unwrap_or_default();
        println!("    said: {text}");
        ensure!(text.contains("vipcast.yaml"), "{text:?} does not name the file");
    }
    let again = node.vipcast.log().mark();
    node.hang_up()?;
    node.vipcast.log().wait_line(again, &["the configuration is as wrong as before"], SOON)?;
    let said = node.control.run(&["status"])?;
    ensure!(said.out.contains("stays: since") && said.out.contains("which is wrong"), "{}", said.out);

    node.map.write(&good)?;
    node.wait_part("/configuration", &fine)?;
    let again = node.vipcast.log().mark();
    node.hang_up()?;
    node.vipcast.log().wait_line(again, &["the configuration was read again: nothing in it changed"], SOON)?;

    // The rest of it counts at once.
    let more = format!("{}interface: dummy7\n", file(&[VIP], &[(Kind::Bird, ", communities: [\"65000:9\"]")]));
    node.map.write(&more)?;
    wait_paths(&router, PREFIX, &[with(&["65000:9"], None)])?;
    node.wait_part("/configuration/needs_restart", &json!([]))?;
    let more = format!("{}apiPort: 7443\n", file(&[VIP], &[(Kind::Bird, "")]));
    node.map.write(&more)?;
    wait_paths(&router, PREFIX, &[with(&[], None)])?;
    node.wait_part("/configuration/needs_restart", &json!(["--port (port)"]))?;
    watch.undisturbed()
}

fn vips(site: &mut Site) -> Result<()> {
    let address = node_address(NODE);
    let routers = [site.router(Kind::Frr, Conf::new(Kind::Frr))?, site.router(Kind::Bird, Conf::new(Kind::Bird))?];
    let peers = [(Kind::Frr, ""), (Kind::Bird, "")];
    let node = Node::start(site, &file(&[VIP], &peers))?;
    routers.iter().try_for_each(|router| router.wait_best(PREFIX, address, SOON).map(drop))?;
    let watches = [Kind::Frr, Kind::Bird].map(|kind| node.watch(kind));
    timed(
        "file with another VIP to its route",
        || node.map.write(&file(&[VIP, VIP2], &peers)),
        || routers.iter().try_for_each(|router| router.wait_best(PREFIX2, address, SOON).map(drop)),
    )?;
    let mark = node.vipcast.log().mark();
    timed(
        "file without the first VIP to its route gone",
        || node.map.write(&file(&[VIP2], &peers)),
        || routers.iter().try_for_each(|router| router.wait_gone(PREFIX, None, SOON)),
    )?;
    node.vipcast.log().wait_line(mark, &["address unbound", VIP], SOON)?;
    let host = site.node(NODE)?;
    let bound: Vec<IpAddr> = host.addresses("lo")?.into_iter().filter(|address| !address.is_loopback()).collect();
    ensure!(bound == [VIP2.parse::<IpAddr>()?], "{bound:?} are bound");
    let text = node.vipcast.log().since(mark);
    let at = |words: &str| text.lines().position(|line| line.contains(words)).with_context(|| format!("no {words:?}"));
    ensure!(at("route withdrawn")? < at("address unbound")?, "unbound before it was withdrawn: {text}");
    routers.iter().try_for_each(|router| router.wait_best(PREFIX2, address, SOON).map(drop))?;
    // The node's own address is no VIP: refused as a whole.
    let own = address.to_string();
    node.map.write(&file(&[VIP2, &own], &peers))?;
    wait::until("the node's own address to be refused", SOON, || {
        let refused = node.part("/configuration/refused")?;
        ensure!(refused.to_string().contains("it is the node's own address"), "{refused}");
        Ok(())
    })?;
    watches.iter().try_for_each(Watch::undisturbed)
}

fn often(site: &mut Site) -> Result<()> {
    const ROUNDS: u32 = 75;
    let address = node_address(NODE);
    let neighbors = vec![Neighbor { bfd: Some(FAST), ..Neighbor::new(address) }];
    let frr = site.router(Kind::Frr, Conf { neighbors, ..Conf::new(Kind::Frr) })?;
    let routers = [frr, site.router(Kind::Bird, Conf::new(Kind::Bird))?];
    let both = file(&[VIP], &[(Kind::Frr, BFD), (Kind::Bird, "")]);
    let steps = [
        file(&[VIP], &[(Kind::Frr, BFD)]),
        file(&[VIP, VIP2], &[(Kind::Frr, BFD), (Kind::Bird, ", connect: passive")]),
        file(&[VIP], &[(Kind::Frr, ", med: 5"), (Kind::Bird, ", bfd: {}")]),
        both.clone(),
    ];
    let node = Node::start(site, &both)?;
    let settled = || routers.iter().try_for_each(|router| router.wait_best(PREFIX, address, SOON).map(drop));
    let round = || {
        steps.iter().try_for_each(|content| {
            let mark = node.vipcast.log().mark();
            node.map.write(content)?;
            node.hang_up()?;
            node.vipcast.log().wait_line(mark, &["the configuration was changed: "], SOON).map(drop)
        })
    };
    let is_up = || {
        settled()?;
        node.wait_part("/peers/1/bfd/state", &json!("Up"))
    };
    is_up()?;
    let before = open(&node.vipcast)?;
    let start = clock::now();
    (0..ROUNDS).try_for_each(|_| round())?;
    figure("one change, of 300", clock::since(start) / (4 * ROUNDS));
    is_up()?;
    wait::until("descriptors and threads to be as before", SOON, || {
        let after = open(&node.vipcast)?;
        ensure!(after == before, "{after:?} instead of {before:?}");
        Ok(())
    })?;
    println!("    {} descriptors, threads {:?}: as before {} changes", before.0, before.1, 4 * ROUNDS);
    Ok(())
}

/// How many descriptors a process has, and its threads by name, but for the runtime's: it has as many as it needs.
fn open(process: &Process) -> Result<(usize, Vec<String>)> {
    let proc = PathBuf::from(format!("/proc/{}", process.pid()));
    let descriptors = std::fs::read_dir(proc.join("fd"))?.count();
    let mut threads = Vec::new();
    for task in std::fs::read_dir(proc.join("task"))? {
        let name = std::fs::read_to_string(task?.path().join("comm")).unwrap_or_default();
        threads.extend(Some(name.trim().to_owned()).filter(|name| !name.starts_with("tokio")));
    }
    threads.sort();
    Ok((descriptors, threads))
}
