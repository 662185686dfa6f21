//! Verification of intent: ask the callback, and judge the echo (V01-V14).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCEPT, AUTHORIZATION},
};
use tokio::time::timeout;
use tracing::debug;

use super::{Subscribing, denial::Examined};
use crate::{
    agenda::Work,
    outbound::{Outgoing, Overflow, Purpose},
    protocol::{Mode, PairId, Profile, Reply, Situation, Verdict, VerifyMode, verification},
    store::{Due, PendingIntent, Record, StoreError},
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

/// The work of the agenda of intents.
#[derive(Debug)]
pub struct Verifying(pub Arc<Subscribing>);

impl Work for Verifying {
    async fn run(self: Arc<Self>, due: Due) -> Result<(), StoreError> {
        self.0.verify(due).await
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
        let intent = match self.examine(&intent, Duration::ZERO).await? {
            Examined::Allowed => PendingIntent { is_examined: true, ..intent },
            Examined::Denied(reason) => return self.deny(pair, &intent, reason).await,
            Examined::Unknown => return self.retry(pair, &intent).await,
            Examined::Busy => return self.stand_aside(pair, &intent).await,
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

    async fn retry(&self, pair: PairId, intent: &PendingIntent) -> Result<(), StoreError> {
        match self.next_step(intent)? {
            Some(step) => self.put_off(pair, intent, step, 1).await,
            None => self.give_up(pair, intent, false).await,
        }
    }

    /// The pause before the next try of an intent; `None` where the one that failed was the last (V13).
    pub(super) fn next_step(&self, intent: &PendingIntent) -> Result<Option<Duration>, StoreError> {
        let rules = &self.parts.verification;
        let schedule = match intent.profile {
            Profile::P03 => &rules.retry_03,
            Profile::Websub => &rules.retry,
        };
        let index = usize::try_from(intent.attempts).unwrap_or(usize::MAX);
        // A refresh goes on asking until the lease ends (V19).
        let step = schedule.get(index).or_else(|| schedule.last().filter(|_| intent.refresh)).copied();
        Ok(match step {
            Some(step) if step > STRANGERS && !self.is_known_host(&intent.callback)? => None,
            step => step,
        })
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
