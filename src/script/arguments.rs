//! `--script-args`: the text people type, nested tables and all, and the typed values scripts get.

use std::collections::BTreeMap;

use rhai::{Array, Dynamic, Map};

use super::catalogue::Script;
use super::header::{ArgumentSpec, ArgumentType};
use crate::model::nearest::suggestion;

/// Nesting of tables in arguments.
const MAX_DEPTH: usize = 16;

/// One value as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// A bare name: a switch.
    Flag,
    /// Text.
    Text(String),
    /// `{ … }`: named and unnamed entries in the order typed.
    Table(Vec<(Option<String>, Typed)>),
}

/// All arguments of a run. Later ones win over earlier ones of the same name.
#[derive(Debug, Clone, Default)]
pub struct Arguments {
    given: BTreeMap<String, Typed>,
}

/// An argument that libraries read, declared by whoever provides the library.
#[derive(Debug, Clone)]
pub struct LibraryArgument {
    /// Full name, e.g. `http.useragent`.
    pub name: &'static str,
    /// Its type and default.
    pub spec: ArgumentSpec,
}

impl Arguments {
    /// Adds what one `--script-args` or one file says; `origin` names it in errors.
    pub fn add(&mut self, text: &str, origin: &str) -> Result<(), String> {
        let mut parser = Parser { text, at: 0 };
        let fields = parser.fields(0).map_err(|what| format!("{origin}: {what} at character {}", parser.column()))?;
        if parser.at < text.len() {
            return Err(format!("{origin}: unbalanced }} at character {}", parser.column()));
        }
        for (name, value) in fields {
            match (name, value) {
                (Some(name), value) => self.given.insert(name, value),
                (None, Typed::Text(name)) => self.given.insert(name, Typed::Flag),
                (None, _) => return Err(format!("{origin}: a table needs a name: name={{…}}")),
            };
        }
        Ok(())
    }

    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// Values of arguments whose name says that they are secret (`password`, `ssh.private-key`, `auth={…}`), with those names.
    /// All text in such a table is one.
    pub fn secrets(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (name, value) in &self.given {
            collect_secrets(name, value, is_secret(name), &mut found);
        }
        found
    }

    /// Checks every given name and type against what scripts and libraries declare.
    ///
    /// `selected` scripts also lend their bare names; any script of the catalogue may be addressed in full.
    pub fn check<'a>(
        &self,
        all: impl Iterator<Item = &'a Script>,
        selected: &[&Script],
        libraries: &[LibraryArgument],
    ) -> Result<(), String> {
        let mut known: BTreeMap<String, ArgumentSpec> = BTreeMap::new();
        for script in all {
            let specs = script.header.args.iter();
            known.extend(specs.map(|(name, spec)| (format!("{}.{name}", script.id), spec.clone())));
        }
        for script in selected {
            known.extend(script.header.args.iter().map(|(name, spec)| (name.clone(), spec.clone())));
        }
        known.extend(libraries.iter().map(|library| (library.name.to_owned(), library.spec.clone())));
        for (name, value) in &self.given {
            let Some(spec) = known.get(name) else {
                let hint = suggestion(name, known.keys().map(String::as_str));
                return Err(format!(
                    "--script-args: no selected script has an argument \"{name}\"{hint} (see --script-help)"
                ));
            };
            let checked = convert(value, spec.kind).map(drop);
            checked.map_err(|wrong| format!("--script-args: {name}: {wrong}"))?;
        }
        Ok(())
    }

    /// The value a script gets for its declared argument `name`: `script.name`, then the bare name, then the default.
    pub fn value(&self, script: &Script, name: &str) -> Result<Dynamic, String> {
        let Some(spec) = script.header.args.get(name) else {
            let hint = suggestion(name, script.header.args.keys().map(String::as_str));
            return Err(format!("{} declares no argument \"{name}\"{hint}; add it to `const args`", script.id));
        };
        let full = format!("{}.{name}", script.id);
        match self.given.get(&full).or_else(|| self.given.get(name)) {
            Some(value) => convert(value, spec.kind).map_err(|wrong| format!("{full}: {wrong}")),
            None => Ok(spec.default.clone()),
        }
    }

    /// The value of a library's argument, by its full name or its last part.
    pub fn library_value(&self, argument: &LibraryArgument) -> Result<Dynamic, String> {
        let bare = argument.name.rsplit('.').next().unwrap_or(argument.name);
        match self.given.get(argument.name).or_else(|| self.given.get(bare)) {
            Some(value) => convert(value, argument.spec.kind).map_err(|wrong| format!("{}: {wrong}", argument.name)),
            None => Ok(argument.spec.default.clone()),
        }
    }
}

/// Words by which names of secrets are known, alone or as a part of the name.
const SECRET: [&str; 12] = [
    "apikey",
    "auth",
    "credential",
    "credentials",
    "key",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "pwd",
    "secret",
    "token",
];

