//! Feeds nobody wrote by hand: of every format, with whatever XML or JSON allows between and inside their entries.

use encoding_rs::{Encoding, UTF_8};
use proptest::{collection::vec, prelude::*, sample::select};

use super::Format;

/// A feed in pieces, so that a test knows what must come out.
#[derive(Debug, Clone)]
pub(super) struct Generated {
    pub(super) format: Format,
    pub(super) encoding: &'static Encoding,
    /// Everything before the first entry.
    pub(super) head: String,
    /// Entries, each with what follows it.
    pub(super) entries: Vec<(String, String)>,
    pub(super) tail: String,
}

impl Generated {
    pub(super) fn body(&self) -> Vec<u8> {
        let entries: String = self.entries.iter().flat_map(|(entry, gap)| [entry.as_str(), gap]).collect();
        self.encode(&format!("{}{entries}{}", self.head, self.tail))
    }

    /// The entries as they lie in the body.
    pub(super) fn written(&self) -> Vec<Vec<u8>> {
        self.entries.iter().map(|(entry, _)| self.encode(entry)).collect()
    }

    /// What the encoding cannot write becomes a reference, as it does where feeds are made.
    fn encode(&self, text: &str) -> Vec<u8> {
        self.encoding.encode(text).0.into_owned()
    }
}

/// How a feed of some format begins and ends, and how its elements are called.
#[derive(Debug, Clone)]
struct Shape {
    format: Format,
    open: String,
    close: String,
    entry: &'static str,
    prefix: String,
    id: &'static str,
    /// What its elements are in, if anything.
    namespace: &'static str,
}

const BASES: [&str; 4] =
    ["", " xml:base='https://a.example/b/'", " xml:base='b/' xml:lang='fr'", " xml:lang=\"en\""];

fn shape() -> impl Strategy<Value = Shape> {
    let versions = select(vec!["http://www.w3.org/2005/Atom", "http://purl.org/atom/ns#"]);
    let atom =
        (select(vec!["", "a:", "atom:"]), versions, select(BASES.to_vec())).prop_map(|(p, own, base)| {
            let xmlns =
                if p.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{}", p.trim_end_matches(':')) };
            Shape {
                format: Format::Atom,
                open: format!("<{p}feed {xmlns}='{own}' xmlns:n=\"urn:n\"{base}>"),
                close: format!("</{p}feed >"),
                entry: "entry",
                prefix: p.to_owned(),
                id: "id",
                namespace: own,
            }
        });
    let own = select(vec!["", "", "http://backend.userland.com/rss2"]);
    let rss = (own, select(BASES.to_vec()), select(BASES.to_vec())).prop_map(|(own, base, inner)| Shape {
        format: Format::Rss,
        open: format!("<rss xmlns='{own}' xmlns:n='urn:n'{base}>\n<channel{inner} xmlns:m='urn:m'>"),
        close: "</channel> </rss>".to_owned(),
        entry: "item",
        prefix: String::new(),
        id: "guid",
        namespace: own,
    });
    let own = select(vec!["http://purl.org/rss/1.0/", "http://my.netscape.com/rdf/simple/0.9/"]);
    let rdf = (own, select(BASES.to_vec())).prop_map(|(own, base)| Shape {
        format: Format::Rdf,
        open: format!(
            "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='{own}' xmlns:n='urn:n'{base}>\
             <channel rdf:about='x'><title>t</title><items><rdf:Seq/></items></channel>"
        ),
        close: "</rdf:RDF>".to_owned(),
        entry: "item",
        prefix: String::new(),
        id: "link",
        namespace: own,
    });
    prop_oneof![atom, rss, rdf]
}

fn words() -> impl Strategy<Value = String> {
    // Some with ASCII among their bytes in Shift_JIS, Big5 or GBK: `]` and `[` too.
    let words = [
        "a",
        "é ",
        " ]]",
        "x > y",
        "&amp;",
        "&#38;",
        "&#160;",
        "\n\t",
        "item",
        "'\"",
        "🦀",
        "ё",
        "‐]",
        "ー表ソ",
        "功許",
        "乗乚",
        "한똠",
    ];
    select(words.to_vec()).prop_map(str::to_owned)
}

