//! The relay over real sockets: what peers are answered, what sites are told, what groups publish; what sites set up and
//! send (`salmon.md` 3 to 7).

mod accounts;
mod answers;
mod attacks;
mod doubts;
mod groups;
mod saved;
mod scene;
mod sending;
mod serving;
mod site;
mod sites;
