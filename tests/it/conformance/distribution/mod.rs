//! Distribution, D01-D28: what a delivery looks like, and what becomes of one that fails.

mod content;
mod links;
mod order;
mod outcome;
mod queue;
mod request;
mod scene;
mod signature;
