//! Subscribes, receives, and shows what comes, until enough came.

use std::{
    future::Future,
    io::{self, Write},
    pin::pin,
};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    Answer, ClientError, Event, Expected, Hub, Mode, Receiver, SubscriptionForm, display::for_terminal,
};

/// One request with a callback that listens for what follows from it.
#[derive(Debug)]
pub struct Watch {
    pub hub: Hub,
    pub form: SubscriptionForm,
    pub receiver: Receiver,
    /// Ends after so many deliveries; `None` never does. An unsubscription ends when it is verified.
    pub count: Option<u64>,
    /// Whether bodies go to a terminal, and so without control characters.
    pub terminal: bool,
}

/// Why the watching ended early.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error(transparent)]
    Hub(#[from] ClientError),
    #[error("the hub denied the subscription: {0}")]
    Denied(String),
    #[error("cannot write what was received")]
    Output(#[from] io::Error),
}

impl Watch {
    /// Sends the request and shows what comes, until that is enough or `interrupted` is.
    pub async fn run(
        self,
        mut out: impl Write,
        interrupted: impl Future<Output = ()>,
    ) -> Result<(), WatchError> {
        let Self { hub, form, receiver, count, terminal } = self;
        let expected = Expected {
            mode: form.mode,
            topic: form.topic.clone(),
            verify_token: form.verify_token.clone(),
            secret: form.secret.clone(),
        };
        writeln!(out, "listening on http://{}/ for {}", receiver.address(), form.callback)?;
        // One at a time: each is answered when it has been shown.
        let (events, inbox) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let receiving = receiver.run(expected, events, stop.clone());
        let progress =
            Progress { mode: form.mode, count, terminal, answered: false, verified: false, deliveries: 0 };
        let showing = async {
            let _stops_when_dropped = stop.drop_guard();
            progress.follow(hub.send(form.encode()), inbox, &mut out, interrupted).await
        };
        let ((), result) = tokio::join!(receiving, showing);
        result
    }
}

/// How far it has come.
struct Progress {
    mode: Mode,
    count: Option<u64>,
    terminal: bool,
    answered: bool,
    verified: bool,
    deliveries: u64,
}

impl Progress {
    async fn follow(
        mut self,
        sending: impl Future<Output = Result<Answer, ClientError>>,
        mut inbox: mpsc::Receiver<Event>,
        out: &mut impl Write,
        interrupted: impl Future<Output = ()>,
    ) -> Result<(), WatchError> {
        let (mut sending, mut interrupted) = (pin!(sending), pin!(interrupted));
        while !self.is_done() {
            // A hub of 0.3 verifies before it answers, and any may be quicker than its own answer.
            tokio::select! {
                answer = &mut sending, if !self.answered => {
                    writeln!(out, "{}", answer?)?;
                    self.answered = true;
                }
                Some(event) = inbox.recv() => self.show(event, out)?,
                () = &mut interrupted => break,
            }
            out.flush()?;
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        let enough = match self.mode {
            Mode::Subscribe => self.count.is_some_and(|count| self.deliveries >= count),
            Mode::Unsubscribe => true,
        };
        self.answered && self.verified && enough
    }

    fn show(&mut self, event: Event, out: &mut impl Write) -> Result<(), WatchError> {
        match event {
            Event::Verified { lease_seconds, shown } => {
                self.verified = true;
                let lease = lease_seconds.map(|seconds| format!(", lease {seconds} s")).unwrap_or_default();
                writeln!(out, "verified: {}{lease}", self.mode.as_str())?;
                acknowledge(shown);
            }
            Event::Denied { reason, shown } => {
                acknowledge(shown);
                return Err(WatchError::Denied(reason));
            }
            Event::Delivery { content_type, links, signature, body, shown } => {
                self.deliveries += 1;
                writeln!(out, "delivery {}", self.deliveries)?;
                writeln!(out, "Content-Type: {}", content_type.as_deref().unwrap_or("missing"))?;
                for link in links {
                    writeln!(out, "Link: {link}")?;
                }
                writeln!(out, "X-Hub-Signature: {signature}\n")?;
                out.write_all(&if self.terminal { for_terminal(&body) } else { body.as_ref().into() })?;
                writeln!(out)?;
                acknowledge(shown);
            }
        }
        Ok(())
    }
}

/// Lets the answer go. That the hub hung up meanwhile changes nothing.
fn acknowledge(shown: oneshot::Sender<()>) {
    shown.send(()).ok();
}

#[cfg(test)]
mod tests {
    use std::{future::pending, net::SocketAddr};

    use http::StatusCode;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::client::{SecretText, hub::http_client};

    const TOPIC: &str = "http://topic.example/feed?q=a b";
    /// The hub's spelling of it in a query.
    const TOPIC_ENCODED: &str = "http%3A%2F%2Ftopic.example%2Ffeed%3Fq%3Da%20b";

    /// A hub that answers one request 202 and is then the test's to play.
    struct HubOnPaper(TcpListener);

    impl HubOnPaper {
        async fn accept(&self) -> TcpStream {
            let (mut stream, _) = self.0.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.windows(12).any(|bytes| bytes == b"hub.callback") {
                assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "the request broke off");
            }
            stream
        }

        async fn answer(mut stream: TcpStream, status: &str) {
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }

    async fn watch(mode: Mode, count: u64) -> (HubOnPaper, SocketAddr, Watch) {
        let hub = HubOnPaper(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let url = format!("http://{}/", hub.0.local_addr().unwrap()).parse().unwrap();
        let receiver = Receiver::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = receiver.address();
        let form = SubscriptionForm {
            mode,
            topic: TOPIC.to_owned(),
            callback: format!("http://{address}/"),
            secret: Some(SecretText::new("Jefe")),
            lease_seconds: None,
            verify: None,
            verify_token: Some(SecretText::new("token")),
        };
        (
            hub,
            address,
            Watch { hub: Hub::at(url).unwrap(), form, receiver, count: Some(count), terminal: false },
        )
    }

    async fn get(address: SocketAddr, query: &str) -> (StatusCode, String) {
        let response = http_client().unwrap().get(format!("http://{address}/?{query}")).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    fn question(mode: &str, topic: &str, token: &str) -> String {
        format!(
            "hub.mode={mode}&hub.topic={topic}&hub.challenge=c-1&hub.lease_seconds=60&hub.verify_token={token}"
        )
    }

    async fn deliver(address: SocketAddr, signature: &str) -> StatusCode {
        let request = http_client()
            .unwrap()
            .post(format!("http://{address}/"))
            .header("Content-Type", "application/atom+xml")
            .header("Link", format!("<{TOPIC}>; rel=\"self\""))
            .header("X-Hub-Signature", signature)
            .body("what do ya want for nothing?");
        request.send().await.unwrap().status()
    }

    #[tokio::test]
    async fn it_verifies_receives_and_ends_when_enough_came() {
        let (hub, address, watch) = watch(Mode::Subscribe, 2).await;
        let mut out = Vec::new();
        let playing = async {
            HubOnPaper::answer(hub.accept().await, "202 Accepted").await;
            let verified = get(address, &question("subscribe", TOPIC_ENCODED, "token")).await;
            assert_eq!(verified, (StatusCode::OK, "c-1".to_owned()));
            let good = deliver(address, "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79").await;
            let bad = deliver(address, "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c78").await;
            assert_eq!((good, bad), (StatusCode::OK, StatusCode::OK));
        };
        let (result, ()) = tokio::join!(watch.run(&mut out, pending()), playing);
        result.unwrap();
        let delivery = |number, verdict| {
            format!(
                "delivery {number}\nContent-Type: application/atom+xml\nLink: <{TOPIC}>; rel=\"self\"\n\
                 X-Hub-Signature: {verdict}\n\nwhat do ya want for nothing?\n"
            )
        };
        let expected = format!(
            "listening on http://{address}/ for http://{address}/\naccepted: the hub answered 202 Accepted\n\
             verified: subscribe, lease 60 s\n{}{}",
            delivery(1, "valid (sha1)"),
            delivery(2, "invalid")
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[tokio::test]
    async fn what_was_not_asked_for_is_not_found() {
        let (hub, address, watch) = watch(Mode::Subscribe, 0).await;
        let mut out = Vec::new();
        let playing = async {
            let request = hub.accept().await;
            let wrong = [
                question("unsubscribe", TOPIC_ENCODED, "token"),
                question("subscribe", "http%3A%2F%2Fother.example%2F", "token"),
                question("subscribe", TOPIC_ENCODED, "other"),
                format!("hub.mode=subscribe&hub.topic={TOPIC_ENCODED}&hub.verify_token=token"),
                String::new(),
            ];
            for query in wrong {
                assert_eq!(get(address, &query).await, (StatusCode::NOT_FOUND, String::new()), "{query}");
            }
            // And before the hub's answer, as with hub.verify=sync; the last challenge is the hub's own.
            let right = format!("hub.challenge=decoy&{}", question("subscribe", TOPIC_ENCODED, "token"));
            assert_eq!(get(address, &right).await, (StatusCode::OK, "c-1".to_owned()));
            HubOnPaper::answer(request, "204 No Content").await;
        };
        let (result, ()) = tokio::join!(watch.run(&mut out, pending()), playing);
        result.unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.ends_with("accepted: the hub answered 204 No Content\n"), "{out}");
    }

    #[tokio::test]
    async fn an_unsubscription_ends_when_it_is_verified() {
        let (hub, address, watch) = watch(Mode::Unsubscribe, 9).await;
        let playing = async {
            HubOnPaper::answer(hub.accept().await, "202 Accepted").await;
            let verified = get(address, &question("unsubscribe", TOPIC_ENCODED, "token")).await;
            assert_eq!(verified.0, StatusCode::OK);
        };
        let (result, ()) = tokio::join!(watch.run(io::sink(), pending()), playing);
        result.unwrap();
    }

    #[tokio::test]
    async fn a_denial_and_a_refusal_are_failures() {
        let (hub, address, denied) = watch(Mode::Subscribe, 1).await;
        let playing = async {
            HubOnPaper::answer(hub.accept().await, "202 Accepted").await;
            let told =
                get(address, &format!("hub.mode=denied&hub.topic={TOPIC_ENCODED}&hub.reason=no%1Bt+you"))
                    .await;
            assert_eq!(told.0, StatusCode::OK);
        };
        let (result, ()) = tokio::join!(denied.run(io::sink(), pending()), playing);
        assert_eq!(result.unwrap_err().to_string(), "the hub denied the subscription: not you");

        let (hub, _, refused) = watch(Mode::Subscribe, 1).await;
        let playing = async { HubOnPaper::answer(hub.accept().await, "403 Forbidden").await };
        let (result, ()) = tokio::join!(refused.run(io::sink(), pending()), playing);
        assert!(matches!(result, Err(WatchError::Hub(ClientError::Refused { .. }))), "{result:?}");
    }

    #[tokio::test]
    async fn an_interruption_is_a_clean_end() {
        let (_hub, _, watch) = watch(Mode::Subscribe, 1).await;
        watch.run(io::sink(), async {}).await.unwrap();
    }

    #[tokio::test]
    async fn what_could_not_be_shown_is_not_acknowledged() {
        /// Takes the first lines, then is full.
        struct Full(usize);

        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let (hub, address, watch) = watch(Mode::Subscribe, 1).await;
        let playing = async {
            HubOnPaper::answer(hub.accept().await, "202 Accepted").await;
            assert_eq!(get(address, &question("subscribe", TOPIC_ENCODED, "token")).await.0, StatusCode::OK);
            assert_eq!(deliver(address, "sha1=00").await, StatusCode::SERVICE_UNAVAILABLE);
        };
        let (result, ()) = tokio::join!(watch.run(Full(200), pending()), playing);
        assert!(matches!(result, Err(WatchError::Output(_))), "{result:?}");
    }
}
