//! The node as the control socket sees it before anything is built.

use tokio::sync::watch;

use crate::app::desk::moment;
use crate::clock::now;
use crate::config::Config;
use crate::control::Node;
use crate::control::status::{Configuration, Drain, Fitness, Mode, Since, Status, VERSION, Vip};
use crate::control::wall::Utc;
use crate::time::Instant;

/// A node that waits.
#[derive(Debug)]
pub(in crate::app) struct WaitingDesk {
    node: String,
    started: Instant,
    mode: Mode,
    vips: Vec<String>,
    /// What it waits for.
    lacks: watch::Receiver<String>,
}

impl WaitingDesk {
    pub(in crate::app) fn new(config: &Config, lacks: watch::Receiver<String>) -> Self {
        Self {
            node: config.node_name.clone(),
            started: now(),
            mode: if config.election.is_some() { Mode::Lease } else { Mode::Anycast },
            vips: config.vips.iter().map(|vip| vip.address().to_string()).collect(),
            lacks,
        }
    }
}

impl Node for WaitingDesk {
    fn status(&self) -> Status {
        let moment = moment();
        let since = Since::new(self.started, &moment);
        let vip = |address: &String| Vip {
            address: address.clone(),
            wanted: false,
            bound: false,
            announced_to: Vec::new(),
            withdrawing_from: Vec::new(),
            why_not: Some("this node waits to start".to_owned()),
        };
        let reason = Some(self.lacks.borrow().clone());
        let drain =
            Drain { drained: false, by_hand: false, persistent: false, cordoned: false, since: None, done: false };
        Status {
            version: VERSION,
            vipcast: env!("CARGO_PKG_VERSION").to_owned(),
            node: self.node.clone(),
            time: Utc(moment.wall).to_string(),
            started: since.clone(),
            mode: self.mode,
            configuration: Configuration { since: since.clone(), refused: None, needs_restart: Vec::new() },
            vips: self.vips.iter().map(vip).collect(),
            leadership: None,
            fitness: Fitness { state: "waiting".to_owned(), since, reason, last_error: None },
            drain,
            peers: Vec::new(),
            events: Vec::new(),
        }
    }

    fn drain(&self, _persistent: bool) -> Result<(), String> {
        Err(self.not_started("drain"))
    }

    fn undrain(&self) -> Result<(), String> {
        Err(self.not_started("undrain"))
    }
}

impl WaitingDesk {
    fn not_started(&self, what: &str) -> String {
        format!("{what} a node that waits to start and announces nothing: {}", self.lacks.borrow().as_str())
    }
}
