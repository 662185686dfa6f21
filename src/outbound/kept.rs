//! Connections that are kept for the next request to the same host.
//!
//! Bounded per host, over all hosts (promise 3: fifty thousand callbacks on as many names would leave fifty thousand open
//! files after one fan-out), and in time. The one that was used last is used first, so that what a busy hour opened too
//! many of runs out of time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use http::{
    Uri,
    uri::{Authority, Scheme},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{connection::Connection, settings::IDLE_FOR};
use crate::alarm::Alarm;

/// How often what was kept for too long is looked for, and how long at least a connection may wait to be used.
const LOOK: Duration = Duration::from_secs(1);

/// Where a connection leads: a scheme and an authority, whose case means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    is_tls: bool,
    authority: Authority,
}

impl Place {
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        Some(Self { is_tls: uri.scheme() == Some(&Scheme::HTTPS), authority: uri.authority()?.clone() })
    }
}

/// A connection, and the alarm of the exchanges on it. Boxed, because it is about a kilobyte and goes from hand to hand.
#[derive(Debug)]
pub(super) struct Spare {
    pub(super) connection: Connection,
    pub(super) alarm: Alarm,
}

/// Connections by where they lead.
#[derive(Debug)]
pub(super) struct Kept {
    spares: Mutex<Spares>,
    per_host: usize,
    /// Of all clients of the process that share a bound.
    places: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Spares {
    by_place: HashMap<Place, Vec<(Instant, Box<Spare>)>>,
    /// Runs while anything is kept, and ends with this value.
    sweeper: JoinSet<()>,
    is_swept: bool,
}

impl Kept {
    pub(super) fn new(per_host: usize, places: Arc<Semaphore>) -> Arc<Self> {
        Arc::new(Self { spares: Mutex::default(), per_host, places })
    }

    /// A place for a new connection among those that may be kept. Where none is free, the one that nobody has used for
    /// longest makes room, if it has had time to be used: hosts that are met once would else keep all others from being
    /// kept, and a fan-out to more hosts than there are places would else find none of them kept.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        if self.per_host == 0 {
            return None;
        }
        let free = || Arc::clone(&self.places).try_acquire_owned().ok();
        free().or_else(|| {
            self.close_oldest();
            free()
        })
    }

    fn close_oldest(&self) {
        let mut spares = self.lock();
        // Those at the front were used first.
        let used = |of_host: &Vec<(Instant, Box<Spare>)>| of_host.first().map(|(since, _)| *since);
        let all = spares.by_place.iter().filter_map(|(place, of_host)| Some((used(of_host)?, place)));
        let oldest = all.filter(|(since, _)| since.elapsed() >= LOOK);
        let Some(place) = oldest.min_by_key(|(since, _)| *since).map(|(_, place)| place.clone()) else {
            return;
        };
        if let Some(of_host) = spares.by_place.get_mut(&place) {
            drop(of_host.remove(0));
            if of_host.is_empty() {
                spares.by_place.remove(&place);
            }
        }
    }

    /// One that was open when it was last looked at, a moment ago.
    pub(super) async fn take(&self, place: &Place) -> Option<Box<Spare>> {
        while let Some(mut spare) = self.pop(place) {
            if spare.connection.is_reusable().await {
                return Some(spare);
            }
        }
        None
    }

    fn pop(&self, place: &Place) -> Option<Box<Spare>> {
        self.lock().by_place.get_mut(place)?.pop().map(|(_, spare)| spare)
    }

    /// Keeps a connection whose exchange is over, if it can be used again and there is room.
    pub(super) async fn keep(self: &Arc<Self>, place: Place, mut spare: Box<Spare>) {
        if !spare.connection.is_reusable().await {
            return;
        }
        let mut spares = self.lock();
        let of_host = spares.by_place.entry(place).or_default();
        if of_host.len() >= self.per_host {
            return;
        }
        of_host.push((Instant::now(), spare));
        if !spares.is_swept {
            spares.is_swept = true;
            // The one before has ended, or is about to.
            spares.sweeper.detach_all();
            drop(spares.sweeper.spawn(sweep(Arc::downgrade(self))));
        }
    }

    /// Closes what nobody has used for a while; says whether anything is left.
    fn throw_out(&self) -> bool {
        let mut spares = self.lock();
        spares.by_place.retain(|_, of_host| {
            // Those at the end were used last.
            let old = of_host.partition_point(|(since, _)| since.elapsed() >= IDLE_FOR);
            of_host.drain(..old);
            !of_host.is_empty()
        });
        spares.is_swept = !spares.by_place.is_empty();
        spares.is_swept
    }

    fn lock(&self) -> MutexGuard<'_, Spares> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs while anything is kept.
async fn sweep(kept: Weak<Kept>) {
    loop {
        sleep(LOOK).await;
        let Some(kept) = kept.upgrade() else { return };
        if !kept.throw_out() {
            return;
        }
    }
}
