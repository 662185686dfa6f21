//! From a request to a verdict, step by step (`salmon.md` 3.3): sound, from its author, fresh, not too much; then it is
//! settled.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{sync::SemaphorePermit, time::timeout};
use tracing::{debug, error};

use super::{
    Relay,
    answer::Answer,
    lookup::{Confirmed, Unconfirmed},
    reading::{self, Read},
};
use crate::{
    clock::Timestamp,
    outbound::Permit,
    protocol::NameId,
    salmon::{Form, Identity, KeySizes, LegacyForm, PublicKey, ReplayKey, Verified},
    store::{Account, LaneId, StoreError},
};

/// How long a slap waits for its turn to be read or verified.
const TURN: Duration = Duration::from_secs(5);

/// The right to have one more slap here, from before its body is read until it is answered.
#[derive(Debug)]
pub struct Room(#[expect(dead_code, reason = "held, and given back when dropped")] Permit);

/// A slap as it came.
#[derive(Debug)]
pub struct Slap {
    pub body: Bytes,
    pub media_type: String,
    /// On whose behalf others are asked: the client as its rates are counted.
    pub from: IpAddr,
    pub room: Room,
}

/// A slap and what is known of it before it is read.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) id: NameId,
    pub(super) account: Arc<Account>,
    pub(super) body: Bytes,
    pub(super) media_type: String,
    pub(super) from: String,
    pub(super) received_at: Timestamp,
    /// It was kept, and is looked at again.
    pub(super) is_again: bool,
}

/// A slap that its author has signed.
#[derive(Debug)]
pub(super) struct Proven {
    pub(super) arrived: Arrived,
    pub(super) read: Read,
    pub(super) author: Confirmed,
    pub(super) form: Form,
    /// By which it is known when it comes again.
    pub(super) replay: ReplayKey,
}

/// What a look at a slap came to.
#[derive(Debug)]
pub(super) enum Verdict {
    Answered(Answer),
    /// Who it is from cannot be told yet.
    Doubtful(Box<Doubtful>),
}

/// A slap whose author cannot be asked for yet, and the lane in which it waits.
#[derive(Debug)]
pub(super) struct Doubtful {
    pub(super) arrived: Arrived,
    pub(super) read: Read,
    pub(super) lane: LaneId,
    /// Its author is known, and it waits for those before it alone.
    pub(super) is_known: bool,
}

/// Why a slap is not shown to be from its author.
enum Unverified {
    Answered(Answer),
    /// It fits no key that is known of this name, and it cannot be asked for others.
    Doubtful(Box<Read>, Identity),
}

impl From<Answer> for Unverified {
    fn from(answer: Answer) -> Self {
        Self::Answered(answer)
    }
}

impl From<Answer> for Verdict {
    fn from(answer: Answer) -> Self {
        Self::Answered(answer)
    }
}

impl Relay {
    /// Room for one more slap of this client, as its rates are counted, if there is any: the look-ups of one may take
    /// seconds, and each is held in memory.
    pub fn room_for(&self, client: IpAddr) -> Option<Room> {
        self.slaps.try_enter(&client.to_string()).map(Room)
    }

    /// Takes a slap for the account of this name. What it changes is on disk before a 200 or 202 is.
    pub async fn receive(&self, account: &str, slap: Slap) -> Answer {
        let answer = Box::pin(self.answer(account, slap)).await.unwrap_or_else(|error| {
            // The reason is the operator's: it may name a path.
            debug!(%error, "a slap could not be stored");
            Answer::Later("the relay cannot store the slap at this moment; try again")
        });
        self.parts.metrics.slaps.add(answer.counted());
        answer
    }

    async fn answer(&self, account: &str, slap: Slap) -> Result<Answer, StoreError> {
        let Some(id) = reading::account_id(account) else { return Ok(Answer::Unknown) };
        let Some(account) = self.parts.store.account(id)? else { return Ok(Answer::Unknown) };
        if account.removed_at.is_some() {
            return Ok(Answer::Gone);
        }
        let Slap { body, media_type, from, room: _room } = slap;
        let received_at = self.parts.clock.now();
        let account = Arc::new(account);
        let from = from.to_string();
        let arrived = Arrived { id, account, body, media_type, from, received_at, is_again: false };
        match Box::pin(self.judge(arrived)).await? {
            Verdict::Answered(answer) => Ok(answer),
            Verdict::Doubtful(slap) => {
                // Who asks to be let in waits for the decision.
                if slap.read.is_join(&slap.arrived.account) {
                    if slap.is_known {
                        self.bring_on(slap.arrived.id, slap.lane).await?;
                    }
                    return Ok(Answer::Later("the author cannot be looked up at this moment; try again"));
                }
                self.keep(*slap).await
            }
        }
    }

