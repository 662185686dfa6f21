//! How many readers a topic has, for the publisher's log: subscribers that are services say for how many they stand
//! (D19), and fan-outs, which see every subscription anyway, add them up.

use std::collections::HashMap;

use http::HeaderMap;
use tracing::debug;

use super::Distribution;
use crate::{
    protocol::{HostKey, PairId},
    store::{Readers, Record, StoreError, Subscription},
};

/// What a subscriber says in its answer: a decimal number, above zero.
pub(super) fn claimed(headers: &HeaderMap) -> Option<u32> {
    headers.get("x-hub-on-behalf-of")?.to_str().ok()?.trim().parse().ok().filter(|claimed| *claimed > 0)
}

/// Adds up one fan-out's subscriptions.
#[derive(Debug, Default)]
pub(super) struct Tally {
    subscriptions: u64,
    /// What the callbacks of each host claim beyond one each.
    more: HashMap<HostKey, u64>,
}

impl Tally {
    pub(super) fn count(&mut self, subscription: &Subscription) {
        self.subscriptions = self.subscriptions.saturating_add(1);
        if subscription.stands_for > 1 {
            let more = self.more.entry(subscription.callback.host_key()).or_default();
            *more = more.saturating_add(u64::from(subscription.stands_for).saturating_sub(1));
        }
    }

    /// The sum, with no host believed beyond the limit.
    pub(super) fn readers(&self, per_host: u64) -> Readers {
        let more = self.more.values().fold(0_u64, |sum, more| sum.saturating_add((*more).min(per_host)));
        Readers { subscriptions: self.subscriptions, more }
    }
}

impl Distribution {
    /// Notes for how many readers a subscriber stands now. It is no news with almost every delivery, so the successful
    /// path still writes nothing.
    pub(super) async fn note_readers(&self, pair: PairId, stands_for: u32) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.pair_locks().write(pair.callback.as_bytes()).await;
        let Some(current) = store.subscription(pair)? else { return Ok(()) };
        debug!(callback = %current.callback, stands_for, "stands for another number of readers");
        let was = Some(current.lease_due());
        let subscription = Subscription { stands_for, ..current };
        store.commit(Record::SubscriptionPut { pair, subscription, was }.into()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d19_a_claim_is_a_number_above_zero() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-hub-on-behalf-of", value.parse().unwrap());
            claimed(&headers)
        };
        assert_eq!(of(" 26 "), Some(26));
        for nothing in ["", "0", "-1", "many", "1.5", "99999999999"] {
            assert_eq!(of(nothing), None, "{nothing}");
        }
        assert_eq!(claimed(&HeaderMap::new()), None);
    }
}
