//! A publisher's signal that topics may have news (03 §7.1, `WebSub` §6).
//!
//! Three generations of publishers name the topics in three ways, so all are read (P01): `hub.url` as in 0.3,
//! `hub.topic` as one test suite does, each repeated, with the `[]` of PHP, or as a list divided by commas.

use std::collections::HashSet;

use super::{form::Form, intent::url_text, rejection::Rejection, topic::TopicUrl};

/// The largest known client sends 100 (P10).
const MAX_TOPICS: usize = 256;

/// A publisher that is polite to every version names each topic twice; what goes beyond that twice over is noise.
const MAX_NAMED: usize = 4 * MAX_TOPICS;

/// The topics of a ping, in order, each once. One malformed URL refuses them all (P03), and is named by its number,
/// because its text is not repeated (S29).
pub(super) fn topics(form: &Form) -> Result<Vec<TopicUrl>, Rejection> {
    let mut topics = Vec::new();
    let mut seen = HashSet::new();
    let given = form
        .iter()
        .filter_map(|(name, value)| Some((parameter(name)?, value)))
        .flat_map(|(name, value)| split_list(value).map(move |url| (name, url)))
        .filter(|(_, url)| !url.is_empty());
    let too_many = || {
        let text = format!("more than {MAX_TOPICS} URLs in one request with hub.url or hub.topic");
        Err(Rejection::too_large(text))
    };
    for (count, (name, url)) in (1..).zip(given) {
        if count > MAX_NAMED {
            return too_many();
        }
        let topic = url_text(url)
            .and_then(TopicUrl::parse)
            .map_err(|fault| Rejection::bad(format!("{name}, URL number {count}: {fault}")))?;
        if seen.insert(topic.id()) {
            if topics.len() == MAX_TOPICS {
                return too_many();
            }
            topics.push(topic);
        }
    }
    if topics.is_empty() {
        return Err(Rejection::bad("hub.url or hub.topic is missing: name the URL of the topic"));
    }
    Ok(topics)
}

fn parameter(name: &[u8]) -> Option<&'static str> {
    match name {
        b"hub.url" | b"hub.url[]" => Some("hub.url"),
        b"hub.topic" | b"hub.topic[]" => Some("hub.topic"),
        _ => None,
    }
}

/// Divides where a comma is followed by a scheme; any other comma belongs to its URL.
fn split_list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let list = rest.take()?;
        let comma = list.iter().enumerate().find_map(|(at, byte)| {
            let divides = *byte == b',' && list.get(at.saturating_add(1)..).is_some_and(begins_url);
            divides.then_some(at)
        });
        let Some((url, tail)) = comma.and_then(|at| list.split_at_checked(at)) else {
            return Some(list);
        };
        rest = tail.get(1..);
        Some(url)
    })
}

fn begins_url(text: &[u8]) -> bool {
    let begins =
        |scheme: &[u8]| text.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    begins(b"http://") || begins(b"https://")
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::{
        super::request::{self, Request},
        *,
    };

    fn ping(form: &str) -> Result<Vec<String>, Rejection> {
        match request::parse(format!("hub.mode=publish&{form}").as_bytes())? {
            Request::Publish(topics) => Ok(topics.iter().map(|topic| topic.as_str().to_owned()).collect()),
            Request::Intent(_) => panic!("no ping"),
        }
    }

    fn refused(form: &str) -> String {
        let rejection = ping(form).unwrap_err();
        assert_eq!(rejection.status, StatusCode::BAD_REQUEST);
        rejection.message
    }

    #[test]
    fn p01_topics_are_named_in_many_ways() {
        let table: [(&str, &[&str]); 9] = [
            ("hub.url=http://a/", &["http://a/"]),
            ("hub.topic=http://a/", &["http://a/"]),
            ("hub.url=http://a/&hub.topic=http://b/", &["http://a/", "http://b/"]),
            ("hub.url=http://a/&hub.url=http://b/", &["http://a/", "http://b/"]),
            ("hub.url[]=http://a/&hub.topic%5B%5D=http://b/", &["http://a/", "http://b/"]),
            ("hub.url=http://a/,https://b/,HTTP://c/", &["http://a/", "https://b/", "HTTP://c/"]),
            ("hub.url=http://a/,b?x=1,2,", &["http://a/,b?x=1,2,"]),
            ("hub.url=&hub.url=http://a/", &["http://a/"]),
            ("hub.url=,http://a/", &["http://a/"]),
        ];
        for (form, expected) in table {
            assert_eq!(ping(form).unwrap(), expected, "{form}");
        }
    }

    #[test]
    fn the_same_topic_twice_is_once() {
        let form = "hub.url=http://a/&hub.topic=http://a/&hub.url=HTTP://A:80&hub.url=http://b/";
        assert_eq!(ping(form).unwrap(), ["http://a/", "http://b/"]);
    }

    #[test]
    fn p03_a_ping_without_url_is_refused() {
        for form in ["", "hub.url", "hub.url=&hub.topic=", "url=http://a/"] {
            assert_eq!(refused(form), "hub.url or hub.topic is missing: name the URL of the topic", "{form}");
        }
    }

    #[test]
    fn p03_one_malformed_url_refuses_all_of_them() {
        assert_eq!(
            refused("hub.url=http://a/&hub.topic=b"),
            "hub.topic, URL number 2: the URL must be absolute, with the scheme http or https"
        );
        assert_eq!(
            refused("hub.url=http://a/%23x"),
            "hub.url, URL number 1: the URL must not have a fragment"
        );
        assert_eq!(refused("hub.url=http://a/%FF"), "hub.url, URL number 1: the URL is not valid UTF-8");
    }

    #[test]
    fn p10_a_topic_may_be_named_in_both_ways_without_counting_twice() {
        let both = |count: usize| -> String {
            let named = |at| format!("hub.url=http://a/{at}&hub.topic=http://a/{at}");
            (0..count).map(named).collect::<Vec<_>>().join("&")
        };
        assert_eq!(ping(&both(256)).unwrap().len(), 256);
        assert_eq!(ping(&both(257)).unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
        let same = ["hub.url=http://a/"; 1024].join("&");
        assert_eq!(
            ping(&same).unwrap_err().status,
            StatusCode::PAYLOAD_TOO_LARGE,
            "1024 parameters and the mode"
        );
    }

    #[test]
    fn p10_256_urls_are_taken_and_more_are_too_many() {
        let form =
            |count| (0..count).map(|at| format!("hub.url=http://a/{at}")).collect::<Vec<_>>().join("&");
        assert_eq!(ping(&form(256)).unwrap().len(), 256);
        assert_eq!(ping(&form(257)).unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
        let list = (0..257).map(|at| format!("http://a/{at}")).collect::<Vec<_>>().join(",");
        assert_eq!(ping(&format!("hub.url={list}")).unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn p14_content_in_a_ping_is_ignored() {
        assert_eq!(ping("hub.url=http://a/&hub.content=x&hub.signature=y").unwrap(), ["http://a/"]);
    }
}
