//! The relay as a site beside it sees it: the calls of salmon.md 6.2, on the admin listener, with its bearer token.

use std::fmt;

use anyhow::{Context, Result, bail, ensure};
use http::{Method, header};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{account::Account, fetching::body};
use crate::{client::SecretText, salmon::discovery::AccountKind};

/// How long the relay is asked to wait for the answers of those whom a slap is for.
const WAIT: u32 = 10;

/// The relay.
#[derive(Clone)]
pub(super) struct Neighbour {
    http: reqwest::Client,
    /// `http://host:port`, without a slash.
    at: String,
    token: SecretText,
}

impl fmt::Debug for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Neighbour").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Neighbour {
    pub(super) fn at(admin: &str, token: SecretText) -> Result<Self> {
        let at = admin.trim_end_matches('/').to_owned();
        Ok(Self { http: crate::client::http_client()?, at, token })
    }

    /// Has the relay carry an account, and returns where slaps for it go.
    pub(super) async fn put_account(&self, account: &Account) -> Result<String> {
        // The relay keeps the list and the feed of a group, and lets everybody in.
        let members = (account.kind == AccountKind::Group).then_some("open");
        let wanted = json!({
            "kind": account.kind_word(),
            "uri": account.uri(),
            "profile": account.profile(),
            "feed": account.feed(),
            "display_name": account.name,
            "callback": account.callback(),
            "secret": account.secret.expose(),
            "mode": "json",
            "members": members,
        });
        let path = format!("/accounts/{}", account.address());
        let known = self.call(Method::PUT, &path, "application/json", wanted.to_string()).await?;
        let salmon = known.get("endpoint").and_then(Value::as_str);
        salmon.map(str::to_owned).with_context(|| format!("the relay named no Salmon endpoint: {known}"))
    }

    /// Has the relay sign an entry of an account, deliver it to somebody, and wait for the answer.
    pub(super) async fn slap(&self, from: &Account, to: &str, entry: String) -> Result<()> {
        let to: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();
        let path = format!("/accounts/{}/slaps?to={to}&wait={WAIT}", from.address());
        let slap = self.call(Method::POST, &path, "application/atom+xml", entry).await?;
        let targets = slap.get("targets").and_then(Value::as_array);
        let targets = targets.with_context(|| format!("the relay named no targets: {slap}"))?;
        ensure!(!targets.is_empty(), "the relay has sent it to nobody");
        for target in targets {
            let state = target.get("state").and_then(Value::as_str).unwrap_or_default();
            ensure!(state == "delivered", "the relay says of it: {target}");
        }
        Ok(())
    }

    async fn call(&self, method: Method, path: &str, kind: &str, sent: String) -> Result<Value> {
        let request = self
            .http
            .request(method, format!("{}{path}", self.at))
            .bearer_auth(self.token.expose())
            .header(header::CONTENT_TYPE, kind)
            .body(sent);
        let response = request.send().await.context("the relay did not answer")?;
        let status = response.status();
        let answer = body(response).await?;
        if !status.is_success() {
            bail!("the relay answered {status}: {}", String::from_utf8_lossy(&answer).trim());
        }
        serde_json::from_slice(&answer).context("what the relay answered is no JSON")
    }
}
