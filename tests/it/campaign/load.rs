//! Everything that is asked of a hub at once, until it dies.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::model::Round;
use crate::harness::{Client, Form, Page, Stage};

/// What asks.
pub(super) struct Load {
    client: Client,
    url: String,
    seed: u64,
}

impl Load {
    pub(super) fn of(stage: &Stage, seed: u64) -> Self {
        Self { client: stage.hub.client().clone(), url: stage.hub.url().to_owned(), seed }
    }

    /// Says whether the request was acknowledged; `None` when the hub is dead.
    async fn ask(&self, form: &Form, status: u16) -> Option<()> {
        self.client.try_post(&self.url, form).await.map(|answer| drop(answer.expect(status)))
    }

    /// Pings, renewals, comers and leavers beside each other. What each of them needs it takes out of the round meanwhile.
    pub(super) async fn run(&self, mut round: Round) -> Round {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let topic = round.topic.clone();
        let (mut feed, mut entries) = (round.feed, round.entries);
        let (mut renewing, mut leaving, mut newcomers) = (round.renewing, round.leaving, round.newcomers);
        let (mut pinged, mut pings) = (0, 0);
        let (mut came, mut left, mut between) = (Vec::new(), Vec::new(), Vec::new());
        let pinging = async {
            // The first entry is there already.
            while self.ask(&Form::publish(&topic), 204).await.is_some() {
                (pinged, pings) = (entries.len(), pings + 1);
                entries.push(feed.add());
                topic.put(Page::of(feed.flavour().content_type(), feed.document()));
            }
        };
        let renewals = async {
            for turn in 0.. {
                let one = &mut renewing[turn % 2];
                one.asked += 1;
                let form = one.form(&topic);
                if self.ask(&form, 204).await.is_none() {
                    break;
                }
                one.acknowledged = one.asked;
            }
        };
        let comings = async {
            while let Some(callback) = newcomers.pop() {
                let form = Form::subscribe(&topic, &callback);
                let (form, status) = if rng.random() { (form, 202) } else { (form.sync(), 204) };
                if self.ask(&form, status).await.is_none() {
                    break;
                }
                came.push(callback);
            }
        };
        let leavings = async {
            while let Some(callback) = leaving.pop() {
                let form = Form::unsubscribe(&topic, &callback).sync();
                if self.ask(&form, 204).await.is_none() {
                    between.push(callback);
                    break;
                }
                left.push(callback);
            }
        };
        tokio::join!(pinging, renewals, comings, leavings);
        (round.feed, round.entries, round.pinged, round.pings) = (feed, entries, pinged, pings);
        (round.renewing, round.leaving, round.newcomers) = (renewing, leaving, newcomers);
        (round.came, round.left, round.between) = (came, left, between);
        round
    }
}
