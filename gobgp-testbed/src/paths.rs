//! Where the real parts are. The only place that reads the environment.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

#[expect(clippy::disallowed_methods, reason = "the testbed's own environment, read here and nowhere else")]
fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn present(path: PathBuf, remedy: &str) -> Result<PathBuf> {
    ensure!(path.exists(), "{} is missing: {remedy}", path.display());
    Ok(path)
}

/// A program from a Debian package.
///
/// # Errors
/// When it is not installed; names the package.
pub fn debian(path: &str, package: &str) -> Result<PathBuf> {
    present(PathBuf::from(path), &format!("apt-get install {package}, or let gobgp-testbed/run do it"))
}

/// A program built from Go and cached: `$TESTBED_CACHE/bin/<name>`.
///
/// # Errors
/// When it was not built yet.
pub fn cached(name: &str) -> Result<PathBuf> {
    let cache = match variable("TESTBED_CACHE") {
        Some(cache) => cache,
        None => variable("HOME").context("neither TESTBED_CACHE nor HOME is set")?.join(".cache/vipcast-testbed"),
    };
    present(cache.join("bin").join(name), "gobgp-testbed/run setup builds it")
}

/// `etcd` or `kube-apiserver` from `KUBEBUILDER_ASSETS` (the envtest convention), where set.
fn asset(name: &str) -> Option<PathBuf> {
    variable("KUBEBUILDER_ASSETS").map(|dir| dir.join(name)).filter(|path| path.exists())
}

/// The kube-apiserver.
///
/// # Errors
/// When there is none.
pub fn kube_apiserver() -> Result<PathBuf> {
    asset("kube-apiserver").map_or_else(|| cached("kube-apiserver"), Ok)
}

/// The etcd server.
///
/// # Errors
/// When there is none.
pub fn etcd() -> Result<PathBuf> {
    asset("etcd").map_or_else(|| debian("/usr/bin/etcd", "etcd-server"), Ok)
}

/// The vipcast under test: `VIPCAST_BIN`, else the one built beside this program.
///
/// # Errors
/// When it is not there.
pub fn vipcast() -> Result<PathBuf> {
    let path = match variable("VIPCAST_BIN") {
        Some(path) => path,
        None => myself()?.parent().unwrap_or(Path::new(".")).join("vipcast"),
    };
    present(path.canonicalize().unwrap_or(path), "cargo build, or set VIPCAST_BIN")
}

/// This program, to run its own subcommands inside a namespace.
///
/// # Errors
/// When the system does not tell.
pub fn myself() -> Result<PathBuf> {
    env::current_exe().context("failed to find the testbed's own program")
}
