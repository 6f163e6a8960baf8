//! The reference of everything scripts can call, made from the metadata of the natives themselves: nothing is documented
//! twice, and every example is there to be executed.

use std::fmt::Write as _;

use rhai::Engine;
use serde_json::Value as Json;

use crate::error::Error;

/// One Rhai module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleDoc {
    /// Its name, `a::b` when nested, empty for functions without a module.
    pub name: String,
    /// What it is for.
    pub doc: String,
    /// Its functions by name.
    pub functions: Vec<FunctionDoc>,
}

/// One function with all its overloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionDoc {
    /// `module::name`; `[]` and `[]=` for indexers, `.name` for properties.
    pub name: String,
    /// The overloads, by number of parameters.
    pub overloads: Vec<Overload>,
}

/// One way to call a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overload {
    /// In Rhai's terms, with types.
    pub signature: String,
    /// Doc text without examples.
    pub doc: String,
    /// Whether the doc says `Suspends.` on a line of its own.
    pub suspends: bool,
    /// The fenced examples.
    pub examples: Vec<String>,
}

/// Everything registered with `engine`, apart from Rhai's own packages: modules by name, functions by name.
pub fn collect(engine: &Engine) -> Result<Vec<ModuleDoc>, Error> {
    let text = engine.gen_fn_metadata_to_json(false).map_err(|error| Error::Internal(format!("metadata: {error}")))?;
    let root: Json = serde_json::from_str(&text).map_err(|error| Error::Internal(format!("metadata: {error}")))?;
    let mut modules = Vec::new();
    visit(&root, "", &mut modules);
    modules.retain(|module| !module.functions.is_empty());
    modules.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(modules)
}

/// The reference as Markdown, module by module.
pub fn markdown(modules: &[ModuleDoc]) -> String {
    let mut text = String::from(
        "# What scripts can call\n\nGenerated from the natives; every example is executed by the tests.\n",
    );
    for module in modules {
        let title = if module.name.is_empty() { "Without a module" } else { &module.name };
        let _ = write!(text, "\n## {title}\n\n{}\n", module.doc);
        for function in &module.functions {
            write_function(&mut text, function);
        }
    }
    text
}

/// Every example as (name, code), e.g. `("hex::encode 1", …)`.
pub fn examples(modules: &[ModuleDoc]) -> Vec<(String, String)> {
    let mut list = Vec::new();
    for function in modules.iter().flat_map(|module| &module.functions) {
        let codes = function.overloads.iter().flat_map(|overload| &overload.examples);
        list.extend(codes.enumerate().map(|(at, code)| (format!("{} {}", function.name, at + 1), code.clone())));
    }
    list
}

/// What is missing: modules without a description, overloads without a doc, functions without an example.
pub fn gaps(modules: &[ModuleDoc]) -> Vec<String> {
    let mut list = Vec::new();
    for module in modules {
        if module.doc.is_empty() && !module.name.is_empty() {
            list.push(format!("module {}: no description", module.name));
        }
        for function in &module.functions {
            let undocumented = function.overloads.iter().filter(|overload| overload.doc.is_empty());
            list.extend(undocumented.map(|overload| format!("{}: no documentation", overload.signature)));
            if function.overloads.iter().all(|overload| overload.examples.is_empty()) {
                list.push(format!("{}: no example", function.name));
            }
        }
    }
    list
}

fn write_function(text: &mut String, function: &FunctionDoc) {
    let mark = if function.overloads.iter().any(|overload| overload.suspends) { " (suspends)" } else { "" };
    let _ = write!(text, "\n### `{}`{mark}\n", function.name);
    for overload in &function.overloads {
        let _ = write!(text, "\n    {}\n\n{}\n", overload.signature, overload.doc);
        for code in &overload.examples {
            let _ = write!(text, "\n```rhai\n{code}\n```\n");
        }
    }
}

