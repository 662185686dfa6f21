use proptest::prelude::*;

use super::*;
use crate::{
    clock::Timestamp,
    feed::{BodyDigest, news},
    store::{Commit, Record, StoreOptions, Topic, Validators},
};

const TOPIC: TopicId = TopicId::from_bytes([7; 16]);
const ATOM: &str = "<feed xmlns='http://www.w3.org/2005/Atom'>";

impl Composer {
    /// Nothing is composed while the permit lives.
    pub(in crate::distribution) async fn held(&self) -> tokio::sync::SemaphorePermit<'_> {
        self.turn.acquire().await.unwrap()
    }
}

/// A topic whose fetches are published as publishing does it, and kept until a test drops some.
struct Shelf {
    _home: tempfile::TempDir,
    store: Store,
    volatile: Volatile,
    limits: Limits,
    head: u64,
    known: HashSet<Version>,
}

impl Shelf {
    fn new(entries: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let options = StoreOptions {
            path: home.path().join("data"),
            cache_bytes: 1 << 20,
            gather: std::time::Duration::ZERO,
        };
        let limits = Limits { entries, octets: 10 << 20 };
        let store = Store::open(&options).unwrap();
        Self { _home: home, store, volatile: Volatile::default(), limits, head: 0, known: HashSet::new() }
    }

    fn read(&self, body: &[u8]) -> Document {
        feed::read(
            body,
            &Reading { content_type: None, volatile: &self.volatile, json_feed: JsonFeed::Whole },
        )
    }

    fn versions(&self, body: &[u8]) -> Vec<Version> {
        self.read(body).entries.iter().map(|entry| (entry.id, entry.digest)).collect()
    }

    async fn publish(&mut self, body: &[u8]) {
        let document = self.read(body);
        let known = &self.known;
        let new = news(&document, &mut |entry| known.contains(&(entry.id, entry.digest)));
        let length = u64::try_from(body.len()).unwrap();
        let whole = Publication {
            context: document.context,
            ..Publication::of(document.format, length, self.head + 1)
        };
        let mut commit = Commit::new();
        let parts: Vec<&[usize]> =
            if new.is_empty() { vec![&[]] } else { new.chunks(self.limits.entries).collect() };
        for part in parts {
            let mut at = 0;
            let rendered = feed::render(body, &document, &mut |_| {
                at += 1;
                part.contains(&(at - 1))
            });
            let publication = Publication {
                entries: rendered.entries.iter().map(PublishedEntry::from).collect(),
                insert_at: u64::try_from(rendered.insert_at).unwrap(),
                length: u64::try_from(rendered.body.len()).unwrap(),
                ..whole.clone()
            };
            self.head += 1;
            let (seq, content) = (self.head, rendered.body);
            commit.push(Record::PublicationAdded { topic: TOPIC, seq, publication, content });
        }
        let topic = Topic {
            url: "http://site.example/feed".to_owned(),
            head: self.head,
            format: document.format,
            envelope: BodyDigest::of(body),
            validators: Validators::default(),
            fetched_at: Timestamp::EPOCH,
        };
        let document = TopicDocument { seq: self.head, publication: whole, body: body.to_vec() };
        commit.push(Record::DocumentPut(TOPIC, document));
        commit.push(Record::TopicPut(TOPIC, topic));
        self.store.commit(commit).await.unwrap();
        self.known.extend(self.versions(body));
    }

    async fn publish_ids(&mut self, entries: &[(&str, u32)]) {
        self.publish(window(entries).as_bytes()).await;
    }

    async fn drop_through(&self, last: u64) {
        let commit: Commit = (1..=last).map(|seq| Record::PublicationDropped(TOPIC, seq)).collect();
        self.store.commit(commit).await.unwrap();
    }

    fn compose(&self, from_seq: u64, needs_full: NeedsFull) -> Option<Composed> {
        let wanted = Wanted { topic: TOPIC, from_seq, head: self.head, needs_full };
        compose(&self.store, &self.volatile, &self.limits, wanted).unwrap()
    }

