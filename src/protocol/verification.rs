//! Verification of intent: the question put to a callback, and what its answer means (03 §6.2, 04 §5.3, `WebSub` §5.3).

use std::time::Duration;

use super::{
    intent::{Mode, VerifyMode},
    percent,
    profile::Profile,
    topic::TopicUrl,
    verify_token::VerifyToken,
};

/// The question, to be put behind whatever query the callback has (V01).
///
/// The topic is told as it was requested (V03), the lease in seconds and only when subscribing (V05, V06), the
/// token if and only if there was one (V07). Everything but unreserved characters is encoded, a space as `%20`, so
/// that form and URI decoders read the same; the dots in names are literal (V02).
pub fn query(
    mode: Mode,
    topic: &TopicUrl,
    challenge: &str,
    lease: Option<Duration>,
    token: Option<&VerifyToken>,
) -> String {
    let mut query = format!(
        "hub.mode={mode}&hub.topic={}&hub.challenge={}",
        encode(topic.as_str().as_bytes()),
        encode(challenge.as_bytes())
    );
    if let Some(lease) = lease.filter(|_| mode == Mode::Subscribe) {
        query.push_str("&hub.lease_seconds=");
        // Never zero: an early Mastodon reads that as "expires now".
        query.push_str(&lease.as_secs().max(1).to_string());
    }
    if let Some(token) = token {
        query.push_str("&hub.verify_token=");
        query.push_str(&encode(token.as_bytes()));
    }
    query
}

fn encode(bytes: &[u8]) -> String {
    percent::encode(bytes, percent::is_unreserved)
}

/// Under which rules an answer is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Situation {
    /// Somebody waits for the answer: anything but yes fails at once (V14).
    Sync,
    /// 0.3, after the answer: only 404 and 410 are final (V11).
    P03,
    /// 0.4 and `WebSub`: an answer is final, silence and trouble are not (V11).
    Websub,
}

impl Situation {
    /// Only a 0.3 request can ask for a synchronous verification.
    pub const fn of(profile: Profile, verify: VerifyMode) -> Self {
        match (profile, verify) {
            (Profile::P03, VerifyMode::Sync) => Self::Sync,
            (Profile::P03, VerifyMode::Async) => Self::P03,
            (Profile::Websub, _) => Self::Websub,
        }
    }
}

/// What came back from the callback.
#[derive(Debug, Clone, Copy)]
pub enum Reply<'a> {
    /// A status and the beginning of the body after content-decoding; 8 KiB are enough (V09).
    Answered { status: u16, body: &'a [u8] },
    /// No connection, no answer in time, or none that is HTTP.
    Unreachable,
}

/// What an attempt at verification came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The subscriber wants it: apply what was requested.
    Verified,
    /// The subscriber said no. Final; a subscription that was there before stays as it was (V10, V15).
    Refused,
    /// Nothing is known; ask again later with another challenge (V13).
    Again,
    /// Final without a no; a subscription that was there before stays as it was (V15).
    Failed,
}

/// Judges an answer. `strict` wants the challenge and not a byte more; else ASCII whitespace may follow it, because
/// hand-written callbacks end in a line feed (V09).
pub fn judge(situation: Situation, challenge: &str, reply: Reply<'_>, strict: bool) -> Verdict {
    let transient = match reply {
        // The subscriber's way to say no, even when it echoes what it was asked (V10).
        Reply::Answered { status: 404 | 410, .. } => return Verdict::Refused,
        Reply::Answered { status: 200..=299, body } => {
            if echoes(challenge.as_bytes(), body, strict) {
                return Verdict::Verified;
            }
            false
        }
        Reply::Answered { status, .. } => matches!(status, 408 | 429 | 500..=599),
        Reply::Unreachable => true,
    };
    match situation {
        Situation::P03 => Verdict::Again,
        Situation::Websub if transient => Verdict::Again,
        Situation::Websub | Situation::Sync => Verdict::Failed,
    }
}

