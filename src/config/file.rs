//! Text to [`Config`]: the shape first, then the rules, with the line of each thing that is wrong.

use std::ops::Range;

use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue, Deserializer},
};

use super::{Config, ConfigErrors, Problem, check::Broken};

/// After so many mistakes the file is of some other program. Bounds the work too: each costs another reading.
const MOST_PROBLEMS: usize = 50;

impl Config {
    /// Reads a configuration; what is not in the text has its default.
    ///
    /// `file_name` is only for the errors. If keys are unknown or values of the wrong shape, all of these are reported;
    /// else all the rules that are broken, because a rule held against a value that was not understood says nothing.
    pub fn from_toml(text: &str, file_name: &str) -> Result<Self, ConfigErrors> {
        let fail = |problems| Err(ConfigErrors::new(file_name, problems));
        let table = match DeTable::parse(text) {
            Ok(table) => table,
            Err(error) => {
                let key = error.span().map(|span| key_near(text, span.start)).unwrap_or_default();
                return fail(vec![problem(text, error.span(), key, error.message())]);
            }
        };
        let config = match shape(text, table.clone()) {
            Ok(config) => config,
            Err(problems) => return fail(problems),
        };
        let broken = config.broken_rules();
        if broken.is_empty() {
            return Ok(config);
        }
        fail(broken.into_iter().map(|broken| locate(text, table.get_ref(), broken)).collect())
    }
}

/// Reads the table, leaves out what cannot be read, and reads again until nothing more is wrong with it.
fn shape(text: &str, mut table: Spanned<DeTable<'_>>) -> Result<Config, Vec<Problem>> {
    let mut problems = Vec::new();
    loop {
        let error = match Config::deserialize(Deserializer::from(table.clone())) {
            Ok(config) if problems.is_empty() => return Ok(config),
            Ok(_defaults_for_what_is_wrong) => return Err(problems),
            Err(error) => error,
        };
        let culprit = error.span().and_then(|span| remove_at(table.get_mut(), span.start));
        let found = culprit.is_some();
        problems.push(problem(text, error.span(), culprit.unwrap_or_default(), error.message()));
        if !found || problems.len() == MOST_PROBLEMS {
            return Err(problems);
        }
    }
}

/// Takes the key out to which the byte at `position` belongs, or else the section, and says which it was.
fn remove_at(table: &mut DeTable<'_>, position: usize) -> Option<String> {
    for (section, content) in table.iter_mut() {
        if let DeValue::Table(keys) = content.get_mut()
            && let Some(key) = take_at(keys, position)
        {
            return Some(format!("{}.{key}", section.get_ref()));
        }
    }
    take_at(table, position)
}

fn take_at(table: &mut DeTable<'_>, position: usize) -> Option<String> {
    let (key, _value) =
        table.iter().find(|(key, value)| (key.span().start..value.span().end).contains(&position))?;
    let key = key.clone();
    table.remove(&key);
    Some(key.into_inner().into_owned())
}

/// Gives a broken rule the line of the first of its keys that is in the file: if a lease is longer than the default
/// maximum, it is the lease that is to be looked at.
fn locate(text: &str, table: &DeTable<'_>, Broken { section, keys, reason }: Broken) -> Problem {
    let spans = entry(table, section).and_then(|(_, content)| content.get_ref().as_table());
    let written = keys.iter().find_map(|key| Some((*key, entry(spans?, key)?.0.span())));
    let key = written.as_ref().map(|(key, _)| *key).or(keys.first().copied()).unwrap_or_default();
    problem(text, written.map(|(_, span)| span), format!("{section}.{key}"), &reason)
}

fn entry<'t, 'i>(
    table: &'t DeTable<'i>,
    name: &str,
) -> Option<(&'t Spanned<DeString<'i>>, &'t Spanned<DeValue<'i>>)> {
    table.iter().find(|(key, _)| key.get_ref() == name)
}

