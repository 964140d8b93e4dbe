//! The words of a manifest: what is given, what follows from it, and whether the image could run with it.

use super::{Wanted, mistake};
use crate::config::options::{ADDRESS, BGP, CONTROL_PLANE, Class, Kind, OPTIONS, SERVICES, Spec, VIP};
use crate::config::{Checked, Command, Config, Connect, Facts, Mistakes, Origin, PeerHost, RawConfig};
use crate::config::{check, go_bool, password_files};

/// Our own image, without a registry: an operator's is in his own.
const IMAGE: &str = concat!("vipcast:", env!("CARGO_PKG_VERSION"));
/// What a pod has for its end unless more is needed.
const GRACE: u64 = 30;
/// What leaving takes at worst beside the graceful shutdown of peers: handing over, withdrawing, unbinding, releasing.
const LEAVING: u64 = 20;

/// All words of one manifest.
pub(super) struct Words<'a> {
    pub wanted: &'a Wanted,
    pub raw: RawConfig,
    /// The image with its tag.
    pub image: String,
    pub needs: Needs,
    /// What is odd about the words.
    pub warnings: Vec<String>,
}

/// What the pod needs, as far as the words tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    /// NET_RAW: unnumbered peers, ARP and NDP.
    pub raw_sockets: bool,
    /// NET_BIND_SERVICE: peers dial a port below 1024.
    pub low_port: bool,
    /// SYS_NICE: BFD.
    pub real_time: bool,
    /// Everything: kube-vip's masquerading writes to /proc/sys.
    pub privileged: bool,
    /// `terminationGracePeriodSeconds`.
    pub grace: u64,
}

