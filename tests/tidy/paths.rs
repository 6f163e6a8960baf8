//! The paths a file names inside the crate: `crate::…`, `super::…`, trees of `use`, with the line of each.

use super::lexer::{self, Token};
use super::source::Source;

/// What a file names, from the crate's root on; a glob ends in `*`.
pub fn named(source: &Source) -> Vec<(Vec<String>, usize)> {
    let tokens = source.tokens();
    let inline = inline_modules(&tokens);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let begins = at == 0 || tokens[at - 1].text != "::";
        let goes_on = tokens.get(at + 1).is_some_and(|next| next.text == "::");
        if !begins || !goes_on {
            continue;
        }
        match token.text {
            "crate" => tree(&tokens, at + 2, Vec::new(), &mut found),
            // What the program file calls the library.
            "sonde" if source.room() == "main" => tree(&tokens, at + 2, Vec::new(), &mut found),
            "super" => {
                let inner = inline.iter().filter(|(_, from, to)| (*from..*to).contains(&at)).map(|(name, ..)| *name);
                let module = source.module().into_iter().chain(inner).map(str::to_owned).collect();
                tree(&tokens, at, module, &mut found);
            }
            _ => {}
        }
    }
    found
}

/// Modules written out in the file: name, first and last token of the body.
fn inline_modules<'a>(tokens: &[Token<'a>]) -> Vec<(&'a str, usize, usize)> {
    let is_module = |(at, window): (usize, &[Token<'a>])| {
        (window[0].text == "mod" && window[2].text == "{").then(|| (window[1].text, at, lexer::closing(tokens, at + 2)))
    };
    tokens.windows(3).enumerate().filter_map(is_module).collect()
}

/// Follows one path, or a tree of them, from `at`.
fn tree(tokens: &[Token<'_>], at: usize, mut path: Vec<String>, found: &mut Vec<(Vec<String>, usize)>) {
    let Some(token) = tokens.get(at) else { return };
    match token.text {
        "{" => {
            let end = lexer::closing(tokens, at) - 1;
            let mut branch = at + 1;
            while branch < end {
                tree(tokens, branch, path.clone(), found);
                branch = branch_end(tokens, branch, end) + 1;
            }
        }
        "self" => found.push((path, token.line)),
        "super" => {
            path.pop();
            match tokens.get(at + 1) {
                Some(next) if next.text == "::" => tree(tokens, at + 2, path, found),
                _ => found.push((path, token.line)),
            }
        }
        word => {
            path.push(word.to_owned());
            let goes_on = tokens.get(at + 1).is_some_and(|next| next.text == "::");
            let inner = tokens.get(at + 2).is_some_and(|next| next.text != "<");
            if goes_on && inner { tree(tokens, at + 2, path, found) } else { found.push((path, token.line)) }
        }
    }
}

/// The comma after the branch that begins at `at`, or `end`.
fn branch_end(tokens: &[Token<'_>], mut at: usize, end: usize) -> usize {
    while at < end && tokens[at].text != "," {
        at = if tokens[at].text == "{" { lexer::closing(tokens, at) } else { at + 1 };
    }
    at
}

#[test]
fn every_way_to_write_a_path_is_followed() {
    let text = "use crate::model::{self, port::{Port, State}, Host as H};
        use super::{outputs, udp::{a, b}};
        use super::super::scan::*;
        mod inner { use super::super::tcp; use super::x; }
        fn a() { crate::error::f::<u8>(); pub(in crate::net) ; mycrate::y; }";
    let source = Source::new("src/net/live/tcp.rs", text);
    let paths: Vec<String> = named(&source).iter().map(|(path, line)| format!("{line} {}", path.join("::"))).collect();
    let wanted = [
        "1 model",
        "1 model::port::Port",
        "1 model::port::State",
        "1 model::Host",
        "2 net::live::outputs",
        "2 net::live::udp::a",
        "2 net::live::udp::b",
        "3 net::scan::*",
        "4 net::live::tcp",
        "4 net::live::tcp::x",
        "5 error::f",
        "5 net",
    ];
    assert_eq!(paths, wanted);
}
