//! What is counted, by name. Labels come from closed sets: never a topic, never a callback.

use std::{
    fmt::{self, Debug, Write},
    hash::Hash,
};

use prometheus_client::{
    encoding::{EncodeLabelValue, LabelValueEncoder, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// An enum whose members have a name as a label.
macro_rules! closed_set {
    ($(#[$doc:meta])* pub enum $name:ident { $($member:ident => $label:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($member,)* }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
                encoder.write_str(match self { $(Self::$member => $label,)* })
            }
        }

        impl Label for $name {}
    };
}

closed_set! {
    /// What became of a request to the hub.
    pub enum Answered {
        Verified => "verified",
        Pending => "pending",
        Pinged => "pinged",
        BadRequest => "bad_request",
        Forbidden => "forbidden",
        Unverified => "unverified",
        TooMany => "too_many",
        Unavailable => "unavailable",
    }
}

closed_set! {
    /// What became of a fetch.
    pub enum Fetched {
        New => "new",
        Unchanged => "unchanged",
        Failed => "failed",
        TooLarge => "too_large",
        Refused => "refused",
    }
}

closed_set! {
    /// What became of an attempt to verify an intent.
    pub enum Verified {
        Confirmed => "confirmed",
        Refused => "refused",
        Again => "again",
        Failed => "failed",
    }
}

closed_set! {
    /// What became of one try to deliver.
    pub enum Delivered {
        Accepted => "accepted",
        Gone => "gone",
        ClientError => "client_error",
        ServerError => "server_error",
        Redirect => "redirect",
        Timeout => "timeout",
        Refused => "refused",
        Unreachable => "unreachable",
    }
}

closed_set! {
    /// What became of a slap that came in.
    pub enum Slapped {
        Taken => "taken",
        Kept => "kept",
        Malformed => "malformed",
        Unproven => "unproven",
        Forbidden => "forbidden",
        Unknown => "unknown",
        TooMany => "too_many",
        Unavailable => "unavailable",
    }
}

closed_set! {
    /// What became of one try to tell a site of a slap.
    pub enum Forwarded {
        Taken => "taken",
        Refused => "refused",
        Gone => "gone",
        Later => "later",
        Crowded => "crowded",
        Dropped => "dropped",
        GaveUp => "gave_up",
    }
}

closed_set! {
    /// What came of one try to bring a slap of a site to a peer.
    pub enum Sent {
        Delivered => "delivered",
        Refused => "refused",
        Later => "later",
        GaveUp => "gave_up",
    }
}

/// A counter for each member of a closed set.
#[derive(Debug, Clone)]
pub struct Counts<L: Label>(Family<[(&'static str, L); 1], Counter>);

/// A member of a closed set.
pub trait Label: EncodeLabelValue + Clone + Eq + Hash + Debug {}

impl<L: Label> Default for Counts<L> {
    fn default() -> Self {
        Self(Family::default())
    }
}

impl<L: Label> Counts<L> {
    pub fn add(&self, outcome: L) {
        self.0.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// How many so far.
    pub fn get(&self, outcome: L) -> u64 {
        self.0.get_or_create(&[("outcome", outcome)]).get()
    }
}

/// Everything that is counted. A value, so that two hubs in one process do not mix.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    pub requests: Counts<Answered>,
    pub fetches: Counts<Fetched>,
    pub verifications: Counts<Verified>,
    pub deliveries: Counts<Delivered>,
    pub slaps: Counts<Slapped>,
    pub forwards: Counts<Forwarded>,
    pub sends: Counts<Sent>,
    /// Verified slaps of which their sites have not been told.
    pub slaps_waiting: Gauge,
    pub secrets_in_clear: Counter,
    pub publications: Counter,
    pub leases_ended: Counter,
    pub unreadable_rows: Counter,
    pub fan_outs_running: Gauge,
    pub deliveries_in_flight: Gauge,
    pub fan_out_seconds: Histogram,
    /// Octets of the store on disk, as they were last measured.
    pub store_bytes: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("hubbub"),
            requests: Counts::default(),
            fetches: Counts::default(),
            verifications: Counts::default(),
            deliveries: Counts::default(),
            slaps: Counts::default(),
            forwards: Counts::default(),
            sends: Counts::default(),
            slaps_waiting: Gauge::default(),
            secrets_in_clear: Counter::default(),
            publications: Counter::default(),
            leases_ended: Counter::default(),
            unreadable_rows: Counter::default(),
            fan_outs_running: Gauge::default(),
            deliveries_in_flight: Gauge::default(),
            fan_out_seconds: Histogram::new([0.005, 0.02, 0.1, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0]),
            store_bytes: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("requests", "Requests to the hub", metrics.requests.0.clone());
        registry.register("fetches", "Fetches of topics", metrics.fetches.0.clone());
        registry.register("verifications", "Tries to verify an intent", metrics.verifications.0.clone());
        registry.register("deliveries", "Tries to deliver", metrics.deliveries.0.clone());
        registry.register("slaps", "Slaps that came in", metrics.slaps.0.clone());
        registry.register("forwards", "Tries to tell a site of a slap", metrics.forwards.0.clone());
        registry.register("slaps_sent", "Tries to bring a slap of a site to a peer", metrics.sends.0.clone());
        registry.register(
            "slaps_waiting",
            "Verified slaps of which their sites have not been told",
            metrics.slaps_waiting.clone(),
        );
        registry.register(
            "secrets_in_clear",
            "Secrets that came over plain http",
            metrics.secrets_in_clear.clone(),
        );
        registry.register("publications", "Publications made", metrics.publications.clone());
        registry.register("leases_ended", "Leases that ran out", metrics.leases_ended.clone());
        registry.register(
            "unreadable_rows",
            "Rows of the store that were passed over because they cannot be read",
            metrics.unreadable_rows.clone(),
        );
        registry.register("fan_outs_running", "Fan-outs under way", metrics.fan_outs_running.clone());
        registry.register(
            "deliveries_in_flight",
            "Deliveries waiting for a permit or an answer",
            metrics.deliveries_in_flight.clone(),
        );
        registry.register_with_unit(
            "fan_out",
            "From publication to the last subscription settled",
            Unit::Seconds,
            metrics.fan_out_seconds.clone(),
        );
        registry.register_with_unit(
            "store",
            "What the store takes on disk; `hubbub store compact` gives back what it no longer needs",
            Unit::Bytes,
            metrics.store_bytes.clone(),
        );
        metrics
    }
}

impl Metrics {
    /// The text form that Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _infallible = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_can_be_read() {
        let metrics = Metrics::default();
        metrics.deliveries.add(Delivered::Accepted);
        metrics.deliveries.add(Delivered::Accepted);
        metrics.publications.inc();
        let text = metrics.render();
        assert!(text.contains("hubbub_deliveries_total{outcome=\"accepted\"} 2"), "{text}");
        assert!(text.contains("hubbub_publications_total 1"), "{text}");
        assert!(text.contains("# EOF"), "{text}");
    }
}
