//! Words that only StatusNet reads.

use super::ACTIVITY;
use crate::feed::Tree;

/// The unfavorite of the OStatus draft.
const OLD_UNFAVORITE: &str = "http://ostatus.org/schema/1.0/unfavorite";

/// The entry with the verb for which StatusNet looks, in the place of its own; the rest byte for byte. `None` if there is no
/// verb in it.
pub fn with_old_unfavorite(entry: &str) -> Option<String> {
    let tree = Tree::parse(entry.as_bytes()).ok()?;
    let verb = tree.root()?.first(ACTIVITY, "verb")?.inner();
    let (before, after) = (entry.get(..verb.start)?, entry.get(verb.end..)?);
    Some(format!("{before}{OLD_UNFAVORITE}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::salmon::{Entry, Verb, fixture};

    #[test]
    fn the_verb_is_another_and_means_the_same() {
        let text = fixture("entries/unfavorite.atom.xml");
        let old = with_old_unfavorite(&text).unwrap();
        assert!(old.contains(OLD_UNFAVORITE) && !old.contains("activitystrea.ms/schema/1.0/unfavorite"));
        assert_eq!(Entry::read(old.as_bytes()).unwrap().verb, Verb::Unfavorite);
        assert_eq!(
            with_old_unfavorite("<entry xmlns='http://www.w3.org/2005/Atom'><id>1</id></entry>"),
            None
        );
    }
}
