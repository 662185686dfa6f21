//! What the subscribers answer, and what is noted about it.

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use rustls::HandshakeKind;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use url::form_urlencoded;

use super::{
    Options, VERIFICATIONS,
    tally::{Arrival, Tally},
};
use crate::{
    clock, document,
    habit::{Habit, Habits},
    signing,
};

/// The largest body that is read.
const BODY: usize = 64 << 20;
/// Publications that are told apart; what is beyond is astray.
const PUBLICATIONS: usize = 10_000;
/// For how long who is silent says nothing, if the connection lasts so long.
const SILENCE: Duration = Duration::from_mins(5);

/// All of them.
#[derive(Debug)]
pub(super) struct Subscribers {
    options: Options,
    habits: Habits,
    pub(super) counted: Mutex<Counted>,
    /// All that are healthy answer 503 as well.
    pub(super) are_away: AtomicBool,
    /// The addresses that refuse do so from now on.
    pub(super) refusal: CancellationToken,
    pub(super) connections: AtomicU64,
    pub(super) handshakes: AtomicU64,
    pub(super) resumed: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) tallies: BTreeMap<u32, Tally>,
    /// How often a failing subscriber has failed since it took something.
    failures: BTreeMap<u32, u8>,
    /// Deliveries that were taken, however many publications they held.
    pub(super) documents: u64,
    pub(super) astray: u32,
}

impl Subscribers {
    pub(super) fn new(options: Options) -> Self {
        Self {
            habits: Habits::new(options.steady, &options.shares),
            options,
            counted: Mutex::default(),
            are_away: AtomicBool::new(false),
            refusal: CancellationToken::new(),
            connections: AtomicU64::new(0),
            handshakes: AtomicU64::new(0),
            resumed: AtomicU64::new(0),
        }
    }

    /// When an address of this habit takes no more connections; mostly never.
    pub(super) async fn refused(&self, habit: Habit) {
        if habit == Habit::Refusing {
            self.refusal.cancelled().await;
        } else {
            pending::<()>().await;
        }
    }

    pub(super) fn count_connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_handshake(&self, kind: Option<HandshakeKind>) {
        let count = if kind == Some(HandshakeKind::Resumed) { &self.resumed } else { &self.handshakes };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error closes the connection without an answer.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
        let subscriber = request.uri().path().strip_prefix("/s/").and_then(|number| number.parse().ok());
        let answered = match (request.method(), subscriber) {
            (&Method::POST, Some(subscriber)) => {
                let habit = self.habits.of(subscriber);
                let body = Body::read(request).await;
                match (habit, body) {
                    (_, Err(error)) => Err(error),
                    (Habit::Healthy, Ok(body)) => self.healthy(subscriber, &body),
                    (_, Ok(body)) => self.misbehave(habit, subscriber, &body).await?,
                }
            }
            (&Method::GET, Some(subscriber)) => return Ok(self.verification(subscriber, &request)),
            _ => Err(anyhow::anyhow!("a request to nobody")),
        };
        let mut response = Response::new(Full::default());
        *response.status_mut() = answered.unwrap_or_else(|_| {
            let mut counted = self.lock();
            counted.astray = counted.astray.saturating_add(1);
            StatusCode::BAD_REQUEST
        });
        Ok(response)
    }

    fn healthy(&self, subscriber: u32, body: &Body) -> Result<StatusCode> {
        if self.are_away.load(Ordering::Relaxed) {
            return Ok(StatusCode::SERVICE_UNAVAILABLE);
        }
        self.take(subscriber, true, body)
    }

    /// An error closes the connection; an error within is a delivery that should not be.
    async fn misbehave(&self, habit: Habit, subscriber: u32, body: &Body) -> Result<Result<StatusCode>> {
        match habit {
            Habit::Silent => {
                drop(timeout(SILENCE, pending::<()>()).await);
                bail!("silent to the end");
            }
            Habit::Closing => bail!("no answer"),
            Habit::Failing if self.fails(subscriber) => return Ok(Ok(StatusCode::SERVICE_UNAVAILABLE)),
            Habit::Slow => {
                let taken = self.take(subscriber, false, body);
                sleep(Duration::from_millis(self.options.shares.slow_by.into())).await;
                return Ok(taken);
            }
            Habit::Healthy | Habit::Failing | Habit::Refusing => {}
        }
        Ok(self.take(subscriber, false, body))
    }

    fn fails(&self, subscriber: u32) -> bool {
        let times = self.options.shares.failing_times;
        if times == 0 {
            return true;
        }
        let mut counted = self.lock();
        let failures = counted.failures.entry(subscriber).or_default();
        *failures = if *failures < times { failures.saturating_add(1) } else { 0 };
        *failures > 0
    }

    fn take(&self, subscriber: u32, is_healthy: bool, body: &Body) -> Result<StatusCode> {
        let mut publications = document::publications(&body.octets, self.options.body_bytes).peekable();
        let (first, _) = *publications.peek().context("the body of no publication")?;
        let is_checked = subscriber.wrapping_add(first).checked_rem(self.options.check_every) == Some(0);
        let is_right = is_checked.then(|| {
            let right = signing::sign(&signing::secret(subscriber), &body.octets);
            right.is_some() && body.signature == right
        });
        let arrival =
            Arrival { subscriber, is_healthy, octets: body.octets.len(), is_right, now: body.arrived };
        let mut counted = self.lock();
        counted.documents = counted.documents.saturating_add(1);
        for (publication, asked) in publications {
            self.count(&mut counted, publication, &arrival, asked)?;
        }
        Ok(StatusCode::NO_CONTENT)
    }

    fn verification(&self, subscriber: u32, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let query = request.uri().query().unwrap_or_default();
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let challenge = pairs.find_map(|(key, value)| (key == "hub.challenge").then_some(value));
        let mut response = Response::new(Full::from(challenge.unwrap_or_default().into_owned()));
        let now = clock::now();
        // All count as healthy: this is about whether they were asked.
        let arrival = Arrival { subscriber, is_healthy: true, octets: 0, is_right: None, now };
        if self.count(&mut self.lock(), VERIFICATIONS, &arrival, now).is_err() {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        response
    }

    fn count(&self, counted: &mut Counted, publication: u32, arrival: &Arrival, asked: u64) -> Result<()> {
        if counted.tallies.len() >= PUBLICATIONS && !counted.tallies.contains_key(&publication) {
            bail!("too many publications");
        }
        let tallies = &mut counted.tallies;
        let tally = tallies.entry(publication).or_insert_with(|| Tally::new(self.options.subscribers));
        if tally.add(arrival, asked) {
            return Ok(());
        }
        bail!("no such subscriber")
    }
}

/// A delivery that was read.
#[derive(Debug)]
struct Body {
    octets: Bytes,
    signature: Option<http::HeaderValue>,
    arrived: u64,
}

impl Body {
    async fn read(request: Request<Incoming>) -> Result<Self> {
        let (mut head, body) = request.into_parts();
        let body = Limited::new(body, BODY).collect().await;
        let octets = body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
        Ok(Self { octets, signature: head.headers.remove("x-hub-signature"), arrived: clock::now() })
    }
}
