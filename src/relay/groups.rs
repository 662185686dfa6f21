//! Groups (`salmon.md` 5): who is let in, and what becomes of what a member says in one whose list the relay keeps.
//!
//! A group never signs. So its feed has nothing but what was verified, each entry with its proof, and of members alone.

use http::StatusCode;

use super::{Relay, answer::Answer, settle::Settling};
use crate::{
    protocol::TopicUrl,
    salmon::{Addressed, Entry, Identity, Verb, entry, moment},
    store::{Commit, GroupPost, Member, Membership, RelayRecord, StoreError},
};

/// Posts in the feed of a group.
pub(super) const MOST_POSTS: usize = 50;
/// Octets of all of them: the feed has to be one that can be fetched.
const MOST_BYTES: usize = 4 << 20;

/// What a slap does to the feed of a group.
enum Change {
    Nothing,
    Records(Vec<RelayRecord>),
    Refused(Answer),
}

impl Relay {
    /// Lets the author in or out, if the relay keeps the list and the decision is its own.
    pub(super) fn membership(&self, settling: &Settling, commit: &mut Commit) {
        let (account, read) = (&settling.proven.arrived.account, &settling.proven.read);
        if account.members.is_none() {
            return;
        }
        if read.is_join(account) {
            commit.push(self.member_put(settling));
        } else if read.is_leave(account) {
            // By whatever name it is in the list.
            for id in names(settling).map(Identity::id) {
                commit.push(RelayRecord::MemberGone { group: settling.account_id(), id });
            }
        }
    }

    fn member_put(&self, settling: &Settling) -> RelayRecord {
        let (author, entry) = (&settling.proven.author, &settling.proven.read.entry);
        let uri = entry.author.uri.as_ref().or(entry.author.id.as_ref());
        let subject = author.subject.as_str().to_owned();
        let uri = uri.cloned().unwrap_or_else(|| subject.clone());
        let member = Member { subject, uri, since: self.parts.clock.now() };
        RelayRecord::MemberPut { group: settling.account_id(), id: author.subject.id(), member }
    }

    /// A join on which the site decides, while the peer waits: GNU social undoes it unless the answer is yes.
    pub(super) async fn ask_to_join(&self, settling: Settling) -> Result<Answer, StoreError> {
        let (store, account, lane) = (&self.parts.store, settling.account_id(), settling.lane);
        let Some(_decision) = self.deciding.enter(account, lane) else { return Ok(Answer::busy()) };
        {
            let _held = store.lane_locks().write(&lane).await;
            if self.is_known(&settling)? {
                return Ok(Answer::Taken);
            }
            // What the site has not been told yet comes first.
            if store.lane(account, lane)?.is_some() {
                return Ok(Answer::busy());
            }
        }
        let group = &settling.proven.arrived.account;
        let refused = Answer::Forbidden("the group does not let this author in");
        if group.callback.is_none() {
            return Ok(refused);
        }
        let Ok(_asking) = self.asking.try_acquire() else { return Ok(Answer::busy()) };
        match self.ask_site(group, &settling.inbox_slap()).await {
            Some(status) if status.is_success() => {}
            Some(StatusCode::FORBIDDEN) => return Ok(refused),
            _ => return Ok(Answer::Later("the group cannot decide at this moment; try again")),
        }
        let _held = store.lane_locks().write(&lane).await;
        if !self.is_still_there(account, group)? {
            return Ok(Answer::Gone);
        }
        let mut commit = Commit::new();
        self.remember(&settling, &mut commit)?;
        if group.members.is_some() {
            commit.push(self.member_put(&settling));
        }
        store.commit(commit).await?;
        Ok(Answer::Taken)
    }

