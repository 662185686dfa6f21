//! Whether an activity is for an account: whom it mentions, what it answers, what it is about.

use super::{Entry, Object, Person, Verb};
use crate::salmon::Identity;

/// Why an activity is for the account it was sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressed {
    /// One of the account's names is a recipient.
    Mentioned,
    /// It answers a post of the account.
    Reply,
    /// The account, or a post of it, is what was followed, liked, joined and so on.
    Object,
    /// Of its author alone: a deleted post, another profile. Mastodon tells one account of a site that it deleted what it
    /// had sent to another, so that this may come in where the post never did.
    Author,
}

impl Entry {
    /// Whether this is for the account with these names. Whether the id of a post is one of its own, `is_own_post` says.
    pub fn addressed_to(&self, names: &[Identity], is_own_post: impl Fn(&str) -> bool) -> Option<Addressed> {
        let is_own_name =
            |text: &str| Identity::parse(text).is_some_and(|name| names.iter().any(|own| own.is_same(&name)));
        if self.mentioned.iter().any(|mention| is_own_name(&mention.uri)) {
            return Some(Addressed::Mentioned);
        }
        // Either is enough: some have the id of a post, some its page.
        let reply = self.in_reply_to.as_ref();
        if reply
            .is_some_and(|reply| [&reply.id, &reply.href].into_iter().flatten().any(|post| is_own_post(post)))
        {
            return Some(Addressed::Reply);
        }
        let is_own = |person: &Person| person.names().any(|name| is_own_name(name) || is_own_post(name));
        let is_about = |object: &Object| {
            is_own(&object.person)
                // What was shared, allowed or refused is an activity, and it may be the account's own.
                || (matches!(self.verb, Verb::Share | Verb::Authorize | Verb::Reject)
                    && object.author.as_ref().is_some_and(is_own))
        };
        if [&self.object, &self.target].into_iter().flatten().any(is_about) {
            return Some(Addressed::Object);
        }
        matches!(self.verb, Verb::Delete | Verb::UpdateProfile).then_some(Addressed::Author)
    }
}
