//! Feeds nobody wrote by hand: of every format, with whatever XML or JSON allows between and inside their entries.

use proptest::{collection::vec, prelude::*, sample::select};

use super::Format;

/// A feed in pieces, so that a test knows what must come out.
#[derive(Debug, Clone)]
pub(super) struct Generated {
    pub(super) format: Format,
    /// Everything before the first entry.
    pub(super) head: String,
    /// Entries, each with what follows it.
    pub(super) entries: Vec<(String, String)>,
    pub(super) tail: String,
}

impl Generated {
    pub(super) fn body(&self) -> Vec<u8> {
        let entries: String = self.entries.iter().flat_map(|(entry, gap)| [entry.as_str(), gap]).collect();
        format!("{}{entries}{}", self.head, self.tail).into_bytes()
    }
}

/// How a feed of some format begins and ends, and how its elements are called.
#[derive(Debug, Clone)]
struct Shape {
    format: Format,
    open: String,
    close: String,
    entry: String,
    prefix: String,
    id: String,
}

fn shape() -> impl Strategy<Value = Shape> {
    let atom = select(vec!["", "a:", "atom:"]).prop_map(|p| {
        let xmlns =
            if p.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{}", p.trim_end_matches(':')) };
        Shape {
            format: Format::Atom,
            open: format!("<{p}feed {xmlns}='http://www.w3.org/2005/Atom' xmlns:n=\"urn:n\" xml:lang='en'>"),
            close: format!("</{p}feed >"),
            entry: format!("{p}entry"),
            prefix: p.to_owned(),
            id: format!("{p}id"),
        }
    });
    let rss = select(vec!["0.91", "2.0"]).prop_map(|version| Shape {
        format: Format::Rss,
        open: format!("<rss version=\"{version}\" xmlns:n='urn:n'>\n<channel>"),
        close: "</channel> </rss>".to_owned(),
        entry: "item".to_owned(),
        prefix: String::new(),
        id: "guid".to_owned(),
    });
    let rdf = select(vec!["http://purl.org/rss/1.0/", "http://my.netscape.com/rdf/simple/0.9/"]).prop_map(|own| Shape {
        format: Format::Rdf,
        open: format!(
            "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='{own}' xmlns:n='urn:n'>\
             <channel rdf:about='x'><title>t</title><items><rdf:Seq/></items></channel>"
        ),
        close: "</rdf:RDF>".to_owned(),
        entry: "item".to_owned(),
        prefix: String::new(),
        id: "link".to_owned(),
    });
    prop_oneof![atom, rss, rdf]
}

fn words() -> impl Strategy<Value = String> {
    select(vec!["a", "é ", " ]]", "x > y", "&amp;", "&#38;", "&nbsp;", "\n\t", "item", "'\"", "🦀"])
        .prop_map(str::to_owned)
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
        "]",
    ]);
    vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn xml_feed() -> impl Strategy<Value = Generated> {
    let prolog = select(vec![
        "",
        "\u{feff}",
        "<?xml version=\"1.0\" encoding='UTF-8'?>\n",
        "\u{feff}<?xml version='1.0'?><?xml-stylesheet href='a'?><!-- x -->",
        "<!DOCTYPE feed [<!ENTITY e '<entry>]>'> <!-- ' --> ]>\n",
    ]);
    let entry = (select(vec!["", "1", "2", " 3\n", "<![CDATA[4]]>"]), content(), any::<bool>(), gap());
    (prolog, shape(), gap(), vec(entry, 0..6), gap()).prop_map(|(prolog, shape, before, entries, after)| {
        let Shape { format, open, close, entry: name, prefix, id } = shape;
        let entries = entries.into_iter().map(|(text, content, is_bare, gap)| {
            let entry = if is_bare && content.is_empty() {
                format!("<{name}/>")
            } else {
                format!("<{name}>\n<{prefix}title>t</{prefix}title><{id}>{text}</{id}>{content}</{name} >")
            };
            (entry, gap)
        });
        Generated {
            format,
            head: format!("{prolog}{open}{before}<{prefix}title>feed</{prefix}title>"),
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
