//! Integration tests: the table of contents.

/// The servers that examples in the documentation talk to.
mod loopback;

/// Every example of the reference, in a real script instance.
mod examples;

/// The guide to scripts and the reference are true.
mod guide;
