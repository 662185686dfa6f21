//! What a page of HTML says of itself and its hubs: the links in its head, and nowhere else (L05). Whoever may write
//! into a page's body, in a comment for instance, must not be able to choose its hub.
//!
//! html5gum makes the tokens; this file is the only one that knows it. The page itself stays opaque and goes out whole.

use html5gum::{DefaultEmitter, Emitter, ForwardingEmitter, StartTag, State, Token, Tokenizer};

use super::links::Links;

/// Where the head must have ended; what stands behind is not looked at (X08).
const LONGEST_HEAD: usize = 1 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The links of a page; none of what is no page.
pub(super) fn links(body: &[u8], content_type: Option<&[u8]>) -> Links {
    let mut links = Links::default();
    if read_head(body, content_type, &mut links) {
        links.base.get_or_insert_default();
    }
    links
}

/// What is told of the links in a head.
pub(super) trait Listener {
    fn link(&mut self, rel: &[u8], href: &[u8], media_type: Option<&[u8]>);
    /// What relative links are relative to; the first counts.
    fn base(&mut self, href: &[u8]);
}

impl Listener for Links {
    fn link(&mut self, rel: &[u8], href: &[u8], _media_type: Option<&[u8]>) {
        self.add(rel, href);
    }

    fn base(&mut self, href: &[u8]) {
        self.rebase(href);
    }
}

/// Tells of the links in the head of a page; says whether it is one.
pub(super) fn read_head(body: &[u8], content_type: Option<&[u8]>, listener: &mut impl Listener) -> bool {
    let Some(syntax) = Syntax::of(body, content_type) else { return false };
    let mut head = Head { listener, text_of: None, templates: 0 };
    let text = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let text = text.get(..LONGEST_HEAD).unwrap_or(text);
    let mut tokenizer = Tokenizer::new_with_emitter(text, Quiet::default());
    while let Some(Ok(token)) = tokenizer.next() {
        match head.read(token, syntax) {
            Next::Anything => {}
            Next::Text(state) => tokenizer.set_state(state),
            Next::Nothing => break,
        }
    }
    true
}

/// Whose rules a page is written by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syntax {
    Html,
    /// XHTML served as such, in which any element may be closed by its own tag.
    Xhtml,
}

impl Syntax {
    /// `None` if the body is no page. Its type says so; only what has none is looked at.
    fn of(body: &[u8], content_type: Option<&[u8]>) -> Option<Self> {
        let Some(content_type) = content_type.map(<[u8]>::trim_ascii).filter(|value| !value.is_empty())
        else {
            return begins_as_page(body).then_some(Self::Html);
        };
        let essence = content_type.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
        if essence.eq_ignore_ascii_case(b"text/html") {
            Some(Self::Html)
        } else if essence.eq_ignore_ascii_case(b"application/xhtml+xml") {
            Some(Self::Xhtml)
        } else {
            None
        }
    }
}

fn begins_as_page(body: &[u8]) -> bool {
    let begin = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body).trim_ascii_start();
    [&b"<!doctype html"[..], b"<html"].into_iter().any(|known| {
        let Some((found, rest)) = begin.split_at_checked(known.len()) else { return false };
        found.eq_ignore_ascii_case(known)
            && rest.first().is_none_or(|&b| b.is_ascii_whitespace() || b == b'>')
    })
}

/// What is to be read after a token.
enum Next {
    Anything,
    /// Text up to the end of the element that just began, which has no elements in it.
    Text(State),
    /// The head is over.
    Nothing,
}

/// The head of a page, read so far.
#[derive(Debug)]
struct Head<'l, L> {
    listener: &'l mut L,
    /// An element whose content is text.
    text_of: Option<Vec<u8>>,
    /// Templates we are in: their content is no part of the page.
    templates: usize,
}

