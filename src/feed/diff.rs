//! Which entries are new (F15, F16).

use std::collections::HashSet;

use super::{Document, Entry};

/// The indexes of the entries that nobody has seen yet, in document order (F24).
///
/// New is the pair of id and digest: an entry that changed is new, and so are four entries that share one id but say
/// different things. One that stands in the document twice, word for word, is new once; `known` is asked once too.
pub fn news(document: &Document, known: &mut dyn FnMut(&Entry) -> bool) -> Vec<usize> {
    let mut seen = HashSet::with_capacity(document.entries.len());
    let entries = document.entries.iter().enumerate();
    entries
        .filter(|(_, entry)| seen.insert((entry.id, entry.digest)) && !known(entry))
        .map(|(at, _)| at)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::feed::{Reading, Volatile, read};

    fn doc(entries: &[(&str, &str)]) -> Document {
        let entries =
            entries.iter().map(|(id, title)| format!("<entry><id>{id}</id><title>{title}</title></entry>"));
        let entries = entries.collect::<Vec<_>>().concat();
        let feed = format!("<feed xmlns='http://www.w3.org/2005/Atom'>{entries}</feed>");
        read(feed.as_bytes(), &Reading::untyped(&Volatile::default()))
    }

    /// F15, F17
    #[test]
    fn entries_that_share_an_id_are_told_apart_by_what_they_say() {
        let document = doc(&[("x", "1"), ("x", "2"), ("x", "3"), ("x", "4")]);
        assert_eq!(news(&document, &mut |_| false), [0, 1, 2, 3]);
        let known: BTreeSet<_> = document.entries.iter().map(|e| (e.id, e.digest)).collect();
        let later = doc(&[("x", "5"), ("x", "1"), ("x", "2"), ("x", "3"), ("x", "4")]);
        assert_eq!(news(&later, &mut |e| known.contains(&(e.id, e.digest))), [0]);
    }

    /// F16: an update is news
    #[test]
    fn a_changed_entry_is_new_and_one_that_went_away_is_no_news() {
        let first = doc(&[("a", "1"), ("b", "1")]);
        let known: BTreeSet<_> = first.entries.iter().map(|e| (e.id, e.digest)).collect();
        let second = doc(&[("b", "2")]);
        assert_eq!(news(&second, &mut |e| known.contains(&(e.id, e.digest))), [0]);
        assert_eq!(second.entries[0].id, first.entries[1].id);
        let third = doc(&[("b", "1")]);
        assert!(news(&third, &mut |e| known.contains(&(e.id, e.digest))).is_empty());
        assert_eq!(third.envelope, first.envelope);
    }

    #[test]
    fn an_entry_that_stands_there_twice_is_new_once_and_asked_about_once() {
        let document = doc(&[("a", "1"), ("b", "1"), ("a", "1")]);
        let mut asked = 0;
        let new = news(&document, &mut |_| {
            asked += 1;
            false
        });
        assert_eq!((new, asked), (vec![0, 1], 2));
    }
}
