//! Lanes for whose site there was no room: all of one site are put off to one moment, which is written once, and come early
//! when a request to it ends. Each look at one of them that finds no room again writes nothing.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{clock::Timestamp, random::Random};

/// Until they are due even if no request ends: after a restart nobody knows of them.
const CROWDED: Duration = Duration::from_mins(2);
/// What those wait for that find no room among the requests to all sites together.
const ALL: &str = "";

/// Until when the lanes of a host are put off.
#[derive(Debug, Default)]
pub(super) struct Crowds(Mutex<HashMap<String, Timestamp>>);

impl Crowds {
    /// Until when a lane to `host` is put off; with nothing, one that found no room among all.
    pub(super) fn join(&self, host: Option<&str>, now: Timestamp, random: &Random) -> Timestamp {
        let mut crowds = self.lock();
        if let Some(until) = crowds.get(host.unwrap_or(ALL)).filter(|until| **until > now) {
            return *until;
        }
        let until = now.after(random.jitter(CROWDED, 0.5));
        crowds.insert(host.unwrap_or(ALL).to_owned(), until);
        until
    }

    /// The moments at which those are due who may find room now that a request to `host` has ended.
    pub(super) fn moments(&self, host: &str, now: Timestamp) -> impl Iterator<Item = Timestamp> + use<> {
        let mut crowds = self.lock();
        // By then they are due anyhow.
        [host, ALL]
            .map(|of| {
                let until = crowds.get(of).copied()?;
                if until <= now {
                    crowds.remove(of);
                }
                Some(until).filter(|until| *until > now)
            })
            .into_iter()
            .flatten()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
