//! Values scripts share: one registry for the run, one per host.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use rhai::{Dynamic, ImmutableString};

/// A shared table. Clones share it; values are copied in and out.
#[derive(Clone, Default)]
pub struct Registry(Rc<RefCell<BTreeMap<ImmutableString, Dynamic>>>);

impl Registry {
    /// The value under `key`; unit when there is none.
    pub fn get(&self, key: &str) -> Dynamic {
        self.0.borrow().get(key).cloned().unwrap_or(Dynamic::UNIT)
    }

    /// Sets `key`; unit removes it.
    pub fn set(&self, key: ImmutableString, value: Dynamic) {
        if value.is_unit() {
            self.0.borrow_mut().remove(&key);
        } else {
            self.0.borrow_mut().insert(key, value);
        }
    }

    /// The keys, sorted.
    pub fn keys(&self) -> Vec<ImmutableString> {
        self.0.borrow().keys().cloned().collect()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }
}
