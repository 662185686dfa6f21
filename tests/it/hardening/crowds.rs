//! Ten thousand callbacks on one host: while they subscribe, while they are dead, and when they are back.

use std::{net::Ipv4Addr, time::Duration};

use tokio::task::JoinSet;

use super::siege::{SMALL, Siege, head};
use crate::harness::{Form, Page, Reply, Subscriber, Wire};

const CROWD: usize = 10_000;
/// Connections on which the crowd subscribes.
const AT_ONCE: usize = 32;

#[tokio::test]
async fn ten_thousand_callbacks_on_one_host_delay_nobody_alive_or_dead() {
    let settings = Siege::settings()
        .with("verification", "timeout", "10s")
        .with("delivery", "timeout", "5s")
        .with("delivery", "patience", "300ms")
        .with("delivery", "retry", vec!["500ms"])
        .with("hosts", "breaker_min_tries", 20)
        .with("hosts", "breaker_pause", "100ms")
        // A line for each of them would be a part of the work.
        .with("log", "filter", "warn");
    let mut siege = Siege::lay_with(settings).await;
    let house = Subscriber::start_on(Ipv4Addr::new(127, 0, 0, 2));
    let topic = siege.stage.publisher.topic("/crowd");
    let callbacks: Vec<_> = (0..CROWD).map(|number| house.callback(&format!("/{number}"))).collect();
    let mut asking = JoinSet::new();
    for part in callbacks.chunks(CROWD.div_ceil(AT_ONCE)) {
        let requests = part.iter().map(|callback| Form::subscribe(&topic, callback).encoded());
        let requests: String = requests.map(|form| head(form.len(), "") + &form).collect();
        let mut wire = Wire::to(siege.stage.hub.address()).await;
        let count = part.len();
        asking.spawn(async move {
            wire.say(requests).await;
            // It asks for nothing, and ends the connection behind the answers to the others.
            wire.say(head(0, "Connection: close\r\n")).await;
            let accepted = wire.hear().await.matches("HTTP/1.1 202 ").count();
            assert_eq!(accepted, count);
        });
    }
    siege.goes_on().await;
    asking.join_all().await;
    siege.goes_on().await;
    for callback in &callbacks {
        callback.confirmed(1).await;
    }
    let member = siege.stage.fence(&topic).await;

    house.go_down().await;
    topic.put(Page::text("to the dead"));
    siege.stage.ping(&topic).await;
    // On another host, and so untouched by what is the matter with theirs; and so is everybody else.
    member.delivered(1).await;
    for _ in 0..3 {
        siege.goes_on().await;
    }
    house.come_up();
    topic.put(Page::text("to the living"));
    siege.stage.ping(&topic).await;
    member.delivered(2).await;
    house.all_got(&callbacks, "the newest", |one| one.body == "to the living").await;
    siege.ends("10,000 callbacks on one host", SMALL).await;
}

/// A host has as many subscriptions as it may have: no more are added, those that there are can be renewed and left, and
/// who left makes room. Others have nothing to do with it, and a hub that is started anew still knows.
#[tokio::test]
async fn x03_one_host_has_its_share_of_subscriptions_and_no_more() {
    let settings = Siege::settings().with("limits", "subscriptions_per_callback_host", 5);
    let settings = settings.with("log", "filter", "info,hubbub::subscribing=debug");
    let mut siege = Siege::lay_with(settings).await;
    let house = Subscriber::start_on(Ipv4Addr::new(127, 0, 0, 2));
    let topic = siege.stage.publisher.topic("/shared");
    let callbacks: Vec<_> = (0..8).map(|number| house.callback(&format!("/{number}"))).collect();
    for callback in &callbacks[..5] {
        siege.stage.subscribe_03(&topic, callback).await;
    }
    for is_sync in [false, true] {
        let form = Form::subscribe(&topic, &callbacks[5]);
        let form = if is_sync { form.sync() } else { form };
        let answer = siege.stage.hub.post(&form).await.expect(429);
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
        assert!(answer.text.contains("hub.callback"), "{answer:?}");
    }
    siege.stage.subscribe_03(&topic, &callbacks[0]).await;
    siege.goes_on().await;
    siege.stage.accept_sync(&Form::unsubscribe(&topic, &callbacks[1])).await;
    siege.stage.subscribe_03(&topic, &callbacks[5]).await;
    siege.stage.hub.post(&Form::subscribe(&topic, &callbacks[6]).sync()).await.expect(429);
    // One that is gone by its own word makes room as one that left.
    callbacks[2].always_reply(Reply::Status(410));
    topic.put(Page::text("to all but one"));
    siege.stage.ping(&topic).await;
    // It is said before it is written. All were counted anew a moment ago, and will not be for minutes.
    siege.stage.hub.logged("subscription ended: 410").await;
    let let_in = async {
        let form = Form::subscribe(&topic, &callbacks[6]).sync();
        while siege.stage.hub.post(&form).await.status != 204 {}
    };
    tokio::time::timeout(Duration::from_secs(20), let_in).await.unwrap();
    siege.stage.accept_sync(&Form::unsubscribe(&topic, &callbacks[6])).await;

    siege.stage.hub.end().await;
    siege.stage.hub.restart().await;
    // After a start they are counted when somebody new comes, who is let in meanwhile.
    siege.stage.subscribe_03(&topic, &callbacks[6]).await;
    siege.stage.hub.logged("callback hosts counted").await;
    siege.stage.hub.post(&Form::subscribe(&topic, &callbacks[7]).sync()).await.expect(429);
    siege.ends("more than its share", SMALL).await;
}