    /// Commits, together with what the slap changes in the feed of the group; or says why it does not.
    pub(super) async fn commit_with_feed(
        &self,
        settling: &Settling,
        mut commit: Commit,
    ) -> Result<Option<Answer>, StoreError> {
        let account = &settling.proven.arrived.account;
        let is_news = matches!(settling.proven.read.entry.verb, Verb::Post | Verb::Delete);
        let topic = TopicUrl::parse(&account.feed).ok().filter(|_| is_news && account.members.is_some());
        let Some(topic) = topic else {
            self.parts.store.commit(commit).await?;
            return Ok(None);
        };
        // Two members at once would take the same place.
        let _held = self.feed_locks.write(settling.account_id().as_bytes()).await;
        match self.feed_change(settling)? {
            Change::Refused(answer) => return Ok(Some(answer)),
            Change::Nothing => self.parts.store.commit(commit).await?,
            Change::Records(records) => {
                for record in records {
                    commit.push(record);
                }
                self.parts.publishing.commit_and_ping(topic, commit).await?;
            }
        }
        Ok(None)
    }

    fn feed_change(&self, settling: &Settling) -> Result<Change, StoreError> {
        let (store, group) = (&self.parts.store, settling.account_id());
        let (read, author) = (&settling.proven.read, &settling.proven.author);
        let posts = store.group_posts(group, MOST_POSTS.saturating_mul(2))?;
        let known = posts.iter().find(|(_, post)| post.id == read.entry.id);
        if known.is_some_and(|(_, post)| post.signer != author.subject.as_str()) {
            return Ok(Change::Refused(Answer::Forbidden("the post of this id is somebody else's")));
        }
        let dropped = |seq: u64| RelayRecord::GroupPostDropped { group, seq };
        if read.entry.verb == Verb::Delete {
            return Ok(known.map_or(Change::Nothing, |(seq, _)| Change::Records(vec![dropped(*seq)])));
        }
        if read.addressed != Some(Addressed::Mentioned) || !self.has_member(settling)? {
            return Ok(Change::Nothing);
        }
        if known.is_some_and(|(_, post)| is_newer(post, settling)) {
            return Ok(Change::Nothing);
        }
        let Ok(entry) = entry::for_group_feed(&read.envelope, author.descriptor().feed()) else {
            return Ok(Change::Nothing);
        };
        let post = GroupPost {
            id: read.entry.id.clone(),
            signer: author.subject.as_str().to_owned(),
            entry: entry.into_bytes(),
            added_at: self.parts.clock.now(),
        };
        let mut records: Vec<_> = known.iter().map(|(seq, _)| dropped(*seq)).collect();
        let (mut count, mut octets) = (1_usize, post.entry.len());
        for (seq, older) in posts.iter().rev().filter(|(_, older)| older.id != post.id) {
            count = count.saturating_add(1);
            octets = octets.saturating_add(older.entry.len());
            if count > MOST_POSTS || octets > MOST_BYTES {
                records.push(dropped(*seq));
            }
        }
        let seq = store.next_group_post(group)?;
        records.push(RelayRecord::GroupPostPut { group, seq, post });
        Ok(Change::Records(records))
    }

    fn has_member(&self, settling: &Settling) -> Result<bool, StoreError> {
        for id in names(settling).map(Identity::id) {
            if self.parts.store.member(settling.account_id(), id)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether the post in the feed is a later version than what came: the two may have gone by different ways.
fn is_newer(post: &GroupPost, settling: &Settling) -> bool {
    let in_feed = Entry::read(&post.entry).ok().and_then(|entry| moment::parse(entry.updated.as_deref()?));
    // By its own account, and in no case later than when it came.
    let in_feed = in_feed.map(|updated| updated.min(post.added_at));
    in_feed > settling.proven.read.updated(post.added_at) && settling.proven.read.entry.updated.is_some()
}

/// Every name of the author that was shown to be one.
fn names(settling: &Settling) -> impl Iterator<Item = &Identity> {
    let author = &settling.proven.author;
    [&author.subject, &author.looked_up].into_iter().chain(settling.proven.read.claims.names())
}

/// Whether the relay decides who is in.
pub(super) const fn is_decided_here(members: Option<Membership>) -> bool {
    matches!(members, Some(Membership::Open))
}
