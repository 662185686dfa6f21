//! The entry that a site wants to have signed: looked at, and completed where something is missing that peers insist on.
//!
//! Whoever signs vouches for the author, so that an entry of anybody else is refused here whatever asked for it. What is
//! there already leaves byte for byte; what is put in stands first, since Mastodon takes the first verb in a document and
//! StatusNet the first author.

use thiserror::Error;

use super::{ACTIVITY, ATOM, Claims, Entry, EntryFault, POCO};
use crate::{
    clock::Timestamp,
    feed::{Tree, TreeFault},
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
}

/// The entry as it is to be signed. Without an id it gets `id`, which must never have been one; without an author, the
/// signer; without `published` or `updated`, `now`.
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
    if !has("author") {
        push_author(&mut missing, signer)?;
    }
    let (begin, end) = entry.split_at_checked(root.inner().start).ok_or(OutgoingFault::Root)?;
    let complete = format!("{begin}{missing}{end}");

    let read = Entry::read(complete.as_bytes())?;
    for name in Claims::all_names(&read) {
        let is_own = |name: &Identity| signer.names.iter().any(|own| own.is_same(name));
        if !Identity::parse(name).is_some_and(|name| is_own(&name)) {
            return Err(OutgoingFault::OtherAuthor(name.to_owned()));
        }
    }
    Ok(complete)
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
    let account = signer.names.iter().find(|name| name.is_account()).ok_or(OutgoingFault::NoAccount)?;
    out.push_str("<author xmlns:activity=\"");
    out.push_str(ACTIVITY);
    out.push_str("\" xmlns:poco=\"");
    out.push_str(POCO);
    out.push_str("\">");
    push(out, "activity:object-type", &format!("{ACTIVITY_SCHEMA}person"));
    push(out, "id", signer.uri);
    push(out, "uri", signer.uri);
    push(out, "name", signer.nick);
    push(out, "email", account.as_str().trim_start_matches("acct:"));
    out.push_str("<link rel=\"alternate\" type=\"text/html\" href=\"");
    markup::push_escaped(out, signer.profile);
    out.push_str("\"/>");
    push(out, "poco:preferredUsername", signer.nick);
    push(out, "poco:displayName", signer.display_name);
    out.push_str("</author>");
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
