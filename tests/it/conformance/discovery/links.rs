//! Discovery, L01-L11: what the hub reads of a topic to learn its own name, its hubs and its aliases.
//!
//! What was read shows in the Link header of the deliveries: the topic's own name (D07), and the hub as the topic spells
//! it (D06), for which every case has a spelling of its own.

use bytes::Bytes;

use crate::harness::{Callback, Form, Page, Stage, Topic};

const OWN: &str = "http://own.example/feed";
const ATOM: &str = "xmlns=\"http://www.w3.org/2005/Atom\"";

/// Another spelling of the hub's own URL than the configured one, so that it is seen where it was found.
fn spelled(stage: &Stage) -> String {
    stage.hub.url().replace("http://", "HTTP://")
}

/// Subscribes to a topic, pings it, and returns the targets of the delivery's links: self, hub.
async fn read(stage: &Stage, topic: &Topic) -> (String, String) {
    let path = topic.url().rsplit_once('/').unwrap().1.to_owned();
    let callback = stage.subscriber.callback(&format!("/cb/{path}"));
    stage.subscribe_03(topic, &callback).await;
    stage.ping(topic).await;
    links(&callback, 1).await
}

/// The links of the `count`th delivery.
async fn links(callback: &Callback, count: usize) -> (String, String) {
    let deliveries = callback.delivered(count).await;
    let link = deliveries[count - 1].header("link").unwrap();
    let (own, hub) = link.split_once(", ").unwrap();
    let bare = |link: &str| link.trim_start_matches('<').split_once('>').unwrap().0.to_owned();
    (bare(own), bare(hub))
}

/// Puts each page up and checks that self and hub were read from it, or that neither was.
async fn check(stage: &Stage, cases: Vec<(&str, Page, bool)>) {
    for (name, page, is_found) in cases {
        let topic = stage.publisher.topic(&format!("/{name}"));
        topic.put(page);
        let found = read(stage, &topic).await;
        let nothing = (topic.url(), stage.hub.url().to_owned());
        let expected = if is_found { (OWN.to_owned(), spelled(stage)) } else { nothing };
        assert_eq!(found, expected, "{name}");
    }
}

fn rss(root: &str, links: &str) -> Bytes {
    let item = "<item><guid>1</guid></item>";
    Bytes::from(format!("<rss version=\"2.0\" {root}><channel><title>t</title>{links}{item}</channel></rss>"))
}

fn atom(links: &str) -> Bytes {
    Bytes::from(format!("<feed {ATOM}>{links}<entry><id>urn:1</id></entry></feed>"))
}

/// `self` and `hub` as elements of this name.
fn elements(name: &str, hub: &str) -> String {
    format!("<{name} rel=\"self\" href=\"{OWN}\"/><{name} rel='hub' href='{hub}'></{name}>")
}

/// Headers on whatever it is, and links in each kind of feed, whatever it is served as (L01).
#[tokio::test]
async fn l01_every_form_of_advertisement_is_read() {
    let stage = Stage::set().await;
    let hub = spelled(&stage);
    let header = format!("<{OWN}>; rel=\"self\", <{hub}>; rel=\"hub\"");
    let plain = |kind: &str, body: &'static str| Page::of(kind, body).with_header("link", &header);
    let prefixed = format!("xmlns:atom{}", ATOM.trim_start_matches("xmlns"));
    let rdf = format!(
        "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" xmlns=\"http://purl.org/rss/1.0/\" \
         {prefixed}><channel>{}</channel><item rdf:about=\"urn:1\"/></rdf:RDF>",
        elements("atom:link", &hub)
    );
    let cases = vec![
        ("text", plain("text/plain", "news"), true),
        ("json", plain("application/json", "{}"), true),
        ("untyped", Page::untyped("news").with_header("link", &header), true),
        ("atom", Page::of("application/atom+xml", atom(&elements("link", &hub))), true),
        ("rss", Page::of("text/html", rss(&prefixed, &elements("atom:link", &hub))), true),
        ("rdf", Page::untyped(rdf), true),
        ("nothing", Page::of("application/atom+xml", atom("")), false),
    ];
    check(&stage, cases).await;
}

