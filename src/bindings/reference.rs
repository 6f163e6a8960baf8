//! The reference of everything scripts can call, made from the metadata of the natives themselves: nothing is documented
//! twice, and every example is there to be executed.

use std::fmt::Write as _;

use rhai::Engine;
use serde_json::Value as Json;

use crate::error::Error;

/// One Rhai module, or one type with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleDoc {
    /// Its name, `a::b` when nested, empty for functions without a module.
    pub name: String,
    /// Whether it is a type.
    pub is_type: bool,
    /// What it is for.
    pub doc: String,
    /// Its functions by name.
    pub functions: Vec<FunctionDoc>,
}

/// One function with all its overloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionDoc {
    /// `module::name`; of types `value.name` and `value[key]`.
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
    /// Whether the doc ends a paragraph with `Suspends.`
    pub suspends: bool,
    /// The fenced examples.
    pub examples: Vec<Example>,
}

/// An example that is executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// What is executed.
    pub code: String,
    /// Whether it captures or sends packets, which takes a privilege: fenced as `rhai packets`.
    pub packets: bool,
}

/// Everything registered with `engine`, apart from Rhai's own packages: modules by name, then types by name.
pub fn collect(engine: &Engine) -> Result<Vec<ModuleDoc>, Error> {
    let text = engine.gen_fn_metadata_to_json(false).map_err(|error| Error::Internal(format!("metadata: {error}")))?;
    let root: Json = serde_json::from_str(&text).map_err(|error| Error::Internal(format!("metadata: {error}")))?;
    let types = types(&root);
    let mut modules = Vec::new();
    visit(&root, "", &types, &mut modules);
    modules.retain(|module| module.is_type || !module.functions.is_empty());
    for module in &mut modules {
        module.functions.sort_by(|a, b| a.name.cmp(&b.name));
        for function in &mut module.functions {
            function
                .overloads
                .sort_by_key(|overload| (overload.signature.matches(", ").count(), overload.signature.clone()));
        }
    }
    modules.sort_by(|a, b| (a.is_type, &a.name).cmp(&(b.is_type, &b.name)));
    Ok(modules)
}

/// The reference as Markdown, module by module, type by type.
pub fn markdown(modules: &[ModuleDoc]) -> String {
    let mut text = String::from(
        "# What scripts can call\n\nGenerated from the natives; every example is executed by the tests. How scripts are \
         written is told in [SCRIPTING.md](SCRIPTING.md).\n",
    );
    for (is_type, title) in [(false, "Modules"), (true, "Types")] {
        let links = modules.iter().filter(|module| module.is_type == is_type).map(link);
        let _ = write!(text, "\n{title}: {}\n", links.collect::<Vec<_>>().join(" · "));
    }
    for module in modules {
        let _ = write!(text, "\n## {}\n\n{}\n", title(module), module.doc);
        for function in &module.functions {
            write_function(&mut text, function);
        }
    }
    text
}

fn title(module: &ModuleDoc) -> String {
    if module.is_type { format!("Type {}", module.name) } else { module.name.clone() }
}

/// A link to the module's heading, by the rule most renderers share.
fn link(module: &ModuleDoc) -> String {
    format!("[{}](#{})", module.name, title(module).to_lowercase().replace(' ', "-"))
}

/// Every example with its name, e.g. `hex::encode 1`.
pub fn examples(modules: &[ModuleDoc]) -> Vec<(String, Example)> {
    let mut list = Vec::new();
    for function in modules.iter().flat_map(|module| &module.functions) {
        let codes = function.overloads.iter().flat_map(|overload| &overload.examples);
        list.extend(codes.enumerate().map(|(at, one)| (format!("{} {}", function.name, at + 1), one.clone())));
    }
    list
}

