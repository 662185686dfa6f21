//! Peers that give no answer, in every way there is of giving none: as callbacks that are asked, as topics that are
//! fetched, and as callbacks that are delivered to.

use tokio::task::JoinSet;

use super::{
    rogue::{Deed, Rogue},
    siege::{SMALL, Siege},
};
use crate::harness::{Form, Page, Verdict};

#[tokio::test]
async fn whoever_gives_no_answer_to_the_question_is_not_subscribed() {
    let mut siege = Siege::lay().await;
    let mut asked = JoinSet::new();
    let mut rogues = Vec::new();
    for deed in Deed::bad() {
        let rogue = Rogue::from_the_start(deed.clone()).await;
        let form = Form::intent("subscribe", &siege.topic().url(), &rogue.url("/cb")).sync();
        let (client, hub) = (siege.stage.hub.client().clone(), siege.stage.hub.url().to_owned());
        asked.spawn(async move { (deed, client.post(&hub, &form).await) });
        rogues.push(rogue);
    }
    for rogue in &rogues {
        rogue.met(1).await;
    }
    siege.goes_on().await;
    while let Some(answered) = asked.join_next().await {
        let (deed, answer) = answered.unwrap();
        assert_eq!(answer.status, 409, "{deed:?}: {answer:?}");
    }
    for rogue in &rogues {
        rogue.is_left_alone().await;
    }
    siege.ends("no answer to a verification", SMALL).await;
}

#[tokio::test]
async fn whoever_gives_no_answer_as_a_topic_has_no_news() {
    let mut siege = Siege::lay().await;
    let callback = siege.stage.subscriber.callback("/rogues");
    let mut rogues = Vec::new();
    let mut pings = Form::default().with("hub.mode", "publish");
    for deed in Deed::bad() {
        let rogue = Rogue::start(deed).await;
        let url = rogue.url("/feed");
        siege.stage.accept_sync(&Form::intent("subscribe", &url, &callback.url())).await;
        pings = pings.with("hub.url", url);
        rogues.push(rogue);
    }
    siege.stage.hub.post(&pings).await.expect(204);
    for rogue in &rogues {
        rogue.met(1).await;
    }
    siege.goes_on().await;
    for rogue in &rogues {
        rogue.is_left_alone().await;
    }
    assert!(callback.attempts().is_empty(), "{:?}", callback.attempts());
    siege.ends("no answer from a topic", SMALL).await;
}

/// However many topics there are that never answer: the room for fetches is not theirs.
#[tokio::test]
async fn topics_that_never_answer_leave_their_room_to_others() {
    let settings = Siege::settings()
        .with("fetch", "timeout", "60s")
        .with("fetch", "concurrency", 4)
        // None of those that are under way ends by itself.
        .with("server", "stop_within", "1s");
    let mut siege = Siege::lay_with(settings).await;
    let callback = siege.stage.subscriber.callback("/rogues");
    let mut rogues = Vec::new();
    let mut pings = Form::default().with("hub.mode", "publish");
    for deed in [Deed::Silence, Deed::Deafness, Deed::Drip].into_iter().cycle().take(12) {
        let rogue = Rogue::start(deed).await;
        let url = rogue.url("/feed");
        siege.stage.accept_sync(&Form::intent("subscribe", &url, &callback.url())).await;
        pings = pings.with("hub.url", url);
        rogues.push(rogue);
    }
    siege.stage.hub.post(&pings).await.expect(204);
    for rogue in &rogues {
        rogue.met(1).await;
    }
    siege.goes_on().await;
    siege.ends("topics that never answer", SMALL).await;
}

