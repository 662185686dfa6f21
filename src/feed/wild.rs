//! Feeds as they are found: one of each kind in `tests/fixtures/feeds`, modelled on what publishers emit, and those
//! that are better made here: cut short, very long.

use super::{Document, EntryId, Format, Reading, Volatile, news, read, render};

/// Each file, what it is, how many entries it has, and the ids of the first ones.
pub(super) const FEEDS: &[(&str, Format, usize, &[&str])] = &[
    ("atom-03.xml", Format::Atom, 2, &["tag:carnet.example,2026://2.912", "tag:carnet.example,2026://2.911"]),
    ("blog-25.atom.xml", Format::Atom, 25, &["tag:hedgerow.example,2026:note:25"]),
    ("blogger.atom.xml", Format::Atom, 2, &["tag:blog.example,1999:blog-7001.post-42"]),
    ("byte-order-mark.rss.xml", Format::Rss, 2, &["https://mark.example/2", "https://mark.example/1"]),
    (
        "code-host-commits.atom.xml",
        Format::Atom,
        2,
        &["tag:code.example,2008:Grit::Commit/0f3e5c", "tag:code.example,2008:Grit::Commit/aa01b2"],
    ),
    ("code-host-releases.atom.xml", Format::Atom, 2, &["tag:code.example,2008:Repository/55/v1.1.0"]),
    ("discourse.rss.xml", Format::Rss, 2, &["talk.loom.example-topic-991", "talk.loom.example-topic-1"]),
    ("drupal.rss.xml", Format::Rss, 2, &["31 at https://archive.example", "30 at https://archive.example"]),
    (
        "duplicates.rss.xml",
        Format::Rss,
        7,
        &[
            "https://twice.example/a",
            "https://twice.example/a",
            "https://twice.example/a",
            "https://twice.example/b",
            "https://twice.example/b",
            "Neither",
            "Nor a title",
        ],
    ),
    ("empty.atom.xml", Format::Atom, 0, &[]),
    ("empty.rss.xml", Format::Rss, 0, &[]),
    // An entity stays as it is written, in an id too.
    ("entities.rss.xml", Format::Rss, 2, &["https://cafe.example/?p=1&x=2", "caf\0eacute;-2"]),
    ("feedburner.rss.xml", Format::Rss, 2, &["tag:burn.example,1999:blog-5.post-60"]),
    ("ghost.rss.xml", Format::Rss, 2, &["68fc1e2ab0f1c80001a3d111", "68fc1e2ab0f1c80001a3d110"]),
    (
        "gnu-social-group.atom.xml",
        Format::Atom,
        2,
        &[
            "tag:social.example,2026-10-25:noticeId=501:objectType=note",
            "tag:social.example,2026-10-24:subscription:7:group:4:2026-10-24T10:00:00+00:00",
        ],
    ),
    ("gnu-social.atom.xml", Format::Atom, 3, &["tag:social.example,2026-10-21:noticeId=412:objectType=note"]),
    ("hugo.rss.xml", Format::Rss, 3, &["https://kiln.example/notes/cone-6/"]),
    ("instructions.atom.xml", Format::Atom, 2, &["https://allowed.example/1", "https://allowed.example/2"]),
    ("jekyll.atom.xml", Format::Atom, 2, &["https://tidemarks.example/2026/10/22/flotsam"]),
    ("link-board.atom.xml", Format::Atom, 2, &["t3_1abc", "t3_1abb"]),
    ("mastodon-2.atom.xml", Format::Atom, 2, &["https://toot.example/users/wren/statuses/1002"]),
    ("microblog.rss.xml", Format::Rss, 2, &["https://j.example/2026/10/25.html#a190000"]),
    ("movable-type.atom.xml", Format::Atom, 2, &["tag:ferrylog.example,2026://1.812"]),
    ("newspaper.rss.xml", Format::Rss, 2, &["https://estuary.example/2026/10/25/tides.html"]),
    ("no-ids.atom.xml", Format::Atom, 4, &[]),
    ("phpbb.atom.xml", Format::Atom, 2, &["https://forum.moped.example/viewtopic.php?p=5120#p5120"]),
    ("planet.atom.xml", Format::Atom, 2, &["https://tidemarks.example/2026/10/22/flotsam"]),
    (
        "podcast-many-namespaces.rss.xml",
        Format::Rss,
        2,
        &["podlove-2026-10-22t04:00:00+00:00-7d1", "podlove-2026-10-01t04:00:00+00:00-001"],
    ),
    (
        "prefixed.atom.xml",
        Format::Atom,
        3,
        &[
            "urn:uuid:5f1d0000-0000-4000-8000-000000000001",
            "urn:uuid:5f1d0000-0000-4000-8000-000000000002",
            "urn:uuid:5f1d0000-0000-4000-8000-000000000003",
        ],
    ),
    ("rdf-news.xml", Format::Rdf, 3, &["https://gazette.example/2026/council-votes"]),
    (
        "redeclared.atom.xml",
        Format::Atom,
        3,
        &["https://redeclared.example/1", "https://redeclared.example/2", "https://redeclared.example/3"],
    ),
    ("rss-090.rdf.xml", Format::Rdf, 2, &["http://fresh.example/pond/", "http://fresh.example/brook/"]),
    ("rss-091.xml", Format::Rss, 3, &["http://quarry.example/slate", "http://quarry.example/granite"]),
    (
        "rss-092.xml",
        Format::Rss,
        2,
        &["<a href=\"http://nails.example/\">Nails</a> arrived.", "Nothing but rain."],
    ),
    ("rss-10-modules.rdf.xml", Format::Rdf, 2, &["https://nikki.example/25", "https://nikki.example/24"]),
    (
        "rss-20-namespaced.xml",
        Format::Rss,
        3,
        &["http://ns.example/1", "http://ns.example/2", "http://ns.example/3"],
    ),
    ("rss-podcast.xml", Format::Rss, 4, &["harbour-ep4"]),
    ("statusnet-user.atom.xml", Format::Atom, 2, &["http://micro.example/notice/88"]),
    ("video-channel.atom.xml", Format::Atom, 2, &["yt:video:aB3-_x", "yt:video:zz9"]),
    (
        "wiki-changes.atom.xml",
        Format::Atom,
        2,
        &["https://wiki.example/index.php?title=Warp&diff=91&oldid=90"],
    ),
    (
        "wordpress.atom.xml",
        Format::Atom,
        2,
        &["https://plot14.example/?p=311", "https://plot14.example/?p=298"],
    ),
    (
        "wordpress.rss.xml",
        Format::Rss,
        2,
        &["https://plot14.example/?p=311", "https://plot14.example/?p=298"],
    ),
    (
        "chinese.big5.rss.xml",
        Format::Rss,
        2,
        &["http://chadao.example/2.html", "http://chadao.example/1.html"],
    ),
    ("chinese.gbk.rss.xml", Format::Rss, 2, &["http://matou.example/2.html"]),
    ("czech.iso-8859-2.atom.xml", Format::Atom, 2, &["http://kun.example/2", "http://kun.example/1"]),
    (
        "duplicates.atom.xml",
        Format::Atom,
        4,
        &["tag:changes.example,2026:page", "tag:changes.example,2026:page"],
    ),
    ("german.windows-1252.rss.xml", Format::Rss, 2, &["http://laube.example/2.html"]),
    ("japanese.euc-jp.rdf.xml", Format::Rdf, 2, &["http://tsubo.example/2", "http://tsubo.example/1"]),
    ("japanese.shift-jis.rss.xml", Format::Rss, 2, &["http://shiori.example/2.html"]),
    (
        "json-feed.json",
        Format::JsonFeed,
        3,
        &["https://ropewalk.example/2026/splice", "17", "https://ropewalk.example/2026/reply"],
    ),
    ("korean.euc-kr.rss.xml", Format::Rss, 2, &["http://onggi.example/2.html"]),
    ("no-ids.rss.xml", Format::Rss, 4, &[]),
    ("russian.windows-1251.rss.xml", Format::Rss, 2, &["http://samovar.example/2.html"]),
    ("ukrainian.koi8-u.rss.xml", Format::Rss, 2, &["http://rushnyk.example/2.html"]),
    ("xml-base.atom.xml", Format::Atom, 3, &["https://base.example/a/b/1", "https://base.example/a/2"]),
    // F19, F23: these go out whole.
    ("broken-ampersand.rss.xml", Format::Opaque, 0, &[]),
    ("broken-ascii-that-is-not.rss.xml", Format::Opaque, 0, &[]),
    ("broken-attribute-twice.rss.xml", Format::Opaque, 0, &[]),
    ("broken-cdata-in-cdata.rss.xml", Format::Opaque, 0, &[]),
    ("broken-noncharacter.rss.xml", Format::Opaque, 0, &[]),
    ("broken-reference.rss.xml", Format::Opaque, 0, &[]),
    ("doctype-default-namespace.atom.xml", Format::Opaque, 0, &[]),
    ("doctype-entry-in-entity.atom.xml", Format::Opaque, 0, &[]),
    ("utf-16.rss.xml", Format::Opaque, 0, &[]),
    ("xml-11.atom.xml", Format::Opaque, 0, &[]),
    ("broken-blank-line-first.rss.xml", Format::Opaque, 0, &[]),
    ("broken-control-character.rss.xml", Format::Opaque, 0, &[]),
    ("broken-encoding.rss.xml", Format::Opaque, 0, &[]),
    ("broken-entities.rss.xml", Format::Opaque, 0, &[]),
    ("broken-tags.atom.xml", Format::Opaque, 0, &[]),
    ("broken-text-after.rss.xml", Format::Opaque, 0, &[]),
    ("broken-two-marks.rss.xml", Format::Opaque, 0, &[]),
    ("broken-two-roots.atom.xml", Format::Opaque, 0, &[]),
    ("broken-warning-first.rss.xml", Format::Opaque, 0, &[]),
    ("error-page.xhtml.xml", Format::Opaque, 0, &[]),
    ("lone-entry.atom.xml", Format::Opaque, 0, &[]),
    ("outline.opml.xml", Format::Opaque, 0, &[]),
];

