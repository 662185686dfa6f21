//! What somebody did, and how Atom with Activity Streams has it: an entry in the author's feed, and the payload of a slap.
//!
//! Written the way that every peer of OStatus can read (salmon.md 4.1): the default namespace on the root, the verb and
//! the author before anything nested, the URI of an object letter by letter as its own feed has it.

use super::account::{Account, kind_word};
use crate::{
    clock::Timestamp,
    salmon::{Verb, discovery::AccountKind, markup::push_escaped, moment},
};

const SCHEMA: &str = "http://activitystrea.ms/schema/1.0/";

/// Something that somebody of the site did.
#[derive(Debug, Clone)]
pub(super) struct Activity {
    pub(super) id: String,
    pub(super) verb: Verb,
    pub(super) title: String,
    pub(super) text: String,
    pub(super) moment: Timestamp,
    pub(super) object: Option<Object>,
    /// The id of a post.
    pub(super) in_reply_to: Option<String>,
    /// Whose attention it is for, by URI.
    pub(super) attention: Vec<(String, AccountKind)>,
}

/// What it was done to.
#[derive(Debug, Clone)]
pub(super) enum Object {
    /// Somebody, by URI and name.
    Somebody { kind: AccountKind, uri: String, name: String },
    /// A post, by its id.
    Post { id: String },
}

impl Activity {
    /// As an Atom entry.
    pub(super) fn entry(&self, author: &Account) -> String {
        let mut out = String::from(
            "<entry xmlns=\"http://www.w3.org/2005/Atom\" xmlns:activity=\"http://activitystrea.ms/spec/1.0/\" \
             xmlns:thr=\"http://purl.org/syndication/thread/1.0\" \
             xmlns:poco=\"http://portablecontacts.net/spec/1.0\" \
             xmlns:ostatus=\"http://ostatus.org/schema/1.0\">\n",
        );
        element(&mut out, "id", &self.id);
        element(&mut out, "title", &self.title);
        element(&mut out, "activity:verb", &self.verb.to_uri());
        if self.verb == Verb::Post {
            let kind = if self.in_reply_to.is_some() { "comment" } else { "note" };
            element(&mut out, "activity:object-type", &format!("{SCHEMA}{kind}"));
        }
        let moment = moment::write(self.moment);
        element(&mut out, "published", &moment);
        element(&mut out, "updated", &moment);
        push_author(&mut out, author);
        content(&mut out, &self.text);
        if self.verb == Verb::Post {
            link(&mut out, "alternate", Some("text/html"), &self.id);
        }
        match &self.object {
            None => {}
            Some(Object::Somebody { kind, uri, name }) => {
                out.push_str("<activity:object>\n");
                element(&mut out, "activity:object-type", &format!("{SCHEMA}{}", kind_word(*kind)));
                element(&mut out, "id", uri);
                element(&mut out, "title", name);
                out.push_str("</activity:object>\n");
            }
            Some(Object::Post { id }) => {
                out.push_str("<activity:object>\n");
                element(&mut out, "activity:object-type", &format!("{SCHEMA}note"));
                element(&mut out, "id", id);
                link(&mut out, "alternate", Some("text/html"), id);
                out.push_str("</activity:object>\n");
            }
        }
        // Some peers read the one relation, some the other.
        for (uri, kind) in &self.attention {
            let kind = format!("{SCHEMA}{}", kind_word(*kind));
            tag(&mut out, "link", &[("rel", "mentioned"), ("ostatus:object-type", &kind), ("href", uri)]);
            tag(&mut out, "link", &[("rel", "ostatus:attention"), ("href", uri)]);
        }
        if let Some(id) = &self.in_reply_to {
            tag(&mut out, "thr:in-reply-to", &[("ref", id), ("href", id)]);
        }
        out.push_str("</entry>\n");
        out
    }
}

/// The feed of somebody: whom it is of, where its hub and their Salmon endpoint are, and what they did, newest first.
pub(super) fn feed(of: &Account, hub: &str, newest_first: &[&Activity]) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\" \
         xmlns:activity=\"http://activitystrea.ms/spec/1.0/\" \
         xmlns:poco=\"http://portablecontacts.net/spec/1.0\">\n",
    );
    element(&mut out, "id", &of.feed());
    element(&mut out, "title", &format!("What {} says", of.name));
    let updated = newest_first.iter().map(|activity| activity.moment).max().unwrap_or_default();
    element(&mut out, "updated", &moment::write(updated));
    push_author(&mut out, of);
    link(&mut out, "alternate", Some("text/html"), &of.profile());
    link(&mut out, "self", Some("application/atom+xml"), &of.feed());
    link(&mut out, "hub", None, hub);
    if let Some(salmon) = &of.salmon {
        link(&mut out, "salmon", None, salmon);
        link(&mut out, "http://salmon-protocol.org/ns/salmon-replies", None, salmon);
        link(&mut out, "http://salmon-protocol.org/ns/salmon-mention", None, salmon);
    }
    for activity in newest_first {
        out.push_str(&activity.entry(of));
    }
    out.push_str("</feed>\n");
    out
}

