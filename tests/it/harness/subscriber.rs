//! Subscribers: one server with any number of callbacks, each of which answers as its test tells it to and remembers
//! what it was sent.

use std::{
    collections::{HashMap, VecDeque},
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use url::form_urlencoded;

use super::{
    server::{Answer, Asked, Peer, Server, bare, self_signed, with_body},
    wait::{Board, Gate},
};

/// How a callback answers one verification of intent.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    /// 200 and the challenge.
    Confirm,
    /// 200 and the challenge with white space behind it.
    Padded,
    /// A status; the challenge is in the body all the same, since it is the status that must decide.
    Status(u16),
    /// 200 with this instead of the challenge.
    Mumble(&'static str),
    /// A redirect to a place that would confirm.
    Redirect(String),
    /// Anything at all, with a body made from the challenge.
    Crafted { status: u16, header: (&'static str, String), body: fn(&str) -> String },
    /// 200 and the challenge in this content-coding.
    Coded(&'static str, fn(&[u8]) -> Vec<u8>),
    /// The connection closes.
    HangUp,
    /// Confirms when the gate opens.
    Held(Gate),
    /// A status when the gate opens.
    HeldThen(Gate, u16),
}

/// How a callback answers one delivery.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Status(u16),
    After(Duration, u16),
    /// A status with headers and a body.
    Saying(u16, Vec<(&'static str, String)>, Bytes),
    /// The connection closes.
    HangUp,
    /// Answers 204 when the gate opens.
    Held(Gate),
}

/// A verification request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Verification {
    /// The raw query.
    pub(crate) query: String,
    /// The query decoded, in order.
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Verification {
    /// All values of one parameter.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.parameters.iter().filter(|(given, _)| given == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The only value of a parameter, `None` if it is absent.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() <= 1, "{name} stands more than once in {:?}", self.query);
        values.first().copied()
    }

    pub(crate) fn mode(&self) -> &str {
        self.one("hub.mode").unwrap()
    }
}

/// A delivery as it came.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) method: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// When it had been read.
    pub(crate) at: Instant,
    /// What it was answered; `None` until then.
    pub(crate) answered: Option<u16>,
}

impl Delivery {
    /// A header as text; it must not stand twice.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} stands twice");
        value
    }

    fn is_accepted(&self) -> bool {
        self.answered.is_some_and(|status| (200..300).contains(&status))
    }
}

#[derive(Debug, Default)]
struct Book {
    verdicts: VecDeque<Verdict>,
    every_verdict: Option<Verdict>,
    replies: VecDeque<Reply>,
    every_reply: Option<Reply>,
    verifications: Vec<Verification>,
    confirmed: usize,
    deliveries: Vec<Delivery>,
    in_flight: usize,
    most_in_flight: usize,
}

impl Book {
    fn accepted(&self) -> usize {
        self.deliveries.iter().filter(|delivery| delivery.is_accepted()).count()
    }
}

#[derive(Debug, Default)]
struct Books {
    callbacks: HashMap<String, Book>,
    every_reply: Option<Reply>,
    arrived: usize,
    in_flight: usize,
    most_in_flight: usize,
}

#[derive(Debug)]
struct Desk(Board<Books>);

impl Peer for Desk {
    async fn answer(&self, asked: Asked) -> Answer {
        if asked.method == "GET" { self.verify(asked).await } else { self.receive(asked).await }
    }
}

impl Desk {
    fn at<R>(&self, path: &str, change: impl FnOnce(&mut Book) -> R) -> R {
        self.0.change(|books| change(books.callbacks.entry(path.to_owned()).or_default()))
    }

    async fn verify(&self, asked: Asked) -> Answer {
        let parameters: Vec<(String, String)> =
            form_urlencoded::parse(asked.query.as_bytes()).into_owned().collect();
        // As the old PHP and Ruby servers do, the last of several parameters with one name counts (V01).
        let last = parameters.iter().rfind(|(name, _)| name == "hub.challenge");
        let challenge = last.map(|(_, value)| value.clone()).unwrap_or_default();
        let seen = Verification { query: asked.query, parameters, headers: asked.headers, body: asked.body };
        let verdict = self.at(&asked.path, |book| {
            book.verifications.push(seen);
            let scripted = book.verdicts.pop_front().or_else(|| book.every_verdict.clone());
            scripted.unwrap_or(Verdict::Confirm)
        });
        let confirm = |challenge| {
            self.at(&asked.path, |book| book.confirmed += 1);
            Some(with_body(200, Bytes::from(challenge)))
        };
        match verdict {
            Verdict::Confirm => confirm(challenge),
            Verdict::Padded => confirm(challenge + " \r\n"),
            Verdict::Held(gate) => {
                gate.opened().await;
                confirm(challenge)
            }
            Verdict::Status(status) => Some(with_body(status, challenge)),
            Verdict::HeldThen(gate, status) => {
                gate.opened().await;
                Some(with_body(status, challenge))
            }
            Verdict::Mumble(words) => Some(with_body(200, words)),
            Verdict::Redirect(to) => {
                let mut answer = with_body(302, challenge);
                answer.headers_mut().insert("location", to.parse().unwrap());
                Some(answer)
            }
            Verdict::Crafted { status, header: (name, value), body } => {
                let mut answer = with_body(status, body(&challenge));
                answer.headers_mut().insert(name, value.parse().unwrap());
                Some(answer)
            }
            Verdict::Coded(coding, encode) => {
                let mut answer = with_body(200, encode(challenge.as_bytes()));
                answer.headers_mut().insert("content-encoding", coding.parse().unwrap());
                Some(answer)
            }
            Verdict::HangUp => None,
        }
    }

    async fn receive(&self, asked: Asked) -> Answer {
        let delivery = Delivery {
            method: asked.method,
            query: asked.query,
            headers: asked.headers,
            body: asked.body,
            at: Instant::now(),
            answered: None,
        };
        let (index, reply) = self.0.change(|books| {
            books.arrived += 1;
            let book = books.callbacks.entry(asked.path.clone()).or_default();
            book.deliveries.push(delivery);
            let scripted = book.replies.pop_front().or_else(|| book.every_reply.clone());
            (book.deliveries.len() - 1, scripted.or_else(|| books.every_reply.clone()))
        });
        let _flight = Flight::begin(self, &asked.path);
        let mut answer = bare(204);
        let status = match reply.unwrap_or(Reply::Status(204)) {
            Reply::Status(status) => status,
            Reply::After(pause, status) => {
                tokio::time::sleep(pause).await;
                status
            }
            Reply::Held(gate) => {
                gate.opened().await;
                204
            }
            Reply::Saying(status, headers, body) => {
                answer = with_body(status, body);
                for (name, value) in headers {
                    answer.headers_mut().insert(name, value.parse().unwrap());
                }
                status
            }
            Reply::HangUp => return None,
        };
        *answer.status_mut() = status.try_into().unwrap();
        self.at(&asked.path, |book| book.deliveries[index].answered = Some(status));
        Some(answer)
    }
}

/// Counts a delivery as in flight until it is answered or its connection dies.
struct Flight<'a>(&'a Desk, &'a str);

impl<'a> Flight<'a> {
    fn begin(desk: &'a Desk, path: &'a str) -> Self {
        desk.0.change(|books| {
            books.in_flight += 1;
            books.most_in_flight = books.most_in_flight.max(books.in_flight);
            let book = books.callbacks.entry(path.to_owned()).or_default();
            book.in_flight += 1;
            book.most_in_flight = book.most_in_flight.max(book.in_flight);
        });
        Self(desk, path)
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.0.change(|books| {
            books.in_flight -= 1;
            if let Some(book) = books.callbacks.get_mut(self.1) {
                book.in_flight -= 1;
            }
        });
    }
}

/// The server of all callbacks.
#[derive(Debug)]
pub(crate) struct Subscriber {
    /// What its callbacks' URLs begin with.
    origin: String,
    desk: Arc<Desk>,
    server: Server,
}

impl Subscriber {
    pub(crate) fn start() -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST)
    }

    /// On another address of the loopback network, which is another host to the hub.
    pub(crate) fn start_on(host: Ipv4Addr) -> Self {
        let desk = Arc::new(Desk(Board::new(Books::default())));
        let server = Server::reserve(host);
        server.start(&desk);
        Self { origin: format!("http://{}", server.address()), desk, server }
    }

    /// Speaks TLS, with a certificate for `localhost` that nobody vouches for.
    pub(crate) fn start_self_signed() -> Self {
        Self::start_tls(self_signed("localhost"))
    }

    /// Speaks TLS, as `localhost`.
    pub(crate) fn start_tls(tls: TlsAcceptor) -> Self {
        let desk = Arc::new(Desk(Board::new(Books::default())));
        let server = Server::reserve_tls(Ipv4Addr::LOCALHOST, tls);
        server.start(&desk);
        Self { origin: format!("https://localhost:{}", server.address().port()), desk, server }
    }

    /// Closes the port and every connection: from now on connections are refused.
    pub(crate) async fn go_down(&self) {
        self.server.stop().await;
    }

    /// Speaks TLS in another way from when it comes up again.
    pub(crate) fn speak(&mut self, tls: TlsAcceptor) {
        self.server.speak(tls);
    }

    /// Waits until so many handshakes came to nothing.
    pub(crate) async fn refused(&self, count: usize) {
        self.server.refused(count).await;
    }

    /// Listens again, on the same port.
    pub(crate) fn come_up(&self) {
        self.server.start(&self.desk);
    }

    /// The callback under a path that begins with a slash and may have a query.
    pub(crate) fn callback(&self, path_and_query: &str) -> Callback {
        let path = path_and_query.split('?').next().unwrap().to_owned();
        let origin = self.origin.clone();
        Callback { desk: Arc::clone(&self.desk), origin, path, path_and_query: path_and_query.to_owned() }
    }

    /// How callbacks without a script of their own answer every delivery.
    pub(crate) fn always_reply(&self, reply: Reply) {
        self.desk.0.change(|books| books.every_reply = Some(reply));
    }

    /// Waits until `count` deliveries in all have arrived, answered or not.
    pub(crate) async fn arrived(&self, count: usize) {
        self.desk.0.until(&format!("{count} deliveries"), |books| books.arrived >= count).await;
    }

    /// Waits until all of these callbacks have got what is wanted, for as long as anything arrives: a crowd takes its time on
    /// a busy machine.
    pub(crate) async fn all_got(
        &self,
        callbacks: &[Callback],
        what: &str,
        mut is_it: impl FnMut(&Delivery) -> bool,
    ) {
        for callback in callbacks {
            loop {
                let arrived = self.desk.0.look(|books| books.arrived);
                if callback.look(|book| book.deliveries.iter().any(&mut is_it)) {
                    break;
                }
                let awaited = format!("{what} at {}, or anything elsewhere", callback.path);
                self.desk.0.until(&awaited, |books| books.arrived > arrived).await;
            }
        }
    }

    /// How many deliveries were open at once, at most.
    pub(crate) fn most_in_flight(&self) -> usize {
        self.desk.0.look(|books| books.most_in_flight)
    }
}