fn folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/feeds")
}

pub(super) fn fixture(file: &str) -> Vec<u8> {
    std::fs::read(folder().join(file)).unwrap()
}

pub(super) fn doc(body: &[u8]) -> Document {
    read(body, &Reading::untyped(&Volatile::default()))
}

pub(super) fn pieces<'b>(body: &'b [u8], document: &Document) -> Vec<&'b [u8]> {
    document.entries.iter().map(|entry| &body[entry.range.clone()]).collect()
}

/// What holds for every body: all of it comes back, and a part of it reads back as that part.
pub(super) fn check_parts(file: &str, body: &[u8]) {
    let document = doc(body);
    assert_eq!(render(body, &document, &mut |_| true).body, body, "{file}");
    for only in 0..=document.entries.len() {
        let mut at = 0;
        let part = render(body, &document, &mut |_| {
            at += 1;
            at - 1 == only
        });
        let again = doc(&part.body);
        assert_eq!(again.entries, part.entries, "{file} {only}");
        let kept: Vec<_> = pieces(body, &document).into_iter().skip(only).take(1).collect();
        assert_eq!(pieces(&part.body, &again), kept, "{file} {only}");
        assert_eq!((again.format, again.envelope), (document.format, document.envelope), "{file} {only}");
        assert_eq!(again.context, document.context, "{file} {only}");
    }
}