    /// What a reader gets in one catch-up after the other.
    fn caught_up(&self, mut from_seq: u64) -> Vec<(Vec<u8>, Reach)> {
        let (mut got, mut needs_full) = (Vec::new(), NeedsFull::No);
        while from_seq <= self.head {
            let composed = self.compose(from_seq, needs_full).unwrap();
            from_seq = composed.reach.through + 1;
            needs_full = composed.reach.owes_full;
            got.push((composed.parcel.body().to_vec(), composed.reach));
        }
        got
    }
}

fn window(entries: &[(&str, u32)]) -> String {
    let entries: Vec<_> = entries
        .iter()
        .map(|(id, version)| format!("\n<entry><id>{id}</id><n>{version}</n></entry>"))
        .collect();
    let entries = entries.concat();
    format!("{ATOM}{entries}</feed>")
}

/// How often each of these stands in a body.
fn counts(body: &[u8], entries: &[(&str, u32)]) -> Vec<usize> {
    let text = std::str::from_utf8(body).unwrap();
    let entry = |(id, version): &(&str, u32)| format!("<entry><id>{id}</id><n>{version}</n></entry>");
    entries.iter().map(|one| text.matches(&entry(one)).count()).collect()
}

#[tokio::test]
async fn d20_f15_entries_that_share_an_id_replace_one_another_only_where_the_feed_says_so() {
    // All of one id, all shown at once.
    let mut shelf = Shelf::new(200);
    shelf.publish_ids(&[("x", 1)]).await;
    for count in [2, 3] {
        shelf.publish_ids(&[("x", 3), ("x", 2), ("x", 1)][3 - count..]).await;
    }
    let got = shelf.caught_up(2);
    assert_eq!(counts(&got[0].0, &[("x", 1), ("x", 2), ("x", 3)]), [0, 1, 1]);

    // The same, and the window has moved on from the older ones.
    let mut shelf = Shelf::new(200);
    shelf.publish_ids(&[("x", 2), ("x", 1)]).await;
    shelf.publish_ids(&[("x", 4), ("x", 3)]).await;
    shelf.publish_ids(&[("x", 5)]).await;
    assert_eq!(counts(&shelf.caught_up(1)[0].0, &[("x", 1), ("x", 2), ("x", 3), ("x", 4), ("x", 5)]), [1; 5]);

    // An edit, and one that was taken back: only what is shown, and what was new last.
    let mut shelf = Shelf::new(200);
    shelf.publish_ids(&[("x", 1), ("y", 1)]).await;
    shelf.publish_ids(&[("x", 2), ("y", 2)]).await;
    shelf.publish_ids(&[("z", 1), ("x", 2), ("y", 1)]).await;
    let all = [("x", 1), ("x", 2), ("y", 1), ("y", 2), ("z", 1)];
    assert_eq!(counts(&shelf.caught_up(1)[0].0, &all), [0, 1, 1, 1, 1]);
}

#[tokio::test]
async fn f25_parts_of_one_fetch_do_not_replace_one_another() {
    let mut shelf = Shelf::new(2);
    shelf.publish_ids(&[("x", 1), ("a", 1), ("x", 2), ("b", 1)]).await;
    shelf.publish_ids(&[("c", 1)]).await;
    shelf.limits.entries = 200;
    let got = shelf.caught_up(1);
    assert_eq!(counts(&got[0].0, &[("x", 1), ("a", 1), ("x", 2), ("b", 1), ("c", 1)]), [1; 5]);
    assert_eq!(got.len(), 1);
}

#[tokio::test]
async fn d18_where_nothing_is_kept_any_more_the_whole_document_is_sent() {
    let mut shelf = Shelf::new(200);
    shelf.publish_ids(&[("a", 1)]).await;
    shelf.publish_ids(&[("b", 1), ("a", 1)]).await;
    shelf.drop_through(2).await;
    let composed = shelf.compose(2, NeedsFull::No).unwrap();
    assert_eq!(composed.parcel.body(), window(&[("b", 1), ("a", 1)]).as_bytes());
    assert_eq!(composed.reach, Reach { through: 2, is_full: true, owes_full: NeedsFull::No });
}

