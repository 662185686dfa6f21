//! A sum over all rows, kept with them: what it takes to notice that the engine passed over damage in the middle of its log,
//! after which a row is silently as it was before its last change, or gone.
//!
//! Each row counts with 128 bits that its key and value make; a change takes off what the row was worth and adds what it is
//! worth now. It is read what the row was, so a change that is made twice counts once. The sum lies in the same atomic
//! batch as the changes, among rows that are small ([`super::keys::sum`]): the engine keeps up to sixteen rows a page, and
//! one that is written with every batch has its neighbours written again and again.
//!
//! Damage is no adversary: the key of the hash is nobody's secret.

use highway::{HighwayHash as _, HighwayHasher, Key};

use super::keys::Table;

const KEY: Key =
    Key([0x6875_6262_7562_2073, 0x7472_6f77_732c_2073, 0x756d_206f_6620_616c, 0x6c20_726f_7773_2031]);

/// The sum of any number of rows, and how many octets they have. Two are the same if the sums are: there were some without
/// octets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sum {
    worth: [u64; 2],
    octets: Option<u64>,
}

impl Default for Sum {
    /// That of no rows.
    fn default() -> Self {
        Self { worth: [0; 2], octets: Some(0) }
    }
}

impl PartialEq for Sum {
    fn eq(&self, other: &Self) -> bool {
        self.worth == other.worth
    }
}

impl Eq for Sum {}

impl Sum {
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.change(key, value, u64::wrapping_add);
    }

    pub(super) fn take_off(&mut self, key: &[u8], value: &[u8]) {
        self.change(key, value, u64::wrapping_sub);
    }

    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        let ([low, high, rest @ ..], []) = octets.as_chunks::<8>() else { return None };
        let octets = match rest {
            [] => None,
            [octets] => Some(u64::from_be_bytes(*octets)),
            _ => return None,
        };
        Some(Self { worth: [*low, *high].map(u64::from_be_bytes), octets })
    }

    pub(super) fn octets(self) -> Vec<u8> {
        self.worth.into_iter().chain(self.octets).flat_map(u64::to_be_bytes).collect()
    }

    /// Octets of the keys and values of all rows.
    pub(super) fn row_octets(self) -> u64 {
        self.octets.unwrap_or(0)
    }

    pub(super) fn counts_octets(self) -> bool {
        self.octets.is_some()
    }

    pub(super) fn with_octets_of(self, other: Self) -> Self {
        Self { octets: other.octets, ..self }
    }

    fn change(&mut self, key: &[u8], value: &[u8], change: impl Fn(u64, u64) -> u64) {
        let ([low, high], [by_low, by_high]) = (self.worth, worth(key, value));
        self.worth = [change(low, by_low), change(high, by_high)];
        let by = u64::try_from(key.len().saturating_add(value.len())).unwrap_or(u64::MAX);
        self.octets = self.octets.map(|octets| change(octets, by));
    }
}

/// What a row counts: key and value are told apart by the length of the key.
fn worth(key: &[u8], value: &[u8]) -> [u64; 2] {
    let mut hasher = HighwayHasher::new(KEY);
    hasher.append(&u64::try_from(key.len()).unwrap_or(u64::MAX).to_be_bytes());
    hasher.append(key);
    hasher.append(value);
    hasher.finalize128()
}

/// Whether a row counts. Those that follow from others do not: what they should be is known, and half of all changes are to
/// them.
pub(super) fn counts(key: &[u8]) -> bool {
    key.first().is_some_and(|table| *table != Table::Due.byte() && *table != Table::Aliases.byte())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[(&[u8], &[u8])]) -> Sum {
        let mut sum = Sum::default();
        for (key, value) in rows {
            sum.add(key, value);
        }
        sum
    }

    #[test]
    fn the_sum_is_that_of_the_rows_whatever_way_they_came_to_be() {
        let mut sum = of(&[(b"a", b"1"), (b"b", b"2"), (b"c", b"")]);
        sum.take_off(b"b", b"2");
        sum.add(b"b", b"3");
        sum.take_off(b"a", b"1");
        assert_eq!(sum, of(&[(b"c", b""), (b"b", b"3")]));
        assert_ne!(sum, of(&[(b"c", b""), (b"b", b"2")]));
        assert_ne!(of(&[(b"ab", b"c")]), of(&[(b"a", b"bc")]));
        assert_ne!(of(&[(b"a", b"1"), (b"b", b"2")]), of(&[(b"a", b"2"), (b"b", b"1")]));
    }

    #[test]
    fn a_sum_read_back_is_what_was_written_and_half_of_one_is_none() {
        let sum = of(&[(b"a", b"1")]);
        assert_eq!(Sum::read(&sum.octets()), Some(sum));
        assert_eq!(Sum::read(&[0; 8]), None);
        assert_eq!(Sum::read(&[0; 17]), None);
        assert_eq!(Sum::read(&[0; 32]), None);
        assert_eq!(Sum::read(&sum.octets()).map(Sum::row_octets), Some(2));
        // As it was written before octets were counted.
        let before = Sum::read(&sum.octets()[..16]).unwrap();
        assert_eq!((before, before.counts_octets()), (sum, false));
        assert_eq!(before.with_octets_of(sum).row_octets(), 2);
    }
}
