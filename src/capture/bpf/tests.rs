//! Verifier and interpreter.
