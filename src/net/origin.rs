//! On whose behalf the door is used.

use std::fmt;
use std::rc::Rc;

/// Who opened a connection or a socket: a script instance (`http-title@127.0.0.1:80`), the resolver, or the scan itself.
/// Recordings carry it, and a replay gives each what was recorded for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Origin(Option<Rc<str>>);

/// What the scan itself is called.
const SCAN: &str = "scan";

impl Origin {
    /// The scan itself.
    pub const SCAN: Origin = Origin(None);

    /// Somebody by the name of `label`.
    pub fn new(label: &str) -> Origin {
        Origin((label != SCAN).then(|| label.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or(SCAN)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
