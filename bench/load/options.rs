//! What every scenario can be told, and how it says what came out.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use crate::{cast::Cast, habit::Shares};

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The program under test
    #[arg(long, value_name = "PATH", required = true)]
    pub(crate) hub_binary: Option<PathBuf>,
    /// Subscribers, over all topics
    #[arg(short = 'n', long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) subscribers: u32,
    /// Topics, all pinged together; each has its share of the subscribers
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) topics: u32,
    /// Rounds of hub and limit that count
    #[arg(short, long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// Rounds before them that do not
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) warm_up: u32,
    /// Connections of the hub to each address of the sink, and of the limit in all
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: u16,
    /// Loopback addresses of the sink, each a host to the hub
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=250))]
    pub(crate) addresses: u8,
    /// The sink speaks TLS
    #[arg(long)]
    pub(crate) tls: bool,
    #[command(flatten)]
    pub(crate) shares: Shares,
    /// Octets of the topic, and of each delivery
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1024..=1 << 20))]
    pub(crate) body_bytes: u32,
    /// Check the signature at every so manieth subscriber, other ones in each round; 1 checks all, 0 none
    #[arg(long, default_value_t = 10)]
    pub(crate) check_every: u32,
    /// Threads of the sink; 0 are as many as cores
    #[arg(long, default_value_t = 1)]
    pub(crate) sink_threads: usize,
    /// Threads of the limit; 0 are as many as cores
    #[arg(long, default_value_t = 0)]
    pub(crate) raw_threads: usize,
    /// The longest that subscribing, or a round, may take, in seconds
    #[arg(long, default_value_t = 180, value_parser = clap::value_parser!(u32).range(1..=3000))]
    pub(crate) within: u32,
    /// Where the folder of the hub is made; a disk, or nothing will count as written
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// Leave that folder behind, with the store and the log of the hub
    #[arg(long)]
    pub(crate) keep: bool,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write a plot to this file, where there is something to plot
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

impl Options {
    pub(crate) fn cast(&self) -> Cast {
        let topics = self.topics.max(1);
        Cast::new(topics, (self.subscribers / topics).max(1), self.shares)
    }
}

/// What came out.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// For people.
    text: String,
    /// All of it.
    figures: Value,
    plot: Option<String>,
}

impl Outcome {
    pub(crate) fn new(text: String, figures: &impl Serialize) -> Result<Self> {
        Ok(Self { text, figures: serde_json::to_value(figures)?, plot: None })
    }

    pub(crate) fn with_plot(self, plot: String) -> Self {
        Self { plot: Some(plot), ..self }
    }

    /// Prints it, and writes what is wanted in files.
    pub(crate) fn tell(&self, options: &Options) -> Result<()> {
        println!("{}", self.text);
        if let Some(file) = &options.json {
            write(file, &serde_json::to_string_pretty(&self.figures)?)?;
        }
        if let (Some(file), Some(plot)) = (&options.svg, &self.plot) {
            write(file, plot)?;
        }
        Ok(())
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
