//! What is wrong with a configuration, said so that it can be found and mended.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line it stands on, from 1; `None` for a default or what came from a flag.
    pub line: Option<usize>,
    /// `section.key`, the section alone, or empty where the text is no TOML at all.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Everything that is wrong with one configuration, in the order of its lines. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    source: String,
    problems: Vec<Problem>,
}

impl ConfigErrors {
    /// `source` is the file's name, or says where else the values came from.
    pub(super) fn new(source: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
        Self { source: source.to_owned(), problems }
    }

    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigErrors {
    /// One line a problem, `FILE:LINE: KEY: REASON`, as compilers do it, so that editors can jump there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { line, key, reason }) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&self.source)?;
            if let Some(line) = line {
                write!(f, ":{line}")?;
            }
            if !key.is_empty() {
                write!(f, ": {key}")?;
            }
            write!(f, ": {reason}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_listed_by_line_and_what_has_none_comes_last() {
        let problem = |line, key: &str| Problem { line, key: key.to_owned(), reason: "is wrong".to_owned() };
        let errors = ConfigErrors::new(
            "a.toml",
            vec![problem(None, "c"), problem(Some(9), "b"), problem(Some(2), "")],
        );
        assert_eq!(errors.to_string(), "a.toml:2: is wrong\na.toml:9: b: is wrong\na.toml: c: is wrong");
    }
}
