//! One try to bring a signed entry to a target, and what the answers mean (`salmon.md` 6.4). `outbox` decides when.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{CONTENT_TYPE, LOCATION},
};
use url::Url;

use super::{LookupError, Relay, accounts::with_key, send::read_key, settle::word, twins::Turn};
use crate::{
    clock::Timestamp,
    outbound::{Outcome, Outgoing, Overflow, Purpose},
    protocol::{CallbackUrl, HostKey, NameId},
    salmon::{Envelope, Form, Verb, entry, magic_envelope::MEDIA_TYPE, seal, seal_data_only},
    store::{OutgoingSlap, SlapTarget, Store, StoreError, TargetKey, Try},
};

use std::time::Duration;

/// Octets of an answer that are read before the connection is given up.
const ANSWER: usize = 64 << 10;
/// The longest that a peer may put us off.
const LONGEST_WISH: Duration = Duration::from_hours(24);
/// Redirects that keep a POST one.
const HOPS: usize = 2;

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    Delivered,
    /// For good.
    Refused,
    Later {
        wish: Option<Duration>,
    },
    /// The host has as many requests under way as it may; this one was not made.
    Crowded,
    /// The host is left alone until then; this one was not made.
    Down {
        host: HostKey,
        until: Timestamp,
    },
    /// Another target of the slap is the same account.
    Same(u16),
}

/// A try under way, of which each request is noted.
#[derive(Debug)]
pub(super) struct Trying<'a> {
    relay: &'a Relay,
    slap: &'a OutgoingSlap,
    key: TargetKey,
    to: &'a str,
    /// Nothing was sent to it before, though it may have been looked up in vain.
    is_first: bool,
    /// Held until what came of it is on disk.
    turn: Option<Turn<'a>>,
    /// Where it went at last.
    pub(super) endpoint: Option<String>,
    pub(super) tries: Vec<Try>,
}

impl<'a> Trying<'a> {
    pub(super) fn new(
        relay: &'a Relay,
        slap: &'a OutgoingSlap,
        key: TargetKey,
        target: &'a SlapTarget,
    ) -> Self {
        let (is_first, endpoint) = (target.endpoint.is_none(), target.endpoint.clone());
        Self { relay, slap, key, to: &target.to, is_first, turn: None, endpoint, tries: Vec::new() }
    }

    pub(super) async fn run(&mut self) -> Result<Heard, StoreError> {
        let (slap, relay) = (self.slap, self.relay);
        if !is_of(&relay.parts.store, slap.account, slap.created_at)? {
            self.note(None, "no-account", Form::Padded);
            return Ok(Heard::Refused);
        }
        let lookup = &self.relay.parts.lookup;
        let endpoint = match lookup.endpoint(self.to, false).await {
            Ok(endpoint) => endpoint,
            Err(error) => return Ok(self.lost(error)),
        };
        if self.is_first && self.slap.targets > 1 {
            match relay.first_turn(self.key, self.to).await? {
                Ok(turn) => self.turn = Some(turn),
                Err(other) => return Ok(Heard::Same(other)),
            }
        }
        let mut heard = self.post(&endpoint, Form::Padded).await?;
        if heard != Heard::Refused {
            return Ok(heard);
        }
        // It may have moved since it was looked up.
        let fresh = match lookup.endpoint(self.to, true).await {
            Ok(fresh) => fresh,
            Err(LookupError::Nothing) => endpoint.clone(),
            Err(error) => return Ok(self.lost(error)),
        };
        if fresh != endpoint {
            heard = self.post(&fresh, Form::Padded).await?;
        }
        let salmon = &self.relay.parts.salmon;
        if heard == Heard::Refused && is_listed(&salmon.legacy_hosts, &fresh) {
            heard = self.post(&fresh, Form::DataOnly).await?;
        }
        Ok(heard)
    }

    fn lost(&mut self, error: LookupError) -> Heard {
        let (outcome, heard) = match error {
            // Nothing is wrong with the target: we have too much under way, or have asked its host too often.
            LookupError::Busy | LookupError::Crowded => return Heard::Crowded,
            LookupError::Later => ("lookup", Heard::Later { wish: None }),
            LookupError::Nothing => ("no-endpoint", Heard::Refused),
        };
        self.note(None, outcome, Form::Padded);
        heard
    }

    fn note(&mut self, status: Option<StatusCode>, outcome: &str, form: Form) {
        let (at, status) = (self.relay.parts.clock.now(), status.map(|status| status.as_u16()));
        self.tries.push(Try { at, status, outcome: outcome.to_owned(), form: word(form).to_owned() });
    }

