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
    protocol::{TopicUrl, is_hub},
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
        let (look, _room) = self.look_in_time(topic, Asking::default(), None, permit).await;
        Ok(match look {
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
        let ours = self.parts.hub_url.clone();
        let read = move |_: &_| {
            let document = news::read(&page, &volatile, json_feed);
            Ok(news::hub_links(&page, &document).iter().any(|link| is_hub(&ours, link)))
        };
        self.parts.store.read(read).await
    }
}
