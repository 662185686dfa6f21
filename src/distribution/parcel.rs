//! One body with everything about it that is the same for every subscriber: built once, shared, signed apart.

use std::sync::OnceLock;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LINK},
};

use crate::{
    config::DeliveryConfig,
    feed::Format,
    outbound::{Outgoing, Overflow, Purpose},
    protocol::{self, Algorithm, Profile, Secret, SourceFormat, TopicPattern, TopicUrl},
    store::{Publication, Subscription},
};

/// Answer octets that are read before the connection is given up: enough to keep it alive after a chatty 2xx (D13).
const ANSWER: usize = 64 << 10;

static SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature");
static SIGNATURE_256: HeaderName = HeaderName::from_static("x-hub-signature-256");
static TOPIC: HeaderName = HeaderName::from_static("x-pubsubhubbub-topic");
static CALLBACK: HeaderName = HeaderName::from_static("x-pubsubhubbub-callback");

/// A content distribution request less its signature and address. Known outside the room so that it can be measured.
#[derive(Debug)]
pub struct Parcel {
    body: Bytes,
    websub: HeaderMap,
    p03: HeaderMap,
    /// What the operator chose for the topic: looked up once, for the first subscriber.
    algorithm: OnceLock<Algorithm>,
}

impl Parcel {
    /// A body that goes out as this publication says.
    pub fn new(publication: &Publication, body: Vec<u8>) -> Self {
        let format = match publication.format {
            Format::Atom => SourceFormat::Atom,
            Format::Rss => SourceFormat::Rss,
            Format::Rdf => SourceFormat::Rdf,
            // 0.3 knows no name for a JSON Feed, so it goes by the publisher's.
            Format::JsonFeed | Format::Opaque => SourceFormat::Other,
        };
        let link = protocol::link::write(&publication.self_url, &[&publication.hub_url]);
        let body = Bytes::from(body);
        let headers = |profile| {
            let source = publication.content_type.as_deref();
            let mut headers = HeaderMap::from_iter([
                (CONTENT_TYPE, protocol::notification::content_type(profile, format, source)),
                (LINK, link.clone()),
            ]);
            // The client says the length of a body by itself, but of none at all it says nothing (D12).
            if body.is_empty() {
                headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            headers
        };
        Self {
            websub: headers(Profile::Websub),
            p03: headers(Profile::P03),
            body,
            algorithm: OnceLock::new(),
        }
    }

    /// Octets of the body.
    pub(super) fn len(&self) -> usize {
        self.body.len()
    }

    #[cfg(test)]
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The request for one subscriber, signed with the secret that is active now (V16), unsigned without one (D08).
    pub fn request(&self, subscription: &Subscription, rules: &DeliveryConfig) -> Outgoing {
        let mut headers = match subscription.profile {
            Profile::Websub => self.websub.clone(),
            Profile::P03 => self.p03.clone(),
        };
        if let Some(secret) = &subscription.secret {
            self.sign(subscription, secret, rules, &mut headers);
        }
        if let Some(authorization) = subscription.callback.authorization() {
            headers.insert(AUTHORIZATION, authorization);
        }
        if rules.topic_headers {
            name(subscription, &mut headers);
        }
        Outgoing {
            purpose: Purpose::Callback,
            method: Method::POST,
            uri: subscription.callback.uri(),
            headers,
            body: self.body.clone(),
            timeout: rules.timeout,
            max_body: ANSWER,
            overflow: Overflow::Discard,
        }
    }

    /// What the subscriber asked for, else what the operator says of its host, of the topic, of the hub (D10).
    fn sign(
        &self,
        subscription: &Subscription,
        secret: &Secret,
        rules: &DeliveryConfig,
        headers: &mut HeaderMap,
    ) {
        let chosen = subscription.signature.or_else(|| of_host(subscription, rules));
        let algorithm =
            chosen.unwrap_or_else(|| *self.algorithm.get_or_init(|| of_topic(&subscription.topic, rules)));
        let signature = protocol::signature::sign(algorithm, secret, &self.body);
        // A header of its own: of two values of the first, subscribers would see one, or neither (D11).
        if rules.also_sha256 {
            let stronger = match algorithm {
                Algorithm::Sha256 => signature.clone(),
                _ => protocol::signature::sign(Algorithm::Sha256, secret, &self.body),
            };
            headers.insert(&SIGNATURE_256, stronger);
        }
        headers.insert(&SIGNATURE, signature);
    }
}

fn of_host(subscription: &Subscription, rules: &DeliveryConfig) -> Option<Algorithm> {
    if rules.signature_for_hosts.is_empty() {
        return None;
    }
    rules.signature_for_hosts.get(subscription.callback.uri().host()?.to_ascii_lowercase().as_str()).copied()
}

fn of_topic(topic: &TopicUrl, rules: &DeliveryConfig) -> Algorithm {
    TopicPattern::narrowest(&rules.signature_for_topics, topic).copied().unwrap_or(rules.signature)
}

/// Says topic and callback as Superfeedr does (D28). The callback is told to nobody but itself.
fn name(subscription: &Subscription, headers: &mut HeaderMap) {
    if let Ok(topic) = HeaderValue::from_str(subscription.topic.as_str()) {
        headers.insert(&TOPIC, topic);
    }
    if let Ok(mut callback) = HeaderValue::from_str(subscription.callback.as_str()) {
        callback.set_sensitive(true);
        headers.insert(&CALLBACK, callback);
    }
}