impl<'a> Words<'a> {
    /// Words that need not make a configuration.
    pub fn unchecked(
        wanted: &'a Wanted,
        flags: Vec<(&'static Spec, String)>,
        variables: Vec<(String, String)>,
    ) -> Self {
        let raw = RawConfig::new(flags, variables);
        let needs = Needs { raw_sockets: false, low_port: false, real_time: false, privileged: false, grace: GRACE };
        Self { wanted, raw, image: image(wanted.image.as_deref()), needs, warnings: Vec::new() }
    }

    /// Words that a daemon is to run with. One that looks after nothing else is for the control plane, as in kube-vip
    /// 0.3.
    ///
    /// # Errors
    /// What the image would refuse, as far as that is known here: of our own image, in the modes it has, everything but
    /// what depends on the node.
    pub fn checked(
        wanted: &'a Wanted,
        mut flags: Vec<(&'static Spec, String)>,
        variables: Vec<(String, String)>,
    ) -> Result<Self, Mistakes> {
        let given = Self::unchecked(wanted, flags.clone(), variables.clone());
        given.well_formed()?;
        let mut words = given;
        if !words.is_given(&CONTROL_PLANE) && !words.is_on(&SERVICES) {
            flags.push((&CONTROL_PLANE, "true".to_owned()));
            words = Self::unchecked(wanted, flags, variables);
        }
        if words.is_on(&CONTROL_PLANE) && !words.has_address() {
            return Err(mistake(&ADDRESS, "no virtual IP is given; expected one like 10.0.0.40 or 2001:db8::40"));
        }
        words.needs.raw_sockets = words.is_on_by("vip_arp") || words.is_on(&SERVICES) || !words.is_ours();
        words.needs.privileged = words.text("lb_fwdmethod") == Some("masquerade");
        if words.is_ours() && words.is_complete() {
            let Checked { config, warnings, .. } = check(&words.raw, Command::Manager, &words.anywhere())?;
            words.needs.learn(&config);
            // The manifest gives it that time.
            let is_done = |text: &str| text.contains("terminationGracePeriodSeconds");
            let warnings = warnings.iter().filter(|warning| !is_done(&warning.text));
            words.warnings = warnings.map(|warning| format!("warning: {warning}")).collect();
        }
        Ok(words)
    }

    /// Whether every switch is one.
    fn well_formed(&self) -> Result<(), Mistakes> {
        for &spec in OPTIONS.iter().filter(|spec| spec.kind == Kind::Switch) {
            let text = self.raw.get(spec).text;
            if !text.is_empty() && go_bool(text).is_none() {
                return Err(mistake(spec, format!("{text:?} is not a boolean; expected true or false")));
            }
        }
        Ok(())
    }

    /// Whether it is known here what our daemon will say: it runs the mode, and has no file to read besides.
    fn is_complete(&self) -> bool {
        let files = ["config_file", "provider_config", "metal_key_file"];
        self.is_on(&BGP) && !self.is_unbuilt() && files.iter().all(|file| self.text(file).is_none())
    }

    /// What a node says that has all these words name.
    fn anywhere(&self) -> Facts {
        let file = |path| (path, Ok(b"password".to_vec().into()));
        Facts {
            host_name: Some("node".to_owned()),
            password_files: password_files(&self.raw).into_iter().map(file).collect(),
            ..Facts::default()
        }
    }

    /// The operator's own files with passwords or tokens; the file of a cloud is none of them.
    pub fn secret_files(&self) -> Vec<String> {
        let cloud = self.text("provider_config");
        let files = password_files(&self.raw).into_iter().filter_map(|path| path.to_str().map(str::to_owned));
        files.filter(|path| Some(path.as_str()) != cloud).collect()
    }

    /// Whether a mode is asked for that vipcast does not have.
    pub fn is_unbuilt(&self) -> bool {
        OPTIONS.iter().any(|&spec| matches!(spec.class, Class::Turns(_)) && self.is_on(spec))
    }

    fn has_address(&self) -> bool {
        self.is_given(&ADDRESS) || self.is_given(&VIP) || self.text("config_file").is_some()
    }

    /// Whether the image is vipcast's, under whatever name, and not kube-vip's.
    pub fn is_ours(&self) -> bool {
        let path = self.image.split('@').next().unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default();
        name.split(':').next() != Some("kube-vip")
    }

    pub fn is_given(&self, spec: &'static Spec) -> bool {
        self.raw.get(spec).origin != Origin::Default
    }

    pub fn is_on(&self, spec: &'static Spec) -> bool {
        go_bool(self.raw.get(spec).text) == Some(true)
    }

    /// The same by variable, of an option that other parts of the program have.
    pub fn is_on_by(&self, variable: &str) -> bool {
        by_variable(variable).is_some_and(|spec| self.is_on(spec))
    }

    /// The value of an option by variable, where one was given.
    pub fn text(&self, variable: &str) -> Option<&str> {
        by_variable(variable).filter(|spec| self.is_given(spec)).map(|spec| self.raw.get(spec).text)
    }

    /// Whether someone else than the words says who the peers are: then vipcast waits for that at its start.
    pub fn has_provider(&self) -> bool {
        self.text("annotation").is_some() || self.is_on_by("vip_packet")
    }

    /// Whether it may be quiet for long without fault: while a provider is waited for, which a file may name too, and
    /// where a file turns the control socket off.
    pub fn may_wait(&self) -> bool {
        self.has_provider() || self.text("config_file").is_some()
    }

    /// The namespace of the objects, as in kube-vip.
    pub fn namespace(&self) -> &str {
        self.text("svc_namespace").unwrap_or("kube-system")
    }

    /// The namespace of the lease: for who has a service account the one in `--leaseName`, else that of the pod, whatever
    /// `--namespace` says.
    pub fn lease_namespace(&self) -> &str {
        let named = self.text("vip_leasename").and_then(|name| name.split_once('/'));
        named.map_or_else(|| self.namespace(), |(namespace, _)| namespace)
    }
}

impl Needs {
    fn learn(&mut self, config: &Config) {
        let peers = &config.bgp.peers;
        self.raw_sockets |= peers.iter().any(|peer| matches!(peer.host, PeerHost::Interface(_)));
        self.low_port = config.bgp.listen_port < 1024 && peers.iter().any(|peer| peer.connect != Connect::Active);
        self.real_time = peers.iter().any(|peer| peer.bfd.is_some());
        let longest = peers.iter().filter_map(|peer| peer.graceful_shutdown).max().unwrap_or_default();
        self.grace = GRACE.max(longest.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX) + LEAVING);
    }
}

/// The option that this variable sets.
pub(super) fn by_variable(name: &str) -> Option<&'static Spec> {
    OPTIONS.iter().find(|spec| spec.variables.contains(&name)).copied()
}

/// The option of this flag, in any of its spellings.
pub(super) fn by_flag(name: &str) -> Option<&'static Spec> {
    OPTIONS.iter().find(|spec| spec.flag == name || spec.aliases.contains(&name)).copied()
}

/// The image with a tag: without one it is this version's, as in kube-vip.
pub(super) fn image(given: Option<&str>) -> String {
    let Some(image) = given else { return IMAGE.to_owned() };
    let name = image.rsplit('/').next().unwrap_or_default();
    if name.contains([':', '@']) { image.to_owned() } else { format!("{image}:{}", env!("CARGO_PKG_VERSION")) }
}
