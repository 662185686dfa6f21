//! The subscribers' requests: a form for each, over some kept connections.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Result, ensure};
use tokio::task::JoinSet;
use url::form_urlencoded;

use crate::{cast::Cast, habit::ByHabit, signing, wire::Line};

/// Who subscribes to what, where.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) hub: SocketAddr,
    pub(crate) topic_urls: Vec<String>,
    pub(crate) cast: Cast,
    pub(crate) sink: ByHabit<Vec<SocketAddr>>,
    /// "http" or "https".
    pub(crate) scheme: &'static str,
    /// The next subscriber, and the one at which to stop.
    pub(crate) next: AtomicU32,
    pub(crate) end: u32,
}

/// Sends all the forms; an answer other than 202 ends it.
pub(crate) async fn all(wish: Arc<Wish>, connections: usize) -> Result<()> {
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        workers.spawn(some(Arc::clone(&wish)));
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    Ok(())
}

async fn some(wish: Arc<Wish>) -> Result<()> {
    let mut line = Line::to(wish.hub);
    loop {
        let subscriber = wish.next.fetch_add(1, Ordering::Relaxed);
        if subscriber >= wish.end {
            return Ok(());
        }
        let Some(form) = form(&wish, subscriber) else { return Ok(()) };
        let (status, text) = line.post_form("/", &form).await?;
        ensure!(
            status.as_u16() == 202,
            "the hub answered subscriber {subscriber} with {status}: {}",
            String::from_utf8_lossy(&text)
        );
    }
}

fn form(wish: &Wish, subscriber: u32) -> Option<String> {
    let address = wish.cast.address(subscriber, &wish.sink)?;
    let callback = format!("{}://{address}/s/{subscriber}", wish.scheme);
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("hub.mode", "subscribe")
        .append_pair("hub.topic", wish.topic_urls.get(wish.cast.topic_of(subscriber))?)
        .append_pair("hub.callback", &callback)
        .append_pair("hub.secret", &signing::secret(subscriber))
        .append_pair("hub.lease_seconds", "86400")
        .finish();
    Some(form)
}
