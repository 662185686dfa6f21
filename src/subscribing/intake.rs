//! A request becomes a pending intent on disk, before it is answered; or, for an explicit `hub.verify=sync`, is
//! verified on the spot (S13, S27, S28).

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};
use tracing::debug;

use super::{Subscribing, denial::Examined, policy::Forbidden, under_way::Asking, verify::LANE_PATIENCE};
use crate::{
    clock::Timestamp,
    protocol::{IntentRequest, Mode, PairId, Situation, Verdict, VerifyMode},
    store::{PendingIntent, Record, StoreError},
};

/// What the answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// 204: verified before the answer.
    Verified,
    /// 202: to be verified.
    Pending,
}

/// Why a well-formed request is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Unaccepted {
    /// 403.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// 409 (V14).
    #[error("hub.callback: the verification of intent failed")]
    Unverified,
    /// 409: the topic was fetched and something is against it (V23).
    #[error("hub.topic: {0}")]
    Denied(&'static str),
    /// 503: nothing is wrong with the request (S30).
    #[error("too much is being verified at this moment; try again")]
    Busy,
    /// 429: too many requests name this host.
    #[error("hub.callback: too many requests wait for this host; try again later")]
    TooManyForHost,
    /// 429: the host has as many subscriptions as one may have.
    #[error("hub.callback: this host has too many subscriptions; try again later")]
    HostHasItsShare,
    /// 503.
    #[error("the hub cannot store the request at this moment; try again")]
    Store(#[from] StoreError),
}

impl Subscribing {
    /// Accepts a request or says why not. When it returns [`Accepted`], what was accepted is on disk.
    pub async fn accept(self: &Arc<Self>, request: IntentRequest) -> Result<Accepted, Unaccepted> {
        self.check(&request)?;
        // What is there already can be renewed, and left.
        if request.mode == Mode::Subscribe
            && self.parts.store.subscription(request.pair())?.is_none()
            && self.has_its_share(&request.callback)
        {
            return Err(Unaccepted::HostHasItsShare);
        }
        if request.verify == VerifyMode::Sync {
            match self.sync.try_acquire() {
                Ok(_permit) => match self.verify_now(&request).await {
                    Err(Unaccepted::Busy) if request.async_offered => {}
                    verified => return verified,
                },
                Err(_full) if request.async_offered => {}
                Err(_full) => return Err(Unaccepted::Busy),
            }
        }
        self.note(request).await
    }

    async fn note(&self, request: IntentRequest) -> Result<Accepted, Unaccepted> {
        let store = &self.parts.store;
        let pair = request.pair();
        let host = request.callback.host_key();
        let _held = store.pair_locks().write(pair.callback.as_bytes()).await;
        let old = store.intent(pair)?;
        let _changing = self.pending.changing().await;
        // What replaces a request has its place.
        let place = match old {
            Some(_) => None,
            None => Some(self.pending.count(&host, self.room_for(pair)).ok_or(Unaccepted::TooManyForHost)?),
        };
        let delay = self.parts.verification.delay;
        // After the answer is flushed and the subscriber had a moment to note it (S35).
        let due_at = self.parts.clock.now().after(delay);
        let intent = pending(request, self.stamp(pair)?, due_at);
        let hold = self.hold_until(pair, &intent)?;
        let was = old.as_ref().map(|old| old.due_at);
        self.commit(Record::IntentPut { pair, intent, was }.into()).await?;
        if let Some(place) = place {
            place.keep();
        }
        self.answering.until(pair, self.parts.clock.now().after(delay));
        if let Some(until) = hold {
            self.parts.distribution.hold(pair, until);
        }
        self.poke.due(due_at);
        Ok(Accepted::Pending)
    }

    /// Whether the pair has a subscription that runs. A store that cannot be read knows of none.
    pub fn is_subscribed(&self, pair: PairId) -> bool {
        let found = self.parts.store.subscription(pair).ok().flatten();
        found.is_some_and(|found| found.is_active_at(self.parts.clock.now()))
    }

    /// How many requests may wait for a callback host so that one for this pair is let in: whoever is there already is not
    /// kept from renewing or leaving by those who are not.
    fn room_for(&self, pair: PairId) -> usize {
        if self.is_subscribed(pair) { usize::MAX } else { self.parts.per_callback_host }
    }

    /// When a request, or the operator's word, counts as accepted: later than all that is known of its pair, even within
    /// one millisecond or after the clock was set back, since the newer one wins (V17). The caller holds the pair's lock.
    pub(super) fn stamp(&self, pair: PairId) -> Result<Timestamp, StoreError> {
        let store = &self.parts.store;
        let known = [
            store.intent(pair)?.map(|intent| intent.accepted_at),
            store.subscription(pair)?.map(|subscription| subscription.accepted_at),
            self.under_way.newest(pair),
        ];
        let newest = known.into_iter().flatten().max();
        let now = self.parts.clock.now();
        Ok(newest.map_or(now, |newest| now.max(newest.after(Duration::from_millis(1)))))
    }

    /// Within the time of one try, from beginning to end (V14); only what was confirmed takes as long as the disk does.
    async fn verify_now(&self, request: &IntentRequest) -> Result<Accepted, Unaccepted> {
        let began = Instant::now();
        let left = || self.parts.verification.timeout.saturating_sub(began.elapsed());
        let store = &self.parts.store;
        let pair = request.pair();
        let held = store.pair_locks().write(pair.callback.as_bytes()).await;
        let intent = pending(request.clone(), self.stamp(pair)?, self.parts.clock.now());
        let is_counted = store.intent(pair)?.is_some();
        let asking = self.under_way.begin(pair, &intent);
        drop(held);
        let verified = self.verify_asking(pair, &intent, &asking, is_counted, left).await;
        if verified.is_err() {
            let _held = store.pair_locks().write(pair.callback.as_bytes()).await;
            self.release(pair, &intent).await?;
        }
        verified
    }

    async fn verify_asking(
        &self,
        pair: PairId,
        intent: &PendingIntent,
        asking: &Asking<'_>,
        is_counted: bool,
        left: impl Fn() -> Duration,
    ) -> Result<Accepted, Unaccepted> {
        match timeout(left(), self.examine(intent, LANE_PATIENCE)).await {
            Ok(Ok(Examined::Allowed)) => {}
            Ok(Ok(Examined::Denied(reason))) => return Err(Unaccepted::Denied(reason)),
            Ok(Ok(Examined::Unknown | Examined::Busy)) | Err(_) => return Err(Unaccepted::Busy),
            Ok(Err(error)) => return Err(error.into()),
        }
        let host = intent.callback.host_key();
        // Whoever may be flooded by one kind of request may be so by the other (X03); but a renewal is not kept out by
        // another request for its own pair.
        let at_most = if is_counted { usize::MAX } else { self.room_for(pair) };
        let Some(_counted) = self.pending.count(&host, at_most) else {
            return Err(Unaccepted::TooManyForHost);
        };
        let patience = LANE_PATIENCE.min(left());
        let Ok(_permit) = timeout(patience, self.parts.lanes.enter(host.as_str())).await else {
            return Err(Unaccepted::Busy);
        };
        // Whoever is given no time to answer has refused nothing, and must not be told so.
        if left() < self.parts.verification.timeout.div_f64(10.0) {
            return Err(Unaccepted::Busy);
        }
        if let Some(until) = self.hold_until(pair, intent)? {
            self.parts.distribution.hold(pair, until);
        }
        let lease = self.leases.grant(intent.asked_lease);
        let asked_at = self.parts.clock.now();
        let verdict = self.ask(intent, lease, Situation::Sync, left()).await;
        if verdict == Verdict::Verified {
            self.apply(pair, intent, asking, lease, asked_at).await?;
            self.poll_if_asked(intent).await?;
            return Ok(Accepted::Verified);
        }
        debug!(?verdict, "synchronous verification failed");
        Err(Unaccepted::Unverified)
    }

    /// Until when deliveries wait while a request that would change the secret of a running subscription is verified
    /// (V16).
    fn hold_until(&self, pair: PairId, intent: &PendingIntent) -> Result<Option<Timestamp>, StoreError> {
        let now = self.parts.clock.now();
        let running = self.parts.store.subscription(pair)?.filter(|running| running.is_active_at(now));
        let changes = running.is_some_and(|running| intent.changes_secret_of(&running));
        Ok(changes.then(|| now.after(self.parts.verification.hold_deliveries)))
    }

    /// Sends what was held for a request that is settled, unless another one may change the secret (V16). The caller
    /// holds the pair's lock.
    pub(super) async fn release(&self, pair: PairId, settled: &PendingIntent) -> Result<(), StoreError> {
        let store = &self.parts.store;
        if let Some(running) = store.subscription(pair)? {
            let changes = |other: &PendingIntent| {
                other.accepted_at != settled.accepted_at && other.changes_secret_of(&running)
            };
            if store.intent(pair)?.as_ref().is_some_and(changes) || self.under_way.any(pair, changes) {
                return Ok(());
            }
        }
        self.parts.distribution.release(pair).await
    }
}

fn pending(request: IntentRequest, accepted_at: Timestamp, due_at: Timestamp) -> PendingIntent {
    PendingIntent {
        mode: request.mode,
        topic: request.topic,
        callback: request.callback,
        profile: request.profile,
        secret: request.secret,
        verify_token: request.verify_token,
        signature: request.signature,
        asked_lease: request.lease_seconds,
        accepted_at,
        due_at,
        attempts: 0,
        refresh: false,
        is_examined: false,
        denied: None,
    }
}
