//! What conformance asks of this room, id by id, and the feeds in `tests/fixtures/feeds`.

use std::collections::BTreeSet;

use super::{Document, ElementName, EntryId, Format, JsonFeed, Reading, Volatile, news, read, render};

const BLOG: &[u8] = include_bytes!("../../tests/fixtures/feeds/blog-25.atom.xml");
const PODCAST: &[u8] = include_bytes!("../../tests/fixtures/feeds/rss-podcast.xml");
const NEWS: &[u8] = include_bytes!("../../tests/fixtures/feeds/rdf-news.xml");
const SOCIAL: &[u8] = include_bytes!("../../tests/fixtures/feeds/gnu-social.atom.xml");

pub(super) fn doc(body: impl AsRef<[u8]>) -> Document {
    doc_by(body.as_ref(), &Volatile::default(), None)
}

/// As the hub reads unless it is told otherwise.
fn doc_by(body: &[u8], volatile: &Volatile, content_type: Option<&str>) -> Document {
    let content_type = content_type.map(str::as_bytes);
    read(body, &Reading { content_type, volatile, json_feed: JsonFeed::default() })
}

pub(super) fn atom(inner: &str) -> String {
    format!("<feed xmlns='http://www.w3.org/2005/Atom'>{inner}</feed>")
}

pub(super) fn rss(inner: &str) -> String {
    format!("<rss version='2.0' xmlns:a='http://www.w3.org/2005/Atom'><channel>{inner}</channel></rss>")
}

pub(super) fn id(of: &str) -> EntryId {
    EntryId::of(of.as_bytes())
}

pub(super) fn ids(document: &Document) -> Vec<EntryId> {
    document.entries.iter().map(|entry| entry.id).collect()
}

/// The body with one piece of it replaced, which must be there.
fn replaced(body: &[u8], from: &str, to: &str) -> Vec<u8> {
    let at =
        body.windows(from.len()).position(|window| window == from.as_bytes()).expect("the piece is there");
    [&body[..at], to.as_bytes(), &body[at + from.len()..]].concat()
}

#[test]
fn the_fixtures_are_read_for_what_they_are() {
    let blog = doc(BLOG);
    assert_eq!((blog.format, blog.entries.len()), (Format::Atom, 25));
    let expected: Vec<_> =
        (1..=25).rev().map(|n| id(&format!("tag:hedgerow.example,2026:note:{n}"))).collect();
    assert_eq!(ids(&blog), expected);
    assert_eq!(blog.self_link.as_deref(), Some("https://hedgerow.example/feed.atom?format=full&lang=en"));
    assert_eq!(blog.hub_links, ["https://hub.example/", "https://second-hub.example/push"]);

    let podcast = doc(PODCAST);
    assert_eq!(podcast.format, Format::Rss);
    let guids = ["harbour-ep4", "harbour-ep3", "harbour-ep2", "https://harbour.example/trailer/"];
    assert_eq!(ids(&podcast), guids.map(id));
    assert_eq!(podcast.self_link.as_deref(), Some("https://harbour.example/podcast.xml"));

    let social = doc(SOCIAL);
    assert_eq!(social.format, Format::Atom);
    let notices = ["412:objectType=note", "411:objectType=comment", "409:objectType=activity"];
    assert_eq!(ids(&social), notices.map(|n| id(&format!("tag:social.example,2026-10-21:noticeId={n}"))));
    assert_eq!(social.self_link.as_deref(), Some("https://social.example/api/statuses/user_timeline/7.atom"));
    assert_eq!(social.hub_links, ["https://social.example/main/push/hub"]);
}

/// Promise 6 of the design.
#[test]
fn one_new_entry_of_a_blog_leaves_exactly_as_it_was_written_in_the_feed_around_it() {
    let document = doc(BLOG);
    let rendered = render(BLOG, &document, &mut |entry| entry.id == id("tag:hedgerow.example,2026:note:24"));
    let [entry] = rendered.entries.as_slice() else { panic!("one entry") };
    let written = &BLOG[document.entries[1].range.clone()];
    assert_eq!(&rendered.body[entry.range.clone()], written);
    assert!(written.starts_with(b"<entry>") && written.ends_with(b"</entry>"));
    let head = document.entries[0].range.start;
    assert!(rendered.body.starts_with(&BLOG[..head]) && rendered.body.ends_with(b"\n</feed>\n"));
    assert!(rendered.body.len() < BLOG.len() / 10);
}

