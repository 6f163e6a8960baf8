//! A script's header: literal constants, read from the syntax tree without running anything.

use std::collections::BTreeMap;

use rhai::{AST, Dynamic, Map, Position, Stmt};

use super::rules::PortMatch;
use crate::model::nearest::suggestion;
use crate::model::{Capabilities, Capability, RuleKind};

/// Categories a script may name; the same words the field uses.
pub const CATEGORIES: [&str; 15] = [
    "auth",
    "broadcast",
    "brute",
    "default",
    "discovery",
    "dos",
    "exploit",
    "external",
    "fuzzer",
    "info",
    "intrusive",
    "malware",
    "safe",
    "version",
    "vuln",
];

/// Constants that mean something in a header. Others in capitals are the script's own.
const FIELDS: [&str; 12] = [
    "args",
    "author",
    "capabilities",
    "categories",
    "dependencies",
    "description",
    "hostrule",
    "license",
    "portrule",
    "postrule",
    "prerule",
    "references",
];

/// The type of a declared argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentType {
    /// Text as given.
    Text,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// `true`, `false`, `yes`, `no`, `1`, `0`, or just the name.
    Bool,
    /// `500ms`, `10s`, `2m`, `1h`; seconds without a unit. Scripts see seconds as a float.
    Duration,
    /// An array of text; a single value counts as one element.
    List,
    /// A nested table.
    Table,
}

impl ArgumentType {
    const ALL: [(&'static str, ArgumentType); 7] = [
        ("string", ArgumentType::Text),
        ("int", ArgumentType::Int),
        ("float", ArgumentType::Float),
        ("bool", ArgumentType::Bool),
        ("duration", ArgumentType::Duration),
        ("list", ArgumentType::List),
        ("table", ArgumentType::Table),
    ];

    /// The name used in headers.
    pub fn name(self) -> &'static str {
        ArgumentType::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// A declared argument.
#[derive(Debug, Clone)]
pub struct ArgumentSpec {
    /// Its type.
    pub kind: ArgumentType,
    /// The value when none is given; unit when there is no default.
    pub default: Dynamic,
    /// One line.
    pub help: String,
}

/// A rule as the header gives it.
#[derive(Debug, Clone)]
pub enum Rule {
    /// Always true (`const hostrule = true;`).
    Always,
    /// Data: looked up in an index.
    Ports(PortMatch),
    /// A function of that many parameters, run in the instance.
    Function(usize),
}

/// What is known of a script without running it.
#[derive(Debug, Clone, Default)]
pub struct Header {
    /// Prose.
    pub description: String,
    /// Categories, lower case.
    pub categories: Vec<String>,
    /// Scripts that must end first on the same host.
    pub dependencies: Vec<String>,
    /// What it may use.
    pub capabilities: Capabilities,
    /// Declared arguments, by name.
    pub args: BTreeMap<String, ArgumentSpec>,
    /// Its rules; at least one.
    pub rules: BTreeMap<RuleKind, Rule>,
    /// Parameters of `action`.
    pub action_arity: usize,
    /// Author, if stated.
    pub author: String,
}

/// What is wrong with a header, and where.
#[derive(Debug)]
pub struct HeaderError {
    /// One line with the remedy.
    pub message: String,
    /// Where in the file.
    pub position: Position,
}

type Checked<T> = Result<T, HeaderError>;

fn wrong<T>(position: Position, message: impl Into<String>) -> Checked<T> {
    Err(HeaderError { message: message.into(), position })
}

/// Reads the header of a compiled script; `doc` is its leading doc comment.
pub fn read(ast: &AST, doc: &str) -> Checked<Header> {
    let mut header = Header { description: doc.to_owned(), ..Header::default() };
    for statement in ast.statements() {
        let Stmt::Var(definition, flags, _) = statement else { continue };
        let (name, expr) = (&definition.0, &definition.1);
        if !flags.intersects(rhai::ASTFlags::CONSTANT) {
            return wrong(
                name.pos,
                format!("\"{0}\" is a top-level variable; functions cannot see it: write `const {0}`", name.name),
            );
        }
        if !FIELDS.contains(&name.as_str()) {
            own_constant(name.as_str(), name.pos)?;
            continue;
        }
        let Some(value) = expr.get_literal_value(None) else {
            let field = name.as_str();
            return wrong(name.pos, format!("{field} must be literal: it is read without running the script"));
        };
        header.field(name.as_str(), value, name.pos)?;
    }
    header.functions(ast)?;
    header.complete()
}

/// Whether the file has statements besides header constants: imports, constants of its own.
pub fn has_more_than_header(ast: &AST) -> bool {
    ast.statements()
        .iter()
        .any(|statement| !matches!(statement, Stmt::Var(definition, ..) if FIELDS.contains(&definition.0.as_str())))
}

/// A constant of the script's own must be recognisable as such, so that a misspelt field is not taken for one.
fn own_constant(name: &str, position: Position) -> Checked<()> {
    if name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') {
        return Ok(());
    }
    let hint = suggestion(name, FIELDS);
    wrong(position, format!("unknown header field \"{name}\"{hint} (constants of the script's own are in CAPITALS)"))
}

impl Header {
    fn field(&mut self, name: &str, value: Dynamic, at: Position) -> Checked<()> {
        match name {
            "description" => self.description = text(name, value, at)?,
            "author" => self.author = text(name, value, at)?,
            "categories" => self.categories = categories(value, at)?,
            "dependencies" => self.dependencies = texts(name, value, at)?,
            "capabilities" => self.capabilities = capabilities(value, at)?,
            "args" => self.args = arguments(value, at)?,
            "portrule" => {
                let rule = PortMatch::from_map(map(name, value, at)?).or_else(|message| wrong(at, message))?;
                self.rules.insert(RuleKind::Port, Rule::Ports(rule));
            }
            "hostrule" => self.flag(RuleKind::Host, value, at)?,
            "prerule" => self.flag(RuleKind::Pre, value, at)?,
            "postrule" => self.flag(RuleKind::Post, value, at)?,
            _ => {} // license, references: for readers
        }
        Ok(())
    }

