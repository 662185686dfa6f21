//! Who subscribes to what. Pure.

use std::{net::SocketAddr, ops::Range};

use crate::habit::{ByHabit, Habits, Shares};

/// All subscribers, by number: those of the first topic, of the second, and so on.
#[derive(Debug, Clone)]
pub(crate) struct Cast {
    topics: Vec<Range<u32>>,
    habits: Habits,
    shares: Shares,
    /// Those of the topics that are not disturbed.
    pub(crate) steady: u32,
}

impl Cast {
    /// So many topics with so many healthy subscribers each; and if anybody misbehaves, one more topic, with as many
    /// healthy subscribers as all the others have, and with them the ones that misbehave.
    pub(crate) fn new(topics: u32, subscribers: u32, shares: Shares) -> Self {
        let steady = topics.saturating_mul(subscribers);
        let mut ranges: Vec<_> = (0..topics)
            .map(|topic| {
                topic.saturating_mul(subscribers)..topic.saturating_add(1).saturating_mul(subscribers)
            })
            .collect();
        let healthy = 100_u32.saturating_sub(shares.sum().into()).max(1);
        if shares.sum() > 0 {
            let disturbed = u64::from(steady).saturating_mul(100).div_ceil(healthy.into());
            let end = u64::from(steady).saturating_add(disturbed);
            ranges.push(steady..u32::try_from(end).unwrap_or(u32::MAX));
        }
        Self { topics: ranges, habits: Habits::new(steady, &shares), shares, steady }
    }

    /// The topics without and with misbehaviour.
    pub(crate) fn steady_topics(&self) -> Range<usize> {
        0..self.topics.len().saturating_sub(usize::from(self.shares.sum() > 0))
    }

    pub(crate) fn disturbed_topics(&self) -> Range<usize> {
        self.steady_topics().end..self.topics.len()
    }

    pub(crate) fn topics(&self) -> usize {
        self.topics.len()
    }

    pub(crate) fn subscribers(&self) -> u32 {
        self.topics.last().map_or(0, |range| range.end)
    }

    pub(crate) fn topic_of(&self, subscriber: u32) -> usize {
        self.topics.partition_point(|range| range.end <= subscriber)
    }

    /// How many healthy ones these topics have.
    pub(crate) fn healthy(&self, topics: Range<usize>) -> u32 {
        let ranges = self.topics.get(topics).unwrap_or_default();
        let numbers = ranges.iter().cloned().flatten();
        let healthy = numbers.filter(|number| self.habits.of(*number) == crate::habit::Habit::Healthy);
        u32::try_from(healthy.count()).unwrap_or(u32::MAX)
    }

    /// Where a subscriber is, among the addresses of the sink.
    pub(crate) fn address(
        &self,
        subscriber: u32,
        addresses: &ByHabit<Vec<SocketAddr>>,
    ) -> Option<SocketAddr> {
        let addresses = addresses.get(self.habits.of(subscriber));
        let place = usize::try_from(subscriber).ok()?.checked_rem(addresses.len())?;
        addresses.get(place).copied()
    }

    /// The same as arguments of the sink.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = self.shares.arguments();
        arguments.push(format!("--subscribers={}", self.subscribers()));
        arguments.push(format!("--steady={}", self.steady));
        arguments
    }
}
