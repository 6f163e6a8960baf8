//! The `--script` expression: names, globs, categories, files, directories, `and`, `or`, `not`, `+`.
//!
//! `and` binds tighter than `or`, `not` tighter than both. Commas separate elements except inside parentheses, where
//! they mean `or`.

use std::rc::Rc;

use super::catalogue::{Catalogue, CatalogueError, Script};
use super::header::CATEGORIES;

/// A script the user asked for.
#[derive(Clone)]
pub struct Selected {
    /// The script.
    pub script: Rc<Script>,
    /// `+`: run it whatever its rule says.
    pub forced: bool,
    /// Asked for by name, glob or path, not through a category: its faults are errors, not notes.
    pub by_name: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Expr {
    Constant(bool),
    Name(String),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
}

/// Nesting of parentheses and `not`.
const MAX_DEPTH: usize = 64;

/// Evaluates every `--script` value over the catalogue; files and directories named in it are loaded on the way.
///
/// The result keeps the order of the catalogue and holds each script once.
pub fn select(expressions: &[String], catalogue: &mut Catalogue) -> Result<Vec<Selected>, CatalogueError> {
    let mut selected: Vec<Selected> = Vec::new();
    for expression in expressions {
        for (forced, expr) in parse(expression).map_err(CatalogueError::Usage)? {
            for hit in evaluate(expr, catalogue)? {
                let (script, by_name) = hit;
                match selected.iter_mut().find(|known| known.script.id == script.id) {
                    Some(known) => {
                        known.forced |= forced;
                        known.by_name |= by_name;
                    }
                    None => selected.push(Selected { script, forced, by_name }),
                }
            }
        }
    }
    Ok(selected)
}

type Hits = Vec<(Rc<Script>, bool)>;

fn evaluate(expr: Expr, catalogue: &mut Catalogue) -> Result<Hits, CatalogueError> {
    if let Expr::Name(name) = &expr
        && name != "all"
        && !CATEGORIES.contains(&name.to_lowercase().as_str())
        && !catalogue.scripts().any(|script| matches_name(script, name))
    {
        return load(name, catalogue);
    }
    let mut hits = Hits::new();
    catalogue
        .check_names(&names(&expr), |script, name| matches_name(script, name) || matches_category(script, name))?;
    for script in catalogue.scripts() {
        if holds(&expr, script) {
            hits.push((Rc::clone(script), named(&expr, script)));
        }
    }
    Ok(hits)
}

/// Something that matched no name and no category: a file or a directory.
fn load(name: &str, catalogue: &mut Catalogue) -> Result<Hits, CatalogueError> {
    let is_directory = name.ends_with('/');
    let ids = catalogue.load_path(name)?;
    Ok(ids.into_iter().filter_map(|id| catalogue.get(&id)).map(|script| (script, !is_directory)).collect())
}

fn holds(expr: &Expr, script: &Script) -> bool {
    match expr {
        Expr::Constant(value) => *value,
        Expr::Name(name) => name == "all" || matches_name(script, name) || matches_category(script, name),
        Expr::Not(inner) => !holds(inner, script),
        Expr::And(parts) => parts.iter().all(|part| holds(part, script)),
        Expr::Or(parts) => parts.iter().any(|part| holds(part, script)),
    }
}

/// Whether a name or glob, not only a category, picked the script.
fn named(expr: &Expr, script: &Script) -> bool {
    match expr {
        Expr::Constant(_) | Expr::Not(_) => false,
        Expr::Name(name) => matches_name(script, name),
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(|part| named(part, script)),
    }
}

fn names(expr: &Expr) -> Vec<&str> {
    match expr {
        Expr::Constant(_) => Vec::new(),
        Expr::Name(name) => vec![name],
        Expr::Not(inner) => names(inner),
        Expr::And(parts) | Expr::Or(parts) => parts.iter().flat_map(names).collect(),
    }
}

fn matches_name(script: &Script, pattern: &str) -> bool {
    glob(pattern.strip_suffix(".rhai").unwrap_or(pattern), &script.id)
}

fn matches_category(script: &Script, name: &str) -> bool {
    script.header.categories.iter().any(|category| category.eq_ignore_ascii_case(name))
}

/// `*` matches any run of characters; everything else stands for itself. Linear in both lengths but for one backtrack.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((at, from)) => {
                    *from += 1;
                    (p, t) = (*at + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// Splits and parses one `--script` value.
fn parse(text: &str) -> Result<Vec<(bool, Expr)>, String> {
    let mut parser = Parser { tokens: tokens(text), next: 0, whole: text };
    let mut elements = Vec::new();
    loop {
        while parser.accept(&Token::Comma) {}
        if parser.peek().is_none() {
            return Ok(elements);
        }
        let forced = parser.accept(&Token::Plus);
        let expr = parser.or(0)?;
        elements.push((forced, expr));
        if parser.peek().is_some() && !parser.accept(&Token::Comma) {
            return Err(parser.unexpected());
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Comma,
    Plus,
    Open,
    Close,
    Word(String),
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    let flush = |word: &mut String, tokens: &mut Vec<Token>| {
        if !word.is_empty() {
            tokens.push(Token::Word(std::mem::take(word)));
        }
    };
    for c in text.chars() {
        let token = match c {
            ',' => Some(Token::Comma),
            '(' => Some(Token::Open),
            ')' => Some(Token::Close),
            '+' if word.is_empty() => Some(Token::Plus),
            c if c.is_whitespace() => None,
            c => {
                word.push(c);
                continue;
            }
        };
        flush(&mut word, &mut tokens);
        tokens.extend(token);
    }
    flush(&mut word, &mut tokens);
    tokens
}

struct Parser<'a> {
    tokens: Vec<Token>,
    next: usize,
    whole: &'a str,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn accept(&mut self, token: &Token) -> bool {
        let hit = self.peek() == Some(token);
        self.next += usize::from(hit);
        hit
    }

    fn accept_word(&mut self, keyword: &str) -> bool {
        let hit = matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        self.next += usize::from(hit);
        hit
    }

    fn unexpected(&self) -> String {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(Token::Comma) => "\",\"".to_owned(),
            Some(Token::Plus) => "\"+\"".to_owned(),
            Some(Token::Open) => "\"(\"".to_owned(),
            Some(Token::Close) => "\")\"".to_owned(),
            Some(Token::Word(word)) => format!("\"{word}\""),
        };
        format!("--script {}: unexpected {found}; names are joined by and, or, not, commas, parentheses", self.whole)
    }

    fn or(&mut self, depth: usize) -> Result<Expr, String> {
        let mut parts = vec![self.and(depth)?];
        while self.accept_word("or") || (depth > 0 && self.accept(&Token::Comma)) {
            parts.push(self.and(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Or(parts) })
    }

    fn and(&mut self, depth: usize) -> Result<Expr, String> {
        let mut parts = vec![self.unary(depth)?];
        while self.accept_word("and") {
            parts.push(self.unary(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::And(parts) })
    }

    fn unary(&mut self, depth: usize) -> Result<Expr, String> {
        if depth > MAX_DEPTH {
            return Err(format!("--script: nested deeper than {MAX_DEPTH}"));
        }
        if self.accept_word("not") {
            return Ok(Expr::Not(Box::new(self.unary(depth + 1)?)));
        }
        if self.accept(&Token::Open) {
            let inner = self.or(depth + 1)?;
            return if self.accept(&Token::Close) { Ok(inner) } else { Err(self.unexpected()) };
        }
        let word = match self.peek() {
            Some(Token::Word(word)) => word.clone(),
            _ => return Err(self.unexpected()),
        };
        if ["and", "or"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword)) {
            return Err(self.unexpected());
        }
        self.next += 1;
        Ok(match word.to_ascii_lowercase().as_str() {
            "true" => Expr::Constant(true),
            "false" => Expr::Constant(false),
            "all" => Expr::Name("all".to_owned()),
            _ => Expr::Name(word),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Expr {
        parse(text).unwrap().remove(0).1
    }

    fn name(name: &str) -> Expr {
        Expr::Name(name.to_owned())
    }

    #[test]
    fn and_binds_tighter_than_or() {
        let expected = Expr::Or(vec![Expr::And(vec![name("a"), Expr::Constant(false)]), name("c")]);
        assert_eq!(one("a and false or c"), expected);
        assert_eq!(
            one("c or a AND false"),
            Expr::Or(vec![name("c"), Expr::And(vec![name("a"), Expr::Constant(false)])])
        );
    }

    #[test]
    fn not_binds_tightest_and_parentheses_group() {
        assert_eq!(one("not a and b"), Expr::And(vec![Expr::Not(Box::new(name("a"))), name("b")]));
        assert_eq!(one("not (a or b)"), Expr::Not(Box::new(Expr::Or(vec![name("a"), name("b")]))));
    }

    #[test]
    fn commas_inside_parentheses_mean_or() {
        assert_eq!(one("not (a,b)"), Expr::Not(Box::new(Expr::Or(vec![name("a"), name("b")]))));
        assert_eq!(
            parse("a,+b , c").unwrap().iter().map(|(forced, _)| *forced).collect::<Vec<_>>(),
            [false, true, false]
        );
    }

    #[test]
    fn nonsense_is_an_error_that_shows_it() {
        for text in ["a b", "a and", "or a", "(a", "a)", "not", "a and or b"] {
            assert!(parse(text).unwrap_err().contains("unexpected"), "{text}");
        }
        assert!(parse(&"(".repeat(1000)).is_err());
    }

    #[test]
    fn only_the_star_is_a_wildcard() {
        assert!(glob("http-*", "http-title") && glob("*", "") && glob("*-t*e", "http-title"));
        assert!(!glob("http-?itle", "http-title") && !glob("http", "http-title"));
    }
}
