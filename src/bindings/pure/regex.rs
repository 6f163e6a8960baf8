//! The Rhai module `regex`: linear-time matching over bytes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use regex::bytes::{Captures, Match, Regex as Engine, RegexBuilder};
use rhai::plugin::{export_module, exported_module};
use rhai::{Array, Dynamic, INT, ImmutableString, Map, Module};

use crate::bindings::data::{Data, MAX_RESULT, View, fits, index, mismatch, view};
use crate::bindings::fault::{ARGUMENT, Fallible, script_error};
use crate::bindings::located;

/// Bytes of a pattern.
const MAX_PATTERN: usize = 16 << 10;
/// Bytes a compiled pattern may take: the work for one byte of data grows with it.
const MAX_PROGRAM: usize = 256 << 10;
/// Bytes of the automata built while matching.
const MAX_AUTOMATA: usize = 1 << 20;
/// Groups within groups: compiling recurses, on the small stack of a script.
const MAX_NESTING: u32 = 64;
/// Compiled patterns kept for calls that give the pattern as text.
const CACHED: usize = 64;
/// Matches one call returns; each is a map of some hundred bytes.
const MAX_MATCHES: usize = 10_000;
/// Parts one call returns.
const MAX_PARTS: usize = 100_000;
/// Bytes all searches of one call may scan. Finding one match is linear, but each may look ahead to the end of the data,
/// as `a*b|a` does in a run of `a`: so the count of matches times the size of the data is what is bounded.
const MAX_SCAN: usize = 2 << 30;
/// Matches `find_all` returns unless told otherwise.
const USUAL_MATCHES: INT = 1000;

/// A compiled pattern; copies share the program, and the automata built while matching: a clone of the engine itself has
/// to build its own.
#[derive(Debug, Clone)]
pub struct Regex(Rc<Engine>);

/// A [`Regex`] or the text of a pattern; the name is what the reference prints for such a parameter.
pub type Pattern = Dynamic;

thread_local! {
    /// The patterns used last, the most recent first. Only a cache: what is not here is compiled again.
    static RECENT: RefCell<VecDeque<(ImmutableString, Rc<Engine>)>> = const { RefCell::new(VecDeque::new()) };
}

/// The static module `regex`.
pub fn module() -> Module {
    located::module(&natives::RHAI_MANIFEST, exported_module!(natives))
}

fn compiled(op: &str, pattern: &str) -> Fallible<Rc<Engine>> {
    fits(op, pattern.len(), MAX_PATTERN)?;
    RegexBuilder::new(pattern)
        .unicode(false)
        .nest_limit(MAX_NESTING)
        .size_limit(MAX_PROGRAM)
        .dfa_size_limit(MAX_AUTOMATA)
        .build()
        .map(Rc::new)
        .map_err(|error| script_error(ARGUMENT, op, error))
}

/// The program of `pattern`, compiled at most once while it stays among the last `CACHED`.
pub fn program(op: &str, pattern: &Pattern) -> Fallible<Rc<Engine>> {
    if let Some(regex) = pattern.read_lock::<Regex>() {
        return Ok(regex.0.clone());
    }
    let Some(text) = pattern.read_lock::<ImmutableString>() else {
        return Err(mismatch("Regex or string", pattern).into());
    };
    let known = RECENT.with_borrow_mut(|recent| {
        let at = recent.iter().position(|(known, _)| *known == *text)?;
        let entry = recent.remove(at)?;
        let engine = entry.1.clone();
        recent.push_front(entry);
        Some(engine)
    });
    if let Some(engine) = known {
        return Ok(engine);
    }
    let engine = compiled(op, &text)?;
    RECENT.with_borrow_mut(|recent| {
        recent.truncate(CACHED - 1);
        recent.push_front((text.clone(), engine.clone()));
    });
    Ok(engine)
}

/// How many matches in `data` one call goes through.
fn most(data: &[u8], limit: usize) -> usize {
    (MAX_SCAN / data.len().max(1)).min(limit)
}

fn lossy(found: &Match) -> Dynamic {
    String::from_utf8_lossy(found.as_bytes()).into_owned().into()
}

/// `#{start, end, text}`.
fn span(found: &Match) -> Map {
    let at = |offset: usize| Dynamic::from_int(offset as INT);
    [("start".into(), at(found.start())), ("end".into(), at(found.end())), ("text".into(), lossy(found))].into()
}

fn found(op: &str, pattern: &Pattern, data: &Data, from: INT) -> Fallible<Dynamic> {
    let (engine, view, from) = (program(op, pattern)?, view(op, data)?, index(op, "offset", from)?);
    if from > view.len() {
        return Ok(Dynamic::UNIT);
    }
    Ok(engine.find_at(&view, from).map_or(Dynamic::UNIT, |found| span(&found).into()))
}

