//! Reads every row of every table, and looks whether what each row relies on is there.

use std::cell::Cell;

use super::{
    DueKind, StoreError, StoreOptions, codec,
    embedded::Embedded,
    keys::{self, Reader, Table},
    lines::{EXPORTED, HubRow, Row},
    names::Name,
    reading::{Lost, Pages, typed},
    rescue::Left,
};
use crate::{
    clock::Timestamp,
    protocol::{PairId, TopicId},
};

/// What was found.
#[derive(Debug, Default)]
pub struct Verified {
    /// Rows that were read.
    pub rows: u64,
    /// What was complained of.
    pub wrong: u64,
    /// What is known to be gone, or to be other than it was.
    pub cut: Option<StoreError>,
}

/// Verifies a store that no hub holds. Each row that is not as it should be is given to `complain`.
pub fn verify(options: &StoreOptions, mut complain: impl FnMut(&Lost)) -> Result<Verified, StoreError> {
    let mut left = Left::of(options)?;
    let mut verified = Verified { cut: left.wrong.take(), ..Verified::default() };
    let kv = &left.kv;
    let mut wrong = |lost: &Lost, verified: &mut Verified| {
        verified.wrong = verified.wrong.saturating_add(1);
        complain(lost);
    };
    let checking = Checking { kv, is_blind: Cell::new(false) };
    for table in Table::ALL {
        let mut pages = Pages::of(kv, table);
        while let Some(page) = pages.page() {
            let rows = match page {
                Ok(rows) => rows,
                Err(lost) => {
                    wrong(&lost, &mut verified);
                    continue;
                }
            };
            for (key, value) in &rows {
                verified.rows = verified.rows.saturating_add(1);
                if let Err(lost) = check(&checking, table, key, value) {
                    wrong(&lost, &mut verified);
                }
            }
        }
    }
    if let Some(stray) = stray(kv)? {
        wrong(&stray, &mut verified);
    }
    // Where rows cannot be read it tells nothing new, and the engine may read in circles.
    if verified.cut.is_none() && verified.wrong == 0 {
        verified.cut = kv.check_sum().err();
    }
    Ok(verified)
}

/// The first row of no table.
fn stray(kv: &Embedded) -> Result<Option<Lost>, StoreError> {
    let is_table = |byte: u8| Table::ALL.iter().any(|table| table.byte() == byte);
    for byte in (0..=u8::MAX).filter(|byte| !is_table(*byte)) {
        if let Some((key, _)) = kv.scan(&[byte], None, 1)?.first() {
            return Ok(Some(Lost::of(Table::Meta, key, "it belongs to no table")));
        }
    }
    Ok(None)
}

fn check(checking: &Checking<'_>, table: Table, key: &[u8], value: &[u8]) -> Result<(), Lost> {
    let failed = |error: StoreError| Lost::of(table, key, error.to_string());
    let reason = if EXPORTED.contains(&table) {
        checking.row(&typed(checking.kv, table, key, value)?)
    } else {
        checking.derived(table, key)
    };
    reason.map_err(failed)?.map_or(Ok(()), |reason| Err(Lost::of(table, key, reason)))
}

/// What is wrong with a row, if anything.
pub(super) type Finding = Result<Option<&'static str>, StoreError>;

pub(super) struct Checking<'a> {
    pub(super) kv: &'a Embedded,
    /// What is due cannot be read, which was said. It is not tried for each of a million rows.
    is_blind: Cell<bool>,
}

