//! Publications that wait behind a fan-out that takes its time, and a reader who gets them by a way of its own: none of
//! them comes again when its own turn comes (D20), and what an ended subscription was sent is nothing to the one that
//! came back (D22).

use crate::harness::{
    Callback, Delivery, Feed, Flavour, Form, Gate, Page, Reply, Settings, Stage, Topic, soon,
};

/// A hub whose fan-outs wait for who is held, so that what is published next waits for them.
async fn patient() -> Stage {
    Stage::set_with(Settings::quick().with("delivery", "patience", "15s")).await
}

/// Waits until a callback that refuses everything has been offered this: it is published then, whatever holds its
/// fan-out.
async fn offered(callback: &Callback, what: impl Fn(&Delivery) -> bool) {
    let offers = async {
        let mut count = 1;
        while !callback.attempted(count).await.iter().any(&what) {
            count = callback.attempts().len() + 1;
        }
    };
    soon("the offer", offers).await;
}

async fn publish_text(stage: &Stage, topic: &Topic, text: &str) {
    topic.put(Page::of("text/plain", text.to_owned()));
    stage.ping(topic).await;
}

async fn publish_one(stage: &Stage, topic: &Topic, feed: &mut Feed) -> String {
    let id = feed.add();
    topic.put(Page::of(feed.flavour().content_type(), feed.document()));
    stage.ping(topic).await;
    id
}

#[tokio::test]
async fn d20_who_caught_up_with_what_waits_for_its_fan_out_is_not_sent_it_again() {
    for is_killed in [false, true] {
        let mut stage = patient().await;
        let topic = stage.publisher.topic("/text");
        let (keeper, reader) = (stage.subscriber.callback("/keeper"), stage.subscriber.callback("/reader"));
        stage.subscribe_03(&topic, &keeper).await;
        stage.subscribe_03(&topic, &reader).await;
        let gate = Gate::closed();
        keeper.reply([Reply::Held(gate.clone())]);
        reader.always_reply(Reply::Status(500));
        for text in ["one", "two", "three"] {
            publish_text(&stage, &topic, text).await;
            offered(&reader, |one| one.body == text).await;
        }
        reader.always_reply(Reply::Status(204));
        reader.delivered(1).await;
        // What the hub makes of that is on disk by the end of another request.
        stage.fence(&topic).await;
        if is_killed {
            stage.hub.kill_9();
            stage.hub.restart().await;
        }
        gate.open();
        keeper.delivered_where("the last of them", |one| one.body == "three").await;
        publish_text(&stage, &topic, "four").await;
        reader.delivered_where("the fence", |one| one.body == "four").await;
        let bodies: Vec<_> = reader.deliveries().into_iter().map(|one| one.body).collect();
        assert_eq!(bodies, ["three", "four"], "killed: {is_killed}");
        assert_eq!(reader.most_in_flight(), 1);
    }
}

/// The parts of a large delta are as many publications.
#[tokio::test]
async fn d20_f25_the_parts_of_a_delta_come_once_to_who_failed_the_first() {
    let settings = Settings::quick().with("delivery", "patience", "15s").with("delivery", "max_entries", 2);
    let stage = Stage::set_with(settings).await;
    let topic = stage.publisher.topic("/feed");
    let (keeper, reader) = (stage.subscriber.callback("/keeper"), stage.subscriber.callback("/reader"));
    stage.subscribe_03(&topic, &keeper).await;
    stage.subscribe_03(&topic, &reader).await;
    let gate = Gate::closed();
    keeper.reply([Reply::Held(gate.clone())]);
    reader.reply([Reply::Status(500)]);
    let mut feed = Feed::new(Flavour::Atom, 5, &topic.url(), &[stage.hub.url()]);
    let last = publish_one(&stage, &topic, &mut feed).await;
    let all = feed.ids();
    reader.delivered(3).await;
    stage.fence(&topic).await;
    gate.open();
    keeper.delivered(3).await;
    let fence = publish_one(&stage, &topic, &mut feed).await;
    let of_reader = feed.clone();
    reader.delivered_where("the fence", |one| of_reader.has_in(&one.body, &fence)).await;
    let mut got: Vec<_> = reader.deliveries().iter().flat_map(|one| feed.found_in(&one.body)).collect();
    assert_eq!(got.pop(), Some(fence));
    got.sort();
    let mut expected = all;
    expected.sort();
    assert_eq!(got, expected, "each once, {last} too");
}

