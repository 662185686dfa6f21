//! The parameters besides the two URLs: S05, S08, S11, S12, S14-S17, S19, S34.

use super::{CALLBACK, MARK, TOPIC, assert_refused, assert_statuses, publish, subscribe, unsubscribe};
use crate::harness::{Form, Stage, Verification, Wire, status_of};

#[tokio::test]
async fn s05_the_mode_is_known_in_any_case_and_must_be_there() {
    let stage = Stage::set().await;
    let table = [
        ("none", subscribe().without("hub.mode")),
        ("an empty form", Form::default()),
        ("unknown", subscribe().but("hub.mode", MARK)),
        ("padded", subscribe().but("hub.mode", " subscribe")),
        ("list", subscribe().but("hub.mode", "list")),
        ("retrieve", subscribe().but("hub.mode", "retrieve")),
        ("replay", subscribe().but("hub.mode", "replay")),
        ("denied", subscribe().but("hub.mode", "denied")),
    ];
    for (name, form) in table {
        assert_refused(name, &stage.hub.post(&form).await, 400, &["hub.mode"]);
    }
    let topic = stage.publisher.topic("/text");
    let callback = stage.subscriber.callback("/cb");
    for (index, mode) in ["SubScribe", "UNSUBSCRIBE"].into_iter().enumerate() {
        stage.accept_sync(&Form::intent(mode, &topic.url(), &callback.url())).await;
        assert_eq!(callback.verification(index + 1).await.mode(), mode.to_lowercase());
    }
    stage.hub.post(&Form::publish(&topic).but("hub.mode", "Publish")).await.expect(204);
}

#[tokio::test]
async fn s08_an_empty_parameter_is_absent() {
    let stage = Stage::set().await;
    let post = async |body: String| {
        let form = "application/x-www-form-urlencoded";
        stage.hub.client().send("POST", stage.hub.url(), Some(form), body).await
    };
    for required in ["hub.mode", "hub.callback", "hub.topic"] {
        let rest = subscribe().without(required).encoded();
        for empty in [format!("{required}="), required.to_owned()] {
            let answer = post(format!("{empty}&{rest}&{empty}")).await;
            assert_refused(&empty, &answer, 400, &[required]);
        }
    }
    // Mastodon sends all of them, whether it has something to say or not.
    let topic = stage.publisher.topic("/text");
    let callback = stage.subscriber.callback("/cb");
    let before = callback.confirmations();
    let options = "hub.lease_seconds=&hub.secret=&hub.verify=&hub.lease_seconds&hub.secret&hub.verify";
    post(format!("{}&{options}", Form::subscribe(&topic, &callback).encoded())).await.expect(202);
    callback.confirmed(before + 1).await;
    publish(&stage, &topic, "news").await;
    assert_eq!(callback.verification(1).await.one("hub.lease_seconds"), Some("864000"), "the default");
    assert_eq!(callback.delivered(1).await[0].header("x-hub-signature"), None, "an empty secret is none");
}

/// 0.3 demands `hub.verify`; to demand it would be to refuse every later subscriber.
#[tokio::test]
async fn s11_without_hub_verify_a_request_is_accepted() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    for (name, form) in [
        ("plain", Form::default()),
        ("with a token", Form::default().token("t")),
        ("with a secret", Form::default().secret("s").lease("600")),
    ] {
        let callback = stage.subscriber.callback(&format!("/cb/{}", name.replace(' ', "-")));
        let form = form.with("hub.mode", "subscribe").with("hub.topic", topic.url());
        let answer = stage.hub.post(&form.with("hub.callback", callback.url())).await;
        assert_eq!(answer.status, 202, "{name}: {answer:?}");
        callback.confirmed(1).await;
    }
}

