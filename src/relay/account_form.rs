//! An account as its site writes it, checked, and as the site reads it (`salmon.md` 6.2). What the site reads has neither
//! its secret nor the private half of its key.

use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;
use url::Url;
use zeroize::Zeroizing;

use super::feeds;
use crate::{
    protocol::{CallbackUrl, Secret, TopicUrl},
    salmon::{Identity, PublicKey, discovery::rel},
    store::{Account, AccountKind, ForwardMode, Life, Membership},
};

/// Names, beginnings of ids, or blocked ones of one account.
const MOST: usize = 1000;
/// Of a name of a person, in octets.
const LONGEST_NAME: usize = 500;
/// Of anything else that is text.
const LONGEST: usize = 2048;

/// What is wrong with what a site wrote, and where. Says nothing of what was there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {reason}")]
pub struct FieldFault {
    pub field: String,
    pub reason: String,
}

impl FieldFault {
    pub(super) fn new(field: &str, reason: impl Into<String>) -> Self {
        Self { field: field.to_owned(), reason: reason.into() }
    }
}

/// Which slaps the site is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Accept {
    /// Those that are seen to be for the account.
    #[default]
    Addressed,
    /// All, and the site looks for itself.
    Unaddressed,
}

/// What a site writes.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "an object with the fields of an account")]
struct Form {
    kind: AccountKind,
    uri: Option<String>,
    profile: Option<String>,
    feed: Option<String>,
    aliases: Vec<String>,
    display_name: String,
    callback: Option<String>,
    /// Left out, it stays what it is: whoever changes what was read has not read it.
    #[serde(deserialize_with = "secret")]
    secret: SecretGiven,
    mode: ForwardMode,
    posts: Vec<String>,
    accept: Accept,
    blocked: Vec<String>,
    members: Option<Membership>,
}

/// What is said of the secret.
#[derive(Debug, Default)]
enum SecretGiven {
    #[default]
    Nothing,
    /// There is to be none.
    Null,
    Secret(Secret),
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretGiven, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)?.map(Zeroizing::new) else {
        return Ok(SecretGiven::Null);
    };
    let secret = Secret::new(text.as_bytes().to_vec()).map_err(serde::de::Error::custom)?;
    Ok(SecretGiven::Secret(secret))
}

/// The account that a site wants under this name.
pub(super) fn read(
    name: &Identity,
    body: &[u8],
    was: Option<&Account>,
    hub_url: &str,
) -> Result<Account, FieldFault> {
    let form = form(body)?;
    let uri = form.uri.ok_or_else(|| FieldFault::new("uri", "is missing"))?;
    page("uri", &uri)?;
    let profile = form.profile.unwrap_or_else(|| uri.clone());
    page("profile", &profile)?;
    let is_group = form.kind == AccountKind::Group;
    if form.members.is_some() && !is_group {
        return Err(FieldFault::new("members", "only a group has any"));
    }
    let feed = match form.feed {
        Some(feed) => feed,
        None if form.members.is_some() => feeds::address(hub_url, name.canonical()),
        None => return Err(FieldFault::new("feed", "is missing")),
    };
    TopicUrl::parse(&feed).map_err(|fault| FieldFault::new("feed", fault.to_string()))?;
    few("aliases", &form.aliases)?;
    for alias in &form.aliases {
        if Identity::parse(alias).is_none() {
            return Err(FieldFault::new(
                "aliases",
                "a name is neither nick@host nor an address of http or https",
            ));
        }
    }
    few("posts", &form.posts)?;
    if form.posts.iter().any(|begin| begin.trim().is_empty()) {
        return Err(FieldFault::new("posts", "an empty beginning is that of every id"));
    }
    few("blocked", &form.blocked)?;
    if form.blocked.iter().any(|blocked| blocked.trim().is_empty()) {
        return Err(FieldFault::new("blocked", "a name or host is empty"));
    }
    if form.display_name.len() > LONGEST_NAME {
        return Err(FieldFault::new("display_name", format!("is longer than {LONGEST_NAME} octets")));
    }
    if let Some(callback) = &form.callback {
        CallbackUrl::parse(callback).map_err(|fault| FieldFault::new("callback", fault.to_string()))?;
    }
    let secret = match form.secret {
        SecretGiven::Nothing => was.filter(|was| was.removed_at.is_none()).and_then(|was| was.secret.clone()),
        SecretGiven::Null => None,
        SecretGiven::Secret(secret) => Some(secret),
    };
    Ok(Account {
        name: name.canonical().to_owned(),
        kind: form.kind,
        uri,
        profile,
        feed,
        aliases: form.aliases,
        display_name: form.display_name,
        callback: form.callback,
        secret,
        mode: form.mode,
        posts: form.posts,
        accept_unaddressed: form.accept == Accept::Unaddressed,
        blocked: form.blocked,
        members: form.members,
        removed_at: None,
        life: Life::default(),
    })
}