/// F12: the header says nothing about what a body is.
#[test]
fn the_root_element_decides_what_a_body_is() {
    let volatile = Volatile::default();
    let format =
        |body: &str, content_type: &str| doc_by(body.as_bytes(), &volatile, Some(content_type)).format;
    assert_eq!(format(&atom(""), "text/html; charset=utf-8"), Format::Atom);
    assert_eq!(format(&rss(""), "application/atom+xml"), Format::Rss);
    assert_eq!(
        format("<feed xmlns='http://purl.org/atom/ns#' version='0.3'></feed>", "text/xml"),
        Format::Atom
    );
    assert_eq!(format("<x:feed xmlns:x='http://www.w3.org/2005/Atom'></x:feed>", ""), Format::Atom);
    let no_feeds = [
        "<feed></feed>",
        "<feed xmlns='urn:other'></feed>",
        "<entry xmlns='http://www.w3.org/2005/Atom'><id>x</id></entry>",
        "<rss version='2.0'></rss>",
        "<rss version='2.0'><channel/></rss>",
        "<rss><channel></channel><channel></channel></rss>",
        "<feed xmlns='http://www.w3.org/2005/Atom'/>",
        "<RDF><channel></channel></RDF>",
        "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><person/></rdf:RDF>",
        "<opml><body/></opml>",
    ];
    for body in no_feeds {
        assert_eq!(format(body, "application/atom+xml"), Format::Opaque, "{body}");
    }
}

/// F13
#[test]
fn volatile_elements_at_feed_level_are_no_change_of_the_envelope() {
    let same =
        |body: &[u8], from: &str, to: &str| doc(body).envelope == doc(replaced(body, from, to)).envelope;
    assert!(same(BLOG, "<updated>2026-10-25T07:30:00Z<", "<updated>2026-10-25T08:00:00Z<"));
    assert!(same(BLOG, "version=\"4.2.1\"", "version=\"4.2.2\""));
    assert!(same(BLOG, "</feed>\n", "</feed>\n<!-- 0.2 seconds -->"));
    assert!(same(PODCAST, "<lastBuildDate>Wed", "<lastBuildDate>Thu"));
    assert!(same(PODCAST, "<pubDate>Wed", "<pubDate>Thu"));
    assert!(same(PODCAST, "\t<ttl>60</ttl>\n", ""));
    assert!(same(PODCAST, "in 0.003 seconds", "in 0.004 seconds"));
    assert!(same(NEWS, "<rdf:li rdf:resource=\"https://gazette.example/2026/bridge\"/>", ""));
    assert!(same(NEWS, "<dc:date>2026-10-20T12", "<dc:date>2026-10-20T13"));

    assert!(!same(BLOG, "Hedgerow Notes", "Hedge Notes"));
    assert!(!same(BLOG, "https://second-hub.example/push", "https://third-hub.example/push"));
    assert!(!same(PODCAST, "<language>en", "<language>fr"));
    assert!(!same(PODCAST, "<itunes:category text=\"Places\"/>", ""));
    assert!(!same(NEWS, "Search the archive", "Search"));
    assert!(!same(SOCIAL, "Mirela Ionescu", "M. Ionescu"));
}

/// F13: the entry's date is the entry's, also where its name is that of a volatile element of the feed.
#[test]
fn entries_that_change_or_go_away_are_no_change_of_the_envelope() {
    let document = doc(BLOG);
    let gone = render(BLOG, &document, &mut |entry| entry.id != document.entries[7].id);
    assert_eq!(doc(&gone.body).envelope, document.envelope);
    let updated = doc(replaced(BLOG, "2026-10-24T07:30:00Z", "2026-10-24T08:00:00Z"));
    assert_eq!(updated.envelope, document.envelope);
    assert_ne!(updated.entries[1].digest, document.entries[1].digest);
    assert_eq!(updated.entries[1].id, document.entries[1].id);
}

/// F14
#[test]
fn an_entry_is_known_by_the_best_id_it_has() {
    let entries = "<entry><title>t</title><id>\n urn:a&amp;b <!-- c --></id></entry>\
        <entry><x><id>deeper</id></x><id xmlns=''>other</id><id><![CDATA[urn:c&d]]></id><id>second</id></entry>\
        <entry><id>urn:<b>e</b>f</id></entry>";
    assert_eq!(ids(&doc(atom(entries))), [id("urn:a&b"), id("urn:c&d"), id("urn:ef")]);

    let items = "<item><title>t</title><description>d</description><link>l</link><guid> g </guid></item>\
        <item><description>d</description><guid/><link>l</link><title>t</title></item>\
        <item><description>d</description><title>t&#33;</title><a:link href='l'/></item>\
        <item><description><![CDATA[<b>]]></description></item>";
    assert_eq!(ids(&doc(rss(items))), [id("g"), id("l"), id("t!"), id("<b>")]);

    let news = doc(NEWS);
    let about =
        ["council-votes", "bridge", "choir"].map(|name| id(&format!("https://gazette.example/2026/{name}")));
    assert_eq!(ids(&news), about, "rdf:about counts before link");
}

