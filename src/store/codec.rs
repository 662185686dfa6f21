//! A value on disk: one version byte, then postcard. Decoding never panics.

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

use super::{StoreError, keys::Table};

/// The version that is written. A reader of an older one gets its own arm in [`decode`].
const VERSION: u8 = 1;

pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    postcard::to_extend(value, vec![VERSION])
        .map_err(|error| StoreError::Failed(format!("encoding: {error}")))
}

pub(super) fn decode<T: DeserializeOwned>(table: Table, bytes: &[u8]) -> Result<T, StoreError> {
    let damaged = StoreError::Damaged { table: table.name() };
    match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|_undecodable| damaged),
        _ => Err(damaged),
    }
}

/// Reads an option that must be there even where it is none: with a secret that was left out by mistake, a subscriber who
/// asked for signatures would be delivered to without.
pub(super) fn stated<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(deserializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back_and_anything_else_is_an_error() {
        let bytes = encode(&(7_u64, "seven".to_owned())).unwrap();
        assert_eq!(bytes.first(), Some(&VERSION));
        assert_eq!(decode::<(u64, String)>(Table::Topics, &bytes).unwrap(), (7, "seven".to_owned()));
        for broken in [&[][..], &[VERSION], &[VERSION + 1, 7, 0], &bytes[..bytes.len() - 1]] {
            let error = decode::<(u64, String)>(Table::Topics, broken).unwrap_err();
            assert!(error.to_string().contains("topics"), "{error}");
        }
    }
}
