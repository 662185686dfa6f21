//! What the hub says about itself while it runs.
//!
//! Log lines go to standard error; standard output is for what was asked for, such as the first line of `serve`.
//! This room sets the receiving end up and names what is counted. Every other room writes with `tracing`'s macros, and
//! none of them ever writes a secret or a whole callback.

mod logging;
mod metrics;
mod panics;

pub use logging::{TelemetryError, init};
pub use metrics::{Answered, Counts, Delivered, Fetched, Forwarded, Label, Metrics, Sent, Slapped, Verified};
pub use panics::tell_only_where_it_panics;
