//! How a feed is cut down to what is new in it: F21, F22, F24, F25.

use crate::harness::{Callback, Feed, Flavour, Page, Settings, Stage, Topic};

/// Publishes a document that holds something new, and returns what a callback gets for it that got `known` deliveries
/// and nothing else.
async fn delivered(
    stage: &Stage,
    topic: &Topic,
    callback: &Callback,
    known: usize,
    document: &[u8],
) -> Vec<u8> {
    topic.put(Page::of("text/xml", document.to_vec()));
    stage.ping(topic).await;
    callback.delivered(known + 1).await;
    let deliveries = callback.attempts();
    assert_eq!(deliveries.len(), known + 1, "one for each: {deliveries:?}");
    deliveries[known].body.to_vec()
}

/// Everything that a writer of XML would lose or move: its own encoding, odd quotes and spaces, comments, prefixes, a
/// signature over the bytes.
const HEAD: &[u8] = b"<?xml version = '1.0'  encoding=\"ISO-8859-1\" ?>\r\n<?style href=\"x\"?>\n\
    <!DOCTYPE a:feed [ <!ENTITY auml \"&#228;\"> ]>\n\
    <a:feed   xmlns:a='http://www.w3.org/2005/Atom' xmlns:b=\"http://www.w3.org/2005/Atom\"\n\txml:lang='de'>\n\
    <a:id>tag:example.org,2026:\xfc</a:id ><a:title type=\"text\">Stra\xdfe &auml; <![CDATA[<a:entry>]]></a:title>\n\
    <a:updated>2026-11-24T00:00:00Z</a:updated>\n<!-- <a:entry> <b:entry> -->\n\
    <ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignatureValue>q\t=</ds:SignatureValue>\
    </ds:Signature>\n";
const FOOT: &[u8] = b"\n  <empty xmlns=''/>\n</a:feed >\r\n<!-- \xe9nd -->\n";

#[tokio::test]
async fn f21_old_entries_are_cut_out_and_no_other_byte_is_touched() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/feed").await;
    let old: [&[u8]; 2] = [
        b"<a:entry><a:id>1</a:id><a:content type=\"xhtml\"><b:entry/>\xe4</a:content></a:entry>",
        b"<b:entry\n xml:lang='fr'><b:id>2</b:id><!-- </b:entry> --><b:title>\xe9t\xe9</b:title></b:entry  >",
    ];
    let new: &[u8] =
        b"<entry xmlns='http://www.w3.org/2005/Atom' ><id> 3</id><title>&auml;\xc4&#x1F980;</title></entry>";
    let between: &[u8] = b"\n\n\t<!-- between -->  ";
    let first = [HEAD, old[0], between, old[1], FOOT].concat();
    assert_eq!(delivered(&stage, &topic, &callback, 0, &first).await, first);
    let second = [HEAD, old[0], between, new, between, old[1], FOOT].concat();
    let expected = [HEAD, between, new, between, FOOT].concat();
    assert_eq!(delivered(&stage, &topic, &callback, 1, &second).await, expected);
}

/// Each with a second version of the document: what stands before the items, the items, what stands behind.
#[tokio::test]
async fn f22_items_are_found_in_the_channel_or_beside_it() {
    let stage = Stage::set().await;
    let rdf = "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"";
    // It still lists the old items: it is part of what surrounds them.
    let sequence =
        "<items><rdf:Seq><rdf:li resource=\"urn:2\"/><rdf:li resource=\"urn:1\"/></rdf:Seq></items>";
    let table = [
        (
            "0.91",
            "<!DOCTYPE rss SYSTEM \"http://my.netscape.com/publish/formats/rss-0.91.dtd\">\n\
             <rss version=\"0.91\"><channel><title>t</title>\n"
                .to_owned(),
            ["<item><title>1</title></item>\n", "<item><title>2</title></item>\n"],
            "<textinput><title>item</title></textinput></channel></rss>",
        ),
        (
            "2.0",
            "<rss version=\"2.0\"><channel><title>t</title>\n".to_owned(),
            ["<item><guid>1</guid></item>\n", "<item><guid>2</guid></item>\n"],
            "</channel></rss>",
        ),
        (
            "0.90",
            format!(
                "{rdf} xmlns=\"http://my.netscape.com/rdf/simple/0.9/\"><channel><title>t</title></channel>\n"
            ),
            ["<item><link>urn:1</link></item>\n", "<item><link>urn:2</link></item>\n"],
            "<textinput/></rdf:RDF>",
        ),
        (
            "1.0",
            format!(
                "{rdf} xmlns=\"http://purl.org/rss/1.0/\"><channel rdf:about=\"urn:c\"><title>t</title>{sequence}\
                 </channel>\n"
            ),
            [
                "<item rdf:about=\"urn:1\"><title>t</title></item>\n",
                "<item rdf:about=\"urn:2\"><title>t</title></item>\n",
            ],
            "<image rdf:about=\"urn:i\"/></rdf:RDF>",
        ),
    ];
    for (version, head, [old, new], foot) in table {
        let (topic, callback) = stage.subscribed(&format!("/{version}")).await;
        let first = format!("{head}{old}{foot}");
        assert_eq!(delivered(&stage, &topic, &callback, 0, first.as_bytes()).await, first.as_bytes());
        let second = format!("{head}{new}{old}{foot}");
        let sent =
            String::from_utf8(delivered(&stage, &topic, &callback, 1, second.as_bytes()).await).unwrap();
        // Of an item cut out, the line that it stood on remains.
        assert_eq!(sent, format!("{head}{new}\n{foot}"), "{version}");
    }
}

/// The 0.3 suite compares lists of ids.
#[tokio::test]
async fn f24_entries_keep_the_order_of_the_document() {
    let stage = Stage::set().await;
    let (topic, callback) = stage.subscribed("/feed").await;
    let feed = |entries: &[&str]| {
        let entries: Vec<_> = entries.iter().map(|id| format!("<entry><id>{id}</id></entry>")).collect();
        format!("<feed xmlns=\"http://www.w3.org/2005/Atom\">{}</feed>", entries.concat()).into_bytes()
    };
    let first = feed(&["m", "d", "x"]);
    assert_eq!(delivered(&stage, &topic, &callback, 0, &first).await, first);
    let second = feed(&["z", "m", "b", "y", "d", "a", "x", "c"]);
    let expected = feed(&["z", "b", "y", "a", "c"]);
    assert_eq!(delivered(&stage, &topic, &callback, 1, &second).await, expected);
}

#[tokio::test]
async fn f25_a_large_change_is_several_documents() {
    assert_eq!(Settings::shipped("delivery", "max_entries").await.as_integer(), Some(200));
    let stage = Stage::set_with(Settings::quick().with("delivery", "max_entries", 3)).await;
    let (topic, callback) = stage.subscribed("/feed").await;
    let feed = Feed::new(Flavour::Rss, 7, &topic.url(), &[stage.hub.url()]);
    topic.put(Page::of(Flavour::Rss.content_type(), feed.document()));
    stage.ping(&topic).await;
    let deliveries = callback.delivered(3).await;
    for (delivery, part) in deliveries.iter().zip(feed.ids().chunks(3)) {
        assert_eq!(delivery.body, feed.only(part), "in document order, each in the whole of its frame");
    }
    stage.got_only(3, &topic, &callback).await;
    assert_eq!(callback.most_in_flight(), 1);
}