/// F14: REF refuses such a feed; it need not.
#[test]
fn an_entry_without_any_id_is_known_by_what_it_says() {
    let document = doc(atom("<entry><title>a</title></entry><entry><id> </id><title>b</title></entry>"));
    let [a, b] = document.entries.as_slice() else { panic!("two entries") };
    assert_eq!((a.id, b.id), (a.digest.into(), b.digest.into()));
    assert_ne!(a.id, b.id);
}

/// F15: the sample feed of the publisher test suite has entries that all share one id.
#[test]
fn of_entries_that_share_an_id_exactly_the_new_ones_are_new() {
    let entry = |n: u8| format!("<entry><id>http://example.com/</id><title>{n}</title></entry>");
    let first = doc(atom(&[1, 2, 3, 4].map(entry).concat()));
    assert_eq!(news(&first, &mut |_| false).len(), 4);
    let known: BTreeSet<_> = first.entries.iter().map(|e| (e.id, e.digest)).collect();
    let body = atom(&[5, 1, 2, 3, 4].map(entry).concat());
    let second = doc(&body);
    let new = news(&second, &mut |e| known.contains(&(e.id, e.digest)));
    assert_eq!(new, [0]);
    let wanted: Vec<_> = new.iter().map(|&at| second.entries[at].clone()).collect();
    assert_eq!(
        render(body.as_bytes(), &second, &mut |e| wanted.contains(e)).body,
        atom(&entry(5)).into_bytes()
    );
}

/// F16
#[test]
fn counters_make_no_new_version_of_an_entry_and_all_else_does() {
    let digests =
        |document: &Document| -> Vec<_> { document.entries.iter().map(|entry| entry.digest).collect() };
    let same =
        |body: &[u8], from: &str, to: &str| digests(&doc(body)) == digests(&doc(replaced(body, from, to)));
    assert!(same(BLOG, "<thr:total>1</thr:total>", "<thr:total>2</thr:total>"));
    assert!(same(BLOG, "\n    <thr:total>1</thr:total>", ""), "nor does a counter that comes or goes");
    assert!(same(PODCAST, "<slash:comments>", "<slash:comments>1"));
    assert!(same(PODCAST, "views=\"", "views=\"1"), "a counter deeper in the entry");
    assert!(!same(PODCAST, "<itunes:duration>", "<itunes:duration>1"));
    assert!(!same(BLOG, "A year of bees", "A year of  bees"));
    assert!(
        same(BLOG, "\n    <category", " <category"),
        "white space between an entry's elements says nothing"
    );
    assert!(!same(BLOG, "<em>markup", " <em>markup"));
    assert!(!same(rss("<item><title> </title></item>").as_bytes(), "> <", "><"), "within them it may");

    let renamed = "<item xmlns:s='http://purl.org/rss/1.0/modules/slash/'><guid>g</guid><s:comments>1</s:comments></item>";
    assert!(same(rss(renamed).as_bytes(), ">1<", ">2<"), "whatever the prefix");
    let nested = renamed.replace(">1<", "><s:comments/>1<");
    assert!(same(rss(&nested).as_bytes(), ">1<", ">2<"), "a counter in a counter");
    let foreign = renamed.replace("modules/slash", "modules/other");
    assert!(!same(rss(&foreign).as_bytes(), ">1<", ">2<"));
}

/// F13, F16: the lists are the operator's.
#[test]
fn what_is_volatile_can_be_configured() {
    let mine = Volatile::parse(&["language"], &["{urn:n}hits"]).unwrap();
    let body = |language: &str, ttl: &str, hits: u8| {
        rss(&format!(
            "<language>{language}</language><ttl>{ttl}</ttl><item><n:hits xmlns:n='urn:n'>{hits}</n:hits></item>"
        ))
    };
    let read = |body: String| doc_by(body.as_bytes(), &mine, None);
    let first = read(body("en", "1", 1));
    let second = read(body("fr", "1", 2));
    assert_eq!(first.envelope, second.envelope);
    assert_eq!(first.entries[0].digest, second.entries[0].digest);
    assert_ne!(first.envelope, read(body("en", "2", 1)).envelope);
    assert!("nope:x".parse::<ElementName>().is_err());
}

