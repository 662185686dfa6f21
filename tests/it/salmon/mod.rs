//! The relay's inbound half over real sockets: what peers are answered, what sites are told, what groups publish
//! (`salmon.md` 3 to 7).

mod answers;
mod doubts;
mod groups;
mod scene;
mod sites;
