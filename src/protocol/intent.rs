//! Subscribing and unsubscribing: what is intended, before anybody has confirmed it (03 §6.1, 04 §5.1, `WebSub` §5.1).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    callback::CallbackUrl,
    fault::UrlFault,
    form::Form,
    ids::PairId,
    profile::Profile,
    rejection::Rejection,
    request::{agreed, scalar},
    secret::Secret,
    signature::Algorithm,
    topic::TopicUrl,
    verify_token::VerifyToken,
};

/// What a subscriber wants. Stored by position: add at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    Subscribe,
    Unsubscribe,
}

impl Mode {
    /// The word of `hub.mode`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When the callback is asked: before the answer, or after it (S13). Stored by position: add at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum VerifyMode {
    Sync,
    Async,
}

/// A well-formed request to subscribe or unsubscribe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentRequest {
    pub mode: Mode,
    pub topic: TopicUrl,
    pub callback: CallbackUrl,
    pub profile: Profile,
    /// The first keyword of `hub.verify` that is known; asynchronous where there is none (S11, S12).
    pub verify: VerifyMode,
    /// Asynchronous would do as well, so an overloaded hub need not refuse (S13).
    pub async_offered: bool,
    /// `hub.verify` had a value. 0.3 requires one; only `compat.token_requires_verify` cares (S11).
    pub verify_given: bool,
    pub verify_token: Option<VerifyToken>,
    /// What was asked, in seconds, above zero; `None` where the hub should choose (S15).
    pub lease_seconds: Option<u64>,
    pub secret: Option<Secret>,
    /// The first algorithm this subscriber lists that is known: an extension of the request (D10).
    pub signature: Option<Algorithm>,
}

impl IntentRequest {
    /// The key of the subscription this is about (S21).
    pub fn pair(&self) -> PairId {
        PairId { topic: self.topic.id(), callback: self.callback.id() }
    }

    pub(super) fn parse(form: &Form, mode: Mode) -> Result<Self, Rejection> {
        let callback = required_url(form, "hub.callback", CallbackUrl::parse)?;
        let topic = required_url(form, "hub.topic", TopicUrl::parse)?;
        let asked = AskedVerification::read(form)?;
        let verify_token = verify_token(form)?;
        let profile = if asked.named || verify_token.is_some() { Profile::P03 } else { Profile::Websub };
        Ok(Self {
            mode,
            topic,
            callback,
            profile,
            verify: asked.first.unwrap_or(VerifyMode::Async),
            async_offered: asked.async_offered,
            verify_given: asked.first.is_some(),
            verify_token,
            lease_seconds: match mode {
                Mode::Subscribe => lease_seconds(form)?,
                // Not even looked at: what it says means nothing there (S16).
                Mode::Unsubscribe => None,
            },
            secret: secret(form)?,
            signature: signature(form),
        })
    }
}

fn required_url<T>(
    form: &Form,
    name: &str,
    parse: impl Fn(&str) -> Result<T, UrlFault>,
) -> Result<T, Rejection> {
    let Some(bytes) = scalar(form, name)? else {
        return Err(Rejection::bad(format!("{name} is missing: it must be an absolute URL")));
    };
    url_text(bytes).and_then(parse).map_err(|fault| Rejection::bad(format!("{name}: {fault}")))
}

/// URLs are text in UTF-8; nothing is replaced to make them so (S04).
pub(super) fn url_text(bytes: &[u8]) -> Result<&str, UrlFault> {
    str::from_utf8(bytes).ok().ok_or(UrlFault::Encoding)
}

/// What `hub.verify` said.
struct AskedVerification {
    /// The parameter was there, with a value or not: that alone marks a 0.3 subscriber.
    named: bool,
    first: Option<VerifyMode>,
    async_offered: bool,
}