/// What is missing or wrong: modules and types without a description, overloads without a doc, functions without an
/// example, and members of types that suspend, which only functions may.
pub fn gaps(modules: &[ModuleDoc]) -> Vec<String> {
    let mut list = Vec::new();
    for module in modules {
        if module.doc.is_empty() {
            list.push(format!("{}: no description", title(module)));
        }
        for function in &module.functions {
            let undocumented = function.overloads.iter().filter(|overload| overload.doc.is_empty());
            list.extend(undocumented.map(|overload| format!("{}: no documentation", overload.signature)));
            if function.overloads.iter().all(|overload| overload.examples.is_empty()) {
                list.push(format!("{}: no example", function.name));
            }
            if module.is_type && function.overloads.iter().any(|overload| overload.suspends) {
                list.push(format!("{}: suspends, so it must be a function of a module", function.name));
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
        for Example { code, .. } in &overload.examples {
            let _ = write!(text, "\n```rhai\n{code}\n```\n");
        }
    }
}

/// A type scripts meet: its Rust path, its name in scripts, its doc.
struct TypeDoc {
    path: String,
    name: String,
    doc: String,
}

/// The types registered in `node` and below.
fn types(node: &Json) -> Vec<TypeDoc> {
    let text = |entry: &Json, key: &str| entry.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
    let read = |entry: &Json| TypeDoc {
        path: text(entry, "typeName"),
        name: text(entry, "displayName"),
        doc: comments(entry),
    };
    let mut found: Vec<TypeDoc> = list(node, "customTypes").iter().map(read).collect();
    let nested = node.get("modules").and_then(Json::as_object);
    found.extend(nested.into_iter().flat_map(|nested| nested.values()).flat_map(types));
    found
}

fn visit(node: &Json, name: &str, types: &[TypeDoc], modules: &mut Vec<ModuleDoc>) {
    if name.is_empty() {
        let of_type = |known: &TypeDoc| ModuleDoc {
            name: known.name.clone(),
            is_type: true,
            doc: known.doc.clone(),
            functions: Vec::new(),
        };
        modules.extend(types.iter().map(of_type));
    }
    let doc = plain(node.get("doc").and_then(Json::as_str).unwrap_or_default());
    modules.push(ModuleDoc { name: name.to_owned(), is_type: false, doc, functions: Vec::new() });
    for entry in list(node, "functions") {
        let call = Call::read(entry, name, types);
        let owner = call.owner(types).map_or((name, false), |owner| (owner, true));
        let home = modules.iter_mut().find(|module| (module.name.as_str(), module.is_type) == owner);
        if let Some(home) = home {
            add(&mut home.functions, call.heading(), overload(&call, &comments(entry)));
        }
    }
    if let Some(nested) = node.get("modules").and_then(Json::as_object) {
        for (child, node) in nested {
            let path = if name.is_empty() { child.clone() } else { format!("{name}::{child}") };
            visit(node, &path, types, modules);
        }
    }
}

fn add(functions: &mut Vec<FunctionDoc>, name: String, overload: Overload) {
    match functions.iter_mut().find(|known| known.name == name) {
        // A variadic native is registered once per arity under one signature.
        Some(known) if known.overloads.iter().any(|seen| seen.signature == overload.signature) => {}
        Some(known) => known.overloads.push(overload),
        None => functions.push(FunctionDoc { name, overloads: vec![overload] }),
    }
}

/// How a function is called, read from its metadata.
struct Call {
    name: String,
    module: String,
    params: Vec<(String, String)>,
    returns: String,
    /// Visible without naming a module.
    global: bool,
}

impl Call {
    fn read(entry: &Json, module: &str, types: &[TypeDoc]) -> Call {
        let field = |key: &str| entry.get(key).and_then(Json::as_str).unwrap_or_default();
        let text = |param: &Json, key: &str| param.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        let param = |param: &Json| (text(param, "name"), rhai_type(&text(param, "type"), types));
        Call {
            name: field("name").to_owned(),
            module: module.to_owned(),
            // The further parameters of a variadic native carry this name.
            params: list(entry, "params").iter().map(param).filter(|(name, _)| name != "…").collect(),
            returns: rhai_type(field("returnType"), types),
            global: field("namespace") == "global",
        }
    }

    /// The type this is a member of.
    fn owner<'a>(&self, types: &'a [TypeDoc]) -> Option<&'a str> {
        let (_, receiver) = self.params.first().filter(|_| self.global)?;
        types.iter().map(|known| known.name.as_str()).find(|name| name == receiver)
    }

    fn heading(&self) -> String {
        let receiver = self.params.first().map_or("", |(name, _)| name.as_str());
        match self.name.as_str() {
            "index$get$" | "index$set$" => format!("{receiver}[…]"),
            name => match name.strip_prefix("get$").or(name.strip_prefix("set$")) {
                Some(property) => format!("{receiver}.{property}"),
                None if self.is_operator() => format!("{receiver} {name} …"),
                None if self.global => format!("{receiver}.{name}"),
                None => format!("{}::{name}", self.module),
            },
        }
    }

    /// Written between its two operands.
    fn is_operator(&self) -> bool {
        self.global && self.params.len() == 2 && self.name.chars().all(|c| c.is_ascii_punctuation() && c != '_')
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
            (name, [_, right]) if self.is_operator() => format!("{receiver} {name} {right}{returns}"),
            (name, [_, rest @ ..]) if self.global => format!("{receiver}.{name}({}){returns}", rest.join(", ")),
            (name, all) => format!("{}::{name}({}){returns}", self.module, all.join(", ")),
        }
    }
}

