//! Publishing with nobody around it, for the tests of rooms to which all else of it does not matter.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{Parts, Publishing};
use crate::{
    clock::Clock,
    config::Config,
    distribution::{self, Distribution},
    feed::JsonFeed,
    outbound::{BreakerRules, Breakers, LaneRules, Lanes, Transport},
    random::Random,
    store::Store,
    supervise::Tasks,
};

impl Publishing {
    pub(crate) fn alone(store: Store, transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Arc<Self> {
        let config = Config::default();
        let random = Arc::new(Random::seeded(7));
        let remember_for = Duration::from_hours(1);
        let distribution = Distribution::new(distribution::Parts {
            store: store.clone(),
            transport: Arc::clone(&transport),
            lanes: Lanes::new(LaneRules::default()),
            breakers: Arc::new(Breakers::new(BreakerRules::default())),
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            tasks: Tasks::new(),
            metrics: Arc::default(),
            delivery: config.delivery,
            publications: config.publications,
            feed: Arc::default(),
            readers_per_host: 0,
            remember_for,
        });
        Self::new(Parts {
            store,
            transport,
            lanes: Lanes::new(LaneRules::default()),
            clock,
            random,
            metrics: Arc::default(),
            fetch: config.fetch,
            polling: config.polling,
            max_entries: 1,
            feed: Arc::default(),
            remember_for,
            json_feed: JsonFeed::Whole,
            json_feed_for_topics: BTreeMap::new(),
            hub_url: "http://hub.example/".to_owned(),
            user_agent: "hubbub".to_owned(),
            distribution,
        })
    }
}
