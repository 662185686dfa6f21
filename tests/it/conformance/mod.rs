//! What PubSubHubbub 0.3, 0.4 and WebSub ask of a hub, requirement by requirement: a file for each section of the
//! list, a test for each id, the id in its name. `requirements/` says what each id stands for, and `table` holds the
//! two together.

mod answers;
mod discovery;
mod distribution;
mod fetch;
mod publish;
mod security;
mod subscribe;
mod table;
mod verification;