#[tokio::test]
async fn s12_hub_verify_is_a_list_in_order_of_preference() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let callback = stage.subscriber.callback("/cb");
    // 204 is what a synchronous request gets, 202 any other.
    let accepted: [(&[(&str, &str)], u16); 13] = [
        (&[("hub.verify", "sync")], 204),
        (&[("hub.verify", "async")], 202),
        (&[("hub.verify", "sync"), ("hub.verify", "async")], 204),
        (&[("hub.verify", "async"), ("hub.verify", "sync")], 202),
        (&[("hub.verify", "carrier-pigeon"), ("hub.verify", "sync")], 204),
        (&[("hub.verify", "sync,async")], 204),
        (&[("hub.verify", "async, sync")], 202),
        (&[("hub.verify", "pigeon async sync")], 202),
        (&[("hub.verify[]", "sync"), ("hub.verify[]", "async")], 204),
        (&[("hub.verify[]", "async")], 202),
        (&[("hub.verify", ""), ("hub.verify", "sync")], 204),
        (&[("hub.verify", "SYNC")], 204),
        (&[("hub.verify", ""), ("hub.verify[]", "")], 202),
    ];
    let form = |fields: &[(&str, &str)]| {
        let base = Form::subscribe(&topic, &callback);
        fields.iter().fold(base, |form, (name, value)| form.with(name, value))
    };
    let table = accepted.map(|(fields, status)| (format!("{fields:?}"), form(fields), status));
    assert_statuses(&stage, table).await;
    let refused: [&[(&str, &str)]; 4] = [
        &[("hub.verify", MARK)],
        &[("hub.verify", "zq7mark,none")],
        &[("hub.verify[]", "synchronous")],
        &[("hub.verify", ""), ("hub.verify", MARK)],
    ];
    for fields in refused {
        let answer = stage.hub.post(&form(fields)).await;
        assert_refused(&format!("{fields:?}"), &answer, 400, &["hub.verify"]);
    }
}

#[tokio::test]
async fn s14_the_token_is_echoed_byte_for_byte() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let long = "t".repeat(2048);
    // The token, and what stands behind its name in the query.
    let table: [(&[u8], &str); 4] = [
        (b"", ""),
        (b"token-1", "token-1"),
        (b"\xff\x00 t&=+%41#\xc3\xa9", "%FF%00%20t%26%3D%2B%2541%23%C3%A9"),
        (long.as_bytes(), &long),
    ];
    let echoes = |asked: &Verification| {
        let values = asked.query.split('&').filter_map(|pair| pair.strip_prefix("hub.verify_token="));
        values.map(str::to_owned).collect::<Vec<_>>()
    };
    for (index, (token, echo)) in table.into_iter().enumerate() {
        let callback = stage.subscriber.callback(&format!("/{index}"));
        stage.accept_sync(&Form::subscribe(&topic, &callback).with("hub.verify_token", token)).await;
        stage.accept_sync(&Form::unsubscribe(&topic, &callback).with("hub.verify_token", token)).await;
        assert_eq!(callback.verifications().len(), 2);
        assert!(callback.verifications().iter().all(|asked| echoes(asked) == [echo]), "{echo:?}");
    }
    let no_token = stage.subscriber.callback("/none");
    stage.accept_sync(&Form::subscribe(&topic, &no_token)).await;
    assert!(no_token.verification(1).await.all("hub.verify_token").is_empty(), "nobody gave one");
    let answer = stage.hub.post(&subscribe().token(&MARK.repeat(300))).await;
    assert_refused("2100 bytes", &answer, 400, &["hub.verify_token"]);
    let answer = stage.hub.post(&subscribe().token(&(long + "t"))).await;
    assert_refused("2049 bytes", &answer, 400, &["hub.verify_token"]);
}

#[tokio::test]
async fn s15_a_lease_is_a_decimal_integer() {
    let stage = Stage::set().await;
    for lease in ["-1", "-0", "1.5", "zq7mark", "0x10", "1e3", " 60", "60 ", "+60", "60s", "٦٠"] {
        let answer = stage.hub.post(&subscribe().lease(lease)).await;
        assert_refused(&format!("{lease:?}"), &answer, 400, &["hub.lease_seconds"]);
    }
    let topic = stage.publisher.topic("/text");
    let longest = "2592000";
    for (lease, granted) in [
        ("", "864000"),
        ("0", "864000"),
        ("000", "864000"),
        ("3600", "3600"),
        ("0600", "600"),
        ("2592001", longest),
        ("99999999999999999999999999", longest),
    ] {
        let callback = stage.subscriber.callback(&format!("/cb/{lease}"));
        stage.accept_sync(&Form::subscribe(&topic, &callback).lease(lease)).await;
        assert_eq!(callback.verification(1).await.one("hub.lease_seconds"), Some(granted), "{lease:?}");
    }
}

