//! The sink: all subscribers in one lean process. It echoes challenges, counts deliveries, and checks signatures.
//!
//! `GET /control?publication=P&count=N&within_ms=T` waits until publication P reached N subscribers, or so long, and
//! then prints its [`Count`] as a line of JSON. Publication 0 stands for the verifications. The first line printed has
//! the addresses.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep},
};
use url::form_urlencoded;

use crate::{
    clock, document,
    process::{own_lines, say},
    signing,
    tally::{Count, Tally},
};

/// The publication that stands for the verifications.
pub(crate) const VERIFICATIONS: u32 = 0;
/// The largest body that is read.
const BODY: usize = 64 << 20;
/// Publications that are told apart; what is beyond is astray.
const PUBLICATIONS: usize = 10_000;
/// How often a wait looks. The moments come from the arrivals, so this makes nothing inexact.
const LOOK: Duration = Duration::from_millis(5);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Loopback addresses to listen on, 127.0.0.1 and up
    #[arg(long, default_value_t = 1)]
    pub(crate) addresses: u8,
    #[arg(long)]
    pub(crate) subscribers: u32,
    /// Octets of a delivery that holds one publication
    #[arg(long)]
    pub(crate) body_bytes: usize,
    /// Check the signature at every so manieth subscriber, other ones in each publication; 1 checks all, 0 none
    #[arg(long)]
    pub(crate) check_every: u32,
    #[arg(long, default_value_t = 1)]
    pub(crate) threads: usize,
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Listening {
    pub(crate) addresses: Vec<SocketAddr>,
}

/// A line that was asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) publication: u32,
    pub(crate) count: Count,
    /// Requests so far that no subscription explains: other paths, other bodies.
    pub(crate) astray: u32,
}

/// Runs until standard input ends.
pub(crate) async fn serve(options: Options) -> Result<()> {
    let mut listeners = Vec::new();
    for last in 1..=options.addresses {
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0);
        listeners
            .push(TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?);
    }
    let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
    let mut lines = own_lines();
    let sink = Arc::new(Sink { options, counted: Mutex::default() });
    let (accepted, mut connections) = mpsc::channel(256);
    let mut tasks = JoinSet::new();
    for listener in listeners {
        tasks.spawn(accept(listener, accepted.clone()));
    }
    say(&Listening { addresses })?;
    loop {
        tokio::select! {
            line = lines.recv() => if line.is_none() { return Ok(()) },
            Some(stream) = connections.recv() => {
                let sink = Arc::clone(&sink);
                tasks.spawn(async move { drop(connection(sink, stream).await) });
            }
            // What has ended is taken out, so that it is not kept for ever.
            Some(_) = tasks.join_next() => {}
        }
    }
}

async fn accept(listener: TcpListener, accepted: mpsc::Sender<TcpStream>) {
    while let Ok((stream, _)) = listener.accept().await {
        if accepted.send(stream).await.is_err() {
            return;
        }
    }
}

async fn connection(sink: Arc<Sink>, stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let service = service_fn(move |request| {
        let sink = Arc::clone(&sink);
        async move { Ok::<_, Infallible>(sink.answer(request).await) }
    });
    Ok(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?)
}

#[derive(Debug)]
struct Sink {
    options: Options,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    tallies: BTreeMap<u32, Tally>,
    astray: u32,
}

impl Sink {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let subscriber = request.uri().path().strip_prefix("/s/").and_then(|number| number.parse().ok());
        let answered = match (request.method(), subscriber) {
            (&Method::POST, Some(subscriber)) => self.delivery(subscriber, request).await,
            (&Method::GET, Some(subscriber)) => return self.verification(subscriber, &request),
            (&Method::GET, None) if request.uri().path() == "/control" => self.control(&request).await,
            _ => Err(anyhow::anyhow!("a request to nobody")),
        };
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if answered.is_err() {
            *response.status_mut() = StatusCode::BAD_REQUEST;
            let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            counted.astray = counted.astray.saturating_add(1);
        }
        response
    }

    async fn delivery(&self, subscriber: u32, request: Request<Incoming>) -> Result<()> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, BODY).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
        let now = clock::now();
        let mut publications = document::publications(&body, self.options.body_bytes).peekable();
        let first = *publications.peek().context("the body of no publication")?;
        let every = self.options.check_every;
        let is_checked = subscriber.wrapping_add(first).checked_rem(every) == Some(0);
        let is_right = is_checked.then(|| {
            let right = signing::sign(&signing::secret(subscriber), &body);
            right.is_some() && head.headers.get("x-hub-signature") == right.as_ref()
        });
        for publication in publications {
            self.count(publication, subscriber, body.len(), is_right, now)?;
        }
        Ok(())
    }

    fn verification(&self, subscriber: u32, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let challenge = parameter(request, "hub.challenge").unwrap_or_default();
        let mut response = Response::new(Full::from(challenge));
        if self.count(VERIFICATIONS, subscriber, 0, None, clock::now()).is_err() {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        response
    }

    fn count(
        &self,
        publication: u32,
        subscriber: u32,
        octets: usize,
        is_right: Option<bool>,
        now: u64,
    ) -> Result<()> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.tallies.len() >= PUBLICATIONS && !counted.tallies.contains_key(&publication) {
            bail!("too many publications");
        }
        let tally =
            counted.tallies.entry(publication).or_insert_with(|| Tally::new(self.options.subscribers));
        if tally.add(subscriber, octets, is_right, now) {
            return Ok(());
        }
        bail!("no such subscriber")
    }

    async fn control(&self, request: &Request<Incoming>) -> Result<()> {
        let number = |name: &str| -> Result<u32> {
            Ok(parameter(request, name).with_context(|| format!("no {name}"))?.parse()?)
        };
        let (publication, wanted) = (number("publication")?, number("count")?);
        let within = Duration::from_millis(number("within_ms")?.into()).min(LONGEST_WAIT);
        let end = Instant::now() + within;
        loop {
            let told = self.told(publication);
            if told.count.reached >= wanted || Instant::now() >= end {
                return say(&told);
            }
            sleep(LOOK).await;
        }
    }

    fn told(&self, publication: u32) -> Told {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counted.tallies.get(&publication).map(|tally| tally.count).unwrap_or_default();
        Told { publication, count, astray: counted.astray }
    }
}

fn parameter(request: &Request<Incoming>, name: &str) -> Option<String> {
    let query = request.uri().query().unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
}
