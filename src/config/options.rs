//! The table of options: flags, variables, help, completions and both references derive from these rows and from nothing
//! else.
//!
//! It holds every flag and variable that kube-vip has or had, each with what becomes of it here ([`Class`]).

mod bgp;
mod control_plane;
mod gone;
mod modes;

pub(crate) use bgp::*;
pub(crate) use control_plane::*;
pub(crate) use gone::*;
pub(crate) use modes::*;

/// What a value looks like on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `--x`, `--x=false`; never `--x false`.
    Switch,
    /// One value.
    Value,
    /// Values, by commas or by repeating the flag.
    List,
    /// One value that is never shown.
    Secret,
    /// Values that hold passwords and are never shown whole.
    SecretList,
}

impl Kind {
    /// Whether values of this kind stay out of every message.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::SecretList)
    }

    /// Whether repeating the flag adds values; elsewhere the last one counts.
    #[must_use]
    pub const fn is_list(self) -> bool {
        matches!(self, Self::List | Self::SecretList)
    }
}

/// The headings of `--help` and of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The address.
    Vip,
    /// The speaker.
    Bgp,
    /// The lease.
    Election,
    /// The check of what is behind the address.
    Health,
    /// Who we are and where the API is.
    Node,
    /// The cloud that tells a node how to speak BGP, or moves the address.
    Metal,
    /// Logs.
    Log,
    /// What kube-vip has and vipcast does not do, or not so.
    KubeVip,
}

impl Group {
    /// All, in the order they are shown.
    pub const ALL: [Self; 8] =
        [Self::Vip, Self::Bgp, Self::Election, Self::Health, Self::Node, Self::Metal, Self::Log, Self::KubeVip];

    /// The heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Vip => "Virtual IP",
            Self::Bgp => "BGP",
            Self::Election => "Leader election",
            Self::Health => "Health check",
            Self::Node => "Node and Kubernetes",
            Self::Metal => "Equinix Metal, formerly Packet",
            Self::Log => "Logs",
            Self::KubeVip => "Of kube-vip, not built yet: refused when on",
        }
    }
}

/// A way of kube-vip to work that vipcast does not have, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Gratuitous ARP and NDP.
    Arp,
    /// Routes in a table of the kernel, for another daemon to announce.
    Table,
    /// Tunnels.
    WireGuard,
    /// Services of type LoadBalancer.
    Services,
    /// IPVS, and before v0.4.0 a proxy, behind the control plane's address.
    LoadBalancer,
    /// Virtual IPs by name: DNS, DHCP.
    Names,
    /// Election by etcd.
    Etcd,
    /// Election by raft among listed peers.
    Raft,
    /// Routes handed to FRR's zebra.
    Zebra,
}

impl Mode {
    /// All, in the order of the compatibility page.
    pub const ALL: [Self; 9] = [
        Self::Arp,
        Self::Table,
        Self::WireGuard,
        Self::Services,
        Self::LoadBalancer,
        Self::Names,
        Self::Etcd,
        Self::Raft,
        Self::Zebra,
    ];

    /// What messages call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Arp => "ARP mode",
            Self::Table => "routing-table mode",
            Self::WireGuard => "WireGuard mode",
            Self::Services => "Services of type LoadBalancer",
            Self::LoadBalancer => "a load balancer for the control plane",
            Self::Names => "virtual IPs by DNS name",
            Self::Etcd => "election by etcd",
            Self::Raft => "raft among listed peers",
            Self::Zebra => "routes to zebra",
        }
    }
}

/// What becomes of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It works.
    Works,
    /// It turns on a mode that is not built: refused when it is on.
    Turns(Mode),
    /// It belongs to a mode that is not built, and has no effect while that is off.
    Of(Mode),
    /// What it asks for is so anyway; the text says how, and fits after a colon.
    Anyway(&'static str),
    /// It is ignored with a warning unless it asks for nothing; the text says why, and fits after a colon.
    Ignored(&'static str),
}

/// Which versions of kube-vip have an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// None: it is vipcast's own.
    Ours,
    /// v1.2.3 has it; since this version, where that is known.
    Since(&'static str),
    /// From the first to the second of these versions.
    Lived(&'static str, &'static str),
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The flag, without `--`; the option's identity. Its variable where there is no flag.
    pub flag: &'static str,
    /// Whether every subcommand has the flag; else it is a variable alone, or a flag that is local to some.
    pub is_flag: bool,
    /// Its shorthand.
    pub short: Option<char>,
    /// Other spellings of the flag that kube-vip's documents or its old versions have.
    pub aliases: &'static [&'static str],
    /// Spellings that one subcommand alone knows: its name and the spelling; one letter is a shorthand.
    pub local: &'static [(&'static str, &'static str)],
    /// The environment variables; the first that is set counts.
    pub variables: &'static [&'static str],
    /// Its shape.
    pub kind: Kind,
    /// What `--help` calls the value.
    pub value: &'static str,
    /// The default as text, empty where there is none.
    pub default: &'static str,
    /// What it is for, one line.
    pub help: &'static str,
    /// The heading it stands under.
    pub group: Group,
    /// What becomes of it.
    pub class: Class,
    /// Which versions of kube-vip have it.
    pub life: Life,
    /// What is different from kube-vip, or empty.
    pub differs: &'static str,
}

