//! The scripts and libraries inside the binary.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
