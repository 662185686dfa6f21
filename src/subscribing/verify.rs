//! Verification of intent: ask the callback, judge the echo, and swap everything in one commit (V01-V17).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCEPT, AUTHORIZATION},
};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::{Subscribing, denial::Examined, lease::AGAIN, under_way::Asking};
use crate::{
    agenda::Work,
    clock::Timestamp,
    outbound::{Outgoing, Overflow, Purpose},
    protocol::{Mode, PairId, Profile, Reply, Situation, Verdict, VerifyMode, verification},
    store::{Commit, Due, PendingIntent, Record, StoreError, Subscription},
    telemetry::Verified,
};

/// Octets of an echo that are read (V09).
const ECHO: usize = 8 << 10;
/// Retries further apart than this are only for callback hosts that proved an intent before (V13, X04).
const STRANGERS: Duration = Duration::from_mins(10);
/// How long a verification waits for room in its host's lane.
pub(super) const LANE_PATIENCE: Duration = Duration::from_secs(1);
/// The longest pause of an intent whose host is busy.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// Pause when the store fails: the row stays due.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// The work of the agenda of intents.
#[derive(Debug)]
pub struct Verifying(pub Arc<Subscribing>);

impl Work for Verifying {
    async fn run(self: Arc<Self>, due: Due) {
        if let Err(error) = self.0.verify(due).await {
            warn!(%error, "a verification met a store that fails; it stays due");
            tokio::time::sleep(STORE_PAUSE).await;
        }
    }
}