fn visit(node: &Json, name: &str, modules: &mut Vec<ModuleDoc>) {
    let mut functions: Vec<FunctionDoc> = Vec::new();
    for entry in list(node, "functions") {
        let call = Call::read(entry, name);
        let overload = overload(&call, &comments(entry));
        let function = call.heading(name);
        match functions.iter_mut().find(|known| known.name == function) {
            // A variadic native is registered once per arity under one signature.
            Some(known) if known.overloads.iter().any(|seen| seen.signature == overload.signature) => {}
            Some(known) => known.overloads.push(overload),
            None => functions.push(FunctionDoc { name: function, overloads: vec![overload] }),
        }
    }
    functions.sort_by(|a, b| a.name.cmp(&b.name));
    let doc = plain(node.get("doc").and_then(Json::as_str).unwrap_or_default());
    modules.push(ModuleDoc { name: name.to_owned(), doc, functions });
    if let Some(nested) = node.get("modules").and_then(Json::as_object) {
        for (child, node) in nested {
            let path = if name.is_empty() { child.clone() } else { format!("{name}::{child}") };
            visit(node, &path, modules);
        }
    }
}

/// How a function is called, read from its metadata.
struct Call {
    name: String,
    module: String,
    params: Vec<(String, String)>,
    returns: String,
    method: bool,
}

impl Call {
    fn read(entry: &Json, module: &str) -> Call {
        let field = |key: &str| entry.get(key).and_then(Json::as_str).unwrap_or_default();
        let text = |param: &Json, key: &str| param.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        let param = |param: &Json| (text(param, "name"), rhai_type(&text(param, "type")));
        Call {
            name: field("name").to_owned(),
            module: module.to_owned(),
            // The further parameters of a variadic native carry this name.
            params: list(entry, "params").iter().map(param).filter(|(name, _)| name != "…").collect(),
            returns: rhai_type(field("returnType")),
            method: !module.is_empty() && field("namespace") == "global",
        }
    }

    fn heading(&self, module: &str) -> String {
        let prefix = if module.is_empty() { String::new() } else { format!("{module}::") };
        let receiver = self.params.first().map(|(_, typ)| typ.as_str()).unwrap_or_default();
        match self.name.as_str() {
            "index$get$" => format!("{prefix}{receiver} []"),
            "index$set$" => format!("{prefix}{receiver} []="),
            name => match name.strip_prefix("get$").or(name.strip_prefix("set$")) {
                Some(property) => format!("{prefix}{receiver} .{property}"),
                None => format!("{prefix}{name}"),
            },
        }
    }

    fn signature(&self) -> String {
        let param = |(name, typ): &(String, String)| {
            if name.is_empty() || typ.is_empty() { format!("{name}{typ}") } else { format!("{name}: {typ}") }
        };
        let params: Vec<String> = self.params.iter().map(param).collect();
        let returns = if self.returns.is_empty() { String::new() } else { format!(" -> {}", self.returns) };
        let receiver = self.params.first().map_or("", |(name, _)| name.as_str());
        match (self.name.as_str(), params.as_slice()) {
            ("index$get$", [_, key]) => format!("{receiver}[{key}]{returns}"),
            ("index$set$", [_, key, value]) => format!("{receiver}[{key}] = {value}"),
            (name, [_]) if name.starts_with("get$") => format!("{receiver}.{}{returns}", &name[4..]),
            (name, [_, value]) if name.starts_with("set$") => format!("{receiver}.{} = {value}", &name[4..]),
            (name, [_, rest @ ..]) if self.method => format!("{receiver}.{name}({}){returns}", rest.join(", ")),
            (name, all) if self.module.is_empty() => format!("{name}({}){returns}", all.join(", ")),
            (name, all) => format!("{}::{name}({}){returns}", self.module, all.join(", ")),
        }
    }
}