/// F12, F14, F19-F23
#[test]
fn every_kind_of_feed_is_read_for_what_it_is_and_taken_apart_without_a_trace() {
    for (file, format, entries, ids) in FEEDS {
        let body = fixture(file);
        let document = doc(&body);
        assert_eq!((document.format, document.entries.len()), (*format, *entries), "{file}");
        let found: Vec<_> = document.entries.iter().take(ids.len()).map(|entry| entry.id).collect();
        let expected: Vec<_> = ids.iter().map(|id| EntryId::of(id.as_bytes())).collect();
        assert_eq!(found, expected, "{file}");
        check_parts(file, &body);
    }
}

#[test]
fn every_document_in_the_folder_is_in_the_table() {
    let mut files: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let mut known: Vec<_> = FEEDS.iter().map(|(file, ..)| (*file).to_owned()).collect();
    files.sort();
    known.sort();
    assert_eq!(files, known);
}

/// L01, L04, L07: where publishers put them.
#[test]
fn hubs_and_self_are_found_in_feeds_of_every_make() {
    let hub = "https://hub.example/";
    let expected: [(&str, &str, &[&str]); 12] = [
        ("wordpress.rss.xml", "https://plot14.example/feed/", &[hub, "https://other-hub.example/push"]),
        ("wordpress.atom.xml", "https://plot14.example/feed/atom/", &[hub]),
        ("blogger.atom.xml", "https://www.blog.example/feeds/7001/posts/default", &[hub]),
        ("feedburner.rss.xml", "http://feeds.burn.example/LichenWeekly", &["http://hub.example/"]),
        ("podcast-many-namespaces.rss.xml", "https://bridges.example/feed/mp3/", &[hub]),
        ("prefixed.atom.xml", "https://prefix.example/feed", &[hub]),
        ("xml-base.atom.xml", "feed", &["/hub"]),
        // The link in the entry's source is another feed's.
        ("planet.atom.xml", "https://planet.loom.example/atom.xml", &[]),
        (
            "gnu-social-group.atom.xml",
            "https://social.example/api/statusnet/groups/timeline/4.atom",
            &["https://social.example/main/push/hub"],
        ),
        (
            "statusnet-user.atom.xml",
            "http://micro.example/api/statuses/user_timeline/3.atom",
            &["http://micro.example/main/push/hub"],
        ),
        ("mastodon-2.atom.xml", "https://toot.example/users/wren.atom", &[hub]),
        ("newspaper.rss.xml", "https://rss.estuary.example/world.xml", &[]),
    ];
    for (file, own, hubs) in expected {
        let document = doc(&fixture(file));
        assert_eq!(document.self_link.as_deref(), Some(own), "{file}");
        assert_eq!(document.hub_links, hubs, "{file}");
    }
}