/// With every name that one peer or another looks for, and the profile that others keep.
fn push_author(out: &mut String, author: &Account) {
    out.push_str("<author>\n");
    element(out, "activity:object-type", &format!("{SCHEMA}{}", author.kind_word()));
    element(out, "id", &author.uri());
    element(out, "uri", &author.uri());
    element(out, "name", author.nick);
    element(out, "email", &author.address());
    link(out, "alternate", Some("text/html"), &author.profile());
    element(out, "poco:preferredUsername", author.nick);
    element(out, "poco:displayName", author.name);
    out.push_str("</author>\n");
}

fn element(out: &mut String, name: &str, text: &str) {
    out.extend(["<", name, ">"]);
    push_escaped(out, text);
    out.extend(["</", name, ">\n"]);
}

/// Peers expect HTML, in which our few words have to be escaped once more.
fn content(out: &mut String, text: &str) {
    let mut html = String::new();
    push_escaped(&mut html, text);
    out.push_str("<content type=\"html\">");
    push_escaped(out, &html);
    out.push_str("</content>\n");
}

fn link(out: &mut String, rel: &str, media_type: Option<&str>, href: &str) {
    match media_type {
        Some(media_type) => tag(out, "link", &[("rel", rel), ("type", media_type), ("href", href)]),
        None => tag(out, "link", &[("rel", rel), ("href", href)]),
    }
}

fn tag(out: &mut String, name: &str, attributes: &[(&str, &str)]) {
    out.extend(["<", name]);
    for (attribute, value) in attributes {
        out.extend([" ", attribute, "=\""]);
        push_escaped(out, value);
        out.push('"');
    }
    out.push_str("/>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{client::SecretText, salmon::Entry};

    fn bob() -> Account {
        Account {
            kind: AccountKind::Person,
            nick: "bob",
            name: "Bob & Brook",
            number: 1,
            domain: "127.0.0.1:7".to_owned(),
            secret: SecretText::new("s"),
            salmon: Some("http://127.0.0.1:7/salmon/bob@127.0.0.1:7".to_owned()),
        }
    }

    fn reply() -> Activity {
        Activity {
            id: "http://127.0.0.1:7/notice/3".to_owned(),
            verb: Verb::Post,
            title: "Re: <seedlings>".to_owned(),
            text: "mine & yours".to_owned(),
            moment: Timestamp::from_millis(1_772_366_400_000),
            object: None,
            in_reply_to: Some("http://127.0.0.1:8/notice/1".to_owned()),
            attention: vec![("http://127.0.0.1:8/user/1".to_owned(), AccountKind::Person)],
        }
    }

    #[test]
    fn an_entry_says_who_did_what_to_whom() {
        let read = Entry::read(reply().entry(&bob()).as_bytes()).unwrap();
        assert_eq!((read.verb, read.object_type.as_deref()), (Verb::Post, Some("comment")));
        assert_eq!(read.author.email.as_deref(), Some("bob@127.0.0.1:7"));
        assert_eq!(read.author.display_name.as_deref(), Some("Bob & Brook"));
        assert_eq!(read.words.title.as_deref(), Some("Re: <seedlings>"));
        assert_eq!(read.words.content.unwrap().value, "mine &amp; yours");
        assert_eq!(read.in_reply_to.unwrap().id.as_deref(), Some("http://127.0.0.1:8/notice/1"));
        assert_eq!(read.mentioned.len(), 1);
        assert_eq!(read.mentioned[0].kind.as_deref(), Some("person"));

        let object = Object::Somebody {
            kind: AccountKind::Group,
            uri: "http://127.0.0.1:8/group/3".to_owned(),
            name: "Gardeners".to_owned(),
        };
        let join = Activity { verb: Verb::Join, object: Some(object), in_reply_to: None, ..reply() };
        let read = Entry::read(join.entry(&bob()).as_bytes()).unwrap();
        assert_eq!(read.verb, Verb::Join);
        assert_eq!(read.object.unwrap().person.id.as_deref(), Some("http://127.0.0.1:8/group/3"));
    }

    #[test]
    fn a_feed_names_its_hub_its_endpoint_and_its_author() {
        let text = feed(&bob(), "http://127.0.0.1:9/", &[&reply()]);
        let read = crate::salmon::discovery::feed(text.as_bytes()).unwrap();
        assert_eq!(read.hubs, ["http://127.0.0.1:9/"]);
        assert_eq!(read.own.as_deref(), Some("http://127.0.0.1:7/bob.atom"));
        assert_eq!(read.salmon.as_deref(), Some("http://127.0.0.1:7/salmon/bob@127.0.0.1:7"));
        assert_eq!(read.author.unwrap().uri.as_deref(), Some("http://127.0.0.1:7/user/1"));
    }
}
