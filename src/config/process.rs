//! The process itself: where it keeps its state, and what it says about itself.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use super::units;

/// `[storage]`: the embedded store.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section with keys")]
pub struct StorageConfig {
    /// The folder that holds everything the hub knows.
    pub path: PathBuf,
    /// What the store may keep in memory, in bytes; at least one mebibyte.
    #[serde(deserialize_with = "units::bytes")]
    pub cache_bytes: u64,
    /// How long a commit may wait for company before its flush; zero flushes whatever gathered while the last flush
    /// ran.
    #[serde(deserialize_with = "units::span")]
    pub flush: Duration,
    /// How much of the disk the store may take before it compacts itself, if it holds much less; zero for never.
    #[serde(deserialize_with = "units::bytes")]
    pub compact_above: u64,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::from("hubbub-data"),
            cache_bytes: 32 << 20,
            flush: Duration::ZERO,
            compact_above: 32 << 20,
        }
    }
}

/// `[log]`: what is said, and how.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section with keys")]
pub struct LogConfig {
    pub format: LogFormat,
    /// Directives as `tracing-subscriber` reads them: `info`, `hubbub=debug,warn`.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::default(), filter: "info".to_owned() }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people on a terminal, JSON anywhere else.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}