/// The first delivery of a new subscriber is the whole document, which may be that of a newer publication by then.
#[tokio::test]
async fn d20_d03_what_came_with_the_whole_document_does_not_come_again() {
    let stage = patient().await;
    let topic = stage.publisher.topic("/feed");
    let callback = |path| stage.subscriber.callback(path);
    let (keeper, witness, reader) = (callback("/keeper"), callback("/witness"), callback("/reader"));
    stage.subscribe_03(&topic, &keeper).await;
    stage.subscribe_03(&topic, &witness).await;
    let (first, second) = (Gate::closed(), Gate::closed());
    keeper.reply([&first, &second].map(|gate| Reply::Held(gate.clone())));
    witness.always_reply(Reply::Status(500));
    let mut feed = Feed::new(Flavour::Atom, 3, &topic.url(), &[stage.hub.url()]);
    publish_one(&stage, &topic, &mut feed).await;
    witness.attempted(1).await;
    stage.subscribe_ws(&topic, &reader).await;
    for _ in 0..2 {
        let id = publish_one(&stage, &topic, &mut feed).await;
        offered(&witness, |one| feed.has_in(&one.body, &id)).await;
    }
    // The keeper is held by the fan-out of the first that is for the reader.
    first.open();
    let whole = feed.document();
    assert_eq!(reader.delivered(1).await[0].body, whole);
    stage.fence(&topic).await;
    second.open();
    keeper.delivered(3).await;
    let fence = publish_one(&stage, &topic, &mut feed).await;
    let of_reader = feed.clone();
    reader.delivered_where("the fence", |one| of_reader.has_in(&one.body, &fence)).await;
    let bodies: Vec<_> = reader.deliveries().into_iter().map(|one| one.body).collect();
    assert_eq!(bodies, [whole, feed.only(&[fence])]);
}

/// Who left while a request was under way, and came back behind it, is not owed what was published in between, whatever
/// comes of that request.
#[tokio::test]
async fn d22_the_late_answer_of_who_left_is_nothing_to_who_came_back() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/feed");
    let (keeper, reader) = (stage.subscriber.callback("/keeper"), stage.subscriber.callback("/reader"));
    stage.subscribe_03(&topic, &keeper).await;
    stage.subscribe_03(&topic, &reader).await;
    let mut feed = Feed::new(Flavour::Atom, 2, &topic.url(), &[stage.hub.url()]);
    let gate = Gate::closed();
    reader.reply([Reply::Held(gate.clone())]);
    publish_one(&stage, &topic, &mut feed).await;
    reader.attempted(1).await;
    stage.accept_sync(&Form::unsubscribe(&topic, &reader)).await;
    publish_one(&stage, &topic, &mut feed).await;
    keeper.delivered(2).await;
    stage.subscribe_03(&topic, &reader).await;
    let mut missed = Vec::new();
    for count in 3..=4 {
        missed.push(publish_one(&stage, &topic, &mut feed).await);
        // The second is not sent to anybody before the first has been dealt with.
        keeper.delivered(count).await;
    }
    gate.open();
    let last = missed[1].clone();
    let of_reader = feed.clone();
    reader.delivered_where("what it missed", |one| of_reader.has_in(&one.body, &last)).await;
    let got = reader.deliveries().split_off(1);
    let mut got: Vec<_> = got.iter().flat_map(|one| feed.found_in(&one.body)).collect();
    got.sort();
    missed.sort();
    assert_eq!(got, missed);
}
