//! A topic may be a page of HTML, which says in its head what it is called and which hubs it has (L05, L07).

use crate::harness::{Page, Stage};

/// The delivery's one `Link` header says what the page says (D05-D07) unless its own header does (L02); links anywhere
/// else in the page are its text (L05).
#[tokio::test]
async fn l05_l07_links_in_the_head_of_a_page_are_read() {
    let stage = Stage::set().await;
    let hub = stage.hub.url().trim_end_matches('/').to_owned();
    let slashed = format!("{hub}/");
    let other = stage.publisher.topic("/other").url();
    let head = |links: &str| {
        format!(
            "<!DOCTYPE html>\n<html><head><title>t <link rel=self href={other}></title>\n\
             <!-- <link rel=self href={other}> --><script>\"<link rel=self href={other}>\"</script>{links}</head>\n\
             <body><link rel=self href={other}><link rel=hub href={hub}></body></html>"
        )
    };
    let own = stage.publisher.topic("/own").url();
    let absolute =
        head(&format!("<LINK REL='Hub nofollow' HREF='{slashed}'><link rel=\"self\" href=\"{own}\"/>"));
    let relative =
        format!("<base href='/deeper/'><link rel=self href=../own><link rel=hub href='{slashed}'>");
    // The first that can be one, be it relative (L07).
    let several = format!(
        "<link rel=self href='http://me@x.example/'><link rel=self href=/own><link rel=self href={other}>"
    );
    let header = format!("<{own}>; rel=\"self\"");
    let cases = [
        ("typed", Page::of("text/html; charset=utf-8", absolute.clone()), own.clone(), Some(&slashed)),
        ("untyped", Page::untyped(absolute.clone()), own.clone(), Some(&slashed)),
        ("xhtml", Page::of("application/xhtml+xml", absolute.clone()), own.clone(), Some(&slashed)),
        ("based", Page::of("text/html", head(&relative)), own.clone(), Some(&slashed)),
        ("several", Page::of("text/html", head(&several)), own.clone(), None),
        ("text", Page::of("text/plain", absolute), stage.publisher.topic("/text").url(), None),
        ("bare", Page::of("text/html", head("")), stage.publisher.topic("/bare").url(), None),
        (
            "headed",
            Page::of("text/html", head(&format!("<link rel=self href={other}>")))
                .with_header("link", &header),
            own.clone(),
            None,
        ),
    ];
    for (name, page, own, hub) in cases {
        let topic = stage.publisher.topic(&format!("/{name}"));
        let callback = stage.subscriber.callback(&format!("/cb/{name}"));
        stage.subscribe_ws(&topic, &callback).await;
        topic.put(page);
        stage.ping(&topic).await;
        let delivery = callback.delivered(1).await.remove(0);
        let link = delivery.header("link").unwrap();
        let (own_link, hub_link) = link.split_once(", ").unwrap();
        assert_eq!(own_link, format!("<{own}>; rel=\"self\""), "{name}");
        // Where nothing is advertised, it is the configured URL.
        let hub = hub.map_or_else(|| stage.hub.url(), String::as_str);
        assert_eq!(hub_link, format!("<{hub}>; rel=\"hub\""), "{name}");
    }
}

/// A page is no feed: it goes out whole (F19), and a ping for what it calls itself is a ping for it (P09).
#[tokio::test]
async fn a_page_is_delivered_whole_and_known_by_its_own_name() {
    let stage = Stage::set().await;
    let (topic, own) = (stage.publisher.topic("/page"), stage.publisher.topic("/own"));
    let callback = stage.subscriber.callback("/cb");
    stage.subscribe_ws(&topic, &callback).await;
    for (index, name) in [&topic, &own].into_iter().enumerate() {
        let page = format!("<html><head><link rel=self href=/own></head><body>{index}\r\n</body></html>");
        topic.put(Page::of("text/html", page.clone()));
        stage.ping(name).await;
        assert_eq!(callback.delivered(index + 1).await[index].body, page);
    }
}
