//! What the tests stand on. Nothing here knows what is tested.

pub mod dir;
pub mod names;
pub mod peer;
pub mod place;
pub mod pty;
pub mod scenario;
pub mod servers;
pub mod sonde;
pub mod talk;
pub mod tls;
pub mod whois;
pub mod xml;

use std::io::Write as _;

/// Says loudly that the running test cannot run on this machine; with `CI` set that is a failure.
///
/// Written past the test runner's capture, which hides what passing tests print.
pub fn cannot_run(why: &str) {
    let thread = std::thread::current();
    let text = format!("CANNOT RUN {}: {why}", thread.name().unwrap_or("a test"));
    assert!(std::env::var_os("CI").is_none(), "{text}");
    let _ = writeln!(std::io::stderr().lock(), "\n{text}");
}
