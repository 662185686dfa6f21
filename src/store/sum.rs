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

/// The sum of any number of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum([u64; 2]);

impl Sum {
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.change(worth(key, value), u64::wrapping_add);
    }

    pub(super) fn take_off(&mut self, key: &[u8], value: &[u8]) {
        self.change(worth(key, value), u64::wrapping_sub);
    }

    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        let ([low, high], []) = octets.as_chunks::<8>() else { return None };
        Some(Self([*low, *high].map(u64::from_be_bytes)))
    }

    pub(super) fn octets(self) -> Vec<u8> {
        self.0.into_iter().flat_map(u64::to_be_bytes).collect()
    }

    fn change(&mut self, by: [u64; 2], change: impl Fn(u64, u64) -> u64) {
        let [low, high] = self.0;
        let [by_low, by_high] = by;
        self.0 = [change(low, by_low), change(high, by_high)];
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
    }
}
