//! Whom the hub never connects to: what is not public (X01), itself (X02), and who cannot show a certificate (X13).

use std::net::Ipv4Addr;

use crate::harness::{Form, Page, Publisher, Reply, Settings, Stage, Subscriber};

/// Another address of the loopback network than that of the usual peers.
const ALLOWED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// One of each kind of address that is not on the public internet, in every spelling of the most dangerous one.
const NOT_PUBLIC: [&str; 26] = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "localhost",
    "LocalHost.",
    "name.localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "0.0.0.0",
    "[::]",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[fe80::1]",
    "[fc00::1]",
    "[ff02::1]",
    "[::ffff:10.0.0.1]",
];

/// What is plainly not public is refused at once, as a callback and as a topic, and the answer does not say to where a
/// name leads (X01).
#[tokio::test]
async fn x01_addresses_that_are_not_public_are_refused() {
    let stage = Stage::set_with(Settings::quick().allowing_only("192.0.2.0/24")).await;
    for host in NOT_PUBLIC {
        let inside = format!("http://{host}:8080/x");
        let forms = [
            ("hub.callback", Form::intent("subscribe", "http://192.0.2.1/t", &inside)),
            ("hub.topic", Form::intent("subscribe", &inside, "http://192.0.2.1/c")),
        ];
        for (parameter, form) in forms {
            for form in [form.clone(), form.sync()] {
                let answer = stage.hub.post(&form).await;
                assert_eq!(answer.status, 403, "{host}: {answer:?}");
                assert!(answer.text.contains(parameter) && answer.text.contains("URL"), "{host}: {answer:?}");
                assert!(!answer.text.contains("127.0.0.1"), "{host}: {answer:?}");
            }
        }
    }
}

/// What is not refused at once is judged when it is connected to, were it allowed when it was accepted: what was put on
/// disk under other rules is neither fetched nor delivered to, leaving is never refused (S33) and yet nobody inside is
/// called; and an allowed range opens no other (X01).
#[tokio::test]
async fn x01_nothing_is_connected_to_that_was_not_judged() {
    let mut stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    callback.always_reply(Reply::Status(500));
    topic.put(Page::text("news"));
    stage.ping(&topic).await;
    callback.attempted(2).await;
    stage.hub.end().await;
    let known = || (topic.fetches().len(), callback.attempts().len(), callback.verifications().len());
    let before = known();

    stage.hub.reconfigure(Settings::quick().allowing_only("127.0.0.2/32"));
    stage.hub.restart().await;
    stage.ping(&topic).await;
    let leaving = Form::unsubscribe(&topic, &callback);
    stage.hub.post(&leaving.clone()).await.expect(202);
    stage.hub.post(&leaving.clone().sync()).await.expect(409);
    let by_name = callback.url().replace("127.0.0.1", "localhost");
    stage.hub.post(&leaving.but("hub.callback", by_name).sync()).await.expect(409);
    // Those who may be called are, so the hub does call; and as often as this one is tried again, the other would be.
    let (site, house) = (Publisher::start_on(ALLOWED), Subscriber::start_on(ALLOWED));
    let (open, welcome) = (site.topic("/text"), house.callback("/cb"));
    stage.accept_sync(&Form::subscribe(&open, &welcome)).await;
    welcome.reply([500; 4].map(Reply::Status));
    open.put(Page::text("news"));
    stage.ping(&open).await;
    welcome.delivered(1).await;
    assert_eq!(known(), before, "fetches, deliveries, verifications");
}