fn aside() -> impl Strategy<Value = String> {
    select(vec![
        "<!-- <entry></item> -->",
        "<!---->",
        "<?php echo '</entry>' ?>",
        "<![CDATA[</entry></item>]]>",
        "<![CDATA[]]]]>",
        "<n:entry/>",
        "<n:item>&lt;</n:item>",
        "<entry xmlns=''>z</entry>",
        "<n:a xmlns:n='urn:1' n:b=''><n:b xmlns:n='urn:2' xml:base='deep/'><n:c/></n:b><n:c/></n:a>",
        "<a:entry xmlns:a='urn:not-atom'><a:id>x</a:id></a:entry>",
        "<u xmlns='' xml:lang=''><entry/><item/><guid>x</guid></u>",
        "<t:total xmlns:t='http://purl.org/syndication/thread/1.0'>3</t:total>",
        "<![CDATA[‐]></entry></item>‐]]>",
        "<!-- ー‐]]> -->",
        "<p xmlns='http://www.w3.org/1999/xhtml' title=\"a>b\"><entry id='1'/><item>q</item></p>",
    ])
    .prop_map(str::to_owned)
}

/// Some content of an element.
fn content() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![3 => words(), 2 => aside()];
    let joined = |pieces: Vec<String>| pieces.concat();
    vec(leaf, 0..4).prop_map(joined).prop_recursive(4, 16, 4, move |inner| {
        let name = select(vec!["b", "n:c", "q:d", "entry-2", "items"]);
        let element =
            (name, inner).prop_map(|(name, inner)| format!("<{name} xmlns:q='urn:{name}'>{inner}</{name}>"));
        vec(element, 1..3).prop_map(joined)
    })
}

/// What may stand between feed-level elements: white space mostly, and things that have no business there.
fn gap() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "\n  ",
        " ",
        "\r\n\t",
        "<!-- cached -->",
        "<?pi?>",
        "stray",
        "&amp;",
        "<n:x> y </n:x>",
        "<n:entry xmlns:n='urn:m'><entry/></n:entry>",
        "<![CDATA[ </entry></item> ]]>",
        // What changes without anything having been said.
        "<t:total xmlns:t='http://purl.org/syndication/thread/1.0'><item/></t:total>",
        "<u:updated xmlns:u='http://www.w3.org/2005/Atom'>2026</u:updated>",
        "<ttl xmlns=''>60</ttl>",
        "<items><item/><entry/></items>",
        "<![CDATA[‐]></feed></channel></rdf:RDF>‐]]>",
        "‐",
        "]",
        "]",
        "b>",
    ]);
    vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// What stands before the root, and the encoding it speaks of.
fn prolog() -> impl Strategy<Value = (String, &'static Encoding)> {
    let utf8 = select(vec![
        "",
        "\u{feff}",
        "<?xml version=\"1.0\" encoding='UTF-8'?>\n",
        "\u{feff}<?xml version='1.0'?><?xml-stylesheet href='a'?><!-- x -->",
        "<!DOCTYPE feed [<!ENTITY e 'entry]>'> <!-- ' --> ]>\n",
    ]);
    let old = select(vec![
        "windows-1252",
        "ISO-8859-15",
        "windows-1251",
        "koi8-r",
        "Shift_JIS",
        "Big5",
        "gbk",
        "gb18030",
        "EUC-JP",
        "euc-kr",
    ]);
    let declared = |label: &str| {
        let prolog =
            format!("<?xml version='1.0' encoding='{label}'?><!DOCTYPE feed [<!ENTITY e \"ー‐>\">]>");
        (prolog, Encoding::for_label(label.as_bytes()).unwrap_or(UTF_8))
    };
    prop_oneof![utf8.prop_map(|prolog| (prolog.to_owned(), UTF_8)), old.prop_map(declared)]
}

/// What the start tag of an entry may say beside its name.
fn attributes() -> impl Strategy<Value = &'static str> {
    select(vec![
        "",
        " xml:base='e/'",
        " xml:lang='de' xml:base=\"/root/\"",
        " xmlns:n='urn:of-the-entry'",
        " title='a > b'\n",
    ])
}

