//! What an activity does, by one name for each whatever it was called on the way.

use serde::{Serialize, Serializer};

const ACTIVITY: &str = "http://activitystrea.ms/schema/1.0/";
const OSTATUS: &str = "http://ostatus.org/schema/1.0/";
const MASTODON: &str = "http://mastodon.social/schema/1.0/";

/// A verb.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verb {
    Post,
    Share,
    Favorite,
    Unfavorite,
    Follow,
    Unfollow,
    Join,
    Leave,
    UpdateProfile,
    Delete,
    RequestFriend,
    Authorize,
    Reject,
    Block,
    Unblock,
    Tag,
    Untag,
    /// Passed on as it is.
    Other(String),
}

impl Verb {
    /// The meaning of a verb as written: what it is to a group differs from what it is to a person.
    pub fn read(written: &str, is_of_group: bool) -> Self {
        let written = written.trim();
        let (schema, word) = if let Some(word) = written.strip_prefix(ACTIVITY) {
            (ACTIVITY, word)
        } else if let Some(word) = written.strip_prefix(OSTATUS) {
            (OSTATUS, word)
        } else if let Some(word) = written.strip_prefix(MASTODON) {
            (MASTODON, word)
        } else if written.contains([':', '/']) {
            ("", written)
        } else {
            // Bare words belong to Activity Streams; GNU social writes `delete` so.
            (ACTIVITY, written)
        };
        match (schema, word) {
            (ACTIVITY, "post") => Self::Post,
            (ACTIVITY, "share") => Self::Share,
            (ACTIVITY, "favorite" | "like") => Self::Favorite,
            (ACTIVITY | OSTATUS, "unfavorite") | (ACTIVITY, "unlike") => Self::Unfavorite,
            (ACTIVITY, "follow" | "make-friend") if is_of_group => Self::Join,
            (ACTIVITY, "follow" | "make-friend") => Self::Follow,
            (ACTIVITY | OSTATUS, "unfollow") | (ACTIVITY, "stop-following") if is_of_group => Self::Leave,
            (ACTIVITY | OSTATUS, "unfollow") | (ACTIVITY, "stop-following") => Self::Unfollow,
            (ACTIVITY, "join") => Self::Join,
            (ACTIVITY | OSTATUS, "leave") => Self::Leave,
            (ACTIVITY | OSTATUS, "update-profile") => Self::UpdateProfile,
            (ACTIVITY, "delete" | "qvitter-delete-notice") => Self::Delete,
            (ACTIVITY, "request-friend") => Self::RequestFriend,
            (ACTIVITY, "authorize") => Self::Authorize,
            (ACTIVITY, "reject") => Self::Reject,
            (MASTODON, "block") => Self::Block,
            (MASTODON, "unblock") => Self::Unblock,
            (ACTIVITY, "tag") => Self::Tag,
            (ACTIVITY | OSTATUS, "untag") => Self::Untag,
            _ if schema == ACTIVITY && !written.starts_with(ACTIVITY) => {
                Self::Other(format!("{ACTIVITY}{word}"))
            }
            _ => Self::Other(written.to_owned()),
        }
    }

    /// Its name for the site; the URI of one that is unknown.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Post => "post",
            Self::Share => "share",
            Self::Favorite => "favorite",
            Self::Unfavorite => "unfavorite",
            Self::Follow => "follow",
            Self::Unfollow => "unfollow",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::UpdateProfile => "update-profile",
            Self::Delete => "delete",
            Self::RequestFriend => "request-friend",
            Self::Authorize => "authorize",
            Self::Reject => "reject",
            Self::Block => "block",
            Self::Unblock => "unblock",
            Self::Tag => "tag",
            Self::Untag => "untag",
            Self::Other(uri) => uri,
        }
    }

    /// What peers read.
    pub fn to_uri(&self) -> String {
        let schema = match self {
            Self::Unfollow | Self::Leave | Self::UpdateProfile | Self::Untag => OSTATUS,
            Self::Block | Self::Unblock => MASTODON,
            Self::Other(_) => "",
            _ => ACTIVITY,
        };
        format!("{schema}{}", self.as_str())
    }

    /// Whether what was done is remembered for good: there are few of these, and one that comes back late would undo what
    /// came after it.
    pub const fn is_remembered_for_good(&self) -> bool {
        matches!(
            self,
            Self::Follow | Self::Unfollow | Self::Join | Self::Leave | Self::Favorite | Self::Unfavorite
        )
    }

    /// Whether it does something to one object, and means nothing without.
    pub(super) const fn needs_an_object(&self) -> bool {
        !matches!(self, Self::Post | Self::Delete | Self::UpdateProfile | Self::Other(_))
    }
}

impl Serialize for Verb {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The last word of an object type, as `note` or `person`; the whole URI of one from another schema.
pub(super) fn object_type(written: &str) -> String {
    let written = written.trim();
    written.strip_prefix(ACTIVITY).or_else(|| written.strip_prefix(OSTATUS)).unwrap_or(written).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_say_a_verb_is_understood() {
        let activity = |word: &str| format!("{ACTIVITY}{word}");
        let ostatus = |word: &str| format!("{OSTATUS}{word}");
        for (written, of_person, of_group) in [
            (activity("post"), Verb::Post, Verb::Post),
            (activity("like"), Verb::Favorite, Verb::Favorite),
            (ostatus("unfavorite"), Verb::Unfavorite, Verb::Unfavorite),
            (activity("unlike"), Verb::Unfavorite, Verb::Unfavorite),
            (activity("make-friend"), Verb::Follow, Verb::Join),
            (activity("stop-following"), Verb::Unfollow, Verb::Leave),
            (activity("unfollow"), Verb::Unfollow, Verb::Leave),
            (ostatus("unfollow"), Verb::Unfollow, Verb::Leave),
            (" delete\n".to_owned(), Verb::Delete, Verb::Delete),
            ("qvitter-delete-notice".to_owned(), Verb::Delete, Verb::Delete),
            (format!("{MASTODON}block"), Verb::Block, Verb::Block),
            ("dance".to_owned(), Verb::Other(activity("dance")), Verb::Other(activity("dance"))),
            (
                "http://a/post".to_owned(),
                Verb::Other("http://a/post".to_owned()),
                Verb::Other("http://a/post".to_owned()),
            ),
            (ostatus("post"), Verb::Other(ostatus("post")), Verb::Other(ostatus("post"))),
        ] {
            assert_eq!(Verb::read(&written, false), of_person, "{written}");
            assert_eq!(Verb::read(&written, true), of_group, "{written}");
        }
    }

    #[test]
    fn what_is_written_means_the_same_when_read() {
        let words = "post share favorite unfavorite follow unfollow join leave delete request-friend authorize reject tag";
        let known = words.split(' ').map(|word| Verb::read(word, false));
        for verb in known.chain([Verb::UpdateProfile, Verb::Untag, Verb::Block, Verb::Unblock]) {
            assert!(!matches!(verb, Verb::Other(_)));
            assert_eq!(Verb::read(&verb.to_uri(), false), verb);
        }
        assert_eq!(Verb::Unfollow.to_uri(), "http://ostatus.org/schema/1.0/unfollow");
        assert_eq!(Verb::Unfavorite.to_uri(), "http://activitystrea.ms/schema/1.0/unfavorite");
    }
}
