//! A fan-out to all subscriptions of a topic, from its row in the store to the removal of that row.

use anyhow::{Result, ensure};
use hubbub::store::{FanOut, FanOutId, Record};

use super::{
    Step,
    hub::{Hub, NOW, SUBSCRIPTIONS},
};

pub(super) fn step() -> Result<Box<dyn Step>> {
    Ok(Box::new(FanningOut(Hub::with_subscriptions()?)))
}

struct FanningOut(Hub);

impl Step for FanningOut {
    fn prepare(&mut self) -> Result<()> {
        let Self(hub) = self;
        let (seq, published) = hub.publish();
        let fanout = FanOut { cursor: None, open: Vec::new(), end: None, since: NOW };
        hub.commit(published.with(Record::FanOutPut(FanOutId::whole(hub.topic.id(), seq), fanout)))
    }

    fn round(&mut self) -> Result<()> {
        let Self(hub) = self;
        hub.distribute(SUBSCRIPTIONS, |distribution, _tasks| async {
            Ok(distribution.run_fanouts().await?)
        })?;
        ensure!(hub.store.fanouts(None, 1)?.is_empty(), "the fan-out has not ended");
        Ok(())
    }
}
