//! The sum over all rows ([`crate::store::sum`]) as it is noted, and as it is.

use super::Embedded;
use crate::store::{
    StoreError, keys,
    sum::{Sum, counts},
};

impl Embedded {
    /// Refuses rows of which one is not as it was written. Reads them all.
    pub(in crate::store) fn check_sum(&self) -> Result<(), StoreError> {
        let altered = || StoreError::Altered { path: self.path.clone() };
        (self.sum_of_rows()? == self.noted_sum()?).then_some(()).ok_or_else(altered)
    }

    /// The sum as it is noted, so that damage shows; of a store from before there was one, that of its rows.
    pub(super) fn sum_at_start(&self, is_summed: bool) -> Result<Sum, StoreError> {
        if !is_summed {
            return self.sum_of_rows();
        }
        let noted = self.noted_sum()?;
        // Earlier programs did not count octets.
        if noted.counts_octets() { Ok(noted) } else { Ok(noted.with_octets_of(self.sum_of_rows()?)) }
    }

    /// Where there is none, it fits no rows.
    pub(super) fn noted_sum(&self) -> Result<Sum, StoreError> {
        Ok(self.get(&keys::sum())?.and_then(|sum| Sum::read(&sum)).unwrap_or_default())
    }

    pub(super) fn sum_of_rows(&self) -> Result<Sum, StoreError> {
        let mut sum = Sum::default();
        self.each(&[], |key, value| {
            if counts(key) {
                sum.add(key, value);
            }
        })?;
        Ok(sum)
    }
}