impl Checking<'_> {
    fn row(&self, row: &Row) -> Finding {
        match row {
            Row::Hub(row) => self.hub_row(row),
            Row::Relay(row) => self.relay_row(row),
        }
    }

    fn hub_row(&self, row: &HubRow) -> Finding {
        match row {
            HubRow::Subscriptions { pair, row, .. } => {
                if !is_of(*pair, row.topic.id(), row.callback.id()) {
                    return Ok(Some(ELSEWHERE));
                }
                self.is_due(DueKind::Lease, row.lease_due(), &pair.octets())
            }
            HubRow::Intents { pair, row, .. } => {
                if !is_of(*pair, row.topic.id(), row.callback.id()) {
                    return Ok(Some(ELSEWHERE));
                }
                self.is_due(DueKind::Intent, row.due_at, &pair.octets())
            }
            HubRow::Backlogs { pair, row, .. } => {
                if !self.has(&keys::by_pair(Table::Subscriptions, *pair))? {
                    return Ok(Some("there is no subscription that it could be of"));
                }
                self.is_due(DueKind::Backlog, row.due_at, &pair.octets())
            }
            HubRow::Fetches { topic, row } => {
                if row.url.id() != *topic {
                    return Ok(Some(ELSEWHERE));
                }
                self.is_due(DueKind::Fetch, row.due_at, topic.as_bytes())
            }
            HubRow::FanOuts { id, .. } => {
                let publication = keys::by_seq(Table::Publications, id.topic, id.seq);
                Ok((!self.has(&publication)?).then_some("its publication is missing"))
            }
            HubRow::Publications { topic, seq, row, body } => {
                let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
                let fits = |entry: &super::PublishedEntry| body.get(entry.range()).is_some();
                if length != row.length || !row.entries.iter().all(fits) {
                    return Ok(Some("its body is another than it says"));
                }
                self.is_known(*topic, *seq)
            }
            HubRow::Documents { topic, row } => self.is_known(*topic, row.seq),
            HubRow::Names { topic, row } => {
                for name in row {
                    if !self.has(&keys::alias(*name, *topic))? {
                        return Ok(Some("nothing is found under one of these names"));
                    }
                }
                Ok(None)
            }
            HubRow::Topics { .. }
            | HubRow::Abandoned { .. }
            | HubRow::Entries { .. }
            | HubRow::Readers { .. }
            | HubRow::Hosts { .. } => Ok(None),
        }
    }

    /// A row that follows from others.
    fn derived(&self, table: Table, key: &[u8]) -> Finding {
        let is_right = match table {
            Table::Meta => key == keys::schema(),
            Table::Aliases => self.is_alias(key)?,
            Table::Contents => {
                let publication: Vec<u8> =
                    std::iter::once(Table::Publications.byte()).chain(key.iter().copied().skip(1)).collect();
                self.has(&publication)?
            }
            // One too many is a hint that leads nowhere, and is dropped when it is followed.
            Table::Due if key == keys::sum() => true,
            Table::Due => Reader::of(key).is_some_and(|mut reader| {
                let kind = reader.byte();
                let is_dated = reader.number().is_some();
                let primary = reader.rest();
                is_dated
                    && match kind {
                        Some(b'f' | b'd' | b'o') => primary.len() == 16,
                        // Account and lane, which are as long as a pair.
                        Some(b's') => primary.len() == 32,
                        Some(b'i' | b'b' | b'l') => PairId::from_octets(primary).is_some(),
                        _ => false,
                    }
            }),
            _ => true,
        };
        Ok((!is_right).then_some("no other row knows of it"))
    }

    fn is_alias(&self, key: &[u8]) -> Result<bool, StoreError> {
        let Some(topic) = keys::read_alias(key) else { return Ok(false) };
        let Some(id) = Reader::of(key).and_then(|mut reader| reader.topic()) else { return Ok(false) };
        let Some(row) = self.kv.get(&keys::by_topic(Table::Names, topic.id))? else { return Ok(false) };
        let names: Vec<Name> = codec::decode(Table::Names, &row)?;
        Ok(names.contains(&Name { id, is_near: topic.is_near }))
    }

    pub(super) fn has(&self, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.kv.get(key)?.is_some())
    }

    pub(super) fn is_due(&self, kind: DueKind, at: Timestamp, primary: &[u8]) -> Finding {
        if self.is_blind.get() {
            return Ok(None);
        }
        let found = self.has(&keys::due(kind.byte(), at, primary));
        let is_there = found.inspect_err(|_unreadable| self.is_blind.set(true))?;
        Ok((!is_there).then_some("nothing is due for it: it would never be looked at"))
    }

    /// Whether the topic has come as far as this publication.
    fn is_known(&self, topic: TopicId, seq: u64) -> Finding {
        let head = match self.kv.get(&keys::by_topic(Table::Topics, topic))? {
            Some(row) => codec::decode::<super::Topic>(Table::Topics, &row)?.head,
            None => 0,
        };
        Ok((seq > head).then_some("its topic does not know of it"))
    }
}

