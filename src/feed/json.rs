//! JSON Feed 1.0 and 1.1, for an operator who lets it be split: its items as ranges of the body.
//!
//! `serde_json` says where values begin and end, and that all of it is JSON to the end; what it does not build it does not
//! recurse into, so that depth costs nothing (X08). Nothing is written anew. What two readers may read differently is
//! not read at all: an object with a name in it twice, also one spelled with escapes, makes the body opaque.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    Document, Entry, EntryDigest, Format, Volatile, entry::range_within, fingerprint::Fingerprint,
    identity::Identity, links::Links, namespaces::Name, tag::Unreadable, walk::MOST_ENTRIES,
};

/// What the top-level `version` begins with; behind it stands 1 or 1.1.
const VERSIONS: [&str; 2] = ["https://jsonfeed.org/version/", "http://jsonfeed.org/version/"];
/// Members that items take their meaning from: an item without a language or an author has those of its feed.
const CONTEXT: [&str; 4] = ["version", "language", "author", "authors"];
/// More members than any object has that a hub should look into; each costs some sixty bytes of memory.
const MOST_MEMBERS: usize = 1 << 12;

/// The JSON Feed this is; an error if it is none, or none we can vouch for.
pub(super) fn feed(body: &[u8], volatile: &Volatile) -> Result<Document, Unreadable> {
    let Ok(text) = std::str::from_utf8(body) else { return Err(Unreadable) };
    let feed: Members<'_> = parse(text)?;
    let version = feed.text("version").ok_or(Unreadable)?;
    if !VERSIONS.iter().any(|known| version.starts_with(known)) {
        return Err(Unreadable);
    }
    let list = feed.get("items").ok_or(Unreadable)?;
    let Values(items) = parse(list.get())?;
    let entries: Vec<_> =
        items.into_iter().map(|item| entry(item, body, volatile)).collect::<Result<_, _>>()?;
    let mut context = Fingerprint::new();
    for name in CONTEXT {
        context.add_part(feed.get(name).map(|raw| raw.get().as_bytes()).unwrap_or_default());
    }
    let links = links(&feed);
    let inside = range_within(body, list.get().as_bytes()).start.saturating_add(1);
    Ok(Document {
        format: Format::JsonFeed,
        insert_at: entries.last().map_or(inside, |last| last.range.end),
        entries,
        envelope: feed.hash(|name| name == "items" || volatile.in_feed(bare(name))).into(),
        context: context.into(),
        self_link: links.own,
        hub_links: links.hubs,
        link_base: links.base,
    })
}

fn entry(item: &RawValue, body: &[u8], volatile: &Volatile) -> Result<Entry, Unreadable> {
    let members: Members<'_> = parse(item.get())?;
    let digest = EntryDigest::from(members.hash(|name| volatile.in_entry(bare(name))));
    let mut identity = Identity::default();
    for (rank, name) in ["id", "url"].into_iter().enumerate() {
        // Readers are told to take an id that is a number for its text.
        let number = members.get(name).map(RawValue::get).filter(|raw| rank == 0 && is_number(raw));
        if let Some(value) = number.map(str::to_owned).or_else(|| members.text(name)) {
            identity.offer(rank, value.into_bytes().into());
        }
    }
    Ok(Entry { id: identity.settle(digest), digest, range: range_within(body, item.get().as_bytes()) })
}

/// Where the feed says it lives, and its hubs of the kind that this one is.
fn links(feed: &Members<'_>) -> Links {
    let mut links = Links::default();
    links.rebase(b"");
    if let Some(own) = feed.text("feed_url") {
        links.add(b"self", own.as_bytes());
    }
    let hubs = feed.get("hubs").and_then(|list| parse(list.get()).ok());
    for hub in hubs.map(|Values(hubs)| hubs).unwrap_or_default() {
        let Ok(hub) = parse::<Members<'_>>(hub.get()) else { continue };
        let is_ours = hub.text("type").is_some_and(|kind| kind.eq_ignore_ascii_case("WebSub"));
        if let Some(url) = hub.text("url").filter(|_| is_ours) {
            links.add(b"hub", url.as_bytes());
        }
    }
    links
}

fn is_number(raw: &str) -> bool {
    raw.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// A member's name as one of those that an operator may call volatile.
const fn bare(name: &str) -> Name<'_> {
    Name { namespace: b"", local: name.as_bytes() }
}