/// A Rust type as scripts know it.
fn rhai_type(typ: &str) -> String {
    let typ = typ.trim().trim_start_matches('&').trim_start_matches("mut ").trim();
    let inner = ["Fallible<", "Result<", "RhaiResultOf<"].iter().find_map(|prefix| typ.strip_prefix(prefix));
    if let Some(inner) = inner {
        let inner = inner.trim_end_matches('>');
        return rhai_type(inner.split_once(", Box<").or(inner.split_once(",Box<")).map_or(inner, |(first, _)| first));
    }
    match typ.rsplit("::").next().unwrap_or(typ) {
        "str" | "String" | "ImmutableString" => "string",
        "i64" | "INT" => "int",
        "f64" | "FLOAT" => "float",
        "Blob" => "blob",
        "Array" => "array",
        "Map" => "map",
        "FnPtr" => "Fn",
        "Data" => "blob|string",
        "Pattern" => "Regex|string",
        "Dynamic" | "?" => "any",
        "()" => "",
        other => other,
    }
    .to_owned()
}

/// Splits doc lines into text, mark and examples.
fn overload(call: &Call, doc: &str) -> Overload {
    let mut result =
        Overload { signature: call.signature(), doc: String::new(), suspends: false, examples: Vec::new() };
    let mut code: Option<Vec<&str>> = None;
    for line in doc.lines() {
        match (&mut code, line.trim()) {
            (Some(lines), "```") => {
                result.examples.push(lines.join("\n"));
                code = None;
            }
            (Some(lines), _) => lines.push(line),
            (None, "```rhai") => code = Some(Vec::new()),
            (None, "Suspends.") => result.suspends = true,
            (None, _) => {
                result.doc.push_str(line);
                result.doc.push('\n');
            }
        }
    }
    Overload { doc: result.doc.trim().to_owned(), ..result }
}

fn comments(entry: &Json) -> String {
    let blocks: Vec<&str> = list(entry, "docComments").iter().filter_map(Json::as_str).collect();
    plain(&blocks.join("\n"))
}

/// Doc comment lines without their slashes.
fn plain(comment: &str) -> String {
    let bare = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("///").or(line.strip_prefix("//!")).unwrap_or(line);
        line.strip_prefix(' ').unwrap_or(line).to_owned()
    };
    comment.lines().map(bare).collect::<Vec<_>>().join("\n").trim().to_owned()
}

fn list<'a>(node: &'a Json, key: &str) -> &'a [Json] {
    node.get(key).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_in_rhai_terms() {
        let mut engine = Engine::new();
        crate::bindings::pure::register(&mut engine);
        let modules = collect(&engine).expect("metadata is well-formed");
        let all: Vec<&str> = modules
            .iter()
            .flat_map(|m| &m.functions)
            .flat_map(|f| &f.overloads)
            .map(|o| o.signature.as_str())
            .collect();
        for expected in [
            "hex::encode(data: blob|string, separator: string) -> string",
            "hex::decode(digits: blob|string) -> blob",
            "table[key: string] -> any",
            "table[key: string] = value: any",
            "table.keys() -> array",
            "output::table() -> Table",
            "bytes::pack(format: string, values…: any) -> blob",
            "regex::find(pattern: Regex|string, data: blob|string, from: int) -> any",
        ] {
            assert!(all.contains(&expected), "{expected} is not among {all:#?}");
        }
    }

    #[test]
    fn the_markdown_has_modules_signatures_and_examples() {
        let mut engine = Engine::new();
        crate::bindings::pure::register(&mut engine);
        let text = markdown(&collect(&engine).expect("metadata is well-formed"));
        assert!(text.contains("\n## hex\n\nBytes as hexadecimal digits"), "{text}");
        assert!(text.contains("assert_eq(hex::encode(\"hi\"), \"6869\");\n"), "{text}");
    }

    #[test]
    fn a_suspending_function_is_marked() {
        let call = Call { name: "f".into(), module: "m".into(), params: vec![], returns: String::new(), method: false };
        let overload = overload(&call, "Waits.\n\nSuspends.\n\n```rhai\nm::f();\n```");
        assert!(overload.suspends);
        assert_eq!((overload.doc.as_str(), overload.signature.as_str()), ("Waits.", "m::f()"));
        assert_eq!(overload.examples, ["m::f();"]);
    }
}
