//! Rhai's natives that make much out of little, bounded here.
//!
//! Rhai can bound the size of values itself, but then measures a whole list or map, with all inside it, after every call
//! that touches it: filling a list takes time with the square of its length, which no count of operations shows. The
//! memory account sees what values take anyway ([`crate::runtime::memory`]). It is looked at before every operation, and
//! one operation can at most double what there is; except these, which look at it themselves.

use rhai::{Array, Blob, Dynamic, Engine, EvalAltResult, INT, ImmutableString, Position};

use super::coroutine;

/// Longest string or BLOB one call makes.
const MAX_BYTES: usize = 16 << 20;
/// Elements made between two looks at the memory account.
const ELEMENTS_PER_LOOK: usize = 256;

type Fallible<T> = Result<T, Box<EvalAltResult>>;
type Text = ImmutableString;

/// Registers them over those of Rhai's packages.
pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("pad", |text: &mut Text, length: INT, with: char| pad_text(text, length, &with.to_string()))
        .register_fn("pad", |text: &mut Text, length: INT, with: &str| pad_text(text, length, with))
        .register_fn("pad", |blob: &mut Blob, length: INT, with: INT| pad_blob(blob, length, with))
        .register_fn("pad", pad_array)
        .register_fn("blob", |length: INT| blob(length, 0))
        .register_fn("blob", blob)
        .register_fn("to_array", |blob: &mut Blob| array(blob.iter().map(|byte| INT::from(*byte))))
        .register_fn("replace", |text: &mut Text, old: &str, new: &str| replace(text, old, new))
        .register_fn("replace", |text: &mut Text, old: char, new: &str| replace(text, &old.to_string(), new));
    engine
        .register_fn("to_chars", |text: &str| array(text.chars()))
        .register_fn("split", |text: &mut Text| array(text.split_whitespace()))
        .register_fn("split", |text: &mut Text, at: &str| array(text.split(at)))
        .register_fn("split", |text: &mut Text, at: char| array(text.split(at)))
        .register_fn("split", |text: &mut Text, at: &str, most: INT| array(text.splitn(parts(most), at)))
        .register_fn("split", |text: &mut Text, at: char, most: INT| array(text.splitn(parts(most), at)))
        .register_fn("split_rev", |text: &mut Text, at: &str| array(text.rsplit(at)))
        .register_fn("split_rev", |text: &mut Text, at: char| array(text.rsplit(at)))
        .register_fn("split_rev", |text: &mut Text, at: &str, most: INT| array(text.rsplitn(parts(most), at)))
        .register_fn("split_rev", |text: &mut Text, at: char, most: INT| array(text.rsplitn(parts(most), at)));
}

/// A number of parts as scripts give it: at least the whole.
fn parts(most: INT) -> usize {
    usize::try_from(most).map_or(1, |most| most.max(1))
}

/// A length as scripts give it; none if it is not above what is there already.
fn longer(length: INT, than: usize) -> Option<usize> {
    usize::try_from(length).ok().filter(|length| *length > than)
}

fn bounded(what: &str, size: usize) -> Fallible<()> {
    if size <= MAX_BYTES {
        return Ok(());
    }
    Err(Box::new(EvalAltResult::ErrorDataTooLarge(what.to_owned(), Position::NONE)))
}

/// Appends values until there are no more, or the script holds more memory than it may.
fn extend<T: Into<Dynamic>>(array: &mut Array, values: impl Iterator<Item = T>) -> Fallible<()> {
    for (index, value) in values.enumerate() {
        if index % ELEMENTS_PER_LOOK == 0 {
            coroutine::check_memory()?;
        }
        array.push(value.into());
    }
    Ok(())
}

fn array<T: Into<Dynamic>>(values: impl Iterator<Item = T>) -> Fallible<Array> {
    let mut array = Array::new();
    extend(&mut array, values)?;
    Ok(array)
}

/// Every element may be a large value of its own, so each is looked at.
fn pad_array(array: &mut Array, length: INT, with: Dynamic) -> Fallible<()> {
    while longer(length, array.len()).is_some() {
        coroutine::check_memory()?;
        array.push(with.clone());
    }
    Ok(())
}

/// Appends `with` until there are `length` characters; the last one is cut to fit.
fn pad_text(text: &mut Text, length: INT, with: &str) -> Fallible<()> {
    let present = text.chars().count();
    let Some(length) = longer(length, present) else { return Ok(()) };
    bounded("Length of string", length)?;
    text.make_mut().extend(with.chars().cycle().take(length - present));
    Ok(())
}

fn pad_blob(blob: &mut Blob, length: INT, with: INT) -> Fallible<()> {
    let Some(length) = longer(length, blob.len()) else { return Ok(()) };
    bounded("Size of BLOB", length)?;
    blob.resize(length, with as u8);
    Ok(())
}

