//! Requests to subscribe and unsubscribe, S01-S39: what is read, what is refused, and with which answer.