    /// All of it, up to its being on disk.
    pub(super) async fn judge(&self, arrived: Arrived) -> Result<Verdict, StoreError> {
        let read = match self.read(&arrived).await {
            Ok(read) => read,
            Err(answer) => return Ok(answer.into()),
        };
        if let Some(answer) = self.objection(&arrived, &read) {
            return Ok(answer.into());
        }
        let waiting = read.claimed_lanes(&arrived.account).find(|lane| self.doubts.waits(arrived.id, *lane));
        let waiting = waiting.filter(|_| !arrived.is_again);
        let author = match Box::pin(self.parts.lookup.confirm(&read.claims, &arrived.from)).await {
            Ok(author) => author,
            // In the lane of that name and of no other: a stranger may have added one whose host is down on purpose, and
            // those whose names it has besides do not wait for that.
            Err(Unconfirmed::Later(name)) => {
                let lane = waiting.unwrap_or_else(|| read.lane(&arrived.account, &name));
                return Ok(Verdict::Doubtful(Box::new(Doubtful { arrived, read, lane, is_known: false })));
            }
            Err(unconfirmed) => return Ok(Answer::from(unconfirmed).into()),
        };
        // It must not overtake what is kept.
        if let Some(lane) = waiting {
            return Ok(Verdict::Doubtful(Box::new(Doubtful { arrived, read, lane, is_known: true })));
        }
        let (read, author, form) = match self.verify(&arrived, read, author).await {
            Ok(proven) => proven,
            Err(Unverified::Answered(answer)) => return Ok(answer.into()),
            Err(Unverified::Doubtful(read, name)) => {
                let read = *read;
                let lane = read.unproven_lane(&arrived.account, &name);
                return Ok(Verdict::Doubtful(Box::new(Doubtful { arrived, read, lane, is_known: false })));
            }
        };
        let mut names = author.descriptor().identities();
        names.push(author.subject.clone());
        if Read::is_blocked(&arrived.account, &names) {
            return Ok(blocked().into());
        }
        // Nor is what its author has sent before: a feed of a group shows it to everybody.
        let replay = read.entry.replay_key(&arrived.account.name, &author.subject);
        if self.was_taken(arrived.id, replay)? {
            return Ok(Answer::Taken.into());
        }
        // Counted when it is shown whose it is: anybody could use up what somebody else may send.
        if let Err(wait) = self.limits.by_author(author.subject.id()) {
            return Ok(Answer::TooMany { wait }.into());
        }
        self.settle(Proven { arrived, read, author, form, replay }).await.map(Verdict::from)
    }

    async fn read(&self, arrived: &Arrived) -> Result<Read, Answer> {
        let (account, body) = (Arc::clone(&arrived.account), arrived.body.clone());
        self.blocking(move || Read::new(&account, &body)).await?
    }

    /// What is against it that can be told without asking anybody.
    fn objection(&self, arrived: &Arrived, read: &Read) -> Option<Answer> {
        if Read::is_blocked(&arrived.account, read.claims.names()) {
            return Some(blocked());
        }
        let oldest = arrived.received_at.before(self.parts.salmon.max_age?);
        let is_too_old = read.is_older_than(oldest);
        is_too_old.then(|| Answer::Malformed("the entry is older than what is taken here".to_owned()))
    }

    /// Looks for a signature of one of the author's keys; of their newest, if none fits one that was known before.
    async fn verify(
        &self,
        arrived: &Arrived,
        read: Read,
        author: Confirmed,
    ) -> Result<(Read, Confirmed, Form), Unverified> {
        let unproven = || Answer::Unproven("no signature is one of the author's key".to_owned());
        let (read, verified) = self.try_keys(read, &author).await?;
        if let Some(Verified { form, .. }) = verified {
            return Ok((read, author, form));
        }
        let again = self.parts.lookup.reconfirm(&read.claims, &author, &arrived.from).await;
        let author = match again.ok_or_else(unproven)? {
            Ok(author) => author,
            Err(Unconfirmed::Later(name)) => return Err(Unverified::Doubtful(Box::new(read), name)),
            Err(unconfirmed) => return Err(Answer::from(unconfirmed).into()),
        };
        let (read, verified) = self.try_keys(read, &author).await?;
        let Verified { form, .. } = verified.ok_or_else(unproven)?;
        Ok((read, author, form))
    }

    async fn try_keys(&self, read: Read, author: &Confirmed) -> Result<(Read, Option<Verified>), Answer> {
        let rules = &self.parts.salmon;
        let sizes = if rules.small_keys { KeySizes::Weak } else { KeySizes::default() };
        let legacy = if rules.legacy_form { LegacyForm::Accepted } else { LegacyForm::Refused };
        let keys = author.descriptor().keys(sizes);
        let keys: Vec<PublicKey> = keys.into_iter().flatten().map(|(key, _)| key).collect();
        self.blocking(move || {
            let verified = read.envelope.verify(&keys, legacy);
            (read, verified)
        })
        .await
    }

    /// Runs what costs time, not many at once, on a thread that may be busy.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Answer> {
        let turn: Result<SemaphorePermit<'_>, _> = match timeout(TURN, self.turns.acquire()).await {
            Ok(turn) => turn,
            Err(_elapsed) => return Err(Answer::busy()),
        };
        let Ok(_turn) = turn else { return Err(Answer::busy()) };
        tokio::task::spawn_blocking(work).await.map_err(|_panic| {
            // Without its message, which may be made of anything.
            error!("a slap could not be looked at");
            Answer::Later("the relay failed")
        })
    }
}

fn blocked() -> Answer {
    Answer::Forbidden("the account takes nothing from this author")
}
