//! Logs: one line per event on stderr, as text or JSON, with UTC times (RFC 3339).
//!
//! stderr, as kube-vip: stdout is for what was asked for, and a log line in a manifest or a page would spoil it.

use std::sync::OnceLock;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry, fmt, registry};

use crate::config::{LogConfig, LogFormat, LogLevel};

/// What the level is changed by.
static LEVEL: OnceLock<Handle<Targets, Registry>> = OnceLock::new();

/// Starts logging. A second call in one process changes nothing.
pub fn init(config: LogConfig) {
    let layer = match config.format {
        LogFormat::Text => fmt::layer().with_writer(std::io::stderr).with_ansi(false).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed(),
    };
    // Fails only where a subscriber is there already, which then has the last word.
    let (filter, level) = reload::Layer::new(targets(config.level));
    if registry().with(layer.with_filter(filter)).try_init().is_ok() {
        let _ = LEVEL.set(level);
    }
}

/// Changes the level of the running log.
pub fn set_level(level: LogLevel) {
    if let Some(handle) = LEVEL.get() {
        // It fails only where the subscriber is gone.
        let _ = handle.modify(|filter| *filter = targets(level));
    }
}

/// Ours at the level asked for. Libraries speak only of trouble: their debug lines show whole requests, and so
/// tokens. The Kubernetes client says nothing: it has an error line for every refused request, and what they mean for
/// the lease is said by the election, once.
fn targets(level: LogLevel) -> Targets {
    let (ours, libraries) = match level {
        LogLevel::Debug => (LevelFilter::DEBUG, LevelFilter::WARN),
        LogLevel::Info => (LevelFilter::INFO, LevelFilter::WARN),
        LogLevel::Warn => (LevelFilter::WARN, LevelFilter::WARN),
        LogLevel::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
    };
    Targets::new()
        .with_default(libraries)
        .with_target("kube_client", LevelFilter::OFF)
        .with_target(env!("CARGO_CRATE_NAME"), ours)
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::filter::LevelFilter as Level;

    use super::*;

    #[test]
    fn libraries_never_speak_below_warn() {
        let all = [Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];
        let enabled = |target: &str, level: LogLevel| {
            let targets = targets(level);
            all.map(|event| event.into_level().is_some_and(|event| targets.would_enable(target, &event)))
        };
        let levels = [LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];
        let from = |first: usize| [0, 1, 2, 3].map(|n| n >= first);
        assert_eq!(levels.map(|level| enabled("vipcast::bgp::peer", level)), [from(0), from(1), from(2), from(3)]);
        assert_eq!(levels.map(|level| enabled("hyper_util::client", level)), [from(2), from(2), from(2), from(3)]);
        assert_eq!(levels.map(|level| enabled("kube_client::client", level)), [from(4); 4]);
    }
}
