//! What an answer, or the lack of one, means for a delivery (D13 to D17). Pure.

use std::{
    borrow::Cow,
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use serde::{Deserialize, Serialize};

use super::transport::{Answer, SendError};
use crate::clock::Timestamp;

/// What a try meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Any 2xx (D13).
    Accepted,
    /// 410: the subscription is over (D15).
    Gone,
    /// Anything else, redirects included (D14): never the end of the subscription (D16), so try again.
    Later {
        /// What the peer asked for, if it asked; more than nothing and at most the given limit (D17).
        retry_after: Option<Duration>,
        why: Why,
    },
}

/// Why it has to be tried again. Small enough to be stored with a backlog; the codes are part of the stored form, so
/// add variants at the end only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Why {
    /// The peer answered with this status.
    Status(u16),
    /// The guard forbade it.
    Refused,
    Resolve,
    Connect,
    Tls,
    Timeout,
    TooLarge,
    Protocol,
}

impl Outcome {
    /// Whether its host did what hosts are there for.
    pub fn speaks_for_host(&self) -> bool {
        match self {
            Self::Accepted | Self::Gone => true,
            Self::Later { why, .. } => !why.blames_host(),
        }
    }

    /// Of a request that was broken off because it took too long.
    pub const TIMEOUT: Self = Self::Later { retry_after: None, why: Why::Timeout };

    /// Judges one try. `now` is for `Retry-After` in the form of a date, `longest` caps it in either form.
    pub fn of(result: Result<&Answer, &SendError>, now: Timestamp, longest: Duration) -> Self {
        match result {
            Ok(answer) if answer.status.is_success() => Self::Accepted,
            Ok(answer) if answer.status == StatusCode::GONE => Self::Gone,
            Ok(answer) => Self::Later {
                retry_after: retry_after(&answer.headers, now).map(|wish| wish.min(longest)),
                why: Why::Status(answer.status.as_u16()),
            },
            Err(error) => Self::Later { retry_after: None, why: Why::from(error) },
        }
    }
}

impl From<&SendError> for Why {
    fn from(error: &SendError) -> Self {
        match error {
            SendError::Refused(_) => Self::Refused,
            SendError::Resolve => Self::Resolve,
            SendError::Connect => Self::Connect,
            SendError::Tls => Self::Tls,
            SendError::Timeout => Self::Timeout,
            SendError::TooLarge => Self::TooLarge,
            SendError::Protocol => Self::Protocol,
        }
    }
}

impl Why {
    /// Whether it says something about the host and not about one address on it: a 404 for one capability URL must not stop
    /// what goes to all the others.
    pub fn blames_host(self) -> bool {
        match self {
            Self::Status(status) => matches!(status, 408 | 429 | 500..=599),
            Self::Refused
            | Self::Resolve
            | Self::Connect
            | Self::Tls
            | Self::Timeout
            | Self::TooLarge
            | Self::Protocol => true,
        }
    }

    /// For people: `status 503`, `timeout`.
    pub fn label(self) -> Cow<'static, str> {
        match self {
            Self::Status(code) => Cow::Owned(format!("status {code}")),
            other => Cow::Borrowed(other.class()),
        }
    }

    /// For metrics: one of a closed set, `5xx` or `timeout`.
    pub fn class(self) -> &'static str {
        match self {
            Self::Status(100..=199) => "1xx",
            Self::Status(200..=299) => "2xx",
            Self::Status(300..=399) => "3xx",
            Self::Status(400..=499) => "4xx",
            Self::Status(500..=599) => "5xx",
            Self::Status(_) => "other-status",
            Self::Refused => "refused",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::TooLarge => "too-large",
            Self::Protocol => "protocol",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label())
    }
}

