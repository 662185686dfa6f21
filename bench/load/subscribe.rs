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

use crate::{signing, wire::Line};

/// Who subscribes to what, where.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) hub: SocketAddr,
    pub(crate) topic_url: String,
    pub(crate) sink: Vec<SocketAddr>,
    pub(crate) subscribers: u32,
    pub(crate) next: AtomicU32,
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
        if subscriber >= wish.subscribers {
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
    let place = usize::try_from(subscriber).ok()?.checked_rem(wish.sink.len())?;
    let callback = format!("http://{}/s/{subscriber}", wish.sink.get(place)?);
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("hub.mode", "subscribe")
        .append_pair("hub.topic", &wish.topic_url)
        .append_pair("hub.callback", &callback)
        .append_pair("hub.secret", &signing::secret(subscriber))
        .append_pair("hub.lease_seconds", "86400")
        .finish();
    Some(form)
}
