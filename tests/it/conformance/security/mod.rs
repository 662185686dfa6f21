//! Security, X01-X13: what strangers cannot have the hub do or tell.

mod addresses;
mod input;
mod load;
mod privacy;
mod strangers;
