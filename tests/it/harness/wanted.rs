//! What whoever runs the tests wants otherwise: by variables, since a test has no arguments.

/// The number in a variable, or else this one.
pub(crate) fn wanted(variable: &str, otherwise: u64) -> u64 {
    std::env::var_os(variable).map_or(otherwise, |text| text.to_str().unwrap().parse().unwrap())
}