/// F19, F20, F23
#[test]
fn what_is_no_feed_or_a_broken_one_goes_out_whole() {
    let utf16: Vec<u8> = format!("\u{feff}{}", atom("")).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let broken = atom("<entry><id>1</id></entry><entry><id>2</id></entr>");
    let truncated = &BLOG[..BLOG.len() - 8];
    let bodies: [&[u8]; 9] = [
        b"",
        b"{\"version\": \"https://jsonfeed.org/version/1.1\", \"items\": [{}]}",
        b"<? echo 'no short tags'; ?>",
        b"<!DOCTYPE html><html><head><title>x</title></head><body><br></body></html>",
        b"\x89PNG\r\n\x1a\n\0\0",
        b"just words",
        broken.as_bytes(),
        truncated,
        &utf16,
    ];
    for body in bodies {
        let document = doc(body);
        assert_eq!((document.format, document.entries.len()), (Format::Opaque, 0));
        let rendered = render(body, &document, &mut |_| false);
        assert_eq!((rendered.body.as_slice(), rendered.entries.len()), (body, 0));
        assert_ne!(doc([body, b" "].concat()).envelope, document.envelope, "every byte of it counts");
    }
}

/// F22
#[test]
fn items_are_found_in_the_channel_or_beside_it_and_the_sequence_is_left_alone() {
    let document = doc(NEWS);
    assert_eq!((document.format, document.entries.len()), (Format::Rdf, 3));
    let rendered = render(NEWS, &document, &mut |entry| entry.id == document.entries[1].id);
    let text = String::from_utf8_lossy(&rendered.body).into_owned();
    assert_eq!(text.matches("<rdf:li ").count(), 3);
    assert_eq!(text.matches("<item ").count(), 1);
    assert!(rendered.body.windows(5).any(|window| window == b"Dupr\xE9"), "in the encoding it came in");

    // Neither a playlist's items inside an item nor items beside an RSS 2.0 channel are entries.
    let nested = rss("<item><guid>1</guid><item><guid>2</guid></item></item><image><item/></image>");
    assert_eq!(ids(&doc(nested)), [id("1")]);
    assert_eq!(doc("<rss><item/><channel></channel></rss>").entries, []);
    let named =
        "<rss xmlns='http://backend.userland.com/rss2'><channel><item><guid>1</guid></item></channel></rss>";
    assert_eq!(ids(&doc(named)), [id("1")], "a namespace of the publisher's own making");
}

/// F21
#[test]
fn a_prefix_bound_anew_within_an_entry_does_not_confuse_where_it_ends() {
    let body = "<a:feed xmlns:a='http://www.w3.org/2005/Atom'><a:entry><a:id>1</a:id>\
        <a:entry xmlns:a='urn:x'><a:id>x</a:id></a:entry></a:entry>\
        <a:entry xmlns:a='urn:x'/><entry xmlns='http://www.w3.org/2005/Atom'><id>2</id></entry></a:feed>";
    assert_eq!(ids(&doc(body)), [id("1"), id("2")]);
}

/// L01, L04
#[test]
fn links_are_read_at_feed_level_only_whatever_their_prefix() {
    let inner = "<link>http://site/</link><link rel='hub' href='http://sf/'/>\
        <link xmlns='http://www.w3.org/2005/Atom' rel='self' href=' http://self/?a=1&amp;b=2 '/>\
        <a:link rel='hub' href='http://hub/'/><x:link xmlns:x='urn:x' rel='hub' href='http://no/'/>\
        <image><a:link rel='hub' href='http://no/'/></image><item><a:link rel='hub self' href='http://no/'/></item>";
    let document = doc(rss(inner));
    assert_eq!(document.self_link.as_deref(), Some("http://self/?a=1&b=2"));
    assert_eq!(document.hub_links, ["http://sf/", "http://hub/"]);

    let unnamespaced =
        doc(atom("<link xmlns='' rel='hub' href='http://no/'/><link rel='HUB' href='relative'/>"));
    assert_eq!((unnamespaced.self_link, unnamespaced.hub_links), (None, vec!["relative".to_owned()]));
    assert_eq!(doc(NEWS).hub_links, ["https://hub.example/"], "in the channel of RDF");
}

