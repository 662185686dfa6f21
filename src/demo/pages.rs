//! What a browser shows of a site: who lives there, and for each what they said, who follows them, what they were told
//! and what they read.

use super::{
    account::Account,
    site::{Site, State},
};
use crate::salmon::{discovery::AccountKind, markup::push_escaped, moment};

/// The front page.
pub(super) fn front(site: &Site, state: &State) -> String {
    let mut body = format!("<h1>{}</h1><ul>", escaped(site.title));
    for account in &state.accounts {
        item(&mut body, &linked(&account.profile(), account.name));
    }
    body.push_str("</ul><p>Its hub, and the relay that carries its accounts: ");
    body.push_str(&linked(&site.hub_url, &site.hub_url));
    body.push_str("</p>");
    document(site.title, &body)
}

/// The page of somebody.
pub(super) fn of(site: &Site, state: &State, nick: &str) -> Option<String> {
    let account = state.account(nick)?;
    let mut body = format!("<h1>{}</h1><p>", escaped(account.name));
    body.push_str(&escaped(&account.address()));
    body.push_str(" · ");
    body.push_str(&linked(&account.feed(), "feed"));
    body.push_str(" · ");
    body.push_str(&linked("/", site.title));
    body.push_str("</p>");
    let followers = state.followers.iter().filter(|(of, _)| *of == nick).map(|(_, who)| escaped(who));
    let told = state.told.iter().rev().filter(|told| told.nick == nick).map(|told| {
        let about = told.about.as_deref().map(|about| format!(" <small>{}</small>", escaped(about)));
        let (verb, from) = (escaped(&told.verb), escaped(&told.from));
        format!("<b>{verb}</b> by {from}: {}{}", escaped(&told.text), about.unwrap_or_default())
    });
    let told: Vec<_> = told.collect();
    match account.kind {
        AccountKind::Group => section(&mut body, "Members", followers),
        AccountKind::Person => {
            let posts = state.posts_of(nick).into_iter().map(|post| linked(&post.id, &post.text));
            section(&mut body, "Posts", posts);
            section(&mut body, "Followers", followers);
        }
    }
    section(&mut body, "Notifications", told.into_iter());
    if account.kind == AccountKind::Person {
        read_by(&mut body, state, nick);
    }
    Some(with_feed(account, &body))
}

/// The page of a post, which is its id as well.
pub(super) fn post(site: &Site, state: &State, path: &str) -> Option<String> {
    let id = format!("http://{}{path}", site.domain);
    let (author, post) = state.posts.iter().find(|(_, post)| post.id == id)?;
    let account = state.account(author)?;
    let mut body = format!("<h1>{}</h1><p>", escaped(&post.text));
    body.push_str(&linked(&account.profile(), account.name));
    body.extend([", ", &moment::write(post.moment)]);
    if let Some(other) = &post.in_reply_to {
        body.push_str(", in reply to ");
        body.push_str(&linked(other, other));
    }
    body.push_str("</p>");
    Some(document(&post.title, &body))
}

/// What somebody follows, and what came of it.
fn read_by(body: &mut String, state: &State, nick: &str) {
    for subscription in state.subscriptions.iter().filter(|known| known.reader == nick) {
        let end = if subscription.has_ended() { " (no longer)" } else { "" };
        let news = subscription.news().map(|news| linked(&news.id, &news.title));
        section(body, &format!("Reads {}{end}", subscription.of), news);
    }
}

fn section(body: &mut String, title: &str, items: impl Iterator<Item = String>) {
    body.extend(["<h2>", &escaped(title), "</h2><ul>"]);
    let mut is_empty = true;
    for text in items {
        item(body, &text);
        is_empty = false;
    }
    body.push_str(if is_empty { "</ul><p>None.</p>" } else { "</ul>" });
}

fn item(body: &mut String, html: &str) {
    body.push_str("<li>");
    body.push_str(html);
    body.push_str("</li>");
}

fn linked(href: &str, text: &str) -> String {
    format!("<a href=\"{}\">{}</a>", escaped(href), escaped(text))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    push_escaped(&mut escaped, text);
    escaped
}

fn with_feed(account: &Account, body: &str) -> String {
    let feed = escaped(&account.feed());
    let link = format!("<link rel=\"alternate\" type=\"application/atom+xml\" href=\"{feed}\">");
    page(&format!("{link}<title>{}</title>", escaped(account.name)), body)
}

fn document(title: &str, body: &str) -> String {
    page(&format!("<title>{}</title>", escaped(title)), body)
}

fn page(head: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">{head}\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}}\
         :root{{color-scheme:light dark}}</style></head>\n<body>{body}</body></html>\n"
    )
}
