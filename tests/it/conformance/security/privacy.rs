//! Nothing that the program prints or counts tells a secret: not the secrets, not the tokens, and not the callbacks,
//! whose URLs are capabilities (X06, X07, S38).

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::harness::{Form, Page, Reply, Settings, Stage, Subscriber, Verdict};

/// Stand for everything that must never be seen again outside of requests to their owners.
const SECRET: &str = "sEcReT-4f1c";
const TOKEN: &str = "tOkEn-77ab";
const CAPABILITY: &str = "cApAbIlItY-09de";
const PASSWORD: &str = "pAsSwOrD-5c31";

#[tokio::test]
async fn x06_x07_secrets_and_callbacks_stay_out_of_logs_metrics_and_answers() {
    everything_happens("info").await;
}

/// Whatever the operator wants to see, also of the libraries below (X06, X07).
#[tokio::test]
async fn x06_x07_no_level_of_the_log_tells_a_secret_or_a_callback() {
    everything_happens("trace").await;
}

async fn everything_happens(filter: &str) {
    let mut stage = Stage::set_with(Settings::quick().with("log", "filter", filter)).await;
    let topic = stage.publisher.topic("/text");
    let callback = |name: &str| stage.subscriber.callback(&format!("/{CAPABILITY}/{name}?key={CAPABILITY}"));
    let form = |callback: &_| Form::subscribe(&topic, callback).secret(SECRET).token(TOKEN);

    // Everything that can happen to a subscription.
    let (well, failing, gone) = (callback("well"), callback("failing"), callback("gone"));
    for one in [&well, &failing, &gone] {
        stage.accept_sync(&form(one)).await;
    }
    let with_password = Form::intent(
        "subscribe",
        &topic.url(),
        &well.url().replace("http://", &format!("http://user:{PASSWORD}@")),
    );
    stage.hub.post(&with_password.secret(SECRET).sync()).await;
    for (index, verdict) in
        [Verdict::Status(404), Verdict::Status(500), Verdict::HangUp, Verdict::Mumble(SECRET)]
            .into_iter()
            .enumerate()
    {
        let refusing = callback(&format!("refusing/{index}"));
        refusing.always_judge(verdict);
        stage.hub.post(&form(&refusing)).await.expect(202);
        stage.hub.post(&form(&refusing).sync()).await.expect(409);
    }
    let away = Subscriber::start();
    let unreachable = away.callback(&format!("/{CAPABILITY}"));
    stage.accept_sync(&form(&unreachable)).await;
    away.go_down().await;
    gone.reply([Reply::Status(410)]);
    failing.reply([Reply::Status(500), Reply::HangUp, Reply::Status(302)]);
    topic.put(Page::of("text/plain", "news"));
    stage.ping(&topic).await;
    failing.delivered(1).await;
    gone.attempted(1).await;

    // And everything that can be wrong with a request.
    let wrong = [
        form(&well).lease(SECRET),
        form(&well).secret(TOKEN),
        form(&well).but("hub.secret", SECRET.repeat(30)),
        form(&well).but("hub.verify_token", TOKEN.repeat(300)),
        form(&well).but("hub.callback", format!("{}#{CAPABILITY}", well.url())),
        form(&well).but("hub.callback", format!("http://10.0.0.1/{CAPABILITY}")),
        form(&well).but("hub.mode", SECRET),
    ];
    for form in wrong {
        let answer = stage.hub.post(&form).await;
        assert!((400..500).contains(&answer.status), "{answer:?}");
        assert_tells_nothing("an answer", &answer.text);
    }
    stage.accept_sync(&Form::unsubscribe(&topic, &well).token(TOKEN)).await;

    let metrics = stage.hub.client().get(&stage.hub.admin("/metrics")).await.expect(200);
    assert_tells_nothing("the metrics", &metrics.text);
    let page = stage.hub.client().get(&stage.hub.at("/")).await.expect(200);
    assert_tells_nothing("the page", &page.text);
    // The operator's pages count and name nobody.
    let dashboard = stage.hub.client().get(&stage.hub.admin("/")).await.expect(200);
    assert!(dashboard.text.contains("<td>subscriptions</td>"), "{dashboard:?}");
    assert_tells_nothing("the dashboard", &dashboard.text);
    let (out, err) = stage.hub.end().await;
    assert!(!err.is_empty(), "a run like this leaves something in the log");
    assert_tells_nothing("standard output", &out);
    assert_tells_nothing("standard error", &err);
}

/// A data folder that was there before, or was opened since, is closed to everybody else at the start (X07).
#[tokio::test]
async fn x07_the_data_folder_is_for_its_owner_alone() {
    let mut stage = Stage::set().await;
    let mode = |stage: &Stage| fs::metadata(stage.hub.data()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&stage), 0o700);
    stage.hub.end().await;
    fs::set_permissions(stage.hub.data(), fs::Permissions::from_mode(0o755)).unwrap();
    stage.hub.restart().await;
    assert_eq!(mode(&stage), 0o700);
}

fn assert_tells_nothing(what: &str, text: &str) {
    for (index, line) in text.lines().enumerate() {
        for hidden in [SECRET, TOKEN, CAPABILITY, PASSWORD] {
            assert!(!line.contains(hidden), "{what} tells {hidden} in line {}: {line}", index + 1);
            let octets = format!("{:?}", hidden.as_bytes());
            let octets = octets.trim_matches(['[', ']']);
            assert!(
                !line.contains(octets),
                "{what} tells the octets of {hidden} in line {}: {line}",
                index + 1
            );
        }
    }
}
