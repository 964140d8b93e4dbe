//! The composition root.

use std::process::ExitCode;

use crate::config::Config;

/// Runs the daemon until it is told to stop.
#[must_use]
pub fn run(config: Config) -> ExitCode {
    tracing::info!(node = %config.node_name, "configuration read");
    ExitCode::SUCCESS
}