fn parse<'b, T: Deserialize<'b>>(text: &'b str) -> Result<T, Unreadable> {
    serde_json::from_str(text).or(Err(Unreadable))
}

/// The members of an object as they were written: each name once, the values unread.
#[derive(Debug)]
struct Members<'b>(Vec<(String, &'b RawValue)>);

impl<'b> Members<'b> {
    fn get(&self, wanted: &str) -> Option<&'b RawValue> {
        self.0.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value)
    }

    /// The value of a member that is a string.
    fn text(&self, wanted: &str) -> Option<String> {
        parse(self.get(wanted)?.get()).ok()
    }

    /// Of every member but those left out, and of no white space between them.
    fn hash(&self, is_left_out: impl Fn(&str) -> bool) -> Fingerprint {
        let mut fingerprint = Fingerprint::new();
        for (name, value) in self.0.iter().filter(|(name, _)| !is_left_out(name)) {
            fingerprint.add_part(name.as_bytes());
            fingerprint.add_part(value.get().as_bytes());
        }
        fingerprint
    }

    fn has_duplicates(&self) -> bool {
        let mut names: Vec<_> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
    }
}

/// The values of an array, unread.
#[derive(Debug)]
struct Values<'b>(Vec<&'b RawValue>);

struct Object;

impl<'b> Visitor<'b> for Object {
    type Value = Members<'b>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members(Vec::new());
        while let Some(member) = map.next_entry()? {
            if members.0.len() >= MOST_MEMBERS {
                return Err(de::Error::custom("too many members"));
            }
            members.0.push(member);
        }
        if members.has_duplicates() { Err(de::Error::custom("a name twice")) } else { Ok(members) }
    }
}

impl<'b> Deserialize<'b> for Members<'b> {
    fn deserialize<D: Deserializer<'b>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object)
    }
}

struct Array;

impl<'b> Visitor<'b> for Array {
    type Value = Values<'b>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut values = Values(Vec::new());
        while let Some(value) = list.next_element()? {
            if values.0.len() >= MOST_ENTRIES {
                return Err(de::Error::custom("too many values"));
            }
            values.0.push(value);
        }
        Ok(values)
    }
}

