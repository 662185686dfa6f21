//! The feeds of groups that the relay keeps, as documents; and the way by which the hub of the same process reads them.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH},
};
use sha2::{Digest as _, Sha256};

use super::groups::MOST_POSTS;
use crate::{
    clock::Timestamp,
    outbound::{self, Outgoing, SendError, Sending, Transport},
    protocol::{NameId, TopicId, TopicUrl},
    salmon::{discovery::rel, markup::push_escaped, moment},
    store::{Account, AccountKind, Store, StoreError},
};

/// What a feed is served as.
pub const MEDIA_TYPE: &str = "application/atom+xml";

/// A feed as it is served.
#[derive(Debug, Clone)]
pub struct GroupFeed {
    pub body: Bytes,
    /// The same as long as the feed is.
    pub etag: String,
}

/// Where slaps for an account go: ours, since that reaches us whatever the site in front of us passes on.
pub(super) fn endpoint(hub_url: &str, name: &str) -> String {
    under(hub_url, "salmon/", name)
}

/// Where the feed of a group is that the relay keeps.
pub(super) fn address(hub_url: &str, name: &str) -> String {
    under(hub_url, "groups/", name) + ".atom"
}

fn under(hub_url: &str, path: &str, name: &str) -> String {
    let name = name.trim_start_matches("acct:");
    format!("{}/{path}{name}", hub_url.trim_end_matches('/'))
}

/// Makes the feeds.
#[derive(Debug)]
pub struct GroupFeeds {
    store: Store,
    hub_url: String,
    /// Whose feed it is, by its address; as of a number of changes to accounts.
    by_topic: Mutex<(Option<u64>, HashMap<TopicId, NameId>)>,
}

impl GroupFeeds {
    pub fn new(store: Store, hub_url: String) -> Arc<Self> {
        Arc::new(Self { store, hub_url, by_topic: Mutex::default() })
    }

    /// The feed of this account; `None` if it is no group whose feed the relay keeps.
    pub async fn of(&self, id: NameId) -> Result<Option<GroupFeed>, StoreError> {
        let read = self.store.read(move |store| {
            let account = store.account(id)?.filter(is_kept);
            let Some(account) = account else { return Ok(None) };
            Ok(Some((account, store.group_posts(id, MOST_POSTS.saturating_mul(2))?)))
        });
        let Some((account, posts)) = read.await? else { return Ok(None) };
        let updated = posts.last().map_or(Timestamp::EPOCH, |(_, post)| post.added_at);
        let mut text = self.head(&account, updated);
        for (_, post) in posts.iter().rev().take(MOST_POSTS) {
            text.push_str(&String::from_utf8_lossy(&post.entry));
            text.push('\n');
        }
        text.push_str("</feed>\n");
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let half = digest.first_chunk().copied().map(u128::from_be_bytes).unwrap_or_default();
        Ok(Some(GroupFeed { body: text.into(), etag: format!("\"{half:032x}\"") }))
    }

    fn head(&self, account: &Account, updated: Timestamp) -> String {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        text.push_str("<feed xmlns=\"http://www.w3.org/2005/Atom\">\n");
        let address = account.name.trim_start_matches("acct:");
        let nick = address.split('@').next().unwrap_or_default();
        let name = if account.display_name.is_empty() { nick } else { &account.display_name };
        let endpoint = endpoint(&self.hub_url, &account.name);
        let mut element = |name: &str, value: &str| {
            // Writing into a String cannot fail.
            let _infallible = writeln!(text, "<{name}>{}</{name}>", escaped(value));
        };
        element("id", &account.feed);
        element("title", name);
        element("updated", &moment::write(updated));
        let _infallible = writeln!(
            text,
            // With whatever one peer or another calls it by (`salmon.md` 4.2).
            "<author xmlns:poco=\"http://portablecontacts.net/spec/1.0\">\n\
             <activity:object-type xmlns:activity=\"http://activitystrea.ms/spec/1.0/\">\
             http://activitystrea.ms/schema/1.0/group</activity:object-type>\n<id>{uri}</id>\n<uri>{uri}</uri>\n\
             <name>{nick}</name>\n<email>{address}</email>\n\
             <link rel=\"alternate\" type=\"text/html\" href=\"{profile}\"/>\n\
             <poco:preferredUsername>{nick}</poco:preferredUsername>\n\
             <poco:displayName>{name}</poco:displayName>\n</author>",
            uri = escaped(&account.uri),
            nick = escaped(nick),
            address = escaped(address),
            name = escaped(name),
            profile = escaped(&account.profile),
        );
        let links = [
            ("self", Some(MEDIA_TYPE), account.feed.as_str()),
            ("alternate", Some("text/html"), account.profile.as_str()),
            (rel::HUB, None, self.hub_url.as_str()),
            (rel::SALMON, None, endpoint.as_str()),
            (rel::SALMON_REPLIES, None, endpoint.as_str()),
            (rel::SALMON_MENTION, None, endpoint.as_str()),
        ];
        for (rel, media_type, href) in links.into_iter().filter(|(.., href)| !href.is_empty()) {
            let media_type = media_type.map_or(String::new(), |of| format!(" type=\"{of}\""));
            let _infallible = writeln!(text, "<link rel=\"{rel}\"{media_type} href=\"{}\"/>", escaped(href));
        }
        text
    }