fn is_secret(name: &str) -> bool {
    let own = name.rsplit('.').next().unwrap_or(name).to_ascii_lowercase();
    own.split(['-', '_']).any(|part| SECRET.contains(&part))
}

fn collect_secrets(name: &str, value: &Typed, secret: bool, found: &mut Vec<(String, String)>) {
    match value {
        Typed::Text(text) if secret => found.push((name.to_owned(), text.clone())),
        Typed::Table(fields) => {
            for (inner, value) in fields {
                let secret = secret || inner.as_deref().is_some_and(is_secret);
                let shown = inner.as_ref().map_or(name.to_owned(), |inner| format!("{name}.{inner}"));
                collect_secrets(&shown, value, secret, found);
            }
        }
        Typed::Flag | Typed::Text(_) => {}
    }
}

fn convert(value: &Typed, kind: ArgumentType) -> Result<Dynamic, String> {
    let text = match value {
        Typed::Text(text) => text.as_str(),
        Typed::Flag if kind == ArgumentType::Bool => "true",
        Typed::Flag => return Err(format!("needs a value of type {}: name=value", kind.name())),
        Typed::Table(_) => match kind {
            ArgumentType::Table => return Ok(table(value)),
            ArgumentType::List => return list(value),
            _ => return Err(format!("is of type {}, not a table", kind.name())),
        },
    };
    let wrong = || format!("\"{text}\" is not of type {}", kind.name());
    match kind {
        ArgumentType::Text => Ok(text.to_owned().into()),
        ArgumentType::Int => text.parse::<i64>().map(Dynamic::from).map_err(|_| wrong()),
        ArgumentType::Float => text.parse::<f64>().map(Dynamic::from).map_err(|_| wrong()),
        ArgumentType::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(Dynamic::TRUE),
            "false" | "no" | "0" => Ok(Dynamic::FALSE),
            _ => Err(wrong()),
        },
        ArgumentType::Duration => duration(text).map(Dynamic::from).ok_or_else(wrong),
        ArgumentType::List => Ok(Dynamic::from_array(vec![text.to_owned().into()])),
        ArgumentType::Table => Err(format!("{}: write name={{…}}", wrong())),
    }
}

/// Seconds from `500ms`, `10s`, `2m`, `1h`, `1.5`.
fn duration(text: &str) -> Option<f64> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let unit = units.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)));
    let (number, factor) = unit.unwrap_or((text, 1.0));
    number.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0).map(|n| n * factor)
}

fn list(value: &Typed) -> Result<Dynamic, String> {
    let Typed::Table(fields) = value else { return Err("is not a list".to_owned()) };
    let items: Option<Array> = fields.iter().map(|(name, item)| name.is_none().then(|| table(item))).collect();
    items.map(Dynamic::from_array).ok_or_else(|| "is a list: write {a, b, c} without names".to_owned())
}

/// Nested tables become maps, or arrays when nothing in them is named.
fn table(value: &Typed) -> Dynamic {
    match value {
        Typed::Flag => Dynamic::TRUE,
        Typed::Text(text) => text.clone().into(),
        Typed::Table(fields) if fields.iter().all(|(name, _)| name.is_none()) => {
            Dynamic::from_array(fields.iter().map(|(_, value)| table(value)).collect())
        }
        Typed::Table(fields) => {
            let mut map = Map::new();
            for (index, (name, value)) in fields.iter().enumerate() {
                let key = name.clone().unwrap_or_else(|| index.to_string());
                map.insert(key.into(), table(value));
            }
            Dynamic::from_map(map)
        }
    }
}

