//! From a name that somebody types to whom it is: `WebFinger` at the name's own host, then the feed, with its hub and its
//! Salmon endpoint, as any site of OStatus looks somebody up (salmon.md 2).

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use url::form_urlencoded;

use super::fetching::get;
use crate::salmon::{
    Descriptor, Identity, KeySizes, PublicKey,
    discovery::{self, AccountKind},
};

/// Somebody somewhere, found.
#[derive(Debug, Clone)]
pub(super) struct Contact {
    pub(super) kind: AccountKind,
    /// `acct:nick@host`.
    pub(super) address: String,
    /// As their own feed has it.
    pub(super) uri: String,
    pub(super) name: String,
    pub(super) feed: String,
    pub(super) hub: String,
    pub(super) salmon: String,
}

/// Looks somebody up by `nick@host`.
pub(super) async fn find(http: &Client, name: &str) -> Result<Contact> {
    let identity = Identity::parse(name).with_context(|| format!("{name} is no name"))?;
    let descriptor = descriptor(http, &identity).await?;
    let feed = descriptor.feed().context("the descriptor names no feed")?.to_owned();
    let text = get(http, &feed, "application/atom+xml").await?;
    let source = discovery::feed(&text).with_context(|| format!("{feed} is no feed"))?;
    let author = source.author.with_context(|| format!("{feed} has no author"))?;
    let salmon = source.salmon.with_context(|| format!("{feed} has no salmon link"))?;
    ensure!(
        descriptor.salmon() == Some(&salmon),
        "feed and descriptor name different endpoints: {salmon} and {:?}",
        descriptor.salmon()
    );
    let is_group = author.kind.as_deref() == Some("group");
    Ok(Contact {
        kind: if is_group { AccountKind::Group } else { AccountKind::Person },
        address: identity.as_str().to_owned(),
        uri: author.uri.or(author.id).with_context(|| format!("the author of {feed} has no URI"))?,
        name: author.display_name.or(author.name).unwrap_or_else(|| name.to_owned()),
        hub: source.hubs.into_iter().next().with_context(|| format!("{feed} has no hub"))?,
        feed,
        salmon,
    })
}

/// The key of whoever signs under that name.
pub(super) async fn key(http: &Client, name: &str) -> Result<PublicKey> {
    let identity = Identity::parse(name).with_context(|| format!("{name} is no name"))?;
    let keys = descriptor(http, &identity).await?.keys(KeySizes::default());
    let key = keys.into_iter().next().with_context(|| format!("{name} has no key"))??;
    Ok(key.0)
}

async fn descriptor(http: &Client, identity: &Identity) -> Result<Descriptor> {
    let resource: String = form_urlencoded::byte_serialize(identity.as_str().as_bytes()).collect();
    // Plain http, which no site on a network would use.
    let url = format!("http://{}/.well-known/webfinger?resource={resource}", identity.host());
    let found = get(http, &url, "application/jrd+json, application/xrd+xml;q=0.9").await?;
    let descriptor = Descriptor::read(&found).with_context(|| format!("{url} has no descriptor"))?;
    let is_about = descriptor.identities().iter().any(|name| name.is_same(identity));
    ensure!(is_about, "{url} is about somebody else");
    Ok(descriptor)
}
