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

/// Reads the last field of a row that was given one more: a row of before ends where it would begin. Written only where it
/// says something, it leaves the others as they were.
pub(super) fn added<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    // A line of an export has names, and says by itself what it lacks.
    let is_text = deserializer.is_human_readable();
    match T::deserialize(deserializer) {
        Err(_ended) if !is_text => Ok(T::default()),
        read => read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Newer {
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "added")]
        more: Option<u16>,
    }

    #[test]
    fn a_row_from_before_a_field_was_added_is_read_and_one_without_it_is_written_as_before() {
        #[derive(Serialize)]
        struct Older {
            name: String,
        }
        let name = || "alice".to_owned();
        let old = encode(&Older { name: name() }).unwrap();
        assert_eq!(decode::<Newer>(Table::Targets, &old).unwrap(), Newer { name: name(), more: None });
        assert_eq!(encode(&Newer { name: name(), more: None }).unwrap(), old);
        let more = Newer { name: name(), more: Some(7) };
        assert_eq!(decode::<Newer>(Table::Targets, &encode(&more).unwrap()).unwrap(), more);
        assert!(serde_json::from_str::<Newer>(r#"{"name":"alice","more":"7"}"#).is_err(), "but no guessing");
    }

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