impl AskedVerification {
    /// Repeated, as a list, or the way PHP spells arrays; the order is the preference (S12).
    fn read(form: &Form) -> Result<Self, Rejection> {
        let mut asked = Self { named: false, first: None, async_offered: false };
        let mut unknown = false;
        for value in form
            .iter()
            .filter_map(|(name, value)| matches!(name, b"hub.verify" | b"hub.verify[]").then_some(value))
        {
            asked.named = true;
            for word in words(value) {
                let known = if word.eq_ignore_ascii_case(b"sync") {
                    VerifyMode::Sync
                } else if word.eq_ignore_ascii_case(b"async") {
                    asked.async_offered = true;
                    VerifyMode::Async
                } else {
                    unknown = true;
                    continue;
                };
                asked.first.get_or_insert(known);
            }
        }
        if asked.first.is_none() {
            if unknown {
                return Err(Rejection::bad("hub.verify must offer sync or async"));
            }
            asked.async_offered = true;
        }
        Ok(asked)
    }
}

/// The words of a list that is divided by commas or spaces.
fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',' || byte.is_ascii_whitespace()).filter(|word| !word.is_empty())
}

/// Unlike every other parameter this one may be empty and still be there (S14).
fn verify_token(form: &Form) -> Result<Option<VerifyToken>, Rejection> {
    agreed(form.all("hub.verify_token"), "hub.verify_token")?
        .map(|bytes| VerifyToken::new(bytes.to_vec()))
        .transpose()
        .map_err(|fault| Rejection::bad(format!("hub.verify_token: {fault}")))
}

fn lease_seconds(form: &Form) -> Result<Option<u64>, Rejection> {
    let Some(digits) = scalar(form, "hub.lease_seconds")? else {
        return Ok(None);
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(Rejection::bad("hub.lease_seconds must be a positive decimal integer"));
    }
    // More digits than a number holds are still a number, and the longest lease is all that comes of it (S15).
    let seconds = str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(u64::MAX);
    Ok(Some(seconds).filter(|seconds| *seconds > 0))
}

fn secret(form: &Form) -> Result<Option<Secret>, Rejection> {
    scalar(form, "hub.secret")?
        .map(|bytes| Secret::new(bytes.to_vec()))
        .transpose()
        .map_err(|fault| Rejection::bad(format!("hub.secret: {fault}")))
}

