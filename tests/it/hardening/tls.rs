//! Peers whose TLS is no good: other names, other times, nobody's word, and handshakes that never end.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tempfile::NamedTempFile;
use tokio::task::JoinSet;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{self, pki_types::PrivatePkcs8KeyDer},
};

use super::{
    rogue::{Deed, Rogue},
    siege::{SMALL, Siege},
};
use crate::harness::{Form, Page, Publisher, Subscriber};

/// Somebody the hub trusts.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// What a system lists whom it trusts in.
    fn file(&self) -> NamedTempFile {
        let file = NamedTempFile::new().unwrap();
        let encoded = STANDARD.encode(self.0.der());
        let text = format!("-----BEGIN CERTIFICATE-----\n{encoded}\n-----END CERTIFICATE-----\n");
        std::fs::write(file.path(), text).unwrap();
        file
    }

    /// A server's side of TLS, with a certificate for this name, good from one year to another.
    fn vouch(&self, name: &str, from: i32, until: i32) -> TlsAcceptor {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.into()], PrivatePkcs8KeyDer::from(key.serialize_der()).into());
        TlsAcceptor::from(Arc::new(config.unwrap()))
    }
}

#[tokio::test]
async fn certificates_that_are_no_good_and_handshakes_that_never_end() {
    let authority = Authority::new();
    let roots = authority.file();
    let settings = Siege::settings().with_variable("SSL_CERT_FILE", roots.path().to_str().unwrap());
    let mut siege = Siege::lay_with(settings).await;
    let good = Subscriber::start_tls(authority.vouch("localhost", 2020, 2100));
    let bad = [
        ("for another name", Subscriber::start_tls(authority.vouch("other.example", 2020, 2100))),
        ("expired", Subscriber::start_tls(authority.vouch("localhost", 2000, 2001))),
        ("not yet valid", Subscriber::start_tls(authority.vouch("localhost", 2099, 2100))),
        ("nobody's word", Subscriber::start_self_signed()),
        ("somebody else's word", Subscriber::start_tls(Authority::new().vouch("localhost", 2020, 2100))),
    ];
    let callback = good.callback("/cb");
    siege.stage.subscribe_03(siege.topic(), &callback).await;
    for (what, subscriber) in &bad {
        let callback = subscriber.callback("/cb");
        let answer = siege.stage.hub.post(&Form::subscribe(siege.topic(), &callback).sync()).await;
        assert_eq!(answer.status, 409, "{what}: {answer:?}");
        assert!(callback.verifications().is_empty(), "{what}: not a word before the certificate");
    }
    // Takes the connection and says nothing; says something else; never stops; goes.
    let plain = Rogue::from_the_start(Deed::Silence).await;
    let mut stalled = vec![plain];
    for deed in [Deed::Deafness, Deed::Noise, Deed::Body(200), Deed::Reset, Deed::HalfAnAnswer] {
        stalled.push(Rogue::from_the_start(deed).await);
    }
    let mut asked = JoinSet::new();
    for rogue in &stalled {
        let url = rogue.url("/cb").replace("http://127.0.0.1", "https://localhost");
        let form = Form::intent("subscribe", &siege.topic().url(), &url).sync();
        let (client, hub) = (siege.stage.hub.client().clone(), siege.stage.hub.url().to_owned());
        asked.spawn(async move { client.post(&hub, &form).await });
    }
    siege.goes_on().await;
    for answer in asked.join_all().await {
        answer.expect(409);
    }
    callback.delivered(1).await;
    siege.ends("TLS that is no good", SMALL).await;
}

/// And no word of theirs is news.
#[tokio::test]
async fn topics_whose_certificates_are_no_good_and_whose_handshakes_never_end() {
    let authority = Authority::new();
    let roots = authority.file();
    let settings = Siege::settings().with_variable("SSL_CERT_FILE", roots.path().to_str().unwrap());
    let mut siege = Siege::lay_with(settings).await;
    let callback = siege.stage.subscriber.callback("/tls");
    let bad = [
        ("for another name", authority.vouch("other.example", 2020, 2100)),
        ("expired", authority.vouch("localhost", 2000, 2001)),
        ("not yet valid", authority.vouch("localhost", 2099, 2100)),
        ("somebody else's word", Authority::new().vouch("localhost", 2020, 2100)),
    ];
    for (what, tls) in bad {
        let site = Publisher::start_tls(tls);
        let topic = site.topic("/feed");
        topic.put(Page::text(what));
        siege.stage.subscribe_03(&topic, &callback).await;
        siege.stage.ping(&topic).await;
        site.refused(1).await;
        assert!(topic.fetches().is_empty(), "{what}: not a word before the certificate");
    }
    let mut pings = Form::default().with("hub.mode", "publish");
    let mut stalled = Vec::new();
    for deed in [Deed::Silence, Deed::Deafness, Deed::Noise, Deed::Body(200), Deed::Reset] {
        let rogue = Rogue::start(deed).await;
        let url = rogue.url("/feed").replace("http://127.0.0.1", "https://localhost");
        siege.stage.accept_sync(&Form::intent("subscribe", &url, &callback.url())).await;
        pings = pings.with("hub.url", url);
        stalled.push(rogue);
    }
    siege.stage.hub.post(&pings).await.expect(204);
    siege.goes_on().await;
    let good = Publisher::start_tls(authority.vouch("localhost", 2020, 2100));
    let topic = good.topic("/feed");
    topic.put(Page::text("good"));
    siege.stage.subscribe_03(&topic, &callback).await;
    siege.stage.ping(&topic).await;
    assert_eq!(callback.delivered(1).await[0].body, "good");
    assert_eq!(callback.attempts().len(), 1, "and nothing of the others");
    siege.ends("topics whose TLS is no good", SMALL).await;
}

/// Certificates are looked at anew with each connection: one that expires, or is another's from one day to the next, ends
/// the deliveries and not the subscription.
#[tokio::test]
async fn a_callback_whose_certificate_goes_bad_waits_until_it_is_good_again() {
    let authority = Authority::new();
    let roots = authority.file();
    let settings = Siege::settings()
        .with("hosts", "connections", 1)
        .with_variable("SSL_CERT_FILE", roots.path().to_str().unwrap());
    let mut siege = Siege::lay_with(settings).await;
    let mut house = Subscriber::start_tls(authority.vouch("localhost", 2020, 2100));
    let callback = house.callback("/cb");
    siege.stage.subscribe_03(siege.topic(), &callback).await;
    siege.goes_on().await;
    callback.delivered(1).await;
    house.go_down().await;
    house.speak(authority.vouch("localhost", 2000, 2001));
    house.come_up();
    siege.goes_on().await;
    house.refused(2).await;
    assert_eq!(callback.attempts().len(), 1);
    house.go_down().await;
    house.speak(authority.vouch("localhost", 2020, 2100));
    house.come_up();
    callback.delivered(2).await;
    siege.ends("a certificate that expires", SMALL).await;
}
