//! What rogues say, made once.

use anyhow::Result;
use async_compression::tokio::write::GzipEncoder;
use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::clock;

/// Unpacked, what a bomb is.
const UNPACKED: usize = 100 << 20;
/// A feed that is larger than a fetch may be, and one that just is not.
const LARGE: usize = 20 << 20;
const HEAVY: usize = 9 << 20;

#[derive(Debug)]
pub(super) struct Material {
    pub(super) bomb: Bytes,
    pub(super) large: Bytes,
    pub(super) heavy: Bytes,
}

impl Material {
    pub(super) async fn make() -> Result<Self> {
        Ok(Self { bomb: bomb().await?, large: entries(LARGE), heavy: entries(HEAVY) })
    }
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
pub(super) async fn send_feed(stream: &mut (impl AsyncWrite + Unpin), rest: &Bytes) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/atom+xml\r\nConnection: close\r\n\r\n\
         <feed xmlns=\"http://www.w3.org/2005/Atom\"><id>urn:rogue</id><title>Rogue</title>\
         <updated>2026-01-01T00:00:00Z</updated>\n{}",
        entry(&format!("urn:rogue:new:{}", clock::now()), "New.")
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(rest).await?;
    stream.write_all(b"</feed>\n").await
}