/// And when one of them comes to its senses, it has everything.
#[tokio::test]
async fn whoever_gives_no_answer_to_a_delivery_is_tried_again_and_delays_nobody() {
    let mut siege = Siege::lay().await;
    let mut rogues = Vec::new();
    // What says 200 has taken the delivery, whatever follows; so these say that something is wrong with them.
    let deeds = Deed::bad().into_iter().map(|deed| match deed {
        Deed::Body(_) => Deed::Body(500),
        deed => deed,
    });
    let deeds = deeds.filter(|deed| {
        !matches!(deed, Deed::Chunks | Deed::Extensions | Deed::Trailers | Deed::HalfAnAnswer)
    });
    for deed in deeds {
        let rogue = Rogue::start(deed).await;
        let form = Form::intent("subscribe", &siege.topic().url(), &rogue.url("/cb"));
        siege.stage.accept_sync(&form).await;
        rogues.push(rogue);
    }
    siege.goes_on().await;
    for rogue in &rogues {
        rogue.met(2).await;
    }
    let newest = siege.goes_on().await;
    for rogue in &rogues {
        rogue.repents(Deed::Honest);
    }
    for rogue in &rogues {
        rogue.took(&newest).await;
    }
    siege.ends("no answer to a delivery", SMALL).await;
}

/// What follows a 2xx is nobody's business: it is not waited for, and costs the connection.
#[tokio::test]
async fn a_delivery_is_taken_whatever_comes_after_the_status() {
    let mut siege = Siege::lay().await;
    let mut rogues = Vec::new();
    for deed in [Deed::Body(200), Deed::Chunks, Deed::Extensions, Deed::Trailers, Deed::HalfAnAnswer] {
        let rogue = Rogue::start(deed).await;
        let form = Form::intent("subscribe", &siege.topic().url(), &rogue.url("/cb"));
        siege.stage.accept_sync(&form).await;
        rogues.push(rogue);
    }
    siege.goes_on().await;
    for rogue in &rogues {
        rogue.is_left_alone().await;
    }
    siege.ends("a body without end after a 2xx", SMALL).await;
}

/// Redirects in a circle, to oneself, on and on to new places, and to nowhere.
#[tokio::test]
async fn redirects_lead_nowhere_for_long() {
    let mut siege = Siege::lay().await;
    let site = &siege.stage.publisher;
    let callback = siege.stage.subscriber.callback("/redirected");
    let steps: Vec<_> = (0..40).map(|step| site.topic(&format!("/step/{step}"))).collect();
    for (here, there) in steps.iter().zip(&steps[1..]) {
        here.put(Page::redirect(307, &there.url()));
    }
    let (circle, back, own) = (site.topic("/circle"), site.topic("/back"), site.topic("/own"));
    circle.put(Page::redirect(302, &back.url()));
    back.put(Page::redirect(301, &circle.url()));
    own.put(Page::redirect(308, &own.url()));
    let nowhere: Vec<_> = ["", "http://", "mailto:x@y.example", "http:///", "http://[", "//", "\u{fffd}"]
        .into_iter()
        .enumerate()
        .map(|(index, to)| {
            let topic = site.topic(&format!("/nowhere/{index}"));
            topic.put(Page::redirect(302, to));
            topic
        })
        .collect();
    let mut topics = vec![steps[0].clone(), circle.clone(), own.clone()];
    topics.extend(nowhere);
    for topic in &topics {
        siege.stage.subscribe_03(topic, &callback).await;
        siege.stage.ping(topic).await;
    }
    for topic in &topics {
        topic.fetched(1).await;
    }
    siege.goes_on().await;
    // Five are followed, and the tries after the first are a minute away.
    steps[5].fetched(1).await;
    own.fetched(6).await;
    back.fetched(3).await;
    siege.goes_on().await;
    assert_eq!((steps[6].fetches().len(), own.fetches().len()), (0, 6));
    assert!(callback.attempts().is_empty());

    let asked = siege.stage.subscriber.callback("/asked");
    asked.judge([Verdict::Redirect(asked.url())]);
    let form = Form::subscribe(siege.topic(), &asked).sync();
    siege.stage.hub.post(&form).await.expect(409);
    assert_eq!(asked.verifications().len(), 1, "a callback is where it says it is");
    siege.ends("redirects", SMALL).await;
}
