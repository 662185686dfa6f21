//! From a name to its descriptor: whom to ask, in which order, and whom to believe (`salmon.md` 2.1).

use http::header;
use url::Url;

use super::{
    Miss,
    errand::{Errand, Gone, Page},
};
use crate::salmon::{
    Descriptor, Identity,
    discovery::{self, Pointers},
    identity::authority,
};

const DESCRIPTOR: &str = "application/jrd+json, application/xrd+xml;q=0.9, application/json;q=0.8, */*;q=0.1";
const XRD: &str = "application/xrd+xml, application/xml;q=0.9, */*;q=0.1";
pub(super) const PAGE: &str = "text/html, application/xhtml+xml, application/atom+xml;q=0.9, */*;q=0.1";
pub(super) const FEED: &str = "application/atom+xml, application/xml;q=0.9, */*;q=0.1";
/// Of a kind that are tried: sites list the same document in up to three types.
const MOST_TEMPLATES: usize = 3;
pub(super) const MOST_POINTERS: usize = 2;

/// What a host says of where its descriptors are.
enum HostMeta {
    Templates(Vec<String>),
    /// The host says that it has none.
    Absent,
    Unclear,
}

impl Errand<'_> {
    /// What the host of a name says of it.
    pub(super) async fn descriptor(&mut self, name: &Identity) -> Result<Descriptor, Miss> {
        match self.steps(name).await {
            // One that is too large to be kept is as good as none.
            Some(descriptor) => descriptor.condensed().ok_or(Miss::Nothing),
            None => Err(self.miss()),
        }
    }

    async fn steps(&mut self, name: &Identity) -> Option<Descriptor> {
        if name.is_account()
            && let Some(found) = self.webfinger(name, name).await
        {
            return Some(found);
        }
        let meta = self.host_meta(name).await;
        if let HostMeta::Templates(templates) = &meta
            && let Some(found) = self.by_templates(templates, name, name).await
        {
            return Some(found);
        }
        if name.is_account() {
            return None;
        }
        self.by_page(name, &meta).await
    }

    /// Asks for `name`; what comes has to be about `about` as well.
    async fn webfinger(&mut self, name: &Identity, about: &Identity) -> Option<Descriptor> {
        let url = self.rules().at_host(&discovery::webfinger(name.host(), name.as_str()))?;
        let document = url.path().to_owned();
        let page = self.get(url, DESCRIPTOR).await.ok()?;
        let found = spoken_for(&page, name.host(), &document).then(|| Descriptor::read(&page.body).ok())?;
        found.filter(|found| is_about(found, name) && is_about(found, about))
    }

    async fn host_meta(&mut self, name: &Identity) -> HostMeta {
        let address = discovery::host_meta(name.host());
        let mut meta = HostMeta::Absent;
        for address in [address.clone(), format!("{address}.json")] {
            let Some(url) = self.rules().at_host(&address) else { return HostMeta::Unclear };
            let document = url.path().to_owned();
            match self.get(url, XRD).await {
                Ok(page) if !spoken_for(&page, name.host(), &document) => meta = HostMeta::Unclear,
                Ok(page) => {
                    // Many a server answers whatever it does not know with a page for people.
                    if let Ok(found) = Descriptor::read(&page.body) {
                        let templates = found.templates().into_iter().take(MOST_TEMPLATES);
                        return HostMeta::Templates(templates.map(str::to_owned).collect());
                    }
                }
                Err(Gone::Absent) => {}
                // The other form is at the same host.
                Err(Gone::Unclear) => return HostMeta::Unclear,
            }
        }
        meta
    }

    /// The host has said where, so that it need not be at that host.
    async fn by_templates(
        &mut self,
        templates: &[String],
        name: &Identity,
        about: &Identity,
    ) -> Option<Descriptor> {
        for template in templates {
            let Some(address) = discovery::expand(template, name.as_str()) else { continue };
            let Ok(url) = Url::parse(&address) else { continue };
            let Some(host) = authority(&url) else { continue };
            let Ok(page) = self.get(url, DESCRIPTOR).await else { continue };
            let found = read(&page, &host).or_else(|| read(&page, name.host()));
            if let Some(found) = found.filter(|found| is_about(found, name) && is_about(found, about)) {
                return Some(found);
            }
        }
        None
    }

    /// What the page of an account leads to.
    async fn by_page(&mut self, name: &Identity, meta: &HostMeta) -> Option<Descriptor> {
        let url = self.rules().page(name.as_str())?;
        let page = self.get(url, PAGE).await.ok()?;
        if !is_from(&page, name.host()) {
            return None;
        }
        let Pointers { mut descriptors, .. } =
            discovery::link_header(page.headers.get_all(header::LINK).iter(), &page.url);
        let head = pointers(&page);
        descriptors.extend(head.descriptors);
        // On a host with accounts of its own, a page may be anybody's and lead anywhere.
        if matches!(meta, HostMeta::Absent) {
            for address in descriptors.iter().take(MOST_POINTERS) {
                if let Some(found) = self.by_pointer(address, name).await {
                    return Some(found);
                }
            }
        }
        let mut accounts: Vec<Identity> = Vec::new();
        if let Some(feed) = discovery::feed(&page.body) {
            accounts.extend(feed.account(&page.url));
        }
        for address in head.feeds.iter().take(MOST_POINTERS) {
            let Ok(url) = Url::parse(address) else { continue };
            let Ok(page) = self.get(url, FEED).await else { continue };
            accounts.extend(discovery::feed(&page.body).and_then(|feed| feed.account(&page.url)));
        }
        accounts.dedup();
        for account in accounts.iter().filter(|account| account.is_account() && account.host() == name.host())
        {
            if let Some(found) = self.by_account(account, name, meta).await {
                return Some(found);
            }
        }
        None
    }

    async fn by_pointer(&mut self, address: &str, name: &Identity) -> Option<Descriptor> {
        let page = self.get(Url::parse(address).ok()?, DESCRIPTOR).await.ok()?;
        let mut found = read(&page, name.host()).filter(|found| is_about(found, name))?;
        // Whoever wrote the page may have written this as well, and has no say in other names of the host.
        let is_its_own = |written: &String| {
            Identity::parse(written).is_some_and(|other| other.is_same(name) || other.host() != name.host())
        };
        found.subject = found.subject.filter(is_its_own);
        found.aliases.retain(is_its_own);
        Some(found)
    }

    async fn by_account(
        &mut self,
        account: &Identity,
        about: &Identity,
        meta: &HostMeta,
    ) -> Option<Descriptor> {
        if let Some(found) = self.webfinger(account, about).await {
            return Some(found);
        }
        let HostMeta::Templates(templates) = meta else { return None };
        self.by_templates(templates, account, about).await
    }
}

pub(super) fn pointers(page: &Page) -> Pointers {
    let content_type = page.headers.get(header::CONTENT_TYPE).map(header::HeaderValue::as_bytes);
    discovery::page(&page.body, content_type, &page.url).unwrap_or_default()
}

/// A descriptor, if it came from that host.
fn read(page: &Page, host: &str) -> Option<Descriptor> {
    if !is_from(page, host) {
        return None;
    }
    Descriptor::read(&page.body).ok()
}

/// Whether it came from that host, after all redirects.
fn is_from(page: &Page, host: &str) -> bool {
    authority(&page.url).is_some_and(|from| from == host)
}

/// Whether a well-known document is the word of that host: it came from there, or from where the host keeps it. Sites whose
/// accounts are named by one host and served by another answer with a redirect to the same document there; no page of a
/// user and no open redirect lies under that path.
fn spoken_for(page: &Page, host: &str, document: &str) -> bool {
    is_from(page, host) || page.url.path() == document
}

fn is_about(descriptor: &Descriptor, name: &Identity) -> bool {
    descriptor.identities().iter().any(|known| known.is_same(name))
}
