//! The rogues: sites whose topics are none, callbacks that take nothing, each at an address of its own and so a host of
//! its own to the hub. They rage and rest as they are told; at rest they are sites like any other.
//!
//! The process gives way to all others: what it costs an attacker to be a nuisance is not to be had from the hub.

mod deed;
mod kind;
mod material;

use std::{net::Ipv4Addr, sync::Arc};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use url::form_urlencoded;

use crate::{
    process::{own_lines, say},
    tls,
};
use deed::{act, leave, until_left};
pub(crate) use kind::Rogue;
use kind::{Deed, Side};
use material::Material;

/// The most of a request's head that is read.
const HEAD: usize = 16 << 10;
/// As low as it goes.
const LAST: i32 = 19;

/// Which there are, and how many.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "rogues")]
pub(crate) struct Options {
    /// Topics for each kind of rogue
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) each: u16,
    /// Hosts with a callback, for each topic of a kind of callback
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) callbacks: u16,
    /// A kind of rogue; may be repeated; all if there is none
    #[arg(long, value_name = "KIND")]
    pub(crate) only: Vec<Rogue>,
}

impl Options {
    /// The same as arguments.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let numbers = [format!("--each={}", self.each), format!("--callbacks={}", self.callbacks)];
        numbers.into_iter().chain(self.only.iter().map(|rogue| format!("--only={rogue}"))).collect()
    }

    pub(crate) fn kinds(&self) -> Vec<Rogue> {
        if self.only.is_empty() { Rogue::all() } else { self.only.clone() }
    }
}

/// What to ping, and who is to subscribe to what.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Listening {
    pub(crate) topics: Vec<String>,
    pub(crate) subscriptions: Vec<Subscription>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) topic: String,
    pub(crate) callback: String,
}

/// Serves until standard input ends.
pub(crate) async fn serve(options: Options) -> Result<()> {
    rustix::process::nice(LAST).context("cannot give way")?;
    let (rage, rages) = watch::channel(false);
    let certified = tls::certificate(vec![Ipv4Addr::LOCALHOST.to_string()])?;
    let means = Arc::new(Means { material: Material::make().await?, tls: tls::acceptor(&certified)? });
    let mut sites = Sites { rages, means, serving: JoinSet::new() };
    say(&sites.open_all(&options).await?)?;
    let mut lines = own_lines();
    while let Some(line) = lines.recv().await {
        rage.send_replace(serde_json::from_str(&line)?);
    }
    Ok(())
}

struct Means {
    material: Material,
    tls: TlsAcceptor,
}

/// All hosts; they end with this value.
struct Sites {
    rages: watch::Receiver<bool>,
    means: Arc<Means>,
    serving: JoinSet<()>,
}

impl Sites {
    async fn open_all(&mut self, options: &Options) -> Result<Listening> {
        let mut listening = Listening::default();
        // Takes everything, and says that it wants it.
        let calm = self.open(None).await?;
        for Rogue { side, deed } in options.kinds() {
            for _ in 0..options.each {
                let (of_topic, callbacks) = match side {
                    Side::Topic => (deed, 0),
                    Side::Callback => (Deed::News, options.callbacks),
                };
                let topic = self.open(Some(of_topic)).await?;
                let mut subscribe = |callback| {
                    listening.subscriptions.push(Subscription { topic: topic.clone(), callback });
                };
                if side == Side::Topic {
                    subscribe(calm.clone());
                }
                for _ in 0..callbacks {
                    subscribe(self.open(Some(deed)).await?);
                }
                listening.topics.push(topic);
            }
        }
        Ok(listening)
    }

    /// A host that does so when it rages. Returns the URL of it all.
    async fn open(&mut self, deed: Option<Deed>) -> Result<String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let scheme = if deed == Some(Deed::Stall) { "https" } else { "http" };
        let url = format!("{scheme}://{}/", listener.local_addr()?);
        self.serving.spawn(listen(listener, deed, self.rages.clone(), Arc::clone(&self.means)));
        Ok(url)
    }
}

async fn listen(listener: TcpListener, deed: Option<Deed>, rages: watch::Receiver<bool>, means: Arc<Means>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        drop(stream.set_nodelay(true));
        let (rages, means) = (rages.clone(), Arc::clone(&means));
        connections.spawn(async move {
            // Whoever asks has gone or was disappointed: neither is of interest here.
            match deed {
                None => drop(meet_calmly(stream).await),
                Some(Deed::Stall) => drop(stall(stream, rages, &means.tls).await),
                Some(deed) => drop(meet(stream, deed, rages, &means.material).await),
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn meet_calmly(stream: TcpStream) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let head = head(&mut stream).await?;
    answer(&mut stream, &head).await
}

/// One request. Whoever rages is done with it at the latest when it is told to rest.
async fn meet(
    stream: TcpStream,
    deed: Deed,
    mut rages: watch::Receiver<bool>,
    material: &Material,
) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let head = head(&mut stream).await?;
    if !*rages.borrow_and_update() {
        return answer(&mut stream, &head).await;
    }
    tokio::select! {
        _hung_up = act(&mut stream, deed, material) => {}
        _told = rages.changed() => {}
    }
    Ok(())
}

/// The same before a request can be made.
async fn stall(mut stream: TcpStream, mut rages: watch::Receiver<bool>, tls: &TlsAcceptor) -> Result<()> {
    if !*rages.borrow_and_update() {
        let mut stream = BufReader::new(tls.accept(stream).await?);
        let head = head(&mut stream).await?;
        return answer(&mut stream, &head).await;
    }
    tokio::select! {
        _hung_up = until_left(&mut stream) => {}
        _told = rages.changed() => {}
    }
    Ok(())
}

async fn head(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD {
        anyhow::ensure!(stream.read_until(b'\n', &mut head).await? > 0, "no more of it");
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// What any site says that is asked whether it wants this, and to everything else.
async fn answer(stream: &mut (impl AsyncBufRead + AsyncWrite + Unpin), head: &str) -> Result<()> {
    let target = head.split(' ').nth(1).unwrap_or_default();
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let challenge = pairs.find_map(|(name, value)| (name == "hub.challenge").then(|| value.into_owned()));
    let body = challenge.unwrap_or_else(|| "calm\n".to_owned());
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    Ok(leave(stream).await?)
}
