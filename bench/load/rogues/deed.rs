//! What is done to a request that was read.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, copy, sink},
    net::TcpStream,
    time::sleep,
};

use super::{
    kind::Deed,
    material::{Material, send_feed},
};

pub(super) async fn act(
    stream: &mut BufReader<TcpStream>,
    deed: Deed,
    material: &Material,
) -> std::io::Result<()> {
    match deed {
        Deed::Silence | Deed::Stall => until_left(stream).await,
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
            let here = stream.get_ref().local_addr()?;
            let answer = format!(
                "HTTP/1.1 302 Found\r\nLocation: http://{here}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await?;
            leave(stream).await
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
        Deed::Large => feed(stream, &material.large).await,
        Deed::Heavy => feed(stream, &material.heavy).await,
        Deed::News => feed(stream, &bytes::Bytes::new()).await,
        Deed::Reset => stream.get_ref().set_zero_linger(),
        Deed::Half => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await?;
            leave(stream).await
        }
    }
}

async fn feed(stream: &mut BufReader<TcpStream>, rest: &bytes::Bytes) -> std::io::Result<()> {
    send_feed(stream, rest).await?;
    leave(stream).await
}

/// Says no more, and reads what was sent: whoever goes before that is taken to have reset the connection.
pub(super) async fn leave(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> std::io::Result<()> {
    stream.shutdown().await?;
    until_left(stream).await
}

pub(super) async fn until_left(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    copy(stream, &mut sink()).await.map(drop)
}

/// As fast as it is taken.
async fn endless(stream: &mut BufReader<TcpStream>, head: &[u8], more: &[u8]) -> std::io::Result<()> {
    let more = more.repeat(1 << 11);
    stream.write_all(head).await?;
    loop {
        stream.write_all(&more).await?;
    }
}
