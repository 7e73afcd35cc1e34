//! The door of `fanout`.

fn main() {}
