//! What leads on where there is no descriptor: the Link header and the head of a person's page, and a feed.

use url::Url;

use super::{is_atom, rel};
use crate::{
    feed::{Element, Tree, page_head},
    protocol::link,
    salmon::{Identity, entry::Person},
};

const ATOM: &str = "http://www.w3.org/2005/Atom";
/// Addresses of a kind that are worth asking.
const MOST: usize = 4;

/// Where a page says to go on, whole addresses, in document order. Those of one page may have been put there by anybody who
/// may write to it: what they lead to has to name itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pointers {
    /// Descriptors.
    pub descriptors: Vec<String>,
    /// Atom feeds.
    pub feeds: Vec<String>,
}

/// Reads the Link headers of a page that lies at `at`.
pub fn link_header<V: AsRef<[u8]>>(values: impl IntoIterator<Item = V>, at: &Url) -> Pointers {
    let mut pointers = Pointers::default();
    for link in link::parse(values).iter().filter(|link| link.is(rel::LRDD)) {
        push(&mut pointers.descriptors, at, &link.target);
    }
    pointers
}

/// Reads the head of a page that lies at `at`; `None` if it is no page of HTML.
pub fn page(body: &[u8], content_type: Option<&[u8]>, at: &Url) -> Option<Pointers> {
    let head = page_head(body, content_type)?;
    let base = head.base.as_deref().and_then(|base| at.join(base).ok()).unwrap_or_else(|| at.clone());
    let mut pointers = Pointers::default();
    for link in &head.links {
        if link.is(rel::LRDD) {
            push(&mut pointers.descriptors, &base, &link.href);
        }
        if link.is("alternate") && link.media_type.as_deref().is_some_and(is_atom) {
            push(&mut pointers.feeds, &base, &link.href);
        }
    }
    Some(pointers)
}

fn push(addresses: &mut Vec<String>, base: &Url, href: &str) {
    let found = base.join(href).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    if let Some(url) = found
        && addresses.len() < MOST
    {
        let address = String::from(url);
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
}

/// What a feed, or the source of an entry, says of whom it is from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedSource {
    /// Where slaps go.
    pub salmon: Option<String>,
    pub hubs: Vec<String>,
    pub own: Option<String>,
    pub author: Option<Person>,
}

impl FeedSource {
    /// The name by which its author can be looked up: the email, or the nickname at the host of the feed.
    pub fn account(&self, at: &Url) -> Option<Identity> {
        let author = self.author.as_ref()?;
        let by_email = author.email.as_deref().and_then(Identity::parse);
        by_email.or_else(|| {
            let nick = author.preferred_username.as_deref()?;
            let port = at.port().map(|port| format!(":{port}")).unwrap_or_default();
            Identity::parse(&format!("acct:{nick}@{}{port}", at.host_str()?))
        })
    }

    pub(crate) fn of(element: Element<'_>) -> Self {
        let href = |wanted: &str| {
            let mut links = element.all(ATOM, "link");
            links.find_map(|link| {
                let found = link.attribute("rel")?;
                found.trim().eq_ignore_ascii_case(wanted).then(|| link.attribute("href"))?
            })
        };
        let salmon = [rel::SALMON, rel::SALMON_REPLIES, rel::SALMON_MENTION].into_iter().find_map(href);
        let hubs =
            element.all(ATOM, "link").filter(|link| link.attribute("rel").as_deref() == Some(rel::HUB));
        Self {
            salmon: salmon.map(|href| href.trim().to_owned()),
            hubs: hubs
                .filter_map(|link| link.attribute("href"))
                .take(MOST)
                .map(|href| href.trim().to_owned())
                .collect(),
            own: href("self").map(|href| href.trim().to_owned()),
            author: element.first(ATOM, "author").map(Person::read),
        }
    }
}

/// Reads an Atom feed; `None` if it is none that we can read.
pub fn feed(body: &[u8]) -> Option<FeedSource> {
    let tree = Tree::parse(body).ok()?;
    tree.root().filter(|root| root.is(ATOM, "feed")).map(FeedSource::of)
}
