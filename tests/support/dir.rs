//! Folders that last as long as a test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A new folder, removed with its content when dropped.
pub struct Dir(PathBuf);

impl Dir {
    /// An empty folder.
    pub fn new() -> Dir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("the build folder is writable");
        Dir(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of `name` in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file, with the folders on the way to it; returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::create_dir_all(path.parent().expect("it has a folder")).expect("the folder is writable");
        fs::write(&path, content).expect("the folder is writable");
        path
    }

    /// The text of a file.
    pub fn read(&self, name: &str) -> String {
        let path = self.join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Copies a file that is to be executed. Another process does it: a file this one had open for writing could still be so in a
/// child that some other test has just forked, and then the kernel refuses to execute it.
pub fn copy(from: &Path, to: &Path) {
    let done = std::process::Command::new("cp").arg(from).arg(to).status().expect("cp");
    assert!(done.success(), "no room for {}", to.display());
}