/// `fields := field ((","|newline) field)*; field := [string "="] (table | string)`.
struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn column(&self) -> usize {
        self.text.get(..self.at).map_or(0, |before| before.chars().count()) + 1
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn skip(&mut self, skipped: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&skipped) {
            self.take();
        }
    }

    fn fields(&mut self, depth: usize) -> Result<Vec<(Option<String>, Typed)>, String> {
        if depth > MAX_DEPTH {
            return Err(format!("tables nested deeper than {MAX_DEPTH}"));
        }
        let mut fields = Vec::new();
        loop {
            self.skip(|c| c.is_whitespace() || c == ',');
            match self.peek() {
                None | Some('}') => return Ok(fields),
                Some(_) => fields.push(self.field(depth)?),
            }
            self.skip(|c| c.is_whitespace() && c != '\n');
            if !matches!(self.peek(), None | Some(',' | '\n' | '}')) {
                return Err("expected a comma".to_owned());
            }
        }
    }

    fn field(&mut self, depth: usize) -> Result<(Option<String>, Typed), String> {
        if self.peek() == Some('{') {
            return Ok((None, self.table(depth)?));
        }
        let first = self.string()?;
        self.skip(|c| c == ' ' || c == '\t');
        if self.peek() != Some('=') {
            return Ok((None, Typed::Text(first)));
        }
        self.take();
        self.skip(|c| c == ' ' || c == '\t');
        if first.is_empty() {
            return Err("a value without a name before \"=\"".to_owned());
        }
        let value = if self.peek() == Some('{') { self.table(depth)? } else { Typed::Text(self.value_string()?) };
        Ok((Some(first), value))
    }

    fn table(&mut self, depth: usize) -> Result<Typed, String> {
        self.take();
        let fields = self.fields(depth + 1)?;
        if self.take() == Some('}') { Ok(Typed::Table(fields)) } else { Err("a table is not closed: missing }".into()) }
    }

    fn string(&mut self) -> Result<String, String> {
        match self.peek() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote),
            _ => Ok(self.bare(|c| matches!(c, '\n' | ',' | '{' | '}' | '='))),
        }
    }

    /// A value may hold "=" (URLs do): only the name in front of the first one ends there.
    fn value_string(&mut self) -> Result<String, String> {
        match self.peek() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote),
            _ => Ok(self.bare(|c| matches!(c, '\n' | ',' | '{' | '}'))),
        }
    }

    fn bare(&mut self, ends: impl Fn(char) -> bool) -> String {
        let start = self.at;
        self.skip(|c| !ends(c));
        self.text.get(start..self.at).unwrap_or_default().trim().to_owned()
    }

    /// A backslash escapes the quote and itself; anything else it stands for itself.
    fn quoted(&mut self, quote: char) -> Result<String, String> {
        self.take();
        let mut text = String::new();
        loop {
            match self.take() {
                None => return Err(format!("a text is not closed: missing {quote}")),
                Some(c) if c == quote => return Ok(text),
                Some('\\') if matches!(self.peek(), Some(c) if c == quote || c == '\\') => text.extend(self.take()),
                Some(c) => text.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<BTreeMap<String, Typed>, String> {
        let mut arguments = Arguments::default();
        arguments.add(text, "--script-args").map(|()| arguments.given)
    }

    #[test]
    fn names_values_flags_quotes_and_tables() {
        let given =
            parse(r#"a=1, b = "x, \"y\"" , flag,whois.domain=example.test,t={u={v=1,2},w}, url=/?a=b"#).unwrap();
        assert_eq!(given["a"], Typed::Text("1".into()));
        assert_eq!(given["b"], Typed::Text("x, \"y\"".into()));
        assert_eq!(given["flag"], Typed::Flag);
        assert_eq!(given["url"], Typed::Text("/?a=b".into()));
        let Typed::Table(fields) = &given["t"] else { panic!() };
        assert_eq!(fields.len(), 2);
    }

    #[test]
    fn names_tell_what_is_secret() {
        let mut arguments = Arguments::default();
        let text = "a.password=p1,API-Token=p2,ssh.private_key=p3,auth={user=u,pass=p4},b={c={secret=p5},d=e},keys=no,monkey=no,key";
        arguments.add(text, "--script-args").unwrap();
        let found: BTreeMap<String, String> = arguments.secrets().into_iter().collect();
        let expected = [
            ("API-Token", "p2"),
            ("a.password", "p1"),
            ("auth.pass", "p4"),
            ("auth.user", "u"),
            ("b.c.secret", "p5"),
            ("ssh.private_key", "p3"),
        ];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn a_file_may_use_lines_and_end_with_one() {
        let given = parse("a=1\nb=2\n").unwrap();
        assert_eq!(given.len(), 2);
    }

    #[test]
    fn errors_name_the_place() {
        assert!(parse("a={b=1").unwrap_err().contains("missing }"));
        assert!(parse("a=1}").unwrap_err().contains("unbalanced } at character 4"));
        assert!(parse("a=\"x").unwrap_err().contains("missing \""));
        assert!(parse("=x").unwrap_err().contains("without a name"));
        assert!(parse(&"a={".repeat(40)).unwrap_err().contains("nested deeper"));
    }

    #[test]
    fn values_are_converted_by_their_declared_type() {
        let text = |text: &str| Typed::Text(text.to_owned());
        assert_eq!(convert(&text("12"), ArgumentType::Int).unwrap().as_int(), Ok(12));
        assert!(convert(&text("x"), ArgumentType::Int).unwrap_err().contains("not of type int"));
        assert_eq!(convert(&Typed::Flag, ArgumentType::Bool).unwrap().as_bool(), Ok(true));
        assert!((convert(&text("500ms"), ArgumentType::Duration).unwrap().as_float().unwrap() - 0.5).abs() < 1e-9);
        assert!(convert(&text("-1s"), ArgumentType::Duration).is_err());
        assert_eq!(convert(&text("a"), ArgumentType::List).unwrap().into_array().unwrap().len(), 1);
        let list = Typed::Table(vec![(None, text("a")), (None, text("b"))]);
        assert_eq!(convert(&list, ArgumentType::List).unwrap().into_array().unwrap().len(), 2);
    }
}
