//! Security, X01-X13: what strangers cannot have the hub do or tell.

use crate::harness::{Form, Settings, Stage, Subscriber};

/// Some subscribers confirm whatever they are asked: a stranger must not be able to have them asked all day.
#[tokio::test]
async fn x12_requests_for_one_pair_have_a_rate() {
    let stage = Stage::set_with(Settings::quick().with("limits", "repeats_per_minute", 3)).await;
    let (topic, callback) = (stage.publisher.topic("/t"), stage.subscriber.callback("/cb"));
    for secret in ["1", "2", "3"] {
        stage.hub.post(&Form::subscribe(&topic, &callback).secret(secret)).await.expect(202);
    }
    let refused = stage.hub.post(&Form::subscribe(&topic, &callback).secret("4")).await.expect(429);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    let other = stage.subscriber.callback("/other");
    stage.hub.post(&Form::subscribe(&topic, &other)).await.expect(202);
}

/// A certificate that nobody vouches for ends the connection before a word is said, unless the operator named its host.
#[tokio::test]
async fn x13_certificates_are_verified_but_for_the_hosts_the_operator_names() {
    for (named, status) in [(vec![], 409), (vec!["localhost"], 204)] {
        let stage = Stage::set_with(Settings::quick().with("network", "self_signed_hosts", named)).await;
        let (topic, subscriber) = (stage.publisher.topic("/t"), Subscriber::start_self_signed());
        let callback = subscriber.callback("/cb");
        assert!(callback.url().starts_with("https://localhost:"));
        stage.hub.post(&Form::subscribe(&topic, &callback).sync()).await.expect(status);
        assert_eq!(callback.verifications().len(), usize::from(status == 204));
    }
}
