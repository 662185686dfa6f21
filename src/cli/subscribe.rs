//! `hubbub subscribe` and `hubbub unsubscribe`, with or without a callback of our own.

use std::{
    fs,
    io::{self, IsTerminal, Write},
    net::SocketAddr,
    path::PathBuf,
};

use anyhow::{Context, anyhow};
use clap::Args;
use url::Url;
use zeroize::Zeroizing;

use super::{Failure, absolute_url, converse, interrupted, typed_url};
use crate::client::{Hub, Mode, Receiver, SecretText, SubscriptionForm, VerifyMode, Watch};

/// What both modes are told.
#[derive(Debug, Args)]
struct Pair {
    /// The hub to ask
    #[arg(long, value_name = "URL", value_parser = absolute_url)]
    hub: Url,
    /// Answer the hub's questions here, and show what it delivers; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Ask as version 0.3 does: verified before or after the answer
    #[arg(long, value_name = "MODE")]
    verify: Option<VerifyMode>,
    /// A token the hub must repeat when it verifies (0.3)
    #[arg(long, value_name = "TOKEN")]
    verify_token: Option<SecretText>,
    /// The topic, sent exactly as typed
    #[arg(value_name = "TOPIC", value_parser = typed_url)]
    topic: String,
}

#[derive(Debug, Args)]
pub(super) struct Subscribe {
    #[command(flatten)]
    pair: Pair,
    /// Where the hub delivers, sent exactly as typed; by default the address of --listen
    #[arg(long, value_name = "URL", value_parser = typed_url, required_unless_present = "listen")]
    callback: Option<String>,
    /// Have deliveries signed with this; other users of this machine can see it, so prefer --secret-file
    #[arg(long, conflicts_with = "secret_file")]
    secret: Option<SecretText>,
    /// Have deliveries signed with what this file holds
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Ask for a lease of so many seconds
    #[arg(long, value_name = "N")]
    lease_seconds: Option<u64>,
    /// End after so many deliveries; 0 ends when the subscription is verified
    #[arg(long, value_name = "N", requires = "listen")]
    count: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct Unsubscribe {
    #[command(flatten)]
    pair: Pair,
    /// The callback of the subscription, sent exactly as typed
    #[arg(long, value_name = "URL", value_parser = typed_url)]
    callback: String,
}

impl Subscribe {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self { pair, callback, secret, secret_file, lease_seconds, count } = self;
        let secret = match secret_file {
            Some(file) => Some(read_secret(&file)?),
            None => secret,
        };
        let asked = Asked { mode: Mode::Subscribe, callback, secret, lease_seconds, count };
        converse(pair.ask(asked))
    }
}

impl Unsubscribe {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self { pair, callback } = self;
        let asked = Asked {
            mode: Mode::Unsubscribe,
            callback: Some(callback),
            secret: None,
            lease_seconds: None,
            count: None,
        };
        converse(pair.ask(asked))
    }
}

/// In what the modes differ.
struct Asked {
    mode: Mode,
    callback: Option<String>,
    secret: Option<SecretText>,
    lease_seconds: Option<u64>,
    count: Option<u64>,
}

impl Pair {
    async fn ask(self, asked: Asked) -> Result<(), Failure> {
        let Self { hub, listen, verify, verify_token, topic } = self;
        let Asked { mode, callback, secret, lease_seconds, count } = asked;
        let hub = Hub::at(hub).map_err(Failure::running)?;
        // Bound before the hub is asked: it may verify at once.
        let receiver = match listen {
            Some(address) => {
                let bound =
                    Receiver::bind(address).await.with_context(|| format!("cannot listen on {address}"));
                Some(bound.map_err(Failure::Running)?)
            }
            None => None,
        };
        let callback = match (callback, &receiver) {
            (Some(callback), _) => callback,
            (None, Some(receiver)) => own_callback(receiver.address())?,
            (None, None) => return Err(Failure::Usage(anyhow!("give --callback, --listen, or both"))),
        };
        let form = SubscriptionForm { mode, topic, callback, secret, lease_seconds, verify, verify_token };
        if let Some(receiver) = receiver {
            let watch = Watch { hub, form, receiver, count, terminal: io::stdout().is_terminal() };
            let interrupted = interrupted().map_err(Failure::running)?;
            return watch.run(io::stdout(), interrupted).await.map_err(Failure::running);
        }
        let answer = hub.send(form.encode()).await.map_err(Failure::running)?;
        writeln!(io::stdout(), "{answer}").map_err(Failure::running)
    }
}

/// The URL of our own callback, if the address is one that others can connect to.
fn own_callback(bound: SocketAddr) -> Result<String, Failure> {
    if bound.ip().is_unspecified() {
        return Err(Failure::Usage(anyhow!(
            "--listen on every address says nothing of a name; give --callback"
        )));
    }
    Ok(format!("http://{bound}/"))
}

fn read_secret(file: &PathBuf) -> Result<SecretText, Failure> {
    let content = fs::read_to_string(file)
        .map(Zeroizing::new)
        .with_context(|| format!("cannot read {}", file.display()));
    content.map(|content| SecretText::from_file(&content)).map_err(Failure::Usage)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parse(arguments: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(arguments.split(' ')).map(|cli| cli.command)
    }

    #[test]
    fn a_subscription_needs_a_callback_or_an_address_to_listen_on() {
        assert!(parse("hubbub subscribe --hub http://h/ http://t/").is_err());
        assert!(parse("hubbub subscribe --hub http://h/ --callback http://c/ http://t/").is_ok());
        assert!(parse("hubbub subscribe --hub http://h/ --listen 127.0.0.1:0 --count 2 http://t/").is_ok());
    }

    #[test]
    fn only_who_listens_can_count() {
        assert!(parse("hubbub subscribe --hub http://h/ --callback http://c/ --count 2 http://t/").is_err());
    }

    #[test]
    fn there_is_one_secret_and_it_is_not_shown() {
        let base =
            "hubbub subscribe --hub http://h/ --callback http://c/ --secret hunter2 --verify-token hunter3";
        assert!(parse(&format!("{base} --secret-file f http://t/")).is_err());
        let shown = format!("{:?}", parse(&format!("{base} http://t/")).unwrap());
        assert!(!shown.contains("hunter"), "{shown}");
    }

    #[test]
    fn an_unsubscription_names_its_callback_even_if_it_listens() {
        assert!(parse("hubbub unsubscribe --hub http://h/ --listen 127.0.0.1:0 http://t/").is_err());
        assert!(parse("hubbub unsubscribe --hub http://h/ --callback http://c/ http://t/").is_ok());
    }

    #[test]
    fn every_address_is_no_callback() {
        assert_eq!(own_callback("127.0.0.1:80".parse().unwrap()).unwrap(), "http://127.0.0.1:80/");
        assert_eq!(own_callback("[::1]:80".parse().unwrap()).unwrap(), "http://[::1]:80/");
        assert_eq!(own_callback("0.0.0.0:80".parse().unwrap()).unwrap_err().exit_code(), 2);
    }
}
