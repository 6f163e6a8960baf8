//! A bounded map that forgets what was not looked at for longest, roughly: two generations, no list to keep.

use std::hash::Hash;

use crate::runtime::QuickMap;

/// Holds at most `2 * half` values; any of the last `half` different ones looked at is still there.
pub(super) struct Recent<K, V> {
    half: usize,
    young: QuickMap<K, V>,
    old: QuickMap<K, V>,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    pub(super) fn new(half: usize) -> Recent<K, V> {
        Recent { half: half.max(1), young: QuickMap::default(), old: QuickMap::default() }
    }

    /// The value, which counts as looked at.
    pub(super) fn get(&mut self, key: &K) -> Option<&V> {
        if !self.old.is_empty() && !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            self.insert(key, value);
        }
        self.young.get(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let mut recent = Recent::new(10);
        for n in 0..1000 {
            recent.insert(n, n);
            assert_eq!(recent.get(&0), Some(&0));
            assert!(recent.young.len() + recent.old.len() <= 20);
        }
        assert_eq!(recent.get(&999), Some(&999));
        assert_eq!(recent.get(&500), None);
    }
}
