//! `hubbub demo`: the story that the project is for.

use std::{
    env,
    io::{self, IsTerminal},
};

use clap::Args;

use super::{Failure, interrupted};
use crate::{
    config::LogConfig,
    demo::{self, Telling},
    telemetry,
};

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Leave everything running afterwards, until Ctrl-C, to look at the sites' pages
    #[arg(long)]
    keep: bool,
}

impl Demo {
    pub(super) fn run(self) -> Result<(), Failure> {
        // The story is told on standard output; the hub speaks up beside it only if something is wrong.
        let log = LogConfig { filter: "warn".to_owned(), ..LogConfig::default() };
        telemetry::init(&log).map_err(Failure::running)?;
        let telling = Telling { colours: wants_colours(), keep: self.keep };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::running)?;
        let played = runtime.block_on(async {
            let interrupted = interrupted().map_err(Failure::running)?;
            demo::play(io::stdout(), telling, interrupted).await.map_err(Failure::Running)
        });
        runtime.shutdown_background();
        played
    }
}

/// On a terminal, unless its user wants none anywhere (no-color.org).
fn wants_colours() -> bool {
    io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
