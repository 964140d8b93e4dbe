//! Real-time scheduling of a thread (sched(7)).

use std::io;

/// Has the kernel run the calling thread before all that are not real-time ones (SCHED_RR, lowest priority), as soon
/// as it has something to do. Threads and processes it starts do not inherit that.
///
/// # Errors
/// What the kernel answers; `PermissionDenied`: the process has neither CAP_SYS_NICE nor RLIMIT_RTPRIO.
pub fn run_before_others() -> io::Result<()> {
    const THIS_THREAD: libc::c_long = 0;
    // A `struct sched_param`: the lowest of the real-time priorities.
    let lowest: libc::c_int = 1;
    // By number, because musl's wrapper does nothing but fail.
    // SAFETY: the last argument points to a `struct sched_param`, which is one int, alive during the call; the kernel
    // copies it.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            THIS_THREAD,
            libc::c_long::from(libc::SCHED_RR | libc::SCHED_RESET_ON_FORK),
            &raw const lowest,
        )
    };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
