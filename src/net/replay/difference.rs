//! Where a run departs from its recording: collected, and shown side by side.

use std::cell::RefCell;
use std::rc::Rc;

/// Differences kept; the others are counted.
const KEPT: usize = 100;
/// Bytes shown on either side.
const SHOWN: usize = 48;
/// Of those, bytes before the difference.
const BEFORE: usize = 16;

/// The differences of a run; clones share them.
#[derive(Clone, Default)]
pub struct Differences(Rc<RefCell<(Vec<String>, usize)>>);

impl Differences {
    /// Adds one, as a line or a few for a person.
    pub(super) fn add(&self, text: String) {
        let mut all = self.0.borrow_mut();
        all.1 += 1;
        if all.0.len() < KEPT {
            all.0.push(text);
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.borrow().1
    }

    /// The first of them.
    pub fn lines(&self) -> Vec<String> {
        self.0.borrow().0.clone()
    }
}

/// Both sides around the first byte that differs, at `at`: `recorded "GET /a", now "GET /b"`.
pub(super) fn both(recorded: &[u8], now: &[u8], at: usize) -> String {
    let start = at.saturating_sub(BEFORE);
    format!("recorded {}, now {}", window(recorded, start), window(now, start))
}

/// Text where nearly all of it is, else hexadecimal digits; dots where something is left out.
fn window(bytes: &[u8], start: usize) -> String {
    let rest = bytes.get(start..).unwrap_or_default();
    let shown = rest.get(..SHOWN).unwrap_or(rest);
    if shown.is_empty() {
        return "nothing".to_owned();
    }
    let printable = shown.iter().filter(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()).count();
    let text = if printable * 20 >= shown.len() * 19 {
        format!("\"{}\"", shown.escape_ascii())
    } else {
        data_encoding::HEXLOWER.encode(shown)
    };
    let (before, behind) = (if start > 0 { "…" } else { "" }, if rest.len() > SHOWN { "…" } else { "" });
    format!("{before}{text}{behind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_are_shown_around_the_difference() {
        assert_eq!(both(b"GET /a", b"GET /b", 5), "recorded \"GET /a\", now \"GET /b\"");
        let (recorded, now) = ([b'x'; 100], [&[b'x'; 40][..], &[0, 255]].concat());
        let text = both(&recorded, &now, 40);
        assert!(text.starts_with("recorded …\"xxxx") && text.contains("\"…, now …7878"), "{text}");
        assert!(both(b"", b"a", 0).starts_with("recorded nothing"));
    }
}
