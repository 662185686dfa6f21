//! The rogues: sites whose topics are none, each at an address of its own and so a host of its own to the hub, and the
//! callback that subscribes to all of them. They rage and rest as they are told; at rest they are sites like any other.
//!
//! The process gives way to all others: what it costs an attacker to be a nuisance is not to be had from the hub.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use async_compression::tokio::write::GzipEncoder;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::sleep,
};
use url::form_urlencoded;

use crate::{
    clock,
    process::{own_lines, say},
};

/// Unpacked, what a bomb is.
const UNPACKED: usize = 100 << 20;
/// A feed that is larger than a fetch may be, and one that just is not.
const LARGE: usize = 20 << 20;
const HEAVY: usize = 9 << 20;
/// The most of a request that is read.
const HEAD: usize = 16 << 10;
/// As low as it goes.
const LAST: i32 = 19;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Topics of each kind
    #[arg(long, default_value_t = 1)]
    pub(crate) each: usize,
}

/// Where they are.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Listening {
    pub(crate) topics: Vec<String>,
    pub(crate) callback: SocketAddr,
}

/// What a topic does when it is asked for.
#[derive(Debug, Clone, Copy)]
enum Deed {
    /// Never answers.
    Silence,
    /// An octet a second.
    Drip,
    /// Header after header.
    Headers,
    /// A body without an end.
    Body,
    /// Leads to itself.
    Circle,
    /// Is small, and a hundred megabytes when it is unpacked.
    Bomb,
    /// More than may be fetched.
    Large,
    /// As much as may be fetched, with something new in it each time.
    Heavy,
    /// Hangs up.
    Reset,
    /// Hangs up in the middle of its answer.
    Half,
}

impl Deed {
    const ALL: [Self; 10] = [
        Self::Silence,
        Self::Drip,
        Self::Headers,
        Self::Body,
        Self::Circle,
        Self::Bomb,
        Self::Large,
        Self::Heavy,
        Self::Reset,
        Self::Half,
    ];
}

/// What they say, made once.
#[derive(Debug)]
struct Material {
    bomb: Bytes,
    large: Bytes,
    heavy: Bytes,
}

/// Serves until standard input ends.
pub(crate) async fn serve(options: Options) -> Result<()> {
    rustix::process::nice(LAST).context("cannot give way")?;
    let material = Arc::new(Material { bomb: bomb().await?, large: entries(LARGE), heavy: entries(HEAVY) });
    let (rage, rages) = watch::channel(false);
    let (mut topics, mut serving) = (Vec::new(), JoinSet::new());
    for deed in Deed::ALL.iter().cycle().take(Deed::ALL.len().saturating_mul(options.each)) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        topics.push(format!("http://{}/feed", listener.local_addr()?));
        serving.spawn(misbehave(listener, *deed, rages.clone(), Arc::clone(&material)));
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let callback = listener.local_addr()?;
    serving.spawn(subscribe(listener));
    say(&Listening { topics, callback })?;
    let mut lines = own_lines();
    while let Some(line) = lines.recv().await {
        rage.send_replace(serde_json::from_str(&line)?);
    }
    Ok(())
}

async fn bomb() -> Result<Bytes> {
    let mut encoder = GzipEncoder::new(Vec::new());
    let piece = vec![0; 1 << 20];
    for _ in 0..UNPACKED / piece.len() {
        encoder.write_all(&piece).await?;
    }
    encoder.shutdown().await?;
    Ok(encoder.into_inner().into())
}

/// About so many octets of entries.
fn entries(octets: usize) -> Bytes {
    let mut text = String::with_capacity(octets);
    let words = "Nobody has asked for this, and here it is all the same. ".repeat(8);
    for number in 0_u32.. {
        if text.len() >= octets {
            break;
        }
        text.push_str(&entry(&format!("urn:rogue:{number}"), &words));
    }
    text.into()
}

fn entry(id: &str, words: &str) -> String {
    format!(
        "<entry><id>{id}</id><title>Noise</title><updated>2026-01-01T00:00:00Z</updated>\
         <content type=\"text\">{words}</content></entry>\n"
    )
}

/// A feed of these and one that was never there before.
async fn send_feed(stream: &mut TcpStream, rest: &Bytes) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/atom+xml\r\nConnection: close\r\n\r\n\
         <feed xmlns=\"http://www.w3.org/2005/Atom\"><id>urn:rogue</id><title>Rogue</title>\
         <updated>2026-01-01T00:00:00Z</updated>\n{}",
        entry(&format!("urn:rogue:new:{}", clock::now()), "New.")
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(rest).await?;
    stream.write_all(b"</feed>\n").await?;
    stream.shutdown().await
}

async fn misbehave(listener: TcpListener, deed: Deed, rages: watch::Receiver<bool>, material: Arc<Material>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        drop(stream.set_nodelay(true));
        connections.spawn(meet(stream, deed, rages.clone(), Arc::clone(&material)));
        while connections.try_join_next().is_some() {}
    }
}

/// One request. Whoever rages is done with it at the latest when it is told to rest.
async fn meet(
    mut stream: TcpStream,
    deed: Deed,
    mut rages: watch::Receiver<bool>,
    material: Arc<Material>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD {
        head.push(stream.read_u8().await.ok()?);
    }
    if *rages.borrow_and_update() {
        tokio::select! {
            _hung_up = act(&mut stream, deed, &material) => {}
            _told = rages.changed() => {}
        }
        return Some(());
    }
    let calm = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\ncalm\n";
    stream.write_all(calm).await.ok()
}

async fn act(stream: &mut TcpStream, deed: Deed, material: &Material) -> std::io::Result<()> {
    match deed {
        Deed::Silence => until_left(stream).await,
        Deed::Drip => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n").await?;
            loop {
                stream.write_all(b"x").await?;
                sleep(Duration::from_secs(1)).await;
            }
        }
        Deed::Headers => endless(stream, b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n").await,
        Deed::Body => {
            endless(stream, b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", b"and so on and so on ")
                .await
        }
        Deed::Circle => {
            let here = stream.local_addr()?;
            let answer = format!(
                "HTTP/1.1 302 Found\r\nLocation: http://{here}/feed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await?;
            stream.shutdown().await
        }
        Deed::Bomb => {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
                material.bomb.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&material.bomb).await?;
            until_left(stream).await
        }
        Deed::Large => send_feed(stream, &material.large).await,
        Deed::Heavy => send_feed(stream, &material.heavy).await,
        Deed::Reset => stream.set_zero_linger(),
        Deed::Half => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await?;
            stream.shutdown().await
        }
    }
}

async fn until_left(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut chunk = [0; 4096];
    while stream.read(&mut chunk).await? > 0 {}
    Ok(())
}

/// As fast as it is taken.
async fn endless(stream: &mut TcpStream, head: &[u8], more: &[u8]) -> std::io::Result<()> {
    let more = more.repeat(1 << 11);
    stream.write_all(head).await?;
    loop {
        stream.write_all(&more).await?;
    }
}

/// Takes everything, and says that it wants it.
async fn subscribe(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let service = service_fn(|request: Request<Incoming>| {
            let query = request.uri().query().unwrap_or_default();
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            let challenge =
                pairs.find_map(|(name, value)| (name == "hub.challenge").then(|| value.into_owned()));
            let is_asked = request.method() == Method::GET;
            let body = challenge.filter(|_| is_asked).unwrap_or_default();
            async move { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(body))) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        connections.spawn(async move { drop(connection.await) });
        while connections.try_join_next().is_some() {}
    }
}
