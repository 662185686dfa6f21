//! Fetches of one host at once (X05): what it costs others, and where redirects count.

use std::net::Ipv4Addr;

use crate::harness::{Form, Gate, Page, Publisher, Settings, Stage};

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
    let mut topics = Vec::new();
    for site in &sites {
        let topic = site.topic("/text");
        topic.put(Page::redirect(302, &end.url()));
        stage.subscribe_03(&topic, &callback).await;
        topics.push(topic);
    }
    let (ninth, eight) = topics.split_last().unwrap();
    for topic in eight {
        stage.ping(topic).await;
    }
    end.fetched(8).await;
    stage.ping(ninth).await;
    // It stood aside, and came again.
    ninth.fetched(2).await;
    assert_eq!(end.fetches().len(), 8);
    gate.open();
    callback.delivered(9).await;
}
