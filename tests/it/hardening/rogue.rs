//! A peer that misbehaves below HTTP. It is a site, a callback or both: whatever is asked of it, it does its deed.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::harness::Board;

/// What a rogue does to whoever asks.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    /// Takes the request, and says nothing.
    Silence,
    /// Does not even take the request.
    Deafness,
    /// A byte at a time, of an answer that would be a good one.
    Drip,
    /// An interim answer, over and over.
    Continue,
    /// Header after header.
    Headers,
    /// One header without an end.
    Header,
    /// A body without an end and without a length, its status before it.
    Body(u16),
    /// The same in chunks.
    Chunks,
    /// Chunks whose extensions have no end.
    Extensions,
    /// Trailer after trailer.
    Trailers,
    /// Goes in the middle of the answer.
    HalfAnAnswer,
    /// Goes without a word, with a reset.
    Reset,
    /// What is no HTTP at all.
    Noise,
    /// Exactly this.
    Say(Vec<u8>),
    /// What was asked for: an echo for a verification, 204 for a delivery.
    Honest,
}

impl Deed {
    /// All that never lead to an answer.
    pub(super) fn bad() -> Vec<Self> {
        vec![
            Self::Silence,
            Self::Deafness,
            Self::Drip,
            Self::Continue,
            Self::Headers,
            Self::Header,
            Self::Body(200),
            Self::Chunks,
            Self::Extensions,
            Self::Trailers,
            Self::HalfAnAnswer,
            Self::Reset,
            Self::Noise,
        ]
    }
}

#[derive(Debug)]
struct Book {
    deed: Deed,
    /// Does it to verifications too, which are answered as they should be otherwise.
    lies_when_asked: bool,
    begun: usize,
    ended: usize,
    taken: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Rogue {
    address: SocketAddr,
    book: Arc<Board<Book>>,
    _accepting: JoinSet<()>,
}

impl Rogue {
    /// Misbehaves as a topic and when it is delivered to.
    pub(super) async fn start(deed: Deed) -> Self {
        Self::begin(deed, false).await
    }

    /// Misbehaves already when it is asked whether it meant to subscribe.
    pub(super) async fn from_the_start(deed: Deed) -> Self {
        Self::begin(deed, true).await
    }

    async fn begin(deed: Deed, lies_when_asked: bool) -> Self {
        // Each its own port and so its own host to the hub.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let book = Book { deed, lies_when_asked, begun: 0, ended: 0, taken: Vec::new() };
        let book = Arc::new(Board::new(book));
        let mut accepting = JoinSet::new();
        let known = Arc::clone(&book);
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(meet(stream, Arc::clone(&known)));
            }
        });
        Self { address, book, _accepting: accepting }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Does something else from now on.
    pub(super) fn repents(&self, deed: Deed) {
        self.book.change(|book| book.deed = deed);
    }

    /// Waits until it did its deed this many times, done with or not.
    pub(super) async fn met(&self, count: usize) {
        self.book.until(&format!("deed {count}"), |book| book.begun >= count).await;
    }

    /// Waits until nobody listens to it any more.
    pub(super) async fn is_left_alone(&self) {
        self.book.until("the hub to hang up", |book| book.ended == book.begun).await;
    }

    /// Waits until it took a delivery that contains this, when it was honest.
    pub(super) async fn took(&self, text: &str) {
        let what = format!("a delivery of {text}");
        self.book.until(&what, |book| book.taken.iter().any(|one| one.contains(text))).await;
    }
}

async fn meet(mut stream: TcpStream, book: Arc<Board<Book>>) {
    let (mut deed, lies_when_asked) = book.look(|book| (book.deed.clone(), book.lies_when_asked));
    if !matches!(deed, Deed::Deafness) || !lies_when_asked {
        let Some(asked) = read(&mut stream).await else { return };
        let challenge = asked.split("hub.challenge=").nth(1).filter(|_| asked.starts_with("GET "));
        if let Some(challenge) = challenge.and_then(|rest| rest.split(['&', ' ']).next())
            && (!lies_when_asked || matches!(deed, Deed::Honest))
        {
            let length = challenge.len();
            deed = Deed::Say(
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{challenge}"
                )
                .into(),
            );
            drop(act(&mut stream, deed).await);
            return;
        }
        if matches!(deed, Deed::Honest) {
            book.change(|book| book.taken.push(asked));
        }
    }
    book.change(|book| book.begun += 1);
    drop(act(&mut stream, deed).await);
    book.change(|book| book.ended += 1);
}

/// A request with its body, if it comes to its end.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut heard = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&heard);
        if let Some((above, body)) = text.split_once("\r\n\r\n") {
            let above = above.to_ascii_lowercase();
            let length = above.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text.into_owned());
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => heard.extend_from_slice(&chunk[..count]),
        }
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\n";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

async fn act(stream: &mut TcpStream, deed: Deed) -> std::io::Result<()> {
    match deed {
        Deed::Silence | Deed::Deafness => until_left(stream).await,
        Deed::Drip => {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n".iter().chain([&b'x'; 100]);
            let mut tick = tokio::time::interval(Duration::from_millis(100));
            for byte in answer {
                tick.tick().await;
                stream.write_all(&[*byte]).await?;
            }
            until_left(stream).await
        }
        Deed::Continue => endless(stream, b"", b"HTTP/1.1 100 Continue\r\n\r\n").await,
        Deed::Headers => endless(stream, OK, b"X-More: and more\r\n").await,
        Deed::Header => endless(stream, b"HTTP/1.1 200 OK\r\nX-Long: ", b"and longer ").await,
        Deed::Body(status) => {
            let head = format!("HTTP/1.1 {status} So\r\nContent-Type: text/plain\r\n\r\n");
            endless(stream, head.as_bytes(), b"and so on and so on and so on ").await
        }
        Deed::Chunks => endless(stream, CHUNKED, b"10\r\nand so on, and on\r\n").await,
        Deed::Extensions => endless(stream, CHUNKED, b"10;why=because").await,
        Deed::Trailers => {
            stream.write_all(CHUNKED).await?;
            endless(stream, b"0\r\n", b"X-More: and more\r\n").await
        }
        Deed::HalfAnAnswer => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await?;
            stream.shutdown().await
        }
        Deed::Reset => stream.set_zero_linger(),
        Deed::Noise => {
            stream.write_all(b"220 mail.example ESMTP\r\n").await?;
            until_left(stream).await
        }
        Deed::Say(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await?;
            until_left(stream).await
        }
        Deed::Honest => {
            stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await?;
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
    let more = more.repeat((1 << 16) / more.len());
    stream.write_all(head).await?;
    loop {
        stream.write_all(&more).await?;
        // Else it would be alone with the hub on the machine.
        tokio::task::yield_now().await;
    }
}