#[tokio::test]
async fn s16_a_lease_means_nothing_when_leaving() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let callback = stage.subscriber.callback("/cb");
    for lease in ["never", "-1", "0", "600", ""] {
        stage.accept_sync(&Form::unsubscribe(&topic, &callback).lease(lease)).await;
    }
    stage.accept_sync(&Form::unsubscribe(&topic, &callback).lease("1").lease("2")).await;
    assert_eq!(callback.verifications().len(), 6);
    stage.hub.post(&subscribe().lease("1").lease("2")).await.expect(400);
}

#[tokio::test]
async fn s17_a_secret_is_shorter_than_200_bytes() {
    let stage = Stage::set().await;
    let taken = ["k".repeat(199).into_bytes(), vec![0xff; 199], "é".repeat(99).into_bytes(), vec![0]];
    let refused = [
        ("200", "k".repeat(200).into_bytes()),
        ("bytes count, not characters", "é".repeat(100).into_bytes()),
        ("many", MARK.repeat(1000).into_bytes()),
    ];
    for form in [subscribe(), unsubscribe()] {
        for secret in &taken {
            stage.hub.post(&form.clone().secret(secret)).await.expect(202);
        }
        for (name, secret) in &refused {
            let answer = stage.hub.post(&form.clone().secret(secret)).await;
            assert_refused(name, &answer, 400, &["hub.secret", "200"]);
        }
    }
}

#[tokio::test]
async fn s19_what_is_unknown_is_ignored() {
    let stage = Stage::set().await;
    let topic = stage.publisher.topic("/text");
    let callback = stage.subscriber.callback("/cb");
    let form = Form::subscribe(&topic, &callback).sync();
    let form = form.with("hub.zq7mark", "x").with("x", "y").with("hub.challenge", "theirs").with("", "");
    let body = form.with("hub.reason", b"\xff").with("hub.x", "1").with("hub.x", "2").encoded();
    let headers = "From: somebody@example.org\r\nAccept: image/png\r\nAccept-Language: xx\r\nCookie: a=b\r\n\
                   Origin: http://elsewhere.example\r\nX-Hub-Signature: sha1=0\r\nX-Anything: x\r\n";
    let mut wire = Wire::to(stage.hub.address()).await;
    let (length, type_) = (body.len(), "Content-Type: application/x-www-form-urlencoded\r\n");
    wire.say(format!(
        "POST / HTTP/1.1\r\nHost: hub\r\n{headers}{type_}Content-Length: {length}\r\n\r\n{body}"
    ))
    .await;
    let heard = wire.hear_until("\r\n\r\n").await;
    assert_eq!(status_of(&heard), Some(204), "{heard}");
    let asked = callback.verification(1).await;
    let mut names: Vec<_> = asked.parameters.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["hub.challenge", "hub.lease_seconds", "hub.mode", "hub.topic"]);
    assert_ne!(asked.one("hub.challenge"), Some("theirs"));
}

#[tokio::test]
async fn s34_a_parameter_that_is_given_twice_must_agree_with_itself() {
    let stage = Stage::set().await;
    let whole = subscribe().lease("600").secret("secret").token("token");
    let table = [
        ("hub.mode", "subscribe", "unsubscribe"),
        ("hub.topic", TOPIC, "http://topic.invalid/zq7mark"),
        ("hub.callback", CALLBACK, "http://127.0.0.1:9999/zq7mark"),
        ("hub.lease_seconds", "600", "601"),
        ("hub.secret", "secret", MARK),
        ("hub.verify_token", "token", MARK),
        // An empty token is a token (S14).
        ("hub.verify_token", "token", ""),
    ];
    for (name, same, other) in table {
        stage.hub.post(&whole.clone().with(name, same).with(name, same)).await.expect(202);
        let answer = stage.hub.post(&whole.clone().with(name, other)).await;
        assert_refused(name, &answer, 400, &[name]);
        let answer = stage.hub.post(&whole.clone().with(name, same).with(name, other)).await;
        assert_refused(name, &answer, 400, &[name]);
    }
    let two_modes = unsubscribe().with("hub.mode", "publish").with("hub.url", TOPIC);
    assert_refused("leaving or pinging", &stage.hub.post(&two_modes).await, 400, &["hub.mode"]);
}
