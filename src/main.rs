//! hubbub, the program: hands the arguments over and exits with the code that comes back.

use std::process::ExitCode;

fn main() -> ExitCode {
    hubbub::cli::run(std::env::args_os())
}
