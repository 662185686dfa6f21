//! Where the updates of a subscription go: a capability, so it is used exactly as given and shown to nobody.
//!
//! Path and query reach the wire byte for byte (S25): a library that tidies dot segments, `+` or `%2F` calls another
//! URL than the subscriber minted. Whoever knows a callback can stop or poison a subscription (X06, X12), so `Debug` and
//! `Display` tell the host and nothing else.

use std::{
    borrow::Cow,
    cell::RefCell,
    fmt, hash,
    sync::{Arc, OnceLock},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Uri, uri};
use serde::{Deserialize, Serialize};

use super::{
    canonical::{self, Parts, Scheme, split_target},
    fault::UrlFault,
    host_key::HostKey,
    ids::CallbackId,
    percent, stored,
};

/// An absolute http or https URL of at most 8 KiB, without fragment (S09); a user name and password may be in it (S38).
///
/// Equality is of the strings; two spellings of one callback are different values with the same [`id`](Self::id).
/// Reading one back from the store checks it again, so the rules may be loosened but not tightened without a migration.
#[derive(Clone)]
pub struct CallbackUrl(Arc<Parsed>);

/// Worked out once; a fan-out and its retries clone the handle.
struct Parsed {
    text: Box<str>,
    uri: Uri,
    /// Only asked of those that come in: what is stored stands under its id.
    id: OnceLock<CallbackId>,
    host_key: HostKey,
    authorization: Option<HeaderValue>,
}

/// Where a callback is, less its path: the same for all callbacks of a site.
#[derive(Clone)]
struct Origin {
    scheme: uri::Scheme,
    authority: uri::Authority,
    host_key: HostKey,
}

thread_local! {
    /// The origin that was read last, by how the URL begins.
    static LAST: RefCell<Option<(Box<str>, Origin)>> = const { RefCell::new(None) };
}

impl Origin {
    fn of(parts: &Parts<'_>) -> Option<Self> {
        let scheme = match parts.scheme {
            Scheme::Http => uri::Scheme::HTTP,
            Scheme::Https => uri::Scheme::HTTPS,
        };
        // What a name service may hold and what the HTTP library lets through is not quite the same set.
        let authority = uri::Authority::try_from(parts.authority()).ok()?;
        Some(Self { scheme, authority, host_key: parts.host_key() })
    }
}

impl CallbackUrl {
    pub fn parse(text: &str) -> Result<Self, UrlFault> {
        let parts = Parts::parse(text)?;
        let origin = Origin::of(&parts).ok_or(UrlFault::Host)?;
        let authorization = parts.userinfo.filter(|userinfo| !userinfo.is_empty()).and_then(basic);
        Self::at(text, origin, parts.target, authorization)
    }

    fn at(
        text: &str,
        origin: Origin,
        target: &str,
        authorization: Option<HeaderValue>,
    ) -> Result<Self, UrlFault> {
        let mut whole = String::with_capacity(target.len().saturating_add(1));
        if !target.starts_with('/') {
            whole.push('/');
        }
        whole.push_str(&as_request_target(target));
        let mut parts = uri::Parts::default();
        parts.scheme = Some(origin.scheme);
        parts.authority = Some(origin.authority);
        parts.path_and_query = uri::PathAndQuery::try_from(whole).ok();
        let Ok(uri) = Uri::from_parts(parts) else {
            return Err(UrlFault::Host);
        };
        let (text, id, host_key) = (text.into(), OnceLock::new(), origin.host_key);
        Ok(Self(Arc::new(Parsed { text, uri, id, host_key, authorization })))
    }

    /// One that was taken apart before it was stored. The next one of the same host costs its path alone: a fan-out reads
    /// thousands of them, and their hosts by the hundred.
    fn read(text: &str) -> Result<Self, UrlFault> {
        let (before, target) = split_target(text);
        let last = LAST.with_borrow(|last| {
            last.as_ref().filter(|(known, _)| **known == *before).map(|(_, origin)| origin.clone())
        });
        if let Some(origin) = last
            && canonical::is_target(target)
            && text.len() <= canonical::MAX_URL_BYTES
        {
            return Self::at(text, origin, target, None);
        }
        let callback = Self::parse(text)?;
        if callback.0.authorization.is_none()
            && let Some(authority) = callback.0.uri.authority()
            && let Some(scheme) = callback.0.uri.scheme()
        {
            let host_key = callback.0.host_key.clone();
            let origin = Origin { scheme: scheme.clone(), authority: authority.clone(), host_key };
            LAST.set(Some((before.into(), origin)));
        }
        Ok(callback)
    }

    /// The string as received: for the store and for comparing, never for a log.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// What to request: the original path and query, the host as a name service knows it, no user name (S25, D01).
    pub fn uri(&self) -> Uri {
        self.0.uri.clone()
    }

