//! Who lives at a site: people, and groups.

use crate::{client::SecretText, salmon::discovery::AccountKind};

/// A person or a group of a site.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) kind: AccountKind,
    pub(super) nick: &'static str,
    /// For people to read.
    pub(super) name: &'static str,
    /// In the URI, which has to stay the same when the nickname changes.
    pub(super) number: u32,
    pub(super) domain: String,
    /// With which the relay signs what it tells.
    pub(super) secret: SecretText,
    /// Where slaps go, as the relay said.
    pub(super) salmon: Option<String>,
}

impl Account {
    /// `nick@domain`: how people and the relay call it.
    pub(super) fn address(&self) -> String {
        format!("{}@{}", self.nick, self.domain)
    }

    /// The name in feeds, which peers compare letter by letter.
    pub(super) fn uri(&self) -> String {
        format!("http://{}/{}/{}", self.domain, self.path(), self.number)
    }

    pub(super) fn profile(&self) -> String {
        format!("http://{}/{}", self.domain, self.nick)
    }

    /// A person's feed is made by the site, that of a group by the relay.
    pub(super) fn feed(&self) -> String {
        match self.kind {
            AccountKind::Person => format!("{}.atom", self.profile()),
            AccountKind::Group => format!("http://{}/groups/{}.atom", self.domain, self.address()),
        }
    }

    /// Where the relay tells what came for it.
    pub(super) fn callback(&self) -> String {
        format!("http://{}/told/{}", self.domain, self.nick)
    }

    pub(super) fn kind_word(&self) -> &'static str {
        kind_word(self.kind)
    }

    fn path(&self) -> &'static str {
        match self.kind {
            AccountKind::Person => "user",
            AccountKind::Group => "group",
        }
    }
}

/// As Activity Streams and the relay call it.
pub(super) const fn kind_word(kind: AccountKind) -> &'static str {
    match kind {
        AccountKind::Person => "person",
        AccountKind::Group => "group",
    }
}
