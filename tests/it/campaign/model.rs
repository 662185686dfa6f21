//! What a round knows: who is there, and what the hub acknowledged to whom before it was killed.

use crate::harness::{Callback, Feed, Flavour, Form, Page, Reply, Stage, Topic};

/// One round: a feed of its own, with subscribers of every kind.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) topic: Topic,
    pub(super) feed: Feed,
    /// The entries in the order in which they were published.
    pub(super) entries: Vec<String>,
    /// How many of them were published when the last ping was acknowledged.
    pub(super) pinged: usize,
    pub(super) pings: usize,
    /// Subscribed before the trouble, and answer at once.
    pub(super) well: Vec<Callback>,
    /// The same, but answer later than a fan-out waits for.
    pub(super) slow: Vec<Callback>,
    /// The same, but answer with an error until they are told otherwise.
    pub(super) failing: Vec<Callback>,
    pub(super) renewing: Vec<Renewing>,
    /// Subscribed before, and will leave.
    pub(super) leaving: Vec<Callback>,
    /// Those who left, by 204.
    pub(super) left: Vec<Callback>,
    /// Who asked to leave and got no answer: both is right.
    pub(super) between: Vec<Callback>,
    /// Not there yet.
    pub(super) newcomers: Vec<Callback>,
    /// Those who came, by 202 or 204.
    pub(super) came: Vec<Callback>,
}

/// Somebody whose secret changes with each renewal.
#[derive(Debug)]
pub(super) struct Renewing {
    pub(super) callback: Callback,
    /// The secrets it has asked for.
    pub(super) asked: usize,
    /// How many of them it had asked for when a renewal was last acknowledged.
    pub(super) acknowledged: usize,
}

impl Renewing {
    pub(super) fn secret(&self, number: usize) -> String {
        format!("secret {number} of {}", self.callback.url())
    }

    pub(super) fn form(&self, topic: &Topic) -> Form {
        Form::subscribe(topic, &self.callback).secret(self.secret(self.asked)).sync()
    }
}

impl Round {
    pub(super) async fn set(stage: &Stage, number: usize) -> Self {
        let topic = stage.publisher.topic(&format!("/round/{number}"));
        let some = |kind: &str, count: usize| -> Vec<Callback> {
            (0..count)
                .map(|index| stage.subscriber.callback(&format!("/round/{number}/{kind}/{index}")))
                .collect()
        };
        let (well, slow, failing) = (some("well", 5), some("slow", 2), some("failing", 2));
        let (leaving, newcomers) = (some("leaving", 6), some("new", 100));
        for callback in &slow {
            // More than the patience of the configuration.
            callback.always_reply(Reply::After(std::time::Duration::from_millis(400), 204));
        }
        for callback in &failing {
            callback.always_reply(Reply::Status(503));
        }
        for callback in well.iter().chain(&slow).chain(&failing).chain(&leaving) {
            stage.subscribe_03(&topic, callback).await;
        }
        let renewing = some("renewing", 2).into_iter();
        let renewing: Vec<_> =
            renewing.map(|callback| Renewing { callback, asked: 1, acknowledged: 1 }).collect();
        for one in &renewing {
            stage.accept_sync(&one.form(&topic)).await;
        }
        let feed = Feed::new(Flavour::Atom, 0, &topic.url(), &[stage.hub.url()]);
        let (left, between, came) = (Vec::new(), Vec::new(), Vec::new());
        let mut round = Self {
            topic,
            feed,
            entries: Vec::new(),
            pinged: 0,
            pings: 0,
            well,
            slow,
            failing,
            renewing,
            leaving,
            left,
            between,
            newcomers,
            came,
        };
        round.publish();
        round
    }

    /// Puts up one more entry.
    pub(super) fn publish(&mut self) {
        self.entries.push(self.feed.add());
        self.topic.put(Page::of(self.feed.flavour().content_type(), self.feed.document()));
    }

    /// Requests that were acknowledged during the trouble.
    pub(super) fn acknowledged(&self) -> usize {
        let renewals: usize = self.renewing.iter().map(|one| one.acknowledged - 1).sum();
        self.pings + renewals + self.left.len() + self.came.len()
    }

    /// Those who were subscribed all the time.
    pub(super) fn steady(&self) -> impl Iterator<Item = &Callback> {
        let renewing = self.renewing.iter().map(|one| &one.callback);
        self.well.iter().chain(&self.slow).chain(&self.failing).chain(renewing)
    }

    /// How many deliveries one kill may repeat: a batch of the fan-out under way, what was being caught up with, and what
    /// the fan-out had gone past because it was slow.
    pub(super) fn repeats_at_most(&self, batch: usize) -> usize {
        batch + self.slow.len() + self.failing.len()
    }
}
