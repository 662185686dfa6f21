//! Subscription validation: what is refused before anything is asked (V23, S10, X02). Unsubscribing is never refused
//! here (S33).

use http::Uri;

use super::Subscribing;
use crate::{
    outbound::Purpose,
    protocol::{IntentRequest, Mode, is_hub},
};

/// Why a request is refused by policy: a sentence for the answer, naming the parameter and no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}: {reason}")]
pub struct Forbidden {
    parameter: &'static str,
    reason: String,
}

impl Subscribing {
    pub(super) fn check(&self, request: &IntentRequest) -> Result<(), Forbidden> {
        if request.mode == Mode::Unsubscribe {
            return Ok(());
        }
        let guard = &self.parts.guard;
        let forbidden = |parameter| {
            move |reason: String| Forbidden {
                parameter,
                reason: format!("this URL is not allowed: {reason}"),
            }
        };
        // By its URL, under which a proxy may stand in front of the listeners that the guard knows.
        if is_hub(&self.parts.hub_url, request.topic.as_str()) {
            return Err(forbidden("hub.topic")("it is the hub itself".to_owned()));
        }
        if is_hub(&self.parts.hub_url, request.callback.as_str()) {
            return Err(forbidden("hub.callback")("it is the hub itself".to_owned()));
        }
        guard
            .judge_uri(&request.callback.uri(), Purpose::Callback)
            .map_err(|refusal| forbidden("hub.callback")(refusal.to_string()))?;
        let topic: Uri = (request.topic.url().as_str().parse())
            .map_err(|_unusable| forbidden("hub.topic")("it cannot be requested".to_owned()))?;
        guard
            .judge_uri(&topic, Purpose::Fetch)
            .map_err(|refusal| forbidden("hub.topic")(refusal.to_string()))?;
        Ok(())
    }
}
