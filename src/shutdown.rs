//! Signals: the first asks for an end in good order, the second ends the process at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code after a second signal: 128 + SIGTERM.
const IMPATIENT: i32 = 143;

/// SIGTERM and SIGINT.
#[derive(Debug)]
pub struct Signals {
    term: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches the signals from now on. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the kernel refuses the handlers.
    pub fn new() -> io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next signal's name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Ends the process at the next signal, whatever it is doing: the kernel closes the sessions, routers drop the
    /// routes; addresses and the lease stay behind.
    pub async fn exit_at_next(mut self) {
        let name = self.next().await;
        tracing::warn!(signal = name, "second signal: exiting at once; addresses and the lease stay behind");
        std::process::exit(IMPATIENT);
    }
}

/// SIGHUP: the configuration is to be read again. From the first of these on it ends the process no more.
#[derive(Debug)]
pub struct HangUps(Signal);

impl HangUps {
    /// Catches the signal from now on. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the kernel refuses the handler.
    pub fn new() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Returns at the next one. Cancel-safe.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

/// Never returns. Test builds (feature `test-faults`) hang the whole runtime at SIGUSR2, as a defect might.
#[cfg(not(feature = "test-faults"))]
pub async fn hang_on_demand() {
    std::future::pending().await
}

/// At SIGUSR2 blocks every thread of the runtime for good.
#[cfg(feature = "test-faults")]
pub async fn hang_on_demand() {
    let Ok(mut demand) = signal(SignalKind::user_defined2()) else { return std::future::pending().await };
    demand.recv().await;
    tracing::warn!("hanging on demand");
    let hang = || loop {
        std::thread::park();
    };
    for _ in 0..16 {
        tokio::spawn(async move { hang() });
    }
    hang()
}

/// Never returns. Test builds (feature `test-faults`): at SIGUSR1 says so and returns, once.
#[cfg(not(feature = "test-faults"))]
pub async fn death_on_demand() {
    std::future::pending().await
}

/// At SIGUSR1 this process is to die when it next becomes the holder.
#[cfg(feature = "test-faults")]
pub async fn death_on_demand() {
    let Ok(mut demand) = signal(SignalKind::user_defined1()) else { return std::future::pending().await };
    demand.recv().await;
    tracing::warn!("dying at the next term, on demand");
}

/// Ends the process as SIGKILL would: nothing is withdrawn, unbound or released.
pub fn die() -> ! {
    std::process::exit(IMPATIENT)
}