/// The span with `groups` by number and `names` by name.
fn groups(engine: &Engine, captures: &Captures) -> Map {
    let text = |group: Option<Match>| group.map_or(Dynamic::UNIT, |found| lossy(&found));
    let mut map = captures.get(0).map(|whole| span(&whole)).unwrap_or_default();
    let named = engine.capture_names().flatten();
    let names: Map = named.map(|name| (name.into(), text(captures.name(name)))).collect();
    map.insert("groups".into(), captures.iter().map(text).collect::<Array>().into());
    map.insert("names".into(), names.into());
    map
}

fn captured(op: &str, pattern: &Pattern, data: &Data) -> Fallible<Dynamic> {
    let engine = program(op, pattern)?;
    let view = view(op, data)?;
    Ok(engine.captures(&view).map_or(Dynamic::UNIT, |captures| groups(&engine, &captures).into()))
}

fn all(op: &str, pattern: &Pattern, data: &Data, limit: INT) -> Fallible<Array> {
    let (engine, view, limit) = (program(op, pattern)?, view(op, data)?, index(op, "limit", limit)?);
    fits(op, limit, MAX_MATCHES)?;
    let most = most(&view, MAX_MATCHES);
    let all = engine.captures_iter(&view).take(limit.min(most + 1));
    let list: Array = all.map(|captures| groups(&engine, &captures).into()).collect();
    fits(op, list.len(), most)?;
    Ok(list)
}

/// `data` with each match replaced, as the kind of value it came as.
fn replaced(op: &str, pattern: &Pattern, data: &Data, with: &Data) -> Fallible<Dynamic> {
    let (engine, view, with): (Rc<Engine>, View, View) =
        (program(op, pattern)?, view(op, data)?, crate::bindings::data::view(op, with)?);
    let mut out: Vec<u8> = Vec::new();
    let mut done = 0;
    let most = most(&view, MAX_PARTS);
    for (number, captures) in engine.captures_iter(&view).enumerate() {
        fits(op, number + 1, most)?;
        let Some(whole) = captures.get(0) else { break };
        out.extend_from_slice(view.get(done..whole.start()).unwrap_or_default());
        captures.expand(&with, &mut out);
        done = whole.end();
        fits(op, out.len(), MAX_RESULT)?;
    }
    out.extend_from_slice(view.get(done..).unwrap_or_default());
    Ok(view.same_kind(&out))
}

/// Regular expressions in linear time over bytes: no look-around, no back-references. `.` and `\xNN` stand for single
/// bytes and `\w \d \s` for ASCII; write `(?u)` in a pattern for Unicode, `(?i)` for either case, `(?s)` to let `.` match
/// line ends. A pattern may be given as text everywhere; the last 64 are kept compiled. Offsets are in bytes (cut with
/// `bytes::slice`), matched text is decoded as UTF-8, lossily. A wrong pattern is an error `argument`. Functions that go
/// through all matches bound their count times the size of the data by 2 GiB (2000 matches in 1 MiB); more is an error
/// `limit`: cut the data, or split it by plain text with `text::split` or `bytes::split`.
#[export_module(manifest)]
mod natives {
    /// A compiled pattern, from `regex::compile`. Every function of the module also takes the pattern as text.
    pub type Regex = crate::bindings::pure::regex::Regex;

