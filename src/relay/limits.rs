//! Slaps a minute in the name of one author, from however many addresses.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    DefaultKeyedRateLimiter, Quota,
    clock::{Clock as _, DefaultClock},
};

use crate::protocol::NameId;

#[derive(Debug)]
pub(super) struct Limits(DefaultKeyedRateLimiter<NameId>);

impl Limits {
    pub(super) fn new(by_author: NonZeroU32) -> Self {
        Self(DefaultKeyedRateLimiter::keyed(Quota::per_minute(by_author)))
    }

    /// One more of this author; else how long it has to wait.
    pub(super) fn by_author(&self, author: NameId) -> Result<(), Duration> {
        self.0.check_key(&author).map_err(|not_until| not_until.wait_time_from(DefaultClock::default().now()))
    }

    /// Forgets who has not been heard of.
    pub(super) fn forget(&self) {
        self.0.retain_recent();
        self.0.shrink_to_fit();
    }
}
