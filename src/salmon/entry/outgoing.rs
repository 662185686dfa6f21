//! The entry that a site wants to have signed: looked at, and completed where something is missing that peers insist on.
//!
//! Whoever signs vouches for the author, so that an entry of anybody else is refused here whatever asked for it. What is
//! there already leaves byte for byte, but for names that are empty; what is put in stands first, since Mastodon takes the first verb in a document and
//! StatusNet the first author.

use std::ops::Range;

use thiserror::Error;

use super::{ACTIVITY, ATOM, Claims, Entry, EntryFault, POCO, Person};
use crate::{
    clock::Timestamp,
    feed::{Element, Tree, TreeFault},
    salmon::{Identity, markup, moment},
};

const ACTIVITY_SCHEMA: &str = "http://activitystrea.ms/schema/1.0/";

/// Whom an entry is from.
#[derive(Debug, Clone)]
pub struct Signer<'a> {
    /// Every name of the account, the `acct:` first.
    pub names: &'a [Identity],
    /// The URI in its feeds.
    pub uri: &'a str,
    pub profile: &'a str,
    pub nick: &'a str,
    /// Mastodon empties the name of an author who brings none.
    pub display_name: &'a str,
}

/// Why an entry is not signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OutgoingFault {
    #[error(transparent)]
    Entry(#[from] EntryFault),
    #[error("the root is not `entry` in the default namespace, which GNU social and StatusNet insist on")]
    Root,
    #[error("the account has no name of the form acct:nick@host")]
    NoAccount,
    #[error("{0} is no name of the account")]
    OtherAuthor(String),
    #[error("neither the author nor the account has a name, without which no peer takes it")]
    NoName,
}

/// The entry as it is to be signed. Without an id it gets `id`, which must never have been one; without an author, the
/// signer, and what the author lacks to be found and called by; without `published` or `updated`, `now`.
pub fn complete(entry: &str, signer: &Signer<'_>, id: &str, now: Timestamp) -> Result<String, OutgoingFault> {
    let tree = Tree::parse(entry.as_bytes()).map_err(|fault| match fault {
        TreeFault::Doctype => EntryFault::Doctype,
        TreeFault::Malformed => EntryFault::NoXml,
        TreeFault::TooMuch => EntryFault::TooMuch,
    })?;
    let root = tree.root().filter(|root| root.is(ATOM, "entry")).ok_or(EntryFault::NoEntry)?;
    let written = entry.get(root.range()).ok_or(OutgoingFault::Root)?;
    let after_name = written.strip_prefix("<entry").and_then(|rest| rest.chars().next());
    if after_name.is_none_or(|next| next == ':') || root.is_empty_tag() {
        return Err(OutgoingFault::Root);
    }
    let has = |local| root.first(ATOM, local).is_some();
    let mut missing = String::new();
    if !has("id") {
        push(&mut missing, "id", id);
    }
    let stamp = moment::write(now);
    for local in ["published", "updated"] {
        if !has(local) {
            push(&mut missing, local, &stamp);
        }
    }
    let mut edits = Vec::new();
    match root.first(ATOM, "author") {
        Some(author) if !author.is_empty_tag() => complete_author(entry, author, signer, &mut edits)?,
        // A tag that is empty says as little as none.
        empty => {
            edits.extend(empty.map(|tag| (tag.range(), String::new())));
            push_author(&mut missing, signer)?;
        }
    }
    edits.push((root.inner().start..root.inner().start, missing));
    let complete = edited(entry, edits).ok_or(OutgoingFault::Root)?;

    let read = Entry::read(complete.as_bytes())?;
    if read.author.name.is_none() {
        return Err(OutgoingFault::NoName);
    }
    for name in Claims::all_names(&read) {
        let is_own = |name: &Identity| signer.names.iter().any(|own| own.is_same(name));
        if !Identity::parse(name).is_some_and(|name| is_own(&name)) {
            return Err(OutgoingFault::OtherAuthor(name.to_owned()));
        }
    }
    Ok(complete)
}

/// The text with these pieces of it replaced.
fn edited(text: &str, mut edits: Vec<(Range<usize>, String)>) -> Option<String> {
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for (range, new) in edits {
        out.push_str(text.get(done..range.start)?);
        out.push_str(&new);
        done = range.end;
    }
    out.push_str(text.get(done..)?);
    Some(out)
}

