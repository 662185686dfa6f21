//! Whether a topic names this hub, for operators who serve only those that do (L10).

use std::time::Duration;

use tokio::time::timeout;

use super::{
    Publishing,
    fetch::{Asking, Failure, Look, Page},
    news,
};
use crate::{
    feed::JsonFeed,
    outbound::SendError,
    protocol::{TopicId, TopicUrl},
};

/// How long the question waits for room in its host's lane.
const LANE_PATIENCE: Duration = Duration::from_secs(1);

/// What a topic says of its hubs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advertised {
    /// This hub is among them.
    Here,
    /// There are others, or none.
    Elsewhere,
    /// The topic may not be fetched at all.
    Forbidden,
    /// It could not be fetched, or not now.
    Unknown,
}

impl Publishing {
    /// Fetches a topic only to see whether it names this hub; what it holds is no news yet.
    pub async fn advertised(&self, topic: &TopicUrl) -> Advertised {
        let host = topic.host_key();
        let Ok(_permit) = timeout(LANE_PATIENCE, self.parts.lanes.enter(host.as_str())).await else {
            return Advertised::Unknown;
        };
        match self.look_in_time(topic, Asking::default(), None).await {
            Look::Body(page) if self.is_named(&page) => Advertised::Here,
            Look::Body(_) => Advertised::Elsewhere,
            Look::Failed(Failure::Send(SendError::Refused(_))) => Advertised::Forbidden,
            Look::Unchanged | Look::Failed(_) | Look::TooLarge => Advertised::Unknown,
        }
    }

    fn is_named(&self, page: &Page) -> bool {
        let document = news::read(page, &self.parts.feed, JsonFeed::Split);
        let ours = canonical(&self.parts.hub_url);
        let mut named = page.hub_links.iter().chain(&document.hub_links);
        ours.is_some() && named.any(|link| canonical(link) == ours)
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
