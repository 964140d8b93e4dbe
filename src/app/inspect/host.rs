//! This process and its host: capabilities, kernel, interface, the control socket.

use std::fs;
use std::os::unix::net::UnixStream;

use super::{Check, Verdict};
use crate::config::{Config, Connect, PeerHost};

/// From when the kernel keeps the mark of addresses (IFA_PROTO).
const MARKS: (u32, u32) = (5, 18);

/// A capability by its number in the kernel (`linux/capability.h`).
struct Capability {
    bit: u8,
    name: &'static str,
    /// For what; fits after "is missing: ".
    purpose: &'static str,
    /// Whether nothing works without it.
    is_vital: bool,
}

pub(super) fn look(config: &Config) -> Vec<Check> {
    let status = status();
    let is_root = is_root();
    let mut checks = Vec::new();
    if !is_root {
        let text =
            "this is not root: what root has (capabilities, kubeconfigs, names of other processes) could not be seen";
        checks.push(Check::new("user", Verdict::Unknown, text).remedy("run this check as root"));
    }
    checks.extend([capabilities(config, &status, is_root), kernel()]);
    checks.extend(config.interface.as_deref().map(interface));
    checks.extend(config.control_socket.as_deref().map(|path| match UnixStream::connect(path) {
        Ok(_) => Check::new(
            "control socket",
            Verdict::Warning,
            format!("a vipcast runs on this node and answers at {}; what it does shows here", path.display()),
        ),
        Err(_) => Check::good("control socket", format!("no vipcast answers at {}", path.display())),
    }));
    checks
}

/// Whether this process may see everything on this host.
pub(super) fn is_root() -> bool {
    user(&status()) == Some(0)
}

fn status() -> String {
    fs::read_to_string("/proc/self/status").unwrap_or_default()
}

fn needed(config: &Config) -> Vec<Capability> {
    let peers = &config.bgp.peers;
    let is_passive = peers.iter().any(|peer| peer.connect != Connect::Active);
    let all = [
        (true, Capability { bit: 12, name: "NET_ADMIN", purpose: "addresses and TCP-MD5", is_vital: true }),
        (
            is_passive && config.bgp.listen_port < 1024,
            Capability { bit: 10, name: "NET_BIND_SERVICE", purpose: "peers that dial us", is_vital: true },
        ),
        (
            peers.iter().any(|peer| matches!(peer.host, PeerHost::Interface(_))),
            Capability { bit: 13, name: "NET_RAW", purpose: "unnumbered peers", is_vital: true },
        ),
        (
            peers.iter().any(|peer| peer.bfd.is_some()),
            Capability { bit: 23, name: "SYS_NICE", purpose: "BFD in real time", is_vital: false },
        ),
    ];
    all.into_iter().filter_map(|(is_needed, capability)| is_needed.then_some(capability)).collect()
}

fn capabilities(config: &Config, status: &str, is_root: bool) -> Check {
    let name = "capabilities";
    let Some(held) = effective(status) else {
        return Check::new(name, Verdict::Unknown, "/proc/self/status does not say which this process has");
    };
    let needed = needed(config);
    let (held, missing): (Vec<_>, Vec<_>) = needed.into_iter().partition(|one| held >> one.bit & 1 == 1);
    if missing.is_empty() {
        return Check::good(name, held.iter().map(|one| one.name).collect::<Vec<_>>().join(", "));
    }
    let list: Vec<String> = missing.iter().map(|one| format!("{} ({})", one.name, one.purpose)).collect();
    let names: Vec<&str> = missing.iter().map(|one| one.name).collect();
    let verdict = match missing.iter().any(|one| one.is_vital) {
        _ if !is_root => Verdict::Unknown,
        true => Verdict::Wrong,
        false => Verdict::Warning,
    };
    Check::new(name, verdict, format!("this process lacks {}", list.join(", ")))
        .remedy(format!("give the container capabilities.add: [{}]", names.join(", ")))
}

/// The effective user, from `/proc/self/status`.
fn user(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The effective set, from `/proc/self/status`.
fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn kernel() -> Check {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    match version(release) {
        Some(version) if version >= MARKS => Check::good("kernel", release),
        Some(_) => Check::new("kernel", Verdict::Warning, format!("{release} does not keep the mark of our addresses"))
            .remedy("from 5.18 on left-over addresses are told by it; before, only the configured VIPs are removed"),
        None => Check::new("kernel", Verdict::Unknown, "its version cannot be read"),
    }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(['.', '-']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn interface(name: &str) -> Check {
    let check = format!("interface {name}");
    match fs::read_to_string(format!("/sys/class/net/{name}/operstate")).as_deref().map(str::trim) {
        Ok(state @ ("up" | "unknown")) => Check::good(check, format!("is there, its state is {state}")),
        Ok(state) => Check::new(check, Verdict::Warning, format!("its state is {state}"))
            .remedy("a VIP on lo depends on no link")
            .command(format!("ip link set {name} up")),
        Err(_) => Check::new(check, Verdict::Unknown, "/sys does not show its state"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_proc_says() {
        assert_eq!(effective("Name:\tx\nCapEff:\t0000000000001000\n"), Some(1 << 12));
        assert_eq!(effective("Name:\tx\n"), None);
        assert_eq!(user("Uid:\t0\t65534\t0\t0\n"), Some(65534));
        assert_eq!(
            ["6.1.0-18-amd64", "5.18", "5.4.0", "six"].map(version),
            [Some((6, 1)), Some((5, 18)), Some((5, 4)), None]
        );
    }
}
