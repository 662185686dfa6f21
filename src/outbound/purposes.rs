//! One of a thing for each [`Purpose`], so that nothing allowed for one is used for the other by way of a shared pool.

use super::transport::Purpose;

#[derive(Debug)]
pub(super) struct PerPurpose<T> {
    fetch: T,
    callback: T,
}

impl<T> PerPurpose<T> {
    pub(super) fn try_build<E>(mut build: impl FnMut(Purpose) -> Result<T, E>) -> Result<Self, E> {
        Ok(Self { fetch: build(Purpose::Fetch)?, callback: build(Purpose::Callback)? })
    }

    pub(super) fn of(&self, purpose: Purpose) -> &T {
        match purpose {
            Purpose::Fetch => &self.fetch,
            Purpose::Callback => &self.callback,
        }
    }
}
