//! The Link header: which topic a delivery is about and which hubs serve it (04 §7, `WebSub` §4 and §7).
//!
//! Written in exactly one form, because a test suite splits it on comma-space and semicolon-space (D05). Read in every
//! form the field has come up with (L03).

use http::HeaderValue;

use super::percent;

/// No page has use for more; the rest of a header is not read.
const MAX_LINKS: usize = 64;

/// The longest target and the longest `rel` taken.
const MAX_TEXT_BYTES: usize = 8 * 1024;

/// `<SELF>; rel="self", <HUB>; rel="hub"`, with one more link for each more hub, in one value (D04, D05).
///
/// Angle brackets, spaces, control characters and letters beyond ASCII are percent-encoded, so that no URL ends its link
/// or the header (D07, X09); every other byte is repeated as it is (D06).
pub fn write(self_url: &str, hubs: &[&str]) -> HeaderValue {
    let mut text = format!("<{}>; rel=\"self\"", encode(self_url));
    for hub in hubs {
        text.push_str(", <");
        text.push_str(&encode(hub));
        text.push_str(">; rel=\"hub\"");
    }
    let Ok(value) = HeaderValue::try_from(text) else {
        unreachable!("visible ASCII and spaces are a header value");
    };
    value
}

fn encode(url: &str) -> String {
    percent::encode(url.as_bytes(), |byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>'))
}

/// One link of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// As written between the brackets, perhaps relative to the URL it came from.
    pub target: String,
    /// What it is, in lower case, in order; empty where nothing was said.
    pub rels: Vec<String>,
}

impl Link {
    /// Whether it is one of these. `rel` in lower case.
    pub fn is(&self, rel: &str) -> bool {
        self.rels.iter().any(|given| given == rel)
    }
}

/// Reads the Link headers of an answer: one list or several headers, `rel` quoted or not, with several words, in any case,
/// even without the semicolon before it (L03). Takes at most 64 links and drops those longer than 8 KiB.
pub fn parse<V: AsRef<[u8]>>(values: impl IntoIterator<Item = V>) -> Vec<Link> {
    let mut links = Vec::new();
    for value in values {
        let text = String::from_utf8_lossy(value.as_ref());
        let mut cursor = Cursor { rest: &text };
        while links.len() < MAX_LINKS && cursor.skip_past('<') {
            let Some(target) = cursor.take_until('>') else { break };
            let rels = cursor.rels();
            if target.len() <= MAX_TEXT_BYTES {
                links.push(Link { target: target.trim_ascii().to_owned(), rels });
            }
        }
    }
    links
}