impl<L: Listener> Head<'_, L> {
    fn read(&mut self, token: Token, syntax: Syntax) -> Next {
        match token {
            Token::StartTag(tag) => self.start(&tag, syntax),
            Token::EndTag(tag) => self.end(&tag.name),
            Token::String(text) => {
                let is_content = self.text_of.is_some() || self.templates > 0;
                let says_something = !text.iter().all(u8::is_ascii_whitespace);
                if says_something && !is_content { Next::Nothing } else { Next::Anything }
            }
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => Next::Anything,
        }
    }

    /// An element begins. One that has no place in a head ends it, as it does for a browser.
    fn start(&mut self, tag: &StartTag<()>, syntax: Syntax) -> Next {
        let name = tag.name.as_slice();
        let is_inside_template = self.templates > 0;
        if syntax == Syntax::Xhtml && tag.self_closing && (is_inside_template || has_content(name)) {
            return Next::Anything;
        }
        if let Some(state) = text_in(name, is_inside_template) {
            self.text_of = Some(name.to_vec());
            return Next::Text(state);
        }
        match name {
            b"template" => self.templates = self.templates.saturating_add(1),
            _ if is_inside_template => {}
            b"link" => {
                if let (Some(rel), Some(href)) = (attribute(tag, b"rel"), attribute(tag, b"href")) {
                    self.listener.link(rel, href, attribute(tag, b"type"));
                }
            }
            b"base" => {
                if let Some(href) = attribute(tag, b"href") {
                    self.listener.base(href);
                }
            }
            b"html" | b"head" | b"meta" | b"basefont" | b"bgsound" => {}
            _ => return Next::Nothing,
        }
        Next::Anything
    }

    fn end(&mut self, name: &[u8]) -> Next {
        if self.text_of.as_deref() == Some(name) {
            self.text_of = None;
        } else if name == b"template" {
            self.templates = self.templates.saturating_sub(1);
        } else if self.templates == 0 && matches!(name, b"head" | b"body" | b"html" | b"br") {
            return Next::Nothing;
        }
        Next::Anything
    }
}

/// Whether an element of a head goes on to an end tag.
fn has_content(name: &[u8]) -> bool {
    name == b"template" || text_in(name, false).is_some()
}

/// How the content of an element is read in which nothing is an element, whatever it looks like. Some of these have no
/// place in a head, but in a template that lies there.
fn text_in(name: &[u8], is_inside_template: bool) -> Option<State> {
    match name {
        b"title" => Some(State::RcData),
        b"script" => Some(State::ScriptData),
        b"style" | b"noscript" | b"noframes" => Some(State::RawText),
        b"textarea" if is_inside_template => Some(State::RcData),
        b"iframe" | b"xmp" | b"noembed" if is_inside_template => Some(State::RawText),
        b"plaintext" if is_inside_template => Some(State::PlainText),
        _ => None,
    }
}

fn attribute<'t>(tag: &'t StartTag<()>, name: &[u8]) -> Option<&'t [u8]> {
    tag.attributes.get(name).map(|value| value.as_slice())
}

/// Makes no tokens of mistakes in a page, of which there may be one for every byte.
#[derive(Debug, Default)]
struct Quiet(DefaultEmitter<()>);

impl ForwardingEmitter for Quiet {
    type Token = Token;

    fn inner(&mut self) -> &mut impl Emitter<Token = Token> {
        &mut self.0
    }

