//! A request becomes a pending intent on disk, before it is answered; or, for an explicit `hub.verify=sync`, is
//! verified on the spot (S13, S27, S28).

use std::{
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::timeout;
use tracing::debug;

use super::{Subscribing, denial::Examined, policy::Forbidden, verify::LANE_PATIENCE};
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
    /// 503.
    #[error("the hub cannot store the request at this moment; try again")]
    Store(#[from] StoreError),
}

/// A synchronous request under way. No row tells of an unsubscription that was applied meanwhile, and what is older
/// must not bring the subscription back (V17).
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) pair: PairId,
    pub(super) accepted_at: Timestamp,
    pub(super) is_overtaken: bool,
}

impl Subscribing {
    /// Accepts a request or says why not. When it returns [`Accepted`], what was accepted is on disk.
    pub async fn accept(self: &Arc<Self>, request: IntentRequest) -> Result<Accepted, Unaccepted> {
        self.check(&request)?;
        if request.verify == VerifyMode::Sync {
            if let Ok(permit) = self.sync.try_acquire() {
                let verified = self.verify_now(request).await;
                drop(permit);
                return verified;
            }
            if !request.async_offered {
                return Err(Unaccepted::Busy);
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
        if old.is_none() && self.pending.of(&host) >= self.parts.per_callback_host {
            return Err(Unaccepted::TooManyForHost);
        }
        let now = self.parts.clock.now();
        // Later than the one it replaces, even within one millisecond: the newer request wins (V17).
        let accepted_at =
            old.as_ref().map_or(now, |old| now.max(old.accepted_at.after(Duration::from_millis(1))));
        // After the answer is flushed and the subscriber had a moment to note it (S35).
        let due_at = now.after(self.parts.verification.delay);
        let intent = pending(request, accepted_at, due_at);
        self.hold_deliveries(pair, &intent)?;
        let was = old.as_ref().map(|old| old.due_at);
        store.commit(Record::IntentPut { pair, intent, was }.into()).await?;
        if old.is_none() {
            self.pending.add(&host);
        }
        self.poke.due(due_at);
        Ok(Accepted::Pending)
    }

    async fn verify_now(&self, request: IntentRequest) -> Result<Accepted, Unaccepted> {
        let now = self.parts.clock.now();
        let intent = pending(request, now, now);
        let pair = PairId { topic: intent.topic.id(), callback: intent.callback.id() };
        self.waiting().push(Waiting { pair, accepted_at: now, is_overtaken: false });
        let verified = self.verify_waiting(pair, &intent).await;
        let mut waiting = self.waiting();
        if let Some(at) = waiting.iter().position(|one| one.pair == pair && one.accepted_at == now) {
            waiting.swap_remove(at);
        }
        verified
    }

    /// The synchronous requests under way; never held across an await.
    pub(super) fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn verify_waiting(&self, pair: PairId, intent: &PendingIntent) -> Result<Accepted, Unaccepted> {
        match self.examine(intent, LANE_PATIENCE).await? {
            Examined::Allowed => {}
            Examined::Denied(reason) => return Err(Unaccepted::Denied(reason)),
            Examined::Unknown | Examined::Busy => return Err(Unaccepted::Busy),
        }
        let host = intent.callback.host_key();
        // Whoever may be flooded by one kind of request may be so by the other (X03).
        let Some(_counted) = self.pending.count(&host, self.parts.per_callback_host) else {
            return Err(Unaccepted::TooManyForHost);
        };
        let Ok(_permit) = timeout(LANE_PATIENCE, self.parts.lanes.enter(host.as_str())).await else {
            return Err(Unaccepted::Busy);
        };
        self.hold_deliveries(pair, intent)?;
        let lease = self.leases.grant(intent.asked_lease);
        let asked_at = self.parts.clock.now();
        let verdict = self.ask(intent, lease, Situation::Sync).await;
        if verdict == Verdict::Verified {
            self.apply(pair, intent, lease, asked_at).await?;
            self.poll_if_asked(intent).await?;
            return Ok(Accepted::Verified);
        }
        debug!(?verdict, "synchronous verification failed");
        let _held = self.parts.store.pair_locks().write(pair.callback.as_bytes()).await;
        self.parts.distribution.release(pair).await?;
        Err(Unaccepted::Unverified)
    }

    /// Has deliveries wait while a request that would change the secret of a running subscription is verified (V16).
    fn hold_deliveries(&self, pair: PairId, intent: &PendingIntent) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let running = self.parts.store.subscription(pair)?.filter(|running| running.is_active_at(now));
        let changes = running.is_some_and(|running| running.secret != intent.secret);
        if intent.mode == Mode::Subscribe && changes {
            self.parts.distribution.hold(pair, now.after(self.parts.verification.hold_deliveries));
        }
        Ok(())
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
