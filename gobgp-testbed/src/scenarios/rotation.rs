//! Scenarios 34 and 35, passwords that change: in a mounted Secret, at the router, in each order; and by a recipe that
//! never leaves a node without a route.

use std::cell::Cell;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::SOON;
use super::expect::{Watch, figure, never_said};
use crate::host::Host;
use crate::lab::node_address;
use crate::parts::router::{Conf, Kind, Neighbor, Router};
use crate::process::Process;
use crate::site::{PREFIX, Site};
use crate::{clock, wait};

/// The passwords in the order of their use.
const WORDS: [&str; 4] = ["first-word", "second-word", "third-word", "fourth-word"];
/// What the log says where a router keeps the former password.
const NOT_YET: &str = "the peer does not take the new password yet";
/// What it says of bad content.
const NO_PASSWORD: &str = "no password is in the file: the former one stays in use";
/// How long a node without session may take: a silent attempt, and the longest wait before the next.
const RETRY: Duration = Duration::from_secs(40);

/// A file as a kubelet mounts a Secret: a link to a link to a directory, of which the middle one is swapped.
struct Secret {
    dir: PathBuf,
    generation: Cell<u32>,
}

impl Secret {
    fn mount(host: &Host, content: &str) -> Result<Self> {
        let secret = Self { dir: host.file("secret"), generation: Cell::new(0) };
        // An earlier scenario's.
        let _ = std::fs::remove_dir_all(&secret.dir);
        std::fs::create_dir(&secret.dir)?;
        secret.write(content.as_bytes())?;
        symlink("..data/password", secret.file())?;
        Ok(secret)
    }

    fn file(&self) -> PathBuf {
        self.dir.join("password")
    }

    fn write(&self, content: &[u8]) -> Result<()> {
        let generation = format!("..{}", self.generation.replace(self.generation.get() + 1));
        std::fs::create_dir(self.dir.join(&generation))?;
        std::fs::write(self.dir.join(&generation).join("password"), content)?;
        symlink(generation, self.dir.join("..data_tmp"))?;
        Ok(std::fs::rename(self.dir.join("..data_tmp"), self.dir.join("..data"))?)
    }
}

/// A node with one router, and the password they share.
struct Pair {
    router: Rc<Router>,
    node: IpAddr,
    vipcast: Rc<Process>,
    secret: Secret,
}

impl Pair {
    fn start(site: &mut Site, number: u8, kind: Kind) -> Result<Self> {
        let node = node_address(number);
        let neighbors = vec![Neighbor { password: Some(WORDS[0].to_owned()), ..Neighbor::new(node) }];
        let router = site.router(kind, Conf { neighbors, ..Conf::new(kind) })?;
        let secret = Secret::mount(site.node(number)?, WORDS[0])?;
        let spec = site.spec(number, &[]).flag("peerAddress", kind.address()).flag("peerAS", kind.asn());
        let vipcast = site.vipcast(number, &spec.flag("peerPassFile", secret.file().display()))?;
        router.wait_best(PREFIX, node, SOON)?;
        Ok(Self { router, node, vipcast, secret })
    }

    fn watch(&self) -> Watch<'_> {
        Watch::new(&self.vipcast, self.router.kind().address())
    }

    fn has_route(&self) -> Result<()> {
        let best = self.router.best(PREFIX)?;
        ensure!(best.is_some_and(|path| path.next_hop == self.node), "{} has no route", self.router.kind());
        Ok(())
    }

    fn set_router(&self, word: &str) -> Result<()> {
        self.router.set_password(self.node, word)
    }
}

/// Acts on all pairs, then waits until each has a new session and its route, and prints how long that took.
fn renewed(what: &str, pairs: &[Pair], act: impl Fn(&Pair) -> Result<()>) -> Result<()> {
    let watches: Vec<Watch<'_>> = pairs.iter().map(Pair::watch).collect();
    let mut open = Vec::new();
    for (pair, watch) in pairs.iter().zip(&watches) {
        let start = clock::now();
        act(pair)?;
        open.push((pair, watch, start));
    }
    wait::until(&format!("new sessions after: {what}"), RETRY, || {
        open.retain(|(pair, watch, start)| {
            let is_back =
                watch.changes().iter().any(|line| line.contains("to=Established")) && pair.has_route().is_ok();
            if is_back {
                figure(&format!("{what} to the route back in {}", pair.router.kind()), clock::since(*start));
            }
            !is_back
        });
        ensure!(open.is_empty(), "{:?}", open.iter().map(|(pair, ..)| pair.router.kind()).collect::<Vec<_>>());
        Ok(())
    })
}

pub(super) fn each_order(site: &mut Site) -> Result<()> {
    let mut pairs = Vec::new();
    for (number, kind) in (1..).zip([Kind::Bird, Kind::Frr, Kind::Openbgpd]) {
        pairs.push(Pair::start(site, number, kind)?);
    }
    renewed("file and router changed at once", &pairs, |pair| {
        pair.secret.write(WORDS[1].as_bytes())?;
        pair.set_router(WORDS[1])
    })?;
    // OpenBGPD keeps its session when its password changes, and refuses whoever ended two for half a minute.
    pairs.retain(|pair| pair.router.kind() != Kind::Openbgpd);
    file_first(&pairs)?;
    router_first(&pairs)?;
    bad_content(&pairs)?;
    pairs.iter().try_for_each(|pair| never_said(&pair.vipcast, &WORDS))
}

