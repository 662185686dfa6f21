//! What goes around the content of a delivery (03 §7.3, 04 §7, `WebSub` §7).

use http::HeaderValue;

use super::profile::Profile;

/// What the root element of a document said it is (F12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceFormat {
    Atom,
    /// RSS 0.9x and 2.0.
    Rss,
    /// RSS 1.0.
    Rdf,
    /// Anything that is no feed, or none we take apart.
    Other,
}

impl SourceFormat {
    /// The media type of its own; nothing for what is no feed.
    const fn media_type(self) -> Option<&'static str> {
        match self {
            Self::Atom => Some("application/atom+xml"),
            Self::Rss => Some("application/rss+xml"),
            Self::Rdf => Some("application/rdf+xml"),
            Self::Other => None,
        }
    }
}

/// The `Content-Type` of a delivery (D02).
///
/// The publisher's own value, to the byte: a subscriber may compare strings. 0.3 knows only feeds and says how they are
/// to be called, so its subscribers get that name where the publisher used a generic one such as `text/xml`; with the
/// publisher's charset, for the body may say of its encoding nothing else. A publisher that named no type gets the one
/// its document has. `source` is the header as fetched.
pub fn content_type(profile: Profile, format: SourceFormat, source: Option<&[u8]>) -> HeaderValue {
    let source = source
        .map(<[u8]>::trim_ascii)
        .filter(|value| !value.is_empty())
        .and_then(|value| HeaderValue::from_bytes(value).ok());
    let own = format.media_type();
    match (source, own) {
        (Some(source), Some(own)) if profile == Profile::P03 && !names_feed(&source) => {
            with_charset(own, &source).unwrap_or(HeaderValue::from_static(own))
        }
        (Some(source), _) => source,
        (None, own) => HeaderValue::from_static(own.unwrap_or("application/octet-stream")),
    }
}

/// A media type with the charset parameter of another one, as it was written there, if it is there.
fn with_charset(own: &str, source: &HeaderValue) -> Option<HeaderValue> {
    let charset =
        source.as_bytes().split(|byte| *byte == b';').skip(1).map(<[u8]>::trim_ascii).find(|one| {
            let (name, value) = one.split_at(one.len().min(b"charset=".len()));
            name.eq_ignore_ascii_case(b"charset=") && is_token(unquoted(value))
        })?;
    HeaderValue::from_bytes(&[own.as_bytes(), b"; ", charset].concat()).ok()
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

/// What a charset can be called: the rest of a quoted value that was cut at its semicolon cannot.
fn is_token(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:+".contains(byte))
}

/// Whether a media type is that of a feed, whatever its parameters.
fn names_feed(value: &HeaderValue) -> bool {
    let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    [SourceFormat::Atom, SourceFormat::Rss, SourceFormat::Rdf]
        .into_iter()
        .filter_map(SourceFormat::media_type)
        .any(|feed| essence.eq_ignore_ascii_case(feed.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(profile: Profile, format: SourceFormat, source: &str) -> String {
        let value = content_type(profile, format, Some(source.as_bytes()));
        String::from_utf8(value.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn d02_websub_repeats_the_publishers_type_to_the_byte() {
        for source in [
            "text/plain;charset=UTF-8",
            "Text/XML ; Charset=\"x\"",
            "application/atom+xml",
            "nonsense",
            "a/b; x=é",
        ] {
            for format in [SourceFormat::Atom, SourceFormat::Rss, SourceFormat::Rdf, SourceFormat::Other] {
                assert_eq!(typed(Profile::Websub, format, source), source);
            }
        }
    }

    #[test]
    fn d02_03_calls_a_feed_a_feed() {
        let table = [
            (SourceFormat::Atom, "text/xml; charset=utf-8", "application/atom+xml; charset=utf-8"),
            (
                SourceFormat::Rss,
                "text/xml;q=1;CHARSET=\"iso-8859-1\"",
                "application/rss+xml; CHARSET=\"iso-8859-1\"",
            ),
            (SourceFormat::Rss, "text/xml; charset=", "application/rss+xml"),
            (SourceFormat::Rss, "text/xml; x=\"a;charset=b\"", "application/rss+xml"),
            (SourceFormat::Rss, "text/xml; charset=é", "application/rss+xml"),
            (SourceFormat::Rss, "text/xml;charse", "application/rss+xml"),
            (SourceFormat::Rss, "application/xml", "application/rss+xml"),
            (SourceFormat::Rss, "text/html", "application/rss+xml"),
            (SourceFormat::Rdf, "text/xml", "application/rdf+xml"),
            (SourceFormat::Atom, "Application/Atom+XML;charset=UTF-8", "Application/Atom+XML;charset=UTF-8"),
            (SourceFormat::Rdf, "application/rss+xml", "application/rss+xml"),
            (SourceFormat::Other, "text/xml", "text/xml"),
            (SourceFormat::Other, "text/html", "text/html"),
        ];
        for (format, source, expected) in table {
            assert_eq!(typed(Profile::P03, format, source), expected, "{format:?} {source}");
        }
    }

    #[test]
    fn d02_without_a_type_the_document_decides() {
        for profile in [Profile::P03, Profile::Websub] {
            for source in [None, Some(&b""[..]), Some(b"  "), Some(b"text/xml\r\nX: y")] {
                let typed = |format| content_type(profile, format, source);
                assert_eq!(typed(SourceFormat::Atom), "application/atom+xml");
                assert_eq!(typed(SourceFormat::Rss), "application/rss+xml");
                assert_eq!(typed(SourceFormat::Rdf), "application/rdf+xml");
                assert_eq!(typed(SourceFormat::Other), "application/octet-stream");
            }
        }
    }
}
