//! One request to a site: what it is told of a slap, in the form that it asked for (`salmon.md` 6.3), and what its answer
//! means.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde::Serialize;

use super::{Relay, reading::Read};
use crate::{
    outbound::{Outcome, Outgoing, Overflow, Purpose, Why},
    protocol::{self, Algorithm, CallbackUrl},
    salmon::{
        Verb,
        entry::{Mention, Object, Reply},
        moment,
    },
    store::{Account, ForwardMode, InboxSlap},
    telemetry::Forwarded,
};

/// Octets of an answer that are read before the connection is given up.
const ANSWER: usize = 64 << 10;
/// The longest that a site may put us off.
const LONGEST_WISH: Duration = Duration::from_hours(24);

static SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature");

/// What a site said.
#[derive(Debug)]
pub(super) enum Told {
    Taken,
    /// It does not want this one.
    Refused,
    /// The account is not there.
    Gone,
    /// There is no request that could be made of it.
    Impossible,
    /// The site has as many requests under way as it may; none was made.
    Crowded {
        host: String,
    },
    Later {
        wish: Option<Duration>,
        why: Why,
    },
}

impl Told {
    pub(super) const fn counted(&self) -> Forwarded {
        match self {
            Self::Taken => Forwarded::Taken,
            Self::Refused => Forwarded::Refused,
            Self::Gone => Forwarded::Gone,
            Self::Impossible => Forwarded::Dropped,
            Self::Crowded { .. } => Forwarded::Crowded,
            Self::Later { .. } => Forwarded::Later,
        }
    }
}

/// What a site is told in JSON.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "`event` is what the site reads")]
struct Event<'a> {
    /// `join` where the answer decides, `slap` where it only has to be taken.
    event: &'static str,
    id: String,
    account: &'a str,
    author: Author<'a>,
    verb: &'a Verb,
    verb_uri: String,
    entry_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<&'a Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_reply_to: Option<&'a Reply>,
    mentioned: &'a [Mention],
    /// Whether it is seen to be for the account.
    addressed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated: Option<&'a str>,
    received: String,
    form: &'a str,
    /// The signed text, unchanged.
    entry: String,
    /// The octets as they came.
    envelope: String,
}

/// Who did it: the subject was verified, the rest is what the author says.
#[derive(Debug, Serialize)]
struct Author<'a> {
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

impl Relay {
    /// Tells a site of a slap.
    pub(super) async fn tell(&self, site: &Account, slap: &InboxSlap) -> Told {
        let request = request(site, slap, "slap", self.parts.salmon.forward_timeout);
        let Some((host, request)) = request else { return Told::Impossible };
        let Some(permit) = self.sites.try_enter(&host) else { return Told::Crowded { host } };
        let result = self.parts.callbacks.send(request).await;
        drop(permit);
        let now = self.parts.clock.now();
        self.crowds.moments(&host, now).for_each(|at| self.forward_poke.early(at));
        told(Outcome::of(result.as_ref(), now, LONGEST_WISH))
    }

    /// Asks a site to decide on a join. `None` if it does not answer in time.
    pub(super) async fn ask_site(&self, site: &Account, slap: &InboxSlap) -> Option<StatusCode> {
        let (_, request) = request(site, slap, "join", self.parts.salmon.join_timeout)?;
        self.parts.callbacks.send(request).await.ok().map(|answer| answer.status)
    }
}

fn told(outcome: Outcome) -> Told {
    match outcome {
        Outcome::Accepted => Told::Taken,
        Outcome::Gone | Outcome::Later { why: Why::Status(404), .. } => Told::Gone,
        Outcome::Later { why: Why::Status(403), .. } => Told::Refused,
        Outcome::Later { retry_after, why } => Told::Later { wish: retry_after, why },
    }
}

