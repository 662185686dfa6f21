//! The steps of the hot path, each by itself: what `micro` times and `instructions` counts.
//!
//! A step is made once and then taken round by round. A round is long enough that what it has besides its units, such
//! as a commit for the whole fan-out, is lost among them.

mod backlog;
mod fan_out;
pub(crate) mod feed_split;
mod hub;
mod scan;
mod signed;

use anyhow::Result;

/// A step, ready to be taken.
pub(crate) trait Step {
    /// What has to be there before each round, and is no part of it.
    fn prepare(&mut self) -> Result<()> {
        Ok(())
    }

    fn round(&mut self) -> Result<()>;
}

/// How a step is called, what its unit is and how many a round has, and how it is made.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) units: u32,
    pub(crate) make: fn() -> Result<Box<dyn Step>>,
}

pub(crate) const ALL: [Named; 6] = [
    Named {
        name: "feed-split",
        unit: "document of 25 entries",
        units: feed_split::DOCUMENTS,
        make: feed_split::step,
    },
    Named { name: "scan", unit: "subscription", units: hub::SUBSCRIPTIONS, make: scan::step },
    Named {
        name: "signature",
        unit: "HMAC-SHA1 of 4 KiB",
        units: signed::SIGNATURES,
        make: signed::signature,
    },
    Named { name: "head", unit: "request, not signed", units: signed::HEADS, make: signed::head },
    Named { name: "fan-out", unit: "delivery, not signed", units: hub::SUBSCRIPTIONS, make: fan_out::step },
    Named { name: "backlog", unit: "catch-up, not signed", units: backlog::BEHIND, make: backlog::step },
];