impl<'b> Deserialize<'b> for Values<'b> {
    fn deserialize<D: Deserializer<'b>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Array)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::feed::{EntryId, JsonFeed, Reading, generated, merge, read, render};

    const VERSION: &str = "\"version\":\"https://jsonfeed.org/version/1.1\"";

    fn doc(body: &str) -> Document {
        read(body.as_bytes(), &Reading::untyped(&Volatile::default()))
    }

    fn items(items: &str) -> String {
        format!("{{{VERSION},\"items\":[{items}]}}")
    }

    fn ids(document: &Document) -> Vec<EntryId> {
        document.entries.iter().map(|entry| entry.id).collect()
    }

    fn values(body: &[u8]) -> Value {
        serde_json::from_slice(body).unwrap()
    }

    proptest! {
        /// F21, F24, as a reader of JSON sees it: the items kept, in order, and everything else as it was.
        #[test]
        fn a_rendered_json_feed_parses_to_the_same_feed_with_the_items_kept(
            feed in generated::json_feed(),
            mask: u32,
        ) {
            let body = feed.body();
            let document = read(&body, &Reading::untyped(&Volatile::default()));
            prop_assert_eq!(document.format, Format::JsonFeed);
            let mut place = 0;
            let rendered = render(&body, &document, &mut |_| {
                place += 1;
                mask & (1 << (place - 1)) != 0
            });
            let mut expected = values(&body);
            let kept = expected["items"].as_array_mut().unwrap();
            let mut place = 0;
            kept.retain(|_| {
                place += 1;
                mask & (1 << (place - 1)) != 0
            });
            prop_assert_eq!(kept.len(), rendered.entries.len());
            prop_assert_eq!(values(&rendered.body), expected);
        }
    }

    #[test]
    fn what_is_cut_goes_with_one_comma_and_the_white_space_at_it() {
        let body = format!(
            "{{{VERSION}, \"items\": [\n  {{\"id\":1}},\n  {{\"id\":2}} ,{{\"id\":3}}\n], \"x\":[,]}}"
        );
        let body = body.replace("[,]", "[1,2]");
        let document = doc(&body);
        let kept = |places: &[usize]| {
            let mut place = 0;
            let rendered = render(body.as_bytes(), &document, &mut |_| {
                place += 1;
                places.contains(&place)
            });
            let text = String::from_utf8(rendered.body).unwrap();
            let (_, rest) = text.split_once("\"items\": ").unwrap();
            rest.strip_suffix(", \"x\":[1,2]}").unwrap().to_owned()
        };
        assert_eq!(kept(&[1, 3]), "[\n  {\"id\":1} ,{\"id\":3}\n]");
        assert_eq!(kept(&[2]), "[\n  {\"id\":2}\n]");
        assert_eq!(kept(&[3]), "[\n  {\"id\":3}\n]");
        assert_eq!(kept(&[1]), "[\n  {\"id\":1}\n]");
        assert_eq!(kept(&[2, 3]), "[\n  {\"id\":2} ,{\"id\":3}\n]");
        assert_eq!(kept(&[]), "[\n  \n]");
    }

    /// D20
    #[test]
    fn older_items_are_appended_with_the_commas_they_need() {
        let merged = |body: &str, keep: bool| {
            let rendered = render(body.as_bytes(), &doc(body), &mut |_| keep);
            let merged = merge(&rendered, &[b"{\"id\":8}", b"{\"id\":9}"]);
            String::from_utf8(merged.body).unwrap()
        };
        assert_eq!(merged(&items(" {\"id\":1} "), true), items(" {\"id\":1},\n{\"id\":8},\n{\"id\":9} "));
        assert_eq!(merged(&items(" {\"id\":1} "), false), items(" \n{\"id\":8},\n{\"id\":9} "));
        assert_eq!(merged(&items(""), true), items("\n{\"id\":8},\n{\"id\":9}"));
    }

    /// F12, F19, F20
    #[test]
    fn json_is_opaque_unless_it_is_a_json_feed_that_may_be_split() {
        let sound = items("{\"id\":\"1\"}");
        assert_eq!(doc(&sound).format, Format::JsonFeed);
        assert_eq!(doc(&format!(" \n{} \n", sound.replace("https", "http"))).format, Format::JsonFeed);
        let volatile = Volatile::default();
        let whole = Reading { json_feed: JsonFeed::Whole, ..Reading::untyped(&volatile) };
        assert_eq!(read(sound.as_bytes(), &whole).format, Format::Opaque);
        let opaque = [
            sound.replace("jsonfeed.org", "example.org"),
            sound.replace("\"https://jsonfeed.org/version/1.1\"", "1"),
            sound.replace("\"version\"", "\"versions\""),
            sound.replace("\"items\"", "\"entries\""),
            format!("{{{VERSION},\"items\":{{}}}}"),
            format!("{{{VERSION},\"items\":[],\"items\":[]}}"),
            format!("{{{VERSION},\"items\":[],\"\\u0069tems\":[]}}"),
            format!("{{{VERSION},{VERSION},\"items\":[]}}"),
            items("1"),
            items("{},null"),
            items("{},"),
            items("[{}]"),
            items("{\"id\":1,\"id\":2}"),
            items("{\"id\":01}"),
            items("{\"a\":\"\t\"}"),
            format!("\u{feff}{sound}"),
            format!("{sound}x"),
            format!("{sound}{sound}"),
            format!("[{sound}]"),
            format!("<?=$x?>{sound}"),
            sound.replace('}', ""),
        ];
        for body in opaque {
            let document = doc(&body);
            assert_eq!((document.format, document.entries.len()), (Format::Opaque, 0), "{body}");
        }
        let latin = [sound.as_bytes(), b"\xE9"].concat();
        assert_eq!(read(&latin, &Reading::untyped(&Volatile::default())).format, Format::Opaque);
    }

    /// F14
    #[test]
    fn an_item_is_known_by_its_id_else_its_url_else_what_it_says() {
        let id = |of: &str| EntryId::of(of.as_bytes());
        let body = items(
            "{\"url\":\"u\",\"id\":\" a\\u0062 \"},{\"id\":-1.50e3,\"url\":\"u\"},{\"id\":null,\"url\":\"u\"},\
             {\"id\":\"\",\"url\":\"u\"},{\"external\":{\"id\":\"x\"},\"url\":7}",
        );
        let document = doc(&body);
        let last = document.entries[4].digest;
        assert_eq!(ids(&document), [id("ab"), id("-1.50e3"), id("u"), id("u"), last.into()]);
        assert_eq!(&body.as_bytes()[document.entries[1].range.clone()], b"{\"id\":-1.50e3,\"url\":\"u\"}");
    }

    /// F13, F16
    #[test]
    fn the_envelope_is_everything_but_the_items_and_what_is_volatile() {
        let feed = |head: &str, items: &str| {
            doc(&format!("{{{VERSION},{head}\"items\":[{items}],\"title\":\"t\"}}"))
        };
        let first = feed("", "{\"id\":1}");
        assert_eq!(feed("", "").envelope, first.envelope);
        assert_eq!(feed(" ", "{\"id\":2},{}").envelope, first.envelope);
        assert_eq!(feed("\"generator\":\"x 1.2\",", "").envelope, first.envelope);
        assert_ne!(feed("\"icon\":\"x\",", "").envelope, first.envelope);
        assert_eq!(feed("", " { \"id\" : 1 } ").entries[0].digest, first.entries[0].digest);
        assert_ne!(feed("", "{\"id\":1,\"title\":\"\"}").entries[0].digest, first.entries[0].digest);

        let mine = Volatile::parse(&["next_url"], &["_hits"]).unwrap();
        let read = |n: u8| {
            let body = format!("{{{VERSION},\"next_url\":{n},\"items\":[{{\"id\":1,\"_hits\":{n}}}]}}");
            read(body.as_bytes(), &Reading::untyped(&mine))
        };
        assert_eq!(read(1).envelope, read(2).envelope);
        assert_eq!(read(1).entries[0].digest, read(2).entries[0].digest);
    }

    /// D20
    #[test]
    fn the_context_is_what_items_take_from_their_feed() {
        let context = |head: &str| doc(&format!("{{{VERSION},{head}\"items\":[]}}")).context;
        assert_eq!(context("\"title\":\"t\","), context(""));
        assert_ne!(context("\"language\":\"de\","), context(""));
        assert_ne!(context("\"authors\":[],"), context("\"author\":[],"));
    }

    /// L01
    #[test]
    fn its_url_and_its_websub_hubs_are_links() {
        let links = "\"feed_url\":\"/feed.json\",\"hubs\":[{\"type\":\"rssCloud\",\"url\":\"http://no/\"},7,\
            {\"url\":\"http://no/\"},{\"type\":\"websub\",\"url\":\"http://a\\/\"},{\"url\":\"http://b/\",\"type\":\"WebSub\"}]";
        let document = doc(&format!("{{{VERSION},{links},\"items\":[]}}"));
        assert_eq!(document.self_link.as_deref(), Some("/feed.json"));
        assert_eq!(document.hub_links, ["http://a/", "http://b/"]);
        assert_eq!(document.link_base.as_deref(), Some(""));
        let none = doc(&format!("{{{VERSION},\"feed_url\":7,\"hubs\":{{}},\"items\":[]}}"));
        assert_eq!((none.format, none.self_link, none.hub_links), (Format::JsonFeed, None, vec![]));
    }

    /// X08
    #[test]
    fn hostile_json_costs_no_more_than_its_length() {
        const LOTS: usize = 200_000;
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(LOTS), "]".repeat(LOTS));
        assert_eq!(doc(&items(&deep)).entries.len(), 1, "depth is no affair of ours");
        assert_eq!(doc(&items(&deep.replace('[', "{\"a\":"))).format, Format::Opaque);
        let many = vec!["{}"; LOTS].join(",");
        assert_eq!(doc(&items(&many)).entries.len(), LOTS);
        let too_many = vec!["{}"; MOST_ENTRIES + 1].join(",");
        assert_eq!(doc(&items(&too_many)).format, Format::Opaque);
        let wide: Vec<_> = (0..LOTS).map(|n| format!("\"{n}\":0")).collect();
        assert_eq!(doc(&items(&format!("{{{}}}", wide.join(",")))).format, Format::Opaque);
        assert_eq!(doc(&"{\"a\":".repeat(LOTS)).format, Format::Opaque);
    }
}
