//! The limit: a client that posts signed bodies over kept connections and does nothing else.
//!
//! Connection and worker share a task, so nothing is woken across threads that need not be. Each line on standard input
//! ([`Order`]) is a round; the line that answers it ([`Done`]) says when it began and what failed.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{CONTENT_TYPE, HOST, LINK, USER_AGENT},
};
use http_body_util::{BodyExt, Full};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_rustls::TlsConnector;

use crate::{
    clock, document,
    process::{own_lines, say},
    signing, tls,
    wire::{self, Sender},
};

/// Connections that one worker opens at most, one after the other, over its whole life.
const CONNECTIONS: u32 = 100;
static SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature");

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Where the sink listens
    #[arg(long, required = true, value_delimiter = ',')]
    pub(crate) sink: Vec<SocketAddr>,
    #[arg(long)]
    pub(crate) subscribers: u32,
    #[arg(long)]
    pub(crate) body_bytes: usize,
    /// Connections over all addresses
    #[arg(long)]
    pub(crate) connections: usize,
    /// The certificate of the sink in base64, if it speaks TLS
    #[arg(long)]
    pub(crate) certificate: Option<String>,
    #[arg(long, default_value_t = 0)]
    pub(crate) threads: usize,
}

/// What to post now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) publication: u32,
    pub(crate) topic_url: String,
    pub(crate) hub_url: String,
}

/// It was posted.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    /// Microseconds since the epoch.
    pub(crate) began: u64,
    pub(crate) failed: u32,
}

/// A round under way.
#[derive(Debug)]
struct Round {
    body: Bytes,
    headers: HeaderMap,
    /// The next subscriber at each address, counted in steps of as many as there are addresses.
    next: Vec<AtomicU32>,
    failed: AtomicU32,
}

/// Runs until standard input ends.
pub(crate) async fn serve(options: Options) -> Result<()> {
    let mut lines = own_lines();
    let (start, rounds) = watch::channel(None);
    let (done, mut finished) = mpsc::channel(options.connections.max(1));
    let mut workers = JoinSet::new();
    let certificate = options.certificate.as_ref().map(|text| STANDARD.decode(text)).transpose()?;
    let tls = certificate.map(tls::connector).transpose()?;
    for number in 0..options.connections {
        let place = number % options.sink.len().max(1);
        let address = *options.sink.get(place).context("no address")?;
        let worker = Worker {
            address,
            tls: tls.clone(),
            place,
            host: HeaderValue::from_str(&address.to_string())?,
            step: u32::try_from(options.sink.len())?,
            subscribers: options.subscribers,
            rounds: rounds.clone(),
            done: done.clone(),
            round: None,
        };
        workers.spawn(worker.run());
    }
    while let Some(line) = lines.recv().await {
        let order = serde_json::from_str(&line)?;
        let began = clock::now();
        let round = Arc::new(round(&options, &order, began)?);
        start.send_replace(Some(Arc::clone(&round)));
        for _ in 0..options.connections {
            tokio::select! {
                _ = finished.recv() => {}
                Some(ended) = workers.join_next() => ended?.context("a connection of the limit failed")?,
            }
        }
        say(&Done { began, failed: round.failed.load(Ordering::Relaxed) })?;
    }
    Ok(())
}

fn round(options: &Options, order: &Order, began: u64) -> Result<Round> {
    let link = format!("<{}>; rel=\"self\", <{}>; rel=\"hub\"", order.topic_url, order.hub_url);
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/atom+xml")),
        (LINK, HeaderValue::from_str(&link)?),
        (USER_AGENT, HeaderValue::from_static("hubbub-load/raw (+http://127.0.0.1:12345/)")),
    ]);
    Ok(Round {
        body: document::document(
            order.publication,
            began,
            options.body_bytes,
            &order.topic_url,
            &order.hub_url,
        ),
        headers,
        next: options.sink.iter().map(|_| AtomicU32::new(0)).collect(),
        failed: AtomicU32::new(0),
    })
}

/// One connection, and what is sent over it.
struct Worker {
    address: SocketAddr,
    tls: Option<TlsConnector>,
    place: usize,
    host: HeaderValue,
    step: u32,
    subscribers: u32,
    rounds: watch::Receiver<Option<Arc<Round>>>,
    done: mpsc::Sender<()>,
    round: Option<Arc<Round>>,
}

impl Worker {
    async fn run(mut self) -> Result<()> {
        for _ in 0..CONNECTIONS {
            let (sender, connection) = wire::connect(self.address, self.tls.as_ref()).await?;
            tokio::select! {
                biased;
                is_over = self.work(sender) => if is_over { return Ok(()) },
                _closed = connection => {
                    // With a post under way, if there was a round.
                    self.fail();
                }
            }
        }
        bail!("{} closed {CONNECTIONS} connections", self.address)
    }

    fn fail(&self) {
        if let Some(round) = &self.round {
            round.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Round after round, until a post fails; says whether there will be no more.
    async fn work(&mut self, mut sender: Sender) -> bool {
        loop {
            if self.round.is_none() {
                if self.rounds.changed().await.is_err() {
                    return true;
                }
                self.round.clone_from(&self.rounds.borrow_and_update());
            }
            let Some(round) = self.round.clone() else { continue };
            while let Some(subscriber) = self.next(&round) {
                if self.post(&mut sender, &round, subscriber).await.is_err() {
                    self.fail();
                    return false;
                }
            }
            self.round = None;
            if self.done.send(()).await.is_err() {
                return true;
            }
        }
    }

    fn next(&self, round: &Round) -> Option<u32> {
        let count = round.next.get(self.place)?.fetch_add(1, Ordering::Relaxed);
        let subscriber = count.checked_mul(self.step)?.checked_add(u32::try_from(self.place).ok()?)?;
        (subscriber < self.subscribers).then_some(subscriber)
    }

    async fn post(&self, sender: &mut Sender, round: &Round, subscriber: u32) -> Result<()> {
        let signature = signing::sign(&signing::secret(subscriber), &round.body).context("no signature")?;
        let mut request = Request::new(Full::new(round.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::try_from(format!("/s/{subscriber}"))?;
        let mut headers = round.headers.clone();
        headers.insert(HOST, self.host.clone());
        headers.insert(&SIGNATURE, signature);
        *request.headers_mut() = headers;
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let is_taken = response.status().is_success();
        response.into_body().collect().await?;
        if is_taken { Ok(()) } else { bail!("refused") }
    }
}
