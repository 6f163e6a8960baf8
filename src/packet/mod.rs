//! Bytes to headers and headers to bytes, on etherparse; the only room that names it.
//!
//! Building, lax viewing, the flow a packet belongs to, and one line that says what it is. No I/O, no clock.

pub mod flow;

pub use flow::FlowKey;
