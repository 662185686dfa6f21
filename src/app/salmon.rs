//! The relay and its loops.

use std::{convert::Infallible, sync::Arc};

use anyhow::Result;

use super::{Seams, keep};
use crate::{
    agenda::{Agenda, Poke},
    config::SalmonConfig,
    outbound::{BreakerRules, Transport},
    publishing::Publishing,
    relay::{self, Forwarding, GroupFeeds, LookingAgain, Lookup, Relay, Slapping, lookup},
    store::{DueKind, Store},
    supervise::Tasks,
    telemetry::Metrics,
};

/// What the relay is built from.
pub(super) struct Around<'a> {
    pub(super) config: &'a SalmonConfig,
    pub(super) seams: &'a Seams,
    pub(super) store: &'a Store,
    pub(super) metrics: &'a Arc<Metrics>,
    pub(super) hub_url: &'a str,
    pub(super) fetches: Arc<dyn Transport>,
    pub(super) callbacks: Arc<dyn Transport>,
    pub(super) breaker: BreakerRules,
    pub(super) feeds: Arc<GroupFeeds>,
    pub(super) publishing: Arc<Publishing>,
}

pub(super) async fn build(around: Around<'_>) -> Result<Arc<Relay>> {
    let Around { config, seams, store, metrics, hub_url, fetches, callbacks, .. } = around;
    let Around { breaker, feeds, publishing, .. } = around;
    let lookup = Lookup::new(lookup::Parts {
        store: store.clone(),
        transport: fetches,
        clock: Arc::clone(&seams.clock),
        breaker,
        rules: lookup_rules(config),
    });
    let relay = Relay::new(relay::Parts {
        store: store.clone(),
        lookup,
        callbacks,
        breaker,
        clock: Arc::clone(&seams.clock),
        random: Arc::clone(&seams.random),
        metrics: Arc::clone(metrics),
        salmon: config.clone(),
        feeds,
        publishing,
        hub_url: hub_url.to_owned(),
    });
    Ok(relay.await?)
}

fn lookup_rules(salmon: &SalmonConfig) -> lookup::Rules {
    lookup::Rules {
        lookup_timeout: salmon.lookup_timeout,
        lookup_within: salmon.lookup_within,
        keep_descriptor: salmon.keep_descriptor,
        keep_stale: salmon.keep_stale,
        http_hosts: salmon.http_hosts.clone(),
        lookups_per_minute: salmon.lookups_per_minute,
        concurrency: salmon.concurrency,
    }
}

/// Starts the loops.
pub(super) fn start(
    relay: &Arc<Relay>,
    config: &SalmonConfig,
    agenda: impl Fn(DueKind, Poke, usize) -> Arc<Agenda>,
    tasks: &Tasks,
) {
    let forwards = agenda(DueKind::Forward, relay.forward_poke(), Relay::lanes(config));
    let doubts = agenda(DueKind::Doubt, relay.doubt_poke(), config.concurrency);
    let slaps = agenda(DueKind::Slap, relay.slap_poke(), Relay::lanes(config));
    keep(tasks, "slaps to peers", slaps, Arc::new(Slapping(Arc::clone(relay))));
    keep(tasks, "slaps to sites", forwards, Arc::new(Forwarding(Arc::clone(relay))));
    keep(tasks, "slaps that are kept", doubts, Arc::new(LookingAgain(Arc::clone(relay))));
    let (sweeping, stop) = (Arc::clone(relay), tasks.stopping().clone());
    tasks.keep("slaps", move || Arc::clone(&sweeping).sweep(stop.clone()));
    let (lookup, stop) = (relay.lookup(), tasks.stopping().clone());
    tasks.keep("look-ups", move || {
        let (lookup, stop) = (Arc::clone(&lookup), stop.clone());
        async move {
            lookup.sweep(stop).await;
            Ok::<_, Infallible>(())
        }
    });
}
