//! Names of accounts: `acct:nick@host` and addresses of people's pages.
//!
//! The same account goes by several names, with http for https, and the one whose key is looked up has to be the one that
//! is acted for. So every name in an entry is compared, and each counts only with the host that has a say in it.

use std::fmt;

use url::Url;

use crate::protocol::{NameId, TopicUrl};

use super::{
    discovery::Descriptor,
    entry::{Entry, Person},
};

/// Longer than any name or URL a server takes.
const LONGEST: usize = 2048;

/// A name of an account that can be looked up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// As given, or with the `acct:` that was left out.
    written: String,
    /// One spelling for all: host in lower case, no default port, https for http.
    canonical: String,
    host: String,
}

impl Identity {
    /// Reads a URI, or a bare `nick@host` as people and `author/email` write it. `None` if nobody can be looked up by it.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty()
            || text.len() > LONGEST
            || text.contains(|c: char| c.is_control() || c.is_whitespace())
        {
            return None;
        }
        let scheme = text.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("http" | "https") => Self::page(text),
            Some("acct" | "mailto") => Self::account(text.split_once(':')?.1),
            // A port is no scheme: `bob@bob.example:8443`.
            _ if text.contains('@') && !text.contains('/') => Self::account(text),
            _ => None,
        }
    }

    fn page(text: &str) -> Option<Self> {
        // By the hub's own grammar: what the parser of browsers would repair may be another host to the next reader.
        let without_fragment = text.split('#').next().unwrap_or_default();
        let topic = TopicUrl::parse(without_fragment).ok()?;
        let (url, host) = (topic.url(), authority(topic.url())?);
        let rest = url.as_str().split_once("://")?.1;
        let path = rest.get(rest.find(['/', '?'])?..)?;
        Some(Self { canonical: format!("https://{host}{path}"), written: text.to_owned(), host })
    }

    fn account(text: &str) -> Option<Self> {
        let (nick, host) = text.rsplit_once('@')?;
        // RFC 7565 has no other characters in a nickname.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte);
        if nick.is_empty() || !nick.bytes().all(is_plain) || host.contains(['/', '?', '#', '\\']) {
            return None;
        }
        let host = authority(TopicUrl::parse(&format!("https://{host}/")).ok()?.url())?;
        Some(Self { written: format!("acct:{text}"), canonical: format!("acct:{nick}@{host}"), host })
    }

    /// What to ask for.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Who has a say in it: the host, with its port if that is not the default one.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn is_account(&self) -> bool {
        self.canonical.starts_with("acct:")
    }

    /// One spelling for all of the same.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// Which name this is, as the store has it.
    pub fn id(&self) -> NameId {
        NameId::of(&self.canonical)
    }

    /// Whether both are the same name, http and https taken as equal.
    pub fn is_same(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// The host and port of a URL, without the default ports of both schemes: who has a say in what lies there.
pub fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?.trim_end_matches('.').to_ascii_lowercase();
    if host.is_empty() {
        return None;
    }
    match url.port() {
        None | Some(80 | 443) => Some(host),
        Some(port) => Some(format!("{host}:{port}")),
    }
}

/// Every name that an entry gives its author, or the one who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    names: Vec<Identity>,
    /// Names that nobody can be looked up by, such as a `tag:`.
    opaque: Vec<String>,
}

/// What a descriptor says to the claims of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// All of them are names of one account.
    Confirmed,
    /// These names lie on other hosts than the descriptor: each has to be looked up there, and its descriptor has to have
    /// the same names.
    Elsewhere(Vec<Identity>),
    /// The descriptor does not know this name: somebody claims to be somebody else.
    Denied(String),
    /// The descriptor does not even know the name that it was looked up by, or comes from somewhere else.
    NotAbout,
}

impl Claims {
    /// The names in document order of trust: who acts, the author's URI, id, page, and email; each once. `None` if there
    /// is nobody to look up.
    pub fn of(entry: &Entry) -> Option<Self> {
        let (mut names, mut opaque): (Vec<Identity>, _) = (Vec::new(), Vec::new());
        for written in Self::all_names(entry) {
            match Identity::parse(written) {
                Some(name) if names.iter().any(|known| known.is_same(&name)) => {}
                Some(name) => names.push(name),
                None => opaque.push(written.to_owned()),
            }
        }
        (!names.is_empty()).then_some(Self { names, opaque })
    }

    /// All that an entry says of who acts, as written.
    pub fn all_names(entry: &Entry) -> impl Iterator<Item = &str> {
        entry.actor.iter().chain([&entry.author]).flat_map(Person::names)
    }

    pub fn names(&self) -> &[Identity] {
        &self.names
    }

    /// Compares them with the descriptor that `looked_up` led to, which came from that name's own host or from where the
    /// host said.
    pub fn judge(&self, looked_up: &Identity, descriptor: &Descriptor) -> Judgement {
        let known = descriptor.identities();
        if !known.iter().any(|name| name.is_same(looked_up)) {
            return Judgement::NotAbout;
        }
        // A site may act on a name that we cannot read; only its own host may have given it.
        let is_given = |name: &&String| descriptor.has_name(name) && is_free_of_hosts(name, &looked_up.host);
        let denied = self.opaque.iter().find(|name| !is_given(name));
        if let Some(name) = denied {
            return Judgement::Denied(name.clone());
        }
        let mut elsewhere = Vec::new();
        for name in &self.names {
            if !known.iter().any(|other| other.is_same(name)) {
                return Judgement::Denied(name.written.clone());
            }
            if name.host != looked_up.host {
                elsewhere.push(name.clone());
            }
        }
        if elsewhere.is_empty() { Judgement::Confirmed } else { Judgement::Elsewhere(elsewhere) }
    }
}

