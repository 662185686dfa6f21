//! Feeds as sites write them: comments, CDATA that looks like markup, odd spacing, several scripts, foreign elements.
//!
//! A feed is kept as the pieces of its document, so that a test knows the bytes of each entry and can say what the
//! document looks like with only some of them left in.

use std::fmt::Write as _;

use bytes::Bytes;

/// The three shapes that are cut down to what is new (F12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    Atom,
    Rss,
    Rdf,
}

impl Flavour {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Atom => "application/atom+xml; charset=utf-8",
            Self::Rss => "application/rss+xml;charset=UTF-8",
            Self::Rdf => "application/rdf+xml",
        }
    }
}

#[derive(Debug, Clone)]
struct Entry {
    id: String,
    version: u32,
    /// What stands before the entry and belongs to the surrounding document.
    before: String,
}

/// A feed, newest entry first.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    flavour: Flavour,
    links: String,
    title: String,
    entries: Vec<Entry>,
    made: usize,
    /// Grows with each change; what feeds rewrite whenever they are asked (F13).
    updated: u32,
}

impl Feed {
    /// A feed with `count` entries that says what it is called and which hubs it has.
    pub(crate) fn new(flavour: Flavour, count: usize, own_url: &str, hubs: &[&str]) -> Self {
        let prefix = if flavour == Flavour::Atom { "" } else { "atom:" };
        let mut links = format!("  <{prefix}link rel=\"self\" href=\"{own_url}\"/>\n");
        for hub in hubs {
            writeln!(links, "  <{prefix}link href='{hub}' rel='hub' />").unwrap();
        }
        let title = "Strömung &amp; Co".to_owned();
        let mut feed = Self { flavour, links, title, entries: Vec::new(), made: 0, updated: 0 };
        for _ in 0..count {
            feed.add();
        }
        feed
    }

    pub(crate) fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// Puts a new entry on top and returns its id.
    pub(crate) fn add(&mut self) -> String {
        let number = self.made;
        let before = match number % 4 {
            0 => "\n  ",
            1 => "\n\n\t",
            // Stays whatever happens to its neighbours, and must not be taken for one of them.
            2 => "\n  <!-- <entry>not one</entry> <item>nor this</item> -->\n  ",
            _ => "",
        };
        let id = format!("tag:example.org,2026:{number}");
        self.entries.insert(0, Entry { id: id.clone(), version: 0, before: before.to_owned() });
        self.made += 1;
        self.updated += 1;
        id
    }

    /// Writes an entry anew, under its old id.
    pub(crate) fn edit(&mut self, id: &str) {
        self.entries.iter_mut().find(|entry| entry.id == id).unwrap().version += 1;
        self.updated += 1;
    }

    /// Changes what the feed says of itself, and no entry (F13).
    pub(crate) fn rename(&mut self, title: &str) {
        title.clone_into(&mut self.title);
        self.updated += 1;
    }

    /// Rewrites nothing but the time of the feed (F13).
    pub(crate) fn touch(&mut self) {
        self.updated += 1;
    }