/// A Rust type as scripts know it.
fn rhai_type(typ: &str, types: &[TypeDoc]) -> String {
    let typ = typ.trim().trim_start_matches('&').trim_start_matches("mut ").trim();
    let inner = ["Fallible<", "Result<", "RhaiResultOf<"].iter().find_map(|prefix| typ.strip_prefix(prefix));
    if let Some(inner) = inner {
        let inner = inner.trim_end_matches('>');
        let inner = inner.split_once(", Box<").or(inner.split_once(",Box<")).map_or(inner, |(first, _)| first);
        return rhai_type(inner, types);
    }
    match typ.rsplit("::").next().unwrap_or(typ) {
        "str" | "String" | "ImmutableString" => "string",
        "i64" | "INT" => "int",
        "f64" | "FLOAT" => "float",
        "Blob" => "blob",
        "Array" => "array",
        "Map" => "map",
        "FnPtr" => "Fn",
        "AnyHost" => "Host|string",
        "Wanted" => "blob|string|Regex|Fn",
        "AnyPort" => "Port|int",
        "Data" => "blob|string",
        "Pattern" => "Regex|string",
        "Seconds" => "float|int",
        "Dynamic" | "?" => "any",
        "()" => "",
        other => types.iter().find(|known| known.path.rsplit("::").next() == Some(other)).map_or(other, |t| &t.name),
    }
    .to_owned()
}

/// Splits doc lines into text, mark and examples.
fn overload(call: &Call, doc: &str) -> Overload {
    let mut result =
        Overload { signature: call.signature(), doc: String::new(), suspends: false, examples: Vec::new() };
    let mut open: Option<(Vec<&str>, bool)> = None;
    for line in doc.lines() {
        match (&mut open, line.trim()) {
            (Some((lines, packets)), "```") => {
                result.examples.push(Example { code: lines.join("\n"), packets: *packets });
                open = None;
            }
            (Some((lines, _)), _) => lines.push(line),
            (None, fence @ ("```rhai" | "```rhai packets")) => open = Some((Vec::new(), fence.ends_with("packets"))),
            (None, _) => {
                let text = line.trim_end().strip_suffix("Suspends.");
                result.suspends |= text.is_some();
                result.doc.push_str(text.unwrap_or(line).trim_end());
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

    fn modules() -> Vec<ModuleDoc> {
        let mut engine = Engine::new();
        crate::bindings::register(&mut engine);
        collect(&engine).expect("metadata is well-formed")
    }

    #[test]
    fn nothing_is_undocumented() {
        let gaps = gaps(&modules());
        assert!(gaps.is_empty(), "{gaps:#?}");
    }

    #[test]
    fn signatures_are_in_rhai_terms() {
        let modules = modules();
        let functions = modules.iter().flat_map(|module| &module.functions);
        let all: Vec<&str> = functions.flat_map(|f| &f.overloads).map(|o| o.signature.as_str()).collect();
        for expected in [
            "hex::encode(data: blob|string, separator: string) -> string",
            "hex::decode(digits: blob|string) -> blob",
            "table[key: string] -> any",
            "table[key: string] = value: any",
            "table.keys() -> array",
            "output::table() -> Table",
            "bytes::pack(format: string, values…: any) -> blob",
            "regex::find(pattern: Regex|string, data: blob|string, from: int) -> any",
            "net::connect(host: Host|string, port: Port|int, options: map) -> Socket",
            "net::listen(address: string, port: int) -> Listener",
            "host.ip -> string",
            "port.set_state(state: string)",
            "response.header(name: string) -> any",
            "worker::sleep(time: float|int)",
            "packet / inner: Packet -> Packet",
        ] {
            assert!(all.contains(&expected), "{expected} is not among {all:#?}");
        }
    }

    #[test]
    fn members_stand_under_their_type() {
        let modules = modules();
        let of_type = |name: &str| -> Vec<&str> {
            let found = modules.iter().find(|module| module.is_type && module.name == name);
            found.into_iter().flat_map(|module| &module.functions).map(|function| function.name.as_str()).collect()
        };
        assert!(of_type("Host").contains(&"host.ports"));
        assert!(of_type("Table").contains(&"table[…]"));
        assert!(of_type("Registry").contains(&"registry.keys"));
        assert!(modules.iter().all(|module| !module.name.is_empty()), "a function has neither module nor type");
    }

    #[test]
    fn the_markdown_has_modules_signatures_and_examples() {
        let text = markdown(&modules());
        assert!(text.contains("\n## hex\n\nBytes as hexadecimal digits"), "{text}");
        assert!(text.contains("assert_eq(hex::encode(\"hi\"), \"6869\");\n"), "{text}");
    }

    #[test]
    fn a_suspending_function_is_marked() {
        let call = Call { name: "f".into(), module: "m".into(), params: vec![], returns: String::new(), global: false };
        let overload = overload(&call, "Waits. Suspends.\n\n```rhai\nm::f();\n```");
        assert!(overload.suspends);
        assert_eq!((overload.doc.as_str(), overload.signature.as_str()), ("Waits.", "m::f()"));
        assert_eq!(overload.examples, [Example { code: "m::f();".into(), packets: false }]);
    }
}
