//! hubbub.
fn main() {}
