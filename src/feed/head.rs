//! All links in the head of a page of HTML, for discovery that starts at a person's page: where its descriptor is, its
//! feed, where replies go.

use super::html::{self, Listener};

/// A page of a blog has some twenty, most of them icons and style sheets.
const MOST_LINKS: usize = 256;
/// Longer than any URL a server takes.
const LONGEST_LINK: usize = 8 * 1024;

/// What the head of a page says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageHead {
    /// In document order, at most 256.
    pub links: Vec<HeadLink>,
    /// What relative links are relative to, itself relative to where the page came from.
    pub base: Option<String>,
}

/// One link with its attributes as they mean, the address perhaps relative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadLink {
    /// What it is, in lower case.
    pub rels: Vec<String>,
    pub href: String,
    pub media_type: Option<String>,
}

impl HeadLink {
    /// Whether it is one of these. `rel` in lower case.
    pub fn is(&self, rel: &str) -> bool {
        self.rels.iter().any(|given| given == rel)
    }
}

/// Reads the head of a page; `None` if the body is none by its type, or by its beginning where it has no type.
pub fn page_head(body: &[u8], content_type: Option<&[u8]>) -> Option<PageHead> {
    let mut head = PageHead::default();
    html::read_head(body, content_type, &mut head).then_some(head)
}

impl Listener for PageHead {
    fn link(&mut self, rel: &[u8], href: &[u8], media_type: Option<&[u8]>) {
        let is_bounded = rel.len() <= LONGEST_LINK && href.len() <= LONGEST_LINK;
        let Some(href) = std::str::from_utf8(href.trim_ascii()).ok().filter(|href| !href.is_empty()) else {
            return;
        };
        if !is_bounded || self.links.len() >= MOST_LINKS {
            return;
        }
        let rels = String::from_utf8_lossy(rel).to_ascii_lowercase();
        self.links.push(HeadLink {
            rels: rels.split_ascii_whitespace().map(str::to_owned).collect(),
            href: href.to_owned(),
            media_type: media_type
                .map(|value| String::from_utf8_lossy(value.trim_ascii()).to_ascii_lowercase()),
        });
    }

    fn base(&mut self, href: &[u8]) {
        let href = std::str::from_utf8(href.trim_ascii()).ok().filter(|href| href.len() <= LONGEST_LINK);
        if let Some(href) = href {
            self.base.get_or_insert_with(|| href.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_links_of_a_page_are_read_with_their_types() {
        let page = b"<!doctype html><html><head><base href='/b/'><base href='/c/'>\
            <link rel='ALTERNATE feed' type='Application/Atom+XML ' href=' ../a.atom '><link rel=lrdd href=''>\
            <link rel=\"lrdd\" href=\"https://a/?x=1&amp;y\"></head><body><link rel=lrdd href=https://no/></body>";
        let head = page_head(page, None).unwrap();
        assert_eq!(head.base.as_deref(), Some("/b/"));
        let feed = HeadLink {
            rels: vec!["alternate".to_owned(), "feed".to_owned()],
            href: "../a.atom".to_owned(),
            media_type: Some("application/atom+xml".to_owned()),
        };
        let lrdd =
            HeadLink { rels: vec!["lrdd".to_owned()], href: "https://a/?x=1&y".to_owned(), media_type: None };
        assert_eq!(head.links, [feed, lrdd]);
        assert!(head.links[0].is("alternate") && !head.links[0].is("lrdd"));
        assert_eq!(page_head(page, Some(b"text/plain")), None);
    }

    #[test]
    fn x08_links_are_bounded() {
        let long = format!("<html><link rel=lrdd href=https://{}>", "a".repeat(LONGEST_LINK));
        assert_eq!(page_head(long.as_bytes(), None).unwrap().links, []);
        let many = format!("<html>{}", "<link rel=lrdd href=a>".repeat(MOST_LINKS + 1));
        assert_eq!(page_head(many.as_bytes(), None).unwrap().links.len(), MOST_LINKS);
    }
}
