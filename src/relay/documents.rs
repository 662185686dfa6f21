//! What we say of our accounts, and of their domains: WebFinger, host-meta, XRD (`salmon.md` 2.3, 6.1).

use super::{Relay, feeds};
use crate::{
    salmon::{
        Identity,
        discovery::{self, HostMeta},
    },
    store::{AccountKind, StoreError},
};

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Jrd,
    /// XML.
    Xrd,
}

/// What there is to say of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Document(String),
    /// It is nobody's.
    Nothing,
    /// It is that of an account that was removed.
    Gone,
}

impl Relay {
    /// The descriptor of the account of this name, with the links of these relations, or all if none is given.
    pub async fn descriptor(&self, name: &str, rels: &[String], format: Format) -> Result<Said, StoreError> {
        let Some(name) = Identity::parse(name) else { return Ok(Said::Nothing) };
        let Some((id, account)) = self.register.find(&name).await? else { return Ok(Said::Nothing) };
        if account.removed_at.is_some() {
            return Ok(Said::Gone);
        }
        let Some(subject) = Identity::parse(&account.name) else { return Ok(Said::Nothing) };
        let key = self.register.public_key(id).await?;
        let salmon = feeds::endpoint(self.hub_url(), &account.name);
        let published = discovery::Account {
            subject: &subject,
            uri: &account.uri,
            profile: &account.profile,
            feed: &account.feed,
            aliases: &account.aliases,
            salmon: &salmon,
            hub: Some(self.hub_url()),
            subscribe: None,
            kind: match account.kind {
                AccountKind::Person => discovery::AccountKind::Person,
                AccountKind::Group => discovery::AccountKind::Group,
            },
            key: key.as_ref(),
        };
        let rels: Vec<&str> = rels.iter().map(String::as_str).collect();
        Ok(Said::Document(match format {
            Format::Jrd => published.to_jrd(&rels),
            Format::Xrd => published.to_xrd(&rels),
        }))
    }

    /// The host-meta of the domain that was asked, if there are accounts of it; of our own otherwise. Its templates are of
    /// our own address, which reaches us whatever the site in front of us passes on.
    pub async fn host_meta(&self, asked: Option<&str>, format: Format) -> Result<String, StoreError> {
        // Of any page there: what counts is how its host is written.
        let domain = asked.and_then(|asked| Identity::parse(&format!("https://{asked}/")));
        let is_served = match &domain {
            Some(domain) => self.register.has_domain(domain.host()).await?,
            None => false,
        };
        let domain = domain.filter(|_| is_served).or_else(|| Identity::parse(self.hub_url()));
        let base = self.hub_url().trim_end_matches('/');
        let meta = HostMeta {
            host: domain.as_ref().map_or("localhost", Identity::host),
            xrd_template: &format!("{base}/xrd?uri={{uri}}"),
            jrd_template: &format!("{base}/.well-known/webfinger?resource={{uri}}"),
        };
        Ok(match format {
            Format::Jrd => meta.to_jrd(),
            Format::Xrd => meta.to_xrd(),
        })
    }
}
