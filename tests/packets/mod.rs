//! Packets: what is built is parsed back, what is parsed is written back to the byte, nothing panics, and tshark agrees.

mod corpus;
mod hostile;
mod payloads;
mod properties;
mod tshark;
