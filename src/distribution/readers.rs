//! How many readers a topic has, for the publisher's log: subscribers that are services say for how many they stand
//! (D19), and fan-outs, which see every subscription anyway, add them up.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::HeaderMap;
use tracing::debug;

use super::Distribution;
use crate::{
    clock::Timestamp,
    protocol::{HostKey, PairId},
    store::{Readers, Record, StoreError, Subscription},
};

/// How long the count of one subscription stays as it is at least. Of a service with several machines some may say it and
/// others not: each answer would be a write.
const STAYS: Duration = Duration::from_mins(1);
/// How often what was longer ago is thrown out, where there is no room.
const SWEPT: Duration = Duration::from_secs(1);
/// Changes remembered for that time: so many in a minute are no load.
const REMEMBERED: usize = 4096;

/// Which counts were changed a moment ago. In memory only: what a restart forgets is at most written once more.
#[derive(Debug, Default)]
pub(super) struct Changed(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    at: HashMap<PairId, Timestamp>,
    /// When what is no longer recent was last thrown out.
    swept_at: Timestamp,
}

impl Changed {
    /// Whether the count of this one may change now; then it is taken to have changed.
    fn may(&self, pair: PairId, now: Timestamp) -> bool {
        let mut changed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing was in the future, but for a clock that was set back.
        let is_recent = |at: &Timestamp| *at <= now && now.since(*at) < STAYS;
        if changed.at.get(&pair).is_some_and(is_recent) {
            return false;
        }
        // A delivery waits for this, so that it is not done for each.
        let is_swept = changed.swept_at <= now && now.since(changed.swept_at) < SWEPT;
        if changed.at.len() >= REMEMBERED && !is_swept {
            changed.at.retain(|_, at| is_recent(at));
            changed.swept_at = now;
        }
        let has_room = changed.at.len() < REMEMBERED;
        if has_room {
            changed.at.insert(pair, now);
        }
        has_room
    }
}

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
    /// Notes for how many readers a subscriber stands now, unless that has changed a moment ago: whatever the answers
    /// say, the successful path writes next to nothing.
    pub(super) async fn note_readers(&self, pair: PairId, stands_for: u32) -> Result<(), StoreError> {
        if !self.changed.may(pair, self.parts.clock.now()) {
            return Ok(());
        }
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
    use crate::protocol::{CallbackId, TopicId};

    fn pair(number: u16) -> PairId {
        let mut octets = [0; 16];
        octets[..2].copy_from_slice(&number.to_be_bytes());
        PairId { topic: TopicId::from_bytes([1; 16]), callback: CallbackId::from_bytes(octets) }
    }

    #[test]
    fn d19_a_count_changes_once_in_a_while_and_no_more_of_them_than_are_remembered() {
        let changed = Changed::default();
        let (start, end) = (Timestamp::from_millis(1), Timestamp::from_millis(60_001));
        assert!(changed.may(pair(0), start));
        assert!(!changed.may(pair(0), Timestamp::from_millis(60_000)));
        assert!(changed.may(pair(0), end));
        let may = |at| (1..=5000).filter(|number| changed.may(pair(*number), at)).count();
        assert_eq!(may(end), REMEMBERED - 1);
        assert_eq!(may(end), 0);
        assert_eq!(may(end.after(STAYS)), REMEMBERED);
    }

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
