//! hubbub: a PubSubHubbub and WebSub hub, whole in one process.
//!
//! A publisher pings; the hub fetches the topic, finds what is new in it, and sends exactly that to every subscriber,
//! signed, with retries. Everything that was acknowledged is in an embedded store on disk.
//!
//! # The one idea
//! A log and positions instead of a queue of deliveries. What is new becomes a *publication* of its topic. A *fan-out*
//! walks the topic's subscriptions with a cursor; a delivery that succeeds writes nothing. Whoever fails or is slow gets
//! a *backlog*, one however much it misses, and later one document with everything since.
//!
//! # Rings
//! | ring | rooms | may import |
//! |---|---|---|
//! | 0 | [`alarm`], [`clock`], [`octets`], [`random`], [`protocol`], [`feed`], [`salmon`] | 0: no I/O, and but for the timer `alarm` pure |
//! | 1 | [`config`], [`telemetry`], [`supervise`] | 0, 1 |
//! | 2 | [`store`], [`outbound`] | 0, 1 |
//! | 3 | [`agenda`] | 0 to 2 |
//! | 4 | [`subscribing`], [`publishing`], [`distribution`], [`relay`] | 0 to 3; `publishing` also `distribution`, `subscribing` both, `relay` `publishing` |
//! | 5 | [`inbound`] | 0 to 4 |
//! | 6 | [`app`], [`client`], [`demo`] and `lifecycle` | 0 to 5; `demo` also `app` and `client` |
//! | 7 | [`cli`] | all |
//!
//! A test (`tests/it/layering.rs`) holds the table. sled is named in [`store`] alone, the HTTP clients in [`outbound`]
//! (and in [`client`], the operator's own tool), the HTTP server in [`inbound`] (and in the tool's receiver); the example
//! sites of [`demo`] are neither hub nor relay and have both.
//!
//! # Walkthroughs
//! **Ping to delivery.** [`inbound`] parses with [`protocol::request`] → [`publishing::Publishing::ping`] commits a
//! pending fetch, 204 → the [`agenda`] of fetches → [`outbound::FetchClient`] through the [`outbound::Guard`] →
//! [`feed::read`], [`feed::news`], [`feed::render`] → one [`store::Commit`]: publication, digests, head, fan-out →
//! [`distribution::Distribution::run_fanouts`] → lane, breaker, signature → [`outbound::CallbackClient`] → 2xx: nothing
//! to write | [`store::Backlog`] → the agenda of backlogs → [`distribution::CatchUp`].
//!
//! **Subscription to lease.** [`inbound`] → [`subscribing::Subscribing::accept`] checks policy and commits a
//! [`store::PendingIntent`], 202 → the agenda of intents → [`protocol::verification`] asks and judges → one commit:
//! [`store::Subscription`] with its lease → the agenda of leases ends or refreshes it.
//!
//! **Slap to verdict**, the pure part: [`salmon::Envelope::read`] → [`salmon::Entry::read`] → [`salmon::Claims`] → a
//! [`salmon::Descriptor`] → [`salmon::Envelope::verify`] → [`salmon::Entry::addressed_to`].
//!
//! # Glossary
//! *Topic*: the resource subscribed to. *Callback*: where its news go. *Subscription*: the pair of them, under a
//! *lease*. *Verification of intent*: the question whether the callback wants it. *Ping*: the publisher's word that
//! something changed. *Publication*: what was new. *Delivery*: one publication to one callback. *Backlog*: from where on
//! a subscription still has to be told. *Slap*: an entry signed by its author and sent to whom it concerns.

pub mod agenda;
pub mod alarm;
pub mod app;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
#[doc = include_str!("conformance.md")]
pub mod conformance {}
pub mod demo;
pub mod distribution;
pub mod feed;
pub mod inbound;
mod lifecycle;
pub mod octets;
pub mod outbound;
pub mod protocol;
pub mod publishing;
pub mod random;
pub mod relay;
pub mod salmon;
pub mod store;
pub mod subscribing;
pub mod supervise;
pub mod telemetry;