    /// Posts the entry to an endpoint, and to where that sends it.
    async fn post(&mut self, endpoint: &str, form: Form) -> Result<Heard, StoreError> {
        let Ok(first) = CallbackUrl::parse(endpoint) else {
            self.note(None, "no-endpoint", form);
            return Ok(Heard::Refused);
        };
        let Some(body) = self.relay.envelope_for(self.slap, endpoint, form).await? else {
            self.note(None, "no-key", form);
            return Ok(Heard::Refused);
        };
        let relay = self.relay;
        let Some(_permit) = relay.peers.enter(first.host_key().as_str()).await else {
            return Ok(Heard::Crowded);
        };
        self.endpoint = Some(endpoint.to_owned());
        let (mut at, mut to) = (endpoint.to_owned(), first);
        for hops_left in (0..=HOPS).rev() {
            let host = to.host_key();
            if let Some(until) = relay.peers.pause(host.as_str(), relay.parts.clock.now()) {
                return Ok(Heard::Down { host: host.clone(), until });
            }
            let result = relay.parts.callbacks.send(relay.request(&to, body.clone())).await;
            let now = relay.parts.clock.now();
            let outcome = Outcome::of(result.as_ref(), now, LONGEST_WISH);
            relay.peers.note(host.as_str(), &outcome, now, &relay.slap_poke);
            let answer = match &result {
                Ok(answer) => answer,
                Err(error) => {
                    self.note(None, error.label(), form);
                    return Ok(Heard::Later { wish: None });
                }
            };
            let status = answer.status;
            if matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT)
                && hops_left > 0
            {
                self.note(Some(status), "redirected", form);
                let location = answer.headers.get(LOCATION).and_then(|location| location.to_str().ok());
                let next = location.and_then(|location| Url::parse(&at).ok()?.join(location).ok());
                let next = next.and_then(|next| self.relay.parts.lookup.usable(next.as_str()));
                match next.and_then(|next| Some((CallbackUrl::parse(&next).ok()?, next))) {
                    Some((next, address)) => (to, at) = (next, address),
                    None => return Ok(Heard::Refused),
                }
                continue;
            }
            let (heard, word) = judge(outcome, status);
            self.note(Some(status), word, form);
            return Ok(heard);
        }
        Ok(Heard::Refused)
    }
}

/// Whether it was made, and has not been removed, by the account that is there now: another one of its name has another
/// key, and nothing to do with what this one said.
fn is_of(store: &Store, account: NameId, created_at: Timestamp) -> Result<bool, StoreError> {
    let account = store.account(account)?;
    Ok(account.is_some_and(|now| now.removed_at.is_none() && now.life.made_at <= created_at))
}

fn judge(outcome: Outcome, status: StatusCode) -> (Heard, &'static str) {
    let may_pass = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    match outcome {
        Outcome::Accepted => (Heard::Delivered, "delivered"),
        Outcome::Later { retry_after, .. } if may_pass => (Heard::Later { wish: retry_after }, "later"),
        Outcome::Later { .. } | Outcome::Gone => (Heard::Refused, "refused"),
    }
}

impl Relay {
    /// With the type bare: StatusNet and GNU social compare the whole header.
    fn request(&self, to: &CallbackUrl, body: Bytes) -> Outgoing {
        Outgoing {
            purpose: Purpose::Callback,
            method: Method::POST,
            uri: to.uri(),
            headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE))]),
            body,
            timeout: self.parts.salmon.forward_timeout,
            max_body: ANSWER,
            overflow: Overflow::Discard,
        }
    }

    /// What an endpoint is sent: the envelope as it was signed, unless its host reads something else. `None` if that would
    /// have to be signed and there is no key any more.
    async fn envelope_for(
        &self,
        slap: &OutgoingSlap,
        endpoint: &str,
        form: Form,
    ) -> Result<Option<Bytes>, StoreError> {
        let is_old = slap.verb == Verb::Unfavorite.as_str()
            && is_listed(&self.parts.salmon.unfavorite_hosts, endpoint);
        if form == Form::Padded && !is_old {
            return Ok(Some(slap.envelope.clone().into()));
        }
        let (account, created_at) = (slap.account, slap.created_at);
        let key = self.parts.store.read(move |store| {
            if is_of(store, account, created_at)? { store.account_key(account) } else { Ok(None) }
        });
        let key = key.await?;
        let (Some(key), Ok(envelope)) = (key, Envelope::read(&slap.envelope)) else { return Ok(None) };
        let sealed = with_key(move || {
            let payload = String::from_utf8_lossy(envelope.payload()).into_owned();
            let payload =
                if is_old { entry::with_old_unfavorite(&payload).unwrap_or(payload) } else { payload };
            let key = read_key(&key)?;
            let sealed = match form {
                Form::DataOnly => seal_data_only(payload.as_bytes(), &key)?,
                _ => seal(payload.as_bytes(), &key)?,
            };
            Ok(sealed.to_xml())
        });
        Ok(sealed.await.ok().map(Bytes::from))
    }
}

/// Whether the host of an address is among these.
fn is_listed(hosts: &[String], address: &str) -> bool {
    let url = Url::parse(address).ok();
    let host = url.as_ref().and_then(Url::host_str);
    host.is_some_and(|host| hosts.iter().any(|listed| listed == host))
}
