//! One request to a hub, and what the hub said.

use std::{fmt, time::Duration};

use reqwest::{Client, Response, StatusCode, header, redirect};
use url::Url;

use super::display::one_line;

/// For the whole request. A hub that verifies before it answers waits for the subscriber meanwhile.
const TIMEOUT: Duration = Duration::from_secs(30);

/// So much of a hub's explanation is shown.
const EXPLANATION: usize = 1024;

/// A hub somewhere.
#[derive(Debug, Clone)]
pub struct Hub {
    url: Url,
    http: Client,
}

/// A 2xx answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "accepted: the hub answered {}", self.status)
    }
}

/// Why a hub did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// This machine could not make an HTTP client, for instance because it has no TLS roots.
    #[error("cannot set up HTTP")]
    Setup(#[source] reqwest::Error),
    /// No answer came.
    #[error("the hub at {hub} did not answer")]
    NoAnswer { hub: Url, source: reqwest::Error },
    /// The hub lives elsewhere by now (S31). It is not followed: whoever scripts this should know.
    #[error("the hub answered {status}: it has moved to {location}")]
    Moved { status: StatusCode, location: String },
    /// Any other answer.
    #[error("the hub answered {status}{}{explanation}", if explanation.is_empty() { "" } else { ": " })]
    Refused { status: StatusCode, explanation: String },
}

impl Hub {
    pub fn at(url: Url) -> Result<Self, ClientError> {
        Ok(Self { url, http: http_client().map_err(ClientError::Setup)? })
    }

    /// Sends a form, `application/x-www-form-urlencoded`.
    pub async fn send(&self, form: String) -> Result<Answer, ClientError> {
        let request = self
            .http
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        let response = request.send().await.map_err(|source| {
            let mut hub = self.url.clone();
            // It may carry a password, and this is printed. Neither can fail on a URL that a request was sent to.
            hub.set_password(None).and_then(|()| hub.set_username("")).ok();
            ClientError::NoAnswer { hub, source: source.without_url() }
        })?;
        judge(response).await
    }
}

async fn judge(response: Response) -> Result<Answer, ClientError> {
    let status = response.status();
    if status.is_success() {
        return Ok(Answer { status });
    }
    let location = response.headers().get(header::LOCATION).map(|location| one_line(location.as_bytes()));
    if let (StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT, Some(location)) =
        (status, location)
    {
        return Err(ClientError::Moved { status, location });
    }
    Err(ClientError::Refused { status, explanation: explanation(response).await })
}

/// The beginning of the answer's body. That it breaks off does not matter: the status says what counts.
async fn explanation(mut response: Response) -> String {
    let mut text = Vec::new();
    while text.len() < EXPLANATION
        && let Ok(Some(chunk)) = response.chunk().await
    {
        text.extend(chunk.iter().take(EXPLANATION - text.len()));
    }
    one_line(&text)
}

/// How the operator's own requests go out.
#[expect(
    clippy::disallowed_methods,
    reason = "the operator names the hub, so no guard stands between them; the daemon never gets here"
)]
pub fn http_client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(concat!("hubbub/", env!("CARGO_PKG_VERSION"), " (command line)"))
        .timeout(TIMEOUT)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .build()
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Sends a form to a hub that answers with these bytes, and returns what it was sent and what came of it.
    async fn answered(answer: &str) -> (String, Result<Answer, ClientError>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hub?a=b", listener.local_addr().unwrap()).parse().unwrap();
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let mut read = 0;
            while !request[..read].ends_with(b"hub.mode=publish") {
                let more = stream.read(&mut request[read..]).await.unwrap();
                assert_ne!(more, 0, "the request broke off");
                read += more;
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request[..read].to_vec()).unwrap()
        };
        let hub = Hub::at(url).unwrap();
        tokio::join!(serving, hub.send("hub.mode=publish".to_owned()))
    }

    #[tokio::test]
    async fn a_form_is_posted_as_one_and_any_2xx_is_a_yes() {
        let (request, answer) = answered("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert!(request.starts_with("POST /hub?a=b HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("content-type: application/x-www-form-urlencoded\r\n"), "{request}");
        assert_eq!(answer.unwrap().to_string(), "accepted: the hub answered 204 No Content");
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_the_hubs_words_without_control_characters() {
        let (_, answer) =
            answered("HTTP/1.1 400 Bad Request\r\nContent-Length: 21\r\n\r\nno \x1b[31mhub.topic\x1b[0m\r\n")
                .await;
        let error = answer.unwrap_err().to_string();
        assert_eq!(error, "the hub answered 400 Bad Request: no [31mhub.topic[0m");
    }

    #[tokio::test]
    async fn a_refusal_of_any_length_is_told_in_a_kibibyte_even_if_it_never_ends() {
        let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 1000000\r\n\r\n";
        let (_, answer) = answered(&format!("{head}{}", "x".repeat(5_000))).await;
        match answer.unwrap_err() {
            ClientError::Refused { explanation, .. } => assert_eq!(explanation, "x".repeat(EXPLANATION)),
            other => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn a_move_is_reported_and_not_followed() {
        let (_, answer) = answered(
            "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://new.example/\r\nContent-Length: 0\r\n\r\n",
        )
        .await;
        let error = answer.unwrap_err().to_string();
        assert_eq!(error, "the hub answered 308 Permanent Redirect: it has moved to https://new.example/");
    }

    #[tokio::test]
    async fn a_hub_that_is_not_there_is_named_without_its_password() {
        let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let hub = Hub::at(format!("http://me:hunter2@{unused}/").parse().unwrap()).unwrap();
        let error = anyhow::Error::from(hub.send(String::new()).await.unwrap_err());
        let told = format!("{error:#}");
        assert!(told.starts_with(&format!("the hub at http://{unused}/ did not answer: ")), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}
