//! What a subscriber of a feed gets: everything first (F17, D03), then exactly what is new (F13-F25), in the publisher's
//! own bytes (F21, D25), signed with the secret of the moment (V16).

use crate::harness::{
    Callback, Delivery, Feed, Flavour, Form, Gate, Page, Reply, Settings, Stage, Topic, sha1_signature,
};

/// 16 bytes that are no UTF-8: a key that has been through a lossy decoder signs something else (S04).
const RAW_SECRET: &[u8] = b"\x00\xff\xfe %+&=\xc3\x28key\r\n";

fn put(topic: &Topic, feed: &Feed) {
    topic.put(Page::of(feed.flavour().content_type(), feed.document()));
}

/// One subscriber of each kind to one topic.
struct Readers {
    old: Callback,
    signed: Callback,
    plain: Callback,
}

impl Readers {
    async fn of(topic: &Topic, stage: &Stage) -> Self {
        let callback = |path| stage.subscriber.callback(path);
        let (old, signed, plain) = (callback("/old?user=1"), callback("/signed"), callback("/plain"));
        let form = Form::subscribe(topic, &old).token("a token: 100% &c.").secret(RAW_SECRET);
        stage.accept_sync(&form).await;
        assert_eq!(old.verification(1).await.one("hub.verify_token"), Some("a token: 100% &c."));
        stage.accept(&Form::subscribe(topic, &signed).secret("s3cret"), topic, &signed).await;
        stage.subscribe_ws(topic, &plain).await;
        assert_eq!(signed.verification(1).await.one("hub.verify_token"), None, "nobody gave one (V07)");
        Self { old, signed, plain }
    }

    /// Waits for the `count`th delivery of each, checks that there was no other, and returns them.
    async fn delivered(&self, count: usize) -> [Delivery; 3] {
        let mut last = Vec::new();
        for reader in [&self.old, &self.signed, &self.plain] {
            let deliveries = reader.delivered(count).await;
            assert_eq!(deliveries.len(), count, "{} got more than was published", reader.url());
            last.extend(deliveries.into_iter().next_back());
        }
        last.try_into().unwrap()
    }
}

fn assert_signed(deliveries: &[Delivery; 3]) {
    let [old, signed, plain] = deliveries;
    let expected = |secret, delivery: &Delivery| Some(sha1_signature(secret, &delivery.body));
    assert_eq!(old.header("x-hub-signature").map(str::to_owned), expected(RAW_SECRET, old));
    assert_eq!(signed.header("x-hub-signature").map(str::to_owned), expected(b"s3cret", signed));
    // Subscribers reject a signature that they did not ask for (D08).
    assert_eq!(plain.header("x-hub-signature"), None);
}

async fn new_entries_travel_alone_and_untouched(flavour: Flavour) {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/feed.xml");
    let mut feed = Feed::new(flavour, 25, &topic.url(), &[stage.hub.url()]);
    put(&topic, &feed);
    let readers = Readers::of(&topic, &stage).await;
    assert!(readers.plain.attempts().is_empty(), "nothing is delivered on subscribing (F17)");

    stage.ping(&topic).await;
    let first = readers.delivered(1).await;
    for delivery in &first {
        assert_eq!(delivery.body, feed.document(), "all is new to a new subscriber");
    }
    assert_signed(&first);
    assert_eq!(first[0].query, "user=1", "the callback's query stays in the URL (D01)");

    let edited = feed.ids()[7].clone();
    feed.edit(&edited);
    let (older, newer) = (feed.add(), feed.add());
    put(&topic, &feed);
    stage.ping(&topic).await;
    let link = format!("<{}>; rel=\"self\", <{}>; rel=\"hub\"", topic.url(), stage.hub.url());
    let second = readers.delivered(2).await;
    for delivery in &second {
        assert_eq!(feed.found_in(&delivery.body), [newer.as_str(), older.as_str(), edited.as_str()]);
        assert_eq!(delivery.body, feed.only(&[newer.clone(), older.clone(), edited.clone()]));
        assert_eq!(delivery.method, "POST");
        assert_eq!(delivery.header("content-type"), Some(flavour.content_type()));
        assert_eq!(delivery.header("link"), Some(link.as_str()), "one header, exactly so (D05)");
        assert_eq!(delivery.header("content-length"), Some(delivery.body.len().to_string().as_str()));
        for unwanted in ["transfer-encoding", "content-encoding", "expect", "cookie"] {
            assert_eq!(delivery.header(unwanted), None, "{unwanted} (D12)");
        }
    }
    assert_signed(&second);

    // A ping for nothing, and one for a feed that has only rewritten its date, deliver nothing (F13).
    let fetches = topic.fetches().len();
    stage.ping(&topic).await;
    topic.fetched(fetches + 1).await;
    feed.touch();
    put(&topic, &feed);
    stage.ping(&topic).await;
    topic.fetched(fetches + 2).await;
    let fence = feed.add();
    put(&topic, &feed);
    stage.ping(&topic).await;
    for delivery in readers.delivered(3).await {
        assert_eq!(delivery.body, feed.only(std::slice::from_ref(&fence)));
    }
}

#[tokio::test]
async fn new_atom_entries_travel_alone_and_untouched() {
    new_entries_travel_alone_and_untouched(Flavour::Atom).await;
}

#[tokio::test]
async fn new_rss_items_travel_alone_and_untouched() {
    new_entries_travel_alone_and_untouched(Flavour::Rss).await;
}

#[tokio::test]
async fn new_rdf_items_travel_alone_and_untouched() {
    new_entries_travel_alone_and_untouched(Flavour::Rdf).await;
}

/// A delivery that waits for room in its host's lane is signed with the secret of the moment it goes out (V16), and one
/// to a subscriber that has left by then does not go out (D22).
#[tokio::test]
async fn a_delivery_that_waited_goes_by_the_subscription_of_the_moment() {
    let settings = Settings::quick().with("hosts", "connections", 1).with("delivery", "patience", "15s");
    let stage = Stage::set_with(settings).await;
    let topic = stage.publisher.topic("/text");
    let callbacks: Vec<_> = ["/a", "/b", "/c"].map(|path| stage.subscriber.callback(path)).into();
    let gate = Gate::closed();
    for callback in &callbacks {
        stage.accept_sync(&Form::subscribe(&topic, callback).secret("old")).await;
        callback.reply([Reply::Held(gate.clone())]);
    }
    topic.put(Page::of("text/plain", "news"));
    stage.ping(&topic).await;
    stage.subscriber.arrived(1).await;
    // One holds the only connection; of the two that wait for it, one changes its secret and one leaves.
    let waiting: Vec<_> = callbacks.iter().filter(|callback| callback.attempts().is_empty()).collect();
    let [changed, left] = waiting[..] else { panic!("one was asked: {waiting:?}") };
    stage.accept_sync(&Form::subscribe(&topic, changed).secret("new")).await;
    stage.accept_sync(&Form::unsubscribe(&topic, left)).await;
    gate.open();
    let delivery = changed.delivered(1).await.remove(0);
    assert_eq!(delivery.header("x-hub-signature"), Some(sha1_signature(b"new", b"news").as_str()));
    // One more round, so that whatever was on its way has arrived.
    topic.put(Page::of("text/plain", "fence"));
    stage.ping(&topic).await;
    changed.delivered(2).await;
    assert!(left.attempts().is_empty());
}