/// The session goes on under the former password until the router has the new one.
fn file_first(pairs: &[Pair]) -> Result<()> {
    let before: Vec<_> = pairs.iter().map(|pair| (pair, pair.watch(), pair.vipcast.log().mark())).collect();
    // As `echo` writes it.
    pairs.iter().try_for_each(|pair| pair.secret.write(format!("{}\n", WORDS[2]).as_bytes()))?;
    for (pair, watch, mark) in before {
        pair.vipcast.log().wait_line(mark, &["the line break at its end is not part of the password"], SOON)?;
        pair.vipcast.log().wait_line(mark, &[NOT_YET], SOON)?;
        watch.undisturbed()?;
        pair.has_route()?;
    }
    renewed("file changed long before, router changed", pairs, |pair| pair.set_router(WORDS[2]))
}

/// The router ends the session; attempts with the former password meet silence until the file changes.
fn router_first(pairs: &[Pair]) -> Result<()> {
    let before: Vec<_> = pairs.iter().map(|pair| (pair, pair.watch())).collect();
    pairs.iter().try_for_each(|pair| pair.set_router(WORDS[3]))?;
    for (pair, watch) in before {
        wait::until("an attempt with the former password to fail", SOON, || {
            let failed = watch.changes().into_iter().find(|line| line.contains("no connection within 5 s; MD5"));
            failed.context("none has").map(drop)
        })?;
        pair.router.wait_gone(PREFIX, None, SOON)?;
    }
    renewed("router changed before, file changed", pairs, |pair| pair.secret.write(WORDS[3].as_bytes()))
}

/// What is no password is said, and changes nothing; nor does the password that is in use already.
fn bad_content(pairs: &[Pair]) -> Result<()> {
    let pair = pairs.first().context("no pair")?;
    let (watch, mark) = (pair.watch(), pair.vipcast.log().mark());
    let long = [b'x'; 81];
    let cases: [(&[u8], &str); 4] = [
        (b"\n", "the password is empty; expected 1 to 80 bytes"),
        (b"fourth\0word", "the password has a NUL byte in it"),
        (&long, "the password has 81 bytes; TCP-MD5 takes 80 at most"),
        (b"\xff", "the password is not UTF-8"),
    ];
    for (content, wrong) in cases {
        pair.secret.write(content)?;
        pair.vipcast.log().wait_line(mark, &[NO_PASSWORD, wrong], SOON)?;
    }
    let back = pair.vipcast.log().mark();
    pair.secret.write(WORDS[3].as_bytes())?;
    pair.vipcast.log().wait_line(back, &["the password file was changed"], SOON)?;
    watch.undisturbed()?;
    pair.has_route()
}

/// One node, two routers, one Secret: the file first, then each router, each once the other's session is up.
pub(super) fn one_after_the_other(site: &mut Site) -> Result<()> {
    const KINDS: [Kind; 2] = [Kind::Bird, Kind::Frr];
    let node = node_address(1);
    let neighbors = vec![Neighbor { password: Some(WORDS[0].to_owned()), ..Neighbor::new(node) }];
    let mut routers = Vec::new();
    for kind in KINDS {
        routers.push(site.router(kind, Conf { neighbors: neighbors.clone(), ..Conf::new(kind) })?);
    }
    let secret = Secret::mount(site.node(1)?, WORDS[0])?;
    let peers: Vec<&Router> = routers.iter().map(Rc::as_ref).collect();
    let spec = site.spec(1, &peers).flag("bgpPeerOptions", format!("*;password-file={}", secret.file().display()));
    let vipcast = site.vipcast(1, &spec)?;
    for router in &routers {
        router.wait_best(PREFIX, node, SOON)?;
    }
    let has_route = |router: &Router| -> Result<bool> { Ok(router.best(PREFIX)?.is_some()) };
    let watches: Vec<Watch<'_>> = KINDS.map(|kind| Watch::new(&vipcast, kind.address())).into();
    let mark = vipcast.log().mark();
    secret.write(WORDS[1].as_bytes())?;
    for kind in KINDS {
        vipcast.log().wait_line(mark, &[NOT_YET, &format!("peer={}:179", kind.address())], SOON)?;
    }
    watches.iter().try_for_each(Watch::undisturbed)?;
    for (router, watch) in routers.iter().zip(&watches) {
        let (start, mut lost) = (clock::now(), None);
        router.set_password(node, WORDS[1])?;
        wait::until(&format!("{} to have the node again", router.kind()), SOON, || {
            let others: Vec<bool> = routers.iter().map(|other| has_route(other)).collect::<Result<_>>()?;
            if !others.contains(&true) {
                return Err(wait::Hopeless("no router has a route".to_owned()).into());
            }
            let is_back = has_route(router)?;
            if !is_back {
                lost.get_or_insert_with(clock::now);
            }
            let is_new = watch.changes().iter().any(|line| line.contains("to=Established"));
            ensure!(is_back && is_new, "not yet");
            Ok(())
        })?;
        figure(&format!("new password at {} to its route by the new session", router.kind()), clock::since(start));
        if let Some(lost) = lost {
            figure(&format!("of that, {} had no route for", router.kind()), clock::since(lost));
        }
    }
    never_said(&vipcast, &WORDS)
}
