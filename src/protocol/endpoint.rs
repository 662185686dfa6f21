//! The hub's own endpoint, by whatever URL somebody names it: to repeat that (D06, L11), to be satisfied with it (L10), or
//! to refuse to talk to itself (X02).

use url::Url;

use super::{canonical::Parts, host_key::HostKey};

/// Where a URL leads, in the form in which two are compared.
struct Place {
    /// Under neither scheme: a proxy in front speaks the other one.
    server: HostKey,
    /// Without the slash at its end, which operators and publishers put and leave out.
    path: String,
}

impl Place {
    fn of(text: &str) -> Option<Self> {
        // Strictly as it is written; then once more as the fetching client makes it, which takes dot segments away.
        Parts::parse(text).ok()?;
        let mut url = Url::parse(text).ok()?;
        // What does not say where it leads is not to make it too long to be looked at.
        url.set_query(None);
        url.set_username("").and_then(|()| url.set_password(None)).ok()?;
        let parts = Parts::parse(url.as_str()).ok()?;
        let port = if [80, 443].contains(&parts.port) { 443 } else { parts.port };
        let canonical = parts.canonical();
        let path = canonical.splitn(4, '/').nth(3)?.trim_end_matches('/');
        let path = if path.is_empty() { String::new() } else { format!("/{path}") };
        Some(Self { server: HostKey::new("https", &parts.host, port), path })
    }
}

/// Whether a URL leads to the hub at this address: under either scheme, with or without a slash at its end, with any query
/// and password, and under the names that the hub has besides its own (S01).
pub fn is_hub(hub: &str, url: &str) -> bool {
    let (Some(ours), Some(theirs)) = (Place::of(hub), Place::of(url)) else { return false };
    let names: &[_] = if hub.ends_with('/') { &["", "/subscribe", "/publish"] } else { &[""] };
    let rest = theirs.path.strip_prefix(&ours.path);
    theirs.server == ours.server && rest.is_some_and(|rest| names.contains(&rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d06_l10_l11_x02_the_hub_is_known_by_every_spelling_of_its_address() {
        for url in [
            "https://hub.example/",
            "https://hub.example",
            "http://hub.example",
            "HTTP://HUB.example:443/",
            "http://hub.example:80/?hub.mode=publish",
            "https://hub.example./",
            "https://me:password@hub.example/",
            "https://hub.example/subscribe",
            "https://hub.example/publish/?x",
            "https://hub.example/./x/../%73ubscribe",
            &format!("https://hub.example/?{}", "\u{fc}".repeat(4000)),
            &format!("https://{}:p@hub.example/", ";".repeat(4000)),
        ] {
            assert!(is_hub("https://hub.example/", url), "{url}");
        }
        for url in [
            "https://hub.example/other",
            "https://hub2.example/",
            "https://hub.example:8443/",
            "https://hub.example/subscribers",
            "https://hub.example/#hub",
            "#{@hub.endpoint}",
            "hub.example",
            "",
        ] {
            assert!(!is_hub("https://hub.example/", url), "{url}");
        }
    }

    #[test]
    fn d06_l10_x02_a_hub_may_be_a_path_of_a_site() {
        for hub in ["https://site.example/hub", "https://site.example/hub/"] {
            for url in
                ["https://site.example/hub", "http://site.example/hub/", "http://SITE.example/h%75b/?x"]
            {
                assert!(is_hub(hub, url), "{hub} {url}");
            }
            for url in [
                "https://site.example/",
                "https://site.example/hubsubscribe",
                "https://site.example/subscribe",
            ] {
                assert!(!is_hub(hub, url), "{hub} {url}");
            }
        }
        assert!(is_hub("https://site.example/hub/", "https://site.example/hub/publish"));
        assert!(!is_hub("https://site.example/hub", "https://site.example/hub/publish"));
        assert!(is_hub("http://[::1]:8080/", "https://[0::1]:8080"));
    }
}