/// F13, F16: what publishers change on every fetch, and what they change when they have something to say.
#[test]
fn the_noise_of_each_publisher_is_no_news_and_what_it_says_is() {
    // Each: from, to, and how many entries are new; `None` where nothing is, not even the feed around them.
    let changes: &[(&str, &str, &str, Option<usize>)] = &[
        ("wordpress.rss.xml", ">Sat, 24 Oct 2026 09:12:07 +0000<", ">Sun, 25 Oct 2026 09:12:07 +0000<", None),
        ("wordpress.rss.xml", "<slash:comments>4<", "<slash:comments>5<", None),
        ("wordpress.rss.xml", "@ 2026-10-24 09:15:11", "@ 2026-10-24 09:16:00", None),
        ("wordpress.rss.xml", "Leeks, again", "Leeks, once more", Some(1)),
        ("wordpress.atom.xml", "<thr:total>4<", "<thr:total>5<", None),
        ("wordpress.atom.xml", "#comments\" thr:count=\"4\"", "#comments\" thr:count=\"5\"", None),
        ("wordpress.atom.xml", "#comments\" thr:count", "#talk\" thr:count", Some(1)),
        ("blogger.atom.xml", "title='2 Comments'", "title='3 Comments'", None),
        ("blogger.atom.xml", "<openSearch:totalResults>212<", "<openSearch:totalResults>213<", None),
        ("blogger.atom.xml", "<title type='text'></title>", "<title type='text'>b</title>", Some(1)),
        ("feedburner.rss.xml", ">7</thr:total>", ">8</thr:total>", None),
        ("gnu-social-group.atom.xml", "member_count=\"17\"", "member_count=\"18\"", None),
        ("gnu-social-group.atom.xml", "<logo>https://", "<logo>http://", Some(0)),
        ("video-channel.atom.xml", "views=\"20411\"", "views=\"20412\"", None),
        ("video-channel.atom.xml", "count=\"912\"", "count=\"913\"", None),
        ("video-channel.atom.xml", "<updated>2026-10-25T15:00:31", "<updated>2026-10-25T16:00:31", None),
        // The date of an entry is its publisher's word that it changed.
        ("video-channel.atom.xml", "<updated>2026-10-20T15:00:31", "<updated>2026-10-21T15:00:31", Some(1)),
        ("newspaper.rss.xml", "<pubDate>Sun, 25 Oct 2026 13:58", "<pubDate>Sun, 25 Oct 2026 14:58", None),
        ("newspaper.rss.xml", "<dcterms:modified>2026-10-25T13", "<dcterms:modified>2026-10-25T14", Some(1)),
        ("ghost.rss.xml", "<ttl>60<", "<ttl>61<", None),
        (
            "atom-03.xml",
            "<modified>2026-10-01T10:00:00Z</modified>\n<id>",
            "<modified>x</modified>\n<id>",
            None,
        ),
        ("rss-10-modules.rdf.xml", "<r:li r:resource=\"https://nikki.example/24\"/>", "", None),
        ("redeclared.atom.xml", "<thr:total>3<", "<thr:total>4<", None),
        ("redeclared.atom.xml", "xmlns:x=\"urn:inner\"", "xmlns:x=\"urn:other\"", Some(1)),
    ];
    for (file, from, to, expected) in changes {
        let before = fixture(file);
        let text = String::from_utf8(before.clone()).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        let after = doc(text.replacen(from, to, 1).as_bytes());
        let before = doc(&before);
        let known = |id, digest| before.entries.iter().any(|entry| (entry.id, entry.digest) == (id, digest));
        let new = news(&after, &mut |entry| known(entry.id, entry.digest)).len();
        let is_noise = new == 0 && after.envelope == before.envelope;
        assert_eq!((!is_noise).then_some(new), *expected, "{file} {from}");
    }
}

