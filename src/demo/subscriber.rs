//! The subscriber side of a site: asks the hub of a feed for what is new in it, answers when the hub asks back, and
//! believes a delivery only by its signature.
//!
//! As the sites of OStatus do it, in the words of `PubSubHubbub` 0.3 (§6), so that the hub sends what is new from then on
//! and not the whole feed first. Everybody who follows has a callback of their own, by which the story can tell who got
//! what.

use anyhow::{Context, Result};
use http::StatusCode;
use url::form_urlencoded;

use super::{discovery::Contact, news::News, site::Site};
use crate::client::{Hub, Mode, SecretText, SubscriptionForm, Verdict, VerifyMode, verdict};

/// Somebody of the site who follows a feed.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    pub(super) reader: &'static str,
    pub(super) topic: String,
    pub(super) of: String,
    /// The last part of the callback: whoever knows it may answer for the subscription, so nobody can guess it.
    pub(super) id: String,
    hub: String,
    secret: SecretText,
    /// What the site wants of the hub: whatever the hub asks that is not this is not confirmed.
    wanted: Mode,
    /// Whether the hub has asked, and was told that it is wanted.
    pub(super) is_confirmed: bool,
    /// Each delivery with its entries.
    pub(super) deliveries: Vec<Vec<News>>,
}

impl Subscription {
    pub(super) fn is_active(&self) -> bool {
        self.wanted == Mode::Subscribe && self.is_confirmed
    }

    pub(super) fn has_ended(&self) -> bool {
        self.wanted == Mode::Unsubscribe && self.is_confirmed
    }

    /// Everything that came, newest delivery last.
    pub(super) fn news(&self) -> impl Iterator<Item = &News> {
        self.deliveries.iter().flatten()
    }
}

impl Site {
    /// Somebody wants what is new in a feed: asks its hub, and returns the subscription's id when the hub has verified it.
    pub(super) async fn subscribe(&self, reader: &'static str, to: &Contact) -> Result<String> {
        let subscription = Subscription {
            reader,
            topic: to.feed.clone(),
            of: to.name.clone(),
            id: self.seams.random.challenge(),
            hub: to.hub.clone(),
            secret: SecretText::new(self.seams.random.challenge()),
            wanted: Mode::Subscribe,
            is_confirmed: false,
            deliveries: Vec::new(),
        };
        // Before the hub is asked: it may ask back at once.
        self.change(|state| state.subscriptions.push(subscription.clone()));
        self.ask(&subscription, Some(subscription.secret.clone())).await?;
        Ok(subscription.id)
    }

    /// Nobody wants it any more.
    pub(super) async fn unsubscribe(&self, id: &str) -> Result<()> {
        let changed = self.change(|state| {
            let subscription = state.subscriptions.iter_mut().find(|known| known.id == id)?;
            (subscription.wanted, subscription.is_confirmed) = (Mode::Unsubscribe, false);
            Some(subscription.clone())
        });
        let subscription = changed.flatten().context("there is no such subscription")?;
        self.ask(&subscription, None).await
    }

    async fn ask(&self, subscription: &Subscription, secret: Option<SecretText>) -> Result<()> {
        let form = SubscriptionForm {
            mode: subscription.wanted,
            topic: subscription.topic.clone(),
            callback: format!("http://{}/push/{}", self.domain, subscription.id),
            secret,
            lease_seconds: None,
            // While this waits: what is posted as soon as we have confirmed would be before the hub has noted that, and
            // a ping for a feed that nobody wants comes to nothing.
            verify: Some(VerifyMode::Sync),
            verify_token: None,
        };
        let hub = Hub::at(subscription.hub.parse()?)?;
        hub.send(form.encode()).await?;
        Ok(())
    }

    /// Waits for something in one of the subscriptions.
    pub(super) async fn until_in<R>(
        &self,
        id: &str,
        mut find: impl FnMut(&Subscription) -> Option<R>,
    ) -> Result<R> {
        self.until(|state| state.subscriptions.iter().find(|known| known.id == id).and_then(&mut find)).await
    }

    /// The hub asks whether we want this; the challenge is the answer if we do.
    pub(super) fn confirm(&self, id: &str, query: &str) -> Option<String> {
        let argument = |wanted: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
        };
        let (mode, topic, challenge) =
            (argument("hub.mode")?, argument("hub.topic")?, argument("hub.challenge")?);
        let confirmed = self.change(|state| {
            let subscription = state.subscriptions.iter_mut().find(|known| known.id == id)?;
            let is_wanted = subscription.wanted.as_str() == mode && subscription.topic == topic;
            subscription.is_confirmed |= is_wanted;
            is_wanted.then_some(challenge)
        });
        confirmed.flatten()
    }

    /// The hub delivers. What is not signed with our secret is taken, as 0.3 §7.4 demands, and not believed.
    pub(super) fn receive(&self, id: &str, signature: Option<&[u8]>, body: &[u8]) -> StatusCode {
        let found = self.look(|state| {
            let known = state.subscriptions.iter().find(|known| known.id == id)?;
            Some((known.secret.clone(), known.has_ended()))
        });
        let Some((secret, false)) = found else { return StatusCode::NOT_FOUND };
        if !matches!(verdict(Some(&secret), signature, body), Verdict::Valid(_)) {
            return StatusCode::OK;
        }
        let Ok(news) = News::read(body) else { return StatusCode::BAD_REQUEST };
        self.change(|state| {
            if let Some(subscription) = state.subscriptions.iter_mut().find(|known| known.id == id) {
                subscription.deliveries.push(news);
            }
        });
        StatusCode::OK
    }
}
