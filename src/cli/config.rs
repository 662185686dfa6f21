//! `hubbub config check` and `hubbub config default`.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Subcommand;

use super::{Failure, serve};
use crate::config::EXAMPLE;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Say what is wrong with a configuration, if anything is
    Check {
        /// The file to check
        file: PathBuf,
    },
    /// Print every key at its default, with the reason for it
    Default,
}

impl ConfigCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match self {
            Self::Check { file } => {
                serve::read(&file)?;
                writeln!(out, "{}: nothing is wrong with it", file.display())
            }
            Self::Default => out.write_all(EXAMPLE.as_bytes()),
        }
        .map_err(Failure::running)
    }
}
