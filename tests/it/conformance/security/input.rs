//! What the hub makes of hostile input: feeds that are traps for parsers (X08), and what would break out of a header or
//! a page (X09).

use std::fmt::Write as _;

use crate::harness::{Form, Page, Stage, Topic};

/// Publishes this, checks that it comes out as it went in, and that the topic still works afterwards.
async fn comes_through(stage: &Stage, name: &str, trap: &str) -> Topic {
    let (topic, callback) = (stage.publisher.topic(&format!("/{name}")), stage.subscriber.callback(name));
    stage.subscribe_ws(&topic, &callback).await;
    topic.put(Page::of("application/atom+xml", trap.to_owned()));
    stage.ping(&topic).await;
    assert!(callback.delivered(1).await[0].body == trap, "{name}");
    topic.put(Page::of("text/plain", "and on"));
    stage.ping(&topic).await;
    assert_eq!(callback.delivered(2).await[1].body, "and on", "{name}");
    topic
}

/// No entity is expanded and none is fetched, no depth is too deep, and what a parser cannot vouch for is a body like any
/// other (X08).
#[tokio::test]
async fn x08_traps_for_parsers_are_just_content() {
    let stage = Stage::set().await;
    let outside = stage.publisher.topic("/outside");
    outside.put(Page::of("application/xml-dtd", "<!ENTITY far 'fetched'>"));
    let url = outside.url();
    let feed = |before: &str, inside: &str| {
        format!(
            "{before}<feed xmlns='http://www.w3.org/2005/Atom'><entry><id>urn:1</id>{inside}</entry></feed>"
        )
    };
    let external = format!(
        "<!DOCTYPE feed SYSTEM '{url}' [<!ENTITY far SYSTEM '{url}'><!ENTITY % more SYSTEM '{url}'> %more;]>\
         <?xml-stylesheet href='{url}'?>"
    );
    comes_through(&stage, "/external", &feed(&external, "<title>&far;</title>")).await;
    let include = format!("<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='{url}'/>");
    comes_through(&stage, "/include", &feed("", &include)).await;
    let mut laughs = "<!DOCTYPE feed [<!ENTITY a0 'ha'>".to_owned();
    for level in 1..40 {
        let inner = format!("&a{};", level - 1).repeat(10);
        write!(laughs, "<!ENTITY a{level} '{inner}'>").unwrap();
    }
    comes_through(&stage, "/laughs", &feed(&(laughs + "]>"), "<title>&a39;</title>")).await;
    comes_through(&stage, "/deep", &feed("", &("<a>".repeat(100_000) + &"</a>".repeat(100_000)))).await;
    comes_through(&stage, "/unclosed", &feed("", &"<a b='c'>".repeat(100_000))).await;
    let attributes: Vec<_> = (0..20_000).map(|number| format!(" a{number}=''")).collect();
    comes_through(&stage, "/wide", &feed("", &format!("<a{}/>", attributes.concat()))).await;
    assert!(outside.fetches().is_empty(), "nothing that a document names is fetched");
}

/// Zeros, as gzip: one of them, and then as often as asked "the last byte 258 times more" (RFC 1951 §3.2.6). The
/// checksum of so many zeros has to be known.
fn packed_zeros(repeats: u32, checksum: u32) -> Vec<u8> {
    // The last block, of fixed codes; a literal zero; a length of 258 at a distance of 1, each time; the end.
    let mut bits = vec![true, true, false];
    bits.extend([false, false, true, true, false, false, false, false]);
    for _ in 0..repeats {
        bits.extend([true, true, false, false, false, true, false, true]);
        bits.extend([false; 5]);
    }
    bits.extend([false; 7]);
    let octets =
        bits.chunks(8).map(|bits| bits.iter().rev().fold(0, |octet, bit| octet << 1 | u8::from(*bit)));
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255].into_iter();
    let backwards = |number: u32| number.to_be_bytes().into_iter().rev();
    let tail = backwards(checksum).chain(backwards(1 + 258 * repeats));
    head.chain(octets).chain(tail).collect()
}