fn echoes(challenge: &[u8], body: &[u8], strict: bool) -> bool {
    // Nothing is no proof, whatever a caller should make of its dice.
    if challenge.is_empty() {
        return false;
    }
    match body.strip_prefix(challenge) {
        Some(rest) => rest.is_empty() || (!strict && rest.iter().all(u8::is_ascii_whitespace)),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::form::Form, *};

    fn topic(text: &str) -> TopicUrl {
        TopicUrl::parse(text).unwrap()
    }

    #[test]
    fn v02_v03_v05_v07_the_question_has_everything_once() {
        let token = VerifyToken::new(b"a b&\xFF".to_vec()).unwrap();
        let asked = query(
            Mode::Subscribe,
            &topic("HTTP://T/?a=b+c&d=%7e"),
            "Ch-_0",
            Some(Duration::from_millis(86_400_999)),
            Some(&token),
        );
        assert_eq!(
            asked,
            "hub.mode=subscribe&hub.topic=HTTP%3A%2F%2FT%2F%3Fa%3Db%2Bc%26d%3D%257e&hub.challenge=Ch-_0\
             &hub.lease_seconds=86400&hub.verify_token=a%20b%26%FF"
        );
    }

    #[test]
    fn v06_v07_what_was_not_given_is_not_told() {
        let lease = Some(Duration::from_secs(5));
        assert_eq!(
            query(Mode::Unsubscribe, &topic("http://t/"), "c", lease, None),
            "hub.mode=unsubscribe&hub.topic=http%3A%2F%2Ft%2F&hub.challenge=c"
        );
        let empty = VerifyToken::new(Vec::new()).unwrap();
        assert!(
            query(Mode::Subscribe, &topic("http://t/"), "c", lease, Some(&empty))
                .ends_with("=5&hub.verify_token=")
        );
        assert!(
            query(Mode::Subscribe, &topic("http://t/"), "c", Some(Duration::ZERO), None)
                .ends_with("_seconds=1")
        );
    }

    const ALL: [Situation; 3] = [Situation::Sync, Situation::P03, Situation::Websub];

    fn answered(status: u16, body: &[u8]) -> Reply<'_> {
        Reply::Answered { status, body }
    }

    #[test]
    fn v09_any_2xx_with_the_challenge_verifies() {
        for situation in ALL {
            for status in [200, 202, 204, 299] {
                assert_eq!(judge(situation, "abc", answered(status, b"abc"), true), Verdict::Verified);
            }
            for body in [&b"abc\n"[..], b"abc \r\n\t"] {
                assert_eq!(judge(situation, "abc", answered(200, body), false), Verdict::Verified);
                assert_ne!(judge(situation, "abc", answered(200, body), true), Verdict::Verified);
            }
            for body in [&b""[..], b"ab", b"ABC", b" abc", b"abcd", b"abc\n.", b"abc\0", b"<p>abc</p>"] {
                assert_ne!(
                    judge(situation, "abc", answered(200, body), false),
                    Verdict::Verified,
                    "{body:?}"
                );
            }
            assert_ne!(judge(situation, "", answered(200, b""), false), Verdict::Verified);
        }
    }

    #[test]
    fn v10_404_and_410_are_a_no_even_when_they_echo() {
        for situation in ALL {
            for status in [404, 410] {
                assert_eq!(judge(situation, "abc", answered(status, b"abc"), false), Verdict::Refused);
            }
        }
    }

    #[test]
    fn v11_v12_v14_what_else_means_depends_on_the_text() {
        use Verdict::{Again, Failed};
        let table = [
            // Status, sync, 0.3, WebSub; the body echoes wherever that must not help.
            (Some(100), Failed, Again, Failed),
            (Some(199), Failed, Again, Failed),
            (Some(301), Failed, Again, Failed),
            (Some(308), Failed, Again, Failed),
            (Some(400), Failed, Again, Failed),
            (Some(403), Failed, Again, Failed),
            (Some(408), Failed, Again, Again),
            (Some(422), Failed, Again, Failed),
            (Some(429), Failed, Again, Again),
            (Some(500), Failed, Again, Again),
            (Some(599), Failed, Again, Again),
            (Some(600), Failed, Again, Failed),
            (None, Failed, Again, Again),
        ];
        for (status, sync, p03, websub) in table {
            let reply = status.map_or(Reply::Unreachable, |status| answered(status, b"abc"));
            let verdicts = ALL.map(|situation| judge(situation, "abc", reply, false));
            assert_eq!(verdicts, [sync, p03, websub], "{status:?}");
        }
        let wrong = ALL.map(|situation| judge(situation, "abc", answered(200, b"no"), false));
        assert_eq!(wrong, [Failed, Again, Failed]);
    }

    #[test]
    fn s28_only_a_request_of_03_is_judged_synchronously() {
        assert_eq!(Situation::of(Profile::P03, VerifyMode::Sync), Situation::Sync);
        assert_eq!(Situation::of(Profile::P03, VerifyMode::Async), Situation::P03);
        assert_eq!(Situation::of(Profile::Websub, VerifyMode::Async), Situation::Websub);
        assert_eq!(Situation::of(Profile::Websub, VerifyMode::Sync), Situation::Websub);
    }

    proptest! {
        #[test]
        fn a_form_decoder_reads_back_what_was_asked(
            path in "[!-~&&[^#\\\\]]{0,30}",
            challenge in "[A-Za-z0-9_-]{1,43}",
            token in prop::collection::vec(any::<u8>(), 0..30),
        ) {
            let text = format!("http://t/{path}");
            let given = VerifyToken::new(token.clone()).unwrap();
            let asked = query(Mode::Subscribe, &topic(&text), &challenge, None, Some(&given));
            let form = Form::parse(asked.as_bytes()).unwrap();
            let one = |name| form.all(name).collect::<Vec<_>>();
            prop_assert_eq!(one("hub.mode"), [b"subscribe"]);
            prop_assert_eq!(one("hub.topic"), [text.as_bytes()]);
            prop_assert_eq!(one("hub.challenge"), [challenge.as_bytes()]);
            prop_assert_eq!(one("hub.verify_token"), [token.as_slice()]);
        }
    }
}
