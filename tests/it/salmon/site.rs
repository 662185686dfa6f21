//! A site beside the hub: it knows the token, and has its accounts and its entries there.

use serde_json::Value;

use super::scene::{fixture, settings};
use crate::harness::{Answer, Settings, Stage};

const TOKEN: &str = "open sesame";

/// A hub with a token, and no account yet.
pub(super) struct Site {
    pub(super) stage: Stage,
    _token: tempfile::TempDir,
}

impl Site {
    pub(super) async fn set() -> Self {
        Self::set_with(settings()).await
    }

    pub(super) async fn set_with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, TOKEN).unwrap();
        let settings = settings.with("admin", "token_file", file.to_str().unwrap());
        Self { stage: Stage::set_with(settings).await, _token: folder }
    }

    /// A request with the token.
    pub(super) async fn ask(&self, method: &str, path: &str, body: impl Into<String>) -> Answer {
        let authorization = format!("Bearer {TOKEN}");
        let headers = [("authorization", authorization.as_str())];
        self.stage.hub.client().with_headers(method, &self.stage.hub.admin(path), &headers, body.into()).await
    }

    /// Alice of the vectors, with bob's key or another.
    pub(super) async fn put_alice(&self) -> Value {
        json(&self.ask("PUT", "/accounts/alice@alice.example", ALICE).await.expect(201))
    }

    /// Sends an entry of alice to these, and says how it stands.
    pub(super) async fn send(&self, entry: &str, to: &[String], wait: &str) -> Value {
        let to: Vec<_> = to.iter().map(|to| format!("to={to}")).collect();
        let path = format!("/accounts/alice@alice.example/slaps?{}{wait}", to.join("&"));
        let answer = self.ask("POST", &path, entry).await;
        assert!(matches!(answer.status, 200 | 202), "{answer:?}");
        json(&answer)
    }

    /// How a slap stands as soon as a target does.
    pub(super) async fn until(&self, slap: &Value, index: usize, state: &str) -> Value {
        let path = format!("/slaps/{}", slap["id"].as_str().unwrap());
        for _ in 0..500 {
            let view = json(&self.ask("GET", &path, "").await.expect(200));
            if view["targets"][index]["state"] == state {
                return view;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("{state} never came");
    }
}

pub(super) const ALICE: &str = r#"{"uri":"https://alice.example/user/7","profile":"https://alice.example/alice",
    "feed":"https://alice.example/feed/user/7.atom","display_name":"Alice & Co","secret":"hush-hush"}"#;

pub(super) fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.text).unwrap()
}

/// The public half of a key of the vectors.
pub(super) fn magic(name: &str) -> String {
    fixture(&format!("keys/{name}.magic")).trim().to_owned()
}

/// A note of whoever signs it.
pub(super) fn note(id: &str) -> String {
    format!(
        "<entry xmlns=\"http://www.w3.org/2005/Atom\"><id>{id}</id><title>t</title><content>lovely news</content>\
         </entry>"
    )
}
