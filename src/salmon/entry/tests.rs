//! Entries, those of the vectors and worse ones.

use super::*;
use crate::salmon::{Envelope, Identity, PrivateKey, fixture, seal};

fn entry(name: &str) -> Entry {
    Entry::read(fixture(&format!("entries/{name}.atom.xml")).as_bytes()).unwrap()
}

fn names(written: &[&str]) -> Vec<Identity> {
    written.iter().filter_map(|name| Identity::parse(name)).collect()
}

#[test]
fn an_entry_becomes_what_a_site_wants_to_know() {
    let found = serde_json::to_value(entry("reply-m1")).unwrap();
    let expected = serde_json::json!({
        "id": "tag:bob.example,2026-03-01:note:101",
        "verb": "post",
        "verb_uri": "http://activitystrea.ms/schema/1.0/post",
        "object_type": "comment",
        "author": {
            "kind": "person",
            "id": "https://bob.example/user/1",
            "uri": "https://bob.example/user/1",
            "email": "bob@bob.example",
            "name": "bob",
            "profiles": ["https://bob.example/bob"],
            "preferred_username": "bob",
            "display_name": "Bob Brook",
        },
        "in_reply_to": {"ref": "tag:alice.example,2026-03-01:note:41", "href": "https://alice.example/notice/41"},
        "mentioned": [{"uri": "https://alice.example/user/7", "kind": "person"}],
        "public": false,
        "published": "2026-03-01T12:00:00Z",
        "updated": "2026-03-01T12:00:00Z",
        "title": "Re: Seedlings",
        "content": {"type": "html", "value": "@alice lovely news."},
    });
    assert_eq!(found, expected);
    let share = serde_json::to_value(entry("share")).unwrap();
    assert_eq!(share["object"]["author"]["uri"], "https://alice.example/user/7");
    assert_eq!(share["object"]["title"], "Seedlings");
    assert_eq!(share["object"]["verb"], "post");
    assert_eq!(share["object"]["name"], serde_json::Value::Null);
    let unfavorite = entry("unfavorite-ostatus");
    assert_eq!(unfavorite.verb, Verb::Unfavorite);
    let join = entry("join");
    assert_eq!((join.verb, join.object.unwrap().person.kind.as_deref()), (Verb::Join, Some("group")));
}

const ROOT: &str = "<entry xmlns='http://www.w3.org/2005/Atom' xmlns:a='http://activitystrea.ms/spec/1.0/' \
    xmlns:p='http://portablecontacts.net/spec/1.0' xmlns:m='http://purl.org/syndication/atommedia'>";

fn written(children: &str) -> String {
    format!("{ROOT}<id>i</id><author><uri>http://b/1</uri></author>{children}</entry>")
}

#[test]
fn a_profile_is_read_with_its_pictures() {
    let body = format!(
        "{ROOT}<id>i</id><author><id>http://b/1</id><p:note>n</p:note>\
         <link rel='avatar' type='image/png' m:width='96' m:height='48' href=' http://b/96 '/>\
         <link rel='avatar' m:width='x' href='http://b/48'/><link rel='header' href='http://b/h'/><link rel='avatar'/>\
         <p:urls><p:type>homepage</p:type><p:value>http://b/</p:value><p:primary>true</p:primary></p:urls><p:urls/>\
         </author></entry>"
    );
    let author = Entry::read(body.as_bytes()).unwrap().author;
    let picture = |href: &str| Picture { href: href.to_owned(), media_type: None, width: None, height: None };
    let large = Picture {
        media_type: Some("image/png".to_owned()),
        width: Some(96),
        height: Some(48),
        ..picture("http://b/96")
    };
    assert_eq!(author.avatars, [large, picture("http://b/48")]);
    assert_eq!(author.headers, [picture("http://b/h")]);
    let url = ProfileUrl { kind: Some("homepage".to_owned()), value: "http://b/".to_owned(), primary: true };
    assert_eq!((author.urls, author.note.as_deref()), (vec![url], Some("n")));
}

#[test]
fn what_is_wrong_with_an_entry_has_a_name() {
    assert!(Entry::read(written("").as_bytes()).is_ok());
    let verb = |word: &str| format!("<a:verb>{word}</a:verb>");
    let object = "<a:object><id>o</id></a:object>";
    let cases = [
        ("text".to_owned(), EntryFault::NoXml),
        ("<!DOCTYPE entry><entry/>".to_owned(), EntryFault::Doctype),
        ("<entry/>".to_owned(), EntryFault::NoEntry),
        ("<feed xmlns='http://www.w3.org/2005/Atom'/>".to_owned(), EntryFault::NoEntry),
        (written("").replace("<id>i</id>", "<id> </id>"), EntryFault::Missing("id")),
        (written("<id>j</id>"), EntryFault::Doubled("id")),
        (format!("{ROOT}<id>i</id></entry>"), EntryFault::Missing("author")),
        (
            written("").replace("<uri>http://b/1</uri>", "<name>b</name>"),
            EntryFault::Missing("name of its author"),
        ),
        (written("<author/>"), EntryFault::SeveralAuthors),
        (written("").replace("</uri>", "</uri><uri>http://c/</uri>"), EntryFault::Doubled("uri")),
        (written("<a:actor/><a:actor/>"), EntryFault::Doubled("actor")),
        (written(&verb("follow").repeat(2)), EntryFault::Doubled("verb")),
        (written(&format!("{}{object}{object}", verb("follow"))), EntryFault::Doubled("object")),
        (written(&verb("follow")), EntryFault::Missing("object")),
        (written("<updated/><updated/>"), EntryFault::Doubled("updated")),
    ];
    for (body, fault) in cases {
        assert_eq!(Entry::read(body.as_bytes()), Err(fault), "{body}");
    }
    assert!(
        Entry::read(written(&format!("{object}{object}")).as_bytes()).is_ok(),
        "a post may have attachments"
    );
}

