//! One file as the rules see it: blanked, without its tests, with the room it belongs to.

use std::collections::BTreeSet;

use super::lexer::{self, Token};

/// One source file.
pub struct Source {
    /// From the project's folder: `src/net/mod.rs`.
    pub path: String,
    /// As it is on disk.
    pub text: String,
    /// Blanked, tests too.
    pub code: String,
    /// Lines that are not tests.
    pub lines: usize,
}

impl Source {
    /// Reads a file whose own tests are taken away.
    pub fn new(path: &str, text: &str) -> Source {
        let code = lexer::code(text);
        let kept = without(&code, &test_lines(&lexer::tokens(&code)));
        let tests = text.lines().count() - kept.iter().filter(|(_, kept)| *kept).count();
        let code: Vec<&str> = kept.iter().map(|(line, kept)| if *kept { *line } else { "" }).collect();
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
            code: code.join("\n"),
            lines: text.lines().count() - tests,
        }
    }

    /// The words of the code.
    pub fn tokens(&self) -> Vec<Token<'_>> {
        lexer::tokens(&self.code)
    }

    /// The module the file is: `src/net/live/tcp.rs` is `net`, `live`, `tcp`; the crate's root is empty.
    pub fn module(&self) -> Vec<&str> {
        let inner = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let inner = inner.strip_suffix("/mod").unwrap_or(inner);
        if matches!(inner, "lib" | "main") { Vec::new() } else { inner.split('/').collect() }
    }

    /// The room it stands in; `lib` and `main` are rooms of their own.
    pub fn room(&self) -> &str {
        let inner = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        inner.split('/').next().unwrap_or(inner)
    }
}

fn without<'a>(code: &'a str, tests: &BTreeSet<usize>) -> Vec<(&'a str, bool)> {
    code.lines().enumerate().map(|(index, line)| (line, !tests.contains(&(index + 1)))).collect()
}

/// The lines of items behind `#[cfg(test)]`.
fn test_lines(tokens: &[Token<'_>]) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    for (start, end) in test_items(tokens) {
        let last = tokens.get(end - 1).map_or(0, |token| token.line);
        lines.extend(tokens[start].line..=last);
    }
    lines
}

/// Items behind `#[cfg(test)]`, as ranges of tokens.
fn test_items(tokens: &[Token<'_>]) -> Vec<(usize, usize)> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut items = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let marked = tokens[at..].iter().map(|token| token.text).take(MARK.len()).eq(MARK);
        if !marked {
            at += 1;
            continue;
        }
        let mut end = at;
        while end < tokens.len() {
            match tokens[end].text {
                ";" => {
                    end += 1;
                    break;
                }
                "{" => {
                    end = lexer::closing(tokens, end);
                    break;
                }
                "(" | "[" => end = lexer::closing(tokens, end),
                _ => end += 1,
            }
        }
        items.push((at, end));
        at = end;
    }
    items
}

/// Modules in files of their own that a file declares behind `#[cfg(test)]`, as paths without `.rs`.
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let code = lexer::code(text);
    let tokens = lexer::tokens(&code);
    let folder = path.trim_end_matches(".rs");
    let folder = folder.strip_suffix("/mod").or(folder.strip_suffix("/lib")).unwrap_or(folder);
    let names = test_items(&tokens).into_iter().filter_map(|(start, end)| match &tokens[start..end] {
        [.., keyword, name, end] if keyword.text == "mod" && end.text == ";" => Some(name.text),
        _ => None,
    });
    names.map(|name| format!("{folder}/{name}")).collect()
}

/// The files that are not tests.
pub fn without_tests(files: impl Iterator<Item = (String, String)>) -> Vec<Source> {
    let files: Vec<(String, String)> = files.collect();
    let tests: Vec<String> = files.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    let is_test =
        |path: &str| tests.iter().any(|test| path == format!("{test}.rs") || path.starts_with(&format!("{test}/")));
    let kept = files.iter().filter(|(path, _)| !is_test(path));
    kept.map(|(path, text)| Source::new(path, text)).collect()
}

#[test]
fn tests_are_taken_away() {
    let text =
        "fn a() {}\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n  fn b() { [1; 2]; }\n}\nfn c() {}\n#[cfg(test)]\nuse d;\n";
    let source = Source::new("src/net/mod.rs", text);
    let words: Vec<&str> = source.tokens().iter().map(|token| token.text).filter(|text| text.len() == 1).collect();
    assert_eq!(words.concat(), "a(){}c(){}");
    assert_eq!((source.lines, source.module(), source.room()), (2, vec!["net"], "net"));
}

#[test]
fn what_only_looks_like_a_test_stays() {
    let source =
        Source::new("src/a.rs", "#[cfg(not(test))]\nfn a() {}\n// #[cfg(test)]\nfn b() { \"#[cfg(test)]\"; }\n");
    assert_eq!(source.lines, 4);
}

#[test]
fn test_modules_in_files_of_their_own_are_taken_away() {
    let files = [
        ("src/net/mod.rs", "#[cfg(test)]\nmod loopback;\npub mod live;"),
        ("src/net/loopback.rs", ""),
        ("src/net/live.rs", "#[cfg(test)]\npub(crate) mod tests;"),
        ("src/net/live/tests.rs", ""),
        ("src/net/live/tests/deep.rs", ""),
        ("src/net/live/testset.rs", ""),
    ];
    let kept = without_tests(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
    let paths: Vec<&str> = kept.iter().map(|source| source.path.as_str()).collect();
    assert_eq!(paths, ["src/net/mod.rs", "src/net/live.rs", "src/net/live/testset.rs"]);
}
