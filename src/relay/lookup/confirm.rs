//! Whether all names in an entry are one account's (`salmon.md` 3.3, step 5).

use thiserror::Error;

use super::{Found, Lookup, LookupError};
use crate::{
    clock::Timestamp,
    salmon::{Claims, Descriptor, Identity, Judgement},
};

/// Names of an entry that are looked up if there is no descriptor of the first.
const MOST_TRIED: usize = 3;
/// Names on other hosts that are looked up there.
const MOST_ELSEWHERE: usize = 3;

/// The names of an entry are one account's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// The one name for all of its names: what its host calls it.
    pub subject: Identity,
    /// By which it was found.
    pub looked_up: Identity,
    pub found: Found,
}

impl Confirmed {
    pub fn descriptor(&self) -> &Descriptor {
        &self.found.descriptor
    }

    pub fn fetched_at(&self) -> Timestamp {
        self.found.fetched_at
    }
}

/// Why they are not, or are not known to be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unconfirmed {
    /// They are not: somebody claims to be somebody else.
    #[error("the names in the entry are not all names of its author")]
    Spoofed,
    #[error("no host of a name in the entry says anything of it")]
    Nothing,
    /// This name cannot be asked after right now.
    #[error("the host of a name in the entry cannot be asked right now")]
    Later(Identity),
    #[error("too much is looked up already")]
    Busy,
}

impl Unconfirmed {
    /// What the failed look-up of a name leaves.
    fn of(error: LookupError, name: &Identity) -> Self {
        match error {
            LookupError::Nothing => Self::Nothing,
            LookupError::Later | LookupError::Crowded => Self::Later(name.clone()),
            LookupError::Busy => Self::Busy,
        }
    }
}

impl Lookup {
    /// Looks up who the names of an entry are.
    pub async fn confirm(&self, claims: &Claims, client: &str) -> Result<Confirmed, Unconfirmed> {
        let names = claims.names();
        let (accounts, others): (Vec<_>, Vec<_>) = names.iter().partition(|name| name.is_account());
        for name in accounts.into_iter().chain(others).take(MOST_TRIED) {
            match self.find(name, client).await {
                Ok(found) => return self.judge(claims, name.clone(), found, client).await,
                Err(LookupError::Nothing) => {}
                Err(error) => return Err(Unconfirmed::of(error, name)),
            }
        }
        Err(Unconfirmed::Nothing)
    }

    /// Once more, after no signature fitted a key of `outdated`; `None` if that is no use.
    pub async fn reconfirm(
        &self,
        claims: &Claims,
        outdated: &Confirmed,
        client: &str,
    ) -> Option<Result<Confirmed, Unconfirmed>> {
        let name = &outdated.looked_up;
        Some(match self.refresh(name, &outdated.found, client).await? {
            Ok(found) => self.judge(claims, name.clone(), found, client).await,
            Err(error) => Err(Unconfirmed::of(error, name)),
        })
    }

    async fn judge(
        &self,
        claims: &Claims,
        looked_up: Identity,
        found: Found,
        client: &str,
    ) -> Result<Confirmed, Unconfirmed> {
        let elsewhere = match claims.judge(&looked_up, &found.descriptor) {
            Judgement::Confirmed => Vec::new(),
            Judgement::Elsewhere(names) if names.len() <= MOST_ELSEWHERE => names,
            Judgement::Elsewhere(_) | Judgement::Denied(_) => return Err(Unconfirmed::Spoofed),
            Judgement::NotAbout => return Err(Unconfirmed::Nothing),
        };
        for name in &elsewhere {
            let other = match self.find(name, client).await {
                Ok(other) => other.descriptor,
                Err(LookupError::Nothing) => return Err(Unconfirmed::Spoofed),
                Err(error) => return Err(Unconfirmed::of(error, name)),
            };
            if !has_all(claims, name, &looked_up, &other) {
                return Err(Unconfirmed::Spoofed);
            }
        }
        // Whoever wrote that descriptor answers for the name that it gives its subject.
        let subject = self.subject(&looked_up, &found, &elsewhere, client).await;
        let subject = subject.map_err(|error| Unconfirmed::of(error, &looked_up))?;
        Ok(Confirmed { subject, looked_up, found })
    }

    /// What the account is called whichever of its names it was found by. A name on another host is believed only if that
    /// host says so too.
    async fn subject(
        &self,
        looked_up: &Identity,
        found: &Found,
        confirmed: &[Identity],
        client: &str,
    ) -> Result<Identity, LookupError> {
        let subject = found.descriptor.subject.as_deref().and_then(Identity::parse);
        let Some(subject) = subject else { return Ok(looked_up.clone()) };
        if subject.host() == looked_up.host() || confirmed.iter().any(|name| name.is_same(&subject)) {
            return Ok(subject);
        }
        let known = match self.find(&subject, client).await {
            Ok(other) => other.descriptor.identities(),
            Err(LookupError::Nothing) => Vec::new(),
            Err(later) => return Err(later),
        };
        let is_mutual = known.iter().any(|name| name.is_same(looked_up));
        Ok(if is_mutual { subject } else { looked_up.clone() })
    }
}

/// Whether the descriptor of one name has all the others, too, and the one that led here.
fn has_all(claims: &Claims, name: &Identity, looked_up: &Identity, descriptor: &Descriptor) -> bool {
    let has_names = matches!(claims.judge(name, descriptor), Judgement::Confirmed | Judgement::Elsewhere(_));
    has_names && descriptor.identities().iter().any(|known| known.is_same(looked_up))
}
