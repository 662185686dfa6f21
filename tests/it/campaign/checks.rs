//! Whether the hub, started again, keeps what it promised.

use std::collections::HashMap;

use super::model::Round;
use crate::harness::{Callback, Delivery, Form, Reply, Stage, sha1_signature, soon};

impl Round {
    /// Fails unless everything is made good that was acknowledged. Returns how many deliveries were repeats.
    pub(super) async fn is_made_good(&mut self, stage: &Stage) -> usize {
        for callback in &self.failing {
            callback.always_reply(Reply::Status(204));
        }
        for callback in &self.came {
            callback.confirmed(1).await;
        }
        let due = &self.entries[..self.pinged];
        for callback in self.steady().chain(&self.leaving) {
            for entry in due {
                callback.delivered_where(entry, |one| self.feed.has_in(&one.body, entry)).await;
            }
        }
        let before = self.entries.len();
        self.news_reach_everybody(stage, before).await;
        let mut repeats = 0;
        for callback in self.steady().chain(&self.leaving) {
            repeats += self.is_told_in_order(callback);
        }
        for callback in &self.left {
            let late = |one: &Delivery| {
                self.entries[before..].iter().any(|entry| self.feed.has_in(&one.body, entry))
            };
            assert!(!callback.attempts().iter().any(late), "{} had left", callback.url());
        }
        for one in &self.renewing {
            let last = one.callback.deliveries().pop().unwrap();
            // The one that was acknowledged, or the one that was being asked for when the hub died.
            let right = (one.acknowledged..=one.asked).map(|number| one.secret(number));
            let signature = last.header("x-hub-signature");
            let is_right = right
                .map(|secret| sha1_signature(secret.as_bytes(), &last.body))
                .any(|wanted| signature == Some(wanted.as_str()));
            assert!(is_right, "{} is signed with an old secret: {signature:?}", one.callback.url());
        }
        repeats
    }

    /// A confirmation that a kill kept from the disk is asked for again, and nothing tells when; so there is news until it
    /// reaches everybody who is there.
    async fn news_reach_everybody(&mut self, stage: &Stage, before: usize) {
        soon("news to reach everybody", async {
            loop {
                self.publish();
                stage.hub.post(&Form::publish(&self.topic)).await.expect(204);
                let newest = &self.entries[self.entries.len() - 1];
                self.well[0].delivered_where(newest, |one| self.feed.has_in(&one.body, newest)).await;
                let has_news = |callback: &Callback| {
                    let news = &self.entries[before..];
                    let is_new = |one: &Delivery| news.iter().any(|entry| self.feed.has_in(&one.body, entry));
                    callback.deliveries().iter().any(is_new)
                };
                if self.steady().chain(&self.leaving).chain(&self.came).all(has_news) {
                    return;
                }
            }
        })
        .await;
    }

    /// Whatever a callback sees for the first time is newer than all that it saw before. Returns how many deliveries
    /// repeat an entry.
    fn is_told_in_order(&self, callback: &Callback) -> usize {
        let place: HashMap<_, _> = self.entries.iter().zip(0..).collect();
        let mut seen: Vec<usize> = Vec::new();
        let mut repeats = 0;
        for delivery in callback.deliveries() {
            let found = self.entries.iter().filter(|entry| self.feed.has_in(&delivery.body, entry));
            let (old, new): (Vec<usize>, Vec<usize>) =
                found.map(|entry| place[entry]).partition(|at| seen.contains(at));
            repeats += usize::from(!old.is_empty());
            let newest = seen.iter().max();
            let is_newer = new.iter().all(|at| newest.is_none_or(|newest| at > newest));
            assert!(is_newer, "{} was told of {new:?} after {seen:?}", callback.url());
            seen.extend(new);
        }
        repeats
    }
}
