//! Chance, as a seam: challenges and jitter come from one generator, seeded by the system or by a test.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// The alphabet of a challenge: it survives form encoding, URI encoding and HTML escaping unchanged, because some
/// subscribers escape what they echo (conformance V04).
const CHALLENGE_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Characters in a challenge: 43 of 6 bits carry 258 bits.
const CHALLENGE_LENGTH: usize = 43;

/// A cryptographic generator that every task shares.
pub struct Random(Mutex<StdRng>);

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

impl Random {
    /// Seeded by the operating system.
    pub fn from_system() -> Self {
        Self(Mutex::new(rand::make_rng()))
    }

    /// Seeded by a test, which prints the seed when it fails.
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    fn with<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A fresh challenge of URL-safe characters (V04).
    pub fn challenge(&self) -> String {
        self.with(|rng| {
            (0..CHALLENGE_LENGTH)
                .filter_map(|_| CHALLENGE_ALPHABET.get(rng.random_range(0..CHALLENGE_ALPHABET.len())))
                .map(|byte| char::from(*byte))
                .collect()
        })
    }

    /// An id that nobody guesses and nobody else has.
    pub fn id(&self) -> [u8; 16] {
        self.with(RngExt::random)
    }

    /// `span`, moved by up to `fraction` of itself either way, so that what failed together does not return together.
    pub fn jitter(&self, span: Duration, fraction: f64) -> Duration {
        if fraction <= 0.0 || span.is_zero() {
            return span;
        }
        let factor = self.with(|rng| rng.random_range(-fraction..=fraction)) + 1.0;
        span.mul_f64(factor.max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_long_distinct_and_url_safe() {
        let random = Random::from_system();
        let (one, two) = (random.challenge(), random.challenge());
        assert_ne!(one, two);
        assert_eq!(one.len(), CHALLENGE_LENGTH);
        assert!(one.bytes().all(|b| CHALLENGE_ALPHABET.contains(&b)));
    }

    #[test]
    fn jitter_stays_within_its_fraction() {
        let random = Random::seeded(7);
        let span = Duration::from_secs(100);
        let drawn: Vec<_> = (0..1000).map(|_| random.jitter(span, 0.2)).collect();
        assert!(drawn.iter().all(|d| (80..=120).contains(&d.as_secs())));
        assert!(drawn.iter().any(|d| *d < span) && drawn.iter().any(|d| *d > span));
        assert_eq!(random.jitter(span, 0.0), span);
    }
}
