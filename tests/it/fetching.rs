//! What the hub does not let itself be talked into when it asks publishers (X01).

use std::net::Ipv4Addr;

use crate::harness::{Form, Page, Publisher, Settings, Stage};

/// A redirect, and a name that is allowed only as a name, lead to no address that the operator did not allow (X01).
#[tokio::test]
async fn no_redirect_leads_to_an_address_that_is_not_allowed() {
    let stage = Stage::set_with(Settings::quick().allowing_only("127.0.0.1/32")).await;
    let inside = Publisher::start_on(Ipv4Addr::new(127, 0, 0, 2));
    let secret = inside.topic("/metadata");
    secret.put(Page::text("for nobody's eyes"));
    let (topic, callback) = stage.subscribed("/text").await;
    topic.put(Page::redirect(302, &secret.url()));
    stage.ping(&topic).await;
    topic.fetched(1).await;
    let direct = stage.subscriber.callback("/direct");
    let answer = stage.hub.post(&Form::subscribe(&secret, &direct)).await;
    assert!([202, 403].contains(&answer.status), "{answer:?}");
    stage.hub.post(&Form::publish(&secret)).await;
    stage.got_only(0, &topic, &callback).await;
    assert!(secret.fetches().is_empty(), "it went where it must not");
    assert!(direct.attempts().is_empty());
}
