//! How long a subscription lasts, and when the hub of 0.3 asks again.

use std::time::Duration;

/// A refresh this long before the end leaves a day in which a subscriber may be down (V19).
const REFRESH_MARGIN: Duration = Duration::from_hours(24);

/// A smaller fraction would have a short lease asked for again without a pause (X04).
const MIN_REFRESH_AT: f64 = 0.1;

/// What the operator grants, whatever is asked (S15, V18).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeaseRules {
    pub min: Duration,
    /// Granted to whoever asks for nothing.
    pub default: Duration,
    /// Wins over `min` should they cross: a lease without end is what `WebSub` forbids (V18).
    pub max: Duration,
    /// The fraction of a 0.3 lease after which the hub asks again: 0.1 to 1, and the nearer end for what lies outside.
    pub refresh_at: f64,
}

impl Default for LeaseRules {
    /// Ten days as the texts advise, between five minutes and thirty days: what GNU social asks for (V18).
    fn default() -> Self {
        Self {
            min: Duration::from_mins(5),
            default: Duration::from_hours(240),
            max: Duration::from_hours(720),
            refresh_at: 0.5,
        }
    }
}

impl LeaseRules {
    /// The lease for who asked for so many seconds, in whole seconds and never zero: it is told as a decimal (V05).
    pub fn grant(&self, asked: Option<u64>) -> Duration {
        let wanted = asked.filter(|seconds| *seconds > 0).map_or(self.default, Duration::from_secs);
        let granted = wanted.max(self.min).min(self.max);
        Duration::from_secs(granted.as_secs().max(1))
    }

    /// How long after it was granted a 0.3 lease is verified again, unasked: half of it, or a day before its end if that
    /// is later (V19). This is what makes a subscription permanent for those who know no renewal.
    pub fn refresh_after(&self, lease: Duration) -> Duration {
        let fraction =
            if self.refresh_at.is_nan() { 0.5 } else { self.refresh_at.clamp(MIN_REFRESH_AT, 1.0) };
        let part = Duration::try_from_secs_f64(lease.as_secs_f64() * fraction).unwrap_or(lease).min(lease);
        part.max(lease.saturating_sub(REFRESH_MARGIN))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn s15_what_is_asked_is_clamped_and_nothing_means_the_default() {
        let rules = LeaseRules::default();
        let table = [
            (None, 864_000),
            (Some(0), 864_000),
            (Some(1), 300),
            (Some(300), 300),
            (Some(86_400), 86_400),
            (Some(2_592_000), 2_592_000),
            (Some(2_592_001), 2_592_000),
            (Some(u64::MAX), 2_592_000),
        ];
        for (asked, granted) in table {
            assert_eq!(rules.grant(asked), Duration::from_secs(granted), "{asked:?}");
        }
    }

    #[test]
    fn v05_a_lease_is_at_least_one_whole_second() {
        let rules = LeaseRules {
            min: Duration::from_millis(1),
            default: Duration::from_millis(2500),
            max: Duration::from_millis(3900),
            refresh_at: 0.5,
        };
        assert_eq!(rules.grant(None), Duration::from_secs(2));
        assert_eq!(rules.grant(Some(9)), Duration::from_secs(3));
        let tiny = LeaseRules { max: Duration::from_millis(100), ..rules };
        assert_eq!(tiny.grant(None), Duration::from_secs(1));
    }

    #[test]
    fn v19_a_refresh_comes_at_half_the_lease_or_a_day_before_its_end() {
        let rules = LeaseRules::default();
        let hours = Duration::from_hours;
        assert_eq!(rules.refresh_after(hours(240)), hours(216));
        assert_eq!(rules.refresh_after(hours(48)), hours(24));
        assert_eq!(rules.refresh_after(hours(12)), hours(6));
    }

    #[test]
    fn an_odd_fraction_harms_nobody() {
        let lease = Duration::from_hours(1);
        for (fraction, after) in
            [(f64::NAN, 1800), (-1.0, 360), (0.0, 360), (7.0, 3600), (f64::INFINITY, 3600), (0.25, 900)]
        {
            let rules = LeaseRules { refresh_at: fraction, ..LeaseRules::default() };
            assert_eq!(rules.refresh_after(lease).as_secs(), after, "{fraction}");
        }
    }

    proptest! {
        #[test]
        fn a_lease_is_within_bounds_and_its_refresh_within_the_lease(asked in any::<Option<u64>>(), fraction in any::<f64>()) {
            let rules = LeaseRules { refresh_at: fraction, ..LeaseRules::default() };
            let lease = rules.grant(asked);
            prop_assert!((rules.min..=rules.max).contains(&lease));
            prop_assert!(rules.refresh_after(lease) <= lease);
            prop_assert!(rules.refresh_after(Duration::MAX) <= Duration::MAX);
        }
    }
}
