//! A URL taken apart, and the one spelling that stands for all its spellings.
//!
//! Peers compare `hub.topic` byte by byte, and a callback is a capability that no library may re-serialise, so
//! strings are stored and echoed exactly as received (S22, S25). The canonical form is only ever hashed into a key: scheme
//! and host in lower case, IDNA for the host, default port dropped, unreserved `%XX` decoded, other `%XX` in upper
//! case, what a URL may not hold encoded, empty path `/` (S22, S23). The order of the query and dot segments stay.
//!
//! Stricter than the WHATWG parser on purpose: what it would repair (backslashes, tabs, missing slashes, a second
//! `@`) is refused, because two programs that repair differently see two different hosts.

use std::fmt;

use url::Host;

use super::{fault::UrlFault, host_key::HostKey, percent, percent::Step};

/// The longest URL taken: what common servers accept in a request line.
pub(super) const MAX_URL_BYTES: usize = 8 * 1024;

/// How a topic is fetched and a callback called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The parts of an acceptable URL.
pub(super) struct Parts<'a> {
    pub(super) scheme: Scheme,
    /// What stands before the `@`, as received.
    pub(super) userinfo: Option<&'a str>,
    /// ASCII and lower case; an IPv6 address in brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Path and query as received: empty, or beginning with `/` or `?`.
    pub(super) target: &'a str,
}

impl<'a> Parts<'a> {
    /// Takes an absolute http or https URL without fragment apart (S06, S07, S09).
    pub(super) fn parse(text: &'a str) -> Result<Self, UrlFault> {
        if text.len() > MAX_URL_BYTES {
            return Err(UrlFault::TooLong);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(UrlFault::Character);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlFault::NotHttp)?;
        let scheme = if scheme.eq_ignore_ascii_case("https") {
            Scheme::Https
        } else if scheme.eq_ignore_ascii_case("http") {
            Scheme::Http
        } else {
            return Err(UrlFault::NotHttp);
        };
        let (authority, target) = split_target_of(rest);
        if target.contains('#') {
            return Err(UrlFault::Fragment);
        }
        let (userinfo, place) = match authority.rsplit_once('@') {
            Some((userinfo, place)) => (Some(userinfo), place),
            None => (None, authority),
        };
        if userinfo.is_some_and(|userinfo| !userinfo.bytes().all(may_stand_in_userinfo)) {
            return Err(UrlFault::UserinfoCharacter);
        }
        let (host, port) = split_port(place);
        if host.is_empty() {
            return Err(UrlFault::NoHost);
        }
        // The parser of the fetching client, so that nobody downstream sees another host than the one hashed here.
        let Ok(host) = Host::parse(host) else {
            return Err(UrlFault::Host);
        };
        let port = match port {
            None | Some("") => scheme.default_port(),
            Some(digits) => parse_port(digits).ok_or(UrlFault::Port)?,
        };
        Ok(Self { scheme, userinfo, host: host.to_string(), port, target })
    }

    /// Host and port as a request names them: the default port left out.
    pub(super) fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The one spelling of this URL (S22, S23). Applying it twice is applying it once.
    pub(super) fn canonical(&self) -> String {
        let mut out = String::with_capacity(self.target.len());
        out.push_str(self.scheme.as_str());
        out.push_str("://");
        if let Some(userinfo) = self.userinfo.filter(|userinfo| !userinfo.is_empty()) {
            push_normal(&mut out, userinfo);
            out.push('@');
        }
        out.push_str(&self.authority());
        if !self.target.starts_with('/') {
            out.push('/');
        }
        push_normal(&mut out, self.target);
        out
    }

    pub(super) fn host_key(&self) -> HostKey {
        HostKey::new(self.scheme.as_str(), &self.host, self.port)
    }
}

/// What comes before path and query, and those.
pub(super) fn split_target(text: &str) -> (&str, &str) {
    let after_scheme = text.find("://").map_or(0, |at| at.saturating_add(3));
    let (scheme, rest) = text.split_at_checked(after_scheme).unwrap_or(("", text));
    let (authority, target) = split_target_of(rest);
    (text.get(..scheme.len().saturating_add(authority.len())).unwrap_or(text), target)
}

/// The same of what follows the scheme.
fn split_target_of(rest: &str) -> (&str, &str) {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    rest.split_at_checked(end).unwrap_or((rest, ""))
}

/// Whether path and query may be those of a URL that [`Parts::parse`] takes.
pub(super) fn is_target(target: &str) -> bool {
    !target.contains(|c: char| c == '#' || c.is_control() || c.is_whitespace())
}