/// A header wins over an element, for each of the two relations by itself (L02).
#[tokio::test]
async fn l02_headers_win_over_elements_one_relation_at_a_time() {
    let stage = Stage::set().await;
    let hub = spelled(&stage);
    let bare = hub.trim_end_matches('/');
    let page = |name: &str, header: &str| {
        let topic = stage.publisher.topic(name);
        let page = Page::of("application/atom+xml", atom(&elements("link", bare)));
        topic.put(if header.is_empty() { page } else { page.with_header("link", header) });
        topic
    };
    let own = "http://header.example/feed";
    let both = format!("<{own}>; rel=self, <{hub}>; rel=hub");
    for (name, header, expected) in [
        ("/both", both, (own, hub.as_str())),
        ("/self", format!("<{own}>; rel=self"), (own, bare)),
        ("/hub", format!("<{hub}>; rel=hub"), (OWN, hub.as_str())),
        ("/neither", "<http://header.example/>; rel=alternate".to_owned(), (OWN, bare)),
        ("/none", String::new(), (OWN, bare)),
        // Who names other hubs in its headers is not asked what its elements say.
        ("/others", "<http://other.example/>; rel=hub".to_owned(), (OWN, stage.hub.url())),
    ] {
        let found = read(&stage, &page(name, &header)).await;
        assert_eq!((found.0.as_str(), found.1.as_str()), expected, "{name}");
    }
}

/// Every way in which sites write the header (L03).
#[tokio::test]
async fn l03_link_headers_are_read_as_sites_write_them() {
    let stage = Stage::set().await;
    let hub = spelled(&stage);
    let page = |headers: &[String]| {
        headers.iter().fold(Page::of("text/plain", "news"), |page, value| page.with_header("link", value))
    };
    let list = |own: &str, hub: &str| page(&[format!("{own}, {hub}")]);
    let cases = vec![
        ("quoted", list(&format!("<{OWN}>; rel=\"self\""), &format!("<{hub}>; rel=\"hub\"")), true),
        ("bare", list(&format!("<{OWN}>;rel=self"), &format!("<{hub}>;rel=hub")), true),
        ("headers", page(&[format!("<{hub}>; rel=hub"), format!("<{OWN}>; rel=self")]), true),
        ("case", list(&format!("<{OWN}>; REL=\"Self\""), &format!("<{hub}>; Rel=HUB")), true),
        (
            "tokens",
            list(&format!("<{OWN}>; rel=\"alternate self\""), &format!("<{hub}>; rel=\"hub  x\"")),
            true,
        ),
        ("semicolon", list(&format!("<{OWN}> rel=\"self\""), &format!("<{hub}> rel=\"hub\"")), true),
        (
            "parameters",
            list(&format!("<{OWN}>; title=\"a, <b>; rel=no\"; rel=self"), &format!("<{hub}>; x; rel=hub;")),
            true,
        ),
        ("spaces", list(&format!("< {OWN} > ; rel = self"), &format!(" <{hub}> ; rel = 'hub'")), true),
        ("others", list(&format!("<{OWN}>; rel=selfish"), &format!("<{hub}>; rel=\"hubs\"")), false),
        ("unbracketed", list(&format!("{OWN}; rel=self"), &format!("{hub}; rel=hub")), false),
    ];
    check(&stage, cases).await;

    // What is relative is relative to where the redirects ended.
    let (typed, end) = (stage.publisher.topic("/typed"), stage.publisher.topic("/far/away/end"));
    typed.put(Page::redirect(302, "/far/away/end"));
    end.put(Page::of("text/plain", "news").with_header("link", "<../feed?x>; rel=self"));
    assert_eq!(read(&stage, &typed).await.0, stage.publisher.topic("/far/feed?x").url());
}