fn form(body: &[u8]) -> Result<Form, FieldFault> {
    // A list would be taken for the fields in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(FieldFault::new("body", "is no object of JSON"));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let form = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let field = if matches!(path.as_str(), "." | "?") { "body" } else { path.as_str() };
        // What was there instead of a text would be in the reason.
        let is_secret = field.starts_with("secret") && !error.inner().to_string().contains("the secret");
        let reason = if is_secret { "is no text".to_owned() } else { error.inner().to_string() };
        FieldFault::new(field, reason)
    })?;
    json.end().map_err(|error| FieldFault::new("body", error.to_string()))?;
    Ok(form)
}

fn page(field: &str, address: &str) -> Result<(), FieldFault> {
    let is_page = Identity::parse(address).is_some_and(|name| !name.is_account());
    if is_page { Ok(()) } else { Err(FieldFault::new(field, "is no address of http or https")) }
}

fn few(field: &str, texts: &[String]) -> Result<(), FieldFault> {
    if texts.len() > MOST {
        return Err(FieldFault::new(field, format!("has more than {MOST}")));
    }
    if texts.iter().any(|text| text.len() > LONGEST) {
        return Err(FieldFault::new(field, format!("one is longer than {LONGEST} octets")));
    }
    Ok(())
}

/// What a site reads of its account.
#[derive(Debug, Serialize)]
pub struct AccountView {
    account: String,
    kind: AccountKind,
    uri: String,
    profile: String,
    feed: String,
    aliases: Vec<String>,
    display_name: String,
    callback: Option<String>,
    has_secret: bool,
    mode: ForwardMode,
    posts: Vec<String>,
    accept: Accept,
    blocked: Vec<String>,
    members: Option<Membership>,
    /// Where slaps for it go.
    endpoint: String,
    /// The public half of its key, `RSA.n.e`. A group has none.
    magic_key: Option<String>,
    key_bits: Option<usize>,
    /// What a site with a WebFinger of its own has to put into it.
    links: Vec<LinkView>,
}

#[derive(Debug, Serialize)]
struct LinkView {
    rel: &'static str,
    href: String,
}

impl AccountView {
    pub(super) fn new(account: Account, key: Option<&PublicKey>, hub_url: &str) -> Self {
        let endpoint = feeds::endpoint(hub_url, &account.name);
        let mut links = vec![LinkView { rel: rel::SALMON, href: endpoint.clone() }];
        links.extend(key.map(|key| LinkView { rel: rel::MAGIC_PUBLIC_KEY, href: key.to_href() }));
        Self {
            account: account.name,
            kind: account.kind,
            uri: account.uri,
            profile: account.profile,
            feed: account.feed,
            aliases: account.aliases,
            display_name: account.display_name,
            callback: account.callback.map(|callback| without_password(&callback)),
            has_secret: account.secret.is_some(),
            mode: account.mode,
            posts: account.posts,
            accept: if account.accept_unaddressed { Accept::Unaddressed } else { Accept::Addressed },
            blocked: account.blocked,
            members: account.members,
            endpoint,
            magic_key: key.map(ToString::to_string),
            key_bits: key.map(PublicKey::bits),
            links,
        }
    }
}