/// D20: only entries that mean the same in another document may be put into it.
#[test]
fn the_context_is_all_that_gives_entries_their_meaning_and_nothing_else() {
    let same = |body: &[u8], from: &str, to: &str| doc(body).context == doc(replaced(body, from, to)).context;
    assert!(same(BLOG, "Hedgerow Notes", "Hedge Notes"));
    assert!(same(PODCAST, "<item>", "<item xml:lang='de'>"));
    assert!(same(NEWS, "<channel rdf:about=\"", "<channel rdf:about=\"x"), "items lie beside the channel");
    assert!(!same(BLOG, "xml:lang=\"en-GB\"", "xml:lang=\"en\""));
    assert!(!same(PODCAST, "<channel>", "<channel xml:base='/x'>"));
    assert!(!same(NEWS, "&#233;", "&#234;"), "entities");
    assert!(!same(NEWS, "ISO-8859-1", "ISO-8859-15"));
    assert_eq!(
        doc(atom("")).context,
        doc(format!("<?xml version='1.0' encoding='UTF-8'?>{}", atom(""))).context
    );
}

/// F21: cutting joins what stood on both sides, and may not make something of it.
#[test]
fn no_cut_makes_the_end_of_a_cdata_section() {
    for inner in ["]]<item/>>", "]<item/>]>", "]<item/>]<item/>>", "]]<item/><item/>>"] {
        assert_eq!(doc(rss(inner)).format, Format::Opaque, "{inner}");
    }
    for inner in ["]]<item/> >", "]]<item/>&gt;", "]<item/>]<item/>", "><item/>]]"] {
        let body = rss(inner);
        let document = doc(&body);
        assert_eq!(document.format, Format::Rss, "{inner}");
        let none = render(body.as_bytes(), &document, &mut |_| false).body;
        assert_eq!(doc(none).format, Format::Rss, "{inner}");
    }
}

/// L04
#[test]
fn a_prefix_that_nobody_declared_names_no_feed_and_no_entry() {
    assert_eq!(doc("<x:rss><channel><y:item/></channel></x:rss>").format, Format::Opaque);
    assert_eq!(doc("<x:feed><x:entry/></x:feed>").format, Format::Opaque);
    assert_eq!(doc(rss("<y:item/><item/>")).entries.len(), 1);
}

/// F23
#[test]
fn what_stands_alone_may_name_no_entity_of_a_dtd_elsewhere() {
    let with = |standalone: &str| {
        format!("<?xml version='1.0'{standalone}?><!DOCTYPE rss SYSTEM 'x'>{}", rss("<item>&e;</item>"))
    };
    assert_eq!(doc(with("")).format, Format::Rss);
    assert_eq!(doc(with(" standalone='no'")).format, Format::Rss);
    assert_eq!(doc(with(" standalone='yes'")).format, Format::Opaque);
}

/// F16: what declares a prefix counts nothing, whatever the prefix is called.
#[test]
fn a_prefix_called_count_is_no_count() {
    let link =
        |ns: &str| atom(&format!("<entry><link rel='replies' xmlns:count='{ns}' count:x='1'/></entry>"));
    assert_ne!(doc(link("urn:a")).entries[0].digest, doc(link("urn:b")).entries[0].digest);
}

/// F13: in RSS 1.0 `items` is a list of what else is there; anywhere else it is said.
#[test]
fn a_list_of_items_is_noise_in_rdf_alone() {
    let wrapped = |items: &str| rss(&format!("<items>{items}</items>"));
    let (one, two) = (doc(wrapped("<item>1</item>")), doc(wrapped("<item>2</item><item>1</item>")));
    assert_eq!((one.format, one.entries.len()), (Format::Rss, 0));
    assert_ne!(one.envelope, two.envelope);
}

/// F13: a site that corrects the charset it serves a feed under has changed what every word of it is.
#[test]
fn the_same_bytes_under_another_charset_are_another_feed() {
    let body: Vec<_> =
        rss("<title>#</title>").into_bytes().into_iter().map(|b| if b == b'#' { 0xC4 } else { b }).collect();
    let under =
        |charset: &str| doc_by(&body, &Volatile::default(), Some(&format!("text/xml; charset={charset}")));
    let (one, other) = (under("koi8-r"), under("windows-1251"));
    assert_eq!((one.format, other.format), (Format::Rss, Format::Rss));
    assert_ne!(one.envelope, other.envelope);
    assert_eq!(one.envelope, under("KOI8-R").envelope);
}

/// F14: an id is all of its text, whatever comes between.
#[test]
fn an_id_in_pieces_is_put_together() {
    let body = atom("<entry><id> a<!---->  <![CDATA[ b ]]>&amp;<?p?>\n</id></entry>");
    assert_eq!(ids(&doc(body)), [id("a   b &")]);
}
