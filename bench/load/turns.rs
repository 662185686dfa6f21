//! The rounds: hub and limit take turns.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::{sleep, timeout};

use crate::{
    progress::Progress,
    raw,
    report::Report,
    round::{Kind, Round, Spent},
    sink::VERIFICATIONS,
    stage::{PROMPT, Stage},
};

/// At the end, for what comes late or twice.
const QUIET: Duration = Duration::from_secs(2);

impl Stage {
    /// Rounds for warming up, and such that count, of the hub, of the hub beside misbehaviour if there is any, and of
    /// the limit, one after the other.
    pub(crate) async fn rounds(&mut self, warm_up: u32, rounds: u32) -> Result<Vec<Round>> {
        let all = warm_up.saturating_add(rounds);
        let is_disturbed = !self.cast.disturbed_topics().is_empty();
        let mut done = Vec::new();
        for number in 1..=all {
            let what = format!("round {number} of {all}");
            let counts = number > warm_up;
            done.push(Round { counts, ..self.hub_round(Kind::Hub, number, &what).await? });
            if is_disturbed {
                done.push(Round { counts, ..self.hub_round(Kind::Disturbed, number, &what).await? });
            }
            done.push(Round { counts, ..self.raw_round(number).await? });
        }
        Ok(done)
    }

    pub(crate) async fn hub_round(&mut self, kind: Kind, number: u32, what: &str) -> Result<Round> {
        let topics = match kind {
            Kind::Disturbed => self.cast.disturbed_topics(),
            Kind::Hub | Kind::Limit => self.cast.steady_topics(),
        };
        let subscribers = self.cast.healthy(topics.clone());
        let progress = Progress::start(&format!("{what}, {}", kind.name()), subscribers);
        let before = (self.hub.usage()?, self.sink.usage()?);
        let publication = kind.publication(number);
        let began = timeout(PROMPT, self.topics.publish(publication, topics)).await;
        let began = began.context("the hub hangs")??;
        let count = self.until(publication, subscribers, &progress).await?.count;
        self.hub.until_idle(self.within).await?;
        let spent = Spent { own: (before.0, self.hub.usage()?), sink: (before.1, self.sink.usage()?) };
        Ok(Round::of(kind, number, subscribers, began, &count, &spent))
    }

    async fn raw_round(&mut self, number: u32) -> Result<Round> {
        let publication = Kind::Limit.publication(number);
        let before = (self.raw.usage()?, self.sink.usage()?);
        let order = raw::Order { publication, topic_url: self.topics.url(0), hub_url: self.hub.url.clone() };
        self.raw.tell(&order)?;
        let raw::Done { began, failed } = self.raw.answer(self.within).await?;
        ensure!(failed == 0, "{failed} posts of the limit failed");
        let count = self.told(vec![publication]).await?.count;
        let spent = Spent { own: (before.0, self.raw.usage()?), sink: (before.1, self.sink.usage()?) };
        Ok(Round::of(Kind::Limit, number, self.cast.steady, began, &count, &spent))
    }

    /// Adds to the report what only shows at the end, and ends the hub.
    pub(crate) async fn conclude(&mut self, report: &mut Report) -> Result<()> {
        sleep(QUIET).await;
        for round in &mut report.rounds {
            round.settle(&self.told(vec![round.publication]).await?.count);
        }
        report.sum_up();
        for (kind, summary) in report.summaries() {
            let publications = report.rounds.iter().filter(|round| round.kind == kind && round.counts);
            let publications: Vec<_> = publications.map(|round| round.publication).collect();
            if publications.is_empty() {
                continue;
            }
            report.put(
                kind,
                crate::round::Summary { latency: self.told(publications).await?.latency, ..summary },
            );
        }
        let told = self.told(vec![VERIFICATIONS]).await?;
        (report.verified, report.astray) = (told.count, told.astray);
        (report.connections, report.handshakes, report.resumed) =
            (told.connections, told.handshakes, told.resumed);
        let usage = self.hub.usage()?;
        (report.peak_kib, report.written) = (usage.peak_kib, usage.written);
        report.counts = self.hub.counts().await?;
        (report.ended, report.log) = self.hub.stop().await?;
        Ok(())
    }
}
