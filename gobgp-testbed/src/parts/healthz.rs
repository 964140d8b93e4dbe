//! A web server on a node that answers health checks as the scenario wants: what it says next stands in a file.
//!
//! The helper runs inside the node's namespace and prints a line for each connection and for each answer.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::host::Host;
use crate::paths;
use crate::process::Process;

/// Where it listens, on 127.0.0.1.
const PORT: u16 = 8080;

/// What it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 200.
    Good,
    /// 500, as an API server says it.
    Bad,
    /// 302, to a place that is good.
    Redirect,
    /// Either, one as often as the other, in an order of no sense.
    Half,
    /// Nothing, for as long as it is so.
    Never,
}

impl Answer {
    const ALL: [Self; 5] = [Self::Good, Self::Bad, Self::Redirect, Self::Half, Self::Never];

    const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Redirect => "redirect",
            Self::Half => "half",
            Self::Never => "never",
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct Healthz {
    process: Process,
    orders: PathBuf,
}

impl Healthz {
    /// Starts it.
    ///
    /// # Errors
    /// When the helper cannot be started.
    pub fn start(host: &Host, answer: Answer) -> Result<Self> {
        let orders = host.file("healthz.order");
        fs::write(&orders, answer.word())?;
        let process = host.spawn("healthz", &paths::myself()?, |command| {
            command.arg("healthz").arg(&orders);
        })?;
        process.log().wait_line(process.began(), &["listening"], Duration::from_secs(5))?;
        Ok(Self { process, orders })
    }

    /// What to give vipcast as the address of its check.
    #[must_use]
    pub fn url() -> String {
        format!("http://127.0.0.1:{PORT}/readyz")
    }

    /// Answers so from now on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set(&self, answer: Answer) -> Result<()> {
        // Never half written.
        let new = self.orders.with_extension("new");
        fs::write(&new, answer.word())?;
        fs::rename(new, &self.orders).context("failed to give the order")
    }

    /// How many connections were made and how many requests answered so far.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let said = self.process.said();
        let count = |word: &str| said.lines().filter(|line| line.starts_with(word)).count();
        (count("connection"), count("answer"))
    }
}

/// The helper's whole life.
///
/// # Errors
/// When the port is taken.
pub fn helper(orders: &str) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT))?;
    println!("listening");
    for stream in listener.incoming() {
        let (stream, orders) = (stream?, orders.to_owned());
        println!("connection");
        thread::spawn(move || serve(&stream, Path::new(&orders)));
    }
    Ok(())
}

fn serve(stream: &TcpStream, orders: &Path) -> Result<()> {
    let mut lines = BufReader::new(stream).lines();
    loop {
        // A request has a head and no body.
        loop {
            let Some(line) = lines.next() else { return Ok(()) };
            if line?.is_empty() {
                break;
            }
        }
        let (status, body) = loop {
            match decide(orders)? {
                Some(answer) => break answer,
                None => thread::sleep(Duration::from_millis(50)),
            }
        };
        println!("answer {status}");
        let length = body.len();
        write!(
            &*stream,
            "HTTP/1.1 {status}\r\nLocation: http://127.0.0.1:{PORT}/\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
    }
}

/// Status and body; `None`: no answer.
fn decide(orders: &Path) -> Result<Option<(&'static str, &'static str)>> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    const GOOD: (&str, &str) = ("200 OK", "ok");
    const BAD: (&str, &str) = ("500 Internal Server Error", "[+]ping ok\n[-]etcd failed: reason withheld\n");
    let word = fs::read_to_string(orders)?;
    Ok(match Answer::ALL.into_iter().find(|answer| answer.word() == word).context("no such order")? {
        Answer::Good => Some(GOOD),
        Answer::Bad => Some(BAD),
        Answer::Redirect => Some(("302 Found", "")),
        Answer::Never => None,
        Answer::Half => {
            let count = COUNT.fetch_add(1, Ordering::Relaxed) + u64::from(std::process::id());
            // Half of the bits of a well-mixed number (SplitMix64) are ones.
            let mut mixed = count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            Some(if mixed >> 63 == 0 { GOOD } else { BAD })
        }
    })
}