/// Seconds or a date (RFC 9110 §10.2.3). Zero, the past and what cannot be read are no wish at all: the schedule knows
/// better than to try again at once.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wish = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Too long for a number is a long time.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let date = httpdate::parse_http_date(text).ok()?;
        Timestamp::EPOCH.after(date.duration_since(UNIX_EPOCH).ok()?).since(now)
    };
    (!wish.is_zero()).then_some(wish)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::outbound::Refusal;

    const NOW: Timestamp = Timestamp::from_millis(784_111_777_000); // Sun, 06 Nov 1994 08:49:37 GMT
    const LONGEST: Duration = Duration::from_hours(6);

    fn answer(status: u16, retry_after: Option<&str>) -> Outcome {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, value.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Outcome::of(Ok(&Answer { status, headers, body: Bytes::new() }), NOW, LONGEST)
    }

    fn wish(value: &str) -> Option<u64> {
        match answer(503, Some(value)) {
            Outcome::Later { retry_after, .. } => retry_after.map(|wish| wish.as_secs()),
            other => panic!("{other:?}"),
        }
    }

    /// D13.
    #[test]
    fn any_2xx_is_accepted() {
        for status in [200, 201, 202, 204, 206, 299] {
            assert_eq!(answer(status, Some("120")), Outcome::Accepted, "{status}");
        }
    }

    /// D15.
    #[test]
    fn only_410_is_gone() {
        assert_eq!(answer(410, None), Outcome::Gone);
    }

    /// D14, D16.
    #[test]
    fn every_other_status_is_for_later() {
        for status in [300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 429, 500, 502, 503, 599, 999] {
            let expected = Outcome::Later { retry_after: None, why: Why::Status(status) };
            assert_eq!(answer(status, None), expected, "{status}");
        }
    }

    #[test]
    fn no_answer_is_for_later_and_says_why() {
        let refused = SendError::Refused(Refusal::Port);
        for (error, why) in [
            (refused, Why::Refused),
            (SendError::Resolve, Why::Resolve),
            (SendError::Connect, Why::Connect),
            (SendError::Tls, Why::Tls),
            (SendError::Timeout, Why::Timeout),
            (SendError::TooLarge, Why::TooLarge),
            (SendError::Protocol, Why::Protocol),
        ] {
            let expected = Outcome::Later { retry_after: None, why };
            assert_eq!(Outcome::of(Err(&error), NOW, LONGEST), expected);
            assert_eq!(why.label(), error.label(), "one word for one thing");
            assert_eq!(why.class(), error.label());
        }
    }

    /// D17.
    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date_in_three_forms() {
        assert_eq!(wish("120"), Some(120));
        assert_eq!(wish(" 5 "), Some(5));
        assert_eq!(wish("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(wish("Sunday, 06-Nov-94 08:50:37 GMT"), Some(60));
        assert_eq!(wish("Sun Nov  6 08:50:37 1994"), Some(60));
    }

    /// D17.
    #[test]
    fn retry_after_is_capped() {
        let longest = Some(LONGEST.as_secs());
        assert_eq!(wish("21601"), longest);
        assert_eq!(wish("99999999999999999999999999"), longest);
        assert_eq!(wish("Fri, 31 Dec 9999 23:59:59 GMT"), longest);
    }

    #[test]
    fn a_wish_for_no_time_or_for_nonsense_is_no_wish() {
        for value in [
            "0",
            "-1",
            "+5",
            "",
            "soon",
            "1.5",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sat, 05 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(wish(value), None, "{value}");
        }
    }

    #[test]
    fn a_reason_is_named_for_people_and_classed_for_metrics() {
        assert_eq!(Why::Status(503).to_string(), "status 503");
        let classes = [301, 404, 503, 999].map(|code| Why::Status(code).class());
        assert_eq!(classes, ["3xx", "4xx", "5xx", "other-status"]);
    }

    /// Backlogs keep their last reason on disk: these bytes must not change.
    #[test]
    fn the_stored_form_is_fixed() {
        let all = [
            Why::Status(503),
            Why::Refused,
            Why::Resolve,
            Why::Connect,
            Why::Tls,
            Why::Timeout,
            Why::TooLarge,
            Why::Protocol,
        ];
        let stored = postcard::to_stdvec(&all).unwrap();
        assert_eq!(stored, [0, 0xf7, 0x03, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(postcard::from_bytes::<[Why; 8]>(&stored).unwrap(), all);
    }
}
