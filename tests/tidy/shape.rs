//! Lengths, and the sentence every file opens with.

use super::lexer::{self, Token};
use super::source::Source;
use super::{Fault, expect, expect_none, sources};

/// Longest function, from `fn` to its closing brace.
const FUNCTION_LINES: usize = 70;
/// Longest file; its tests are not counted.
const FILE_LINES: usize = 600;

fn faults(sources: &[Source]) -> Vec<Fault> {
    sources.iter().flat_map(faults_of).collect()
}

fn faults_of(source: &Source) -> Vec<Fault> {
    let fault = |line, rule| Fault { path: source.path.clone(), line, rule };
    let mut faults = Vec::new();
    if !source.text.starts_with("//! ") {
        faults.push(fault(1, "a file opens with what it is for (`//! …`)".to_owned()));
    }
    if source.lines > FILE_LINES {
        faults.push(fault(1, format!("{} lines; a file has at most {FILE_LINES}", source.lines)));
    }
    let tokens = source.tokens();
    for (at, _) in tokens.iter().enumerate().filter(|(_, token)| token.text == "fn") {
        let lines = function_lines(&tokens, at);
        if lines > FUNCTION_LINES {
            let name = tokens.get(at + 1).map_or("", |token| token.text);
            faults.push(fault(
                tokens[at].line,
                format!("{name} has {lines} lines; a function has at most {FUNCTION_LINES}"),
            ));
        }
    }
    faults
}

/// Lines of the function whose `fn` stands at `at`; none if it has no body.
fn function_lines(tokens: &[Token<'_>], at: usize) -> usize {
    let mut body = at;
    while let Some(token) = tokens.get(body) {
        match token.text {
            "{" => break,
            "(" | "[" => body = lexer::closing(tokens, body),
            ";" | ")" | "}" | "," => return 0, // a trait's method, or a function pointer
            _ => body += 1,
        }
    }
    let last = lexer::closing(tokens, body).saturating_sub(1);
    tokens.get(last).map_or(0, |token| token.line + 1 - tokens[at].line)
}

#[test]
fn files_and_functions_are_short() {
    expect_none(&faults(sources()));
}

#[test]
fn long_ones_and_files_without_a_head_are_found() {
    let long = format!(
        "//! A.\nfn short(f: fn(u8)) -> [u8; 2] {{}}\ntrait T {{ fn a(); }}\nfn long() {{{}}}\n",
        "x();\n".repeat(70)
    );
    let crowded = format!("//! A.\n{}", "const A: u8 = 1;\n".repeat(600));
    let sources =
        [Source::new("src/a.rs", &long), Source::new("src/b.rs", &crowded), Source::new("src/c.rs", "use d;\n")];
    let wanted = [("src/a.rs:4", "long has 71 lines"), ("src/b.rs:1", "601 lines"), ("src/c.rs:1", "opens with")];
    expect(&faults(&sources), &wanted);
}

#[test]
fn tests_are_not_counted() {
    let text = format!("//! A.\nfn a() {{}}\n#[cfg(test)]\nmod tests {{\nfn b() {{\n{}}}\n}}\n", "x();\n".repeat(700));
    expect_none(&faults(&[Source::new("src/a.rs", &text)]));
}
