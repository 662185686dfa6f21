//! What a POST on the hub URL asks for: one URL serves subscribing, unsubscribing and publishing (S01).
//!
//! Only the body is read, never the query string (S02). Parameters nobody knows are ignored (S19).

use super::{
    form::Form,
    intent::{IntentRequest, Mode},
    ping,
    rejection::Rejection,
    topic::TopicUrl,
};

/// A well-formed request. Whether it is allowed is not decided here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Subscribe or unsubscribe; to be verified with the callback.
    Intent(IntentRequest),
    /// A ping: these topics may have news. At least one, no two alike (P01).
    Publish(Vec<TopicUrl>),
}

/// Reads a form body, which the caller has bounded (S39).
pub fn parse(body: &[u8]) -> Result<Request, Rejection> {
    let form = Form::parse(body)?;
    let mode = scalar(&form, "hub.mode")?.ok_or_else(|| Rejection::bad("hub.mode is missing"))?;
    // Case does not matter, as on Google's hub; it is echoed in lower case (S05).
    if mode.eq_ignore_ascii_case(b"subscribe") {
        IntentRequest::parse(&form, Mode::Subscribe).map(Request::Intent)
    } else if mode.eq_ignore_ascii_case(b"unsubscribe") {
        IntentRequest::parse(&form, Mode::Unsubscribe).map(Request::Intent)
    } else if mode.eq_ignore_ascii_case(b"publish") {
        ping::topics(&form).map(Request::Publish)
    } else {
        Err(Rejection::bad("hub.mode must be subscribe, unsubscribe or publish"))
    }
}

/// The value of a parameter that may be given once. Empty is absent (S08); the same twice is once, two values are an
/// error (S34): picking one would let two parsers see two requests.
pub(super) fn scalar<'form>(form: &'form Form, name: &'form str) -> Result<Option<&'form [u8]>, Rejection> {
    agreed(form.all(name).filter(|value| !value.is_empty()), name)
}

/// The one value that all of these are.
pub(super) fn agreed<'form>(
    mut values: impl Iterator<Item = &'form [u8]>,
    name: &str,
) -> Result<Option<&'form [u8]>, Rejection> {
    let first = values.next();
    if values.all(|other| Some(other) == first) {
        Ok(first)
    } else {
        Err(Rejection::bad(format!("{name} is given twice with different values")))
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use proptest::prelude::*;

    use super::*;

    const BASE: &str = "hub.callback=http://c/&hub.topic=http://t/";

    fn refused(body: &str) -> String {
        let rejection = parse(body.as_bytes()).unwrap_err();
        assert_eq!(rejection.status, StatusCode::BAD_REQUEST);
        rejection.message
    }

    #[test]
    fn s05_the_mode_is_known_in_any_case_and_must_be_there() {
        for (word, mode) in [
            ("subscribe", Mode::Subscribe),
            ("SUBSCRIBE", Mode::Subscribe),
            ("Unsubscribe", Mode::Unsubscribe),
        ] {
            let Ok(Request::Intent(intent)) = parse(format!("hub.mode={word}&{BASE}").as_bytes()) else {
                panic!("{word}");
            };
            assert_eq!(intent.mode, mode);
        }
        for body in
            ["", BASE, "hub.mode", "hub.mode=", "hub.mode=denied", "hub.mode=+subscribe", "mode=publish"]
        {
            assert!(refused(body).contains("hub.mode"), "{body}");
        }
    }

    #[test]
    fn s34_a_repeated_scalar_must_agree_with_itself() {
        assert!(
            parse(format!("hub.mode=subscribe&hub.mode=subscribe&hub.topic=&{BASE}&{BASE}").as_bytes())
                .is_ok()
        );
        for (name, value) in [
            ("hub.mode", "publish"),
            ("hub.topic", "http://t/x"),
            ("hub.callback", "http://c/x"),
            ("hub.lease_seconds", "2"),
            ("hub.secret", "other"),
            ("hub.verify_token", ""),
        ] {
            let body = format!(
                "hub.mode=subscribe&{BASE}&hub.lease_seconds=1&hub.secret=s&hub.verify_token=t&{name}={value}"
            );
            assert_eq!(refused(&body), format!("{name} is given twice with different values"));
        }
    }

    #[test]
    fn s02_a_json_body_is_no_request() {
        assert!(refused(r#"{"hub.mode":"subscribe"}"#).contains("hub.mode"));
    }

    #[test]
    fn too_many_parameters_are_too_large_a_request() {
        let body = format!("hub.mode=publish{}", "&x".repeat(1024));
        assert_eq!(parse(body.as_bytes()).unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_and_no_answer_repeats_a_value(
            mode in prop_oneof![Just("subscribe"), Just("unsubscribe"), Just("publish"), Just("")],
            name in "hub\\.(topic|callback|url|verify|verify_token|lease_seconds|secret|mode)(\\[\\])?",
            tail in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut body = format!("hub.mode={mode}&{BASE}&{name}=QQ3vNn").into_bytes();
            body.extend(tail);
            if let Err(rejection) = parse(&body) {
                prop_assert!(!rejection.message.contains("QQ3vNn"));
                prop_assert!(rejection.message.contains("hub."), "{}", rejection.message);
            }
        }
    }
}