    /// A compiled pattern, for use in a long loop.
    ///
    /// ```rhai
    /// let re = regex::compile("^[0-9]+$");
    /// assert(regex::is_match(re, "42"));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn compile(pattern: &str) -> Fallible<Regex> {
        Ok(Regex(compiled("regex::compile", pattern)?))
    }

    /// Whether the pattern matches anywhere.
    ///
    /// ```rhai
    /// assert(regex::is_match("(?i)openssh", "SSH-2.0-OpenSSH_9.2"));
    /// assert(regex::is_match("\\xff", hex::decode("00ff")));
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn is_match(pattern: &mut Pattern, data: Data) -> Fallible<bool> {
        Ok(program("regex::is_match", pattern)?.is_match(&view("regex::is_match", &data)?))
    }

    /// The first match as `#{start, end, text}`; `()` where there is none.
    ///
    /// ```rhai
    /// let m = regex::find("[0-9.]+", "nginx/1.22.1 ready");
    /// assert_eq(m.text, "1.22.1");
    /// assert_eq([m.start, m.end], [6, 12]);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn find(pattern: &mut Pattern, data: Data) -> Fallible<Dynamic> {
        found("regex::find", pattern, &data, 0)
    }

    /// The first match at or after an offset; `^` still means the start of the data.
    ///
    /// ```rhai
    /// assert_eq(regex::find("a", "aba", 1).start, 2);
    /// assert_eq(regex::find("a", "aba", 9), ());
    /// ```
    #[rhai_fn(name = "find", return_raw, pure)]
    pub fn find_from(pattern: &mut Pattern, data: Data, from: INT) -> Fallible<Dynamic> {
        found("regex::find", pattern, &data, from)
    }

    /// The first match as `#{start, end, text, groups, names}`: `groups[0]` is the whole match, `names` holds the groups
    /// written `(?P<name>…)`; a group that took no part is `()`. `()` where nothing matches.
    ///
    /// ```rhai
    /// let c = regex::captures("(?P<product>[A-Za-z]+)/([0-9.]+)", "Server: nginx/1.22.1");
    /// assert_eq(c.groups, ["nginx/1.22.1", "nginx", "1.22.1"]);
    /// assert_eq(c.names.product, "nginx");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn captures(pattern: &mut Pattern, data: Data) -> Fallible<Dynamic> {
        captured("regex::captures", pattern, &data)
    }

    /// The text of one group of the first match; `()` where nothing matches or the group took no part.
    ///
    /// ```rhai
    /// assert_eq(regex::group("Server: (.*)\r", "Server: x\r\n", 1), "x");
    /// assert_eq(regex::group("Server: (.*)", "none", 1), ());
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn group(pattern: &mut Pattern, data: Data, number: INT) -> Fallible<Dynamic> {
        const OP: &str = "regex::group";
        let (engine, number) = (program(OP, pattern)?, index(OP, "group", number)?);
        let view = view(OP, &data)?;
        let group = engine.captures(&view).and_then(|captures| captures.get(number));
        Ok(group.map_or(Dynamic::UNIT, |found| lossy(&found)))
    }

    /// All matches, 1000 at most, each as from `captures`.
    ///
    /// ```rhai
    /// let all = regex::find_all("[0-9]+", "1 22 333");
    /// assert_eq(all.map(|m| m.text), ["1", "22", "333"]);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn find_all(pattern: &mut Pattern, data: Data) -> Fallible<Array> {
        all("regex::find_all", pattern, &data, USUAL_MATCHES)
    }

    /// The first `limit` matches (10 000 at most), each as from `captures`.
    ///
    /// ```rhai
    /// assert_eq(regex::find_all("[0-9]+", "1 22 333", 2).len(), 2);
    /// ```
    #[rhai_fn(name = "find_all", return_raw, pure)]
    pub fn find_all_limited(pattern: &mut Pattern, data: Data, limit: INT) -> Fallible<Array> {
        all("regex::find_all", pattern, &data, limit)
    }

    /// The data with every match replaced, as the kind of value it came as. `$1` and `${name}` stand for groups, `$$` for a
    /// dollar sign.
    ///
    /// ```rhai
    /// assert_eq(regex::replace("(\\w+)@(\\w+)", "me@host", "$2 at ${1}"), "host at me");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn replace(pattern: &mut Pattern, data: Data, with: Data) -> Fallible<Dynamic> {
        replaced("regex::replace", pattern, &data, &with)
    }

    /// The parts between matches, as the kind of value the data came as; more than 100 000 are an error `limit`.
    ///
    /// ```rhai
    /// assert_eq(regex::split("\\s*,\\s*", "a , b,c"), ["a", "b", "c"]);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn split(pattern: &mut Pattern, data: Data) -> Fallible<Array> {
        let (engine, view) = (program("regex::split", pattern)?, view("regex::split", &data)?);
        let most = most(&view, MAX_PARTS);
        let parts: Array = engine.split(&view).take(most + 1).map(|part| view.same_kind(part)).collect();
        fits("regex::split", parts.len(), most)?;
        Ok(parts)
    }

    /// A pattern that matches the text itself.
    ///
    /// ```rhai
    /// assert(regex::is_match("^" + regex::escape("a.b") + "$", "a.b"));
    /// assert(!regex::is_match(regex::escape("a.b"), "axb"));
    /// ```
    pub fn escape(text: &str) -> String {
        ::regex::escape(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_stays_bounded() {
        for number in 0..3 * CACHED {
            program("test", &format!("a{number}").into()).expect("compiles");
        }
        assert_eq!(RECENT.with_borrow(VecDeque::len), CACHED);
    }

    #[test]
    fn a_pattern_that_would_explode_is_refused() {
        assert!(compiled("test", "(((a{100}){100}){100}){100}").is_err());
        assert!(compiled("test", &"(".repeat(10_000)).is_err());
        assert!(compiled("test", &"a".repeat(MAX_PATTERN + 1)).is_err());
    }

    #[test]
    fn matches_that_each_look_ahead_to_the_end_are_bounded() {
        let data: Dynamic = "a".repeat(4 << 20).into();
        let error = replaced("test", &"a*b|a".into(), &data, &"".into()).expect_err("too much work");
        assert!(error.to_string().contains("limit"), "{error}");
        assert!(all("test", &"a*b|a".into(), &data, 10).is_ok_and(|list| list.len() == 10));
    }

    #[test]
    fn a_growing_replacement_is_refused() {
        let data: Dynamic = "a".repeat(1 << 16).into();
        assert!(replaced("test", &"a".into(), &data, &"b".repeat(1 << 12).into()).is_err());
    }
}
