//! One look at a topic: conditional, redirects hop by hop, every hop through the guard (F01-F03, F07, F08, X01).
//!
//! A look that turns out to be slow leaves its room to others, and goes on among the slow ones as long as there is room
//! among them: a few dozen sites that never answer would else have all fetches there may be (promise 3).

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri,
    header::{
        ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LINK,
        LOCATION, USER_AGENT,
    },
};
use tokio::{
    pin,
    time::{Instant, timeout, timeout_at},
};
use url::Url;

use std::time::Duration;

use super::Publishing;
use crate::{
    outbound::{Answer, Outgoing, Overflow, Permit, Purpose, SendError},
    protocol::{self, HostKey, TopicUrl},
    store::Validators,
};

/// How long a look may take before it counts as slow.
const PATIENCE: Duration = Duration::from_secs(1);

const SUBSCRIBERS: HeaderName = HeaderName::from_static("x-hub-subscribers");

/// What a look came to.
#[derive(Debug)]
pub(super) enum Look {
    /// A final 200.
    Body(Page),
    /// A 304.
    Unchanged,
    /// Something that another try may mend.
    Failed(Failure),
    /// Over the size: dropped, and not asked for again before the next ping (F11).
    TooLarge,
}

/// Why a look failed, in words without addresses.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the topic answered {0}")]
    Status(StatusCode),
    #[error("more redirects than allowed")]
    Redirects,
    #[error("a redirect without a usable address")]
    Location,
    #[error("the topic's URL cannot be requested")]
    Url,
    /// A try like any other: the host that redirects was asked, and is not to be asked in a hurry.
    #[error("the host that it redirects to has as many fetches under way as it may")]
    Crowded,
    /// The same: how many are slow is not this topic's fault alone.
    #[error("no answer yet, and so many others are slow that it is not waited for any longer")]
    Slow,
    #[error(transparent)]
    Send(SendError),
}

/// The right to a look, and what it was found to be.
#[derive(Debug)]
pub(super) struct Room {
    /// None between two hosts.
    permit: Option<Permit>,
    patience: Instant,
    is_aside: bool,
}

impl Room {
    fn new(permit: Permit) -> Self {
        Self { permit: Some(permit), patience: patience(), is_aside: false }
    }

    /// Leaves for another host, where a look begins like any other.
    fn moves(&mut self, enter: impl FnOnce() -> Option<Permit>) -> bool {
        self.permit = None;
        self.permit = enter();
        self.patience = patience();
        self.is_aside = false;
        self.permit.is_some()
    }

    /// Waits for an answer, among the slow ones from the end of the patience on; `None` where these have no room.
    pub(super) async fn wait<T>(&mut self, answer: impl Future<Output = T>) -> Option<T> {
        pin!(answer);
        if !self.is_aside {
            if let Ok(in_time) = timeout_at(self.patience, answer.as_mut()).await {
                return Some(in_time);
            }
            if !self.permit.as_mut().is_some_and(Permit::stand_aside) {
                return None;
            }
            self.is_aside = true;
        }
        Some(answer.await)
    }
}

/// Until when a request that is made now may take a place among those that are not slow.
fn patience() -> Instant {
    let now = Instant::now();
    now.checked_add(PATIENCE).unwrap_or(now)
}

/// For whom and why a topic is asked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asking {
    /// How many read it by way of this hub; 0 is not told.
    pub(super) readers: u64,
    pub(super) is_pinged: bool,
}

/// A topic's body as it was served.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) body: Bytes,
    pub(super) content_type: Option<Vec<u8>>,
    pub(super) validators: Validators,
    /// From the Link headers: self, and everything that is called a hub.
    pub(super) self_link: Option<String>,
    pub(super) hub_links: Vec<String>,
}

impl Publishing {
    /// A look with all its redirects within the time for a fetch (F11), and the room for what it brought.
    pub(super) async fn look_in_time(
        &self,
        topic: &TopicUrl,
        asking: Asking,
        known: Option<&Validators>,
        permit: Permit,
    ) -> (Look, Room) {
        let mut room = Room::new(permit);
        let look = self.look(topic, asking, known, &mut room);
        let late = Look::Failed(Failure::Send(SendError::Timeout));
        let look = timeout(self.parts.fetch.timeout, look).await.unwrap_or(late);
        (look, room)
    }

