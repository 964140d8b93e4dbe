//! Logs: one line per event on stderr, as text or JSON, with UTC times (RFC 3339).
//!
//! stderr, as kube-vip: stdout is for what was asked for, and a log line in a manifest or a page would spoil it.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use crate::config::{LogConfig, LogFormat, LogLevel};

/// Starts logging. A second call in one process changes nothing.
pub fn init(config: LogConfig) {
    let layer = match config.format {
        LogFormat::Text => fmt::layer().with_writer(std::io::stderr).with_ansi(false).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed(),
    };
    // Fails only where a subscriber is there already, which then has the last word.
    let _ = registry().with(layer.with_filter(targets(config.level))).try_init();
}

/// Ours at the level asked for. Libraries speak only of trouble: their debug lines show whole requests, and so
/// tokens.
fn targets(level: LogLevel) -> Targets {
    let (ours, libraries) = match level {
        LogLevel::Debug => (LevelFilter::DEBUG, LevelFilter::WARN),
        LogLevel::Info => (LevelFilter::INFO, LevelFilter::WARN),
        LogLevel::Warn => (LevelFilter::WARN, LevelFilter::WARN),
        LogLevel::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
    };
    Targets::new().with_default(libraries).with_target(env!("CARGO_CRATE_NAME"), ours)
}
