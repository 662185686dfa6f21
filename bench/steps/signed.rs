//! What is made for each subscriber by itself: the signature, and the request around it.

use std::hint::black_box;

use anyhow::Result;
use hubbub::{
    config::{Config, DeliveryConfig},
    distribution::Parcel,
    protocol::{Algorithm, Secret, signature},
    store::Subscription,
};

use super::{
    Step,
    hub::{self, BODY},
};

/// In a round.
pub(super) const SIGNATURES: u32 = 100;
pub(super) const HEADS: u32 = 10_000;

/// As long as those that subscribers make up: 32 octets in hexadecimal.
const SECRET: &[u8; 64] = b"0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

pub(super) fn signature() -> Result<Box<dyn Step>> {
    Ok(Box::new(Signature { secret: Secret::new(SECRET.to_vec())?, body: vec![b'x'; BODY] }))
}

struct Signature {
    secret: Secret,
    body: Vec<u8>,
}

impl Step for Signature {
    fn round(&mut self) -> Result<()> {
        for _ in 0..SIGNATURES {
            drop(black_box(signature::sign(Algorithm::Sha1, black_box(&self.secret), black_box(&self.body))));
        }
        Ok(())
    }
}

pub(super) fn head() -> Result<Box<dyn Step>> {
    let topic = hub::topic()?;
    Ok(Box::new(Head {
        parcel: Parcel::new(&hub::publication(&topic, 1), vec![b'x'; BODY]),
        subscription: hub::subscription(&topic, 1)?,
        rules: Config::default().delivery,
    }))
}

/// Without a signature, which would be all that is seen of it.
struct Head {
    parcel: Parcel,
    subscription: Subscription,
    rules: DeliveryConfig,
}

impl Step for Head {
    fn round(&mut self) -> Result<()> {
        for _ in 0..HEADS {
            drop(black_box(self.parcel.request(black_box(&self.subscription), &self.rules)));
        }
        Ok(())
    }
}
