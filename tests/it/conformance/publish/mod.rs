//! Publish, P01-P16: what a ping may look like, and what it sets going.

mod effects;
mod forms;
mod names;
mod polling;
