//! A disk that hangs, for tests of who waits for it.

use std::{
    sync::mpsc::{Sender, channel},
    thread::{self, JoinHandle},
};

use super::{Store, health::STALLED};

/// No write ends before this is dropped.
#[derive(Debug)]
#[must_use = "it is over when this is dropped"]
pub(crate) struct Hanging {
    store: Store,
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Store {
    /// From now on.
    pub(crate) fn hang(&self) -> Hanging {
        let engine = self.kv.current();
        let ((over, ending), (hanging, begun)) = (channel(), channel());
        let thread = thread::spawn(move || {
            engine.while_no_write_ends(|| {
                hanging.send(()).unwrap();
                let _over = ending.recv();
            });
        });
        begun.recv().unwrap();
        Hanging { store: self.clone(), over: Some(over), thread: Some(thread) }
    }
}

impl Hanging {
    /// Returns when there is a write, and makes it one that nobody waits for any longer.
    pub(crate) async fn for_long(&self) {
        let health = self.store.kv.health();
        loop {
            if let Some(since) = &mut *health.since() {
                *since = since.checked_sub(STALLED).unwrap();
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
