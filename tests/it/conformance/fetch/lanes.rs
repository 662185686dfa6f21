//! Fetches of one host at once (X05): what it costs others, and where redirects count.

use std::{net::Ipv4Addr, time::Duration};

use tokio::time::Instant;

use crate::harness::{Callback, Form, Gate, Page, Publisher, Settings, Stage, Topic};

/// Subscribes to a topic of each site, all of which redirect to this one.
async fn leading_to(end: &Topic, sites: &[Publisher], stage: &Stage, callback: &Callback) -> Vec<Topic> {
    let mut topics = Vec::new();
    for site in sites {
        let topic = site.topic("/text");
        topic.put(Page::redirect(302, &end.url()));
        stage.subscribe_03(&topic, callback).await;
        topics.push(topic);
    }
    topics
}

/// More topics of a host that answers nobody than there are fetches at once, and one of another host behind them all.
#[tokio::test]
async fn p05_x05_a_host_that_answers_nobody_holds_up_no_other() {
    let settings = Settings::quick().with("fetch", "timeout", "60s").with("fetch", "concurrency", 9);
    let stage = Stage::set_with(settings).await;
    let pit = Publisher::start_on(Ipv4Addr::new(127, 0, 0, 2));
    let (gate, callback) = (Gate::closed(), stage.subscriber.callback("/pit"));
    let mut pings = Form::default().with("hub.mode", "publish");
    let mut topics = Vec::new();
    for index in 0..40 {
        let topic = pit.topic(&format!("/{index}"));
        topic.put(Page::text("late news").behind(&gate));
        stage.subscribe_03(&topic, &callback).await;
        pings = pings.with("hub.url", topic.url());
        topics.push(topic);
    }
    stage.hub.post(&pings).await.expect(204);
    let (honest, witness) = stage.subscribed("/text").await;
    honest.put(Page::text("news"));
    stage.ping(&honest).await;
    witness.delivered(1).await;
    // They were put off, not given up.
    gate.open();
    callback.delivered(40).await;
}

/// Many hosts may lead to one, and it is that one which is asked.
#[tokio::test]
async fn f02_x05_a_redirect_counts_for_the_host_that_it_leads_to() {
    let stage = Stage::set_with(Settings::quick().with("fetch", "timeout", "60s")).await;
    let (gate, callback) = (Gate::closed(), stage.subscriber.callback("/cb"));
    let end = stage.publisher.topic("/end");
    end.put(Page::text("news").behind(&gate));
    // Each on a port of its own, which makes it another host.
    let sites: Vec<_> = (0..9).map(|_| Publisher::start()).collect();
    let topics = leading_to(&end, &sites, &stage, &callback).await;
    let (ninth, eight) = topics.split_last().unwrap();
    for topic in eight {
        stage.ping(topic).await;
    }
    end.fetched(8).await;
    stage.ping(ninth).await;
    // It was put off, and came again.
    ninth.fetched(2).await;
    assert_eq!(end.fetches().len(), 8);
    gate.open();
    callback.delivered(9).await;
}

/// The host that redirects answers each time: it is asked no more often than one that fails (F10); but for as long as it
/// takes, or the ping that was acknowledged would be lost to a crowd.
#[tokio::test]
async fn f10_x05_a_redirect_to_a_host_that_is_full_is_tried_again_until_there_is_room() {
    let settings = Settings::quick().with("fetch", "timeout", "60s");
    let stage = Stage::set_with(settings.with("fetch", "retry", vec!["500ms"])).await;
    let (gate, callback) = (Gate::closed(), stage.subscriber.callback("/cb"));
    let end = stage.publisher.topic("/end");
    end.put(Page::text("news").behind(&gate));
    // Each on a port of its own, which makes it another host.
    let sites: Vec<_> = (0..10).map(|_| Publisher::start()).collect();
    let topics = leading_to(&end, &sites, &stage, &callback).await;
    let [eight @ .., ninth, tenth] = &topics[..] else { panic!() };
    for topic in eight {
        stage.ping(topic).await;
    }
    end.fetched(8).await;
    for topic in [ninth, tenth] {
        let pinged = Instant::now();
        stage.ping(topic).await;
        topic.fetched(3).await;
        // Less a moment, as the hub's clock counts in milliseconds.
        assert!(pinged.elapsed() + Duration::from_millis(5) > Duration::from_secs(1));
    }
    assert_eq!(end.fetches().len(), 8);
    gate.open();
    callback.delivered(10).await;
}