fn blob(length: INT, with: INT) -> Fallible<Blob> {
    let mut made = Blob::new();
    pad_blob(&mut made, length, with)?;
    Ok(made)
}

fn replace(text: &mut Text, old: &str, new: &str) -> Fallible<()> {
    if text.is_empty() {
        return Ok(());
    }
    if new.len() > old.len() {
        let more = text.matches(old).count().saturating_mul(new.len() - old.len());
        bounded("Length of string", text.len().saturating_add(more))?;
    }
    *text = text.replace(old, new).into();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::coroutine::{Fiber, Progress, Resume};
    use crate::script::engine;

    /// The value of a script under a budget of 32 MiB, or the error it ends with.
    fn run(source: &'static str) -> Result<String, String> {
        let mut fiber = Fiber::new(move |_| {
            let (engine, _) = engine::build(&[], Vec::new());
            engine.eval::<Dynamic>(source).map(|value| value.to_string()).map_err(|error| error.to_string())
        })
        .unwrap();
        let outer = crate::runtime::memory::enter(0);
        let progress = loop {
            match fiber.resume(Resume::Go, 32 << 20).0 {
                Progress::Yielded(_) => {}
                progress => break progress,
            }
        };
        crate::runtime::memory::enter(outer);
        let Progress::Returned(result) = progress else { panic!("no result of {source}") };
        result
    }

    #[test]
    fn they_do_what_rhai_s_own_do() {
        let cases = [
            ("let s = \"ab\"; s.pad(5, '-'); s", "ab---"),
            ("let s = \"ab\"; s.pad(5, \"xy\"); s", "abxyx"),
            ("let s = \"ab\"; s.pad(-1, '-'); s.pad(2, \"\"); s", "ab"),
            ("let a = [1]; a.pad(3, 0); a.pad(2, 9); a", "[1, 0, 0]"),
            ("let b = blob(2, 0x141); b.pad(3, 7); b", "[414107]"),
            ("blob(2).len() + blob(-1, 5).len()", "2"),
            ("blob(2, 9).to_array()", "[9, 9]"),
            ("let s = \"a-b\"; s.replace(\"-\", \"--\"); s.replace('b', \"bc\"); s", "a--bc"),
            ("let s = \"\"; s.replace(\"\", \"x\"); s", ""),
            ("\"ab\".to_chars()", "[a, b]"),
            ("\"a b  c\".split()", "[a, b, c]"),
            ("\"a,b,c\".split(\",\").len() * 10 + \"a,b,c\".split(',', 2).len()", "32"),
            ("\"a,b,c\".split(\",\", 0)", "[a,b,c]"),
            ("\"a,b,c\".split_rev(',')", "[c, b, a]"),
            ("\"a,b,c\".split_rev(\",\", 2)", "[c, a,b]"),
            ("\"abc\".split(1)", "[a, bc]"),
        ];
        for (source, expected) in cases {
            let shown = run(source).map(|text| text.replace(['"', '\''], ""));
            assert_eq!(shown.as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn none_makes_more_than_the_budget_lets_it() {
        let large = "let s = blob(8000000, 0x2c).as_string(); ";
        let calls = [
            "let s = \"\"; s.pad(1 << 40, 'x')",
            "let s = \"\"; s.pad(1 << 40, \"xy\")",
            "let a = []; a.pad(1 << 40, 0)",
            "let a = []; a.pad(100, blob(1000000))",
            "let b = blob(); b.pad(1 << 40, 0)",
            "blob(1 << 40)",
            "blob(1 << 40, 1)",
            "blob(8000000).to_array()",
            "s.replace(\",\", s)",
            "s.replace(',', s)",
            "s.to_chars()",
            "s.split(\",\")",
            "s.split(',', 9000000)",
            "s.split_rev(',')",
            "[s + s, s + \"1\", s + \"2\", s + \"3\", s + \"4\"]",
            "`${s}${s}${s}${s}${s}${s}${s}${s}${s}`",
            "let a = blob(2000000); [a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a]",
        ];
        for call in calls {
            let source: &'static str = Box::leak(format!("{large}{call}").into_boxed_str());
            let error = run(source).expect_err(call);
            assert!(error.contains("terminated") || error.contains("too large"), "{call}: {error}");
        }
    }

    #[test]
    fn filling_a_list_measures_nothing() {
        // With Rhai's own limits each of these calls looks at every element there is: 20 thousand million looks.
        assert_eq!(run("let a = []; for n in 0..200000 { a.push(n) } a.len()").as_deref(), Ok("200000"));
    }
}