/// Puts into an author what is missing there: what it can be looked up by, if there is nothing of the kind, and what it is
/// called. An empty name is none, and goes, since whoever takes the last would take that.
fn complete_author(
    entry: &str,
    author: Element<'_>,
    signer: &Signer<'_>,
    edits: &mut Vec<(Range<usize>, String)>,
) -> Result<(), OutgoingFault> {
    // As the author itself is written, so that it is of Atom whatever has no prefix in there.
    let tag = entry.get(author.range()).and_then(|written| written.strip_prefix('<')).unwrap_or_default();
    let prefix = tag.find("author").and_then(|end| tag.get(..end)).unwrap_or_default();
    let mut missing = String::new();
    if Person::read(author).names().next().is_none() {
        push_names(&mut missing, prefix, signer)?;
    }
    let says =
        |namespace, local| author.all(namespace, local).any(|element| !element.text().trim().is_empty());
    if !says(ATOM, "name") {
        let name = if signer.nick.is_empty() { signer.display_name } else { signer.nick };
        if name.trim().is_empty() {
            return Err(OutgoingFault::NoName);
        }
        edits.extend(author.all(ATOM, "name").map(|empty| (empty.range(), String::new())));
        push(&mut missing, &format!("{prefix}name"), name);
        if !says(POCO, "displayName") && !signer.display_name.is_empty() {
            missing.push_str("<poco:displayName xmlns:poco=\"");
            missing.push_str(POCO);
            missing.push_str("\">");
            markup::push_escaped(&mut missing, signer.display_name);
            missing.push_str("</poco:displayName>");
        }
    }
    edits.push((author.inner().start..author.inner().start, missing));
    Ok(())
}

fn push(out: &mut String, local: &str, text: &str) {
    out.push('<');
    out.push_str(local);
    out.push('>');
    markup::push_escaped(out, text);
    out.push_str("</");
    out.push_str(local);
    out.push('>');
}

/// With all the names that one peer or another looks for.
fn push_author(out: &mut String, signer: &Signer<'_>) -> Result<(), OutgoingFault> {
    out.push_str("<author xmlns:activity=\"");
    out.push_str(ACTIVITY);
    out.push_str("\" xmlns:poco=\"");
    out.push_str(POCO);
    out.push_str("\">");
    push(out, "activity:object-type", &format!("{ACTIVITY_SCHEMA}person"));
    push_names(out, "", signer)?;
    push(out, "name", signer.nick);
    push(out, "poco:preferredUsername", signer.nick);
    push(out, "poco:displayName", signer.display_name);
    out.push_str("</author>");
    Ok(())
}