    /// All ids in document order.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.entries.iter().map(|entry| entry.id.clone()).collect()
    }

    /// The whole document.
    pub(crate) fn document(&self) -> Bytes {
        self.only(&self.ids())
    }

    /// The document without the bytes of all other entries, and with every other byte (F21, F22).
    pub(crate) fn only(&self, ids: &[String]) -> Bytes {
        let mut text = self.head();
        for entry in &self.entries {
            text += &entry.before;
            if ids.contains(&entry.id) {
                text += &self.bytes_of(entry);
            }
        }
        Bytes::from(text + self.foot())
    }

    /// The ids of the entries that stand in a document in their newest version, in the order in which they stand there.
    /// Fails if one of them stands there twice, or if an entry stands there in an older version.
    pub(crate) fn found_in(&self, document: &[u8]) -> Vec<String> {
        let document = std::str::from_utf8(document).unwrap();
        assert!(document.starts_with(self.opening()), "another frame: {document}");
        assert!(document.ends_with(self.foot()), "another frame: {document}");
        let mut found = Vec::new();
        for entry in &self.entries {
            let places: Vec<_> = document.match_indices(&self.bytes_of(entry)).collect();
            assert!(places.len() <= 1, "{} stands twice in {document}", entry.id);
            let named = document.matches(&self.identity(entry)).count();
            assert_eq!(named, places.len(), "{} is stale or repeated in {document}", entry.id);
            found.extend(places.first().map(|(place, _)| (*place, entry.id.clone())));
        }
        found.sort();
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// Whether an entry stands in a document in its newest version, whatever else stands there.
    pub(crate) fn has_in(&self, document: &[u8], id: &str) -> bool {
        let entry = self.entries.iter().find(|entry| entry.id == id).unwrap();
        std::str::from_utf8(document).unwrap().contains(&self.bytes_of(entry))
    }

    /// How the entry says who it is.
    fn identity(&self, entry: &Entry) -> String {
        let id = &entry.id;
        match self.flavour {
            Flavour::Atom => format!("<id> {id}\n</id>"),
            Flavour::Rss => format!("<guid isPermaLink='false'>{id}</guid>"),
            Flavour::Rdf => format!("<item rdf:about=\"{id}\">"),
        }
    }

    fn bytes_of(&self, entry: &Entry) -> String {
        let (identity, Entry { id, version, .. }) = (self.identity(entry), entry);
        let text = format!("Version {version} of {id}: naïve Ж 語 &lt;p&gt;&#x1F980;&lt;/p&gt;");
        // Only a reader of XML knows that these close nothing.
        let trap = "<![CDATA[ </entry></item> <entry> ]]><!-- </entry></item> --><?php </item> ?>";
        match self.flavour {
            Flavour::Atom => format!(
                "<entry xml:lang = 'de'>\n    {identity}\n    <title>Entry</title>\n    \
                 <source><id>tag:example.org,2026:0</id></source>\n    \
                 <updated>2026-11-20T10:00:{version:02}Z</updated>\n    \
                 <content type=\"html\">{text}{trap}</content>\n    <x:empty attribute=\">\"/>\n  </entry>"
            ),
            Flavour::Rss => format!(
                "<item >\n   {identity}\n   <title>Item</title><description>{text}{trap}</description>\n   \
                 <slash:comments>{version}</slash:comments>\n  </item\n>"
            ),
            Flavour::Rdf => {
                format!("{identity}<title>Item</title><description>{text}{trap}</description></item>")
            }
        }
    }

    fn opening(&self) -> &'static str {
        match self.flavour {
            Flavour::Atom => {
                "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
                 <feed xmlns=\"http://www.w3.org/2005/Atom\" xmlns:x='urn:example:x'>\n"
            }
            Flavour::Rss => {
                "<?xml version='1.0'?>\n<!-- made by hand -->\n<rss version=\"2.0\" \
                 xmlns:atom=\"http://www.w3.org/2005/Atom\" \
                 xmlns:slash=\"http://purl.org/rss/1.0/modules/slash/\">\n <channel>\n"
            }
            Flavour::Rdf => {
                "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" \
                 xmlns=\"http://purl.org/rss/1.0/\" xmlns:atom=\"http://www.w3.org/2005/Atom\">\n \
                 <channel rdf:about=\"http://example.org/\">\n"
            }
        }
    }

    fn head(&self) -> String {
        let Self { links, title, updated, .. } = self;
        let (minutes, seconds) = (updated / 60, updated % 60);
        let time = match self.flavour {
            Flavour::Atom => format!(
                "  <id>tag:example.org,2026:feed</id>\n  \
                 <updated>2026-11-21T10:{minutes:02}:{seconds:02}Z</updated>\n"
            ),
            Flavour::Rss => format!(
                "  <link>http://example.org/</link><description/>\n  \
                 <lastBuildDate>Sat, 21 Nov 2026 10:{minutes:02}:{seconds:02} GMT</lastBuildDate>\n"
            ),
            // The list of what follows is part of the surrounding document and is left as it is (F22).
            Flavour::Rdf => "  <link>http://example.org/</link><description/>\n  <items><rdf:Seq>\
                 <rdf:li rdf:resource=\"tag:example.org,2026:0\"/></rdf:Seq></items>\n </channel>\n"
                .to_owned(),
        };
        format!("{}  <title>{title}</title>\n{links}{time}", self.opening())
    }

    fn foot(&self) -> &'static str {
        match self.flavour {
            Flavour::Atom => "\n</feed>\n<!-- the end -->\n",
            Flavour::Rss => "\n </channel>\n</rss>\n",
            Flavour::Rdf => "\n</rdf:RDF>",
        }
    }
}

#[test]
fn a_feed_knows_the_bytes_of_its_entries() {
    for flavour in [Flavour::Atom, Flavour::Rss, Flavour::Rdf] {
        let mut feed = Feed::new(flavour, 5, "http://example.org/feed", &["http://hub.example.org/"]);
        let before = feed.document();
        let (new, old) = (feed.add(), feed.ids()[3].clone());
        feed.edit(&old);
        assert_eq!(feed.found_in(&feed.document()), feed.ids());
        let some = feed.only(&[old.clone(), new.clone()]);
        assert_eq!(feed.found_in(&some), [new, old]);
        assert_ne!(before, feed.document());
        assert!(some.len() < before.len());
    }
}