/// The key on the line where the text stopped being TOML, as far as it can be told.
fn key_near(text: &str, position: usize) -> String {
    let is_key =
        |text: &&str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let mut section = "";
    for line in text.lines().take(line_of(text, position)) {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|line| line.split(']').next()).filter(is_key) {
            section = header;
        }
    }
    let line = text.lines().nth(line_of(text, position) - 1).unwrap_or_default();
    match line.split_once('=').map(|(key, _)| key.trim()).filter(is_key) {
        Some(key) if section.is_empty() => key.to_owned(),
        Some(key) => format!("{section}.{key}"),
        None => section.to_owned(),
    }
}

/// The line on which a byte stands, from 1.
fn line_of(text: &str, position: usize) -> usize {
    1 + text.bytes().take(position).filter(|byte| *byte == b'\n').count()
}

fn problem(text: &str, span: Option<Range<usize>>, key: String, reason: &str) -> Problem {
    Problem { line: span.map(|span| line_of(text, span.start)), key, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf, time::Duration};

    use super::*;

    /// Every file in a folder of fixtures, by name; an empty folder would test nothing.
    fn fixtures(folder: &str) -> Vec<(String, String)> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config").join(folder);
        let mut found: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        found.sort();
        assert!(!found.is_empty(), "no fixtures in {}", folder.display());
        found
    }

    #[test]
    fn every_valid_fixture_is_read() {
        for (name, text) in fixtures("valid") {
            let read = Config::from_toml(&text, &name);
            assert!(read.is_ok(), "{}", read.unwrap_err());
        }
    }

    #[test]
    fn every_invalid_fixture_fails_with_the_messages_in_its_head() {
        for (name, text) in fixtures("invalid") {
            let expected: Vec<_> = text.lines().map_while(|line| line.strip_prefix("#! ")).collect();
            assert!(!expected.is_empty(), "{name} does not say what is expected of it");
            let errors = Config::from_toml(&text, &name).expect_err(&name).to_string();
            let prefix = format!("{name}:");
            let told: Vec<_> =
                errors.lines().map(|line| line.strip_prefix(&prefix).unwrap_or(line).trim()).collect();
            // The beginnings only: the list of what would have been allowed goes on for lines.
            assert_eq!(told.len(), expected.len(), "{name}: {told:#?}");
            for (told, expected) in told.iter().zip(expected) {
                assert!(told.starts_with(expected), "{name}: expected {expected:?}, told {told:?}");
            }
        }
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        assert_eq!(Config::from_toml("", "empty.toml"), Ok(Config::default()));
    }

    #[test]
    fn a_file_of_nothing_but_mistakes_is_given_up() {
        let lines: Vec<_> = (0..2 * MOST_PROBLEMS).map(|number| format!("unknown{number} = 1")).collect();
        let errors = Config::from_toml(&lines.join("\n"), "noise.toml").unwrap_err();
        assert_eq!(errors.problems().len(), MOST_PROBLEMS);
    }

    #[test]
    fn units_reach_the_fields_they_are_written_for() {
        let text = r#"
            [server]
            listen = "[::1]:0"
            public_url = "https://hub.example/"
            trusted_proxies = ["192.0.2.1"]
            max_body_bytes = "2MiB"
            [lease]
            min = 60
            [delivery]
            first = "new-entries"
            signature = "sha512"
            retry = ["1s", 2]
            [network]
            ports = [8080, "1-5"]
        "#;
        let config = Config::from_toml(text, "a.toml").unwrap();
        assert_eq!(config.server.listen, "[::1]:0".parse().unwrap());
        assert_eq!(config.server.public_url.unwrap().as_str(), "https://hub.example/");
        assert_eq!(config.server.trusted_proxies, ["192.0.2.1/32".parse().unwrap()]);
        assert_eq!(config.server.max_body_bytes, 2 * 1024 * 1024);
        assert_eq!(config.lease.min.as_secs(), 60);
        assert_eq!(config.delivery.first, crate::config::FirstDelivery::NewEntries);
        assert_eq!(config.delivery.signature, crate::protocol::Algorithm::Sha512);
        assert_eq!(config.delivery.retry.iter().map(Duration::as_secs).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(config.network.ports, [8080..=8080, 1..=5]);
    }
}