    /// The same with `appended` behind an existing query, which stays first and untouched (S24, V01).
    ///
    /// A request target ends at 64 KiB. What this room appends to a URL this room took always fits; anything
    /// longer is left off, and a verification without its question is answered by nobody.
    pub fn uri_with_query(&self, appended: &str) -> Uri {
        let target = self.0.uri.path_and_query().map_or("/", uri::PathAndQuery::as_str);
        let joint = if target.contains('?') { '&' } else { '?' };
        let target = format!("{target}{joint}{}", as_request_target(appended));
        let mut parts = self.0.uri.clone().into_parts();
        parts.path_and_query = uri::PathAndQuery::try_from(target).ok();
        Uri::from_parts(parts).unwrap_or_else(|_| self.uri())
    }

    /// The Basic credentials in the URL, marked sensitive; sent with every verification and delivery (S38).
    pub fn authorization(&self) -> Option<HeaderValue> {
        self.0.authorization.clone()
    }

    /// The same for every spelling of this URL.
    pub fn id(&self) -> CallbackId {
        // It was taken apart before, so it can be again.
        let canonical = || {
            Parts::parse(self.as_str()).map_or_else(|_| self.as_str().to_owned(), |parts| parts.canonical())
        };
        *self.0.id.get_or_init(|| CallbackId::of_canonical(&canonical()))
    }

    /// The server it is on.
    pub fn host_key(&self) -> HostKey {
        self.0.host_key.clone()
    }
}

/// Encodes only what no request line may hold: letters beyond ASCII, and the few characters the HTTP library
/// refuses. A URL that holds one of them raw was no URL to begin with.
fn as_request_target(text: &str) -> Cow<'_, str> {
    let stands = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'`' | b'#');
    if text.bytes().all(stands) { text.into() } else { percent::encode(text.as_bytes(), stands).into() }
}

fn basic(userinfo: &str) -> Option<HeaderValue> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let mut pair = percent::decode(user.as_bytes());
    pair.push(b':');
    pair.extend(percent::decode(password.as_bytes()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(&pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Scheme and host, and nothing that could be used (X06).
impl fmt::Display for CallbackUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.uri.scheme_str().unwrap_or_default();
        let authority = self.0.uri.authority().map_or("", uri::Authority::as_str);
        write!(f, "{scheme}://{authority}/…")
    }
}

impl fmt::Debug for CallbackUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallbackUrl({self})")
    }
}

impl PartialEq for CallbackUrl {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for CallbackUrl {}

impl hash::Hash for CallbackUrl {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
    }
}

impl std::str::FromStr for CallbackUrl {
    type Err = UrlFault;

    fn from_str(text: &str) -> Result<Self, UrlFault> {
        Self::parse(text)
    }
}

/// The whole string: what is stored must be callable.
impl Serialize for CallbackUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.text)
    }
}

