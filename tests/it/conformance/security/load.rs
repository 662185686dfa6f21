//! What a flood of pings costs (X05), and how long anybody can keep the hub waiting (X10).

use std::{net::Ipv4Addr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use crate::harness::{Form, Gate, Page, Publisher, Settings, Stage, Wire, soon};

/// Topics that nobody follows are not fetched however often they are pinged, a followed one is fetched a few times for
/// many pings, and who pings too often is told so (X05).
#[tokio::test]
async fn x05_a_flood_of_pings_is_no_flood_of_fetches() {
    let settings =
        Settings::quick().with("fetch", "coalesce", "300ms").with("limits", "publish_per_second", 2);
    let stage = Stage::set_with(settings).await;
    let (topic, callback) = (stage.publisher.topic("/text"), stage.subscriber.callback("/cb"));
    stage.subscribe_03(&topic, &callback).await;
    topic.put(Page::of("text/plain", "news"));
    let others: Vec<_> = (0..100).map(|index| stage.publisher.topic(&format!("/other/{index}"))).collect();
    let flood = others.iter().fold(Form::publish(&topic), |form, other| form.with("hub.url", other.url()));
    let (began, mut statuses) = (Instant::now(), Vec::new());
    // The allowance is ten seconds' worth at once.
    for _ in 0..40 {
        statuses.push(stage.hub.post(&flood).await.status);
    }
    let accepted = statuses.iter().filter(|status| **status == 204).count();
    // One more where the last of the first allowance and the first of the next share a moment.
    let allowed = 21.0 + 2.0 * began.elapsed().as_secs_f64();
    assert!(
        accepted >= 20 && f64::from(u32::try_from(accepted).unwrap()) <= allowed,
        "{allowed} {statuses:?}"
    );
    assert!(statuses.iter().all(|status| [204, 429].contains(status)), "{statuses:?}");
    callback.delivered(1).await;
    assert!(others.iter().all(|other| other.fetches().is_empty()), "P07");
    let fetches = topic.fetches().len();
    let allowed = 2 + began.elapsed().as_millis() / 300;
    assert!(u128::try_from(fetches).unwrap() <= allowed, "{fetches} fetches for {accepted} pings");
}

/// One site is asked for so many topics at once and no more, however many are pinged (X05).
#[tokio::test]
async fn x05_fetches_from_one_site_at_once_are_bounded() {
    let stage = Stage::set_with(Settings::quick().with("fetch", "timeout", "60s")).await;
    let site = Publisher::start_on(Ipv4Addr::new(127, 0, 0, 2));
    let gate = Gate::closed();
    let callback = stage.subscriber.callback("/cb");
    let mut pings = Form::default().with("hub.mode", "publish");
    let mut topics = Vec::new();
    for index in 0..24 {
        let topic = site.topic(&format!("/{index}"));
        topic.put(Page::of("text/plain", "news").behind(&gate));
        stage.subscribe_03(&topic, &callback).await;
        pings = pings.with("hub.url", topic.url());
        topics.push(topic);
    }
    stage.hub.post(&pings).await.expect(204);
    // Another site's is fetched meanwhile, and what was pinged before it has been looked at by then.
    let (other, witness) = (stage.publisher.topic("/text"), stage.subscriber.callback("/witness"));
    other.put(Page::of("text/plain", "news"));
    stage.subscribe_03(&other, &witness).await;
    stage.ping(&other).await;
    witness.delivered(1).await;
    let asked = topics.iter().filter(|topic| !topic.fetches().is_empty()).count();
    assert!((1..=8).contains(&asked), "{asked} at once");
    gate.open();
}

/// A peer that never stops talking and never comes to an end: a byte of a header every few milliseconds.
struct Drip(TcpListener);

impl Drip {
    async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn url(&self) -> String {
        format!("http://{}/", self.0.local_addr().unwrap())
    }

    async fn connection(&self) -> TcpStream {
        soon("a connection", self.0.accept()).await.unwrap().0
    }

    /// Talks to the next who connects until they hang up.
    async fn talk_until_cut(&self) {
        soon("the hub to hang up", drip(self.connection().await)).await;
    }

    /// For once comes to an end, and confirms the intent that it is asked about.
    async fn confirm(&self) {
        let mut wire = Wire::of(self.connection().await);
        let asked = wire.hear_until("\r\n\r\n").await;
        let challenge = asked.split("hub.challenge=").nth(1).unwrap();
        let challenge = challenge.split(['&', ' ']).next().unwrap();
        let length = challenge.len();
        wire.say(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{challenge}"
        ))
        .await;
    }

    /// For once comes to an end, and takes a delivery.
    async fn take(&self, body: &str) {
        let mut wire = Wire::of(self.connection().await);
        let heard = wire.hear_until(body).await;
        assert!(heard.starts_with("POST ") && heard.ends_with(body), "{heard}");
        wire.say("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
    }
}

async fn drip(mut stream: TcpStream) {
    let mut said = b"HTTP/1.1 200 OK\r\nX-Endless: ".iter().copied().chain(std::iter::repeat(b'x'));
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let mut heard = [0; 4096];
    loop {
        tokio::select! {
            _ = tick.tick() => {
                let byte = said.next().unwrap();
                if stream.write_all(&[byte]).await.is_err() { return }
            }
            read = stream.read(&mut heard) => if matches!(read, Ok(0) | Err(_)) { return },
        }
    }
}

/// The time for a request is for all of it: a peer that says a little every moment wins nothing, as a callback or as a
/// topic (X10).
#[tokio::test]
async fn x10_whoever_never_comes_to_an_end_is_cut_off() {
    let settings = Settings::quick()
        .with("verification", "timeout", "500ms")
        .with("fetch", "timeout", "500ms")
        .with("fetch", "retry", vec!["60s"]);
    let stage = Stage::set_with(settings).await;
    let (topic, callback) = (stage.publisher.topic("/text"), stage.subscriber.callback("/cb"));

    let slow = Drip::start().await;
    let form = Form::intent("subscribe", &topic.url(), &slow.url()).sync();
    let (answer, ()) = tokio::join!(stage.hub.post(&form), slow.talk_until_cut());
    answer.expect(409);

    let slow = Drip::start().await;
    stage.accept_sync(&Form::intent("subscribe", &slow.url(), &callback.url())).await;
    stage
        .hub
        .post(&Form::default().with("hub.mode", "publish").with("hub.url", slow.url()))
        .await
        .expect(204);
    slow.talk_until_cut().await;
    assert!(callback.attempts().is_empty());
}

/// The same for a delivery, which is tried again and kept until it is taken (X10, D16).
#[tokio::test]
async fn x10_d16_a_delivery_that_never_comes_to_an_end_is_cut_off_and_tried_again() {
    let settings =
        Settings::quick().with("delivery", "timeout", "500ms").with("delivery", "connect_timeout", "500ms");
    let stage = Stage::set_with(settings).await;
    let (topic, slow) = (stage.publisher.topic("/text"), Drip::start().await);
    let form = Form::intent("subscribe", &topic.url(), &slow.url()).sync();
    let (answer, ()) = tokio::join!(stage.hub.post(&form), slow.confirm());
    answer.expect(204);
    topic.put(Page::text("news"));
    stage.ping(&topic).await;
    for _ in 0..2 {
        slow.talk_until_cut().await;
    }
    slow.take("news").await;
    topic.put(Page::text("more"));
    stage.ping(&topic).await;
    slow.take("more").await;
}

/// The same for who talks to the hub: the head of a request has to come to its end (X10).
#[tokio::test]
async fn x10_a_client_that_never_comes_to_an_end_is_cut_off() {
    let stage = Stage::set_with(Settings::quick().with("server", "header_timeout", "500ms")).await;
    let stream = soon("a connection", TcpStream::connect(stage.hub.address())).await.unwrap();
    // What it says is no request, but until a line ends nobody can know.
    soon("the hub to hang up", drip_request(stream)).await;
    stage.hub.client().get(&stage.hub.at("/livez")).await.expect(200);
}

async fn drip_request(mut stream: TcpStream) {
    stream.write_all(b"GET / HTTP/1.1\r\nX-Endless: ").await.unwrap();
    drip(stream).await;
}