/// F16: for a publisher who bumps the dates of entries, the operator has a list.
#[test]
fn dates_of_entries_can_be_declared_noise() {
    let mine = Volatile::parse(&["atom:updated"], &["atom:updated", "media:community"]).unwrap();
    let before = fixture("video-channel.atom.xml");
    let text = String::from_utf8(before.clone()).unwrap();
    let bumped = text.replace("T15:00:31", "T16:00:31").replace("views=\"", "views=\"9");
    let (before, after) =
        (read(&before, &Reading::untyped(&mine)), read(bumped.as_bytes(), &Reading::untyped(&mine)));
    assert_eq!(before.envelope, after.envelope);
    let digests = |document: &Document| -> Vec<_> { document.entries.iter().map(|e| e.digest).collect() };
    assert_eq!(digests(&before), digests(&after));
}

/// F15
#[test]
fn an_entry_that_is_there_twice_word_for_word_is_new_once() {
    let document = doc(&fixture("duplicates.rss.xml"));
    assert_eq!(news(&document, &mut |_| false), [0, 2, 3, 4, 5, 6]);
}

/// F19, F23: a fetch that broke off is never taken for a feed that lost entries.
#[test]
fn a_feed_cut_short_anywhere_is_whole() {
    for file in ["wordpress.rss.xml", "prefixed.atom.xml", "instructions.atom.xml", "rdf-news.xml"] {
        let body = fixture(file);
        let document = doc(&body);
        let root_ends = match document.format {
            Format::Atom => b"feed>",
            Format::Rss => b"/rss>",
            _ => b":RDF>",
        };
        let root_ends =
            body.windows(root_ends.len()).rposition(|window| window == root_ends).unwrap() + root_ends.len();
        let mut complete = 0;
        for length in 0..body.len() {
            let cut = &body[..length];
            let read = doc(cut);
            if length < root_ends {
                assert_eq!(read.format, Format::Opaque, "{file} at {length}");
            } else if read.format.is_feed() {
                complete += 1;
                assert_eq!(read.entries, document.entries, "{file} at {length}");
                continue;
            }
            assert_eq!(render(cut, &read, &mut |_| false).body, cut, "{file} at {length}");
        }
        assert!(complete > 0, "{file}: cut behind its root it is a feed still");
    }
}

/// X08, F25: as long as a feed may be.
#[test]
fn one_new_entry_among_ten_thousand_is_found_and_cut_out() {
    let item = |n: u32| {
        format!(
            "<item>\n<title>No. {n}</title>\n<guid>urn:n:{n}</guid>\n<description><![CDATA[<p>{n}</p>]]></description>\n</item>\n"
        )
    };
    let feed = |range: std::ops::Range<u32>| {
        let items: Vec<_> = range.rev().map(item).collect();
        format!("<rss version='2.0'><channel><title>Long</title>\n{}</channel></rss>", items.concat())
    };
    let (before, after) = (feed(0..10_000), feed(1..10_001));
    let (before, document) = (doc(before.as_bytes()), doc(after.as_bytes()));
    assert_eq!((before.entries.len(), document.entries.len()), (10_000, 10_000));
    let known: std::collections::BTreeSet<_> = before.entries.iter().map(|e| (e.id, e.digest)).collect();
    assert_eq!(news(&document, &mut |entry| known.contains(&(entry.id, entry.digest))), [0]);
    assert_eq!(before.envelope, document.envelope);
    let rendered = render(after.as_bytes(), &document, &mut |entry| entry.id == EntryId::of(b"urn:n:10000"));
    assert_eq!(doc(&rendered.body).entries, rendered.entries);
    assert_eq!(pieces(&rendered.body, &doc(&rendered.body)), [item(10_000).trim_end().as_bytes()]);
    // What the others leave behind is the white space between them.
    assert!(rendered.body.len() < 11_000);
}
