//! A slap before anybody is asked about it: whether it is sound, who says to have sent it, and whether it is for the
//! account. All of it is cheap, so that a stranger cannot make us ask the world about rubbish.

use sha2::{Digest as _, Sha256};

use super::answer::Answer;
use crate::{
    clock::Timestamp,
    protocol::NameId,
    salmon::{Addressed, Claims, Entry, Envelope, Identity, Verb, moment},
    store::{Account, AccountKind, LaneId},
};

/// A slap that is sound and addressed to the account, if all of it is true.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) envelope: Envelope,
    pub(super) entry: Entry,
    pub(super) claims: Claims,
    /// Nothing where only the site can say.
    pub(super) addressed: Option<Addressed>,
    /// What it is about is the account itself.
    is_about_account: bool,
}

impl Read {
    /// Reads what came, if it is for the account.
    pub(super) fn new(account: &Account, body: &[u8]) -> Result<Self, Answer> {
        let read = Self::of(account, body)?;
        if account.accept_unaddressed {
            return Ok(read);
        }
        if read.addressed.is_none() {
            return Err(Answer::Malformed("the entry is not addressed to this account".to_owned()));
        }
        // Whoever is mentioned in the follow of somebody else is not followed.
        let is_of_somebody = matches!(
            read.entry.verb,
            Verb::Follow | Verb::Unfollow | Verb::Join | Verb::Leave | Verb::RequestFriend
        );
        if is_of_somebody && !read.is_about_account {
            return Err(Answer::Malformed("the object of the entry is somebody else".to_owned()));
        }
        Ok(read)
    }

    /// Reads what was taken before.
    pub(super) fn again(account: &Account, body: &[u8]) -> Option<Self> {
        Self::of(account, body).ok()
    }

    fn of(account: &Account, body: &[u8]) -> Result<Self, Answer> {
        let envelope = Envelope::read(body)?;
        let mut entry = Entry::read(envelope.payload())?;
        let claims = Claims::of(&entry);
        let claims = claims
            .ok_or_else(|| Answer::Malformed("the entry names nobody who can be looked up".to_owned()))?;
        let names = names(account);
        let is_about_account = is_about(&entry, &names);
        // A follow of a group is a join, whether or not it says that it is of a group.
        if account.kind == AccountKind::Group && is_about_account {
            entry.verb = match entry.verb {
                Verb::Follow => Verb::Join,
                Verb::Unfollow => Verb::Leave,
                other => other,
            };
        }
        let is_own_post =
            |post: &str| account.posts.iter().any(|begin| !begin.is_empty() && post.starts_with(begin));
        let addressed = entry.addressed_to(&names, is_own_post);
        Ok(Self { envelope, entry, claims, addressed, is_about_account })
    }

    /// Whether it asks to be let into the group that the account is.
    pub(super) fn is_join(&self, account: &Account) -> bool {
        account.kind == AccountKind::Group && self.entry.verb == Verb::Join && self.is_about_account
    }

    /// When it was changed last, by its own account, and in no case later than now.
    pub(super) fn updated(&self, now: Timestamp) -> Option<Timestamp> {
        Some(moment::parse(self.entry.updated.as_deref()?)?.min(now))
    }

    pub(super) fn is_older_than(&self, oldest: Timestamp) -> bool {
        let stamp = self.entry.updated.as_deref().or(self.entry.published.as_deref());
        stamp.and_then(moment::parse).is_some_and(|stamp| stamp < oldest)
    }

    /// From when on what it does counts against what undoes it: by its own account, and in no case later than now.
    pub(super) fn done_at(&self, received_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let published = || moment::parse(self.entry.published.as_deref()?);
        self.updated(now).or_else(|| match self.entry.verb {
            // A first version may say no more.
            Verb::Post => published().map(|published| published.min(now)),
            // Has the id of the post, and where it says when that was published, this too is of the post.
            Verb::Delete => Some(received_at),
            _ => None,
        })
    }

