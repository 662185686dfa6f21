//! Reading text back from where it was stored without a copy of it: a fan-out reads thousands of rows.

use std::fmt::{self, Display};

use serde::{
    Deserializer,
    de::{Error, Visitor},
};

/// Has `read` make something of a string.
pub(super) fn text<'de, D, T, E>(deserializer: D, read: impl Fn(&str) -> Result<T, E>) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: Display,
{
    deserializer.deserialize_str(Text(read))
}

struct Text<R>(R);

impl<T, E: Display, R: Fn(&str) -> Result<T, E>> Visitor<'_> for Text<R> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<F: Error>(self, text: &str) -> Result<T, F> {
        let Self(read) = self;
        read(text).map_err(F::custom)
    }
}