/// The hub does not subscribe itself to anything, or anybody to itself, under whichever of its names (X02).
#[tokio::test]
async fn x02_the_hub_itself_is_neither_topic_nor_callback() {
    let stage = Stage::set().await;
    let (topic, callback) = (stage.publisher.topic("/text"), stage.subscriber.callback("/cb"));
    let hub = stage.hub.url().trim_end_matches('/');
    let names = [
        hub.to_owned(),
        format!("{hub}/"),
        hub.replace("http://", "HTTP://"),
        hub.replace("http://", "https://"),
        hub.replace("127.0.0.1", "127.1"),
        format!("{hub}/?hub.mode=publish"),
        format!("{hub}/subscribe"),
        format!("{hub}/publish?x"),
        format!("{hub}/./x/../subscribe"),
    ];
    for name in names {
        for form in [
            Form::intent("subscribe", &name, &callback.url()),
            Form::intent("subscribe", &topic.url(), &name),
        ] {
            let answer = stage.hub.post(&form).await;
            assert_eq!(answer.status, 403, "{name}: {answer:?}");
            assert!(answer.text.contains("the hub itself"), "{answer:?}");
        }
    }
    let with_password = hub.replace("http://", "http://user:password@");
    stage.hub.post(&Form::intent("subscribe", &topic.url(), &with_password)).await.expect(403);
}

/// Whatever else is under the addresses of the hub's own listeners is not called either, although the range is allowed:
/// not by an address in any spelling, and not by a name, which is known for ours when it has been looked up (X02).
#[tokio::test]
async fn x02_the_hubs_own_listeners_are_never_called() {
    let stage = Stage::set().await;
    let (topic, callback) = (stage.publisher.topic("/text"), stage.subscriber.callback("/cb"));
    let admin = stage.hub.admin("/api/status");
    for url in [stage.hub.at("/livez"), admin.clone()] {
        for host in ["127.0.0.1", "127.1", "0x7f.0.0.1", "2130706433", "[::ffff:7f00:1]", "localhost"] {
            let url = url.replace("127.0.0.1", host);
            for form in [
                Form::intent("subscribe", &url, &callback.url()),
                Form::intent("subscribe", &topic.url(), &url),
            ] {
                let answer = stage.hub.post(&form).await.expect(403);
                assert!(answer.text.contains("the hub's own address"), "{url}: {answer:?}");
            }
        }
    }
    // Leaving is never refused, and calls nobody all the same.
    stage.hub.post(&Form::intent("unsubscribe", &topic.url(), &admin).sync()).await.expect(409);
    stage.subscribe_03(&topic, &callback).await;
}

/// A redirect is one more way to name them (X02).
#[tokio::test]
async fn x02_no_redirect_leads_to_the_hubs_own_listeners() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/text").await;
    topic.put(Page::redirect(302, &stage.hub.admin("/")));
    stage.ping(&topic).await;
    topic.fetched(1).await;
    stage.got_only(0, &topic, &callback).await;
}

/// A certificate that nobody vouches for ends the connection before a word is said, unless the operator named its host.
#[tokio::test]
async fn x13_certificates_are_verified_but_for_the_hosts_the_operator_names() {
    for (named, status) in [(vec![], 409), (vec!["other.example"], 409), (vec!["localhost"], 204)] {
        let stage = Stage::set_with(Settings::quick().with("network", "self_signed_hosts", named)).await;
        let (topic, subscriber) = (stage.publisher.topic("/t"), Subscriber::start_self_signed());
        let callback = subscriber.callback("/cb");
        assert!(callback.url().starts_with("https://localhost:"));
        stage.hub.post(&Form::subscribe(&topic, &callback).sync()).await.expect(status);
        assert_eq!(callback.verifications().len(), usize::from(status == 204));
    }
}

/// A redirect, and a name that is allowed only as a name, lead to no address that the operator did not allow (X01).
#[tokio::test]
async fn x01_no_redirect_leads_to_an_address_that_is_not_allowed() {
    let stage = Stage::set_with(Settings::quick().allowing_only("127.0.0.1/32")).await;
    let inside = Publisher::start_on(Ipv4Addr::new(127, 0, 0, 2));
    let secret = inside.topic("/metadata");
    secret.put(Page::text("for nobody's eyes"));
    let (topic, callback) = stage.subscribed("/text").await;
    topic.put(Page::redirect(302, &secret.url()));
    stage.ping(&topic).await;
    topic.fetched(1).await;
    let direct = stage.subscriber.callback("/direct");
    stage.hub.post(&Form::subscribe(&secret, &direct)).await.expect(403);
    stage.got_only(0, &topic, &callback).await;
    assert!(secret.fetches().is_empty(), "it went where it must not");
}
