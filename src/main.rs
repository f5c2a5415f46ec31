//! argv -> command.
fn main() {}
