//! What the run asks the sink: how much has arrived; and what it tells it to do.
//!
//! `GET /told?publications=1,2&count=N&within_ms=T` waits until so many arrived of all these publications, or so long,
//! and answers with [`Told`] as JSON. `/away` and `/home` switch the healthy subscribers off and on, `/refuse` closes the
//! addresses of those that refuse connections.

use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use hdrhistogram::Histogram;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{Instant, sleep},
};
use url::form_urlencoded;

use super::{Count, subscribers::Subscribers};
use crate::stats::{Quantiles, histogram};

/// How often a wait looks. The moments come from the arrivals, so this makes nothing inexact.
const LOOK: Duration = Duration::from_millis(5);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// What is asked about, and how long to wait for it.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) publications: Vec<u32>,
    pub(crate) count: u32,
    pub(crate) within: Duration,
}

impl Wanted {
    /// What there is of these, without waiting.
    pub(crate) fn now(publications: Vec<u32>) -> Self {
        Self { publications, count: 0, within: Duration::ZERO }
    }

    pub(crate) fn path(&self) -> String {
        let publications: Vec<_> = self.publications.iter().map(ToString::to_string).collect();
        format!(
            "/told?publications={}&count={}&within_ms={}",
            publications.join(","),
            self.count,
            self.within.as_millis()
        )
    }

    fn read(query: &str) -> Result<Self> {
        let of = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            let found = pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()));
            found.with_context(|| format!("no {name}"))
        };
        let publications = of("publications")?.split(',').map(str::parse).collect::<Result<_, _>>()?;
        let within = Duration::from_millis(of("within_ms")?.parse()?).min(LONGEST_WAIT);
        Ok(Self { publications, count: of("count")?.parse()?, within })
    }
}

/// What arrived.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Told {
    /// At the healthy subscribers, and how long after it was asked for.
    pub(crate) count: Count,
    pub(crate) latency: Quantiles,
    /// At all others.
    pub(crate) others: Count,
    /// Of all publications so far: deliveries that were taken, and requests that no subscription explains.
    pub(crate) documents: u64,
    pub(crate) astray: u32,
    /// Connections so far, and the TLS handshakes on them: whole ones, and resumed sessions.
    pub(crate) connections: u64,
    pub(crate) handshakes: u64,
    pub(crate) resumed: u64,
}

/// Serves for ever.
pub(super) async fn serve(listener: TcpListener, subscribers: Arc<Subscribers>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let subscribers = Arc::clone(&subscribers);
        let service = service_fn(move |request: Request<Incoming>| {
            let subscribers = Arc::clone(&subscribers);
            async move {
                let query = request.uri().query().unwrap_or_default();
                let answered = subscribers.control(request.uri().path(), query).await;
                let mut response = Response::new(Full::<Bytes>::default());
                match answered {
                    Ok(told) => *response.body_mut() = told.into(),
                    Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
                }
                Ok::<_, Infallible>(response)
            }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        connections.spawn(async move { drop(connection.await) });
        while connections.try_join_next().is_some() {}
    }
}

impl Subscribers {
    async fn control(&self, path: &str, query: &str) -> Result<Vec<u8>> {
        match path {
            "/told" => return Ok(serde_json::to_vec(&self.wait(&Wanted::read(query)?).await)?),
            "/away" => self.are_away.store(true, Ordering::Relaxed),
            "/home" => self.are_away.store(false, Ordering::Relaxed),
            "/refuse" => self.refusal.cancel(),
            _ => bail!("nothing there"),
        }
        Ok(Vec::new())
    }

    async fn wait(&self, wanted: &Wanted) -> Told {
        let end = Instant::now() + wanted.within;
        while self.reached(wanted) < wanted.count && Instant::now() < end {
            sleep(LOOK).await;
        }
        self.told(wanted)
    }

    fn reached(&self, wanted: &Wanted) -> u32 {
        let counted = self.lock();
        let tallies = wanted.publications.iter().filter_map(|publication| counted.tallies.get(publication));
        tallies.map(|tally| tally.count.reached).fold(0, u32::saturating_add)
    }

    fn told(&self, wanted: &Wanted) -> Told {
        let counted = self.lock();
        let mut times: Option<Histogram<u32>> = histogram();
        let mut told = Told {
            documents: counted.documents,
            astray: counted.astray,
            connections: self.connections.load(Ordering::Relaxed),
            handshakes: self.handshakes.load(Ordering::Relaxed),
            resumed: self.resumed.load(Ordering::Relaxed),
            ..Told::default()
        };
        for tally in wanted.publications.iter().filter_map(|publication| counted.tallies.get(publication)) {
            told.count = told.count.and(&tally.count);
            told.others = told.others.and(&tally.others);
            if let (Some(times), Some(those)) = (&mut times, &tally.times) {
                // Both have the same bounds.
                let _infallible = times.add(those);
            }
        }
        told.latency = times.as_ref().map(Quantiles::of).unwrap_or_default();
        told
    }
}
