//! The guard: whom this process may talk to (X01, S10; promise 5 of the design).
//!
//! It judges a URI before anything is looked up, and an address before anything is connected to. Both clients ask it at
//! the point of connecting, so no caller can forget it; callers may ask it earlier to answer a subscriber at once.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use http::{Uri, uri::Scheme};
use ipnet::IpNet;

use super::{
    host::Host,
    own::OwnListeners,
    ports::PortRules,
    ranges::{RangeName, reached, special_range},
    transport::Purpose,
};

/// What the operator decides. The lists only add to the public internet; they take nothing away from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuardRules {
    /// Allowed for every purpose.
    pub allow: Vec<IpNet>,
    /// Allowed for fetches besides `allow`.
    pub allow_fetch: Vec<IpNet>,
    /// Allowed for callbacks besides `allow`.
    pub allow_callback: Vec<IpNet>,
    pub ports: PortRules,
    /// Where this process listens itself, as bound: allowed for nothing (X02).
    pub own_listeners: Vec<SocketAddr>,
}

/// Why something must not be connected to. Says which rule, never which address: the text may reach a stranger, who
/// would learn from it what our names resolve to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    #[error("only http and https are allowed")]
    Scheme,
    #[error("the port is not allowed")]
    Port,
    /// No host, credentials before it, or a spelling that is neither a name nor an address.
    #[error("the host is not usable")]
    Host,
    #[error("the address is not public ({0})")]
    Address(RangeName),
    /// One of our own listeners.
    #[error("it is the hub's own address")]
    Own,
}

impl Refusal {
    /// One of a closed set of words, for metrics and logs.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Scheme => "scheme",
            Self::Port => "port",
            Self::Host => "host",
            Self::Address(range) => range.label(),
            Self::Own => "own",
        }
    }
}

/// The one judge of outgoing connections.
#[derive(Debug)]
pub struct Guard {
    rules: GuardRules,
    own: OwnListeners,
}

impl Guard {
    pub fn new(rules: GuardRules) -> Self {
        Self { own: OwnListeners::new(&rules.own_listeners), rules }
    }

    /// Ports on which an address may be one of our own: those who have only the address must ask anew for each of them.
    pub(super) fn own_ports(&self) -> impl Iterator<Item = u16> {
        self.own.ports()
    }

    /// Judges all that can be judged without looking a name up. A name that passes is judged again by its addresses.
    pub fn judge_uri(&self, uri: &Uri, purpose: Purpose) -> Result<(), Refusal> {
        let (host, port) = target(uri)?;
        if !self.rules.ports.allow(port) {
            return Err(Refusal::Port);
        }
        match host {
            Host::Address(ip) => self.judge_address(SocketAddr::new(ip, port), purpose),
            Host::Name(name) if is_localhost(name) => {
                self.judge_address((Ipv4Addr::LOCALHOST, port).into(), purpose).or_else(|refusal| {
                    self.judge_address((Ipv6Addr::LOCALHOST, port).into(), purpose).map_err(|_same| refusal)
                })
            }
            Host::Name(_) => Ok(()),
        }
    }

    /// Judges one address, by what a connection to it really reaches. Port 0 stands for any on which we do not listen.
    pub fn judge_address(&self, address: SocketAddr, purpose: Purpose) -> Result<(), Refusal> {
        let ip = address.ip();
        let reached = reached(ip);
        if self.own.have(SocketAddr::new(reached, address.port())) {
            return Err(Refusal::Own);
        }
        let Some(range) = special_range(ip) else { return Ok(()) };
        let more = match purpose {
            Purpose::Fetch => &self.rules.allow_fetch,
            Purpose::Callback => &self.rules.allow_callback,
        };
        let allowed =
            self.rules.allow.iter().chain(more).any(|net| net.contains(&ip) || net.contains(&reached));
        if allowed { Ok(()) } else { Err(Refusal::Address(range)) }
    }
}

