//! The command line: arguments, environment and exit codes. The only room that reads either.
//!
//! Flags beat environment variables (both by `clap`), which beat the file, which beats the defaults.
//!
//! Exit codes: 0 done, or a clean stop; 1 failed while running; 2 unusable arguments or configuration.

mod config;
mod demo;
mod keys;
mod publish;
mod serve;
mod store;
mod subscribe;

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::{config::ConfigErrors, telemetry};

/// What was asked for.
#[derive(Debug, Parser)]
#[command(name = "hubbub", version, about = "A PubSubHubbub and WebSub hub", long_about = None, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the hub
    Serve(serve::Serve),
    /// Play the whole story of two sites, a hub and its relay on this machine, and check every step of it
    Demo(demo::Demo),
    /// Tell a hub that topics have news
    Publish(publish::Publish),
    /// Subscribe to a topic at a hub, and optionally receive what it delivers
    Subscribe(subscribe::Subscribe),
    /// End a subscription at a hub
    Unsubscribe(subscribe::Unsubscribe),
    /// Check a configuration, or print the default one
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Save, restore, compact and measure a store that no hub holds
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Make, take over and show the keys that accounts sign their replies with
    #[command(subcommand)]
    Keys(keys::KeysCommand),
}

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// What was asked for cannot be understood; nothing was started.
    #[error("{0:#}")]
    Usage(anyhow::Error),
    /// The same of the configuration. The list begins on a line of its own, so that editors find the places in it.
    #[error("this configuration cannot be used\n{0}")]
    Config(#[from] ConfigErrors),
    /// It was started and failed.
    #[error("{0:#}")]
    Running(anyhow::Error),
}

impl Failure {
    fn running(error: impl Into<anyhow::Error>) -> Self {
        Self::Running(error.into())
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Running(_) => 1,
            Self::Usage(_) | Self::Config(_) => 2,
        }
    }
}

/// Does what the arguments say, and says how it went.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    telemetry::tell_only_where_it_panics();
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(answer) => {
            // Help goes to standard output, mistakes to standard error; if neither can be written, the code remains.
            answer.print().ok();
            return ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2));
        }
    };
    let done = match cli.command {
        Command::Serve(serve) => serve.run(),
        Command::Demo(demo) => demo.run(),
        Command::Publish(publish) => publish.run(),
        Command::Subscribe(subscribe) => subscribe.run(),
        Command::Unsubscribe(unsubscribe) => unsubscribe.run(),
        Command::Config(config) => config.run(),
        Command::Store(store) => store.run(),
        Command::Keys(keys) => keys.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Not `eprintln`, which panics where there is no standard error any more; the code remains.
            writeln!(io::stderr(), "hubbub: {failure}").ok();
            ExitCode::from(failure.exit_code())
        }
    }
}

/// A runtime for one short conversation with a hub.
fn converse<T>(conversation: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::running)?
        .block_on(conversation)
}

/// Ends with the first Ctrl-C or SIGTERM from now on.
fn interrupted() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// An http or https URL, kept exactly as it was typed.
fn typed_url(text: &str) -> Result<String, String> {
    absolute_url(text).map(|_| text.to_owned())
}

fn absolute_url(text: &str) -> Result<url::Url, String> {
    let url = url::Url::parse(text).map_err(|error| error.to_string())?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err("neither http nor https".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn verify_cli() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_url_is_kept_as_it_was_typed() {
        assert_eq!(typed_url("HTTP://Example.org"), Ok("HTTP://Example.org".to_owned()));
        assert!(typed_url("example.org/feed").is_err());
        assert!(typed_url("file:///etc/passwd").is_err());
    }

    #[test]
    fn what_was_not_started_and_what_failed_have_different_exit_codes() {
        assert_eq!(Failure::Usage(anyhow::anyhow!("a")).exit_code(), 2);
        assert_eq!(Failure::running(anyhow::anyhow!("a")).exit_code(), 1);
    }
}
