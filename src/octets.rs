//! Octets as they are written: raw in the store's own values, readable in a format that is for people.
//!
//! Ids become hexadecimal digits. Everything else becomes its text where it is UTF-8, and `{"base64": …}` where it is
//! not. What the store keeps on disk is the same with and without this.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor},
    ser::SerializeMap as _,
};

/// The one key of the object that stands for octets that are no text.
const BASE64: &str = "base64";

/// Sixteen octets, as 32 hexadecimal digits for people: for serde's `with`.
pub mod hex {
    use super::{Deserialize, Deserializer, Error, Serialize, Serializer};

    pub fn serialize<S: Serializer>(id: &[u8; 16], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&format_args!("{:032x}", u128::from_be_bytes(*id)))
        } else {
            id.serialize(serializer)
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 16], D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 16]>::deserialize(deserializer);
        }
        let digits = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        // The parser of numbers would take a sign as well.
        let is_id = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = is_id.then(|| u128::from_str_radix(&digits, 16).ok()).flatten();
        number.map(u128::to_be_bytes).ok_or_else(|| D::Error::custom("an id has 32 hexadecimal digits"))
    }
}

/// Any octets, as text where they are text: for serde's `with`.
pub mod text {
    use super::{Deserialize, Deserializer, Octets, Serialize as _, SerializeOctets, Serializer};

    pub fn serialize<S: Serializer>(octets: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        SerializeOctets(octets).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Octets::deserialize(deserializer).map(|octets| octets.0)
    }
}

/// The same where there may be none.
pub mod optional_text {
    use super::{Deserialize, Deserializer, Octets, Serialize as _, SerializeOctets, Serializer};

    pub fn serialize<S: Serializer>(octets: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        octets.as_deref().map(SerializeOctets).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<Octets>::deserialize(deserializer)?.map(|octets| octets.0))
    }
}

struct SerializeOctets<'a>(&'a [u8]);

impl Serialize for SerializeOctets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(self.0);
        }
        if let Ok(text) = std::str::from_utf8(self.0) {
            return serializer.serialize_str(text);
        }
        let mut object = serializer.serialize_map(Some(1))?;
        object.serialize_entry(BASE64, &STANDARD.encode(self.0))?;
        object.end()
    }
}

/// Octets as they were read, for types that check them.
pub struct Octets(pub Vec<u8>);

/// Never shown: among what is read this way are keys.
impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Octets(…)")
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(OctetsVisitor)
        } else {
            deserializer.deserialize_byte_buf(OctetsVisitor)
        }
    }
}

struct OctetsVisitor;

impl<'de> Visitor<'de> for OctetsVisitor {
    type Value = Octets;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or an object with base64")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Octets, E> {
        Ok(Octets(text.into()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Octets, E> {
        Ok(Octets(text.into()))
    }

    fn visit_bytes<E: Error>(self, octets: &[u8]) -> Result<Octets, E> {
        Ok(Octets(octets.into()))
    }

    fn visit_byte_buf<E: Error>(self, octets: Vec<u8>) -> Result<Octets, E> {
        Ok(Octets(octets))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Octets, A::Error> {
        let first: Option<(String, String)> = object.next_entry()?;
        let Some((_, encoded)) = first.filter(|(key, _)| key == BASE64) else {
            return Err(A::Error::custom("octets that are no text stand under the one key base64"));
        };
        if object.next_key::<String>()?.is_some() {
            return Err(A::Error::custom("base64 has no neighbours"));
        }
        STANDARD.decode(encoded).map(Octets).map_err(A::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Value {
        #[serde(with = "hex")]
        id: [u8; 16],
        #[serde(with = "text")]
        body: Vec<u8>,
        #[serde(with = "optional_text")]
        tag: Option<Vec<u8>>,
    }

    fn value(body: &[u8]) -> Value {
        Value { id: [0x0a; 16], body: body.to_vec(), tag: Some(body.to_vec()) }
    }

    #[test]
    fn people_read_text_where_there_is_text_and_base64_elsewhere() {
        let digits = "0a".repeat(16);
        let written = serde_json::to_string(&value("grün".as_bytes())).unwrap();
        assert_eq!(written, format!(r#"{{"id":"{digits}","body":"grün","tag":"grün"}}"#));
        let written = serde_json::to_string(&Value { tag: None, ..value(&[0xff, 0]) }).unwrap();
        assert_eq!(written, format!(r#"{{"id":"{digits}","body":{{"base64":"/wA="}},"tag":null}}"#));
    }

    #[test]
    fn what_is_no_id_and_no_octets_is_refused() {
        for id in ["0a", "+a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a", &"0g".repeat(16), &"é".repeat(16)] {
            let line = serde_json::json!({ "id": id, "body": "", "tag": null });
            assert!(serde_json::from_value::<Value>(line).is_err(), "{id}");
        }
        for body in [r#"{"base64":"!"}"#, r#"{"base32":"AA"}"#, "{}", "7", r#"{"base64":"","more":""}"#] {
            assert!(serde_json::from_str::<Octets>(body).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn everything_comes_back_and_the_store_has_it_raw(id: [u8; 16], body: Vec<u8>, tag: Option<Vec<u8>>) {
            let value = Value { id, body, tag };
            let readable = serde_json::to_vec(&value).unwrap();
            prop_assert_eq!(&serde_json::from_slice::<Value>(&readable).unwrap(), &value);
            let raw = postcard::to_stdvec(&value).unwrap();
            prop_assert_eq!(&raw, &postcard::to_stdvec(&(value.id, &value.body, &value.tag)).unwrap());
            prop_assert_eq!(postcard::from_bytes::<Value>(&raw).unwrap(), value);
        }
    }
}