pub(super) fn xml_feed() -> impl Strategy<Value = Generated> {
    let id = select(vec!["", "1", "2", " 3\n", "<![CDATA[4]]>", "é‐"]);
    let entry = (id, content(), any::<bool>(), attributes(), gap());
    // Whether an entry declares a prefix of its own, or does without one.
    let own = select(vec![None, Some("z:"), Some("")]);
    let entry = (entry, own);
    (prolog(), shape(), gap(), vec(entry, 0..6), gap()).prop_map(|(prolog, shape, before, entries, after)| {
        let Shape { format, open, close, entry: name, prefix, id, namespace } = shape;
        let (prolog, encoding) = prolog;
        let entity = if prolog.contains("<!ENTITY e") { " &e;" } else { "" };
        let entries = entries.into_iter().map(|((text, content, is_bare, attributes, gap), own)| {
            // This entry's own way to call all that is the format's.
            let (p, xmlns) = match own.filter(|_| !namespace.is_empty()) {
                Some("") => ("", format!(" xmlns='{namespace}'")),
                Some(own) => (own, format!(" xmlns:{}='{namespace}'", own.trim_end_matches(':'))),
                None => (prefix.as_str(), String::new()),
            };
            let start = format!("{p}{name}{xmlns}{attributes}");
            let entry = if is_bare && content.is_empty() {
                format!("<{start}/>")
            } else {
                format!("<{start}>\n<{p}title>t</{p}title><{p}{id}>{text}</{p}{id}>{content}</{p}{name} >")
            };
            (entry, gap)
        });
        Generated {
            format,
            encoding,
            head: format!("{prolog}{open}{before}<{prefix}title>feed{entity}</{prefix}title>"),
            entries: entries.collect(),
            tail: format!("{after}{close}\n<!-- done -->"),
        }
    })
}

/// JSON of any kind, written with white space wherever it may stand, and with traps in its strings.
fn json() -> impl Strategy<Value = String> {
    let leaf = select(vec![
        "null",
        "true",
        "0",
        "-1.50e+3",
        "\"\"",
        "\"é🦀\"",
        "\"],\"",
        "\"},{\"",
        "\"\\\"\"",
        "\"\\\\\"",
        "\"\\u00e9\\ud83e\\udd80\"",
        "\"items\"",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 4, |inner| {
        let list = (vec(inner.clone(), 0..4), json_space())
            .prop_map(|(values, space)| format!("[{space}{}{space}]", values.join(&format!("{space},"))));
        prop_oneof![list, vec(inner, 0..4).prop_map(|values| object(&values, "", " "))]
    })
}

fn json_space() -> impl Strategy<Value = String> {
    select(vec!["", " ", "\n  ", "\r\n\t"]).prop_map(str::to_owned)
}

/// An object of these values, and `first` before them.
fn object(values: &[String], first: &str, space: &str) -> String {
    let names = ["items", "b c", "\\u0061", "\\\"}", "title", "🦀"];
    let members = values.iter().zip(names).map(|(value, name)| format!("\"{name}\"{space}:{value}{space}"));
    let members: Vec<_> =
        Some(first.to_owned()).filter(|first| !first.is_empty()).into_iter().chain(members).collect();
    format!("{{{space}{}}}", members.join(","))
}

pub(super) fn json_feed() -> impl Strategy<Value = Generated> {
    let id = select(vec!["", "\"id\":1", "\"id\" : \"1\"", "\"url\":\"u\"", "\"id\":null"]);
    let item =
        (id, vec(json(), 0..4), json_space()).prop_map(|(id, values, space)| object(&values, id, &space));
    let space = || vec(json_space(), 3);
    let head = (select(vec!["https", "http"]), select(vec!["1", "1.1"]), json(), space());
    let tail = (json(), space());
    (head, vec((item, space()), 0..6), tail).prop_map(|((scheme, version, value, outer), items, (last, inner))| {
        let [before, between, lead] = outer.as_slice() else { panic!("three spaces") };
        let count = items.len();
        let entries = items.into_iter().enumerate().map(|(at, (item, spaces))| {
            let comma = if at + 1 < count { "," } else { "" };
            (item, format!("{}{comma}{}", spaces[0], if comma.is_empty() { "" } else { &spaces[1] }))
        });
        Generated {
            format: Format::JsonFeed,
            encoding: UTF_8,
            head: format!(
                "{before}{{{between}\"version\":\"{scheme}://jsonfeed.org/version/{version}\",\"a\":{value}{between},\
                 \"items\"{between}:{between}[{lead}"
            ),
            entries: entries.collect(),
            tail: format!("]{},\"item\":{last}{}}}{}", inner[0], inner[1], inner[2]),
        }
    })
}

pub(super) fn any_feed() -> impl Strategy<Value = Generated> {
    prop_oneof![2 => xml_feed(), 1 => json_feed()]
}
