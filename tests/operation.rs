//! The run itself.

/// Progress on a terminal and elsewhere, keys, the terminal's modes.
mod keys;

/// Runs that are killed and go on.
mod resume;

/// Scans that several machines share, and what becomes of their reports.
mod shards;
