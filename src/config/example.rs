//! Holds `config.example.toml` and the code equal, both ways: every value is the default, every key exists, and none
//! is missing, not even among those that have no default and stand there as a comment.

use std::collections::{BTreeMap, BTreeSet};

use serde::{
    de::{self, Deserializer, Visitor, value::Error},
    forward_to_deserialize_any,
};

use super::*;

/// Asks a struct for the names of its fields, as `serde` would look for them.
struct FieldNames<'a>(&'a mut BTreeSet<String>);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(de::Error::custom("no struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(fields.iter().map(|field| (*field).to_owned()));
        Err(de::Error::custom("only the names were asked for"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn fields_of<T: for<'de> Deserialize<'de>>() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    assert!(T::deserialize(FieldNames(&mut names)).is_err());
    assert!(!names.is_empty());
    names
}

/// Every section and its keys, as the code knows them.
fn keys_in_code() -> BTreeMap<String, BTreeSet<String>> {
    let sections = [
        ("server", fields_of::<ServerConfig>()),
        ("admin", fields_of::<AdminConfig>()),
        ("storage", fields_of::<StorageConfig>()),
        ("access", fields_of::<AccessConfig>()),
        ("lease", fields_of::<LeaseConfig>()),
        ("verification", fields_of::<VerificationConfig>()),
        ("fetch", fields_of::<FetchConfig>()),
        ("polling", fields_of::<PollingConfig>()),
        ("delivery", fields_of::<DeliveryConfig>()),
        ("publications", fields_of::<PublicationsConfig>()),
        ("feed", fields_of::<FeedConfig>()),
        ("hosts", fields_of::<HostsConfig>()),
        ("salmon", fields_of::<SalmonConfig>()),
        ("limits", fields_of::<LimitsConfig>()),
        ("network", fields_of::<NetworkConfig>()),
        ("compat", fields_of::<CompatConfig>()),
        ("log", fields_of::<LogConfig>()),
    ];
    sections.into_iter().map(|(section, keys)| (section.to_owned(), keys)).collect()
}

/// Whether a line of the example is a key that was commented out because it has no default.
fn is_optional_key(line: &str) -> bool {
    line.strip_prefix("# ")
        .and_then(|line| line.split_once(" = "))
        .is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
}

/// The example with its optional keys switched on.
fn with_optional_keys() -> String {
    let switch =
        |line: &str| if is_optional_key(line) { line.trim_start_matches("# ") } else { line }.to_owned();
    EXAMPLE.lines().map(switch).collect::<Vec<_>>().join("\n")
}

fn keys_in(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let table: toml::Table = text.parse().unwrap();
    table.into_iter().map(|(name, keys)| (name, keys.as_table().unwrap().keys().cloned().collect())).collect()
}

#[test]
fn the_example_says_what_the_defaults_are() {
    assert_eq!(Config::from_toml(EXAMPLE, "config.example.toml"), Ok(Config::default()));
}

#[test]
fn the_example_has_every_key_of_the_code_and_no_other() {
    let sections: BTreeSet<_> = keys_in_code().into_keys().collect();
    assert_eq!(sections, fields_of::<Config>(), "this test does not know every section");
    assert_eq!(keys_in(&with_optional_keys()), keys_in_code());
}

#[test]
fn the_keys_without_a_default_are_valid_as_the_example_writes_them() {
    let config = Config::from_toml(&with_optional_keys(), "config.example.toml").unwrap();
    assert!(config.server.public_url.is_some() && config.admin.token_file.is_some());
    assert!(config.server.moved_to.is_some() && config.access.credentials_file.is_some());
    let optional: usize = EXAMPLE.lines().filter(|line| is_optional_key(line)).count();
    assert!(config.salmon.max_age.is_some());
    assert_eq!(optional, 5, "only what has no default stands there as a comment");
}

#[test]
fn every_key_of_the_example_has_its_reason_above_it() {
    let mut above = "";
    let mut keys = 0;
    for line in EXAMPLE.lines() {
        let is_key = is_optional_key(line) || (line.contains(" = ") && !line.starts_with('#'));
        if is_key {
            keys += 1;
            assert!(above.starts_with("# ") && !is_optional_key(above), "no reason stands above: {line}");
        }
        above = line;
    }
    assert_eq!(keys, keys_in_code().values().map(BTreeSet::len).sum::<usize>());
}