/// Whether a name that we cannot read is nobody else's to another reader: `https:/bob.example/` is Bob's to a browser, and a
/// `tag:` is whose it says.
fn is_free_of_hosts(name: &str, host: &str) -> bool {
    let Some((scheme, rest)) = name.trim().split_once(':') else { return !name.contains(['@', '/']) };
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" | "acct" | "mailto" => false,
        "tag" => {
            let authority = rest.split(',').next().unwrap_or_default();
            let owner = authority.rsplit('@').next().unwrap_or_default();
            let bare = host.split(':').next().unwrap_or_default();
            owner.eq_ignore_ascii_case(bare) && !bare.is_empty()
        }
        _ => !rest.contains(['@', '/']),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_we_cannot_read_is_nobody_elses_to_other_readers() {
        for (name, is_free) in [
            ("tag:evil.example,2026:1", true),
            ("tag:mallory@evil.example,2026:1", true),
            ("urn:uuid:0", true),
            ("mallory", true),
            ("tag:bob.example,2026:1", false),
            ("tag:evil.example@bob.example,2026:1", false),
            ("https:/bob.example/user/1", false),
            ("HTTPS://x@bob.example/user/1", false),
            ("acct:a@b@bob.example", false),
            ("bob@bob.example/", false),
            ("//bob.example/user/1", false),
            ("gopher://bob.example/", false),
        ] {
            assert_eq!(is_free_of_hosts(name, "evil.example:8443"), is_free, "{name}");
        }
    }

    #[test]
    fn a_name_has_one_spelling_and_one_host() {
        for (text, canonical, host) in [
            ("acct:Bob@Bob.Example", "acct:Bob@bob.example", "bob.example"),
            ("bob@bob.example:8443", "acct:bob@bob.example:8443", "bob.example:8443"),
            (" mailto:bob@bob.example. ", "acct:bob@bob.example", "bob.example"),
            ("http://BOB.example:80/user/1#me", "https://bob.example/user/1", "bob.example"),
            ("https://bob.example", "https://bob.example/", "bob.example"),
            ("https://bob.example:444/?a", "https://bob.example:444/?a", "bob.example:444"),
        ] {
            let name = Identity::parse(text).unwrap();
            assert_eq!((name.canonical(), name.host()), (canonical, host), "{text}");
        }
        assert_eq!(Identity::parse("bob@bob.example").unwrap().as_str(), "acct:bob@bob.example");
        for text in [
            "",
            "bob",
            "tag:bob.example,2026:1",
            "acct:bob",
            "acct:@bob.example",
            "acct:a@b@c",
            "bob@",
            "https://",
            "https://me@bob.example/",
            "a b@c",
            "acct:bob@evil.example/bob.example",
            "javascript:bob@c",
            "https:./bob.example/bob",
            "https:/bob.example/bob",
            "https://bob.example\\@evil.example/",
            "https://./",
            "bob@.",
        ] {
            assert_eq!(Identity::parse(text), None, "{text}");
        }
        assert_eq!(Identity::parse(&format!("a@{}", "b".repeat(LONGEST))), None);
    }

    fn descriptor(names: &[&str]) -> Descriptor {
        let mut descriptor = Descriptor::default();
        descriptor.aliases.extend(names.iter().map(|&name| name.to_owned()));
        descriptor
    }

    fn claims(names: &[&str]) -> Claims {
        let mut claims = Claims { names: Vec::new(), opaque: Vec::new() };
        for name in names {
            match Identity::parse(name) {
                Some(name) => claims.names.push(name),
                None => claims.opaque.push((*name).to_owned()),
            }
        }
        claims
    }

    #[test]
    fn every_name_has_to_be_in_the_descriptor_and_under_its_host() {
        let bob = Identity::parse("acct:bob@bob.example").unwrap();
        let known =
            descriptor(&["acct:bob@bob.example", "https://bob.example/1", "https://www.bob.example/bob"]);
        let judge = |names: &[&str]| claims(names).judge(&bob, &known);
        assert_eq!(judge(&["http://bob.example/1", "bob@bob.example"]), Judgement::Confirmed);
        assert_eq!(
            judge(&["bob@bob.example", "https://bob.example/2"]),
            Judgement::Denied("https://bob.example/2".to_owned())
        );
        for name in ["tag:bob.example,2026:1", "https://x@bob.example/1"] {
            assert_eq!(judge(&["bob@bob.example", name]), Judgement::Denied(name.to_owned()));
        }
        let tagged = descriptor(&["bob@bob.example", "tag:bob.example,2026:1"]);
        assert_eq!(
            claims(&["bob@bob.example", "tag:bob.example,2026:1"]).judge(&bob, &tagged),
            Judgement::Confirmed
        );
        let www = Identity::parse("https://www.bob.example/bob").unwrap();
        assert_eq!(
            judge(&["bob@bob.example", "https://www.bob.example/bob"]),
            Judgement::Elsewhere(vec![www])
        );
        let evil = descriptor(&["acct:bob@bob.example", "acct:evil@evil.example"]);
        let evils_own = Identity::parse("acct:evil@evil.example").unwrap();
        let found = claims(&["bob@bob.example", "evil@evil.example"]).judge(&evils_own, &evil);
        assert_eq!(found, Judgement::Elsewhere(vec![bob.clone()]), "evil's word on bob counts for nothing");
        assert_eq!(claims(&["bob@bob.example"]).judge(&bob, &descriptor(&[])), Judgement::NotAbout);
    }
}
