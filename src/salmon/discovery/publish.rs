//! Our own documents: what we say of an account to whoever looks it up, and of the host.
//!
//! What every peer needs is in it and nothing twice: one key, since GNU social takes the first of two, Mastodon the last,
//! and Friendica none; one endpoint under all three relations; the account as the subject, and all other spellings of its
//! name as aliases.

use serde::Serialize;

use super::rel;
use crate::salmon::{Identity, PublicKey, markup};

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKind {
    Person,
    /// Has no key, for it never signs.
    Group,
}

/// An account as it is published.
#[derive(Debug, Clone)]
pub struct Account<'a> {
    /// `acct:nick@domain`.
    pub subject: &'a Identity,
    /// The URI in its feeds, to which peers compare letter by letter.
    pub uri: &'a str,
    /// The page for people.
    pub profile: &'a str,
    /// Its Atom feed.
    pub feed: &'a str,
    /// Other names, such as a page under an older address.
    pub aliases: &'a [String],
    /// Where slaps for it go.
    pub salmon: &'a str,
    pub hub: Option<&'a str>,
    /// Where a visitor is sent to subscribe, with `{uri}` in it.
    pub subscribe: Option<&'a str>,
    pub kind: AccountKind,
    pub key: Option<&'a PublicKey>,
}

/// A link as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Link {
    rel: &'static str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    media_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    href: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<String>,
}

impl Link {
    fn to(rel: &'static str, media_type: Option<&'static str>, href: &str) -> Self {
        Self { rel, media_type, href: Some(href.to_owned()), template: None }
    }

    fn template(rel: &'static str, media_type: Option<&'static str>, template: &str) -> Self {
        Self { rel, media_type, href: None, template: Some(template.to_owned()) }
    }
}

#[derive(Debug, Default, Serialize)]
struct Document {
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
    links: Vec<Link>,
    #[serde(skip)]
    host: Option<String>,
}

impl Account<'_> {
    /// The descriptor in JSON. With relations given, only those links (RFC 7033, 4.3).
    pub fn to_jrd(&self, rels: &[&str]) -> String {
        self.document(rels).to_json()
    }

    /// The descriptor in XML.
    pub fn to_xrd(&self, rels: &[&str]) -> String {
        self.document(rels).to_xml()
    }

    /// Every name that it answers to, the subject first, then the aliases: each address with http and https.
    pub fn names(&self) -> Vec<String> {
        let mut names = vec![self.subject.as_str().to_owned()];
        let own = [self.uri, self.profile].into_iter().chain(self.aliases.iter().map(String::as_str));
        for name in own {
            let other = name
                .strip_prefix("https://")
                .map(|rest| format!("http://{rest}"))
                .or_else(|| name.strip_prefix("http://").map(|rest| format!("https://{rest}")));
            for name in [name.to_owned()].into_iter().chain(other) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    fn document(&self, rels: &[&str]) -> Document {
        let mut links = vec![
            Link::to(rel::PROFILE_PAGE, Some("text/html"), self.profile),
            Link::to(rel::UPDATES_FROM, Some("application/atom+xml"), self.feed),
            Link::to(rel::SALMON, None, self.salmon),
            Link::to(rel::SALMON_REPLIES, None, self.salmon),
            Link::to(rel::SALMON_MENTION, None, self.salmon),
        ];
        if let (Some(key), AccountKind::Person) = (self.key, self.kind) {
            links.push(Link::to(rel::MAGIC_PUBLIC_KEY, None, &key.to_href()));
        }
        links.extend(self.hub.map(|hub| Link::to(rel::HUB, None, hub)));
        links.extend(self.subscribe.map(|template| Link::template(rel::SUBSCRIBE, None, template)));
        if !rels.is_empty() {
            links.retain(|link| rels.contains(&link.rel));
        }
        let mut names = self.names().into_iter();
        Document { subject: names.next(), aliases: names.collect(), links, host: None }
    }
}

/// The host-meta of a domain, which says where its descriptors are.
#[derive(Debug, Clone)]
pub struct HostMeta<'a> {
    /// The domain of the accounts: StatusNet drops a host-meta that does not name it.
    pub host: &'a str,
    /// Under which XML is served whatever is asked for, as `https://domain/xrd?uri={uri}`.
    pub xrd_template: &'a str,
    pub jrd_template: &'a str,
}

impl HostMeta<'_> {
    pub fn to_xrd(&self) -> String {
        self.document().to_xml()
    }

    pub fn to_jrd(&self) -> String {
        self.document().to_json()
    }

    /// The template of XML first: GNU social takes the first, and StatusNet knows no JSON.
    fn document(&self) -> Document {
        let links = vec![
            Link::template(rel::LRDD, Some("application/xrd+xml"), self.xrd_template),
            Link::template(rel::LRDD, Some("application/jrd+json"), self.jrd_template),
        ];
        Document { links, host: Some(self.host.to_owned()), ..Document::default() }
    }
}

impl Document {
    fn to_json(&self) -> String {
        let Ok(text) = serde_json::to_string(self) else {
            unreachable!("lists of text are JSON");
        };
        text
    }

    /// Without prefixes: StatusNet and GNU social compare the names as written.
    fn to_xml(&self) -> String {
        let mut out = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<XRD xmlns=\"http://docs.oasis-open.org/ns/xri/xrd-1.0\"",
        );
        if let Some(host) = &self.host {
            out.push_str(" xmlns:hm=\"http://host-meta.net/xrd/1.0\">\n");
            push_element(&mut out, "hm:Host", host);
        } else {
            out.push_str(">\n");
        }
        if let Some(subject) = &self.subject {
            push_element(&mut out, "Subject", subject);
        }
        for alias in &self.aliases {
            push_element(&mut out, "Alias", alias);
        }
        for link in &self.links {
            out.push_str("  <Link");
            let attributes = [
                ("rel", Some(link.rel)),
                ("type", link.media_type),
                ("href", link.href.as_deref()),
                ("template", link.template.as_deref()),
            ];
            for (name, value) in attributes {
                if let Some(value) = value {
                    out.push(' ');
                    out.push_str(name);
                    out.push_str("=\"");
                    markup::push_escaped(&mut out, value);
                    out.push('"');
                }
            }
            out.push_str("/>\n");
        }
        out.push_str("</XRD>\n");
        out
    }
}

fn push_element(out: &mut String, name: &str, text: &str) {
    out.push_str("  <");
    out.push_str(name);
    out.push('>');
    markup::push_escaped(out, text);
    out.push_str("</");
    out.push_str(name);
    out.push_str(">\n");
}
