//! The breaker of one host: whether it is worth trying (design §6). Pure: no clock, no lock, no map.
//!
//! ```text
//!            too many failures                    the pause is over, or a late success
//!   closed ─────────────────────► open ─────────────────────────────────────► half-open
//!     ▲                            ▲                                             │  │
//!     │                            └──────── the probe failed: pause doubles ────┘  │
//!     └────────────────────────────────────── the probe succeeded ─────────────────┘
//! ```
//!
//! While open nothing is sent. Half-open lets one probe through at a time; a probe whose outcome is never reported
//! (its task was dropped) is replaced after one pause.
//!
//! Besides, a host that said for how long it wants to be left alone is left alone, open or not.
//!
//! Whoever is told to wait is told until when. Those are few moments, however many wait: so the breaker knows when they will
//! come again, and says so when it closes.

use std::time::Duration;

use crate::clock::Timestamp;

/// The window's granularity: old outcomes leave it a tenth at a time.
const BUCKETS: usize = 10;
const BUCKETS_U64: u64 = 10;

/// The longest pause that failing probes can double up to.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// Moments remembered for those that wait. One is when the pause is over, one when the probe counts as lost; failed probes
/// and signs of life may leave another behind. Whoever waits for one that was forgotten waits until then.
const MOMENTS: usize = 4;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerRules {
    /// Opens above this share of failures. 1.0 or more never opens.
    pub failures: f64,
    /// Over this stretch of time.
    pub window: Duration,
    /// With at least this many outcomes in it.
    pub min_tries: u32,
    /// Between opening and the first probe; doubles with every failed probe, up to ten minutes.
    pub pause: Duration,
    /// The longest that a host is left alone because it asked for it.
    pub longest_hold: Duration,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self {
            failures: 0.8,
            window: Duration::from_mins(5),
            min_tries: 20,
            pause: Duration::from_secs(30),
            longest_hold: Duration::from_mins(1),
        }
    }
}

/// What a host may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Anything.
    Go,
    /// This one request, on whose outcome the host's fate depends: report it.
    Probe,
    /// Nothing before this moment; ask again then.
    Wait(Timestamp),
}

/// What an outcome changed; worth one line in the log, where a failure is not. A probe that failed changes nothing: the
/// host is as dead as was said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Opened,
    /// A request sent before the breaker opened succeeded after all: the next one may probe at once.
    HalfOpened,
    /// It need not be waited for any more, but for as long as the host itself has asked for.
    Closed(PutOff),
}

/// Until when those were told to wait that asked in vain, and need not any more: of a host that asked to be left alone that
/// is nobody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PutOff([Option<Timestamp>; MOMENTS]);

impl PutOff {
    pub fn moments(self) -> impl Iterator<Item = Timestamp> {
        let Self(moments) = self;
        moments.into_iter().flatten()
    }

    fn note(&mut self, until: Timestamp) {
        let Self(moments) = self;
        if !moments.contains(&Some(until)) {
            moments.rotate_right(1);
            let [newest, ..] = moments;
            *newest = Some(until);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: Timestamp,
    },
    /// `is_known` to whoever reads the log: what was said to be half open has to be said to be open again.
    HalfOpen {
        probe_lost_at: Timestamp,
        is_known: bool,
    },
}

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// Which stretch of time this is, counted from the epoch.
    number: u64,
    tries: u32,
    failures: u32,
}

/// One host's record.
#[derive(Debug, Clone)]
pub(super) struct Breaker {
    state: State,
    pause: Duration,
    buckets: [Bucket; BUCKETS],
    held_until: Timestamp,
    put_off: PutOff,
}

impl Breaker {
    pub(super) fn new(rules: &BreakerRules) -> Self {
        Self {
            state: State::Closed,
            pause: rules.pause,
            buckets: [Bucket::default(); BUCKETS],
            held_until: Timestamp::EPOCH,
            put_off: PutOff::default(),
        }
    }

    pub(super) fn ask(&mut self, now: Timestamp) -> Gate {
        match self.state {
            _ if now < self.held_until => Gate::Wait(self.held_until),
            State::Closed => Gate::Go,
            State::Open { until } | State::HalfOpen { probe_lost_at: until, .. } if now < until => {
                self.put_off.note(until);
                Gate::Wait(until)
            }
            State::Open { .. } | State::HalfOpen { .. } => {
                let is_known = matches!(self.state, State::HalfOpen { is_known: true, .. });
                self.state = State::HalfOpen { probe_lost_at: now.after(self.pause), is_known };
                Gate::Probe
            }
        }
    }

