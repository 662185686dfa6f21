//! One body with everything about it that is the same for every subscriber: built once, shared, signed apart.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Method,
    header::{AUTHORIZATION, CONTENT_TYPE, LINK},
};

use crate::{
    config::DeliveryConfig,
    feed::Format,
    outbound::{Outgoing, Overflow, Purpose},
    protocol::{self, Algorithm, Profile, SourceFormat},
    store::{Publication, Subscription},
};

/// Answer octets that are read before the connection is given up: enough to keep it alive after a chatty 2xx (D13).
const ANSWER: usize = 64 << 10;

static SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature");

/// A content distribution request less its signature and address.
#[derive(Debug)]
pub(super) struct Parcel {
    body: Bytes,
    websub: HeaderMap,
    p03: HeaderMap,
}

impl Parcel {
    /// A body that goes out as this publication says.
    pub(super) fn new(publication: &Publication, body: Vec<u8>) -> Self {
        let format = match publication.format {
            Format::Atom => SourceFormat::Atom,
            Format::Rss => SourceFormat::Rss,
            Format::Rdf => SourceFormat::Rdf,
            // 0.3 knows no name for a JSON Feed, so it goes by the publisher's.
            Format::JsonFeed | Format::Opaque => SourceFormat::Other,
        };
        let link = protocol::link::write(&publication.self_url, &[&publication.hub_url]);
        let headers = |profile| {
            let source = publication.content_type.as_deref();
            HeaderMap::from_iter([
                (CONTENT_TYPE, protocol::notification::content_type(profile, format, source)),
                (LINK, link.clone()),
            ])
        };
        Self { body: Bytes::from(body), websub: headers(Profile::Websub), p03: headers(Profile::P03) }
    }

    /// Octets of the body.
    pub(super) fn len(&self) -> usize {
        self.body.len()
    }

    /// The request for one subscriber, signed with the secret that is active now (V16), unsigned without one (D08).
    pub(super) fn request(&self, subscription: &Subscription, rules: &DeliveryConfig) -> Outgoing {
        let mut headers = match subscription.profile {
            Profile::Websub => self.websub.clone(),
            Profile::P03 => self.p03.clone(),
        };
        if let Some(secret) = &subscription.secret {
            let algorithm: Algorithm = subscription.signature.unwrap_or(rules.signature);
            headers.insert(&SIGNATURE, protocol::signature::sign(algorithm, secret, &self.body));
        }
        if let Some(authorization) = subscription.callback.authorization() {
            headers.insert(AUTHORIZATION, authorization);
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
}