#[test]
fn an_entry_is_for_whom_it_names() {
    let alice = names(&["acct:alice@alice.example", "http://alice.example/user/7"]);
    let group = names(&["https://alice.example/group/3"]);
    let no_post = |_: &str| false;
    let alices_post = |id: &str| id.starts_with("tag:alice.example,");
    for (name, expected) in [
        ("mention", Some(Addressed::Mentioned)),
        ("follow", Some(Addressed::Object)),
        ("share", Some(Addressed::Mentioned)),
        ("favorite", Some(Addressed::Reply)),
        ("delete", Some(Addressed::Mentioned)),
        ("update-profile", Some(Addressed::Author)),
        ("join", None),
        ("group-post", None),
        ("not-addressed", None),
    ] {
        assert_eq!(entry(name).addressed_to(&alice, alices_post), expected, "{name}");
    }
    assert_eq!(entry("favorite").addressed_to(&alice, no_post), None);
    assert_eq!(entry("follow").addressed_to(&group, no_post), None);
    assert_eq!(entry("join").addressed_to(&group, no_post), Some(Addressed::Object));
    assert_eq!(entry("group-post").addressed_to(&group, no_post), Some(Addressed::Mentioned));
    let bob = names(&["acct:bob@bob.example"]);
    assert_eq!(entry("authorize").addressed_to(&bob, no_post), Some(Addressed::Object), "bob asked");
    let mut unmentioned = entry("delete");
    unmentioned.mentioned.clear();
    assert_eq!(unmentioned.addressed_to(&bob, no_post), Some(Addressed::Author));
}

#[test]
fn the_public_is_nobody_and_a_recipient_counts_once() {
    let both = "<link rel='mentioned' href='http://a/'/><link rel='ostatus:attention' href='http://a/'/>";
    let entry =
        Entry::read(written(&format!("{both}<link rel='mentioned' href='{PUBLIC}'/>")).as_bytes()).unwrap();
    assert!(entry.public);
    assert_eq!(entry.mentioned, [Mention { uri: "http://a/".to_owned(), kind: None }]);
}

#[test]
fn the_same_activity_has_the_same_key_and_no_other() {
    let bob = Identity::parse("acct:bob@bob.example").unwrap();
    let key = |entry: &Entry| entry.replay_key("alice", &bob);
    let (mention, delete) = (entry("mention"), entry("delete"));
    assert_eq!(mention.id, delete.id);
    assert_eq!(key(&mention), key(&mention.clone()));
    let mut keys = vec![key(&mention), key(&delete), mention.replay_key("bob", &bob)];
    keys.push(mention.replay_key("alice", &Identity::parse("acct:eve@bob.example").unwrap()));
    let mut changed = mention.clone();
    changed.updated = Some("2026-03-02T12:00:00Z".to_owned());
    keys.push(key(&changed));
    let mut follow = entry("follow");
    keys.push(key(&follow));
    follow.object.as_mut().unwrap().person.id = Some("https://alice.example/user/8".to_owned());
    keys.push(key(&follow));
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 7);
}

#[test]
fn a_group_feed_carries_the_proof_and_changes_nothing() {
    let private = PrivateKey::import(&fixture("keys/indep-2048.keypair")).unwrap();
    let payload = fixture("entries/group-post.atom.xml");
    let envelope = seal(payload.as_bytes(), &private).unwrap();
    let element = for_group_feed(&envelope, Some("https://bob.example/a?b&c")).unwrap();
    let root = payload.find("<entry").unwrap();
    let end = payload.find("</entry>").unwrap();
    assert!(element.starts_with(payload.get(root..end).unwrap()));
    assert_eq!(Envelope::read(element.as_bytes()), Ok(envelope.clone()));
    let feed = format!("<feed xmlns='http://www.w3.org/2005/Atom'>{element}</feed>");
    let tree = Tree::parse(feed.as_bytes()).unwrap();
    let source = tree.root().unwrap().first(ATOM, "entry").unwrap().first(ATOM, "source").unwrap();
    assert_eq!(source.first(ATOM, "id").unwrap().text(), "https://bob.example/a?b&c");
    let again = seal(element.as_bytes(), &private).unwrap();
    assert_eq!(for_group_feed(&again, None), Err(ProvenanceFault::HasProvenance));
    let nothing = seal(b"<a/>", &private).unwrap();
    assert_eq!(for_group_feed(&nothing, None), Err(ProvenanceFault::NoEntry));
}
