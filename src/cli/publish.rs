//! `hubbub publish`: a ping.

use std::io::{self, Write};

use clap::Args;
use url::Url;

use super::{Failure, absolute_url, converse, typed_url};
use crate::client::{Hub, publish_form};

#[derive(Debug, Args)]
pub(super) struct Publish {
    /// The hub to tell
    #[arg(long, value_name = "URL", value_parser = absolute_url)]
    hub: Url,
    /// The topics that have news, sent exactly as typed
    #[arg(required = true, value_name = "TOPIC", value_parser = typed_url)]
    topics: Vec<String>,
}

impl Publish {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self { hub, topics } = self;
        converse(async {
            let hub = Hub::at(hub).map_err(Failure::running)?;
            let answer = hub.send(publish_form(&topics)).await.map_err(Failure::running)?;
            writeln!(io::stdout(), "{answer}").map_err(Failure::running)
        })
    }
}
