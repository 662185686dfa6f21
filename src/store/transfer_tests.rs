//! What an export holds, what an import makes of it, and what is refused.

use std::{fs, io::Write as _, path::Path, time::Duration};

use super::{embedded::Change, *};
use crate::{
    clock::Timestamp,
    feed::{BodyDigest, EntryDigest, EntryId, Format},
    protocol::{
        Algorithm, CallbackId, CallbackUrl, Mode, PairId, Profile, Secret, TopicId, TopicUrl, VerifyToken,
    },
};

pub(super) fn options(path: &Path) -> StoreOptions {
    StoreOptions { path: path.to_owned(), cache_bytes: 16 << 20, gather: Duration::ZERO }
}

pub(super) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn topic() -> TopicUrl {
    TopicUrl::parse("http://site.example/feed").unwrap()
}

pub(super) fn subscription(name: &str, secret: Option<&[u8]>) -> (PairId, Subscription) {
    let callback = CallbackUrl::parse(&format!("http://reader.example/{name}")).unwrap();
    let pair = PairId { topic: topic().id(), callback: callback.id() };
    let subscription = Subscription {
        topic: topic(),
        callback,
        profile: Profile::Websub,
        secret: secret.map(|secret| Secret::new(secret.to_vec()).unwrap()),
        verify_token: None,
        signature: Some(Algorithm::Sha256),
        asked_lease: Some(600),
        granted_at: at(1000),
        expires_at: at(601_000),
        refresh_at: None,
        accepted_at: at(900),
        since_seq: 7,
        stands_for: 1,
    };
    (pair, subscription)
}

fn intent() -> (PairId, PendingIntent) {
    let (pair, subscription) = subscription("asked", None);
    let mut intent = PendingIntent::renewing(&subscription, at(5000));
    intent.verify_token = Some(VerifyToken::new(b"to\xffken".to_vec()).unwrap());
    intent.mode = Mode::Unsubscribe;
    (pair, intent)
}

/// At least one row of every table.
pub(super) fn everything() -> Commit {
    let topic_id = topic().id();
    let (signed, unsigned) = (subscription("signed", Some(b"k\xffy")), subscription("plain", None));
    let backlog = |due| Backlog {
        from_seq: 8,
        passed: 8,
        attempts: 1,
        due_at: at(due),
        since: at(1),
        last: LastOutcome::Status(503),
        needs_full: NeedsFull::Lost,
    };
    let publication = Publication {
        content_type: Some(b"text/plain; charset=\xe9".to_vec()),
        ..Publication::of(Format::Atom, 3, 1)
    };
    let topic_row = Topic {
        url: topic().as_str().to_owned(),
        head: 8,
        format: Format::Atom,
        envelope: BodyDigest::of(b"envelope"),
        validators: Validators {
            url: topic().as_str().to_owned(),
            etag: Some(b"\"a\"".to_vec()),
            last_modified: None,
        },
        fetched_at: at(77),
    };
    let name = |octet, is_near| Name { id: TopicId::from_bytes([octet; 16]), is_near };
    let fetch =
        PendingFetch { url: topic(), pinged_at: at(3), due_at: at(4), attempts: 0, looks: 2, is_poll: true };
    let fanout =
        FanOut { cursor: Some(signed.0.callback), open: vec![unsigned.0.callback], end: None, since: at(9) };
    let gone = TopicId::from_bytes([3; 16]);
    let asked = intent();
    [
        Record::TopicPut(topic_id, topic_row),
        Record::NamesPut { topic: topic_id, names: vec![name(1, true), name(2, false)], was: Vec::new() },
        Record::DocumentPut(
            topic_id,
            TopicDocument { seq: 8, publication: publication.clone(), body: b"\xff\x00 whole".to_vec() },
        ),
        Record::TopicAbandoned(gone, at(6)),
        Record::BacklogPut { pair: signed.0, backlog: backlog(50), was: None },
        Record::BacklogPut { pair: unsigned.0, backlog: backlog(60), was: None },
        Record::SubscriptionPut { pair: signed.0, subscription: signed.1, was: None },
        Record::SubscriptionPut { pair: unsigned.0, subscription: unsigned.1, was: None },
        Record::EntrySeen(topic_id, EntryId::of(b"1"), EntryDigest::from_bytes([9; 16]), at(8)),
        Record::PublicationAdded { topic: topic_id, seq: 8, publication, content: b"n\"w".to_vec() },
        Record::FanOutPut(FanOutId::whole(topic_id, 8), fanout),
        Record::FetchPut { topic: topic_id, fetch, was: None },
        Record::IntentPut { pair: asked.0, intent: asked.1, was: None },
        Record::ReadersCounted(topic_id, Readers { subscriptions: 2, more: 40 }),
        Record::HostVerified([0xab; 16], at(2)),
    ]
    .into_iter()
    .chain(relay::tests::everything().into_iter().map(Record::from))
    .collect()
}

