//! Who is meant by a name: all names of all accounts in memory, and their public keys, as of the last change of any.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::reading;
use crate::{
    protocol::NameId,
    salmon::{Identity, PrivateKey, PublicKey},
    store::{Account, Store, StoreError},
};

#[derive(Debug, Default)]
struct Known {
    /// As of how many changes of accounts.
    version: Option<u64>,
    names: HashMap<NameId, NameId>,
    /// Of those that are not removed.
    domains: HashSet<String>,
    /// What was asked for; nothing for those that have none.
    keys: HashMap<NameId, Option<PublicKey>>,
}

/// The names.
#[derive(Debug)]
pub(super) struct Register {
    store: Store,
    known: Mutex<Known>,
}

impl Register {
    pub(super) fn new(store: Store) -> Self {
        Self { store, known: Mutex::default() }
    }

    /// The account of which this is a name, a removed one included.
    pub(super) async fn find(&self, name: &Identity) -> Result<Option<(NameId, Account)>, StoreError> {
        self.catch_up().await?;
        let Some(id) = self.lock().names.get(&name.id()).copied() else { return Ok(None) };
        Ok(self.store.read(move |store| store.account(id)).await?.map(|account| (id, account)))
    }

    /// Whether accounts of this domain are served.
    pub(super) async fn has_domain(&self, domain: &str) -> Result<bool, StoreError> {
        self.catch_up().await?;
        Ok(self.lock().domains.contains(domain))
    }

    /// The public key of an account.
    pub(super) async fn public_key(&self, id: NameId) -> Result<Option<PublicKey>, StoreError> {
        self.catch_up().await?;
        let version = {
            let known = self.lock();
            if let Some(key) = known.keys.get(&id) {
                return Ok(key.clone());
            }
            known.version
        };
        // Off the runtime's threads: the parts of the key are held against each other.
        let read = self.store.read(move |store| {
            let key = store.account_key(id)?;
            Ok(key.and_then(|key| PrivateKey::from_pkcs8(key.expose()).ok()).map(|key| key.public().clone()))
        });
        let key = read.await?;
        let mut known = self.lock();
        if known.version == version {
            known.keys.insert(id, key.clone());
        }
        Ok(key)
    }

    async fn catch_up(&self) -> Result<(), StoreError> {
        let version = self.store.account_changes();
        if self.lock().version == Some(version) {
            return Ok(());
        }
        let mut known = self.store.read(load).await?;
        known.version = Some(version);
        *self.lock() = known;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn load(store: &Store) -> Result<Known, StoreError> {
    let mut known = Known::default();
    store.each_account(|id, account| {
        let is_there = account.removed_at.is_none();
        for name in reading::names(account) {
            // A name that a removed account had may be that of another by now.
            if is_there {
                known.names.insert(name.id(), id);
            } else {
                known.names.entry(name.id()).or_insert(id);
            }
        }
        if is_there && let Some(name) = Identity::parse(&account.name) {
            known.domains.insert(name.host().to_owned());
        }
    })?;
    Ok(known)
}