/// It is the namespace that makes a link, not the prefix; and only a link of the feed itself speaks for the feed (L04).
#[tokio::test]
async fn l04_links_of_a_feed_are_known_by_namespace_and_place() {
    let stage = Stage::set().await;
    let hub = spelled(&stage);
    let uri = "\"http://www.w3.org/2005/Atom\"";
    let typed = |body| Page::of("application/xml", body);
    let own_scope = |name: &str, declaration: &str| {
        let (own, hub) = (format!("rel='self' href='{OWN}'"), format!("rel='hub' href='{hub}'"));
        format!("<{name} {declaration} {own}/><{name} {declaration} {hub}/>")
    };
    let inner = format!("<entry><id>urn:2</id>{}</entry>", elements("link", &hub));
    let inner_source = format!("<entry><id>urn:3</id><source>{}</source></entry>", elements("link", &hub));
    let item = format!("<item><guid>2</guid>{}</item>", own_scope("link", &format!("xmlns={uri}")));
    let prefixed = format!(
        "<a:feed xmlns:a={uri}>{}<a:entry><a:id>urn:1</a:id></a:entry></a:feed>",
        elements("a:link", &hub)
    );
    let cases = vec![
        ("atom", typed(prefixed.into()), true),
        ("any-prefix", typed(rss(&format!("xmlns:a10={uri}"), &elements("a10:link", &hub))), true),
        ("default", typed(rss("", &own_scope("link", &format!("xmlns={uri}")))), true),
        ("local-prefix", typed(rss("", &own_scope("x:link", &format!("xmlns:x={uri}")))), true),
        ("unnamespaced", typed(rss("", &elements("link", &hub))), true),
        ("foreign", typed(rss("xmlns:atom=\"urn:other\"", &elements("atom:link", &hub))), false),
        ("in-item", typed(rss("", &item)), false),
        ("in-entry", typed(atom(&inner)), false),
        ("in-source", typed(atom(&inner_source)), false),
        ("in-comment", typed(atom(&format!("<!--{}-->", elements("link", &hub)))), false),
        ("in-title", typed(atom(&format!("<title><![CDATA[{}]]></title>", elements("link", &hub)))), false),
    ];
    check(&stage, cases).await;
}

/// 0.4 let a site name its hub in a file for its whole host; `WebSub` dropped that, and so it is not even asked for
/// (L06).
#[tokio::test]
async fn l06_host_meta_is_not_asked_for() {
    let stage = Stage::set().await;
    let metas =
        ["/.well-known/host-meta", "/.well-known/host-meta.json"].map(|path| stage.publisher.topic(path));
    let hub = spelled(&stage);
    let link = format!("<XRD><Link rel=\"hub\" href=\"{hub}\"/><Link rel=\"self\" href=\"{OWN}\"/></XRD>");
    for meta in &metas {
        meta.put(Page::of("application/xrd+xml", link.clone()));
    }
    check(&stage, vec![("silent", Page::of("text/plain", "news"), false)]).await;
    assert!(metas.iter().all(|meta| meta.fetches().is_empty()));
}

/// A topic has one name: the first that can be one. It may have many hubs (L07).
#[tokio::test]
async fn l07_the_first_usable_self_counts_and_any_of_the_hubs() {
    let stage = Stage::set().await;
    let hub = spelled(&stage);
    let other = "http://other.example/hub";
    let headers = format!(
        "<#top>; rel=self, <{OWN}>; rel=self, <http://second.example/>; rel=self, <{other}>; rel=hub, <{hub}>; rel=hub"
    );
    let links = format!(
        "<link rel='self' href='#{{@content_url}}'/><link rel='self' href='http://me@first.example/'/>\
         <link rel='self' href='/relative'/><link rel='hub' href='{other}'/>{}\
         <link rel='self' href='http://second.example/'/><link rel='hub' href='http://third.example/'/>",
        elements("link", &hub)
    );
    let cases = vec![
        ("headers", Page::of("text/plain", "news").with_header("link", &headers), true),
        ("elements", Page::of("application/atom+xml", atom(&links)), true),
    ];
    check(&stage, cases).await;
}

