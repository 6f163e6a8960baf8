//! The Rhai module `text`.

use rhai::plugin::{export_module, exported_module};
use rhai::{Array, Dynamic, INT};

use crate::bindings::data::{Data, MAX_RESULT, fits, index, text, view};
use crate::bindings::fault::{ARGUMENT, Fallible, script_error};
use crate::bindings::located;
use crate::model::nearest::distance as edits;

/// Parts one call returns.
const MAX_PARTS: usize = 100_000;
/// Characters of a word whose distance is taken; the work grows with the product of both lengths.
const MAX_WORD: usize = 256;
/// Candidates `nearest` looks at.
const MAX_CANDIDATES: usize = 1000;

/// The static module `text`.
pub fn module() -> rhai::Module {
    located::module(&natives::RHAI_MANIFEST, exported_module!(natives))
}

/// `text` with runs of white space as one space and none at the ends.
pub fn collapsed(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(1 << 16));
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

fn word(op: &str, data: &Data) -> Fallible<String> {
    let word = text(op, data)?;
    fits(op, word.chars().count(), MAX_WORD)?;
    Ok(word)
}

fn parts(op: &str, data: &Data, separator: &str, limit: usize) -> Fallible<Array> {
    if separator.is_empty() || limit == 0 {
        return Err(script_error(ARGUMENT, op, "the separator is empty or the limit below 1"));
    }
    let view = view(op, data)?;
    let text = view.text();
    let list: Array = text.splitn(limit, separator).take(MAX_PARTS + 1).map(|part| part.to_owned().into()).collect();
    fits(op, list.len(), MAX_PARTS)?;
    Ok(list)
}

/// The characters missing to `width`, all of them `fill`.
fn filling(op: &str, text: &str, width: INT, fill: &str) -> Fallible<String> {
    let width = index(op, "width", width)?;
    let mut letters = fill.chars();
    let (Some(fill), None) = (letters.next(), letters.next()) else {
        return Err(script_error(ARGUMENT, op, "the fill is not one character"));
    };
    let missing = width.saturating_sub(text.chars().count());
    fits(op, missing.saturating_mul(fill.len_utf8()).saturating_add(text.len()), MAX_RESULT)?;
    Ok(std::iter::repeat_n(fill, missing).collect())
}

/// Lines of whole words, none longer than `width` characters unless a single word is.
fn wrapped(text: &str, width: usize) -> String {
    let mut out = String::new();
    for (number, line) in text.lines().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let mut used = 0;
        for word in line.split_whitespace() {
            let length = word.chars().count();
            if used > 0 && used + 1 + length > width {
                out.push('\n');
                used = 0;
            }
            if used > 0 {
                out.push(' ');
                used += 1;
            }
            out.push_str(word);
            used += length;
        }
    }
    out
}

