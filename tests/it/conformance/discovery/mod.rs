//! Discovery, L01-L11: what the hub reads of a topic to learn its own name, its hubs and its aliases.

mod check;
mod links;
mod pages;