    pub(super) fn report(&mut self, rules: &BreakerRules, now: Timestamp, ok: bool) -> Option<Change> {
        match (self.state, ok) {
            (State::Closed, _) => {
                self.count(rules, now, ok);
                self.is_over(rules, now).then(|| self.open(now))
            }
            (State::Open { .. }, true) => {
                self.state = State::HalfOpen { probe_lost_at: now, is_known: true };
                Some(Change::HalfOpened)
            }
            // Sent before the breaker opened; nothing new.
            (State::Open { .. }, false) => None,
            (State::HalfOpen { .. }, true) => {
                // What the host asked for itself outlasts this: a probe says that it is there, not that it wants more.
                let held_until = self.held_until;
                let put_off = if held_until <= now { self.put_off } else { PutOff::default() };
                *self = Self { held_until, ..Self::new(rules) };
                Some(Change::Closed(put_off))
            }
            (State::HalfOpen { is_known, .. }, false) => {
                self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE.max(rules.pause));
                Some(self.open(now)).filter(|_| is_known)
            }
        }
    }

    /// Lets nothing through before this moment. Says whether something would have been let through until now.
    pub(super) fn hold(&mut self, now: Timestamp, until: Timestamp) -> bool {
        let is_new = self.held_until <= now && now < until;
        self.held_until = self.held_until.max(until);
        is_new
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    pub(super) fn lets_all_through(&self, now: Timestamp) -> bool {
        self.is_closed() && self.held_until <= now
    }

    /// Whether nothing is lost by forgetting this host: no failure in the window, or open so long ago that nobody
    /// seems to want anything from it.
    pub(super) fn is_forgettable(&self, rules: &BreakerRules, now: Timestamp) -> bool {
        match self.state {
            _ if now < self.held_until => false,
            State::Closed => self.sums(rules, now).1 == 0,
            State::Open { until } | State::HalfOpen { probe_lost_at: until, .. } => {
                until.after(rules.window.max(LONGEST_PAUSE)) < now
            }
        }
    }

    fn open(&mut self, now: Timestamp) -> Change {
        self.state = State::Open { until: now.after(self.pause) };
        Change::Opened
    }

    fn count(&mut self, rules: &BreakerRules, now: Timestamp, ok: bool) {
        let number = bucket_number(rules, now);
        let slot = usize::try_from(number % BUCKETS_U64).unwrap_or_default();
        let Some(bucket) = self.buckets.get_mut(slot) else { return };
        if bucket.number != number {
            *bucket = Bucket { number, ..Bucket::default() };
        }
        bucket.tries = bucket.tries.saturating_add(1);
        bucket.failures = bucket.failures.saturating_add(u32::from(!ok));
    }

    /// Tries and failures in the window.
    fn sums(&self, rules: &BreakerRules, now: Timestamp) -> (u32, u32) {
        let newest = bucket_number(rules, now);
        let oldest = newest.saturating_sub(BUCKETS_U64 - 1);
        self.buckets.iter().filter(|bucket| (oldest..=newest).contains(&bucket.number)).fold(
            (0, 0),
            |(tries, failures): (u32, u32), bucket| {
                (tries.saturating_add(bucket.tries), failures.saturating_add(bucket.failures))
            },
        )
    }

    fn is_over(&self, rules: &BreakerRules, now: Timestamp) -> bool {
        let (tries, failures) = self.sums(rules, now);
        tries >= rules.min_tries.max(1) && f64::from(failures) > rules.failures * f64::from(tries)
    }
}