async fn filled(path: &Path, commit: Commit) -> Store {
    let store = Store::open(&options(path)).unwrap();
    store.commit(commit).await.unwrap();
    store
}

async fn closed(store: Store) {
    store.close().await;
}

fn rows(store: &Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    let found = Table::ALL.iter().flat_map(|table| store.kv.scan(&[table.byte()], None, 100_000).unwrap());
    found.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

fn exported(path: &Path, secrets: bool) -> (String, Exported, Vec<String>) {
    let (mut text, mut lost) = (Vec::new(), Vec::new());
    let done = export(&options(path), secrets, &mut text, |row| lost.push(row.to_string())).unwrap();
    (String::from_utf8(text).unwrap(), done, lost)
}

async fn imported(path: &Path, text: &str) -> Result<Imported, ImportError> {
    import(&options(path), &mut text.as_bytes()).await
}

#[tokio::test]
async fn every_row_comes_back_as_it_was_and_with_it_the_rows_that_follow_from_it() {
    let home = tempfile::tempdir().unwrap();
    let (old, new) = (home.path().join("old-store"), home.path().join("new-store"));
    let store = filled(&old, everything()).await;
    let before = rows(&store);
    let tables: std::collections::BTreeSet<u8> = before.iter().map(|(key, _)| key[0]).collect();
    assert_eq!(tables.len(), Table::ALL.len(), "a table has no row: nothing is tested of it");
    closed(store).await;
    let (text, done, lost) = exported(&old, true);
    assert_eq!((done.rows.total(), lost.len()), (31, 0));
    assert_eq!(text.lines().count(), 33);
    let made = imported(&new, &text).await.unwrap();
    assert_eq!((made.rows, made.left_out.total()), (done.rows, 0));
    assert_eq!(rows(&Store::open(&options(&new)).unwrap()), before);
    assert!(!home.path().join("new-store.new").try_exists().unwrap());
}

/// The format is a promise to files that lie in somebody's cupboard.
#[tokio::test]
async fn the_lines_are_what_they_were() {
    let home = tempfile::tempdir().unwrap();
    closed(filled(home.path(), everything()).await).await;
    let (text, ..) = exported(home.path(), true);
    assert_eq!(text, include_str!("exported.jsonl"));
}

#[tokio::test]
async fn without_secrets_nobody_who_had_one_is_imported() {
    let home = tempfile::tempdir().unwrap();
    let (old, new) = (home.path().join("old-store"), home.path().join("new-store"));
    closed(filled(&old, everything()).await).await;
    let (text, done, _) = exported(&old, false);
    for secret in ["a/95", "dG//a2Vu", "a/55", "MIJrZXk="] {
        assert!(exported(&old, true).0.contains(secret) && !text.contains(secret), "{secret}: {text}");
    }
    let left =
        |tally: &Tally| [Table::Subscriptions, Table::Backlogs, Table::Intents].map(|table| tally.of(table));
    // Of the relay's: the account that has a key, the key, and what it has on the way in and out.
    assert_eq!((left(&done.withheld), done.withheld.total()), ([1, 1, 1], 3 + 10));
    let made = imported(&new, &text).await.unwrap();
    assert_eq!(made.left_out, done.withheld);
    let store = Store::open(&options(&new)).unwrap();
    let (signed, plain) = (subscription("signed", None).0, subscription("plain", None).0);
    assert!(store.subscription(signed).unwrap().is_none() && store.backlog(signed).unwrap().is_none());
    assert!(store.subscription(plain).unwrap().is_some() && store.backlog(plain).unwrap().is_some());
    assert!(store.intent(intent().0).unwrap().is_none());
    let (alice, group) = (relay::tests::id("alice"), relay::tests::id("group"));
    assert!(store.account(alice).unwrap().is_none() && store.account_key(alice).unwrap().is_none());
    for kind in [DueKind::Forward, DueKind::Doubt, DueKind::Slap] {
        assert_eq!(store.due(kind, at(10_000), 9).unwrap().0, [], "{kind:?}");
    }
    assert!(store.account(group).unwrap().is_some() && store.group_posts(group, 9).unwrap().len() == 1);
    assert_eq!(store.members(group, None, 9).unwrap().len(), 1);
    assert!(store.seen(alice, [0x4e; 16]).unwrap().is_some(), "a replay would be taken");
    closed(store).await;
    let mut wrong = Vec::new();
    verify(&options(&new), |lost| wrong.push(lost.to_string())).unwrap();
    assert_eq!(wrong, [""; 0]);
}

#[tokio::test]
async fn an_account_goes_with_its_key_whether_or_not_it_has_a_secret() {
    let home = tempfile::tempdir().unwrap();
    let mut records = relay::tests::everything();
    records[0] = relay::tests::account("alice");
    closed(filled(home.path(), records.into_iter().map(Record::from).collect()).await).await;
    assert_eq!(exported(home.path(), false).1.withheld.total(), 10);
}

/// As the engine leaves it when it passes over damage in its log.
#[tokio::test]
async fn a_row_that_is_as_it_was_before_its_last_change_is_noticed_and_all_are_saved() {
    let home = tempfile::tempdir().unwrap();
    let (old, new) = (home.path().join("old-store"), home.path().join("new-store"));
    let store = filled(&old, everything()).await;
    let key = keys::host([0xab; 16]);
    let before = store.kv.get(&key).unwrap().unwrap();
    store.commit(Record::HostVerified([0xab; 16], at(3)).into()).await.unwrap();
    store.kv.current().alter(&key, &before);
    closed(store).await;
    let verified = verify(&options(&old), |lost| panic!("{lost}")).unwrap();
    assert!(matches!(verified.cut, Some(StoreError::Altered { .. })), "{:?}", verified.cut);
    let (text, done, lost) = exported(&old, true);
    assert!(matches!(done.cut, Some(StoreError::Altered { .. })) && lost.is_empty(), "{:?}", done.cut);
    // A compaction would make the sum right, and the row stay wrong.
    let error = compact(&options(&old), false).await.unwrap_err();
    assert!(matches!(error, CompactError::Store(StoreError::Altered { .. })), "{error}");
    assert_eq!(imported(&new, &text).await.unwrap().rows.total(), 31);
    assert_eq!(verify(&options(&new), |lost| panic!("{lost}")).unwrap().cut.map(|cut| cut.to_string()), None);
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_the_rest_is_saved() {
    let home = tempfile::tempdir().unwrap();
    let (old, new) = (home.path().join("old-store"), home.path().join("new-store"));
    let store = filled(&old, everything()).await;
    store.spoil_topic(topic().id());
    let content = keys::by_seq(Table::Contents, topic().id(), 8);
    let short = Change { key: b"Sshort".to_vec(), value: Some(vec![1]) };
    store.kv.current().commit([Change { key: content, value: None }, short]).unwrap();
    closed(store).await;
    let (text, done, lost) = exported(&old, true);
    assert_eq!((done.rows.total(), done.lost), (29, 3));
    let id = topic().id();
    assert!(lost[0].starts_with(&format!("table topics, key 54{id}: ")), "{lost:?}");
    assert!(lost[1].starts_with("table subscriptions, key 5373686f7274: "), "{lost:?}");
    assert_eq!(lost[2], format!("table publications, key 50{id}0000000000000008: its body is missing"));
    assert_eq!(imported(&new, &text).await.unwrap().rows.total(), 29);
    // A compaction would lose them without anybody asking.
    let error = compact(&options(&old), false).await.unwrap_err();
    assert!(matches!(error, CompactError::Lost(_)), "{error}");
    assert!(!home.path().join("old-store.new").try_exists().unwrap());
    assert!(Store::open(&options(&old)).is_ok());
}

#[tokio::test]
async fn a_file_that_is_not_whole_makes_no_store() {
    let home = tempfile::tempdir().unwrap();
    let (old, new) = (home.path().join("old-store"), home.path().join("new-store"));
    closed(filled(&old, everything()).await).await;
    let (text, ..) = exported(&old, true);
    let lines: Vec<&str> = text.lines().collect();
    let with = |number: usize, line: &str| {
        let mut lines = lines.clone();
        lines[number] = line;
        format!("{}\n", lines.join("\n"))
    };
    let without_secret = lines[6].replace("\"secret\":{\"base64\":\"a/95\"},", "");
    assert_ne!(without_secret, lines[6]);
    let table = [
        (String::new(), "first line"),
        ("{\"a\":1}\n".to_owned(), "first line"),
        (with(0, r#"{"hubbub-store":2,"schema":2,"secrets":true}"#), "version 2"),
        (with(0, r#"{"hubbub-store":1,"schema":3,"secrets":true}"#), "schema 3"),
        (with(1, &lines[1].replace(":77}", ":\"77\"}")), "line 2, topics.row.fetched_at: invalid type"),
        (with(1, &lines[1].replace("\"head\"", "\"tail\"")), "line 2, topics.row.tail: unknown field"),
        (with(6, &without_secret), "line 7, subscriptions.row: missing field `secret`"),
        (
            with(17, &lines[17].replace("\"secret\":null,", "")),
            "line 18, accounts.row: missing field `secret`",
        ),
        (with(18, &lines[18].replace("\"row\"", "\"key\"")), "line 19, account-keys.key: unknown field"),
        (with(4, "{\"cats\":{}}"), "line 5: unknown variant `cats`"),
        (with(4, "not JSON"), "line 5: "),
        (with(4, &format!("{} x", lines[4])), "line 5: trailing characters"),
        (text.trim_end().to_owned(), "cut: it ends after 32 lines"),
        (lines[..9].join("\n"), "cut: it ends after 8 lines"),
        (
            format!("{}\n{}\n", lines[..31].join("\n"), lines[32]),
            "0 rows of table group-posts, and says that they are 1",
        ),
        (format!("{text}\n"), "line 34: nothing comes behind"),
        (format!("{text}x"), "line 33: nothing comes behind"),
    ];
    for (text, words) in table {
        let error = imported(&new, &text).await.unwrap_err().to_string();
        assert!(error.contains(words), "{words:?} is not in {error:?}");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "{words}: something was left");
    }
}

#[tokio::test]
async fn an_import_adds_to_nothing_and_touches_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (old, new) = (home.path().join("old-store"), home.path().join("new-store"));
    closed(filled(&old, everything()).await).await;
    let (text, ..) = exported(&old, true);
    let error = imported(&old, &text).await.unwrap_err().to_string();
    assert!(error.contains("it is not empty"), "{error}");
    fs::create_dir(home.path().join("new-store.new")).unwrap();
    let error = imported(&new, &text).await.unwrap_err().to_string();
    assert!(error.contains("new-store.new") && error.contains("can be removed"), "{error}");
    fs::remove_dir(home.path().join("new-store.new")).unwrap();
    // An empty folder is as good as none.
    fs::create_dir(&new).unwrap();
    imported(&new, &text).await.unwrap();
}

#[tokio::test]
async fn a_compacted_store_is_smaller_and_the_same() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("data");
    let store = filled(&path, everything()).await;
    let document = store.document(topic().id()).unwrap().unwrap();
    for round in 0..250_u8 {
        // In the log itself, which never shrinks: what is larger is a file of its own and soon removed.
        let body = vec![round; 16 << 10];
        let document = TopicDocument { body, ..document.clone() };
        store.commit(Record::DocumentPut(topic().id(), document).into()).await.unwrap();
    }
    let before = rows(&store);
    closed(store).await;
    let done = compact(&options(&path), true).await.unwrap();
    assert!(done.before > 2 * done.after, "{done:?}");
    assert_eq!(rows(&Store::open(&options(&path)).unwrap()), before);
    let kept = home.path().join("data.old");
    assert_eq!(done.kept.as_deref(), Some(kept.canonicalize().unwrap().as_path()));
    assert_eq!(rows(&Store::open(&options(&kept)).unwrap()), before);
    // What is in the way of the next one is said before anything is done.
    let error = compact(&options(&path), false).await.unwrap_err().to_string();
    assert!(error.contains("data.old") && error.contains("earlier compaction"), "{error}");
    fs::remove_dir_all(&kept).unwrap();
    assert_eq!(compact(&options(&path), false).await.unwrap().kept, None);
    assert_eq!(rows(&Store::open(&options(&path)).unwrap()), before);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_store_that_was_put_aside_is_not_replaced_by_an_empty_one() {
    let home = tempfile::tempdir().unwrap();
    let (path, aside) = (home.path().join("data"), home.path().join("data.old"));
    closed(filled(&path, everything()).await).await;
    fs::rename(&path, &aside).unwrap();
    for is_there in [false, true] {
        if is_there {
            fs::create_dir(&path).unwrap();
        }
        let error = Store::open(&options(&path)).unwrap_err().to_string();
        assert!(error.contains(&format!("mv {} {}", aside.display(), path.display())), "{error}");
        assert!(stats(&options(&path)).unwrap_err().to_string().contains("Move it back"));
    }
    fs::remove_dir(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    assert_eq!(stats(&options(&path)).unwrap().total.rows, 45);
}

#[tokio::test]
async fn where_there_is_no_store_none_is_made() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("data");
    assert!(matches!(stats(&options(&path)), Err(StoreError::Missing { .. })));
    let nowhere = export(&options(&path), true, &mut Vec::new(), |_| {});
    assert!(nowhere.unwrap_err().to_string().contains("no store"));
    assert!(compact(&options(&path), false).await.is_err());
    assert!(!path.try_exists().unwrap());
}

#[test]
fn a_key_that_is_too_long_is_no_key() {
    let pair = PairId { topic: topic().id(), callback: CallbackId::from_bytes([1; 16]) };
    let mut key = keys::by_pair(Table::Abandoned, pair);
    key.write_all(b"more").unwrap();
    let value = codec::encode(&at(1)).unwrap();
    assert!(lines::Row::read(Table::Abandoned, &key, &value, None).is_err());
}