/// The host and port that a URI leads to.
pub(super) fn target(uri: &Uri) -> Result<(Host<'_>, u16), Refusal> {
    let default = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => 80,
        Some(scheme) if *scheme == Scheme::HTTPS => 443,
        _ => return Err(Refusal::Scheme),
    };
    let authority = uri.authority().ok_or(Refusal::Host)?;
    // Credentials would be sent to whoever answers, and `http://trusted@evil/` is made to be misread.
    if authority.as_str().contains('@') {
        return Err(Refusal::Host);
    }
    let host = authority.host();
    // Read by hand: the library answers "no port" for a port that is no number, and the default would be used.
    let port = match authority.as_str().strip_prefix(host).ok_or(Refusal::Host)? {
        "" | ":" => default,
        rest => {
            let digits = rest.strip_prefix(':').ok_or(Refusal::Host)?;
            let port = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok());
            port.flatten().ok_or(Refusal::Port)?
        }
    };
    Ok((Host::read(host).ok_or(Refusal::Host)?, port))
}

/// RFC 6761 §6.3: these names are loopback, whatever a resolver says.
fn is_localhost(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allow: &[&str]) -> Guard {
        let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
        Guard::new(GuardRules { allow, ..GuardRules::default() })
    }

    fn judge(guard: &Guard, uri: &str) -> Result<(), Refusal> {
        guard.judge_uri(&uri.parse().unwrap(), Purpose::Callback)
    }

    #[test]
    fn public_names_and_addresses_pass() {
        let guard = guard(&[]);
        for uri in [
            "http://example.com/",
            "HTTPS://EXAMPLE.com./cb?a=b",
            "http://example.com:8080",
            "http://example.com:/",
            "https://1.1.1.1/",
            "http://[2606:4700::1111]:443/x",
            "http://notlocalhost/",
            "http://localhost.example/",
        ] {
            assert_eq!(judge(&guard, uri), Ok(()), "{uri}");
        }
    }

    #[test]
    fn only_http_and_https_pass() {
        let guard = guard(&[]);
        for uri in [
            "ftp://example.com/",
            "file://example.com/x",
            "gopher://example.com/",
            "/relative",
            "example.com",
        ] {
            assert_eq!(judge(&guard, uri), Err(Refusal::Scheme), "{uri}");
        }
    }

    #[test]
    fn credentials_and_unreadable_hosts_are_refused() {
        let guard = guard(&["0.0.0.0/0", "::/0"]);
        for uri in [
            "http://user@example.com/",
            "http://user:secret@example.com/",
            "http://example.com:80@evil.example/",
            "http://example.com:80@example.com/",
            "http://exa~mple.com/",
            "http://example.com../",
            "http://1.2.3.4.5/",
        ] {
            let Ok(parsed) = uri.parse::<Uri>() else { panic!("the library takes {uri}, so must we") };
            assert_eq!(guard.judge_uri(&parsed, Purpose::Fetch), Err(Refusal::Host), "{uri}");
        }
    }

    /// S10.
    #[test]
    fn low_ports_are_refused_even_on_allowed_addresses() {
        let guard = guard(&["127.0.0.0/8"]);
        for uri in ["http://example.com:25/", "http://127.0.0.1:22/", "https://example.com:0/"] {
            assert_eq!(judge(&guard, uri), Err(Refusal::Port), "{uri}");
        }
        if let Ok(uri) = "http://example.com:99999/".parse() {
            assert_eq!(guard.judge_uri(&uri, Purpose::Fetch), Err(Refusal::Port));
        }
        let open = Guard::new(GuardRules { ports: PortRules::new(vec![25..=25]), ..GuardRules::default() });
        assert_eq!(judge(&open, "http://example.com:25/"), Ok(()));
        assert_eq!(judge(&open, "http://example.com/"), Err(Refusal::Port));
    }

    #[test]
    fn literal_hosts_are_judged_in_every_spelling() {
        let guard = guard(&[]);
        for host in [
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[0:0:0:0:0:ffff:7f00:1]",
            "[64:ff9b::7f00:1]",
            "localhost",
            "LocalHost.",
            "foo.localhost",
        ] {
            let verdict = judge(&guard, &format!("http://{host}/"));
            assert_eq!(verdict, Err(Refusal::Address(RangeName::Loopback)), "{host}");
        }
        let verdict = judge(&guard, "http://[::127.0.0.1]/");
        assert_eq!(verdict, Err(Refusal::Address(RangeName::NotPublic)));
        let verdict = judge(&guard, "http://169.254.169.254/latest/meta-data/");
        assert_eq!(verdict, Err(Refusal::Address(RangeName::Metadata)));
    }

    #[test]
    fn an_allowed_range_is_allowed_in_every_spelling_and_nothing_besides() {
        let guard = guard(&["127.0.0.0/8"]);
        for host in ["127.0.0.1", "0x7f.1", "[::ffff:127.0.0.1]", "localhost", "a.localhost"] {
            assert_eq!(judge(&guard, &format!("http://{host}:8080/")), Ok(()), "{host}");
        }
        assert_eq!(judge(&guard, "http://[::1]/"), Err(Refusal::Address(RangeName::Loopback)));
        assert_eq!(judge(&guard, "http://10.0.0.1/"), Err(Refusal::Address(RangeName::Private)));
    }

    #[test]
    fn localhost_is_allowed_by_either_family() {
        assert_eq!(judge(&guard(&["::1/128"]), "http://localhost/"), Ok(()));
        assert_eq!(judge(&guard(&["127.0.0.1/32"]), "http://localhost/"), Ok(()));
    }

    #[test]
    fn each_purpose_has_its_own_list() {
        let net = |text: &str| vec![text.parse().unwrap()];
        let guard = Guard::new(GuardRules {
            allow_fetch: net("10.1.0.0/16"),
            allow_callback: net("10.2.0.0/16"),
            ..GuardRules::default()
        });
        let (fetched, called) = ("10.1.0.1:80".parse().unwrap(), "10.2.0.1:80".parse().unwrap());
        assert_eq!(guard.judge_address(fetched, Purpose::Fetch), Ok(()));
        assert_eq!(guard.judge_address(called, Purpose::Callback), Ok(()));
        let refused = Err(Refusal::Address(RangeName::Private));
        assert_eq!(guard.judge_address(fetched, Purpose::Callback), refused);
        assert_eq!(guard.judge_address(called, Purpose::Fetch), refused);
    }

    /// X02.
    #[test]
    fn our_own_listeners_are_refused_in_every_spelling_and_whatever_is_allowed() {
        let everything = ["0.0.0.0/0", "::/0"].map(|net| net.parse().unwrap()).to_vec();
        let own_listeners = ["127.0.0.1:8080", "0.0.0.0:8081"].map(|own| own.parse().unwrap()).to_vec();
        let guard = Guard::new(GuardRules { allow: everything, own_listeners, ..GuardRules::default() });
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "0177.1",
            "0.0.0.0",
            "0",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:0:0]",
            "[64:ff9b::127.0.0.1]",
        ] {
            for port in [8080, 8081] {
                for scheme in ["http", "https"] {
                    let uri = format!("{scheme}://{host}:{port}/any/path");
                    assert_eq!(judge(&guard, &uri), Err(Refusal::Own), "{uri}");
                }
            }
            assert_eq!(judge(&guard, &format!("http://{host}:8082/")), Ok(()), "{host}");
        }
        for host in ["localhost", "[::1]", "127.0.0.9"] {
            assert_eq!(judge(&guard, &format!("http://{host}:8081/")), Err(Refusal::Own), "{host}");
        }
        assert_eq!(judge(&guard, "http://127.0.0.9:8080/"), Ok(()), "nobody of ours listens there");
    }

    #[test]
    fn a_refusal_names_the_rule_and_no_address() {
        let refusal = judge(&guard(&[]), "http://10.20.30.40/").unwrap_err();
        assert_eq!(refusal.label(), "private");
        assert!(!refusal.to_string().contains("10."), "{refusal}");
        assert!(refusal.to_string().contains("private"), "{refusal}");
    }
}
