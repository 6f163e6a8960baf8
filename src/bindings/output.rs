//! The Rhai module `output`, and what a script returned as a plain [`Value`].
//!
//! No other native is named here: the engine needs the conversion without the natives.

use std::fmt::{self, Write as _};

use rhai::plugin::{export_module, exported_module};
use rhai::{Array, Blob, Dynamic, INT, ImmutableString, Map, Module};

use super::fault::{ARGUMENT, Fallible, LIMIT, script_error};
use crate::bindings::located;
use crate::model::Value;

/// Nesting deeper than this is cut off in output.
const MAX_DEPTH: usize = 32;
/// Values in one output; what follows is cut off.
const MAX_VALUES: usize = 1 << 18;
/// Keys of one table; setting a key walks them all.
const MAX_KEYS: usize = 4096;
/// What stands where output was cut off.
const CUT: &str = "…";

/// A map that keeps the order in which its keys were first set. A value like Rhai's own maps: assigning copies.
#[derive(Debug, Clone, Default)]
pub struct Table {
    pairs: Vec<(ImmutableString, Dynamic)>,
}

impl Table {
    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Dynamic> {
        self.pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Sets `key`, at the end where it is new. False if the table is full.
    pub fn set(&mut self, key: &str, value: Dynamic) -> bool {
        if let Some((_, old)) = self.pairs.iter_mut().find(|(name, _)| name == key) {
            *old = value;
            return true;
        }
        if self.pairs.len() == MAX_KEYS {
            return false;
        }
        self.pairs.push((key.into(), value));
        true
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Dynamic)> {
        self.pairs.iter().map(|(key, value)| (key.as_str(), value))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("#{")?;
        for (at, (key, value)) in self.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{key:?}: {value:?}")?;
        }
        f.write_char('}')
    }
}

/// What a script returned, free of the script engine. Maps come sorted by key, tables in their order; what has no plain
/// form comes as its printed form or the name of its type. Nesting and the count of values are bounded.
pub fn to_value(value: &Dynamic) -> Value {
    let mut left = MAX_VALUES;
    convert(value, MAX_DEPTH, &mut left)
}

fn convert(value: &Dynamic, depth: usize, left: &mut usize) -> Value {
    if *left == 0 {
        return Value::Text(CUT.to_owned());
    }
    *left -= 1;
    if let Some(plain) = scalar(value) {
        return plain;
    }
    if depth == 0 {
        return Value::Text(CUT.to_owned());
    }
    if let Some(array) = value.read_lock::<Array>() {
        let take = array.len().min(*left + 1);
        return Value::List(array.iter().take(take).map(|item| convert(item, depth - 1, left)).collect());
    }
    if let Some(map) = value.read_lock::<Map>() {
        let take = map.len().min(*left + 1);
        let pairs = map.iter().take(take);
        return Value::Map(pairs.map(|(key, item)| (key.to_string(), convert(item, depth - 1, left))).collect());
    }
    if let Some(table) = value.read_lock::<Table>() {
        return Value::Map(table.iter().map(|(key, item)| (key.to_owned(), convert(item, depth - 1, left))).collect());
    }
    Value::Text(value.to_string())
}

/// The value if it has no parts.
fn scalar(value: &Dynamic) -> Option<Value> {
    if value.is_unit() {
        return Some(Value::Unit);
    }
    if let Ok(flag) = value.as_bool() {
        return Some(Value::Bool(flag));
    }
    if let Ok(number) = value.as_int() {
        return Some(Value::Int(number));
    }
    if let Ok(number) = value.as_float() {
        return Some(Value::Float(number));
    }
    if let Ok(letter) = value.as_char() {
        return Some(Value::Text(letter.to_string()));
    }
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return Some(Value::Text(text.to_string()));
    }
    value.read_lock::<Blob>().map(|blob| Value::Bytes(blob.to_vec()))
}

/// The static module `output`.
pub fn module() -> Module {
    located::module(&natives::RHAI_MANIFEST, exported_module!(natives))
}

/// One cell of aligned text: a string as it is, anything else as Rhai prints it, on one line.
fn cell(value: &Dynamic) -> String {
    let text = if value.is_unit() { String::new() } else { value.to_string() };
    text.replace(|c: char| c.is_control(), " ")
}

