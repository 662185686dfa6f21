//! The payload of a slap: an Atom entry that is an activity, read into what a site wants to know of it.
//!
//! | File | What |
//! |---|---|
//! | `verb` | what was done, by one name for each |
//! | `person` | who did it, with the profile |
//! | `addressing` | whether it is for an account |
//! | `replay` | whether it was here before |
//! | `outgoing` | what a site wants signed: looked at and completed |
//! | `provenance` | the entry of a member in the feed of a group, with its proof |
//!
//! Only direct children of the entry say anything of the entry: an author within an object is the author of that object.
//! An element that may be there once and is there twice is a fault, because two readers would take different ones.

mod addressing;
mod old_words;
mod outgoing;
mod person;
mod provenance;
mod replay;
#[cfg(test)]
mod tests;
mod verb;

use std::borrow::Cow;

use serde::Serialize;
use thiserror::Error;

pub use addressing::Addressed;
pub use old_words::with_old_unfavorite;
pub use outgoing::{OutgoingFault, Signer, complete};
pub use person::{Person, Picture, ProfileUrl};
pub use provenance::{ProvenanceFault, for_group_feed};
pub use replay::ReplayKey;
pub use verb::Verb;

use crate::{
    feed::{Element, Tree, TreeFault},
    salmon::Claims,
};

const ATOM: &str = "http://www.w3.org/2005/Atom";
const ACTIVITY: &str = "http://activitystrea.ms/spec/1.0/";
const THREAD: &str = "http://purl.org/syndication/thread/1.0";
const POCO: &str = "http://portablecontacts.net/spec/1.0";
const OSTATUS: &str = "http://ostatus.org/schema/1.0";

/// Everybody who follows the site: a recipient that is nobody.
const PUBLIC: &str = "http://activityschema.org/collection/public";

/// Recipients that are looked at.
const MOST_MENTIONS: usize = 1024;

/// What is wrong with a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EntryFault {
    #[error("the payload has a DOCTYPE")]
    Doctype,
    #[error("the payload is no well-formed XML in UTF-8")]
    NoXml,
    #[error("the payload has too many elements")]
    TooMuch,
    #[error("the payload is no Atom entry")]
    NoEntry,
    #[error("the entry has no {0}")]
    Missing(&'static str),
    #[error("the entry has more than one {0}")]
    Doubled(&'static str),
    /// A reader that takes the first and one that takes the last act for different people.
    #[error("the entry has more than one author")]
    SeveralAuthors,
}

/// An activity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub id: String,
    pub verb: Verb,
    /// As written, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verb_uri: Option<String>,
    /// What the entry itself is, as `note` or `comment`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_type: Option<String>,
    pub author: Person,
    /// Where it is named apart from the author; it has to be the same account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Person>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<Reply>,
    /// Each recipient once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mentioned: Vec<Mention>,
    /// Meant for everybody.
    pub public: bool,
    /// As written: Mastodon has neither of the two in a follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated: Option<String>,
    #[serde(flatten)]
    pub words: Words,
}

/// What is there to be read by people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Words {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// The page for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// The content of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Content {
    /// `text`, `html`, or as written.
    #[serde(rename = "type")]
    pub media_type: String,
    /// Nothing of what a site would have to take apart: the text of markup is in the entry itself.
    pub value: String,
}

/// What an activity is about: a post, a person, a group, or another activity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Object {
    #[serde(flatten)]
    pub person: Person,
    #[serde(flatten)]
    pub words: Words,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verb: Option<Verb>,
    /// Who made the thing, by the word of whoever sent this: no proof of anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<Person>,
    /// What that activity is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Box<Person>>,
}

/// What an entry answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reply {
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub href: Option<String>,
}

/// A recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mention {
    pub uri: String,
    /// `person` or `group`, where it was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

impl Entry {
    /// Reads a payload.
    pub fn read(payload: &[u8]) -> Result<Self, EntryFault> {
        let tree = Tree::parse(payload).map_err(|fault| match fault {
            TreeFault::Doctype => EntryFault::Doctype,
            TreeFault::Malformed => EntryFault::NoXml,
            TreeFault::TooMuch => EntryFault::TooMuch,
        })?;
        let root = tree.root().filter(|root| root.is(ATOM, "entry")).ok_or(EntryFault::NoEntry)?;
        Self::of(root)
    }