/// Of a row whose key says something else than the row.
const ELSEWHERE: &str = "its URLs belong to another key";

fn is_of(pair: PairId, topic: TopicId, callback: crate::protocol::CallbackId) -> bool {
    pair == PairId { topic, callback }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        embedded::Change,
        transfer_tests::{everything, options},
    };

    /// What is found after a change to a store with at least one row of every table.
    fn found(spoil: impl FnOnce(&Embedded) -> Vec<Change>) -> Vec<String> {
        let home = tempfile::tempdir().unwrap();
        let options = options(home.path());
        {
            let kv = Embedded::open(&options).unwrap();
            kv.commit(everything().into_changes().unwrap()).unwrap();
            kv.commit(spoil(&kv)).unwrap();
        }
        let mut found = Vec::new();
        let verified = verify(&options, |lost| found.push(lost.to_string())).unwrap();
        assert!(verified.cut.is_none());
        assert_eq!(verified.wrong, u64::try_from(found.len()).unwrap());
        found
    }

    fn without(kv: &Embedded, prefix: &[u8]) -> Vec<Change> {
        let rows = kv.scan(prefix, None, 100).unwrap();
        assert!(!rows.is_empty());
        rows.iter().map(|(key, _)| Change { key: key.to_vec(), value: None }).collect()
    }

    #[test]
    fn nothing_is_wrong_with_a_store_as_it_is_written() {
        assert_eq!(found(|_| Vec::new()), [""; 0]);
    }

    #[test]
    fn what_a_row_relies_on_is_missed() {
        let table: [(&[u8], &str, usize); 20] = [
            (b"Ql", "table subscriptions, key 53", 2),
            (b"Qb", "table backlogs, key 42", 2),
            (b"Qf", "nothing is due for it", 1),
            (b"Qi", "nothing is due for it", 1),
            (b"C", "its body is missing", 1),
            (b"P", "its publication is missing", 2),
            (b"S", "there is no subscription", 2),
            (b"A", "nothing is found under", 1),
            (b"T", "its topic does not know of it", 2),
            (b"Qs", "table lanes, key 6c", 1),
            (b"Qd", "table doubts, key 77", 1),
            (b"Qo", "table out-lanes, key 65", 1),
            (b"l", "its lane is missing", 1),
            (b"e", "its lane is missing", 1),
            (b"t", "what waits there is missing", 2),
            (b"t", "some of its targets are missing", 2),
            // The first of two, of which the other is another name, and which waits.
            (b"tQQQQQQQQQQQQQQQQ\0\0", "another name of is missing", 3),
            (b"u", "its slap is missing", 2),
            // A key, a lane, a doubt, a slap, a member and a post.
            (b"a", "table account-keys, key 6b", 6),
            (b"a", "there is no account", 6),
        ];
        for (prefix, words, count) in table {
            let found = found(|kv| without(kv, prefix));
            let prefix = String::from_utf8_lossy(prefix);
            assert!(found.iter().any(|line| line.contains(words)), "{prefix}: {found:?}");
            assert_eq!(found.len(), count, "{prefix}: {found:?}");
        }
    }

    #[test]
    fn a_row_that_makes_no_sense_is_named() {
        let put = |key: &[u8], value: &[u8]| Change { key: key.to_vec(), value: Some(value.to_vec()) };
        let found = found(|kv| {
            let (key, value) = kv.scan(b"S", None, 1).unwrap().remove(0);
            let mut elsewhere = key.to_vec();
            *elsewhere.last_mut().unwrap() ^= 1;
            vec![
                put(&key, &[0xff]),
                put(&elsewhere, &value),
                put(b"!other", &[]),
                put(b"Qx", &[]),
                put(b"Qs_eight__and too short", &[]),
                put(b"zebra", &[]),
            ]
        });
        for words in [
            "cannot be read",
            "another key",
            "key 216f74686572",
            "key 5178",
            "key 51735f",
            "belongs to no table",
        ] {
            assert!(found.iter().any(|line| line.contains(words)), "{words}: {found:?}");
        }
    }
}