/// The cells of one row, exactly `width` of them.
fn cells(op: &str, row: &Dynamic, width: usize) -> Fallible<Vec<Dynamic>> {
    let Some(row) = row.read_lock::<Array>() else {
        return Err(script_error(ARGUMENT, op, format!("a row is {}, not an array", row.type_name())));
    };
    if row.len() > width {
        return Err(script_error(ARGUMENT, op, format!("a row has {} cells, the header {width}", row.len())));
    }
    Ok((0..width).map(|at| row.get(at).cloned().unwrap_or(Dynamic::UNIT)).collect())
}

fn header_names(op: &str, header: &Array) -> Fallible<Vec<String>> {
    if header.len() > MAX_KEYS {
        return Err(script_error(LIMIT, op, format!("more than {MAX_KEYS} columns")));
    }
    Ok(header.iter().map(cell).collect())
}

/// Structured results: a table that keeps the order of its keys, and rows under a header. What an action returns reaches
/// every report with its types; a Rhai map arrives sorted by key, a table in the order the script chose.
#[export_module(manifest)]
mod natives {
    /// A map that keeps the order in which its keys were first set. Assigning it copies it, like any map.
    pub type Table = crate::bindings::output::Table;

    /// An empty ordered table. Read and set its keys as those of a map: `t["key"]`, `t.key`.
    ///
    /// ```rhai
    /// let t = output::table();
    /// t["zeta"] = 1;
    /// t.alpha = 2;
    /// assert_eq(t.keys(), ["zeta", "alpha"]);
    /// assert_eq(t.alpha, 2);
    /// ```
    pub fn table() -> Table {
        Table::default()
    }

    /// The value of a key; `()` where there is none.
    ///
    /// ```rhai
    /// let t = output::table();
    /// assert_eq(t["nothing"], ());
    /// ```
    #[rhai_fn(index_get, pure)]
    pub fn get(table: &mut Table, key: &str) -> Dynamic {
        table.get(key).cloned().unwrap_or(Dynamic::UNIT)
    }

    /// Sets a key; a new one goes to the end. A table holds at most 4096 keys (error `limit`).
    ///
    /// ```rhai
    /// let t = output::table();
    /// t["list"] = [1];
    /// t["list"].push(2);
    /// assert_eq(t["list"], [1, 2]);
    /// ```
    #[rhai_fn(index_set, return_raw)]
    pub fn set(table: &mut Table, key: &str, value: Dynamic) -> Fallible<()> {
        if table.set(key, value) {
            return Ok(());
        }
        Err(script_error(
            LIMIT,
            "output::table",
            format!("a table holds at most {MAX_KEYS} keys: use a list of tables"),
        ))
    }

    /// The keys, in the order they were first set.
    ///
    /// ```rhai
    /// let t = output::table();
    /// t.b = 1; t.a = 2; t.b = 3;
    /// assert_eq(t.keys(), ["b", "a"]);
    /// ```
    #[rhai_fn(global, pure)]
    pub fn keys(table: &mut Table) -> Array {
        table.iter().map(|(key, _)| key.into()).collect()
    }

    /// The values, in the order of the keys.
    ///
    /// ```rhai
    /// let t = output::table();
    /// t.b = 1; t.a = 2;
    /// assert_eq(t.values(), [1, 2]);
    /// ```
    #[rhai_fn(global, pure)]
    pub fn values(table: &mut Table) -> Array {
        table.iter().map(|(_, value)| value.clone()).collect()
    }

    /// The number of keys.
    ///
    /// ```rhai
    /// let t = output::table();
    /// t.a = 2;
    /// assert_eq(t.len(), 1);
    /// ```
    #[rhai_fn(global, pure)]
    pub fn len(table: &mut Table) -> INT {
        table.pairs.len() as INT
    }

    /// Whether the key is set; also written `"key" in t`.
    ///
    /// ```rhai
    /// let t = output::table();
    /// t.a = ();
    /// assert(t.contains("a") && "a" in t && !t.contains("b"));
    /// ```
    #[rhai_fn(global, pure)]
    pub fn contains(table: &mut Table, key: &str) -> bool {
        table.get(key).is_some()
    }

    /// Removes a key and returns its value; `()` where there is none.
    ///
    /// ```rhai
    /// let t = output::table();
    /// t.a = 1; t.b = 2;
    /// assert_eq(t.remove("a"), 1);
    /// assert_eq(t.keys(), ["b"]);
    /// ```
    #[rhai_fn(global)]
    pub fn remove(table: &mut Table, key: &str) -> Dynamic {
        let at = table.pairs.iter().position(|(name, _)| name == key);
        at.map_or(Dynamic::UNIT, |at| table.pairs.remove(at).1)
    }

