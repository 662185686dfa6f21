//! What the sites ask others for: bodies of a size that fits.

use anyhow::{Context, Result, ensure};
use http::header;
use reqwest::{Client, Response};

/// More than anything that is said here.
const MOST: usize = 1 << 20;

/// The body of an answer.
pub(super) async fn body(mut response: Response) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.context("the answer broke off")? {
        ensure!(body.len() + chunk.len() <= MOST, "the answer is longer than {MOST} bytes");
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What is at an address.
pub(super) async fn get(http: &Client, url: &str, accept: &str) -> Result<Vec<u8>> {
    let request = http.get(url).header(header::ACCEPT, accept);
    let response = request.send().await.with_context(|| format!("{url} did not answer"))?;
    ensure!(response.status().is_success(), "{url} answered {}", response.status());
    body(response).await
}