/// Text for people. Every function takes a BLOB as well, decoded as UTF-8 with U+FFFD for what is not; results are text.
#[export_module(manifest)]
mod natives {
    /// The text without white space at both ends.
    ///
    /// ```rhai
    /// assert_eq(text::trim(" 220 ready\r\n"), "220 ready");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn trim(data: &mut Data) -> Fallible<String> {
        Ok(view("text::trim", data)?.text().trim().to_owned())
    }

    /// The text with every run of white space as one space, and none at the ends.
    ///
    /// ```rhai
    /// assert_eq(text::collapse("  a \r\n\t b "), "a b");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn collapse(data: &mut Data) -> Fallible<String> {
        Ok(collapsed(&view("text::collapse", data)?.text()))
    }

    /// The parts between separators. More than 100 000 parts are an error `limit`.
    ///
    /// ```rhai
    /// assert_eq(text::split("a:b:c", ":"), ["a", "b", "c"]);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn split(data: &mut Data, separator: &str) -> Fallible<Array> {
        parts("text::split", data, separator, usize::MAX)
    }

    /// At most `limit` parts; the last one holds the rest with its separators.
    ///
    /// ```rhai
    /// assert_eq(text::split("Location: http://a/", ": ", 2), ["Location", "http://a/"]);
    /// assert_eq(text::split("a:b:c", ":", 2), ["a", "b:c"]);
    /// ```
    #[rhai_fn(name = "split", return_raw, pure)]
    pub fn split_limited(data: &mut Data, separator: &str, limit: INT) -> Fallible<Array> {
        parts("text::split", data, separator, index("text::split", "limit", limit)?)
    }

    /// The lines, without their ends (`\n` or `\r\n`). More than 100 000 are an error `limit`.
    ///
    /// ```rhai
    /// assert_eq(text::lines("220 a\r\n220 b\n"), ["220 a", "220 b"]);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn lines(data: &mut Data) -> Fallible<Array> {
        let view = view("text::lines", data)?;
        let list: Array = view.text().lines().take(MAX_PARTS + 1).map(|line| line.to_owned().into()).collect();
        fits("text::lines", list.len(), MAX_PARTS)?;
        Ok(list)
    }

    /// The items of an array as one text, with a separator between them; what is not text comes as Rhai prints it.
    ///
    /// ```rhai
    /// assert_eq(text::join(["a", 1, true], ", "), "a, 1, true");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn join(items: Array, separator: &str) -> Fallible<String> {
        let mut out = String::new();
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                out.push_str(separator);
            }
            match view("text::join", item) {
                Ok(view) => out.push_str(&view.text()),
                Err(_) => out.push_str(&item.to_string()),
            }
            fits("text::join", out.len(), MAX_RESULT)?;
        }
        Ok(out)
    }

    /// The text with spaces before it, up to `width` characters.
    ///
    /// ```rhai
    /// assert_eq(text::pad_left("80", 5), "   80");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn pad_left(data: &mut Data, width: INT) -> Fallible<String> {
        let text = text("text::pad_left", data)?;
        Ok(filling("text::pad_left", &text, width, " ")? + text.as_str())
    }

    /// The text with a fill character before it, up to `width` characters.
    ///
    /// ```rhai
    /// assert_eq(text::pad_left("7", 3, "0"), "007");
    /// ```
    #[rhai_fn(name = "pad_left", return_raw, pure)]
    pub fn pad_left_with(data: &mut Data, width: INT, fill: &str) -> Fallible<String> {
        let text = text("text::pad_left", data)?;
        Ok(filling("text::pad_left", &text, width, fill)? + text.as_str())
    }

    /// The text with spaces after it, up to `width` characters.
    ///
    /// ```rhai
    /// assert_eq(text::pad_right("ab", 4) + "|", "ab  |");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn pad_right(data: &mut Data, width: INT) -> Fallible<String> {
        let text = text("text::pad_right", data)?;
        let fill = filling("text::pad_right", &text, width, " ")?;
        Ok(text + fill.as_str())
    }

    /// The text with a fill character after it, up to `width` characters.
    ///
    /// ```rhai
    /// assert_eq(text::pad_right("ab", 4, "."), "ab..");
    /// ```
    #[rhai_fn(name = "pad_right", return_raw, pure)]
    pub fn pad_right_with(data: &mut Data, width: INT, fill: &str) -> Fallible<String> {
        let text = text("text::pad_right", data)?;
        let fill = filling("text::pad_right", &text, width, fill)?;
        Ok(text + fill.as_str())
    }

    /// Whether the text holds another, in either case.
    ///
    /// ```rhai
    /// assert(text::contains_ignore_case("Apache Tomcat", "TOMCAT"));
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn contains_ignore_case(data: &mut Data, needle: &str) -> Fallible<bool> {
        Ok(view("text::contains_ignore_case", data)?.text().to_lowercase().contains(&needle.to_lowercase()))
    }

    /// Whether two texts are the same in either case.
    ///
    /// ```rhai
    /// assert(text::equal_ignore_case("Keep-Alive", "keep-alive"));
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn equal_ignore_case(data: &mut Data, other: Data) -> Fallible<bool> {
        const OP: &str = "text::equal_ignore_case";
        Ok(view(OP, data)?.text().to_lowercase() == view(OP, &other)?.text().to_lowercase())
    }

    /// The text in lines of whole words, at most `width` characters long unless one word is longer. Line ends in the text
    /// stay.
    ///
    /// ```rhai
    /// assert_eq(text::wrap("one two three", 7), "one two\nthree");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn wrap(data: &mut Data, width: INT) -> Fallible<String> {
        let width = index("text::wrap", "width", width)?;
        Ok(wrapped(&view("text::wrap", data)?.text(), width))
    }

    /// The text with control characters as `\r`, `\n`, `\t`, `\xNN`, and backslashes doubled: safe on a terminal.
    ///
    /// ```rhai
    /// assert_eq(text::escape("é\x1b[2J\n"), "é\\x1b[2J\\n");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn escape(data: &mut Data) -> Fallible<String> {
        use std::fmt::Write as _;
        let view = view("text::escape", data)?;
        let mut out = String::new();
        for letter in view.text().chars() {
            match letter {
                '\\' => out.push_str("\\\\"),
                '\r' => out.push_str("\\r"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                control if control.is_control() => {
                    let _ = write!(out, "\\x{:02x}", u32::from(control));
                }
                other => out.push(other),
            }
            fits("text::escape", out.len(), MAX_RESULT)?;
        }
        Ok(out)
    }

    /// The first `length` characters, with `…` after them where something was left out.
    ///
    /// ```rhai
    /// assert_eq(text::shorten("abcdef", 3), "abc…");
    /// assert_eq(text::shorten("abc", 3), "abc");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn shorten(data: &mut Data, length: INT) -> Fallible<String> {
        let length = index("text::shorten", "length", length)?;
        let view = view("text::shorten", data)?;
        let text = view.text();
        Ok(match text.char_indices().nth(length) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
            None => text.into_owned(),
        })
    }

    /// How many characters to insert, remove or exchange, or neighbours to swap, to make one word of the other. Words of at
    /// most 256 characters.
    ///
    /// ```rhai
    /// assert_eq(text::distance("kitten", "sitting"), 3);
    /// assert_eq(text::distance("htpt", "http"), 1);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn distance(data: &mut Data, other: Data) -> Fallible<INT> {
        Ok(edits(&word("text::distance", data)?, &word("text::distance", &other)?) as INT)
    }

    /// The candidate nearest to a word by `distance`, the first among equals; `()` where none is nearer than half the word's
    /// length. At most 1000 candidates.
    ///
    /// ```rhai
    /// assert_eq(text::nearest("portrul", ["hostrule", "portrule"]), "portrule");
    /// assert_eq(text::nearest("xyz", ["portrule"]), ());
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn nearest(data: &mut Data, candidates: Array) -> Fallible<Dynamic> {
        const OP: &str = "text::nearest";
        fits(OP, candidates.len(), MAX_CANDIDATES)?;
        let wanted = word(OP, data)?;
        let mut best: Option<(usize, Dynamic)> = None;
        for candidate in candidates {
            let distance = edits(&wanted, &word(OP, &candidate)?);
            if best.as_ref().is_none_or(|(least, _)| distance < *least) {
                best = Some((distance, candidate));
            }
        }
        let near = best.filter(|(distance, _)| *distance * 2 <= wanted.chars().count());
        Ok(near.map_or(Dynamic::UNIT, |(_, candidate)| candidate))
    }
}
