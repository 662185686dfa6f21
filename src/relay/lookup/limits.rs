//! How often a minute one may make us ask, and one may be asked.

use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, Quota};

/// Keys that are counted; with more, whoever is new has to wait until others are forgotten.
const MOST_KEYS: usize = 20_000;

#[derive(Debug)]
pub(super) struct Limits {
    asking: DefaultKeyedRateLimiter<String>,
    asked: DefaultKeyedRateLimiter<String>,
    /// For the sites beside us.
    asked_by_us: DefaultKeyedRateLimiter<String>,
}

impl Limits {
    pub(super) fn new(per_minute: NonZeroU32) -> Self {
        let keyed = || DefaultKeyedRateLimiter::keyed(Quota::per_minute(per_minute));
        Self { asking: keyed(), asked: keyed(), asked_by_us: keyed() }
    }

    /// Whether there may be another look-up because of this one.
    pub(super) fn may_ask(&self, asking: &str) -> bool {
        check(&self.asking, asking)
    }

    /// Whether this host may be asked in another look-up, for strangers or for a site beside us: strangers cannot use up
    /// what that needs.
    pub(super) fn may_be_asked(&self, host: &str, is_own: bool) -> bool {
        check(if is_own { &self.asked_by_us } else { &self.asked }, host)
    }

    pub(super) fn forget(&self) {
        self.asking.retain_recent();
        self.asked.retain_recent();
        self.asked_by_us.retain_recent();
    }
}

fn check(limiter: &DefaultKeyedRateLimiter<String>, key: &str) -> bool {
    if limiter.len() >= MOST_KEYS {
        limiter.retain_recent();
        if limiter.len() >= MOST_KEYS {
            return false;
        }
    }
    limiter.check_key(&key.to_owned()).is_ok()
}
