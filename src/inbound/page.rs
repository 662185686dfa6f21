//! What a person sees who opens the hub's address.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, header::CONTENT_TYPE},
    response::Response,
};

/// A page of ours: no scripts, no frames, nothing from elsewhere.
pub(super) fn html(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(
        HeaderName::from_static("content-security-policy"),
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    );
    response
}

/// Puts text where HTML expects text.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A document with our few styles.
pub(super) fn document(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}}\
         code{{background:#8882;padding:.1em .3em;border-radius:.2em}}\
         td,th{{text-align:left;padding:.2em 1em .2em 0}}td:last-child{{text-align:right}}\
         :root{{color-scheme:light dark}}</style></head>\n<body>{body}</body></html>\n"
    )
}

/// The page behind `GET /` of the hub.
pub(super) fn front(hub_url: &str) -> Response {
    let hub = escape(hub_url);
    html(document(
        "hubbub",
        &format!(
            "<h1>A hub</h1>\
             <p>This is a PubSubHubbub and WebSub hub. It tells subscribers what is new in a feed, as soon as the \
             feed's site says so.</p>\
             <h2>For a site</h2>\
             <p>Put this link into your feed:<br><code>&lt;link rel=\"hub\" href=\"{hub}\"/&gt;</code></p>\
             <p>and after each change send a ping:<br>\
             <code>curl -d hub.mode=publish -d hub.url=<i>feed</i> {hub}</code></p>\
             <h2>For a reader</h2>\
             <p>POST <code>hub.mode=subscribe</code>, <code>hub.topic</code> and <code>hub.callback</code> to \
             <code>{hub}</code>.</p>"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_cannot_break_out_of_the_page() {
        assert_eq!(escape("http://h/\"><script>&"), "http://h/&quot;&gt;&lt;script&gt;&amp;");
    }
}
