//! The requests of one look-up: each hop within the rules, all of them within a bound.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use url::Url;

use super::{Lookup, Miss, Rules};
use crate::{
    outbound::{Outgoing, Overflow, Purpose, SendError},
    salmon::discovery,
};

const REDIRECTS: usize = 3;
/// In all, redirects included: the longest way that leads anywhere has eight.
const MOST_REQUESTS: u8 = 12;

/// A look-up under way.
#[derive(Debug)]
pub(super) struct Errand<'a> {
    pub(super) lookup: &'a Lookup,
    /// For a site beside us.
    is_own: bool,
    /// Hosts that this look-up was counted for.
    counted: Vec<String>,
    left: u8,
    /// A step failed that may succeed later.
    may_pass: bool,
    is_crowded: bool,
    /// Whether the host of the name was there, which is asked first; nothing, if nobody was asked.
    pub(super) is_there: Option<bool>,
}

/// A document and where it came from in the end.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// There is no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// The server says so.
    Absent,
    /// It could not be asked, or may not be.
    Unclear,
}

impl<'a> Errand<'a> {
    pub(super) fn new(lookup: &'a Lookup, is_own: bool) -> Self {
        Self {
            lookup,
            is_own,
            counted: Vec::new(),
            left: MOST_REQUESTS,
            may_pass: false,
            is_crowded: false,
            is_there: None,
        }
    }

    pub(super) fn rules(&self) -> &'a Rules {
        &self.lookup.parts.rules
    }

    /// Why all of it came to nothing.
    pub(super) fn miss(&self) -> Miss {
        match (self.is_crowded, self.may_pass) {
            (true, _) => Miss::Crowded,
            (_, true) => Miss::Later,
            _ => Miss::Nothing,
        }
    }

    pub(super) async fn get(&mut self, mut url: Url, accept: &'static str) -> Result<Page, Gone> {
        for _hop in 0..=REDIRECTS {
            let request = self.request(&url, accept).ok_or(Gone::Unclear)?;
            let is_first = self.is_there.is_none();
            // Also if this is cut off.
            self.is_there.get_or_insert(false);
            let sent = self.lookup.parts.transport.send(request).await;
            if is_first {
                self.is_there =
                    Some(matches!(sent, Ok(_) | Err(SendError::Refused(_) | SendError::TooLarge)));
            }
            let answer = match sent {
                Ok(answer) => answer,
                Err(SendError::Refused(_) | SendError::TooLarge) => return Err(Gone::Unclear),
                Err(_) => return Err(self.later()),
            };
            match answer.status {
                StatusCode::OK => {
                    return Ok(Page { url, headers: answer.headers, body: answer.body });
                }
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => {
                    url = target(&answer.headers, &url).ok_or(Gone::Unclear)?;
                }
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                    return Err(self.later());
                }
                status if status.is_server_error() => return Err(self.later()),
                status if status.is_client_error() => return Err(Gone::Absent),
                _ => return Err(Gone::Unclear),
            }
        }
        Err(Gone::Unclear)
    }

    fn later(&mut self) -> Gone {
        self.may_pass = true;
        Gone::Unclear
    }

    /// `None` if there may be none.
    fn request(&mut self, url: &Url, accept: &'static str) -> Option<Outgoing> {
        let uri: Uri = url.as_str().parse().ok()?;
        if !self.rules().may_reach(url) {
            return None;
        }
        // Whatever the port: it is one machine.
        let host = url.host_str()?.trim_end_matches('.').to_ascii_lowercase();
        if !self.counted.contains(&host) {
            if !self.lookup.limits.may_be_asked(&host, self.is_own) {
                self.is_crowded = true;
                return None;
            }
            self.counted.push(host);
        }
        self.left = self.left.checked_sub(1)?;
        Some(Outgoing {
            purpose: Purpose::Fetch,
            method: Method::GET,
            uri,
            headers: HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]),
            body: Bytes::new(),
            timeout: self.rules().lookup_timeout,
            max_body: discovery::MOST_BYTES,
            overflow: Overflow::Fail,
        })
    }
}

impl Rules {
    /// Whether this may be asked at all; the guard judges whether its host may.
    pub(super) fn may_reach(&self, url: &Url) -> bool {
        let is_plain = match url.scheme() {
            "https" => false,
            "http" => true,
            _ => return false,
        };
        url.username().is_empty() && url.password().is_none() && (!is_plain || self.is_http_host(url))
    }

    fn is_http_host(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let host = host.trim_end_matches('.');
        let with_port = format!("{host}:{}", url.port_or_known_default().unwrap_or_default());
        let is_it = |listed: &String| [host, &with_port].iter().any(|name| listed.eq_ignore_ascii_case(name));
        self.http_hosts.iter().any(is_it)
    }

    /// An address at a host in the scheme in which that is asked.
    pub(super) fn at_host(&self, https: &str) -> Option<Url> {
        let mut url = Url::parse(https).ok()?;
        let mut plain = url.clone();
        plain.set_scheme("http").ok()?;
        if self.is_http_host(&plain) {
            url = plain;
        }
        Some(url)
    }

    /// The page of an account, by TLS if that is how its host is asked.
    pub(super) fn page(&self, written: &str) -> Option<Url> {
        let mut url = Url::parse(written).ok()?;
        url.set_fragment(None);
        if url.scheme() == "http" && !self.is_http_host(&url) {
            url.set_scheme("https").ok()?;
        }
        Some(url)
    }
}

/// Where a redirect leads; a fragment is the user agent's affair and goes.
fn target(headers: &HeaderMap, from: &Url) -> Option<Url> {
    let location = std::str::from_utf8(headers.get(header::LOCATION)?.as_bytes()).ok()?;
    let mut url = from.join(location).ok()?;
    url.set_fragment(None);
    Some(url)
}