    fn should_emit_errors(&mut self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::{Format, Reading, Volatile, read, render};

    const HTML: Option<&[u8]> = Some(b"text/html; charset=utf-8");
    const XHTML: Option<&[u8]> = Some(b"Application/XHTML+XML");

    /// The page's own name and its hubs.
    fn found(body: impl AsRef<[u8]>, content_type: Option<&[u8]>) -> (Option<String>, Vec<String>) {
        let links = links(body.as_ref(), content_type);
        (links.own, links.hubs)
    }

    fn hubs(body: impl AsRef<[u8]>) -> Vec<String> {
        found(body, HTML).1
    }

    /// L05, L07
    #[test]
    fn the_links_of_a_head_are_read_however_they_are_written() {
        let page = "\u{feff}<!-- <link rel=hub href=http://no/> -->\n<!DOCTYPE html>\n<HTML lang=en><Head>\n\
            <meta charset='utf-8'><title>a <link rel=hub href=http://no/> b</title>\n\
            <LINK REL='stylesheet  HUB' HREF=' http://a/?x=1&amp;y=2 '/><link href=\"http://own/\" rel=self>\
            <link rel=hub href=b><link rel='self hub' href=http://c/><link rel=hub><link href=http://no/>\
            <link rel=hub href=''><link rel=hubs href=http://no/></head>\
            <link rel=hub href=http://no/><body><link rel=hub href=http://no/></body></html>";
        let own = Some("http://own/".to_owned());
        let expected = ["http://a/?x=1&y=2", "b", "http://c/"].map(str::to_owned);
        assert_eq!(found(page, HTML), (own.clone(), expected.to_vec()));
        assert_eq!(found(page, None), (None, vec![]), "a comment is no way for a page to begin");
        let (_, page) = page.split_once("-->\n").unwrap();
        assert_eq!(found(page, None), (own, expected.to_vec()));
    }

    /// L05: whoever writes into a page must not choose its hub.
    #[test]
    fn what_is_no_element_of_the_head_is_no_link() {
        let link = "<link rel=hub href=http://no/>";
        let no_links = [
            format!("<!--{link}-->"),
            format!("<!-- > {link} --!>"),
            format!("<script>'{link}'</script>"),
            format!("<script><!--<script>{link}</script>{link}--></script>"),
            format!("<style>{link}</style>"),
            format!("<noscript>{link}</noscript>"),
            format!("<noframes>{link}</noframes>"),
            format!("<template>{link}</head><body><p>x<textarea></template></textarea>{link}</template>"),
            format!("<template><template></template>{link}</template>"),
            format!("<template><plaintext></template>{link}"),
            format!("<meta content='{link}'>"),
            format!("<title>{link}"),
            format!("</head>{link}"),
            format!("</body>{link}"),
            format!("<body>{link}"),
            format!("<p>{link}"),
            format!("<svg>{link}</svg>"),
            format!("text {link}"),
            format!("&amp;{link}"),
            format!("<noembed></noembed>{link}"),
        ];
        for head in no_links {
            assert_eq!(hubs(format!("<!doctype html><head>{head}")), Vec::<String>::new(), "{head}");
        }
        let before = [
            "",
            "<!doctype html>",
            "<html>",
            "<?xml version='1.0'?><html><head>",
            "<script>if (a<b) '</head>'</script>",
            "<noscript><img></noscript></p>",
            "<template><p>a</template>",
            "<base><basefont><bgsound><meta>",
            "\u{feff} \n",
        ];
        for before in before {
            assert_eq!(hubs(format!("{before}<link rel=hub href=http://a/>")), ["http://a/"], "{before}");
        }
    }

    /// XHTML closes its elements as XML does, and HTML does not.
    #[test]
    fn an_element_that_closes_itself_does_so_in_xhtml_only() {
        for head in ["<script src='a'/>", "<title/>", "<template/>"] {
            let page = format!("<html><head>{head}<link rel='hub' href='http://a/'/></head></html>");
            assert_eq!(found(&page, XHTML).1, ["http://a/"], "{head}");
            assert_eq!(hubs(&page), Vec::<String>::new(), "{head}");
        }
        assert_eq!(found("<p/><link rel='hub' href='http://no/'/>", XHTML).1, Vec::<String>::new());
    }

    #[test]
    fn a_page_is_what_its_type_says_else_what_it_begins_like() {
        let link = "<link rel=hub href=a>";
        let is_page = |begin: &str, content_type: Option<&str>| {
            let found = links(format!("{begin}{link}").as_bytes(), content_type.map(str::as_bytes));
            assert_eq!(found.base.is_some(), found.hubs == ["a"], "{begin}");
            found.base.is_some()
        };
        assert!(is_page("", Some("text/html")) && is_page("", Some(" Text/HTML ;charset=x")));
        assert!(is_page("<html>", None) && is_page(" \n<!DocType HTML >", Some("")));
        assert!(is_page("<HTML\nlang=en>", None));
        for (begin, content_type) in [
            ("<html>", Some("text/plain")),
            ("<html>", Some("application/xml")),
            ("<html>", Some("text/htmlx")),
            ("", None),
            ("<htmlx>", None),
            ("<!doctype htm>", None),
        ] {
            assert!(!is_page(begin, content_type), "{begin}");
        }
        assert_eq!(found(b"", None), (None, vec![]));
    }

    /// L03
    #[test]
    fn the_first_base_counts_for_all_links() {
        let base = |head: &str| links(head.as_bytes(), HTML).base;
        assert_eq!(
            base("<link rel=hub href=a><base target=x><base href=' /b/ '><base href=/c/>").as_deref(),
            Some("/b/")
        );
        assert_eq!(base("<template><base href=/b/></template><body><base href=/c/>").as_deref(), Some(""));
        assert_eq!(links(b"text", Some(b"text/plain")).base, None);
    }

    /// F12, F19: a page is opaque, and a feed that is called one is a feed.
    #[test]
    fn a_page_stays_opaque_and_a_feed_stays_a_feed() {
        let volatile = Volatile::default();
        let reading = Reading { content_type: HTML, ..Reading::untyped(&volatile) };
        let page = b"<html><head><link rel='self' href='http://own/'/></head></html>";
        let document = read(page, &reading);
        assert_eq!((document.format, document.entries.len()), (Format::Opaque, 0));
        assert_eq!(document.self_link.as_deref(), Some("http://own/"));
        assert_eq!(render(page, &document, &mut |_| false).body, page);
        let feed = b"<rss><channel><item/></channel></rss>";
        assert_eq!(read(feed, &reading).format, Format::Rss);
    }

    /// X08
    #[test]
    fn only_the_beginning_of_a_page_is_looked_at_and_none_takes_long() {
        let link = "<link rel=hub href=a>";
        let padded = |spaces: usize| format!("{}{link}", " ".repeat(spaces));
        assert_eq!(hubs(padded(LONGEST_HEAD - link.len())), ["a"]);
        assert!(hubs(padded(LONGEST_HEAD - link.len() + 1)).is_empty());
        for hostile in [
            "<template>",
            "<script>",
            "<!--",
            "\x01",
            "&amp",
            "<",
            "<a b='",
            "<link ",
            "</",
            "<meta a a=b c>",
        ] {
            assert!(hubs(hostile.repeat(LONGEST_HEAD / hostile.len())).is_empty(), "{hostile}");
        }
        let attributes: String = (0..50_000).map(|n| format!(" n{n}=''")).collect::<Vec<_>>().concat();
        assert_eq!(hubs(format!("<link{attributes} rel=hub href=a>")), ["a"]);
        let long = format!("<base href='{0}'><link rel=hub href='{0}'>{link}", "a".repeat(1 << 16));
        assert_eq!(hubs(&long), ["a"]);
        assert_eq!(links(long.as_bytes(), HTML).base.as_deref(), Some(""));
    }

    proptest::proptest! {
        /// X08
        #[test]
        fn no_bytes_make_the_reader_of_pages_panic(body: Vec<u8>, markup in "(<[a-z!?/-]{0,3}|[a-z&;>'\"= -]|-->|<script|<template>|<title>){0,40}") {
            drop(links(&body, HTML));
            drop(links(markup.as_bytes(), XHTML));
        }
    }
}