    /// Whether it comes after what undid it, which was done at this moment.
    pub(super) fn is_outdone(&self, done_at: Option<Timestamp>, last: Timestamp) -> bool {
        match self.entry.verb {
            // A delete may have no other time than the version that it takes away; and what says nothing of when it was
            // written is not shown to be newer.
            Verb::Post => done_at <= Some(last),
            // Mastodon's follow and unfollow say nothing either (`salmon.md` 0).
            _ => done_at.is_some_and(|done_at| done_at < last),
        }
    }

    /// Whether it takes its author out of the group that the account is.
    pub(super) fn is_leave(&self, account: &Account) -> bool {
        account.kind == AccountKind::Group && self.entry.verb == Verb::Leave && self.is_about_account
    }

    /// The lane of what somebody does with what this is about: a post, the account by any of its names, another object.
    pub(super) fn lane(&self, account: &Account, author: &Identity) -> LaneId {
        let object = match self.entry.verb {
            Verb::Post | Verb::Delete => None,
            Verb::UpdateProfile => Some(author.canonical()),
            _ if self.is_about_account => Some(account.name.as_str()),
            _ => self.entry.object.as_ref().and_then(|object| object.person.names().next()),
        };
        hash(&[author.canonical(), object.unwrap_or(&self.entry.id)])
    }

    /// The lanes that it may turn out to be of: one for each name that it gives its author.
    pub(super) fn claimed_lanes(&self, account: &Account) -> impl Iterator<Item = LaneId> {
        self.claims.names().iter().map(|name| self.lane(account, name))
    }

    /// The lane of what fits none of the keys that are known of this name, while it cannot be asked for others. It is one
    /// apart: whoever signs with a key that is known does not wait behind what anybody may have sent.
    pub(super) fn unproven_lane(&self, account: &Account, name: &Identity) -> LaneId {
        hash(&["unproven", &format!("{:032x}", u128::from_be_bytes(self.lane(account, name)))])
    }

    /// What can be undone and done again, by who does it, to what, and in which respect. Nothing for the rest.
    pub(super) fn state(&self, account: &Account, author: &Identity) -> Option<[u8; 16]> {
        let respect = match self.entry.verb {
            Verb::Follow | Verb::Unfollow | Verb::RequestFriend => "follow",
            Verb::Join | Verb::Leave => "join",
            Verb::Favorite | Verb::Unfavorite => "favorite",
            Verb::Block | Verb::Unblock => "block",
            Verb::Tag | Verb::Untag => "tag",
            Verb::Post | Verb::Delete => "post",
            _ => return None,
        };
        let lane = self.lane(account, author);
        Some(hash(&[respect, &format!("{:032x}", u128::from_be_bytes(lane))]))
    }

    /// Whether the author, by one of these names, is one from whom nothing is taken.
    pub(super) fn is_blocked(account: &Account, names: &[Identity]) -> bool {
        account.blocked.iter().any(|blocked| match Identity::parse(blocked) {
            Some(blocked) => names.iter().any(|name| name.is_same(&blocked)),
            None => names.iter().any(|name| is_host(name, blocked)),
        })
    }
}

/// Every name of an account.
pub(super) fn names(account: &Account) -> Vec<Identity> {
    let own = [&account.name, &account.uri, &account.profile];
    own.into_iter().chain(&account.aliases).filter_map(|name| Identity::parse(name)).collect()
}

/// Which account, by the last part of the path of its endpoint.
pub(super) fn account_id(name: &str) -> Option<NameId> {
    Identity::parse(name).filter(Identity::is_account).map(|name| name.id())
}

fn is_about(entry: &Entry, names: &[Identity]) -> bool {
    let object = entry.object.iter().flat_map(|object| object.person.names());
    object.filter_map(Identity::parse).any(|name| names.iter().any(|own| own.is_same(&name)))
}

fn is_host(name: &Identity, host: &str) -> bool {
    let own = name.host().split(':').next().unwrap_or_default();
    name.host().eq_ignore_ascii_case(host) || own.eq_ignore_ascii_case(host)
}

fn hash(parts: &[&str]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    digest.first_chunk().copied().unwrap_or_default()
}