/// What is dropped is made up for by the document, and what has left the document by what is kept.
#[tokio::test]
async fn d18_where_some_are_no_longer_kept_the_whole_document_comes_with_what_is() {
    let mut shelf = Shelf::new(200);
    shelf.publish_ids(&[("old", 1)]).await;
    shelf.publish_ids(&[("lost", 1), ("old", 1)]).await;
    shelf.publish_ids(&[("kept", 1), ("lost", 1)]).await;
    shelf.publish_ids(&[("new", 1), ("lost", 1)]).await;
    shelf.drop_through(2).await;
    let got = shelf.caught_up(2);
    assert_eq!(counts(&got[0].0, &[("old", 1), ("lost", 1), ("kept", 1), ("new", 1)]), [0, 1, 1, 1]);
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].1, Reach { through: 4, is_full: true, owes_full: NeedsFull::No });
}

/// Where it does not fit into one, the whole is owed until the last of them.
#[tokio::test]
async fn d18_the_whole_document_stays_owed_where_what_is_kept_takes_several() {
    let mut shelf = Shelf::new(2);
    shelf.publish_ids(&[("lost", 1)]).await;
    for id in ["a", "b", "c"] {
        shelf.publish_ids(&[(id, 1), ("lost", 1)]).await;
    }
    shelf.drop_through(1).await;
    let got = shelf.caught_up(1);
    let all = [("lost", 1), ("a", 1), ("b", 1), ("c", 1)];
    assert_eq!(counts(&got[0].0, &all), [0, 1, 1, 0]);
    assert_eq!(got[0].1, Reach { through: 3, is_full: false, owes_full: NeedsFull::Lost });
    assert_eq!(counts(&got[1].0, &all), [1, 0, 0, 1]);
    assert_eq!(got[1].1, Reach { through: 4, is_full: true, owes_full: NeedsFull::No });
    assert_eq!(got.len(), 2);
}

/// Only a first document is left at what is new where it is large (D26): what is lost stands nowhere else.
#[tokio::test]
async fn d18_the_whole_document_makes_up_for_what_is_lost_however_large_it_is() {
    let mut shelf = Shelf::new(2);
    let large = "x".repeat(usize::try_from(FULL_AT_MOST).unwrap());
    let feed = |id: &str| {
        let entries = [id, "lost"].map(|id| format!("\n<entry><id>{id}</id><n>1</n></entry>")).concat();
        format!("{ATOM}<subtitle>{large}</subtitle>{entries}</feed>")
    };
    for id in ["first", "a", "b", "c"] {
        shelf.publish(feed(id).as_bytes()).await;
    }
    assert!(!shelf.compose(4, NeedsFull::First).unwrap().reach.is_full);
    shelf.drop_through(1).await;
    let got = shelf.caught_up(1);
    let all = [("a", 1), ("b", 1), ("lost", 1), ("c", 1)];
    let counted: Vec<_> = got.iter().map(|(body, _)| counts(body, &all)).collect();
    assert_eq!(counted, [[1, 1, 0, 0], [0, 0, 1, 1]]);
    assert_eq!(got[1].1, Reach { through: 4, is_full: true, owes_full: NeedsFull::No });
}

#[tokio::test]
async fn d20_of_what_is_no_feed_the_last_body_is_all_there_is() {
    let mut shelf = Shelf::new(200);
    for body in ["one", "two", "three"] {
        shelf.publish(body.as_bytes()).await;
    }
    shelf.drop_through(2).await;
    for from_seq in [1, 3] {
        let got = shelf.caught_up(from_seq);
        assert_eq!((got.len(), got[0].0.as_slice(), got[0].1.through), (1, &b"three"[..], 3));
    }
}