/// The limit is on what a body unpacks to, however small it was on the way (X08).
#[tokio::test]
async fn x08_what_unpacks_to_too_much_is_dropped() {
    let stage = Stage::set().await;
    let (topic, callback) = (stage.publisher.topic("/packed"), stage.subscriber.callback("/cb"));
    stage.subscribe_03(&topic, &callback).await;
    let small = packed_zeros(2, 0x517d_1831);
    let large = packed_zeros((12 << 20) / 258, 0x4778_6c38);
    assert!(large.len() < 100_000);
    let publish = async |packed: Vec<u8>, fetches: usize| {
        topic.put(Page::of("text/plain", packed).with_header("content-encoding", "gzip"));
        stage.ping(&topic).await;
        topic.fetched(fetches).await;
    };
    publish(small, 1).await;
    assert_eq!(callback.delivered(1).await[0].body, vec![0; 517]);
    publish(large, 2).await;
    topic.put(Page::of("text/plain", "news"));
    stage.ping(&topic).await;
    assert_eq!(callback.delivered(2).await[1].body, "news");
}

/// Nothing in a topic's name for itself or its hub ends a link or the header (X09).
#[tokio::test]
async fn x09_no_url_breaks_out_of_the_link_header() {
    let stage = Stage::set().await;
    let hub = stage.hub.url();
    let evils = [
        "http://t.example/&gt;; rel=&quot;self&quot;, &lt;http://evil.example/",
        "http://t.example/&gt;;rel=self,&lt;http://evil.example/",
        "http://t.example/&#13;&#10;X-Evil: 1",
        "http://t.example/&#10;&#10;evil",
        "http://t.example/\"&gt;&lt;script&gt;",
        "http://t.example/&#x7f;&#x85;&#x2028;",
    ];
    for (index, evil) in evils.into_iter().enumerate() {
        let topic = stage.publisher.topic(&format!("/{index}"));
        let links = [("self", evil), ("hub", evil), ("hub", hub)]
            .map(|(rel, href)| format!("<link rel='{rel}' href='{href}'/>"));
        let links = links.concat();
        let feed =
            format!("<feed xmlns='http://www.w3.org/2005/Atom'>{links}<entry><id>1</id></entry></feed>");
        topic.put(Page::of("application/atom+xml", feed));
        let callback = stage.subscriber.callback(&format!("/cb/{index}"));
        stage.subscribe_03(&topic, &callback).await;
        stage.ping(&topic).await;
        let delivery = callback.delivered(1).await.remove(0);
        let link = delivery.header("link").unwrap();
        assert_eq!((link.matches('<').count(), link.matches('>').count()), (2, 2), "{link}");
        assert_eq!(link.matches("rel=\"").count(), 2, "{link}");
        assert!(link.ends_with(&format!(">; rel=\"self\", <{hub}>; rel=\"hub\"")), "{link}");
        assert!(link.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{link}");
        assert_eq!(delivery.headers.get("x-evil"), None);
    }
}

/// An answer is text, says so, lets no browser guess otherwise, and repeats nothing of what was asked (X09).
#[tokio::test]
async fn x09_answers_are_plain_text_and_repeat_nothing() {
    let stage = Stage::set().await;
    let evil = "<script>alert('zq7')</script>\r\nX-Evil: 1";
    let (topic, callback) = (stage.publisher.topic("/text"), stage.subscriber.callback("/cb"));
    let form = Form::subscribe(&topic, &callback);
    let mut answers = Vec::new();
    for name in ["hub.mode", "hub.topic", "hub.callback", "hub.lease_seconds", "hub.verify"] {
        answers.push(stage.hub.post(&form.clone().but(name, evil)).await.expect(400));
    }
    let ping = Form::default().with("hub.mode", "publish").with("hub.url", evil);
    answers.push(stage.hub.post(&ping).await.expect(400));
    let client = stage.hub.client();
    answers.push(client.send("POST", stage.hub.url(), Some("text/zq7"), evil).await.expect(415));
    answers.push(client.get(&stage.hub.at("/zq7<script>")).await.expect(404));
    answers.push(client.get(&stage.hub.at("/?hub.mode=%3Cscript%3Ezq7")).await.expect(405));
    for answer in answers {
        assert!(answer.header("content-type").starts_with("text/plain"), "{answer:?}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{answer:?}");
        assert!(!answer.text.contains("zq7") && !answer.text.contains('<'), "{answer:?}");
        assert_eq!(answer.headers.get("x-evil"), None);
    }
}