    /// `room` is at the topic's host. Where a redirect leads to another one, that one's is needed instead: many
    /// hosts could else send their share of fetches to one.
    async fn look(
        &self,
        topic: &TopicUrl,
        asking: Asking,
        known: Option<&Validators>,
        room: &mut Room,
    ) -> Look {
        let Ok(mut url) = Url::parse(topic.as_str()) else { return Look::Failed(Failure::Url) };
        let mut host = topic.host_key();
        for _hop in 0..=self.parts.fetch.redirects {
            let Ok(uri) = url.as_str().parse::<Uri>() else { return Look::Failed(Failure::Url) };
            let validators = known.filter(|known| known.url == url.as_str());
            let answer = self.parts.transport.send(self.request(uri, asking, validators));
            let Some(answer) = room.wait(answer).await else { return Look::Failed(Failure::Slow) };
            let answer = match answer {
                Ok(answer) => answer,
                Err(SendError::TooLarge) => return Look::TooLarge,
                Err(error) => return Look::Failed(Failure::Send(error)),
            };
            match answer.status {
                StatusCode::OK => return Look::Body(page(answer, &url)),
                StatusCode::NOT_MODIFIED if validators.is_some() => return Look::Unchanged,
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => match target(&answer, &url) {
                    Some(next) => {
                        url = next;
                        if let Some(next) = HostKey::of(&url).filter(|next| *next != host) {
                            if !room.moves(|| self.parts.lanes.try_enter(next.as_str())) {
                                return Look::Failed(Failure::Crowded);
                            }
                            host = next;
                        }
                    }
                    None => return Look::Failed(Failure::Location),
                },
                status => return Look::Failed(Failure::Status(status)),
            }
        }
        Look::Failed(Failure::Redirects)
    }

    fn request(&self, uri: Uri, asking: Asking, validators: Option<&Validators>) -> Outgoing {
        let Asking { readers, is_pinged } = asking;
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("*/*"))]);
        // The ping says that caches on the way are stale (F08).
        if is_pinged {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        // How many read this feed, where publishers' log analysers look for it (F04, F06).
        if readers > 0 {
            let agent = format!("{}; {readers} subscribers)", self.parts.user_agent.trim_end_matches(')'));
            if let Ok(agent) = HeaderValue::from_str(&agent) {
                headers.insert(USER_AGENT, agent);
            }
            headers.insert(SUBSCRIBERS, HeaderValue::from(readers));
        }
        let mut echo = |name: HeaderName, value: Option<&Vec<u8>>| {
            if let Some(value) = value.and_then(|value| HeaderValue::from_bytes(value).ok()) {
                headers.insert(name, value);
            }
        };
        if let Some(validators) = validators {
            echo(IF_NONE_MATCH, validators.etag.as_ref());
            echo(IF_MODIFIED_SINCE, validators.last_modified.as_ref());
        }
        Outgoing {
            purpose: Purpose::Fetch,
            method: Method::GET,
            uri,
            headers,
            body: Bytes::new(),
            timeout: self.parts.fetch.timeout,
            max_body: self.parts.fetch.max_bytes,
            overflow: Overflow::Fail,
        }
    }
}

/// Where a redirect leads; a fragment is the user agent's affair and goes.
fn target(answer: &Answer, from: &Url) -> Option<Url> {
    // Some sites write names beyond ASCII as they are.
    let location = std::str::from_utf8(answer.headers.get(LOCATION)?.as_bytes()).ok()?;
    let mut url = from.join(location).ok()?;
    url.set_fragment(None);
    Some(url)
}

fn page(answer: Answer, url: &Url) -> Page {
    let octets = |name: HeaderName| answer.headers.get(name).map(|value| value.as_bytes().to_vec());
    let links = protocol::link::parse(answer.headers.get_all(LINK).iter().map(HeaderValue::as_bytes));
    // Relative targets are relative to where the body came from (L03).
    let targets = |rel: &str| -> Vec<String> {
        let found = links.iter().filter(|link| link.is(rel));
        found.map(|link| absolute(url, &link.target)).collect()
    };
    Page {
        content_type: octets(CONTENT_TYPE),
        validators: Validators {
            url: url.to_string(),
            etag: octets(ETAG),
            last_modified: octets(LAST_MODIFIED),
        },
        // The first that can be one: a page that names several, one of them garbage, still has a name (L07, D07).
        self_link: targets("self").into_iter().find(|link| TopicUrl::parse(link).is_ok()),
        hub_links: targets("hub"),
        body: answer.body,
    }
}

/// An absolute link stays as it is spelled (D06); a relative one is completed.
pub(super) fn absolute(base: &Url, target: &str) -> String {
    match Url::parse(target) {
        Ok(_) => target.to_owned(),
        Err(_relative) => base.join(target).map_or_else(|_| target.to_owned(), String::from),
    }
}
