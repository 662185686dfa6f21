//! What is said of a panic: where, and nothing of what it says. Its message may have been made of whatever was at hand, a
//! row with a secret in it as well as anything else (X07).

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::Write as _,
    panic::{self, PanicHookInfo},
    thread,
};

/// From now on and until the process ends.
pub fn tell_only_where_it_panics() {
    panic::set_hook(Box::new(tell));
}

fn tell(panic: &PanicHookInfo<'_>) {
    let place =
        panic.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
    // The storage engine asserts on damaged files. Whoever calls it knows, and says it in words.
    if place.contains("/sled-") {
        tracing::debug!(place, "the storage engine gave up");
        return;
    }
    let thread = thread::current();
    let backtrace = Backtrace::capture();
    let mut err = std::io::stderr().lock();
    // Nothing can be done where there is no standard error.
    writeln!(err, "hubbub: a bug: thread {} panicked{place}", thread.name().unwrap_or("without a name")).ok();
    if backtrace.status() == BacktraceStatus::Captured {
        writeln!(err, "{backtrace}").ok();
    }
}