    /// A rule that is a constant: `true` means always, `false` means there is none.
    fn flag(&mut self, kind: RuleKind, value: Dynamic, at: Position) -> Checked<()> {
        match value.as_bool() {
            Ok(true) => {
                self.rules.insert(kind, Rule::Always);
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(found) => wrong(at, format!("{} is true or a function, not {found}", kind.name())),
        }
    }

    fn functions(&mut self, ast: &AST) -> Checked<()> {
        let mut has_action = false;
        for function in ast.iter_functions() {
            let arity = function.params.len();
            let kind = match function.name {
                "action" => {
                    has_action = true;
                    self.action_arity = arity;
                    continue;
                }
                "prerule" => RuleKind::Pre,
                "hostrule" => RuleKind::Host,
                "portrule" => RuleKind::Port,
                "postrule" => RuleKind::Post,
                _ => continue,
            };
            if self.rules.insert(kind, Rule::Function(arity)).is_some() {
                let name = kind.name();
                return wrong(Position::NONE, format!("{name} is defined twice, as data and as a function: keep one"));
            }
            let most = parameters(kind);
            if arity > most {
                let name = kind.name();
                return wrong(Position::NONE, format!("{name} takes at most {most} parameters, not {arity}"));
            }
        }
        if has_action {
            Ok(())
        } else {
            wrong(Position::NONE, "there is no `fn action(…)`: it is what the script does")
        }
    }

    fn complete(self) -> Checked<Header> {
        let most = self.rules.keys().map(|kind| parameters(*kind)).max();
        match most {
            None => wrong(
                Position::NONE,
                "there is no rule: add one of `const portrule = #{…};`, `fn portrule(host, port)`, `fn hostrule(host)`, \
                 `const prerule = true;`, `const postrule = true;`",
            ),
            Some(most) if self.action_arity > most => {
                let found = self.action_arity;
                wrong(Position::NONE, format!("action takes {found} parameters, but its rules give at most {most}"))
            }
            Some(_) => Ok(self),
        }
    }
}

/// How many values a rule of this kind and its action get: host, port.
fn parameters(kind: RuleKind) -> usize {
    match kind {
        RuleKind::Pre | RuleKind::Post => 0,
        RuleKind::Host => 1,
        RuleKind::Port => 2,
    }
}

fn text(field: &str, value: Dynamic, at: Position) -> Checked<String> {
    value.into_string().or_else(|found| wrong(at, format!("{field} is text, not {found}")))
}

fn texts(field: &str, value: Dynamic, at: Position) -> Checked<Vec<String>> {
    let Ok(items) = value.into_array() else {
        return wrong(at, format!("{field} is a list of text: `const {field} = [\"…\"];`"));
    };
    items.into_iter().map(|item| text(field, item, at)).collect()
}

fn map(field: &str, value: Dynamic, at: Position) -> Checked<Map> {
    value.try_cast::<Map>().map_or_else(|| wrong(at, format!("{field} is a map: `const {field} = #{{…}};`")), Ok)
}

fn categories(value: Dynamic, at: Position) -> Checked<Vec<String>> {
    let names: Vec<String> = texts("categories", value, at)?.into_iter().map(|name| name.to_lowercase()).collect();
    match names.iter().find(|name| !CATEGORIES.contains(&name.as_str())) {
        None => Ok(names),
        Some(unknown) => {
            let hint = suggestion(unknown, CATEGORIES);
            wrong(at, format!("unknown category \"{unknown}\"{hint} (known: {})", CATEGORIES.join(", ")))
        }
    }
}

fn capabilities(value: Dynamic, at: Position) -> Checked<Capabilities> {
    let names = texts("capabilities", value, at)?;
    let known = Capability::ALL.map(Capability::name);
    names
        .iter()
        .map(|name| {
            Capability::parse(name).map_or_else(
                || {
                    let hint = suggestion(name, known);
                    wrong(at, format!("unknown capability \"{name}\"{hint} (known: {})", known.join(", ")))
                },
                Ok,
            )
        })
        .collect()
}

fn arguments(value: Dynamic, at: Position) -> Checked<BTreeMap<String, ArgumentSpec>> {
    let declared = map("args", value, at)?;
    let mut specs = BTreeMap::new();
    for (name, spec) in declared {
        let Some(mut fields) = spec.try_cast::<Map>() else {
            return wrong(at, format!("args.{name} is a map: #{{ type: \"string\", default: \"\", help: \"…\" }}"));
        };
        let type_name = fields.remove("type").map_or(Ok("string".to_owned()), |value| text("type", value, at))?;
        let Some((_, kind)) = ArgumentType::ALL.into_iter().find(|(known, _)| *known == type_name) else {
            let known = ArgumentType::ALL.map(|(name, _)| name);
            let hint = suggestion(&type_name, known);
            return wrong(at, format!("args.{name}: unknown type \"{type_name}\"{hint} (known: {})", known.join(", ")));
        };
        let default = fields.remove("default").unwrap_or(Dynamic::UNIT);
        let help = fields.remove("help").map_or(Ok(String::new()), |value| text("help", value, at))?;
        if let Some(unknown) = fields.keys().next() {
            return wrong(at, format!("args.{name}: unknown field \"{unknown}\" (known: type, default, help)"));
        }
        specs.insert(name.to_string(), ArgumentSpec { kind, default, help });
    }
    Ok(specs)
}