/// All that an author can be looked up by.
fn push_names(out: &mut String, prefix: &str, signer: &Signer<'_>) -> Result<(), OutgoingFault> {
    let account = signer.names.iter().find(|name| name.is_account()).ok_or(OutgoingFault::NoAccount)?;
    let texts = [("id", signer.uri), ("uri", signer.uri), ("email", account.as_str())];
    for (local, text) in texts {
        push(out, &format!("{prefix}{local}"), text.trim_start_matches("acct:"));
    }
    out.push('<');
    out.push_str(prefix);
    out.push_str("link rel=\"alternate\" type=\"text/html\" href=\"");
    markup::push_escaped(out, signer.profile);
    out.push_str("\"/>");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::salmon::fixture;

    fn names() -> Vec<Identity> {
        ["acct:bob@bob.example", "https://bob.example/user/1", "https://bob.example/bob"]
            .iter()
            .filter_map(|name| Identity::parse(name))
            .collect()
    }

    fn completed(entry: &str) -> Result<String, OutgoingFault> {
        let names = names();
        let signer = Signer {
            names: &names,
            uri: "https://bob.example/user/1",
            profile: "https://bob.example/bob",
            nick: "bob",
            display_name: "Bob & Brook",
        };
        complete(entry, &signer, "tag:bob.example,2026:1", Timestamp::from_millis(1_772_366_400_000))
    }

    #[test]
    fn what_is_whole_leaves_as_it_came_and_what_is_missing_is_put_in_front() {
        let whole = fixture("entries/reply-m0.atom.xml");
        assert_eq!(completed(&whole).unwrap(), whole);

        let little = "<?xml version='1.0'?>\n<entry xmlns='http://www.w3.org/2005/Atom' xml:lang='en'><title>t</title></entry>";
        let text = completed(little).unwrap();
        assert!(text.starts_with(
            "<?xml version='1.0'?>\n<entry xmlns='http://www.w3.org/2005/Atom' xml:lang='en'><id>"
        ));
        assert!(text.ends_with("</author><title>t</title></entry>"));
        let entry = Entry::read(text.as_bytes()).unwrap();
        assert_eq!(entry.id, "tag:bob.example,2026:1");
        assert_eq!(entry.published.as_deref(), Some("2026-03-01T12:00:00Z"));
        assert_eq!(entry.updated, entry.published);
        let author = &entry.author;
        assert_eq!(
            (author.email.as_deref(), author.uri.as_deref()),
            (Some("bob@bob.example"), Some("https://bob.example/user/1"))
        );
        assert_eq!(
            (author.name.as_deref(), author.display_name.as_deref()),
            (Some("bob"), Some("Bob & Brook"))
        );
        assert_eq!(
            (author.kind.as_deref(), author.profiles.as_slice()),
            (Some("person"), &["https://bob.example/bob".to_owned()][..])
        );
        assert_eq!(completed(&text).unwrap(), text, "once is enough");
    }

    #[test]
    fn an_author_without_a_name_gets_those_of_the_account_and_keeps_what_it_has() {
        let uri = "<uri>https://bob.example/user/1</uri>";
        let entry = |author: &str| {
            format!("<entry xmlns='http://www.w3.org/2005/Atom'><id>1</id>{author}<title>t</title></entry>")
        };
        for author in [
            "<author/>".to_owned(),
            "<author></author>".to_owned(),
            "<author><name/></author>".to_owned(),
            format!("<author>{uri}</author>"),
            format!("<author>{uri}<name> </name></author>"),
            format!("<author><name></name>{uri}<name/></author>"),
        ] {
            let text = completed(&entry(&author)).unwrap();
            let read = Entry::read(text.as_bytes()).unwrap().author;
            assert_eq!(
                (read.name.as_deref(), read.display_name.as_deref(), read.uri.as_deref()),
                (Some("bob"), Some("Bob & Brook"), Some("https://bob.example/user/1")),
                "{text}"
            );
            assert_eq!(text.matches("<name").count(), 1, "{text}");
            assert_eq!(read.email.is_none(), author.contains(uri), "what names it is not added to: {text}");
            assert_eq!(completed(&text).unwrap(), text);
        }
        let named = "<author><name>Bob</name><uri>https://bob.example/bob</uri></author>";
        assert!(completed(&entry(named)).unwrap().contains(named), "a name is left as it is");
        let poco = format!("<author>{uri}<p:displayName xmlns:p='{POCO}'>B.</p:displayName></author>");
        let read = Entry::read(completed(&entry(&poco)).unwrap().as_bytes()).unwrap().author;
        assert_eq!((read.name.as_deref(), read.display_name.as_deref()), (Some("bob"), Some("B.")));
        // Where what has no prefix would not be of Atom.
        let atom = "<a:author xmlns:a='http://www.w3.org/2005/Atom' xmlns='urn:x'>";
        for inside in ["", "<a:uri>https://bob.example/user/1</a:uri><a:name/>"] {
            let text = completed(&entry(&format!("{atom}{inside}</a:author>"))).unwrap();
            let read = Entry::read(text.as_bytes()).unwrap().author;
            assert_eq!((read.name.as_deref(), read.uri.is_some()), (Some("bob"), true), "{text}");
        }
        let nobody = Signer {
            names: &names(),
            uri: "https://bob.example/user/1",
            profile: "https://bob.example/bob",
            nick: "",
            display_name: "",
        };
        let text = entry(&format!("<author>{uri}</author>"));
        assert_eq!(complete(&text, &nobody, "1", Timestamp::EPOCH), Err(OutgoingFault::NoName));
    }

    #[test]
    fn nobody_is_signed_for_but_the_account() {
        for (name, other) in [
            ("spoof-actor", "https://bob.example/user/1"),
            ("spoof-author-id", "https://mallory.example/user/666"),
        ] {
            let text = fixture(&format!("entries/{name}.atom.xml"));
            let Err(OutgoingFault::OtherAuthor(found)) = completed(&text) else { panic!("{name}") };
            assert!(found == other || found.contains("mallory"), "{name} {found}");
        }
        let two = fixture("entries/spoof-two-authors.atom.xml");
        assert_eq!(completed(&two), Err(EntryFault::SeveralAuthors.into()));
        let prefixed = fixture("entries/prefixed-root.atom.xml");
        assert_eq!(completed(&prefixed), Err(OutgoingFault::Root));
        assert_eq!(
            completed(&prefixed.replace("atom:", "entry:").replace(":atom", ":entry")),
            Err(OutgoingFault::Root)
        );
        let doctype = fixture("entries/doctype-internal.atom.xml");
        assert_eq!(completed(&doctype), Err(EntryFault::Doctype.into()));
        assert_eq!(completed("<entry xmlns='http://www.w3.org/2005/Atom'/>"), Err(OutgoingFault::Root));
        assert_eq!(completed("<feed xmlns='http://www.w3.org/2005/Atom'/>"), Err(EntryFault::NoEntry.into()));
    }
}
