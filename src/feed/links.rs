//! Where a document says its hubs and itself are to be found: what counts as such a link (L01, L04, L05, L07).

use url::Url;

use super::{
    namespaces,
    tag::{self, Attribute},
    text,
};

/// A publisher may name several hubs; nobody needs more than this.
const MOST_HUBS: usize = 16;
/// Longer than any URL a server takes.
const LONGEST_LINK: usize = 8 * 1024;

/// What was found, in document order, as it means; relative ones are not resolved here.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) own: Option<String>,
    /// So that nothing after it has to be looked at.
    own_is_usable: bool,
    pub(super) hubs: Vec<String>,
    /// As [`Document::link_base`](super::Document::link_base).
    pub(super) base: Option<String>,
}

impl Links {
    /// Looks at the attributes of one link of XML. RSS's `<link>` of the site has none and says nothing here.
    pub(super) fn look_at(&mut self, attributes: &[Attribute<'_>]) {
        if let (Some(rel), Some(href)) = (tag::find(attributes, b"rel"), tag::find(attributes, b"href")) {
            self.push(&text::decoded(rel), &text::decoded(href), false);
        }
    }

    /// Adds a link that means this: its relations, white space between them, and where it leads. It stands in a page or a
    /// JSON Feed, where a relative one means something.
    pub(super) fn add(&mut self, rel: &[u8], href: &[u8]) {
        self.push(rel, href, true);
    }

    fn push(&mut self, rel: &[u8], href: &[u8], may_be_relative: bool) {
        if rel.len() > LONGEST_LINK || href.len() > LONGEST_LINK {
            return;
        }
        // A URL is ASCII; in an encoding that is not UTF-8 we could not say what else it is.
        let Ok(href) = std::str::from_utf8(href.trim_ascii()) else { return };
        if href.is_empty() {
            return;
        }
        let has = |wanted| rel.split(u8::is_ascii_whitespace).any(|token| is_relation(token, wanted));
        if has(b"hub") && self.hubs.len() < MOST_HUBS && !self.hubs.iter().any(|hub| hub == href) {
            self.hubs.push(href.to_owned());
        }
        // The first that can be a URL; garbage only as long as there is nothing better (L07).
        if has(b"self") && !self.own_is_usable {
            self.own_is_usable = is_usable(href, may_be_relative);
            if self.own_is_usable || self.own.is_none() {
                self.own = Some(href.to_owned());
            }
        }
    }

    /// What relative links are relative to, said by the document itself; the first counts.
    pub(super) fn rebase(&mut self, href: &[u8]) {
        let href = std::str::from_utf8(href.trim_ascii()).ok().filter(|href| href.len() <= LONGEST_LINK);
        if let Some(href) = href {
            self.base.get_or_insert_with(|| href.to_owned());
        }
    }
}

/// Whether this can be what a document is called. As strict as [`TopicUrl`](crate::protocol::TopicUrl), which this room
/// does not know: what is taken here and refused there would hide a usable one behind it.
fn is_usable(href: &str, may_be_relative: bool) -> bool {
    if href.contains('#') {
        return false;
    }
    match Url::parse(href) {
        Ok(url) => {
            let rest = href.split_once("://").map_or("", |(_, rest)| rest);
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            matches!(url.scheme(), "http" | "https")
                && !authority.is_empty()
                && !authority.contains(['@', '\\'])
                && !href.chars().any(|character| character.is_control() || character.is_whitespace())
        }
        Err(url::ParseError::RelativeUrlWithoutBase) => may_be_relative,
        Err(_) => false,
    }
}

/// Whether a link of an entry leads to the replies to it (RFC 4685), and so may say how many there are.
pub(super) fn leads_to_replies(attributes: &[Attribute<'_>]) -> bool {
    tag::find(attributes, b"rel").is_some_and(|rel| is_relation(rel.trim_ascii(), b"replies"))
}

/// Whether this attribute of such a link counts them: `thr:count`, `thr:updated`, or a title that says "3 Comments".
pub(super) fn counts_replies(attribute: &Attribute<'_>) -> bool {
    let has_prefix = attribute.name.contains(&b':') && !attribute.name.starts_with(b"xmlns:");
    match namespaces::local(attribute.name) {
        b"count" | b"updated" => has_prefix,
        b"title" => !has_prefix,
        _ => false,
    }
}

/// RFC 4287 lets a registered relation be written as the URL of the registry too.
fn is_relation(token: &[u8], wanted: &[u8]) -> bool {
    let registry = b"http://www.iana.org/assignments/relation/";
    token.strip_prefix(registry).unwrap_or(token).eq_ignore_ascii_case(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_at(links: &mut Links, rel: &str, href: &str) {
        let attribute = |name, value| Attribute { name, value };
        links.look_at(&[attribute(b"href", href.as_bytes()), attribute(b"rel", rel.as_bytes())]);
    }

    /// L07
    #[test]
    fn the_first_self_and_every_hub_are_kept_as_they_mean() {
        let mut links = Links::default();
        look_at(&mut links, "alternate", "http://a/");
        look_at(&mut links, "hub", " ");
        look_at(&mut links, "HUB  self", " http://a/?b&amp;c ");
        look_at(&mut links, "http://www.iana.org/assignments/relation/self", "http://second/");
        look_at(&mut links, "hub", "http://b/");
        look_at(&mut links, "hub", "http://b/");
        links.look_at(&[Attribute { name: b"href", value: b"http://c/" }]);
        assert_eq!(links.own.as_deref(), Some("http://a/?b&c"));
        assert_eq!(links.hubs, ["http://a/?b&c", "http://b/"]);
    }

    /// L07
    #[test]
    fn l07_the_first_self_that_can_be_one_is_kept() {
        let own = |hrefs: &[&str]| {
            let mut links = Links::default();
            for href in hrefs {
                look_at(&mut links, "self", href);
            }
            links.own.unwrap()
        };
        let unusable = [
            "#{@content_url}",
            "/relative",
            "ftp://a/",
            "http://",
            "http:///a",
            "http://me@a/",
            "http://@a/",
            "http://a b/",
            "http://a/ b",
            "http://a/#b",
            "http://a\\b/",
            "http://a:99999/",
            "http:a/",
            "mailto:a@b",
        ];
        for href in unusable {
            assert_eq!(
                own(&[href, "HTTPS://ok.example/?a", "http://second/"]),
                "HTTPS://ok.example/?a",
                "{href}"
            );
            assert_eq!(own(&[href]), href, "better than nothing");
        }
        let mut page = Links::default();
        for href in ["http://me@a/", "../own", "http://second/"] {
            page.add(b"self", href.as_bytes());
        }
        assert_eq!(page.own.as_deref(), Some("../own"), "a page says what its links are relative to");
    }

    /// X08
    #[test]
    fn links_are_bounded_in_number_and_length() {
        let mut links = Links::default();
        look_at(&mut links, "hub", &format!("http://{}/", "a".repeat(LONGEST_LINK)));
        assert!(links.hubs.is_empty());
        (0..100).for_each(|n| look_at(&mut links, "hub", &format!("http://{n}/")));
        assert_eq!(links.hubs.len(), MOST_HUBS);
    }
}