    fn of(entry: Element<'_>) -> Result<Self, EntryFault> {
        let id = one(entry, ATOM, "id")?.map(|id| id.text().trim().to_owned()).filter(|id| !id.is_empty());
        let id = id.ok_or(EntryFault::Missing("id"))?;
        let mut authors = entry.all(ATOM, "author");
        let author = authors.next().ok_or(EntryFault::Missing("author"))?;
        if authors.next().is_some() {
            return Err(EntryFault::SeveralAuthors);
        }
        let author = person(author)?;
        if author.names().next().is_none() {
            return Err(EntryFault::Missing("name of its author"));
        }
        let actor = one(entry, ACTIVITY, "actor")?.map(person).transpose()?;
        let mut objects = entry.all(ACTIVITY, "object");
        let object = objects.next().map(object).transpose()?;
        let verb_uri = one(entry, ACTIVITY, "verb")?.map(|verb| verb.text().trim().to_owned());
        let is_of_group =
            object.as_ref().is_some_and(|object| object.person.kind.as_deref() == Some("group"));
        let verb = verb_uri.as_deref().map_or(Verb::Post, |written| Verb::read(written, is_of_group));
        if verb != Verb::Post && objects.next().is_some() {
            return Err(EntryFault::Doubled("object"));
        }
        if verb.needs_an_object() && object.is_none() {
            return Err(EntryFault::Missing("object"));
        }
        let reply = one(entry, THREAD, "in-reply-to")?.map(|reply| Reply {
            id: reply.attribute("ref").map(|id| id.trim().to_owned()),
            href: reply.attribute("href").map(|href| href.trim().to_owned()),
        });
        let (mentioned, public) = recipients(entry);
        let stamp =
            |local: &'static str| Ok(one(entry, ATOM, local)?.map(|stamp| stamp.text().trim().to_owned()));
        Ok(Self {
            id,
            verb,
            verb_uri,
            object_type: text_of(entry, ACTIVITY, "object-type").map(|kind| verb::object_type(&kind)),
            author,
            actor,
            object,
            target: one(entry, ACTIVITY, "target")?.map(self::object).transpose()?,
            in_reply_to: reply.filter(|reply| reply.id.is_some() || reply.href.is_some()),
            mentioned,
            public,
            published: stamp("published")?,
            updated: stamp("updated")?,
            words: Words::read(entry),
        })
    }
}

impl Words {
    fn read(element: Element<'_>) -> Self {
        let content = element.first(ATOM, "content").map(|content| Content {
            media_type: content.attribute("type").map_or_else(|| "text".to_owned(), Cow::into_owned),
            value: content.text().to_owned(),
        });
        let mut links = element.all(ATOM, "link");
        let url = links.find_map(|link| {
            let rel = link.attribute("rel");
            let is_page = rel.as_deref().map_or("alternate", str::trim) == "alternate";
            link.attribute("href").filter(|_| is_page).map(|href| href.trim().to_owned())
        });
        Self { title: text_of(element, ATOM, "title"), content, url }
    }
}

/// A person whose every name is there once at most.
fn person(element: Element<'_>) -> Result<Person, EntryFault> {
    for name in ["uri", "id", "email"] {
        one(element, ATOM, name)?;
    }
    Ok(Person::read(element))
}

fn object(element: Element<'_>) -> Result<Object, EntryFault> {
    let mut person = person(element)?;
    let words = Words::read(element);
    // Both read the title; that of a post is no name.
    person.name = person.name.filter(|name| Some(name) != words.title.as_ref());
    Ok(Object {
        person,
        words,
        verb: text_of(element, ACTIVITY, "verb").map(|verb| Verb::read(&verb, false)),
        author: element.first(ATOM, "author").map(Person::read),
        object: element.first(ACTIVITY, "object").map(|object| Box::new(Person::read(object))),
    })
}

/// Both relations name a recipient: StatusNet 0.9 has only the second, 1.0 both, all others the first.
fn recipients(entry: Element<'_>) -> (Vec<Mention>, bool) {
    let (mut mentioned, mut public): (Vec<Mention>, _) = (Vec::new(), false);
    for link in entry.all(ATOM, "link") {
        let rel = link.attribute("rel");
        if !matches!(rel.as_deref().map(str::trim), Some("mentioned" | "ostatus:attention")) {
            continue;
        }
        let Some(uri) = link.attribute("href").map(|href| href.trim().to_owned()) else { continue };
        if uri == PUBLIC {
            public = true;
        } else if let Some(known) = mentioned.iter_mut().find(|mention| mention.uri == uri) {
            known.kind = known.kind.take().or_else(|| kind(link));
        } else if !uri.is_empty() && mentioned.len() < MOST_MENTIONS {
            mentioned.push(Mention { uri, kind: kind(link) });
        }
    }
    (mentioned, public)
}

/// The draft prints the namespace with a slash at its end; no code has one.
fn kind(link: Element<'_>) -> Option<String> {
    link.attribute_of(OSTATUS, "object-type").map(|kind| verb::object_type(&kind))
}

/// The one child of that name, if there is any.
fn one<'t>(
    parent: Element<'t>,
    namespace: &str,
    local: &'static str,
) -> Result<Option<Element<'t>>, EntryFault> {
    let mut found = parent.all(namespace, local);
    let first = found.next();
    if found.next().is_some() { Err(EntryFault::Doubled(local)) } else { Ok(first) }
}

/// The text of the first child of that name, if it has any.
fn text_of(parent: Element<'_>, namespace: &str, local: &str) -> Option<String> {
    let text = parent.first(namespace, local)?.text().trim();
    (!text.is_empty()).then(|| text.to_owned())
}
