//! Lists the scripts and libraries that go into the binary, so that adding one is adding a file.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let mut code = String::new();
    for (constant, folder) in [("SCRIPTS", "scripts"), ("STDLIB", "stdlib")] {
        println!("cargo:rerun-if-changed={folder}");
        let entries = fs::read_dir(Path::new(&root).join(folder))
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect());
        let mut files: Vec<_> = entries.unwrap_or_default();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "rhai"));
        files.sort();
        let _ = writeln!(code, "/// Files of the folder `{constant}`, by name.");
        let _ = writeln!(code, "pub static {constant}: &[(&str, &str)] = &[");
        for file in files {
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            // Relative to wherever the sources are when they are compiled: a build folder may serve several checkouts.
            let path = format!("/{folder}/{name}");
            let _ = writeln!(code, "    ({name:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),");
        }
        let _ = writeln!(code, "];");
    }
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("embedded.rs");
    fs::write(out, code).expect("the build folder is writable");
}
