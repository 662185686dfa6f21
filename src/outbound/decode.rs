//! What an answer says once its content-coding is undone (V09).
//!
//! Callbacks are asked without `Accept-Encoding`, which allows any coding; so a server that compresses whatever it sends
//! is within its rights, and its echo is the challenge all the same. What is read has been read by then: the decoding
//! waits for nothing, so that no more of the windows of decoders are in memory than there are threads.

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder};
use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_ENCODING};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What is registered, or was seen, as the name of a coding.
const CODINGS: [&str; 16] = [
    "aes128gcm",
    "br",
    "bzip2",
    "compress",
    "dcb",
    "dcz",
    "deflate",
    "exi",
    "gzip",
    "lzma",
    "pack200-gzip",
    "x-bzip2",
    "x-compress",
    "x-gzip",
    "xz",
    "zstd",
];

/// The codings of a body, as one list in lower case; empty where there are none. An older name of gzip is gzip. Any other
/// word codes nothing: some sites name a charset here, or how a proxy got the body.
pub(super) fn codings(headers: &HeaderMap) -> String {
    let lines = headers.get_all(CONTENT_ENCODING).iter();
    let lines = lines.map(|line| String::from_utf8_lossy(line.as_bytes()).to_ascii_lowercase());
    let words: Vec<_> = lines
        .flat_map(|line| line.split(',').map(|word| word.trim().to_owned()).collect::<Vec<_>>())
        .filter(|word| CODINGS.contains(&word.as_str()))
        .map(|word| if word == "x-gzip" { "gzip".to_owned() } else { word })
        .collect();
    words.join(", ")
}

/// The body, and of what becomes of it the first `max` octets. What is coded in a way that is not known stays as it is.
pub(super) async fn decoded(headers: &HeaderMap, body: Bytes, max: usize) -> Bytes {
    match codings(headers).as_str() {
        "gzip" => read(GzipDecoder::new(body.as_ref()), max).await,
        "br" => read(BrotliDecoder::new(body.as_ref()), max).await,
        _ => body,
    }
}

/// What breaks off, as whatever was cut to our cap does, counts for as far as it goes.
async fn read(decoder: impl AsyncRead + Unpin, max: usize) -> Bytes {
    let mut body = Vec::new();
    let max = u64::try_from(max).unwrap_or(u64::MAX);
    drop(decoder.take(max).read_to_end(&mut body).await);
    body.into()
}

#[cfg(test)]
mod tests {
    use async_compression::tokio::write::{BrotliEncoder, GzipEncoder};
    use http::HeaderValue;
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzipEncoder::new(Vec::new());
        encoder.write_all(text).await.unwrap();
        encoder.shutdown().await.unwrap();
        encoder.into_inner()
    }

    async fn brotli(text: &[u8]) -> Vec<u8> {
        let mut encoder = BrotliEncoder::new(Vec::new());
        encoder.write_all(text).await.unwrap();
        encoder.shutdown().await.unwrap();
        encoder.into_inner()
    }

    async fn read_as(coding: &'static str, body: &[u8], max: usize) -> Bytes {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(coding))]);
        decoded(&headers, Bytes::copy_from_slice(body), max).await
    }

    #[tokio::test]
    async fn v09_the_usual_codings_are_undone_and_others_stay() {
        let text = &b"challenge"[..];
        let (gzip, brotli) = (gzip(text).await, brotli(text).await);
        for coding in ["gzip", "GZIP", "x-gzip", "identity, gzip,"] {
            assert_eq!(read_as(coding, &gzip, 100).await, text, "{coding}");
        }
        assert_eq!(read_as("br", &brotli, 100).await, text);
        for coding in ["identity", "", "zstd", "gzip, br"] {
            assert_eq!(read_as(coding, text, 100).await, text, "{coding}");
        }
        assert_eq!(decoded(&HeaderMap::new(), Bytes::from_static(b"plain"), 100).await, "plain");
    }

    #[test]
    fn f09_only_a_coding_is_a_coding() {
        let named = |lines: &[&'static str]| {
            let lines = lines.iter().map(|line| (CONTENT_ENCODING, HeaderValue::from_static(line)));
            codings(&lines.collect::<HeaderMap>())
        };
        for nothing in ["UTF-8", "utf8", "windows-1251", "8bit", "aws-chunked", "none", " , identity"] {
            assert_eq!(named(&[nothing]), "", "{nothing}");
        }
        assert_eq!(named(&["Deflate"]), "deflate");
        assert_eq!(named(&["x-gzip, utf-8, br"]), "gzip, br");
    }

    #[tokio::test]
    async fn v09_no_more_is_decoded_than_is_wanted_and_what_is_broken_ends() {
        let zeros = vec![0; 1 << 20];
        for (coding, body) in [("gzip", gzip(&zeros).await), ("br", brotli(&zeros).await)] {
            assert!(body.len() < 4096, "{coding}");
            assert_eq!(read_as(coding, &body, 8192).await.len(), 8192, "{coding}");
        }
        let mut body = gzip(b"challenge").await;
        body.truncate(body.len() - 8);
        assert_eq!(read_as("gzip", &body, 100).await, "challenge", "without its end");
        assert_eq!(read_as("gzip", b"challenge", 100).await, "", "none at all");
        assert_eq!(read_as("gzip", b"", 100).await, "");
    }
}
