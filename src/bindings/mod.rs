//! What scripts can call: one file or folder per Rhai module, typed, documented, each with a tested example.
//!
//! Natives translate between Rhai values and the rooms below; they hold no protocol state machine of the engine, no
//! scheduling, and never open a socket, read a clock or print except through what the script instance hands them.

pub mod http;
