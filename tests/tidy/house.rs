//! House rules for every file, tests and scripts too.

use super::{Fault, expect, expect_none, files, lexer, read};

/// Words that put work off.
const LATER: [&str; 4] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];
/// Lines of the Makefile: more belongs into a program.
const MAKEFILE_LINES: usize = 80;

type Texts = Vec<(String, String)>;

fn texts(folders: &[(&str, &str)]) -> Texts {
    folders.iter().flat_map(|(folder, extension)| files(folder, extension)).map(|path| read(&path)).collect()
}

fn rust() -> Texts {
    texts(&[("src", "rs"), ("tests", "rs"), ("benches", "rs")])
}

fn scripts() -> Texts {
    texts(&[("scripts", "rhai"), ("stdlib", "rhai")])
}

/// Nothing is put off in a comment: what is missing is named where users and developers look.
fn put_off(texts: &Texts) -> Vec<Fault> {
    let word =
        |line: &str| line.split(|c: char| !c.is_alphanumeric()).find_map(|word| LATER.iter().find(|l| **l == word));
    let lines =
        texts.iter().flat_map(|(path, text)| text.lines().enumerate().map(move |(n, line)| (path, n + 1, line)));
    let found = lines.filter_map(|(path, line, text)| {
        let rule = format!("{} puts work off; do it, or say in the documentation what is missing", word(text)?);
        Some(Fault { path: path.clone(), line, rule })
    });
    found.collect()
}

/// No test is switched off, whatever the reason given.
fn switched_off(texts: &Texts) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in texts {
        let code = lexer::code(text);
        for pair in
            lexer::tokens(&code).windows(3).filter(|w| w[0].text == "#" && w[1].text == "[" && w[2].text == "ignore")
        {
            faults.push(Fault {
                path: path.clone(),
                line: pair[0].line,
                rule: "a test runs, or is not there".to_owned(),
            });
        }
    }
    faults
}

/// No test waits for time to pass: it waits for what it wants to see.
fn sleeping(texts: &Texts) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in texts {
        let code = lexer::code(text);
        let tokens = lexer::tokens(&code);
        for at in tokens.windows(3).filter(|w| w[0].text == "thread" && w[1].text == "::" && w[2].text == "sleep") {
            let rule = "nothing sleeps: wait for what you want to see".to_owned();
            faults.push(Fault { path: path.clone(), line: at[0].line, rule });
        }
    }
    faults
}

/// A script begins with its documentation, and is mentioned where it is explained or tested.
fn unexplained(scripts: &Texts, elsewhere: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, text) in scripts {
        let mut fault = |rule: String| faults.push(Fault { path: path.clone(), line: 1, rule });
        if !text.starts_with("/// ") && !text.starts_with("//! ") {
            fault("a script begins with what it does (`/// …`)".to_owned());
        }
        let id = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rhai");
        if !mentions(elsewhere, id) {
            fault(format!("{id} is mentioned neither in docs/ or README.md nor in tests/ or testdata/"));
        }
    }
    faults
}

fn mentions(text: &str, id: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.match_indices(id).any(|(at, _)| !text[..at].ends_with(part) && !text[at + id.len()..].starts_with(part))
}

#[test]
fn nothing_is_put_off() {
    let mut all = [rust(), scripts(), texts(&[("docs", "md"), (".ci", ""), ("tests", "sh"), ("tests", "py")])].concat();
    all.push(read(&super::root().join("Makefile")));
    expect_none(&put_off(&all));
}

#[test]
fn no_test_is_switched_off() {
    expect_none(&switched_off(&rust()));
}

#[test]
fn nothing_sleeps() {
    expect_none(&sleeping(&texts(&[("src", "rs"), ("tests", "rs")])));
}

#[test]
fn every_script_is_explained() {
    let mut elsewhere: Vec<String> =
        texts(&[("docs", "md"), ("tests", "rs"), ("tests", "sh")]).into_iter().map(|(_, text)| text).collect();
    elsewhere.push(read(&super::root().join("README.md")).1);
    // A fixture's folder carries the script's name.
    elsewhere.extend(
        files("testdata", "rhai").iter().chain(&files("testdata", "txt")).map(|path| path.display().to_string()),
    );
    expect_none(&unexplained(&scripts(), &elsewhere.join("\n")));
}

#[test]
fn the_makefile_fits_one_screen_and_a_half() {
    let (_, text) = read(&super::root().join("Makefile"));
    assert!(text.lines().count() <= MAKEFILE_LINES, "{} lines", text.lines().count());
}

#[test]
fn the_rules_bite() {
    let text = |path: &str, text: String| (path.to_owned(), text);
    let bad = vec![text("src/a.rs", format!("\n// {}: later\nlet {}_x = 1;", LATER[0], LATER[0].to_lowercase()))];
    expect(&put_off(&bad), &[("src/a.rs:2", "puts work off")]);
    let bad = vec![text("src/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n// #[ignore]\n".to_owned())];
    expect(&switched_off(&bad), &[("src/a.rs:2", "a test runs")]);
    let bad = vec![text("tests/a.rs", "\nfn a() { std::thread::sleep(b); }\n// thread::sleep\n".to_owned())];
    expect(&sleeping(&bad), &[("tests/a.rs:2", "nothing sleeps")]);
    let bad = vec![
        text("scripts/http-x.rhai", "const a = 1;".to_owned()),
        text("scripts/http-x-y.rhai", "/// Y.".to_owned()),
    ];
    let wanted = [("scripts/http-x.rhai:1", "begins with"), ("scripts/http-x.rhai:1", "is mentioned neither")];
    expect(&unexplained(&bad, "see `http-x-y`"), &wanted);
}
