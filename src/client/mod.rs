//! The operator's own publisher and subscriber, for trying out any hub by hand and from scripts.
//!
//! It speaks the forms of `PubSubHubbub` 0.3, 0.4 and `WebSub` (§5.1, §6; 0.3 §6.1, §7.1) and, on request,
//! receives: it answers verification of intent and shows what is delivered. It knows nothing of the hub in this
//! program; of its code it shares the check of signatures, which has the published vectors for a test.
//!
//! - Topic and callback go out exactly as they were typed (S22): hubs and subscribers compare them byte by byte.
//! - Nothing that a peer sent reaches a terminal with control characters in it.
//! - The guard of the outbound room does not apply: the operator names the hub.

mod display;
mod form;
mod hub;
mod receiver;
mod secret;
mod signature;
mod watch;

pub use form::{Mode, SubscriptionForm, VerifyMode, publish_form};
pub use hub::{Answer, ClientError, Hub, http_client};
pub use receiver::{Event, Expected, Receiver};
pub use secret::SecretText;
pub use signature::{Verdict, verdict};
pub use watch::{Watch, WatchError};