#[test]
fn the_documents_kept_are_bounded_in_number_and_in_octets() {
    let publication = Publication::of(Format::Opaque, 0, 1);
    let of = |octets: usize| full(1, &publication, vec![b'x'; octets]);
    let kept = |count: u64, octets: usize| {
        let wanted = |head| Wanted { topic: TOPIC, from_seq: 1, head, needs_full: NeedsFull::No };
        (0..count).map(|head| (wanted(head), Arc::new(of(octets)))).collect::<HashMap<_, _>>()
    };
    assert!(has_room(&kept(31, 1), &of(1)));
    assert!(!has_room(&kept(32, 1), &of(1)));
    assert!(has_room(&kept(2, KEPT_OCTETS / 4), &of(KEPT_OCTETS / 2)));
    assert!(!has_room(&kept(2, KEPT_OCTETS / 4), &of(KEPT_OCTETS / 2 + 1)));
}

/// One fetch of a feed: what gives its entries their meaning from outside, and which of twelve entries it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    label: &'static str,
    doctype: &'static str,
    root: &'static str,
    entries: Vec<u8>,
}

impl Written {
    fn body(&self) -> String {
        let Self { label, doctype, root, entries } = self;
        let entries: Vec<_> = entries
            .iter()
            .map(|id| format!("\n<entry><id>urn:{id}</id><title>é{id}</title></entry>"))
            .collect();
        let entries = entries.concat();
        format!(
            "<?xml version='1.0' encoding='{label}'?>{doctype}<feed xmlns='http://www.w3.org/2005/Atom'{root}>\
             <id>f</id>{entries}\n</feed>"
        )
    }

    /// In the encoding that it says it is in.
    fn octets(&self) -> Vec<u8> {
        let text = self.body();
        if self.label == "utf-8" {
            return text.into_bytes();
        }
        text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect()
    }

    fn context(&self) -> (&str, &str, &str) {
        (self.label, self.doctype, self.root)
    }
}

fn written() -> impl Strategy<Value = Written> {
    use proptest::{collection::btree_set, sample::select};
    let roots = vec!["", "", " xmlns:a='urn:1'", " xmlns:a='urn:2'", " xml:base='b/'", " xml:lang='de'"];
    let doctypes = vec!["", "", "<!DOCTYPE feed [<!ENTITY e 'x'>]>"];
    (select(vec!["utf-8", "utf-8", "iso-8859-1"]), select(doctypes), select(roots), btree_set(0..12_u8, 1..5))
        .prop_map(|(label, doctype, root, entries)| Written {
            label,
            doctype,
            root,
            entries: entries.into_iter().collect(),
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// F24, D20: what stands in one document was written for the same surroundings, and nothing is lost or repeated for
    /// that.
    #[test]
    fn d20_publications_are_merged_exactly_where_their_surroundings_are_the_same(
        fetches in proptest::collection::vec(written(), 2..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut shelf = Shelf::new(200);
        let mut published = Vec::new();
        runtime.block_on(async {
            for fetch in &fetches {
                let (known, octets) = (shelf.known.clone(), fetch.octets());
                if shelf.versions(&octets).iter().all(|version| known.contains(version)) {
                    continue;
                }
                shelf.publish(&octets).await;
                published.push(fetch.clone());
            }
        });
        prop_assume!(!published.is_empty());
        let got = shelf.caught_up(1);
        let mut runs: Vec<&Written> = published.iter().collect();
        runs.dedup_by(|later, earlier| later.context() == earlier.context());
        prop_assert_eq!(got.len(), runs.len(), "one document for each run of equal surroundings");
        let mut seen: Vec<Version> = Vec::new();
        for ((body, _), run) in got.iter().zip(runs) {
            let frame = Written { entries: Vec::new(), ..run.clone() }.octets();
            let head = frame.len() - b"\n</feed>".len();
            prop_assert!(body.starts_with(&frame[..head]), "in the frame of its own surroundings");
            seen.extend(shelf.versions(body));
        }
        let once: HashSet<Version> = seen.iter().copied().collect();
        prop_assert_eq!(once.len(), seen.len(), "nothing comes twice");
        // What an encoding or its label makes of the same words is another version; each of them is known.
        prop_assert_eq!(once, shelf.known.clone());
    }
}