/// Never an error: a subscriber that lists what we do not know gets the default, as if it had listed nothing (S19).
fn signature(form: &Form) -> Option<Algorithm> {
    form.iter()
        .filter(|(name, _)| matches!(*name, b"hub.signature_algorithm" | b"hub.signature_algorithm[]"))
        .flat_map(|(_, value)| words(value))
        .find_map(|word| str::from_utf8(word).ok()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::{super::request, *};

    const BASE: &str = "hub.mode=subscribe&hub.callback=http://c/&hub.topic=http://t/";

    fn parse(body: &str) -> Result<IntentRequest, Rejection> {
        match request::parse(body.as_bytes())? {
            request::Request::Intent(intent) => Ok(intent),
            request::Request::Publish(_) => panic!("a ping"),
        }
    }

    fn with(more: &str) -> IntentRequest {
        parse(&format!("{BASE}&{more}")).unwrap_or_else(|rejection| panic!("{more}: {rejection}"))
    }

    fn refused(body: &str) -> String {
        let rejection = parse(body).unwrap_err();
        assert_eq!(rejection.status, StatusCode::BAD_REQUEST);
        rejection.message
    }

    #[test]
    fn a_plain_websub_request_is_asynchronous_and_leaves_everything_to_the_hub() {
        let intent =
            parse("hub.mode=subscribe&hub.topic=http://T/%257e&hub.callback=http://c/%257E?x").unwrap();
        assert_eq!(intent.topic.as_str(), "http://T/%7e", "S22: as received");
        assert_eq!(intent.callback.as_str(), "http://c/%7E?x");
        assert_eq!(intent.profile, Profile::Websub);
        assert_eq!(
            (intent.verify, intent.async_offered, intent.verify_given),
            (VerifyMode::Async, true, false)
        );
        assert_eq!((intent.verify_token.clone(), intent.lease_seconds), (None, None));
        assert_eq!((intent.secret.clone(), intent.signature), (None, None));
        assert_eq!(intent.pair(), PairId { topic: intent.topic.id(), callback: intent.callback.id() });
    }

    #[test]
    fn s06_s07_s08_callback_and_topic_must_be_there() {
        for (body, name) in [
            ("hub.mode=subscribe&hub.topic=http://t/", "hub.callback"),
            ("hub.mode=subscribe&hub.topic=http://t/&hub.callback", "hub.callback"),
            ("hub.mode=unsubscribe&hub.callback=http://c/&hub.topic=", "hub.topic"),
        ] {
            assert_eq!(refused(body), format!("{name} is missing: it must be an absolute URL"));
        }
    }

    #[test]
    fn s09_s29_s38_a_bad_url_is_named_by_parameter_and_not_repeated() {
        let table = [
            (
                "hub.callback=c&hub.topic=http://t/",
                "hub.callback: the URL must be absolute, with the scheme http or https",
            ),
            (
                "hub.callback=http://c/%23a&hub.topic=http://t/",
                "hub.callback: the URL must not have a fragment",
            ),
            ("hub.callback=http://c/&hub.topic=http://t/%23a", "hub.topic: the URL must not have a fragment"),
            (
                "hub.callback=http://c/&hub.topic=http://u@t/",
                "hub.topic: the URL must not carry a user name or a password",
            ),
            ("hub.callback=http://c/&hub.topic=http://t/%FF", "hub.topic: the URL is not valid UTF-8"),
        ];
        for (body, expected) in table {
            assert_eq!(refused(&format!("hub.mode=subscribe&{body}")), expected);
        }
        assert!(parse("hub.mode=subscribe&hub.callback=http://u:p@c/&hub.topic=http://t/").is_ok());
    }

    #[test]
    fn s11_s12_the_first_known_keyword_is_taken() {
        use VerifyMode::{Async, Sync};
        let table = [
            ("hub.verify=sync", Sync, false),
            ("hub.verify=async", Async, true),
            ("hub.verify=sync&hub.verify=async", Sync, true),
            ("hub.verify=async&hub.verify=sync", Async, true),
            ("hub.verify=carrier-pigeon&hub.verify=sync", Sync, false),
            ("hub.verify=sync,async", Sync, true),
            ("hub.verify=none,+SYNC+async", Sync, true),
            ("hub.verify[]=sync&hub.verify%5B%5D=async", Sync, true),
            ("hub.verify=&hub.verify=sync", Sync, false),
        ];
        for (more, verify, async_offered) in table {
            let intent = with(more);
            assert_eq!((intent.verify, intent.async_offered), (verify, async_offered), "{more}");
            assert!(intent.verify_given);
            assert_eq!(intent.profile, Profile::P03);
        }
        assert_eq!(refused(&format!("{BASE}&hub.verify=maybe")), "hub.verify must offer sync or async");
    }

    #[test]
    fn the_profile_is_that_of_03_when_a_mark_of_03_is_there_even_empty() {
        for more in [
            "hub.verify=",
            "hub.verify",
            "hub.verify=,",
            "hub.verify[]=",
            "hub.verify_token=",
            "hub.verify_token=x",
        ] {
            let intent = with(more);
            assert_eq!(intent.profile, Profile::P03, "{more}");
            assert_eq!(
                (intent.verify, intent.async_offered, intent.verify_given),
                (VerifyMode::Async, true, false)
            );
        }
    }

    #[test]
    fn s14_a_token_is_kept_byte_for_byte_and_empty_is_not_absent() {
        let token = |more| with(more).verify_token.map(|token| token.as_bytes().to_vec());
        assert_eq!(token("x"), None);
        assert_eq!(token("hub.verify_token"), Some(Vec::new()));
        assert_eq!(token("hub.verify_token=a+%FF%00"), Some(b"a \xFF\0".to_vec()));
        assert!(token(&format!("hub.verify_token={}", "a".repeat(2048))).is_some());
        let long = format!("{BASE}&hub.verify_token={}", "a".repeat(2049));
        assert_eq!(refused(&long), "hub.verify_token: the token is longer than 2048 bytes");
    }

    #[test]
    fn s15_a_lease_is_a_decimal_integer_of_any_size() {
        let table = [
            ("hub.lease_seconds=3600", Some(3600)),
            ("hub.lease_seconds=0600", Some(600)),
            ("hub.lease_seconds=", None),
            ("hub.lease_seconds", None),
            ("hub.lease_seconds=0", None),
            ("hub.lease_seconds=000", None),
            ("hub.lease_seconds=18446744073709551616", Some(u64::MAX)),
        ];
        for (more, expected) in table {
            assert_eq!(with(more).lease_seconds, expected, "{more}");
        }
        for value in ["-1", "1.5", "%2B5", "+5", "5+", "1e3", "ten", "0x10", "%D9%A1"] {
            let message = refused(&format!("{BASE}&hub.lease_seconds={value}"));
            assert_eq!(message, "hub.lease_seconds must be a positive decimal integer", "{value}");
        }
    }

    #[test]
    fn s16_unsubscribing_does_not_look_at_the_lease() {
        let body = "hub.mode=unsubscribe&hub.callback=http://c/&hub.topic=http://t/";
        for lease in ["-1", "x", "5", "1&hub.lease_seconds=2"] {
            assert_eq!(parse(&format!("{body}&hub.lease_seconds={lease}")).unwrap().lease_seconds, None);
        }
    }

    #[test]
    fn s04_s08_s17_a_secret_is_bytes_fewer_than_200() {
        let secret = |more: &str| with(more).secret.map(|secret| secret.expose().to_vec());
        assert_eq!(secret("hub.secret=%C3%28+%2B"), Some(b"\xC3( +".to_vec()));
        assert_eq!(secret("hub.secret="), None);
        assert_eq!(secret(&format!("hub.secret={}", "%ff".repeat(199))), Some(vec![0xFF; 199]));
        let long = format!("{BASE}&hub.secret={}", "%61".repeat(200));
        assert_eq!(refused(&long), "hub.secret: the secret must be shorter than 200 bytes");
    }

    #[test]
    fn s19_what_is_not_known_is_ignored() {
        let plain = parse(BASE).unwrap();
        assert_eq!(
            with("hub.foo=1&foo=2&hub.challenge=x&hub.url=nonsense&%FF=%FF&hub.lease_seconds[]=x"),
            plain
        );
    }

    #[test]
    fn d10_the_first_known_algorithm_of_a_list_is_taken() {
        let table = [
            ("hub.signature_algorithm=sha256", Some(Algorithm::Sha256)),
            ("hub.signature_algorithm=md5,SHA512,sha1", Some(Algorithm::Sha512)),
            ("hub.signature_algorithm=x&hub.signature_algorithm=sha384", Some(Algorithm::Sha384)),
            ("hub.signature_algorithm[]=sha1", Some(Algorithm::Sha1)),
            ("hub.signature_algorithm=md5", None),
            ("hub.signature_algorithm=%FF", None),
        ];
        for (more, expected) in table {
            assert_eq!(with(more).signature, expected, "{more}");
        }
    }

    #[test]
    fn x06_x07_the_debug_form_shows_no_capability() {
        let shown = format!("{:?}", with("hub.secret=hunter2&hub.verify_token=tok3n&hub.callback=http://c/"));
        assert!(!shown.contains("hunter2") && !shown.contains("tok3n"), "{shown}");
        assert!(shown.contains("CallbackUrl(http://c/…)"));
    }
}
