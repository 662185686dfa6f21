//! `hubbub serve`: the configuration from all its sources, then the hub.

use std::{fs, net::SocketAddr, path::PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use ipnet::IpNet;
use url::Url;

use super::Failure;
use crate::{
    app,
    config::{Config, LogFormat, parse_network, parse_public_url},
    telemetry,
};

/// Arguments of `serve`; each beats its key in the file.
#[derive(Debug, Default, Args)]
pub(super) struct Serve {
    /// Read this configuration; without it, every key has its default
    #[arg(long, value_name = "FILE", env = "HUBBUB_CONFIG")]
    config: Option<PathBuf>,
    /// Listen here; port 0 takes a free one
    #[arg(long, value_name = "ADDR", env = "HUBBUB_LISTEN")]
    listen: Option<SocketAddr>,
    /// The URL by which publishers and subscribers know this hub
    #[arg(long, value_name = "URL", env = "HUBBUB_PUBLIC_URL", value_parser = parse_public_url)]
    public_url: Option<Url>,
    /// Keep everything in this folder
    #[arg(long, value_name = "DIR", env = "HUBBUB_DATA")]
    data: Option<PathBuf>,
    /// Let the hub connect to this network although it is not public; adds to the file's
    #[arg(
        long,
        value_name = "CIDR",
        env = "HUBBUB_ALLOW_NET",
        value_delimiter = ',',
        value_parser = parse_network
    )]
    allow_net: Vec<IpNet>,
    /// Serve metrics, API and dashboard here
    #[arg(long, value_name = "ADDR", env = "HUBBUB_ADMIN_LISTEN")]
    admin_listen: Option<SocketAddr>,
    /// Log for people or for machines
    #[arg(long, value_name = "FORMAT")]
    log: Option<Log>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Log {
    Human,
    Json,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = self.config()?;
        telemetry::init(&config.log).map_err(Failure::running)?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::running)?;
        let ended = runtime.block_on(app::serve(config));
        // Dropping it would wait for look-ups of names, which last as long as a name server likes.
        runtime.shutdown_background();
        ended.map_err(Failure::Running)
    }

    /// File, environment and flags in one, checked.
    fn config(self) -> Result<Config, Failure> {
        let file = self.config.as_ref().map(read).transpose()?.unwrap_or_default();
        let config = self.over(file);
        // The file by itself broke no rule, so what breaks one now came from here.
        config.check("flags and environment")?;
        Ok(config)
    }

    fn over(self, mut config: Config) -> Config {
        let Self { config: _, listen, public_url, data, allow_net, admin_listen, log } = self;
        config.server.listen = listen.unwrap_or(config.server.listen);
        config.server.public_url = public_url.or(config.server.public_url);
        config.storage.path = data.unwrap_or(config.storage.path);
        config.network.allow.extend(allow_net);
        config.admin.listen = admin_listen.unwrap_or(config.admin.listen);
        config.log.format = match log {
            Some(Log::Human) => LogFormat::Human,
            Some(Log::Json) => LogFormat::Json,
            None => config.log.format,
        };
        config
    }
}

/// Reads a configuration file.
pub(super) fn read(file: &PathBuf) -> Result<Config, Failure> {
    let name = file.display().to_string();
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {name}")).map_err(Failure::Usage)?;
    Ok(Config::from_toml(&text, &name)?)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parse(arguments: &[&str]) -> Serve {
        let arguments = ["hubbub", "serve"].iter().chain(arguments);
        match Cli::try_parse_from(arguments).unwrap().command {
            Command::Serve(serve) => serve,
            other => panic!("{other:?}"),
        }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn without_flags_everything_has_its_default() {
        assert_eq!(parse(&[]).config().unwrap(), Config::default());
    }

    #[test]
    fn flags_beat_the_file_which_beats_the_defaults() {
        let file = file(
            "server.listen = \"127.0.0.1:1\"\nstorage.path = \"file\"\nnetwork.allow = [\"10.0.0.0/8\"]\n",
        );
        let path = file.path().to_str().unwrap();
        let flags = ["--config", path, "--listen", "127.0.0.1:2", "--public-url", "https://hub.example/"];
        let more = ["--allow-net", "192.0.2.0/24", "--allow-net", "::1,fd00::/8", "--log", "json"];
        let config = parse(&[flags.as_slice(), more.as_slice()].concat()).config().unwrap();
        assert_eq!(config.server.listen.port(), 2);
        assert_eq!(config.server.public_url.unwrap().as_str(), "https://hub.example/");
        assert_eq!(config.storage.path, PathBuf::from("file"));
        assert_eq!(config.admin, Config::default().admin);
        assert_eq!(config.log.format, LogFormat::Json);
        let allowed: Vec<_> = config.network.allow.iter().map(ToString::to_string).collect();
        assert_eq!(allowed, ["10.0.0.0/8", "192.0.2.0/24", "::1/128", "fd00::/8"]);
    }

    #[test]
    fn a_bad_file_is_unusable_and_named_with_line_and_key() {
        let file = file("[server]\nlisten = \"everywhere\"\n");
        let path = file.path().to_str().unwrap();
        let failure = parse(&["--config", path]).config().unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.to_string().contains(&format!("\n{path}:2: server.listen: ")), "{failure}");
    }

    #[test]
    fn a_file_that_is_not_there_is_unusable() {
        let failure = parse(&["--config", "/no/such/file.toml"]).config().unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.to_string().starts_with("cannot read /no/such/file.toml: "), "{failure}");
    }

    #[test]
    fn flags_that_do_not_go_together_are_unusable() {
        let failure =
            parse(&["--listen", "127.0.0.1:5", "--admin-listen", "127.0.0.1:5"]).config().unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.to_string().contains("admin.listen"), "{failure}");
    }

    #[test]
    fn every_flag_but_the_log_has_its_variable() {
        let command = <Cli as clap::CommandFactory>::command();
        let serve = command.find_subcommand("serve").unwrap();
        let variables: Vec<_> =
            serve.get_arguments().filter_map(|argument| argument.get_env()?.to_str()).collect();
        assert_eq!(
            variables,
            [
                "HUBBUB_CONFIG",
                "HUBBUB_LISTEN",
                "HUBBUB_PUBLIC_URL",
                "HUBBUB_DATA",
                "HUBBUB_ALLOW_NET",
                "HUBBUB_ADMIN_LISTEN"
            ]
        );
    }
}