impl Spec {
    const fn switch(group: Group, flag: &'static str, variable: &'static [&'static str], help: &'static str) -> Self {
        Self::new(group, Kind::Switch, flag, variable, "BOOL", help).default("false")
    }

    const fn new(
        group: Group,
        kind: Kind,
        flag: &'static str,
        variables: &'static [&'static str],
        value: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            flag,
            is_flag: true,
            short: None,
            aliases: &[],
            local: &[],
            variables,
            kind,
            value,
            default: "",
            help,
            group,
            class: Class::Works,
            life: Life::Since(""),
            differs: "",
        }
    }

    const fn default(mut self, text: &'static str) -> Self {
        self.default = text;
        self
    }

    const fn alias(mut self, flags: &'static [&'static str]) -> Self {
        self.aliases = flags;
        self
    }

    const fn local(mut self, spellings: &'static [(&'static str, &'static str)]) -> Self {
        self.local = spellings;
        self
    }

    const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }

    /// There is no flag but for local ones.
    const fn bare(mut self) -> Self {
        self.is_flag = false;
        self
    }

    const fn turns(mut self, mode: Mode) -> Self {
        self.class = Class::Turns(mode);
        self
    }

    const fn of(mut self, mode: Mode) -> Self {
        self.class = Class::Of(mode);
        self
    }

    const fn anyway(mut self, how: &'static str) -> Self {
        self.class = Class::Anyway(how);
        self
    }

    const fn ignored(mut self, why: &'static str) -> Self {
        self.class = Class::Ignored(why);
        self
    }

    const fn ours(mut self) -> Self {
        self.life = Life::Ours;
        self
    }

    const fn since(mut self, version: &'static str) -> Self {
        self.life = Life::Since(version);
        self
    }

    const fn lived(mut self, first: &'static str, last: &'static str) -> Self {
        self.life = Life::Lived(first, last);
        self
    }

    const fn differs(mut self, text: &'static str) -> Self {
        self.differs = text;
        self
    }

    /// What messages call it where no variable is meant.
    #[must_use]
    pub fn name(&self) -> String {
        if self.is_flag || self.variables.is_empty() { format!("--{}", self.flag) } else { self.flag.to_owned() }
    }

    /// Whether it belongs into `--help` and `docs/configuration.md`; the others are in `docs/compatibility.md`.
    #[must_use]
    pub const fn is_shown(&self) -> bool {
        matches!(self.class, Class::Works | Class::Turns(_))
    }
}

/// Makes a static of each row, and a table of all of them.
macro_rules! options {
    ($table:ident: $($group:ident { $($name:ident = $make:ident($($arg:expr),*)$(.$set:ident($($val:expr),*))*;)* })*) => {
        use super::{Group, Kind, Spec};

        $($(pub(crate) static $name: Spec = options!(@ $group $make $($arg),*)$(.$set($($val),*))*;)*)*

        /// All of them.
        pub(super) static $table: &[&Spec] = &[$($(&$name),*),*];
    };
    (@ $group:ident switch $($arg:expr),*) => { Spec::switch(Group::$group, $($arg),*) };
    (@ $group:ident value $($arg:expr),*) => { Spec::new(Group::$group, Kind::Value, $($arg),*) };
    (@ $group:ident list $($arg:expr),*) => { Spec::new(Group::$group, Kind::List, $($arg),*) };
    (@ $group:ident secret $($arg:expr),*) => { Spec::new(Group::$group, Kind::Secret, $($arg),*) };
    (@ $group:ident secrets $($arg:expr),*) => { Spec::new(Group::$group, Kind::SecretList, $($arg),*) };
}
use options;

/// The tables, each in a file of its own.
const TABLES: [&[&Spec]; 4] = [CONTROL_PLANE_ROWS, BGP_ROWS, MODE_ROWS, GONE_ROWS];

/// Every option there is.
pub static OPTIONS: &[&Spec] = &ALL;

static ALL: [&Spec; count(&TABLES)] = join(&TABLES);

const fn count(mut tables: &[&[&Spec]]) -> usize {
    let mut count = 0;
    while let Some((first, rest)) = tables.split_first() {
        count += first.len();
        tables = rest;
    }
    count
}

#[expect(clippy::indexing_slicing, reason = "the compiler evaluates it")]
const fn join<const N: usize>(tables: &[&[&'static Spec]]) -> [&'static Spec; N] {
    let mut all = [&ADDRESS; N];
    let (mut table, mut n) = (0, 0);
    while table < tables.len() {
        let mut row = 0;
        while row < tables[table].len() {
            all[n] = tables[table][row];
            (row, n) = (row + 1, n + 1);
        }
        table += 1;
    }
    all
}
