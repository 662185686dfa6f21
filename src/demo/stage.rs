//! Where the story is played: a hub with its relay in a folder that is gone afterwards, and two sites beside it, each on a
//! port of its own on loopback.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::{neighbour::Neighbour, proxy, site::Site, web};
use crate::{
    app::{App, Seams},
    client::SecretText,
    config::Config,
    inbound::{self, Listening},
    supervise::Tasks,
};

/// How long what is under way may take to end.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// How the sites treat those who call: few do.
fn listening() -> Listening {
    Listening {
        max_connections: 256,
        header_timeout: Duration::from_secs(10),
        stall_timeout: Duration::from_secs(10),
        drain: STOP_WITHIN,
        trusted_proxies: Vec::new(),
    }
}

/// Everything that runs.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) garden: Arc<Site>,
    pub(super) harbour: Arc<Site>,
    app: App,
    sites: Tasks,
    folder: TempDir,
}

impl Stage {
    /// Starts the hub and both sites, where nobody lives yet.
    pub(super) async fn set() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("hubbub-demo-").tempdir();
        let folder = folder.context("cannot make a temporary folder")?;
        let seams = Seams::system();
        let token = SecretText::new(seams.random.challenge());
        let token_file = folder.path().join("token");
        std::fs::write(&token_file, token.expose()).context("cannot write into the temporary folder")?;
        let (garden, harbour) = (bind().await?, bind().await?);
        let (garden_domain, harbour_domain) = (garden.local_addr()?, harbour.local_addr()?);
        let (front, public, admin) = (bind().await?, bind().await?, bind().await?);

        let mut config = Config::default();
        config.storage.path = folder.path().join("data");
        config.admin.token_file = Some(token_file);
        config.network.allow = vec![crate::config::parse_network("127.0.0.0/8")?];
        config.server.public_url =
            Some(crate::config::parse_public_url(&format!("http://{}/", front.local_addr()?))?);
        config.server.stop_within = STOP_WITHIN;
        config.salmon.http_hosts = vec![Ipv4Addr::LOCALHOST.to_string()];
        config.check("the demo's own")?;

        let sites = Tasks::new();
        let before = proxy::in_front_of(format!("http://{}", public.local_addr()?))?;
        drop(sites.spawn(inbound::serve(front, before, listening(), sites.clone())));
        let app = App::start(config, seams.clone(), public, admin).await?;
        let relay = Neighbour::at(&format!("http://{}", app.admin_addr), token)?;
        let open = |title, listener, domain: SocketAddr| -> Result<Arc<Site>> {
            let site =
                Site::new(title, domain.to_string(), app.hub_url.clone(), relay.clone(), seams.clone())?;
            let router = web::router(Arc::clone(&site));
            drop(sites.spawn(inbound::serve(listener, router, listening(), sites.clone())));
            Ok(site)
        };
        let garden = open("The Garden", garden, garden_domain)?;
        let harbour = open("The Harbour", harbour, harbour_domain)?;
        Ok(Self { garden, harbour, app, sites, folder })
    }

    pub(super) fn hub_url(&self) -> &str {
        &self.app.hub_url
    }

    pub(super) fn dashboard(&self) -> String {
        format!("http://{}/", self.app.admin_addr)
    }

    /// Stops the hub, then those it may still be talking to, and leaves nothing behind.
    pub(super) async fn strike(self) -> Result<()> {
        let stopped = self.app.stop(STOP_WITHIN).await;
        self.sites.finish(STOP_WITHIN).await;
        self.folder.close().context("cannot remove the temporary folder")?;
        stopped
    }
}

async fn bind() -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen on 127.0.0.1")
}
