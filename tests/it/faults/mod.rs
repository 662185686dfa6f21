//! What the machine can do to a hub: a full disk, one that fails or hangs, a folder that is read-only, a clock that jumps,
//! few files, a store that was cut or damaged. Each ends in words or in a mode that says so, and never in silent loss.

mod clock;
mod damage;
mod descriptors;
mod disk;
mod injected;
