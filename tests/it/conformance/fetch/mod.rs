//! Content fetch and change detection, F01-F26: how a topic is asked, and what in its answer is news.

mod bodies;
mod changes;
pub(super) mod coding;
mod entries;
mod lanes;
mod limits;
mod requests;
