//! What the relay tells a site: verified slaps as JSON, signed with the secret of the account that they are for
//! (salmon.md 6.3).

use http::StatusCode;
use serde_json::Value;

use super::site::Site;
use crate::{
    client::{Verdict, verdict},
    salmon::Entry,
};

/// A slap that came for somebody of the site.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// For whom.
    pub(super) nick: &'static str,
    pub(super) verb: String,
    /// The `acct:` of whoever signed it, as the relay found it.
    pub(super) from: String,
    /// The post or the person that it is about, if it is about one.
    pub(super) about: Option<String>,
    pub(super) text: String,
}

impl Site {
    /// The relay has news for somebody. Only what is signed as agreed counts, by the strong hash.
    pub(super) fn hear(&self, nick: &str, signature: Option<&[u8]>, body: &[u8]) -> StatusCode {
        let Ok(account) = self.account(nick) else { return StatusCode::NOT_FOUND };
        if verdict(Some(&account.secret), signature, body) != Verdict::Valid("sha256") {
            return StatusCode::FORBIDDEN;
        }
        let Some(told) = serde_json::from_slice(body).ok().and_then(|event| read(account.nick, &event))
        else {
            return StatusCode::BAD_REQUEST;
        };
        self.change(|state| {
            let follower = (told.nick, told.from.clone());
            match told.verb.as_str() {
                "follow" | "join" if !state.followers.contains(&follower) => state.followers.push(follower),
                "unfollow" | "leave" => state.followers.retain(|known| *known != follower),
                _ => {}
            }
            state.told.push(told);
        });
        StatusCode::OK
    }
}

fn read(nick: &'static str, event: &Value) -> Option<Told> {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    // What was said is in the entry itself, which comes as it was signed.
    let entry = Entry::read(text("/entry")?.as_bytes()).ok()?;
    Some(Told {
        nick,
        verb: text("/verb")?.to_owned(),
        from: text("/author/subject")?.to_owned(),
        about: text("/in_reply_to/ref").or_else(|| text("/object/id")).map(str::to_owned),
        text: entry.words.title.unwrap_or_default(),
    })
}