impl<'de> Deserialize<'de> for CallbackUrl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        stored::text(deserializer, Self::read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn callback(text: &str) -> CallbackUrl {
        CallbackUrl::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
    }

    #[test]
    fn s25_path_and_query_reach_the_wire_untouched() {
        for target in [
            "/a/../b/./c//d",
            "/%2F%2f%7e/+?a+b=%20&c",
            "/cb?x=http://y/?z&z=[1]",
            "/?",
            "/a;b=c/%zz%",
            "/{x}|^\\?",
        ] {
            let uri = callback(&format!("https://example.com{target}")).uri();
            assert_eq!(uri.to_string(), format!("https://example.com{target}"));
        }
    }

    #[test]
    fn s25_only_what_no_request_line_may_hold_is_encoded() {
        let uri = callback("http://BÜCHER.example:80/ü?ö<`\">").uri();
        assert_eq!(uri.to_string(), "http://xn--bcher-kva.example/%C3%BC?%C3%B6%3C%60%22%3E");
        assert_eq!(callback("http://example.com").uri().to_string(), "http://example.com/");
        assert_eq!(callback("http://example.com?a").uri().to_string(), "http://example.com/?a");
        assert_eq!(callback("http://example.com:8080/a").uri().to_string(), "http://example.com:8080/a");
    }

    #[test]
    fn v01_the_question_comes_after_an_existing_query() {
        let table = [
            ("http://h/cb", "http://h/cb?hub.mode=x"),
            ("http://h", "http://h/?hub.mode=x"),
            ("http://h/cb?a=1", "http://h/cb?a=1&hub.mode=x"),
            ("http://h/cb?hub.mode=fake", "http://h/cb?hub.mode=fake&hub.mode=x"),
            ("http://h/cb?", "http://h/cb?&hub.mode=x"),
        ];
        for (text, expected) in table {
            assert_eq!(callback(text).uri_with_query("hub.mode=x").to_string(), expected);
        }
    }

    #[test]
    fn what_cannot_be_appended_is_left_off() {
        let callback = callback("http://h/cb");
        assert_eq!(callback.uri_with_query(&"a".repeat(70_000)), callback.uri());
    }

    #[test]
    fn s38_user_name_and_password_become_basic_credentials() {
        let table = [
            // RFC 7617 §2.
            ("http://Aladdin:open%20sesame@h/", Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")),
            ("http://user@h/", Some("Basic dXNlcjo=")),
            ("http://a:b:c@h/", Some("Basic YTpiOmM=")),
            ("http://test:123£@h/", Some("Basic dGVzdDoxMjPCow==")),
            ("http://@h/", None),
            ("http://h/", None),
        ];
        for (text, expected) in table {
            let callback = callback(text);
            let header = callback.authorization();
            assert_eq!(header.as_ref().map(|value| value.to_str().unwrap()), expected, "{text}");
            assert!(header.is_none_or(|value| value.is_sensitive()));
            assert_eq!(callback.uri().to_string(), "http://h/");
        }
    }

    #[test]
    fn x06_a_callback_shows_only_its_host() {
        let callback = callback("https://user:pw@Example.com:8443/secret?token=abc");
        assert_eq!(callback.to_string(), "https://example.com:8443/…");
        assert_eq!(format!("{callback:?}"), "CallbackUrl(https://example.com:8443/…)");
    }

    #[test]
    fn s22_spellings_share_an_id_and_a_host() {
        let one = callback("HTTPS://Example.com:443/%7Ecb?x=%2f");
        let other = callback("https://example.com/~cb?x=%2F");
        assert_eq!(one.id(), other.id());
        assert_eq!(one.host_key(), other.host_key());
        assert_eq!(one.host_key().to_string(), "https://example.com:443");
        assert_ne!(one.id(), callback("https://u@example.com/~cb?x=%2F").id());
        assert_ne!(one, other);
    }

    #[test]
    fn a_callback_is_stored_whole() {
        let text = "https://user:pw@example.com/cb?x=%2f";
        let bytes = postcard::to_stdvec(&callback(text)).unwrap();
        let back: CallbackUrl = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(back.as_str(), text);
        assert!(postcard::from_bytes::<CallbackUrl>(&postcard::to_stdvec("mailto:x").unwrap()).is_err());
    }

    #[test]
    fn the_longest_callback_and_the_longest_question_fit_one_request() {
        let limit = canonical::MAX_URL_BYTES;
        let widest = |prefix: &str| {
            let letters = (limit - prefix.len()) / 'ü'.len_utf8();
            format!("{prefix}{}", "ü".repeat(letters))
        };
        let callback = callback(&widest("http://h/?"));
        let topic = super::super::TopicUrl::parse(&widest("http://t/?")).unwrap();
        let token = super::super::VerifyToken::new(vec![0xFF; 2048]).unwrap();
        let question = super::super::verification::query(
            super::super::Mode::Subscribe,
            &topic,
            &"c".repeat(128),
            Some(std::time::Duration::MAX),
            Some(&token),
        );
        let asked = callback.uri_with_query(&question);
        assert!(asked.query().unwrap().ends_with(&question));
    }

    proptest! {
        #[test]
        fn an_ascii_target_is_never_changed(target in "[/?][!-~&&[^\"#<>`]]{0,40}") {
            let uri = callback(&format!("http://h/x{target}")).uri();
            let sent = uri.path_and_query().unwrap().as_str();
            prop_assert_eq!(sent, format!("/x{target}"));
        }

        /// What is read from a store one after the other shares what it can, and nothing else.
        #[test]
        fn what_was_read_before_changes_nothing(
            texts in proptest::collection::vec("https?://(u:p@|@)?[hH](:80|:443|:8080)?(/[a-c #]{0,3})?(\\?x)?", 1..20)
        ) {
            for text in texts {
                let Ok(parsed) = CallbackUrl::parse(&text) else { continue };
                let read: CallbackUrl = postcard::from_bytes(&postcard::to_stdvec(&text).unwrap()).unwrap();
                prop_assert_eq!(read.as_str(), &*text);
                prop_assert_eq!(read.uri(), parsed.uri());
                prop_assert_eq!(read.authorization(), parsed.authorization());
                prop_assert_eq!(read.id(), parsed.id());
                prop_assert_eq!(read.host_key(), parsed.host_key());
            }
        }

        #[test]
        fn nothing_makes_it_panic(text in "http://\\PC{0,60}", appended in "\\PC{0,30}") {
            if let Ok(callback) = CallbackUrl::parse(&text) {
                let asked = callback.uri_with_query(&appended);
                let plain = callback.uri();
                prop_assert_eq!(asked.authority(), plain.authority());
            }
        }
    }
}