fn bucket_number(rules: &BreakerRules, now: Timestamp) -> u64 {
    let window = u64::try_from(rules.window.as_millis()).unwrap_or(u64::MAX);
    now.as_millis() / (window / BUCKETS_U64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn fail(breaker: &mut Breaker, times: u32, now: Timestamp) -> Option<Change> {
        (0..times).filter_map(|_| breaker.report(&BreakerRules::default(), now, false)).last()
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::new(&BreakerRules::default());
        assert_eq!(fail(&mut breaker, 20, START), Some(Change::Opened));
        breaker
    }

    #[test]
    fn nineteen_failures_are_too_few_to_judge_and_the_twentieth_opens() {
        let mut breaker = Breaker::new(&BreakerRules::default());
        assert_eq!(fail(&mut breaker, 19, START), None);
        assert_eq!(breaker.ask(START), Gate::Go);
        assert_eq!(fail(&mut breaker, 1, START), Some(Change::Opened));
        assert_eq!(breaker.ask(START), Gate::Wait(START.after(30 * SECOND)));
    }

    #[test]
    fn exactly_the_share_is_not_above_it() {
        let rules = BreakerRules::default();
        let mut breaker = Breaker::new(&rules);
        for _ in 0..4 {
            assert_eq!(breaker.report(&rules, START, true), None);
        }
        assert_eq!(fail(&mut breaker, 16, START), None, "16 of 20 are 80 %");
        assert_eq!(fail(&mut breaker, 1, START), Some(Change::Opened), "17 of 21 are above");
    }

    #[test]
    fn failures_leave_with_the_window() {
        let mut breaker = Breaker::new(&BreakerRules::default());
        assert_eq!(fail(&mut breaker, 19, START), None);
        let later = START.after(Duration::from_secs(301));
        assert_eq!(fail(&mut breaker, 19, later), None);
        assert!(!breaker.is_forgettable(&BreakerRules::default(), later));
        assert!(breaker.is_forgettable(&BreakerRules::default(), later.after(Duration::from_secs(301))));
    }

    #[test]
    fn one_probe_at_a_time_after_the_pause_and_its_success_closes() {
        let rules = BreakerRules::default();
        let mut breaker = opened();
        let almost = START.after(Duration::from_millis(29_999));
        assert_eq!(breaker.ask(almost), Gate::Wait(START.after(30 * SECOND)));
        let due = START.after(30 * SECOND);
        assert_eq!(breaker.ask(due), Gate::Probe);
        assert_eq!(breaker.ask(due), Gate::Wait(due.after(30 * SECOND)));
        assert!(matches!(breaker.report(&rules, due, true), Some(Change::Closed(_))));
        assert_eq!(breaker.ask(due), Gate::Go);
        assert_eq!(fail(&mut breaker, 19, due), None, "the past is forgiven");
    }

    #[test]
    fn failed_probes_double_the_pause_up_to_ten_minutes() {
        let rules = BreakerRules::default();
        let mut breaker = opened();
        let mut pauses = Vec::new();
        let mut now = START;
        for _ in 0..8 {
            let Gate::Wait(until) = breaker.ask(now) else { panic!("open") };
            pauses.push(until.since(now).as_secs());
            now = until;
            assert_eq!(breaker.ask(now), Gate::Probe);
            assert_eq!(breaker.report(&rules, now, false), None, "as dead as before");
        }
        assert_eq!(pauses, [30, 60, 120, 240, 480, 600, 600, 600]);
    }

    #[test]
    fn a_probe_that_is_never_reported_is_replaced() {
        let mut breaker = opened();
        let due = START.after(30 * SECOND);
        assert_eq!(breaker.ask(due), Gate::Probe);
        assert_eq!(breaker.ask(due.after(30 * SECOND)), Gate::Probe);
    }

    #[test]
    fn what_it_had_wait_is_known_when_it_closes_however_many_asked() {
        let rules = BreakerRules::default();
        let mut breaker = opened();
        let due = START.after(30 * SECOND);
        for second in 0..30 {
            assert_eq!(breaker.ask(START.after(second * SECOND)), Gate::Wait(due));
        }
        assert_eq!(breaker.ask(due), Gate::Probe);
        let lost = due.after(30 * SECOND);
        assert_eq!([breaker.ask(due), breaker.ask(due.after(SECOND))], [Gate::Wait(lost); 2]);
        let Some(Change::Closed(put_off)) = breaker.report(&rules, due, true) else { panic!("closed") };
        assert_eq!(put_off.moments().collect::<Vec<_>>(), [lost, due]);
        assert_eq!(breaker.put_off, PutOff::default(), "once");
    }

    #[test]
    fn a_pause_that_a_host_asked_for_is_not_shortened() {
        let mut breaker = opened();
        assert!(breaker.hold(START, START.after(60 * SECOND)));
        assert_eq!(breaker.ask(START), Gate::Wait(START.after(60 * SECOND)));
        assert_eq!(breaker.put_off.moments().count(), 0);
    }

    #[test]
    fn outcomes_of_requests_sent_before_it_opened_do_no_harm() {
        let rules = BreakerRules::default();
        let mut breaker = opened();
        assert_eq!(breaker.report(&rules, START, false), None);
        assert_eq!(breaker.ask(START), Gate::Wait(START.after(30 * SECOND)), "the pause did not grow");
        assert_eq!(breaker.report(&rules, START, true), Some(Change::HalfOpened));
        assert_eq!(breaker.ask(START), Gate::Probe, "a sign of life is followed up at once");
        assert_eq!(breaker.report(&rules, START, false), Some(Change::Opened), "it was said to be half open");
    }

    #[test]
    fn d17_a_host_that_asks_for_a_pause_gets_it_open_or_not() {
        let rules = BreakerRules::default();
        let until = START.after(60 * SECOND);
        let mut closed = Breaker::new(&rules);
        assert!(closed.hold(START, until));
        assert!(!closed.hold(START, START.after(SECOND)), "it waits already, and for longer");
        assert_eq!(closed.ask(START), Gate::Wait(until));
        assert!(!closed.is_forgettable(&rules, START));
        assert_eq!(closed.ask(until), Gate::Go);
        assert!(closed.is_forgettable(&rules, until));
        assert!(!closed.hold(until, until), "no pause at all");
        let mut open = opened();
        assert!(open.hold(START, until));
        assert_eq!(open.ask(START.after(30 * SECOND)), Gate::Wait(until), "not even a probe");
        assert_eq!(open.ask(until), Gate::Probe);
    }

    #[test]
    fn d17_a_pause_that_a_host_asked_for_outlasts_the_success_of_a_probe() {
        let rules = BreakerRules::default();
        let mut breaker = opened();
        let due = START.after(30 * SECOND);
        assert_eq!(breaker.ask(START), Gate::Wait(due));
        assert_eq!(breaker.ask(due), Gate::Probe);
        // A request from before it opened is answered late, while the probe is under way.
        assert!(breaker.hold(due, due.after(60 * SECOND)));
        let closed = breaker.report(&rules, due.after(SECOND), true);
        assert_eq!(closed, Some(Change::Closed(PutOff::default())), "nobody is to come early");
        assert!(breaker.is_closed() && !breaker.lets_all_through(due.after(SECOND)));
        assert!(!breaker.is_forgettable(&rules, due.after(SECOND)));
        assert_eq!(breaker.ask(due.after(SECOND)), Gate::Wait(due.after(60 * SECOND)));
        assert_eq!(breaker.ask(due.after(60 * SECOND)), Gate::Go);
        assert!(breaker.is_forgettable(&rules, due.after(60 * SECOND)));
    }

    #[test]
    fn odd_rules_and_times_do_not_panic() {
        let rules = BreakerRules {
            failures: f64::NAN,
            window: Duration::ZERO,
            min_tries: 0,
            pause: Duration::MAX,
            longest_hold: Duration::MAX,
        };
        let mut breaker = Breaker::new(&rules);
        for now in [Timestamp::MAX, Timestamp::EPOCH, START] {
            assert_eq!(breaker.report(&rules, now, false), None);
            assert_eq!(breaker.ask(now), Gate::Go);
        }
        let never = BreakerRules { failures: 1.0, ..BreakerRules::default() };
        let mut breaker = Breaker::new(&never);
        assert!((0..100).all(|_| breaker.report(&never, START, false).is_none()));
    }

    proptest::proptest! {
        /// Whatever happens, the wait is never longer than the longest pause.
        #[test]
        fn a_wait_is_bounded(steps in proptest::collection::vec((0_u64..400_000, 0_u8..3), 0..400)) {
            let rules = BreakerRules { min_tries: 3, ..BreakerRules::default() };
            let mut breaker = Breaker::new(&rules);
            let mut now = START;
            for (millis, step) in steps {
                now = now.after(Duration::from_millis(millis));
                if step < 2 {
                    breaker.report(&rules, now, step == 0);
                }
                if let Gate::Wait(until) = breaker.ask(now) {
                    proptest::prop_assert!(until > now && until.since(now) <= LONGEST_PAUSE);
                    proptest::prop_assert!(breaker.put_off.moments().any(|noted| noted == until));
                }
            }
        }
    }
}
