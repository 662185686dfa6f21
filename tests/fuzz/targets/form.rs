//! Any bytes, read as a form on the hub URL. What is taken can be written down and is taken as the same again; what is
//! refused is refused with a code and a sentence; and what the hub says to others about it can be read.
#![no_main]

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use hubbub_fuzz::protocol::{
    Form, IntentRequest, Mode, Profile, Request, Secret, TopicUrl, UrlFault, VerifyMode, VerifyToken, denial,
    request, verification,
};
use libfuzzer_sys::fuzz_target;

const MOST_PARAMETERS: usize = 1024;
const MOST_TOPICS: usize = 256;
const LONGEST_URL: usize = 8 * 1024;

fuzz_target!(|body: &[u8]| {
    form(body);
    match request::parse(body) {
        Ok(Request::Intent(intent)) => intended(&intent),
        Ok(Request::Publish(topics)) => pinged(&topics),
        Err(rejection) => {
            assert!(matches!(rejection.status.as_u16(), 400 | 413));
            let sentence = &rejection.message;
            assert!(
                sentence.len() < 200 && sentence.bytes().all(|b| matches!(b, b' '..=b'~')),
                "one plain line"
            );
            assert!(sentence.contains("hub.") || sentence.contains("parameters"), "it says what is wrong");
        }
    }
});

fn form(body: &[u8]) {
    let segments = body.split(|&b| b == b'&').filter(|segment| !segment.is_empty()).count();
    let Ok(form) = Form::parse(body) else {
        assert!(segments > MOST_PARAMETERS);
        return;
    };
    let pairs: Vec<_> = form.iter().collect();
    assert_eq!(pairs.len(), segments);
    assert!(segments <= MOST_PARAMETERS);
    assert!(pairs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= body.len());
    if let Some((name, _)) = pairs.first().and_then(|(name, value)| Some((str::from_utf8(name).ok()?, value)))
    {
        let of_that_name =
            pairs.iter().filter(|(other, _)| *other == name.as_bytes()).map(|(_, value)| *value);
        assert!(form.all(name).eq(of_that_name));
    }
    let mut written = String::new();
    for (name, value) in &pairs {
        parameter(&mut written, name, value);
    }
    let again = Form::parse(written.as_bytes()).unwrap();
    assert!(again.iter().eq(pairs), "what was written is read");
}

fn intended(intent: &IntentRequest) {
    assert!(intent.topic.as_str().len() <= LONGEST_URL && intent.callback.as_str().len() <= LONGEST_URL);
    assert!(!intent.topic.as_str().contains(['#', ' ']) && !intent.callback.as_str().contains(['#', ' ']));
    assert!(intent.secret.as_ref().is_none_or(|secret| (1..200).contains(&secret.expose().len())));
    assert!(intent.lease_seconds.is_none_or(|seconds| seconds > 0 && intent.mode == Mode::Subscribe));
    assert!(intent.profile == Profile::P03 || intent.verify_token.is_none());

    let Ok(Request::Intent(again)) = request::parse(as_form(intent).as_bytes()) else {
        panic!("what was taken is taken again");
    };
    assert_eq!(again, *intent);
    assert_eq!(again.pair(), intent.pair());

    // X06, X07: two requests that differ in what must not be seen look alike.
    let mut other = intent.clone();
    other.secret = intent.secret.as_ref().map(|_| Secret::new(b"another".to_vec()).unwrap());
    other.verify_token = intent.verify_token.as_ref().map(|_| VerifyToken::new(b"another".to_vec()).unwrap());
    assert_eq!(format!("{other:?}"), format!("{intent:?}"));

    fetched_where_it_says(&intent.topic);
    let question = verification::query(
        intent.mode,
        &intent.topic,
        "Challenge-_0",
        intent.lease_seconds.map(Duration::from_secs),
        intent.verify_token.as_ref(),
    );
    asked(intent, &question, "hub.challenge", b"Challenge-_0");
    let reason = "because, & \u{fc}ber 100%";
    asked(intent, &denial::query(&intent.topic, Some(reason)), "hub.reason", reason.as_bytes());
}