/// One callback.
#[derive(Debug, Clone)]
pub(crate) struct Callback {
    desk: Arc<Desk>,
    origin: String,
    path: String,
    path_and_query: String,
}

impl Callback {
    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.origin, self.path_and_query)
    }

    /// How the next verifications are answered, one each; then they are confirmed again.
    pub(crate) fn judge(&self, verdicts: impl IntoIterator<Item = Verdict>) {
        self.desk.at(&self.path, |book| book.verdicts.extend(verdicts));
    }

    /// How every verification is answered from now on.
    pub(crate) fn always_judge(&self, verdict: Verdict) {
        self.desk.at(&self.path, |book| book.every_verdict = Some(verdict));
    }

    /// How the next deliveries are answered, one each; then it is 204 again.
    pub(crate) fn reply(&self, replies: impl IntoIterator<Item = Reply>) {
        self.desk.at(&self.path, |book| book.replies.extend(replies));
    }

    /// How every delivery is answered from now on.
    pub(crate) fn always_reply(&self, reply: Reply) {
        self.desk.at(&self.path, |book| book.every_reply = Some(reply));
    }

    fn look<R>(&self, look: impl FnOnce(&Book) -> R) -> R {
        let unknown = Book::default();
        self.desk.0.look(|books| look(books.callbacks.get(&self.path).unwrap_or(&unknown)))
    }

    pub(crate) fn verifications(&self) -> Vec<Verification> {
        self.look(|book| book.verifications.clone())
    }

    /// Waits for the `count`th verification and returns it.
    pub(crate) async fn verification(&self, count: usize) -> Verification {
        self.expect(&format!("verification {count}"), |book| book.verifications.len() >= count).await;
        self.look(|book| book.verifications[count - 1].clone())
    }

    /// How many verifications were answered with their challenge.
    pub(crate) fn confirmations(&self) -> usize {
        self.look(|book| book.confirmed)
    }

    /// Waits until `count` verifications were answered with their challenge.
    pub(crate) async fn confirmed(&self, count: usize) {
        self.expect(&format!("confirmation {count}"), |book| book.confirmed >= count).await;
    }

    /// Everything that arrived, whatever it was answered.
    pub(crate) fn attempts(&self) -> Vec<Delivery> {
        self.look(|book| book.deliveries.clone())
    }

    /// Waits until `count` deliveries in all have arrived, whatever they were answered.
    pub(crate) async fn attempted(&self, count: usize) -> Vec<Delivery> {
        self.expect(&format!("attempt {count}"), |book| book.deliveries.len() >= count).await;
        self.attempts()
    }

    /// What was answered with 2xx so far.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        let mut deliveries = self.attempts();
        deliveries.retain(Delivery::is_accepted);
        deliveries
    }

    /// Waits until `count` deliveries were answered with 2xx, and returns all that were.
    pub(crate) async fn delivered(&self, count: usize) -> Vec<Delivery> {
        self.expect(&format!("delivery {count}"), |book| book.accepted() >= count).await;
        self.deliveries()
    }

    /// Waits until something was delivered that satisfies `wanted`.
    pub(crate) async fn delivered_where(&self, what: &str, mut wanted: impl FnMut(&Delivery) -> bool) {
        self.expect(what, |book| book.deliveries.iter().any(|one| one.is_accepted() && wanted(one))).await;
    }

    /// How many deliveries were open at once, at most.
    pub(crate) fn most_in_flight(&self) -> usize {
        self.look(|book| book.most_in_flight)
    }

    async fn expect(&self, what: &str, mut holds: impl FnMut(&Book) -> bool) {
        let what = format!("{what} at {}", self.path);
        self.desk.0.until(&what, |books| books.callbacks.get(&self.path).is_some_and(&mut holds)).await;
    }
}
