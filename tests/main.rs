//! Integration tests: the table of contents.
