//! hubbub, the program: hands the arguments over and exits with the code that comes back.

use std::process::ExitCode;

/// A fan-out takes and frees rows, heads and futures on all threads, millions of times. Measured with `bench/load` beside
/// glibc's allocator: at a million subscriptions 18 % less CPU a delivery and a quarter less memory at the peak; mimalloc
/// saved no CPU and held three times the memory at ten thousand.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    hubbub::cli::run(std::env::args_os())
}
