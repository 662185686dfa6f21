//! What the operator may change about it: strictness (S11), secrets (S18), a new address (S31), credentials (S37).

use crate::harness::{Form, Settings, Stage};

/// The value of a counter among the metrics.
async fn counter(stage: &Stage, name: &str) -> u64 {
    let metrics = stage.hub.client().get(&stage.hub.admin("/metrics")).await.expect(200).text;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)).expect(name);
    line.trim().parse().unwrap()
}

#[tokio::test]
async fn s11_a_token_without_verify_is_refused_where_a_switch_says_so() {
    let stage = Stage::set_with(Settings::quick().with("compat", "token_requires_verify", true)).await;
    let (topic, callback) = (stage.publisher.topic("/t"), stage.subscriber.callback("/cb"));
    let form = Form::subscribe(&topic, &callback);
    let refused = stage.hub.post(&form.clone().token("t")).await.expect(400);
    assert!(refused.text.contains("hub.verify:"), "{refused:?}");
    stage.hub.post(&form.clone().token("t").with("hub.verify", "async")).await.expect(202);
    stage.hub.post(&form).await.expect(202);
}

#[tokio::test]
async fn s18_a_secret_over_plain_http_is_counted_or_refused() {
    let stage = Stage::set().await;
    let (topic, callback) = (stage.publisher.topic("/t"), stage.subscriber.callback("/cb"));
    let (open, secret) = (Form::subscribe(&topic, &callback), Form::subscribe(&topic, &callback).secret("s"));
    stage.hub.post(&open).await.expect(202);
    assert_eq!(counter(&stage, "hubbub_secrets_in_clear_total").await, 0);
    stage.hub.post(&secret).await.expect(202);
    assert_eq!(counter(&stage, "hubbub_secrets_in_clear_total").await, 1);

    let settings = Settings::quick().with("access", "secrets_over_https_only", true);
    let strict = Stage::set_with(settings.with("server", "trusted_proxies", vec!["127.0.0.1"])).await;
    let post = async |form: &Form, headers: &[(&str, &str)]| {
        strict.hub.client().post_with(strict.hub.url(), form, headers).await
    };
    let refused = post(&secret, &[]).await.expect(403);
    assert!(refused.text.contains("hub.secret"), "{refused:?}");
    post(&secret, &[("x-forwarded-proto", "http")]).await.expect(403);
    post(&secret, &[("x-forwarded-proto", "https")]).await.expect(202);
    post(&open, &[]).await.expect(202);
}

#[tokio::test]
async fn s31_a_hub_that_moved_sends_everybody_there() {
    let settings = Settings::quick().with("server", "moved_to", "https://new.example/hub");
    let mut stage = Stage::set_with(settings).await;
    let (topic, callback) = (stage.publisher.topic("/t"), stage.subscriber.callback("/cb"));
    for form in
        [Form::subscribe(&topic, &callback), Form::unsubscribe(&topic, &callback), Form::publish(&topic)]
    {
        let answer = stage.hub.post(&form).await.expect(308);
        assert_eq!(answer.header("location"), "https://new.example/hub");
    }
    // Had any of it been noted, it would be seen to by a hub that did not move.
    stage.hub.kill_9();
    stage.hub.reconfigure(Settings::quick());
    stage.hub.restart().await;
    let elsewhere = stage.publisher.topic("/elsewhere");
    stage.subscribe_ws(&elsewhere, &stage.subscriber.callback("/fence")).await;
    let fence = stage.fence(&topic).await;
    assert!(callback.verifications().is_empty() && topic.fetches().is_empty());
    stage.got_only(0, &topic, &fence).await;
    assert!(callback.attempts().is_empty());
    assert_eq!(topic.fetches().len(), 1);
}

#[tokio::test]
async fn s37_only_who_has_credentials_subscribes_where_the_operator_wants_some() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("subscribers");
    std::fs::write(&file, "# who may subscribe\nAladdin:open sesame\nt0k3n\n").unwrap();
    let settings = Settings::quick().with("access", "credentials_file", file.to_str().unwrap());
    let stage = Stage::set_with(settings).await;
    let (topic, callback) = (stage.publisher.topic("/t"), stage.subscriber.callback("/cb"));
    let post = async |form: Form, authorization: &str| {
        stage.hub.client().post_with(stage.hub.url(), &form, &[("authorization", authorization)]).await
    };
    let subscribe = || Form::subscribe(&topic, &callback).sync();
    let refused = stage.hub.post(&subscribe()).await.expect(401);
    assert!(refused.header("www-authenticate").starts_with("Basic realm="), "{refused:?}");
    post(subscribe(), "Basic QWxhZGRpbjpvcGVuIHNlc2Ft").await.expect(401);
    assert!(callback.verifications().is_empty(), "a stranger had the callback asked");
    post(subscribe(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").await.expect(204);
    post(subscribe(), "Bearer t0k3n").await.expect(204);
    stage.hub.post(&Form::unsubscribe(&topic, &callback).sync()).await.expect(204);
    stage.hub.post(&Form::publish(&topic)).await.expect(204);
}
