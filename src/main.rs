//! argv -> run -> exit code.

use std::ffi::OsString;

fn main() {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    std::process::exit(sonde::app::run(&arguments) as i32);
}