    /// Whose feed lies at this address.
    async fn whose(&self, topic: TopicId) -> Result<Option<NameId>, StoreError> {
        let changes = self.store.account_changes();
        {
            let known = self.by_topic.lock().unwrap_or_else(PoisonError::into_inner);
            if known.0 == Some(changes) {
                return Ok(known.1.get(&topic).copied());
            }
        }
        let all = self.store.read(addresses).await?;
        let whose = all.get(&topic).copied();
        *self.by_topic.lock().unwrap_or_else(PoisonError::into_inner) = (Some(changes), all);
        Ok(whose)
    }

    /// The answer to a request for a feed that is ours.
    async fn answer(&self, request: &Outgoing) -> Result<Option<outbound::Answer>, StoreError> {
        let Some(topic) = TopicUrl::parse(&request.uri.to_string()).ok() else { return Ok(None) };
        let Some(id) = self.whose(topic.id()).await? else { return Ok(None) };
        let Some(feed) = self.of(id).await? else { return Ok(None) };
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE))]);
        let Ok(etag) = HeaderValue::from_str(&feed.etag) else { return Ok(None) };
        if request.headers.get(IF_NONE_MATCH) == Some(&etag) {
            let status = StatusCode::NOT_MODIFIED;
            return Ok(Some(outbound::Answer { status, headers, body: Bytes::new() }));
        }
        headers.insert(ETAG, etag);
        Ok(Some(outbound::Answer { status: StatusCode::OK, headers, body: feed.body }))
    }
}

/// Whether the relay keeps the feed of this account.
pub(super) fn is_kept(account: &Account) -> bool {
    account.kind == AccountKind::Group && account.members.is_some() && account.removed_at.is_none()
}

/// The addresses of all feeds that are kept, under either scheme.
fn addresses(store: &Store) -> Result<HashMap<TopicId, NameId>, StoreError> {
    let mut all = HashMap::new();
    store.each_account(|id, account| {
        if is_kept(account) {
            let feed = TopicUrl::parse(&account.feed).ok();
            let twin = feed.as_ref().and_then(TopicUrl::twin);
            all.extend(feed.into_iter().chain(twin).map(|feed| (feed.id(), id)));
        }
    })?;
    Ok(all)
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_escaped(&mut out, text);
    out
}

/// Fetches, except that the feeds of our own groups are read from the store: the guard lets nobody connect to us.
#[derive(Debug)]
pub struct LocalFeeds {
    feeds: Arc<GroupFeeds>,
    others: Arc<dyn Transport>,
}

impl LocalFeeds {
    pub fn new(feeds: Arc<GroupFeeds>, others: Arc<dyn Transport>) -> Arc<Self> {
        Arc::new(Self { feeds, others })
    }
}

impl Transport for LocalFeeds {
    fn send(&self, request: Outgoing) -> Sending<'_> {
        Box::pin(async move {
            if request.method != Method::GET {
                return self.others.send(request).await;
            }
            match self.feeds.answer(&request).await {
                Ok(Some(answer)) if answer.body.len() > request.max_body => Err(SendError::TooLarge),
                Ok(Some(answer)) => Ok(answer),
                Ok(None) => self.others.send(request).await,
                // As if nobody answered: it is tried again.
                Err(_unreadable) => Err(SendError::Connect),
            }
        })
    }
}
