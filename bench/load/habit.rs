//! How subscribers behave, and how many of them how. Who behaves how follows from its number. Pure.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// How a subscriber takes its deliveries. All of them verify what they are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Habit {
    /// 204 at once.
    Healthy,
    /// Reads the request and never answers.
    Silent,
    /// Answers 503.
    Failing,
    /// Answers 204 after a while.
    Slow,
    /// Its address takes no connections after the verification.
    Refusing,
    /// Reads the request and closes the connection.
    Closing,
}

impl Habit {
    pub(crate) const ALL: [Self; 6] =
        [Self::Healthy, Self::Silent, Self::Failing, Self::Slow, Self::Refusing, Self::Closing];

    /// The third octet of its loopback addresses.
    pub(crate) fn network(self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Silent => 1,
            Self::Failing => 2,
            Self::Slow => 3,
            Self::Refusing => 4,
            Self::Closing => 5,
        }
    }
}

/// How many of a hundred subscribers of the disturbed topic misbehave. Any of these makes that topic.
#[derive(Debug, Clone, Copy, Default, Serialize, clap::Args)]
pub(crate) struct Shares {
    /// Percent that read the request and never answer
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    pub(crate) silent: u8,
    /// Percent that answer 503
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    pub(crate) failing: u8,
    /// The failing ones take a delivery after failing so often; 0: never
    #[arg(long, value_name = "TIMES", default_value_t = 0)]
    pub(crate) failing_times: u8,
    /// Percent that answer late
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    pub(crate) slow: u8,
    /// How late, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 500)]
    pub(crate) slow_by: u32,
    /// Percent whose address refuses connections
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    pub(crate) refusing: u8,
    /// Percent that read the request and close the connection
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    pub(crate) closing: u8,
    /// They share the addresses of the healthy; but who refuses connections always has an address of its own
    #[arg(long)]
    pub(crate) mixed: bool,
}

impl Shares {
    fn all(&self) -> [(Habit, u8); 5] {
        [
            (Habit::Silent, self.silent),
            (Habit::Failing, self.failing),
            (Habit::Slow, self.slow),
            (Habit::Refusing, self.refusing),
            (Habit::Closing, self.closing),
        ]
    }

    /// How many of a hundred misbehave.
    pub(crate) fn sum(&self) -> u8 {
        self.all().iter().map(|(_, share)| *share).fold(0, u8::saturating_add)
    }

    /// The same as arguments of the sink.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            format!("--silent={}", self.silent),
            format!("--failing={}", self.failing),
            format!("--failing-times={}", self.failing_times),
            format!("--slow={}", self.slow),
            format!("--slow-by={}", self.slow_by),
            format!("--refusing={}", self.refusing),
            format!("--closing={}", self.closing),
        ];
        arguments.extend(self.mixed.then(|| "--mixed".to_owned()));
        arguments
    }
}

/// Who behaves how.
#[derive(Debug, Clone)]
pub(crate) struct Habits {
    /// Below this number all are healthy.
    from: u32,
    /// From there on, over and over.
    hundred: [Habit; 100],
}

impl Habits {
    /// Those from number `from` on misbehave in these shares.
    pub(crate) fn new(from: u32, shares: &Shares) -> Self {
        // In steps of 37, which has no part in common with 100: so all places are filled, and no kind stands in a row.
        let mut left = shares.all();
        let mut hundred = [Habit::Healthy; 100];
        let mut place = 0_usize;
        for (habit, share) in &mut left {
            for _ in 0..*share {
                if let Some(slot) = hundred.get_mut(place % 100) {
                    *slot = *habit;
                }
                place = place.saturating_add(37);
            }
        }
        Self { from, hundred }
    }

    pub(crate) fn of(&self, subscriber: u32) -> Habit {
        let Some(number) = subscriber.checked_sub(self.from) else { return Habit::Healthy };
        let place = usize::try_from(number % 100).unwrap_or_default();
        self.hundred.get(place).copied().unwrap_or(Habit::Healthy)
    }
}

/// Something for each habit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ByHabit<T>([T; 6]);

impl ByHabit<Vec<SocketAddr>> {
    /// Of all of them.
    pub(crate) fn hosts(&self) -> Vec<String> {
        self.0.iter().flatten().map(|address| address.ip().to_string()).collect()
    }
}

impl<T> ByHabit<T> {
    pub(crate) fn get(&self, habit: Habit) -> &T {
        let [healthy, silent, failing, slow, refusing, closing] = &self.0;
        match habit {
            Habit::Healthy => healthy,
            Habit::Silent => silent,
            Habit::Failing => failing,
            Habit::Slow => slow,
            Habit::Refusing => refusing,
            Habit::Closing => closing,
        }
    }

    pub(crate) fn get_mut(&mut self, habit: Habit) -> &mut T {
        let [healthy, silent, failing, slow, refusing, closing] = &mut self.0;
        match habit {
            Habit::Healthy => healthy,
            Habit::Silent => silent,
            Habit::Failing => failing,
            Habit::Slow => slow,
            Habit::Refusing => refusing,
            Habit::Closing => closing,
        }
    }
}
