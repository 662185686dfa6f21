//! Who our accounts are, for whoever asks: WebFinger, host-meta, XRD (`salmon.md` 2.3, 6.1; RFC 7033, RFC 6415).

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Extension, RawQuery, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{ACCEPT, ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, HOST, VARY},
    },
    response::Response,
    routing::get,
};
use tracing::debug;
use url::form_urlencoded;

use super::{
    HubParts,
    answer::{later, plain},
    client_ip::is_trusted,
    hub::PAUSE,
    listener::Peer,
};
use crate::{
    relay::{Format, Said},
    store::StoreError,
};

/// Relations by which an answer may be narrowed; we have fewer links.
const MOST_RELS: usize = 32;

/// The public routes.
pub(super) fn router(parts: Arc<HubParts>) -> Router {
    Router::new()
        .route("/.well-known/webfinger", get(webfinger))
        .route("/xrd", get(xrd))
        .route("/.well-known/host-meta", get(host_meta))
        .route("/.well-known/host-meta.json", get(host_meta_json))
        .with_state(parts)
}

async fn webfinger(
    State(parts): State<Arc<HubParts>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let mut answer = describe(&parts, "resource", &query, accepted(&headers)).await;
    answer.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    answer
}

async fn xrd(State(parts): State<Arc<HubParts>>, RawQuery(query): RawQuery) -> Response {
    describe(&parts, "uri", &query.unwrap_or_default(), Format::Xrd).await
}

async fn describe(parts: &HubParts, parameter: &str, query: &str, format: Format) -> Response {
    // Names are put in as they are, too, and then a plus is one: no name has a space.
    let query = query.replace('+', "%2B");
    let all = |wanted: &str| {
        let pairs = form_urlencoded::parse(query.as_bytes());
        let wanted = wanted.to_owned();
        pairs.filter(move |(name, _)| *name == wanted).map(|(_, value)| value.into_owned())
    };
    let Some(name) = all(parameter).next().filter(|name| !name.is_empty()) else {
        return open_to_all(plain(StatusCode::BAD_REQUEST, format!("{parameter}: missing")));
    };
    let rels: Vec<_> = all("rel").take(MOST_RELS).collect();
    open_to_all(match parts.relay.descriptor(&name, &rels, format).await {
        Ok(Said::Document(text)) => document(text, format),
        Ok(Said::Nothing) => plain(StatusCode::NOT_FOUND, format!("{parameter}: nobody here has that name")),
        Ok(Said::Gone) => plain(StatusCode::GONE, format!("{parameter}: the account is gone")),
        Err(error) => unreadable(&error),
    })
}

async fn host_meta(
    State(parts): State<Arc<HubParts>>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    meta(&parts, peer, &headers, Format::Xrd).await
}

async fn host_meta_json(
    State(parts): State<Arc<HubParts>>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    meta(&parts, peer, &headers, Format::Jrd).await
}

async fn meta(parts: &HubParts, peer: SocketAddr, headers: &HeaderMap, format: Format) -> Response {
    let forwarded =
        is_trusted(peer, &parts.trusted_proxies).then(|| headers.get("x-forwarded-host")).flatten();
    let host = forwarded.or_else(|| headers.get(HOST)).and_then(|host| host.to_str().ok());
    // The last word is that of the proxy that we trust.
    let host = host.and_then(|list| list.rsplit(',').next()).map(str::trim);
    open_to_all(match parts.relay.host_meta(host, format).await {
        Ok(text) => document(text, format),
        Err(error) => unreadable(&error),
    })
}

fn document(text: String, format: Format) -> Response {
    let media_type = match format {
        Format::Jrd => "application/jrd+json",
        Format::Xrd => "application/xrd+xml",
    };
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Pages of others may read it, errors included.
fn open_to_all(mut response: Response) -> Response {
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

fn unreadable(error: &StoreError) -> Response {
    debug!(%error, "an account cannot be read");
    later(StatusCode::SERVICE_UNAVAILABLE, "the store cannot be read", PAUSE)
}

/// XML for whoever likes that better, and JSON for all others.
fn accepted(headers: &HeaderMap) -> Format {
    let lists = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut best = (Format::Jrd, 0);
    for item in lists.flat_map(|list| list.split(',')) {
        let mut parts = item.split(';').map(str::trim);
        let format = match parts.next().map(str::to_ascii_lowercase).as_deref() {
            Some("application/xrd+xml") => Format::Xrd,
            Some("application/jrd+json" | "application/json") => Format::Jrd,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1000), thousandths);
        let weight = weight.unwrap_or_default();
        // The first of those that are liked as well.
        if weight > best.1 {
            best = (format, weight);
        }
    }
    best.0
}

/// A weight of 0 to 1 with three digits at most.
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, digits) = weight.split_once('.').unwrap_or((weight, ""));
    let thousandths = format!("{digits:0<3}").parse::<u16>().ok().filter(|_| digits.len() <= 3)?;
    whole.parse::<u16>().ok()?.checked_mul(1000)?.checked_add(thousandths).filter(|sum| *sum <= 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_is_for_those_who_like_it_better() {
        let formats = [
            ("", Format::Jrd),
            ("*/*", Format::Jrd),
            ("application/xrd+xml", Format::Xrd),
            ("application/xrd+xml, text/xml;q=0.5", Format::Xrd),
            ("application/jrd+json, application/xrd+xml", Format::Jrd),
            ("application/xrd+xml, application/jrd+json", Format::Xrd),
            ("application/jrd+json;q=0.5, application/xrd+xml;q=0.75", Format::Xrd),
            ("application/xrd+xml;q=0.2, application/jrd+json;q=0.9", Format::Jrd),
            ("application/xrd+xml;q=0", Format::Jrd),
            ("Application/XRD+xml;q=nothing", Format::Jrd),
            ("text/html,application/xhtml+xml,application/xml;q=0.9", Format::Jrd),
        ];
        for (accept, format) in formats {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(accepted(&headers), format, "{accept}");
        }
        assert_eq!(accepted(&HeaderMap::new()), Format::Jrd);
    }
}
