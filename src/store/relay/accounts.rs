//! Accounts of the sites beside us, and their keys.

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::super::{Store, StoreError, codec, keys::Table};
use crate::{
    clock::Timestamp,
    octets::{self, Octets},
    protocol::{NameId, Secret},
};

/// Accounts that are read at a time.
const PAGE: usize = 256;

/// What an account is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountKind {
    #[default]
    Person,
    Group,
}

/// How a verified slap is given to the site (`salmon.md` 6.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForwardMode {
    /// What was found out, with the entry and the envelope in it.
    #[default]
    Json,
    /// The entry.
    Atom,
    /// The octets as they came, for the Salmon endpoint of the site.
    Envelope,
}

/// Who may join a group whose list the relay keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Membership {
    /// Everybody.
    Open,
    /// Whom the site lets in when it is asked.
    Asked,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// `acct:nick@host`, in its one spelling.
    pub name: String,
    pub kind: AccountKind,
    /// Its URI in feeds.
    pub uri: String,
    /// Its page for people.
    pub profile: String,
    /// Its Atom feed.
    pub feed: String,
    pub aliases: Vec<String>,
    pub display_name: String,
    /// Where verified slaps go; without it they are taken and kept by nobody but the relay itself.
    pub callback: Option<String>,
    /// What those are signed with.
    #[serde(deserialize_with = "codec::stated")]
    pub secret: Option<Secret>,
    pub mode: ForwardMode,
    /// How the ids of its posts begin.
    pub posts: Vec<String>,
    /// Slaps that are not seen to be for the account are given to the site all the same.
    pub accept_unaddressed: bool,
    /// Names and hosts from which nothing is taken.
    pub blocked: Vec<String>,
    /// Of a group whose list and feed the relay keeps.
    pub members: Option<Membership>,
    /// Gone since this moment.
    pub removed_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Life::is_default", deserialize_with = "codec::added")]
    pub life: Life,
}

/// Which of those that had its name in turn an account is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Life {
    /// When it was made, and no two of one name at the same moment; the epoch, where that was before it was noted.
    pub made_at: Timestamp,
    /// It is removed, and nothing is left of it.
    pub is_cleared: bool,
}

impl Life {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Account {
    /// Whether it is removed and something may be left of it.
    pub fn is_half_removed(&self) -> bool {
        self.removed_at.is_some() && !self.life.is_cleared
    }
}

/// The private key of an account, as PKCS#8. Wiped when dropped, and never shown.
#[derive(Clone, Eq, Serialize, Deserialize)]
#[serde(from = "Octets")]
pub struct KeyPair(#[serde(serialize_with = "octets::text::serialize")] Zeroizing<Vec<u8>>);

impl KeyPair {
    pub fn new(pkcs8: Zeroizing<Vec<u8>>) -> Self {
        Self(pkcs8)
    }

    /// The key itself, for signing and storing.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Takes as long for a guess that is nearly right as for any other of its length.
impl PartialEq for KeyPair {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl From<Octets> for KeyPair {
    fn from(octets: Octets) -> Self {
        Self(Zeroizing::new(octets.0))
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair(…)")
    }
}

impl Store {
    /// The account of this name, a removed one included.
    pub fn account(&self, name: NameId) -> Result<Option<Account>, StoreError> {
        self.row(Table::Accounts, &[name.as_bytes()])
    }

    /// Up to `limit` accounts in key order, after the given one.
    pub fn accounts(
        &self,
        after: Option<NameId>,
        limit: usize,
    ) -> Result<Vec<(NameId, Account)>, StoreError> {
        let rows = self.rows_of(Table::Accounts, &[], after.map(|name| *name.as_bytes()), limit)?;
        Ok(rows.into_iter().map(|(name, account)| (NameId::from_bytes(name), account)).collect())
    }

    /// Shows all accounts, removed ones included, page by page.
    pub fn each_account(&self, mut visit: impl FnMut(NameId, &Account)) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.accounts(after, PAGE)?;
            for (id, account) in &page {
                visit(*id, account);
            }
            match page.last() {
                Some((id, _)) if page.len() == PAGE => after = Some(*id),
                _ => return Ok(()),
            }
        }
    }

    pub fn account_key(&self, name: NameId) -> Result<Option<KeyPair>, StoreError> {
        self.row(Table::AccountKeys, &[name.as_bytes()])
    }
}