/// What of a header is still to be read.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    /// Moves behind the next `mark`; says whether there was one.
    fn skip_past(&mut self, mark: char) -> bool {
        self.take_until(mark).is_some()
    }

    /// What stands before the next `mark`; moves behind it.
    fn take_until(&mut self, mark: char) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_once(mark)?;
        self.rest = rest;
        Some(taken)
    }

    /// What stands before the first character that ends it; moves up to that character.
    fn take_while(&mut self, goes_on: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !goes_on(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn skip_char(&mut self, wanted: char) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_space(&mut self) {
        self.take_while(|c| c.is_ascii_whitespace());
    }

    /// Reads the parameters of a link up to the comma that ends it, and returns the words of the first `rel`: a later
    /// one does not count (RFC 8288 §3.3).
    fn rels(&mut self) -> Vec<String> {
        let mut rels = None;
        loop {
            self.take_while(|c| c.is_ascii_whitespace() || c == ';');
            // A bracket here begins a link whose comma was forgotten.
            if self.rest.is_empty() || self.rest.starts_with('<') || self.skip_char(',') {
                return rels.unwrap_or_default();
            }
            let name = self.take_while(|c| !c.is_ascii_whitespace() && !matches!(c, '=' | ';' | ',' | '<'));
            self.skip_space();
            let value = if self.skip_char('=') { self.value() } else { String::new() };
            if rels.is_none() && name.eq_ignore_ascii_case("rel") && value.len() <= MAX_TEXT_BYTES {
                let words = value.split_ascii_whitespace();
                rels = Some(words.map(|word| word.trim_matches('\'').to_ascii_lowercase()).collect());
            }
        }
    }

    /// What follows an equals sign: a word, or a string in quotes, whose commas and semicolons divide nothing.
    fn value(&mut self) -> String {
        self.skip_space();
        if !self.skip_char('"') {
            return self.take_while(|c| !c.is_ascii_whitespace() && !matches!(c, ';' | ',')).to_owned();
        }
        let mut value = String::new();
        let mut chars = self.rest.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => value.extend(chars.next()),
                _ => value.push(c),
            }
        }
        self.rest = chars.as_str();
        value
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(values: &[&str]) -> Vec<(String, Vec<String>)> {
        parse(values).into_iter().map(|link| (link.target, link.rels)).collect()
    }

    fn link(target: &str, rels: &[&str]) -> (String, Vec<String>) {
        (target.to_owned(), rels.iter().map(|rel| (*rel).to_owned()).collect())
    }

    #[test]
    fn d05_the_form_is_exactly_this() {
        assert_eq!(write("http://t/", &["http://h/"]), r#"<http://t/>; rel="self", <http://h/>; rel="hub""#);
        assert_eq!(
            write("http://t/", &["http://h/", "https://i/?a,b;c"]),
            r#"<http://t/>; rel="self", <http://h/>; rel="hub", <https://i/?a,b;c>; rel="hub""#
        );
        assert_eq!(write("http://t/", &[]), r#"<http://t/>; rel="self""#);
    }

    #[test]
    fn d07_x09_no_url_ends_its_link_or_the_header() {
        assert_eq!(
            write("http://t/>\r\nX: <ü\0\x7F", &["http://h/%3e"]),
            r#"<http://t/%3E%0D%0AX:%20%3C%C3%BC%00%7F>; rel="self", <http://h/%3e>; rel="hub""#
        );
    }

    #[test]
    fn l03_every_way_to_write_a_link_is_read() {
        let hub = || link("http://h/", &["hub"]);
        for value in [
            r#"<http://h/>; rel="hub""#,
            "<http://h/>; rel=hub",
            "<http://h/>;rel=hub",
            r#"<http://h/> rel="hub""#,
            "<http://h/>rel=hub",
            r#"<http://h/> ; REL = "HUB""#,
            "<http://h/>; rel='hub'",
            "< http://h/ >; rel=hub;",
            r#"<http://h/>; title="a, <b>; rel=no"; rel="hub""#,
            r#"<http://h/>; title="\"; rel=no"; rel=hub"#,
            "<http://h/>; rel=hub; rel=self",
            ", ,<http://h/>; rel=hub,,",
            r#"<http://h/>; rel="hub"#,
            r#"<http://h/>; type; rel="hub""#,
        ] {
            assert_eq!(read(&[value]), [hub()], "{value}");
        }
    }

    #[test]
    fn l03_lists_and_several_headers_are_the_same() {
        let both = [link("http://t/?a,b;c", &["self"]), link("/hub", &["hub", "alternate"])];
        assert_eq!(read(&[r#"<http://t/?a,b;c>; rel="self", </hub>; rel="hub alternate""#]), both);
        assert_eq!(read(&["<http://t/?a,b;c>;rel=self,</hub>;rel=\"hub\talternate\""]), both);
        assert_eq!(read(&["<http://t/?a,b;c>; rel=self", "</hub>; rel=\" Hub  alternate\""]), both);
        assert_eq!(read(&["<http://t/?a,b;c>; rel=self </hub>; rel=\"hub alternate\""]), both);
    }

    #[test]
    fn what_is_no_link_is_nothing() {
        for value in ["", "http://h/; rel=hub", "<http://h/", ">", "<", "rel=hub", "\u{FFFD}"] {
            assert_eq!(read(&[value]), [], "{value}");
        }
        assert_eq!(read(&["<http://h/>"]), [link("http://h/", &[])]);
        assert_eq!(parse([&b"<http://h/\xFF>; rel=hub"[..]])[0].target, "http://h/\u{FFFD}");
    }

    #[test]
    fn number_and_length_are_bounded() {
        let many = vec!["<a>; rel=hub"; 100].join(", ");
        assert_eq!(read(&[&many]).len(), 64);
        assert_eq!(read(&vec!["<a>; rel=hub"; 100]).len(), 64);
        let long = format!("<{}>; rel=hub, <b>; rel=hub", "a".repeat(8193));
        assert_eq!(read(&[&long]), [link("b", &["hub"])]);
        let wordy = format!("<a>; rel=\"{}\", <b>; rel=hub", "x ".repeat(5000));
        assert_eq!(read(&[&wordy]), [link("a", &[]), link("b", &["hub"])]);
    }

    #[test]
    fn a_link_knows_what_it_is() {
        let header = HeaderValue::from_static("<http://h/>; rel=\"Hub self\"");
        let links = parse([&header]);
        assert!(links[0].is("hub") && links[0].is("self") && !links[0].is("alternate"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(topic in "[!-~&&[^<>]]{1,40}", hubs in prop::collection::vec("[!-~&&[^<>]]{1,40}", 0..4)) {
            let borrowed: Vec<_> = hubs.iter().map(String::as_str).collect();
            let links = parse([write(&topic, &borrowed)]);
            let mut expected = vec![link(&topic, &["self"])];
            expected.extend(hubs.iter().map(|hub| link(hub, &["hub"])));
            let read: Vec<_> = links.into_iter().map(|link| (link.target, link.rels)).collect();
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn anything_can_be_written_and_makes_as_many_links(topic in any::<String>(), hub in any::<String>()) {
            let links = parse([write(&topic, &[&hub])]);
            prop_assert_eq!(links.len(), 2);
            prop_assert!(links[0].is("self") && links[1].is("hub"));
        }

        #[test]
        fn nothing_makes_it_panic(value in "[<>;,=\"\\\\ rel'a\u{e9}]{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(parse([value.as_bytes(), &bytes]).len() <= 64);
        }
    }
}
