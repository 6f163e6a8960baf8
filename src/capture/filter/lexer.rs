//! Text to words and signs.

use super::error::Fault;

/// Longest text of a filter, in bytes.
const LONGEST: usize = 65_536;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// The word or the sign itself; a word behind a backslash comes without it.
    pub text: &'a str,
    pub kind: Kind,
    /// Byte offset.
    pub at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    /// A word behind a backslash: a name, never a keyword.
    Name,
    Sign,
}

/// Longer ones first.
const SIGNS: [&str; 24] = [
    "&&", "||", "<<", ">>", "<=", ">=", "==", "!=", "(", ")", "[", "]", ":", "+", "-", "*", "/", "%", "&", "|", "^",
    "<", ">", "=",
];

pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, Fault> {
    if text.len() > LONGEST {
        return Err(Fault::new(LONGEST, format!("the filter is {} bytes long; {LONGEST} are the most", text.len())));
    }
    let mut tokens = Vec::new();
    // Inside brackets a colon parts offset and size, outside it belongs to an address.
    let mut brackets = 0u32;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let spaces = rest.len() - rest.trim_start().len();
        if spaces > 0 {
            at += spaces;
            continue;
        }
        let (kind, from, length) = one(rest, brackets > 0)
            .ok_or_else(|| Fault::new(at, format!("{:?} means nothing here", rest.chars().next().unwrap_or(' '))))?;
        let text = rest.get(from..from + length).unwrap_or_default();
        match text {
            "[" => brackets += 1,
            "]" => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        tokens.push(Token { text, kind, at });
        at += from + length;
    }
    Ok(tokens)
}

/// The token `rest` begins with: its kind, where it begins, its length.
fn one(rest: &str, in_brackets: bool) -> Option<(Kind, usize, usize)> {
    let escaped = usize::from(rest.starts_with('\\'));
    let length = word(rest.get(escaped..)?, in_brackets);
    if length > 0 {
        return Some((if escaped > 0 { Kind::Name } else { Kind::Word }, escaped, length));
    }
    let sign = SIGNS.iter().chain(&["!"]).find(|sign| rest.starts_with(**sign))?;
    Some((Kind::Sign, 0, sign.len()))
}

/// Bytes of the word `rest` begins with, 0 if it begins with none.
fn word(rest: &str, in_brackets: bool) -> usize {
    let begins = rest.starts_with(|c: char| c.is_ascii_alphanumeric()) || !in_brackets && rest.starts_with("::");
    if !begins {
        return 0;
    }
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') || c == ':' && !in_brackets;
    let length = rest.find(|c| !inner(c)).unwrap_or(rest.len());
    // A sign that ends a word is a minus.
    rest.get(..length).map_or(0, |word| word.trim_end_matches('-').len())
}

/// A number as C writes it: decimal, `0x…`, or octal behind a zero. None for a word that does not begin like one.
pub(super) fn number(word: &str) -> Option<Result<u32, String>> {
    let (digits, radix) = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if word.len() > 1 && word.starts_with('0') => (word, 8),
        None => (word, 10),
    };
    // An octal number with an 8 is a wrong number, not a name.
    let seeming = if radix == 8 { 10 } else { radix };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(seeming)) {
        return None;
    }
    Some(match u32::from_str_radix(digits, radix) {
        Ok(number) => Ok(number),
        Err(_) if digits.chars().all(|c| c.is_digit(radix)) => Err(format!("{word} does not fit into 32 bits")),
        Err(_) => Err(format!("{word} begins with a zero, so it is octal, and has a digit above 7")),
    })
}