/// The address without what is before an `@` in it.
fn without_password(callback: &str) -> String {
    let Ok(mut url) = Url::parse(callback) else { return String::new() };
    if url.username().is_empty() && url.password().is_none() {
        return callback.to_owned();
    }
    let is_gone = url.set_username("").is_ok() && url.set_password(None).is_ok();
    if is_gone { url.into() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUB: &str = "https://hub.example/";

    fn account(body: &str, was: Option<&Account>) -> Result<Account, String> {
        let name = Identity::parse("alice@alice.example").unwrap();
        read(&name, body.as_bytes(), was, HUB).map_err(|fault| fault.to_string())
    }

    const ALICE: &str =
        r#"{"uri":"https://alice.example/user/7","feed":"https://alice.example/feed","secret":"hush"}"#;

    #[test]
    fn little_is_needed_and_the_rest_follows() {
        let alice = account(ALICE, None).unwrap();
        assert_eq!(
            (alice.name.as_str(), alice.profile.as_str()),
            ("acct:alice@alice.example", "https://alice.example/user/7")
        );
        assert_eq!(
            (alice.kind, alice.mode, alice.accept_unaddressed),
            (AccountKind::Person, ForwardMode::Json, false)
        );
        let group =
            account(r#"{"kind":"group","uri":"https://alice.example/g/3","members":"open"}"#, None).unwrap();
        assert_eq!(group.feed, "https://hub.example/groups/alice@alice.example.atom");
    }

    #[test]
    fn a_secret_that_is_not_mentioned_stays_and_null_takes_it_away() {
        let alice = account(ALICE, None).unwrap();
        let without = ALICE.replace(r#","secret":"hush""#, "");
        assert_eq!(account(&without, Some(&alice)).unwrap().secret, alice.secret);
        let null = ALICE.replace(r#""hush""#, "null");
        assert_eq!(account(&null, Some(&alice)).unwrap().secret, None);
        let removed = Account { removed_at: Some(crate::clock::Timestamp::EPOCH), ..alice };
        assert_eq!(
            account(&without, Some(&removed)).unwrap().secret,
            None,
            "the next one of that name is another"
        );
    }

    #[test]
    fn what_is_wrong_is_named_and_a_secret_is_not_repeated() {
        let faults = [
            (r#"{"uri":7}"#, "uri: "),
            (r#"{"uri":"ftp://alice.example/"}"#, "uri: is no address"),
            (r#"{"feed":"https://alice.example/feed"}"#, "uri: is missing"),
            (r#"{"uri":"https://alice.example/"}"#, "feed: is missing"),
            (r#"{"uri":"https://alice.example/","feed":"feed"}"#, "feed: "),
            (
                r#"{"uri":"https://alice.example/","feed":"https://alice.example/f","members":"open"}"#,
                "members: only a group",
            ),
            (r#"{"kind":"robot"}"#, "kind: unknown variant"),
            (r#"{"mode":"xml"}"#, "mode: unknown variant"),
            (
                r#"{"aliases":["alice"],"uri":"https://alice.example/","feed":"https://alice.example/f"}"#,
                "aliases: ",
            ),
            (r#"{"posts":[""],"uri":"https://alice.example/","feed":"https://alice.example/f"}"#, "posts: "),
            (
                r#"{"callback":"/x","uri":"https://alice.example/","feed":"https://alice.example/f"}"#,
                "callback: ",
            ),
            (r#"{"callbak":"https://alice.example/x"}"#, "callbak: unknown field"),
            (r#"{"secret":123456}"#, "secret: is no text"),
            (r#"{"secret":""}"#, "secret: the secret is empty"),
            ("[]", "body: "),
            ("", "body: "),
            ("{} {}", "body: "),
        ];
        for (body, fault) in faults {
            let told = account(body, None).unwrap_err();
            assert!(told.starts_with(fault), "{body} {told}");
            assert!(!told.contains("123456"), "{told}");
        }
    }

    #[test]
    fn what_a_site_reads_has_no_secret() {
        let mut alice = account(ALICE, None).unwrap();
        alice.callback = Some("https://me:hunter2@alice.example/slaps".to_owned());
        let text = serde_json::to_string(&AccountView::new(alice, None, HUB)).unwrap();
        assert!(!text.contains("hush") && !text.contains("hunter2"), "{text}");
        assert!(
            text.contains("https://hub.example/salmon/alice@alice.example")
                && text.contains("\"has_secret\":true"),
            "{text}"
        );
    }
}
