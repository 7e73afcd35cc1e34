//! Entry point; see the library.
fn main() {}
