//! The help, written by hand: argh's cannot group.

/// What `-h` prints; at most 80 columns.
pub(super) const TEXT: &str = include_str!("help.txt");
