//! Whether a topic names this hub, for operators who serve only those that do (L10).

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{
    Publishing,
    fetch::{Asking, Failure, Look, Page},
    news,
};
use crate::{
    outbound::SendError,
    protocol::{TopicId, TopicUrl},
    store::StoreError,
};

/// What a topic says of its hubs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advertised {
    /// This hub is among them.
    Here,
    /// There are others, or none.
    Elsewhere,
    /// The topic may not be fetched at all.
    Forbidden,
    /// It could not be fetched.
    Unknown,
    /// It was not asked: its host has as many fetches under way as it may.
    Busy,
}

impl Publishing {
    /// Fetches a topic only to see whether it names this hub; what it holds is no news yet. Waits so long for room in the
    /// lane of the topic's host.
    pub async fn advertised(&self, topic: &TopicUrl, patience: Duration) -> Result<Advertised, StoreError> {
        let host = topic.host_key();
        let Ok(permit) = timeout(patience, self.parts.lanes.enter(host.as_str())).await else {
            return Ok(Advertised::Busy);
        };
        Ok(match self.look_in_time(topic, Asking::default(), None, permit).await {
            Look::Body(page) => {
                if self.is_named(topic, page).await? {
                    Advertised::Here
                } else {
                    Advertised::Elsewhere
                }
            }
            Look::Failed(Failure::Send(SendError::Refused(_))) => Advertised::Forbidden,
            Look::Unchanged | Look::Failed(_) | Look::TooLarge => Advertised::Unknown,
        })
    }

    /// Reads what may be large on a thread that may take its time.
    async fn is_named(&self, topic: &TopicUrl, page: Page) -> Result<bool, StoreError> {
        let (volatile, json_feed) = (Arc::clone(&self.parts.feed), self.json_feed(topic));
        let ours = canonical(&self.parts.hub_url);
        let read = move |_: &_| {
            let document = news::read(&page, &volatile, json_feed);
            let mut named = news::hub_links(&page, &document).iter();
            Ok(ours.is_some() && named.any(|link| canonical(link) == ours))
        };
        self.parts.store.read(read).await
    }
}

/// Without scheme and last slash: operators move to https, and publishers leave out the slash.
fn canonical(url: &str) -> Option<TopicId> {
    let (_, rest) = url.split_once("://")?;
    TopicUrl::parse(&format!("https://{}", rest.trim_end_matches('/'))).ok().map(|url| url.id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l10_https_and_slash_twins_are_one_hub() {
        let ours = canonical("https://hub.example/");
        for twin in ["http://hub.example", "http://HUB.example:443/", "https://hub.example"] {
            assert_eq!(canonical(twin), ours, "{twin}");
        }
        for other in ["https://hub.example/other", "https://hub2.example/", "#{@hub.endpoint}", "hub.example"]
        {
            assert_ne!(canonical(other), ours, "{other}");
        }
    }
}