/// The request, and to which host. `None` if the callback is none, or what is stored cannot be read any more.
fn request(
    site: &Account,
    slap: &InboxSlap,
    event: &'static str,
    timeout: Duration,
) -> Option<(String, Outgoing)> {
    let callback = CallbackUrl::parse(site.callback.as_deref()?).ok()?;
    // What the site takes by itself was not read here when it came; it is now for whoever is sent more than octets.
    let read = || Read::again(site, &slap.envelope);
    let (body, mut headers) = match site.mode {
        ForwardMode::Json => (json(site, slap, &read()?, event)?, typed("application/json")),
        ForwardMode::Atom => {
            let read = read()?;
            let mut headers = typed("application/atom+xml;type=entry");
            describe(&mut headers, site, slap, &read);
            (read.envelope.payload().to_vec(), headers)
        }
        ForwardMode::Envelope => (slap.envelope.clone(), typed(&slap.media_type)),
    };
    if let Some(secret) = &site.secret {
        headers.insert(&SIGNATURE, protocol::signature::sign(Algorithm::Sha256, secret, &body));
    }
    if let Some(authorization) = callback.authorization() {
        headers.insert(AUTHORIZATION, authorization);
    }
    let request = Outgoing {
        purpose: Purpose::Callback,
        method: Method::POST,
        uri: callback.uri(),
        headers,
        body: Bytes::from(body),
        timeout,
        max_body: ANSWER,
        overflow: Overflow::Discard,
    };
    Some((callback.host_key().as_str().to_owned(), request))
}

fn typed(media_type: &str) -> HeaderMap {
    let value = HeaderValue::from_str(media_type);
    HeaderMap::from_iter(value.ok().map(|value| (CONTENT_TYPE, value)))
}

fn json(site: &Account, slap: &InboxSlap, read: &Read, event: &'static str) -> Option<Vec<u8>> {
    let entry = &read.entry;
    let author = Author {
        subject: &slap.signer,
        uri: entry.author.uri.as_deref().or(entry.author.id.as_deref()),
        profile: entry.author.profiles.first().map(String::as_str),
        name: entry.author.display_name.as_deref().or(entry.author.name.as_deref()),
    };
    let event = Event {
        event,
        id: id(slap),
        account: &site.name,
        author,
        verb: &entry.verb,
        verb_uri: entry.verb.to_uri(),
        entry_id: &entry.id,
        object: entry.object.as_ref(),
        target: entry.target.as_ref(),
        in_reply_to: entry.in_reply_to.as_ref(),
        mentioned: &entry.mentioned,
        addressed: read.addressed.is_some(),
        updated: entry.updated.as_deref(),
        received: moment::write(slap.received_at),
        form: &slap.form,
        entry: String::from_utf8_lossy(read.envelope.payload()).into_owned(),
        envelope: String::from_utf8_lossy(&slap.envelope).into_owned(),
    };
    serde_json::to_vec(&event).ok()
}

/// What was found out, for who gets nothing but the entry. The signature does not cover these.
fn describe(headers: &mut HeaderMap, site: &Account, slap: &InboxSlap, read: &Read) {
    let found = [
        ("x-salmon-id", id(slap)),
        ("x-salmon-account", site.name.clone()),
        ("x-salmon-author", slap.signer.clone()),
        ("x-salmon-verb", read.entry.verb.as_str().to_owned()),
        ("x-salmon-form", slap.form.clone()),
        ("x-salmon-received", moment::write(slap.received_at)),
    ];
    for (name, value) in found {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

fn id(slap: &InboxSlap) -> String {
    format!("{:032x}", u128::from_be_bytes(slap.id))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::{
        clock::Timestamp,
        outbound::{Answer, SendError},
    };

    fn said(status: u16) -> Told {
        let status = StatusCode::from_u16(status).unwrap();
        let answer = Answer { status, headers: HeaderMap::new(), body: Bytes::new() };
        told(Outcome::of(Ok(&answer), Timestamp::EPOCH, LONGEST_WISH))
    }

    #[test]
    fn a_site_takes_refuses_is_not_there_or_is_asked_again() {
        assert!([200, 201, 202, 204].into_iter().all(|status| matches!(said(status), Told::Taken)));
        assert!(matches!(said(403), Told::Refused));
        assert!([404, 410].into_iter().all(|status| matches!(said(status), Told::Gone)));
        let later = [301, 307, 400, 401, 405, 429, 500, 503];
        assert!(later.into_iter().all(|status| matches!(said(status), Told::Later { .. })));
        let unanswered = told(Outcome::of(Err(&SendError::Timeout), Timestamp::EPOCH, LONGEST_WISH));
        assert!(matches!(unanswered, Told::Later { .. }));
    }
}