/// Whoever subscribed under whichever name, a ping for the topic's own name reaches all; and its own name is what every
/// delivery says, while a verification says what was asked for (L08).
#[tokio::test]
async fn l08_the_topics_own_name_wins_over_the_one_that_was_typed() {
    let stage = Stage::set().await;
    let [typed, moved, own] = ["/typed", "/moved", "/own"].map(|path| stage.publisher.topic(path));
    typed.put(Page::redirect(301, "/moved"));
    let put = |text: &'static str| {
        let header = format!("<{}>; rel=self", own.url());
        for place in [&moved, &own] {
            place.put(Page::of("text/plain", text).with_header("link", &header));
        }
    };
    put("one");
    let mut readers = Vec::new();
    for (topic, path) in [(&typed, "/cb/typed"), (&moved, "/cb/moved"), (&own, "/cb/own")] {
        let callback = stage.subscriber.callback(path);
        stage.subscribe_03(topic, &callback).await;
        assert_eq!(callback.verification(1).await.one("hub.topic"), Some(topic.url().as_str()));
        stage.ping(topic).await;
        callback.delivered(1).await;
        readers.push(callback);
    }
    put("two");
    stage.ping(&own).await;
    for callback in readers {
        for count in 1..=2 {
            assert_eq!(links(&callback, count).await.0, own.url(), "{}", callback.url());
        }
        assert_eq!(callback.deliveries()[1].body, "two");
    }
}

/// A site should serve one representation under one name. Where it serves two, each subscriber gets the one that stands
/// at what it subscribed to: nothing is negotiated or mixed (L09).
#[tokio::test]
async fn l09_each_topic_is_delivered_in_its_own_representation() {
    let stage = Stage::set().await;
    let header = format!("<{OWN}>; rel=self");
    let mut readers = Vec::new();
    for (path, kind, body) in [
        ("/feed.json", "application/feed+json", Bytes::from("{\"items\":[]}")),
        ("/feed.atom", "application/atom+xml", atom("")),
    ] {
        let (topic, callback) = (stage.publisher.topic(path), stage.subscriber.callback(path));
        topic.put(Page::of(kind, body.clone()).with_header("link", &header));
        stage.subscribe_ws(&topic, &callback).await;
        readers.push((topic, callback, kind, body));
    }
    for (topic, callback, kind, body) in readers {
        stage.ping(&topic).await;
        let delivery = callback.delivered(1).await.remove(0);
        assert_eq!((delivery.header("content-type"), &delivery.body), (Some(kind), &body));
        assert_eq!(links(&callback, 1).await.0, OWN);
        let fetch = topic.fetched(1).await.remove(0);
        assert_eq!((fetch.header("accept"), fetch.header("accept-language")), (Some("*/*"), None));
    }
}

/// Whether a topic names this hub is not asked: one that names another, or none, is served all the same (L10).
#[tokio::test]
async fn l10_a_topic_need_not_name_this_hub() {
    let stage = Stage::set().await;
    for (name, hub) in [("other", "https://other.example/"), ("literal", "#{@hub.endpoint}"), ("none", "")] {
        let topic = stage.publisher.topic(&format!("/{name}"));
        topic.put(Page::of("application/atom+xml", atom(&format!("<link rel='hub' href='{hub}'/>"))));
        let callback = stage.subscriber.callback(&format!("/ws/{name}"));
        let form = Form::subscribe(&topic, &callback);
        stage.accept(&form, &topic, &callback).await;
        assert_eq!(read(&stage, &topic).await.1, stage.hub.url());
        callback.delivered(1).await;
        let modes: Vec<_> = callback.verifications().iter().map(|one| one.mode().to_owned()).collect();
        assert_eq!(modes, ["subscribe"], "nothing was denied");
    }
}

/// A hub behind a proxy has two addresses, one with TLS and one without, and a topic may name either: both are this hub
/// (L11).
#[tokio::test]
async fn l11_the_hub_is_known_under_http_and_https() {
    let stage = Stage::set().await;
    let secure = stage.hub.url().replace("http://", "https://");
    let links = format!("<link rel='hub' href='http://other.example/'/><link rel='hub' href='{secure}'/>");
    let topic = stage.publisher.topic("/secure");
    topic.put(Page::of("application/atom+xml", atom(&links)));
    assert_eq!(read(&stage, &topic).await.1, secure);
    // The hub itself speaks plain HTTP, for the sake of peers that speak nothing else.
    assert!(stage.hub.url().starts_with("http://"));
}