impl Subscribing {
    async fn verify(&self, due: Due) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let Some(pair) = due.pair() else {
            return store.drop_due(due).await;
        };
        // Whatever is noted, applied or ended from here on finds this one under way.
        let held = store.pair_locks().read(pair.callback.as_bytes()).await;
        let Some(intent) = store.intent(pair)?.filter(|intent| intent.due_at == due.at) else {
            return store.drop_due(due).await;
        };
        let asking = self.under_way.begin(pair, &intent);
        drop(held);
        self.let_answer_arrive(pair).await;
        if intent.refresh && intent.denied.is_none() && !self.is_wanted(pair, &intent)? {
            return self.give_up(pair, &intent, false).await;
        }
        let intent = match self.examine(&intent).await {
            Examined::Allowed => PendingIntent { is_examined: true, ..intent },
            Examined::Denied(reason) => return self.deny(pair, &intent, reason).await,
            Examined::Unknown => return self.retry(pair, &intent).await,
        };
        let situation = Situation::of(intent.profile, VerifyMode::Async);
        let host = intent.callback.host_key();
        // Not longer: a host that lets us wait would come to hold every slot of the agenda.
        let Ok(_permit) = timeout(LANE_PATIENCE, self.parts.lanes.enter(host.as_str())).await else {
            return self.stand_aside(pair, &intent).await;
        };
        if let Some(reason) = &intent.denied {
            return self.announce(pair, &intent, reason).await;
        }
        let lease = self.leases.grant(intent.asked_lease);
        let asked_at = self.parts.clock.now();
        match self.ask(&intent, lease, situation, self.parts.verification.timeout).await {
            Verdict::Verified => {
                self.apply(pair, &intent, &asking, lease, asked_at).await?;
                self.poll_if_asked(&intent).await
            }
            Verdict::Refused => self.give_up(pair, &intent, true).await,
            Verdict::Failed => self.give_up(pair, &intent, false).await,
            Verdict::Again => self.retry(pair, &intent).await,
        }
    }

    /// Whether the subscription that a refresh is for still runs.
    fn is_wanted(&self, pair: PairId, intent: &PendingIntent) -> Result<bool, StoreError> {
        let now = self.parts.clock.now();
        let found = self.parts.store.subscription(pair)?;
        Ok(found.is_some_and(|found| found.accepted_at == intent.accepted_at && found.is_active_at(now)))
    }

    /// Puts an intent off because its host is busy with others: no try was made. The longer the host's queue, the
    /// longer the pause.
    async fn stand_aside(&self, pair: PairId, intent: &PendingIntent) -> Result<(), StoreError> {
        let waiting = u32::try_from(self.pending.of(&intent.callback.host_key())).unwrap_or(u32::MAX);
        let pause = LANE_PATIENCE.saturating_mul(waiting.div_ceil(100)).min(LONGEST_PAUSE);
        self.put_off(pair, intent, self.parts.random.jitter(pause, 0.5), 0).await
    }

    /// One request to the callback, with a challenge of its own (V04).
    pub(super) async fn ask(
        &self,
        intent: &PendingIntent,
        lease: Duration,
        situation: Situation,
        within: Duration,
    ) -> Verdict {
        let challenge = self.parts.random.challenge();
        let lease = (intent.mode == Mode::Subscribe).then_some(lease);
        let query =
            verification::query(intent.mode, &intent.topic, &challenge, lease, intent.verify_token.as_ref());
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("*/*"))]);
        if let Some(authorization) = intent.callback.authorization() {
            headers.insert(AUTHORIZATION, authorization);
        }
        let request = Outgoing {
            purpose: Purpose::Callback,
            method: Method::GET,
            uri: intent.callback.uri_with_query(&query),
            headers,
            body: Bytes::new(),
            timeout: within,
            max_body: ECHO,
            overflow: Overflow::Truncate,
        };
        let answer = self.parts.transport.send(request).await;
        let reply = match &answer {
            Ok(answer) => Reply::Answered { status: answer.status.as_u16(), body: &answer.body },
            Err(_) => Reply::Unreachable,
        };
        let verdict = verification::judge(situation, &challenge, reply, self.parts.verification.strict_echo);
        let outcome = answer.as_ref().map_or_else(|error| error.label().to_owned(), |a| a.status.to_string());
        debug!(mode = %intent.mode, callback = %intent.callback, ?verdict, outcome, "verification of intent");
        self.parts.metrics.verifications.add(match verdict {
            Verdict::Verified => Verified::Confirmed,
            Verdict::Refused => Verified::Refused,
            Verdict::Again => Verified::Again,
            Verdict::Failed => Verified::Failed,
        });
        verdict
    }

    /// The subscriber confirmed: everything changes in one commit (V16).
    pub(super) async fn apply(
        &self,
        pair: PairId,
        intent: &PendingIntent,
        asking: &Asking<'_>,
        lease: Duration,
        asked_at: Timestamp,
    ) -> Result<(), StoreError> {
        let store = &self.parts.store;
        // The head must not move between reading it and the commit: a publication is for those active before it.
        let _head = store.topic_locks().read(pair.topic.as_bytes()).await;
        let _held = store.pair_locks().write(pair.callback.as_bytes()).await;
        let now = self.parts.clock.now();
        let old = store.subscription(pair)?;
        let mut commit = Commit::new();
        let mut next_lease = None;
        let is_done = self.clear(pair, intent, &mut commit)?;
        let is_late =
            asking.is_overtaken() || old.as_ref().is_some_and(|old| old.accepted_at > intent.accepted_at);
        // A refresh of what ended meanwhile renews nothing.
        let is_moot = intent.refresh && old.is_none();
        if !is_late && !is_moot {
            self.under_way.overtake(pair, intent.accepted_at);
            // An operator should be able to see who has a secret replaced (X12).
            let secret_changed = old.as_ref().is_some_and(|old| old.secret != intent.secret);
            let backlog_due = store.backlog(pair)?.map(|backlog| backlog.due_at);
            let lease_due = old.as_ref().map(Subscription::lease_due);
            let ended = Record::SubscriptionEnded { pair, lease_due, backlog_due };
            match intent.mode {
                Mode::Unsubscribe => commit.push(ended),
                Mode::Subscribe => {
                    let running = old.filter(|old| old.is_active_at(now));
                    if running.is_none() {
                        commit.push(ended);
                    }
                    let head = store.head(pair.topic)?;
                    let was = running.as_ref().map(Subscription::lease_due);
                    let subscription = self.subscription(intent, lease, asked_at, running.as_ref(), head);
                    let lease_due = subscription.lease_due();
                    commit.push(Record::SubscriptionPut { pair, subscription, was });
                    self.note_host(&intent.callback, now, &mut commit)?;
                    next_lease = Some(lease_due);
                }
            }
            info!(
                mode = %intent.mode,
                topic = intent.topic.as_str(),
                callback = %intent.callback,
                lease_seconds = lease.as_secs(),
                refresh = intent.refresh,
                secret_changed,
                "intent verified"
            );
        }
        self.settle(pair, intent, commit, is_done, next_lease).await
    }

    /// Makes the end of a verification durable, and then tells who has to know: the lease's agenda, which would sleep
    /// past a row that it looked for too early, the count of what is pending, and deliveries that waited for the secret.
    /// The caller holds the pair's lock.
    pub(super) async fn settle(
        &self,
        pair: PairId,
        intent: &PendingIntent,
        commit: Commit,
        is_done: bool,
        next_lease: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.parts.store.commit(commit).await?;
        if let Some(due) = next_lease {
            self.lease_poke.due(due);
        }
        if is_done {
            self.pending.remove(&intent.callback.host_key());
        }
        self.release(pair, intent).await
    }

    fn subscription(
        &self,
        intent: &PendingIntent,
        lease: Duration,
        asked_at: Timestamp,
        running: Option<&Subscription>,
        head: u64,
    ) -> Subscription {
        Subscription {
            topic: intent.topic.clone(),
            callback: intent.callback.clone(),
            profile: intent.profile,
            secret: intent.secret.clone(),
            verify_token: intent.verify_token.clone(),
            signature: intent.signature,
            asked_lease: intent.asked_lease,
            // Counted from the moment of the verification request (V05).
            granted_at: asked_at,
            expires_at: asked_at.after(lease),
            refresh_at: (intent.profile == Profile::P03)
                .then(|| asked_at.after(self.leases.refresh_after(lease))),
            accepted_at: intent.accepted_at,
            since_seq: running.map_or(head, |old| old.since_seq),
            stands_for: running.map_or(1, |old| old.stands_for),
        }
    }

    /// A topic that never pings may be one that the operator has polled (P15).
    pub(super) async fn poll_if_asked(&self, intent: &PendingIntent) -> Result<(), StoreError> {
        match intent.mode {
            Mode::Subscribe => self.parts.publishing.keep_polled(&intent.topic).await,
            Mode::Unsubscribe => Ok(()),
        }
    }

    /// Removes the pending intent if it is this one or older; a newer one stays (V17). Says whether it did.
    pub(super) fn clear(
        &self,
        pair: PairId,
        intent: &PendingIntent,
        commit: &mut Commit,
    ) -> Result<bool, StoreError> {
        let current = self.parts.store.intent(pair)?;
        let Some(current) = current.filter(|current| current.accepted_at <= intent.accepted_at) else {
            return Ok(false);
        };
        self.answering.forget(pair);
        commit.push(Record::IntentDone { pair, was: current.due_at });
        Ok(true)
    }

    /// The verification ends without a yes. The old state stays (V15), except that a subscriber which says no to the
    /// refresh of its own subscription has left (V19).
    async fn give_up(
        &self,
        pair: PairId,
        intent: &PendingIntent,
        is_refused: bool,
    ) -> Result<(), StoreError> {
        let _held = self.parts.store.pair_locks().write(pair.callback.as_bytes()).await;
        self.give_up_held(pair, intent, is_refused).await
    }

    /// The caller holds the pair's lock.
    pub(super) async fn give_up_held(
        &self,
        pair: PairId,
        intent: &PendingIntent,
        is_refused: bool,
    ) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let mut commit = Commit::new();
        let is_done = self.clear(pair, intent, &mut commit)?;
        let mut next_lease = None;
        if let Some(old) = store.subscription(pair)? {
            let lease_due = old.lease_due();
            if intent.refresh && is_refused && old.accepted_at == intent.accepted_at {
                let backlog_due = store.backlog(pair)?.map(|backlog| backlog.due_at);
                commit.push(Record::SubscriptionEnded { pair, lease_due: Some(lease_due), backlog_due });
            } else if !intent.refresh && old.profile == Profile::P03 && old.refresh_at.is_none() {
                // This request took the place of the refresh that was under way: it is still owed, or any stranger
                // could have a 0.3 subscription run out.
                let again = self.parts.clock.now().after(AGAIN);
                let subscription = Subscription { refresh_at: Some(again), ..old };
                next_lease = Some(subscription.lease_due());
                commit.push(Record::SubscriptionPut { pair, subscription, was: Some(lease_due) });
            }
        }
        info!(
            mode = %intent.mode,
            topic = intent.topic.as_str(),
            callback = %intent.callback,
            refused = is_refused,
            refresh = intent.refresh,
            "intent not verified"
        );
        self.settle(pair, intent, commit, is_done, next_lease).await
    }

    async fn retry(&self, pair: PairId, intent: &PendingIntent) -> Result<(), StoreError> {
        let rules = &self.parts.verification;
        let schedule = match intent.profile {
            Profile::P03 => &rules.retry_03,
            Profile::Websub => &rules.retry,
        };
        let index = usize::try_from(intent.attempts).unwrap_or(usize::MAX);
        // A refresh goes on asking until the lease ends (V19).
        let step = schedule.get(index).or_else(|| schedule.last().filter(|_| intent.refresh)).copied();
        let step = match step {
            Some(step) if step > STRANGERS && !self.is_known_host(&intent.callback)? => None,
            step => step,
        };
        let Some(step) = step else { return self.give_up(pair, intent, false).await };
        self.put_off(pair, intent, step, 1).await
    }

    pub(super) async fn put_off(
        &self,
        pair: PairId,
        intent: &PendingIntent,
        pause: Duration,
        tries: u32,
    ) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let _held = store.pair_locks().write(pair.callback.as_bytes()).await;
        let Some(current) = store.intent(pair)?.filter(|other| other.accepted_at == intent.accepted_at)
        else {
            return Ok(());
        };
        let due_at = self.parts.clock.now().after(pause);
        let attempts = intent.attempts.saturating_add(tries);
        let is_examined = intent.is_examined;
        let next = PendingIntent { due_at, attempts, is_examined, ..current.clone() };
        store.commit(Record::IntentPut { pair, intent: next, was: Some(current.due_at) }.into()).await?;
        self.poke.due(due_at);
        Ok(())
    }
}