    /// The table as Rhai prints a map, in its own order.
    ///
    /// ```rhai
    /// let t = output::table();
    /// t.b = 1; t.a = "x";
    /// assert_eq(t.to_string(), "#{\"b\": 1, \"a\": \"x\"}");
    /// ```
    #[rhai_fn(global, pure, name = "to_string", name = "to_debug")]
    pub fn print(table: &mut Table) -> String {
        table.to_string()
    }

    /// A list with one table per row, keyed by the header. Rows are arrays; missing cells are `()`, and a row longer than
    /// the header is an error `argument`.
    ///
    /// ```rhai
    /// let list = output::rows(["name", "bits"], [["rsa", 2048], ["dsa"]]);
    /// assert_eq(list[0].bits, 2048);
    /// assert_eq(list[1].keys(), ["name", "bits"]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn rows(header: Array, rows: Array) -> Fallible<Array> {
        let names = header_names("output::rows", &header)?;
        let mut list = Array::with_capacity(rows.len());
        for row in &rows {
            let mut table = Table::default();
            for (name, value) in names.iter().zip(cells("output::rows", row, names.len())?) {
                table.set(name, value);
            }
            list.push(Dynamic::from(table));
        }
        Ok(list)
    }

    /// Rows under a header as text with aligned columns, for people. The same rules as `rows`.
    ///
    /// ```rhai
    /// let text = output::columns(["name", "bits"], [["rsa", 2048], ["ed25519", 256]]);
    /// assert_eq(text, "name     bits\nrsa      2048\ned25519  256");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn columns(header: Array, rows: Array) -> Fallible<String> {
        let names = header_names("output::columns", &header)?;
        let mut lines = vec![names.clone()];
        for row in &rows {
            lines.push(cells("output::columns", row, names.len())?.iter().map(cell).collect());
        }
        aligned(&lines)
    }
}

/// Lines of equally many cells, padded to the widest of each column, without trailing spaces.
fn aligned(lines: &[Vec<String>]) -> Fallible<String> {
    const MAX_TEXT: usize = 1 << 20;
    let columns = lines.first().map_or(0, Vec::len);
    let width = |at: usize| lines.iter().filter_map(|line| line.get(at)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    if (widths.iter().sum::<usize>() + 2 * columns + 1).saturating_mul(lines.len()) > MAX_TEXT {
        return Err(script_error(LIMIT, "output::columns", "more than 1 MiB of text: return output::rows instead"));
    }
    let mut text = String::new();
    for line in lines {
        let start = text.len();
        for (content, width) in line.iter().zip(&widths) {
            let _ = write!(text, "{content:width$}  ");
        }
        text.truncate(start + text[start..].trim_end().len());
        text.push('\n');
    }
    text.pop();
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_values_keep_their_types_and_order() {
        let mut engine = rhai::Engine::new();
        engine.register_static_module("output", module().into());
        let script =
            r#"let t = output::table(); t.z = 1; t.a = 2.5; t.m = #{b: 'x', a: ()}; t.l = [true, "s", blob(2, 7)]; t"#;
        let value = to_value(&engine.eval::<Dynamic>(script).expect("the script runs"));
        let Value::Map(pairs) = value else { panic!("not a map: {value:?}") };
        let keys: Vec<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["z", "a", "m", "l"]);
        assert_eq!(pairs[1].1, Value::Float(2.5));
        assert_eq!(pairs[2].1, Value::Map(vec![("a".into(), Value::Unit), ("b".into(), Value::Text("x".into()))]));
        let list = vec![Value::Bool(true), Value::Text("s".into()), Value::Bytes(vec![7, 7])];
        assert_eq!(pairs[3].1, Value::List(list));
    }

    #[test]
    fn depth_and_count_are_bounded() {
        let mut deep = Dynamic::from(1_i64);
        for _ in 0..100 {
            deep = Dynamic::from_array(vec![deep]);
        }
        assert!(format!("{:?}", to_value(&deep)).contains(CUT));
        let wide = Dynamic::from_array(vec![Dynamic::UNIT; MAX_VALUES + 10]);
        let Value::List(items) = to_value(&wide) else { panic!("not a list") };
        assert!(items.len() <= MAX_VALUES + 1);
    }

    #[test]
    fn anything_else_comes_by_name() {
        let engine = rhai::Engine::new();
        let value = engine.eval::<Dynamic>("Fn(\"hello\")").expect("a function pointer");
        assert!(matches!(to_value(&value), Value::Text(text) if text.contains("Fn")));
    }
}