/// The callback reads the question that the hub appended, behind its own query as it gave it (V01, S25).
fn asked(intent: &IntentRequest, question: &str, name: &str, value: &[u8]) {
    let form = Form::parse(question.as_bytes()).unwrap();
    let one = |name: &'static str| form.all(name).collect::<Vec<_>>();
    assert_eq!(one("hub.topic"), [intent.topic.as_str().as_bytes()]);
    assert_eq!(form.all(name).collect::<Vec<_>>(), [value]);
    let before = intent.callback.uri();
    let after = intent.callback.uri_with_query(question);
    assert_eq!(
        (after.scheme(), after.authority(), after.path()),
        (before.scheme(), before.authority(), before.path())
    );
    let query = after.query().unwrap();
    let own = query.strip_suffix(question).unwrap();
    assert_eq!(
        own.strip_suffix('&').unwrap_or(own),
        before.query().map_or("", |own| own.strip_suffix('&').unwrap_or(own))
    );
    let _ = intent.callback.authorization();
    assert!(before.authority().is_some_and(|authority| !authority.as_str().contains('@')));
}

/// What the fetching client is given leads to the server that the guard was shown.
fn fetched_where_it_says(topic: &TopicUrl) {
    match TopicUrl::parse(topic.url().as_str()) {
        Ok(fetched) => assert_eq!(fetched.host_key(), topic.host_key()),
        Err(fault) => assert_eq!(fault, UrlFault::TooLong, "written out, it may be longer"),
    }
}

fn pinged(topics: &[TopicUrl]) {
    assert!((1..=MOST_TOPICS).contains(&topics.len()));
    assert_eq!(topics.iter().map(TopicUrl::id).collect::<BTreeSet<_>>().len(), topics.len(), "each once");
    let mut written = String::from("hub.mode=publish&");
    for topic in topics {
        parameter(&mut written, b"hub.url", topic.as_str().as_bytes());
    }
    assert_eq!(request::parse(written.as_bytes()), Ok(Request::Publish(topics.to_vec())));
    topics.iter().for_each(fetched_where_it_says);
}

/// A request as a subscriber would send it that wants exactly this.
fn as_form(intent: &IntentRequest) -> String {
    let mut form = String::new();
    parameter(&mut form, b"hub.mode", intent.mode.as_str().as_bytes());
    parameter(&mut form, b"hub.callback", intent.callback.as_str().as_bytes());
    parameter(&mut form, b"hub.topic", intent.topic.as_str().as_bytes());
    let verify: &[u8] = match (intent.verify_given, intent.verify, intent.async_offered) {
        (false, ..) => b"",
        (true, VerifyMode::Async, _) => b"async",
        (true, VerifyMode::Sync, true) => b"sync,async",
        (true, VerifyMode::Sync, false) => b"sync",
    };
    if intent.profile == Profile::P03 {
        parameter(&mut form, b"hub.verify", verify);
    }
    if let Some(token) = &intent.verify_token {
        parameter(&mut form, b"hub.verify_token", token.as_bytes());
    }
    if let Some(seconds) = intent.lease_seconds {
        parameter(&mut form, b"hub.lease_seconds", seconds.to_string().as_bytes());
    }
    if let Some(secret) = &intent.secret {
        parameter(&mut form, b"hub.secret", secret.expose());
    }
    if let Some(algorithm) = intent.signature {
        parameter(&mut form, b"hub.signature_algorithm", algorithm.as_str().as_bytes());
    }
    form
}

fn parameter(form: &mut String, name: &[u8], value: &[u8]) {
    let mut push = |bytes: &[u8]| bytes.iter().for_each(|byte| write!(form, "%{byte:02X}").unwrap());
    push(name);
    form.push('=');
    let mut push = |bytes: &[u8]| bytes.iter().for_each(|byte| write!(form, "%{byte:02x}").unwrap());
    push(value);
    form.push('&');
}