/// RFC 3986 §3.2.1, and letters beyond ASCII. A second `@` or a backslash here is how a URL hides its host.
const fn may_stand_in_userinfo(byte: u8) -> bool {
    percent::is_unreserved(byte)
        || percent::is_sub_delimiter(byte)
        || matches!(byte, b'%' | b':')
        || !byte.is_ascii()
}

/// Host and, if a colon follows it, what should be a port. The colons inside brackets belong to an IPv6 address.
fn split_port(place: &str) -> (&str, Option<&str>) {
    match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (place, None),
    }
}

fn parse_port(digits: &str) -> Option<u16> {
    // `parse` alone would take a leading plus.
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// Appends a component with its percent-encoding made regular.
fn push_normal(out: &mut String, component: &str) {
    for step in percent::steps(component.as_bytes()) {
        match step {
            Step::Triplet(byte) if percent::is_unreserved(byte) => out.push(char::from(byte)),
            // A stray percent sign is encoded: left alone, it could join what is decoded behind it into a new triplet.
            Step::Plain(byte) if percent::is_unreserved(byte) || percent::is_reserved(byte) => {
                out.push(char::from(byte));
            }
            Step::Plain(byte) | Step::Triplet(byte) => percent::push_triplet(out, byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(text: &str) -> String {
        Parts::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}")).canonical()
    }

    fn fault(text: &str) -> UrlFault {
        match Parts::parse(text) {
            Ok(_) => panic!("{text} was taken"),
            Err(fault) => fault,
        }
    }

    #[test]
    fn s22_different_spellings_have_one_canonical_form() {
        let table = [
            ("HTTP://Example.COM", "http://example.com/"),
            ("http://example.com:80/", "http://example.com/"),
            ("https://example.com:443/a", "https://example.com/a"),
            ("https://example.com:/a", "https://example.com/a"),
            ("http://example.com:0080/", "http://example.com/"),
            ("https://example.com:80/a", "https://example.com:80/a"),
            ("http://example.com?q", "http://example.com/?q"),
            ("http://example.com/%7euser/%2d%41", "http://example.com/~user/-A"),
            ("http://example.com/a%2fb%c3%bc", "http://example.com/a%2Fb%C3%BC"),
            ("http://ex%61mple.com/", "http://example.com/"),
            ("http://@example.com/", "http://example.com/"),
            ("http://[::FFFF]:8080/", "http://[::ffff]:8080/"),
            ("http://[::1]/", "http://[::1]/"),
            ("http://127.1/", "http://127.0.0.1/"),
        ];
        for (text, expected) in table {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }

    #[test]
    fn s23_letters_beyond_ascii_are_utf8_and_idna() {
        assert_eq!(canonical("http://BÜCHER.example/ü?ö"), "http://xn--bcher-kva.example/%C3%BC?%C3%B6");
        assert_eq!(
            canonical("http://xn--bcher-kva.example/%c3%bc?%C3%B6"),
            canonical("http://bücher.example/ü?ö")
        );
    }

    #[test]
    fn what_may_differ_stays_different() {
        // Dot segments, the order of a query, an empty query and reserved characters all mean what the server decides.
        for (one, other) in [
            ("http://h/a/../b", "http://h/b"),
            ("http://h/?a=1&b=2", "http://h/?b=2&a=1"),
            ("http://h/?", "http://h/"),
            ("http://h/a%2Fb", "http://h/a/b"),
            ("http://h/a+b", "http://h/a%20b"),
            ("http://h/A", "http://h/a"),
            ("http://h/", "https://h/"),
            ("http://h/", "http://h./"),
            ("http://u:p@h/", "http://h/"),
        ] {
            assert_ne!(canonical(one), canonical(other));
        }
    }

    #[test]
    fn a_stray_percent_sign_joins_nothing() {
        assert_eq!(canonical("http://h/%%34%31"), "http://h/%2541");
        assert_eq!(canonical("http://h/%2541"), "http://h/%2541");
    }

    #[test]
    fn s06_s07_s09_what_is_no_absolute_http_url_is_refused() {
        let table = [
            ("", UrlFault::NotHttp),
            ("example.com/feed", UrlFault::NotHttp),
            ("/feed", UrlFault::NotHttp),
            ("ftp://example.com/", UrlFault::NotHttp),
            ("http:/example.com/", UrlFault::NotHttp),
            ("http:example.com/", UrlFault::NotHttp),
            ("http:///path", UrlFault::NoHost),
            ("http://?q", UrlFault::NoHost),
            ("http://:80/", UrlFault::NoHost),
            ("http://user@/", UrlFault::NoHost),
            ("http://h/#top", UrlFault::Fragment),
            ("http://h/#", UrlFault::Fragment),
            ("http://h#x", UrlFault::Fragment),
            ("http://h/?a#x", UrlFault::Fragment),
            ("http://h/a b", UrlFault::Character),
            (" http://h/", UrlFault::Character),
            ("http://h/\r\nX: y", UrlFault::Character),
            ("http://h/\0", UrlFault::Character),
            ("http://h/\u{85}", UrlFault::Character),
            ("http://h:65536/", UrlFault::Port),
            ("http://h:+80/", UrlFault::Port),
            ("http://h:http/", UrlFault::Port),
            ("http://a:b:80/", UrlFault::Host),
            ("http://[::1/", UrlFault::Host),
            ("http://[::1]x/", UrlFault::Host),
            ("http://1.2.3.4.5/", UrlFault::Host),
            ("http://h|st/", UrlFault::Host),
            ("http://good.example\\@evil.example/", UrlFault::UserinfoCharacter),
            ("http://a@b@h/", UrlFault::UserinfoCharacter),
            ("http://good.example\\evil/", UrlFault::Host),
        ];
        for (text, expected) in table {
            assert_eq!(fault(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_length_is_bounded() {
        let fits = format!("http://h/{}", "a".repeat(MAX_URL_BYTES - 9));
        assert_eq!(fits.len(), MAX_URL_BYTES);
        assert!(Parts::parse(&fits).is_ok());
        assert_eq!(fault(&(fits + "a")), UrlFault::TooLong);
    }

    prop_compose! {
        fn url_like()(
            scheme in "[hH]ttps?",
            user in prop_oneof![4 => Just(String::new()), 1 => "[a-z:%@\\\\]{0,6}@"],
            host in prop_oneof![
                "[a-zA-Zü][a-zA-Z0-9.ü-]{0,10}", "[0-9.x]{1,12}", "\\[[0-9a-f:.]{1,12}\\]", "[\\PC]{0,6}"],
            port in prop_oneof![Just(String::new()), ":[0-9]{0,5}"],
            target in prop_oneof!["[/?][ -~]{0,30}", "[/?]\\PC{0,20}", "[/?](%[0-9a-fA-F%]{1,3}){0,8}", Just(String::new())],
        ) -> String {
            format!("{scheme}://{user}{host}{port}{target}")
        }
    }

    proptest! {
        #[test]
        fn canonical_form_is_idempotent(text in url_like()) {
            if let Ok(parts) = Parts::parse(&text) {
                let once = parts.canonical();
                prop_assert!(once.is_ascii());
                // Encoding may make a long URL longer than the limit; such a form is never parsed.
                if once.len() <= MAX_URL_BYTES {
                    prop_assert_eq!(&canonical(&once), &once);
                }
            }
        }

        #[test]
        fn encoding_what_needs_none_changes_nothing(path in "[a-zA-Z0-9/._~-]{0,20}", which in any::<u32>()) {
            let mut spelled = String::new();
            for (at, byte) in path.bytes().enumerate() {
                if percent::is_unreserved(byte) && which & (1 << at) != 0 {
                    spelled.push('%');
                    spelled.extend([byte >> 4, byte & 0x0F].map(|nibble| char::from_digit(nibble.into(), 16).unwrap()));
                } else {
                    spelled.push(char::from(byte));
                }
            }
            prop_assert_eq!(canonical(&format!("http://h/{spelled}")), canonical(&format!("HTTP://H:80/{path}")));
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,60}") {
            // An error or not: only that it comes back.
            drop(Parts::parse(&text).map(|parts| parts.canonical()));
        }

        #[test]
        fn the_fetching_client_sees_the_same_host_and_port(text in url_like()) {
            if let Ok(parts) = Parts::parse(&text) {
                let theirs = url::Url::parse(&text);
                prop_assert!(theirs.is_ok(), "{}", text);
                let theirs = theirs.unwrap();
                prop_assert_eq!(theirs.host_str(), Some(parts.host.as_str()));
                prop_assert_eq!(theirs.port_or_known_default(), Some(parts.port));
                prop_assert_eq!(theirs.scheme(), parts.scheme.as_str());
            }
        }
    }
}
