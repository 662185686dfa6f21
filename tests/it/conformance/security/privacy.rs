//! Nothing that the program prints or counts tells a secret: not the secrets, not the tokens, and not the callbacks,
//! whose URLs are capabilities (X06, X07, S38).

use std::{fs, os::unix::fs::PermissionsExt as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::harness::{Form, Page, Reply, Settings, Stage, Subscriber, Verdict};

/// Stand for everything that must never be seen again outside of requests to their owners.
const SECRET: &str = "sEcReT-4f1c";
const TOKEN: &str = "tOkEn-77ab";
const CAPABILITY: &str = "cApAbIlItY-09de";
const PASSWORD: &str = "pAsSwOrD-5c31";
/// The operator's, and what the operator gave to somebody who may subscribe.
const ADMIN: &str = "aDmIn-18e0";
const LOGIN: &str = "lOgIn-93d2";

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
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let settings = Settings::quick()
        .with("log", "filter", filter)
        .with("admin", "token_file", file("token", ADMIN))
        .with("verification", "delay", "20ms");
    let mut stage = Stage::set_with(settings.clone()).await;
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

    // What the operator asks, and what somebody asks who is not.
    let pair = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("topic", topic.url()), ("callback", failing.url()), ("reason", "moved".to_owned())])
        .finish();
    let at = |path: &str| stage.hub.admin(path);
    let (bearer, guess) = (format!("Bearer {ADMIN}"), format!("Bearer {ADMIN}x"));
    for (method, path, token, status) in [
        ("GET", at("/api/status"), &bearer, 200),
        ("GET", at("/api/status"), &guess, 401),
        ("DELETE", at(&format!("/api/subscriptions?{pair}")), &guess, 401),
        ("DELETE", at(&format!("/api/subscriptions?{pair}")), &bearer, 200),
        ("DELETE", at(&format!("/api/subscriptions?callback={CAPABILITY}")), &bearer, 400),
        ("GET", at("/readyz"), &bearer, 200),
    ] {
        let answer = stage.hub.client().send_with(method, &path, &[("authorization", token)]).await;
        assert_tells_nothing("the API", &answer.expect(status).text);
    }

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
    // Whoever knows a challenge could have confirmed in its place.
    let mut challenges = Vec::new();
    for callback in [&well, &failing, &gone, &callback("refusing/0"), &callback("refusing/2"), &unreachable] {
        let asked = callback.verifications();
        // There is none where it was only told that its subscription has ended.
        challenges.extend(asked.iter().filter_map(|one| one.one("hub.challenge")).map(str::to_owned));
    }
    assert!(challenges.len() > 6, "{challenges:?}");
    for challenge in &challenges {
        assert!(
            challenge.len() >= 32
                && challenge.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
        assert!(!out.contains(challenge) && !err.contains(challenge), "a challenge is told: {challenge}");
    }
    assert_tells_nothing("standard output", &out);
    assert_tells_nothing("standard error", &err);

    // Where not everybody may subscribe.
    let credentials = file("credentials", &format!("reader:{LOGIN}\n"));
    stage.hub.reconfigure(settings.with("access", "credentials_file", credentials));
    stage.hub.restart().await;
    let basic = |password: &str| format!("Basic {}", STANDARD.encode(format!("reader:{password}")));
    for (login, status) in [(basic(LOGIN), 204), (basic(&format!("{LOGIN}x")), 401)] {
        let form = form(&callback("late")).sync();
        let answer = stage.hub.client().post_with(stage.hub.url(), &form, &[("authorization", &login)]).await;
        assert_tells_nothing("an answer", &answer.expect(status).text);
    }
    let (out, err) = stage.hub.end().await;
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
        let login = STANDARD.encode(format!("reader:{LOGIN}"));
        for hidden in [SECRET, TOKEN, CAPABILITY, PASSWORD, ADMIN, LOGIN, &login] {
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
