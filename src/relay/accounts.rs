//! The accounts of the sites beside us: made, changed, listed; their keys; and who is in a group whose list the relay keeps.

use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use zeroize::Zeroizing;

use super::{
    Relay,
    account_form::{self, AccountView, FieldFault},
    feeds,
};
use crate::{
    clock::Timestamp,
    protocol::NameId,
    salmon::{Identity, NewKey, PrivateKey, PrivateKeyFault, entry::OutgoingFault, moment},
    store::{Account, AccountKind, Commit, KeyPair, Member, RelayRecord, StoreError},
};

/// Members, or accounts, in one answer.
const PAGE: usize = 1000;

/// Why a site does not get what it wants.
#[derive(Debug, Error)]
pub enum SiteFault {
    #[error("there is no such account")]
    Unknown,
    #[error("the account is gone")]
    Gone,
    #[error(transparent)]
    Field(#[from] FieldFault),
    #[error("entry: {0}")]
    Entry(#[from] OutgoingFault),
    /// It does not go together with what there is.
    #[error("{0}")]
    Conflict(&'static str),
    #[error("key: {0}")]
    Key(#[from] PrivateKeyFault),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Members of a group, and after whom to ask for the next.
#[derive(Debug, Serialize)]
pub struct MembersView {
    members: Vec<MemberView>,
    next: Option<NameId>,
}

#[derive(Debug, Serialize)]
struct MemberView {
    subject: String,
    uri: String,
    since: String,
}

/// Accounts, and after which of them to ask for the next.
#[derive(Debug, Serialize)]
pub struct AccountsView {
    accounts: Vec<AccountLine>,
    next: Option<NameId>,
}

/// What tells an account from the others; the rest is to be had by its name.
#[derive(Debug, Serialize)]
struct AccountLine {
    account: String,
    kind: AccountKind,
    uri: String,
    display_name: String,
    /// Where slaps for it go.
    endpoint: String,
}

/// An account by the last part of a path.
fn named(name: &str) -> Result<Identity, SiteFault> {
    let name = Identity::parse(name).filter(Identity::is_account);
    name.ok_or_else(|| FieldFault::new("account", "is not nick@host").into())
}

/// Off the runtime's threads: the arithmetic of a private key takes a while.
pub(super) async fn with_key<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PrivateKeyFault> + Send + 'static,
) -> Result<T, SiteFault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or(Err(PrivateKeyFault::Library)).map_err(SiteFault::Key)
}

impl Relay {
    /// The account of this name, a removed one included.
    pub(super) async fn known(&self, name: &str) -> Result<(NameId, Account), SiteFault> {
        let id = named(name)?.id();
        let account = self.parts.store.read(move |store| store.account(id)).await?;
        Ok((id, account.ok_or(SiteFault::Unknown)?))
    }

    /// The account of this name that is there.
    pub(super) async fn live(&self, name: &str) -> Result<(NameId, Account), SiteFault> {
        let (id, account) = self.known(name).await?;
        if account.removed_at.is_some() { Err(SiteFault::Gone) } else { Ok((id, account)) }
    }

    /// Makes an account, or makes it what the site writes; with a key, if it is to have one and has none. Also whether it
    /// is new.
    pub async fn put_account(&self, name: &str, body: &[u8]) -> Result<(AccountView, bool), SiteFault> {
        let name = named(name)?;
        let id = name.id();
        // If it was removed, of which something may be left.
        self.clear(id).await?;
        let _held = self.account_lock.lock().await;
        let was = self.parts.store.read(move |store| store.account(id)).await?;
        if was.as_ref().is_some_and(Account::is_half_removed) {
            return Err(SiteFault::Conflict("the account of this name is being removed; try again"));
        }
        let mut account = account_form::read(&name, body, was.as_ref(), self.hub_url())?;
        self.is_nobody_elses(id, &account).await?;
        let living = was.as_ref().filter(|was| was.removed_at.is_none());
        if living.is_some_and(|was| was.kind != account.kind) {
            return Err(SiteFault::Conflict(
                "kind: is another than that of the account, which would lose its key or its members by it; \
                 remove the account first",
            ));
        }
        account.life.made_at = match (&was, living) {
            (_, Some(was)) => was.life.made_at,
            (was, None) => self.made_at(was.as_ref()),
        };
        let is_new = living.is_none();
        let mut commit = Commit::from(RelayRecord::AccountPut(id, account.clone()));
        let has_key = self.parts.store.read(move |store| store.account_key(id)).await?.is_some();
        if account.kind == AccountKind::Person && !has_key {
            let pair = with_key(|| PrivateKey::generate(NewKey::Bits2048)?.to_pkcs8()).await?;
            commit.push(RelayRecord::AccountKeyPut(id, KeyPair::new(pair)));
        }
        self.parts.store.commit(commit).await?;
        Ok((self.view(id, account).await?, is_new))
    }

    /// Of an account that comes after this one, if that was there.
    fn made_at(&self, was: Option<&Account>) -> Timestamp {
        let next = was.and_then(|was| was.removed_at).map(|at| at.after(Duration::from_millis(1)));
        self.parts.clock.now().max(next.unwrap_or(Timestamp::EPOCH))
    }

    async fn is_nobody_elses(&self, id: NameId, account: &Account) -> Result<(), SiteFault> {
        let fields = [("account", &account.name), ("uri", &account.uri), ("profile", &account.profile)];
        let aliases = account.aliases.iter().map(|alias| ("aliases", alias));
        for (field, name) in fields.into_iter().chain(aliases) {
            let Some(name) = Identity::parse(name) else { continue };
            let other = self.register.find(&name).await?;
            if other.is_some_and(|(other, found)| other != id && found.removed_at.is_none()) {
                return Err(FieldFault::new(field, "is a name of another account").into());
            }
        }
        Ok(())
    }

    async fn view(&self, id: NameId, account: Account) -> Result<AccountView, SiteFault> {
        let key = self.register.public_key(id).await?;
        Ok(AccountView::new(account, key.as_ref(), self.hub_url()))
    }

    /// The accounts that are there, after one of them.
    pub async fn accounts(&self, after: Option<NameId>) -> Result<AccountsView, StoreError> {
        let page = self.parts.store.read(move |store| store.accounts(after, PAGE)).await?;
        let next = page.last().filter(|_| page.len() == PAGE).map(|(id, _)| *id);
        let there = page.into_iter().map(|(_, account)| account).filter(|one| one.removed_at.is_none());
        let line = |Account { name, kind, uri, display_name, .. }: Account| {
            let endpoint = feeds::endpoint(self.hub_url(), &name);
            AccountLine { account: name, kind, uri, display_name, endpoint }
        };
        Ok(AccountsView { accounts: there.map(line).collect(), next })
    }

    pub async fn account(&self, name: &str) -> Result<AccountView, SiteFault> {
        let (id, account) = self.live(name).await?;
        self.view(id, account).await
    }

    /// Takes over the key that the site had.
    pub async fn import_key(&self, name: &str, text: Zeroizing<String>) -> Result<AccountView, SiteFault> {
        self.put_key(name, move || PrivateKey::import(&text)?.to_pkcs8()).await
    }

    /// Makes another key. Whoever knows the old one believes the account nothing any more.
    pub async fn make_key(&self, name: &str) -> Result<AccountView, SiteFault> {
        self.put_key(name, || PrivateKey::generate(NewKey::Bits2048)?.to_pkcs8()).await
    }

    async fn put_key(
        &self,
        name: &str,
        pair: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, PrivateKeyFault> + Send + 'static,
    ) -> Result<AccountView, SiteFault> {
        let _held = self.account_lock.lock().await;
        let (id, account) = self.live(name).await?;
        if account.kind == AccountKind::Group {
            return Err(SiteFault::Conflict("a group has no key"));
        }
        let pair = KeyPair::new(with_key(pair).await?);
        // With the account, whose change is what the register looks out for.
        let mut commit = Commit::from(RelayRecord::AccountPut(id, account.clone()));
        commit.push(RelayRecord::AccountKeyPut(id, pair));
        self.parts.store.commit(commit).await?;
        self.view(id, account).await
    }

    /// A group whose list the relay keeps.
    async fn kept_group(&self, name: &str) -> Result<(NameId, Account), SiteFault> {
        let (id, account) = self.live(name).await?;
        let is_kept = account.kind == AccountKind::Group && account.members.is_some();
        if is_kept {
            Ok((id, account))
        } else {
            Err(SiteFault::Conflict("the relay keeps no list of members of this account"))
        }
    }

    /// Lets somebody into a group.
    pub async fn put_member(&self, group: &str, uri: &str) -> Result<(), SiteFault> {
        let (group, account) = self.kept_group(group).await?;
        let member = member_named(uri)?;
        let id = member.id();
        // Many at once, and none while what a removed group had is being taken out.
        let _held = self.parts.store.lane_locks().read(group.as_bytes()).await;
        if !self.is_still_there(group, &account)? {
            return Err(SiteFault::Gone);
        }
        if self.parts.store.read(move |store| store.member(group, id)).await?.is_some() {
            return Ok(());
        }
        let (subject, since) = (member.as_str().to_owned(), self.parts.clock.now());
        let member = Member { subject, uri: uri.to_owned(), since };
        Ok(self.parts.store.commit(RelayRecord::MemberPut { group, id, member }.into()).await?)
    }

    /// Takes somebody out of a group, by whichever name the list has.
    pub async fn remove_member(&self, group: &str, uri: &str) -> Result<(), SiteFault> {
        let (group, _) = self.kept_group(group).await?;
        let gone = member_named(uri)?;
        let found = self.parts.store.read(move |store| {
            let is_gone = |name: &str| Identity::parse(name).is_some_and(|name| name.is_same(&gone));
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = store.members(group, after, PAGE)?;
                let of_page = page.iter().filter(|(_, m)| is_gone(&m.subject) || is_gone(&m.uri));
                found.extend(of_page.map(|(id, _)| *id));
                match page.last() {
                    Some((id, _)) if page.len() == PAGE => after = Some(*id),
                    _ => return Ok(found),
                }
            }
        });
        let mut commit = Commit::new();
        for id in found.await? {
            commit.push(RelayRecord::MemberGone { group, id });
        }
        if commit.is_empty() {
            return Err(FieldFault::new("member", "is not in the group").into());
        }
        Ok(self.parts.store.commit(commit).await?)
    }

    /// Who is in a group, after one of them.
    pub async fn members(&self, group: &str, after: Option<NameId>) -> Result<MembersView, SiteFault> {
        let (group, _) = self.kept_group(group).await?;
        let page = self.parts.store.read(move |store| store.members(group, after, PAGE)).await?;
        let next = page.last().filter(|_| page.len() == PAGE).map(|(id, _)| *id);
        let view = |member: Member| {
            let Member { subject, uri, since } = member;
            MemberView { subject, uri, since: moment::write(since) }
        };
        Ok(MembersView { members: page.into_iter().map(|(_, member)| view(member)).collect(), next })
    }
}

fn member_named(uri: &str) -> Result<Identity, SiteFault> {
    let name = Identity::parse(uri);
    name.ok_or_else(|| {
        FieldFault::new("member", "is neither nick@host nor an address of http or https").into()
    })
}
