//! What `locks::once` calls came to, kept for the run as far as there is room.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use rhai::{Array, Blob, Dynamic, ImmutableString, Map};

/// Results kept.
const MAX_ENTRIES: usize = 10_000;
/// Bytes of results kept, about.
const MAX_BYTES: usize = 64 << 20;
/// Nesting looked into for the size of a value.
const MAX_DEPTH: usize = 32;

/// A value, or what was thrown.
type Outcome = Result<Dynamic, Dynamic>;

/// Results by key. When there are too many, those nobody asked for longest go first.
#[derive(Default)]
pub struct Results {
    entries: HashMap<Rc<str>, Entry>,
    /// Keys by when they were last asked for.
    order: BTreeMap<u64, Rc<str>>,
    bytes: usize,
    now: u64,
}

struct Entry {
    outcome: Outcome,
    bytes: usize,
    used: u64,
}

impl Results {
    /// What the call under `key` came to, if that is still known.
    pub fn get(&mut self, key: &str) -> Option<Outcome> {
        self.now += 1;
        let entry = self.entries.get_mut(key)?;
        let name = self.order.remove(&entry.used)?;
        self.order.insert(self.now, name);
        entry.used = self.now;
        Some(entry.outcome.clone())
    }

    /// Keeps what the call under `key` came to.
    pub fn set(&mut self, key: Rc<str>, outcome: Outcome) {
        self.remove(&key);
        let (Ok(value) | Err(value)) = &outcome;
        let bytes = key.len() + weight(value, 0);
        self.now += 1;
        self.bytes += bytes;
        self.order.insert(self.now, Rc::clone(&key));
        self.entries.insert(key, Entry { outcome, bytes, used: self.now });
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            let Some((_, oldest)) = self.order.pop_first() else { return };
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.order.remove(&entry.used);
            self.bytes -= entry.bytes;
        }
    }
}

/// About the bytes a value takes. Natives' own types count as nothing but themselves.
fn weight(value: &Dynamic, depth: usize) -> usize {
    let own = size_of::<Dynamic>();
    if depth == MAX_DEPTH {
        return own;
    }
    let inside = if let Some(text) = value.read_lock::<ImmutableString>() {
        text.len()
    } else if let Some(blob) = value.read_lock::<Blob>() {
        blob.len()
    } else if let Some(array) = value.read_lock::<Array>() {
        array.iter().map(|item| weight(item, depth + 1)).sum()
    } else if let Some(map) = value.read_lock::<Map>() {
        map.iter().map(|(key, item)| key.len() + weight(item, depth + 1)).sum()
    } else {
        0
    };
    own + inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(outcome: Option<Outcome>) -> Option<String> {
        outcome.and_then(Result::ok).and_then(|value| value.into_string().ok())
    }

    #[test]
    fn what_nobody_asked_for_longest_goes_first() {
        let mut results = Results::default();
        for n in 0..MAX_ENTRIES {
            results.set(n.to_string().into(), Ok("x".into()));
        }
        assert_eq!(text(results.get("0")).as_deref(), Some("x"));
        results.set("one more".into(), Err("thrown".into()));
        assert!(results.get("1").is_none() && results.get("0").is_some() && results.get("2").is_some());
        assert!(matches!(results.get("one more"), Some(Err(_))));
        assert_eq!((results.entries.len(), results.order.len()), (MAX_ENTRIES, MAX_ENTRIES));
    }

    #[test]
    fn bytes_are_bounded_and_given_back() {
        let mut results = Results::default();
        let large = || Ok(Dynamic::from_array(vec![Dynamic::from_blob(vec![0; MAX_BYTES / 4])]));
        for key in ["a", "b", "c", "d"] {
            results.set(key.into(), large());
        }
        assert!(results.get("a").is_none() && results.get("b").is_some() && results.bytes <= MAX_BYTES);
        results.set("b".into(), Ok("small".into()));
        results.set("too large".into(), Ok(Dynamic::from_blob(vec![0; MAX_BYTES])));
        assert!(results.entries.is_empty() && results.bytes == 0, "{} left", results.entries.len());
    }
}
