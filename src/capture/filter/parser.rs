//! Words to meaning: how terms are joined, and which qualifiers a term takes over from the one before.
//!
//! `and` and `or` bind alike and join from left to right, `not` binds closer. A term that is a bare address, port or number
//! takes the qualifiers of the term before it: `port 80 or 443`.

use super::arithmetic::is_operator;
use super::ast::{Expr, Joint};
use super::error::Fault;
use super::lexer::{self, Kind, Token};
use super::names;
use super::primitive::Qualifiers;

/// Most parentheses, brackets and negations within each other.
const DEEPEST: u32 = 64;

pub(super) struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    /// For each opening parenthesis, where its partner is.
    partners: Vec<usize>,
    next: usize,
    depth: u32,
    /// Operators of the relation being read.
    pub(super) operators: u32,
    /// VLAN tags the text so far says there are.
    pub(super) tags: u32,
    end: usize,
}

pub(super) fn parse(text: &str) -> Result<Expr, Fault> {
    let tokens = lexer::tokens(text)?;
    if tokens.is_empty() {
        return Ok(Expr::Everything);
    }
    let partners = partners(&tokens);
    let mut parser = Parser { tokens, partners, next: 0, depth: 0, operators: 0, tags: 0, end: text.trim_end().len() };
    let (expr, _) = parser.expression(None)?;
    match parser.peek() {
        None => Ok(expr),
        Some(token) if token.text == ")" => Err(Fault::new(token.at, "this parenthesis closes nothing")),
        Some(token) => Err(Fault::new(token.at, format!("expected `and`, `or` or the end, not `{}`", token.text))),
    }
}

fn partners(tokens: &[Token<'_>]) -> Vec<usize> {
    let mut partners = vec![usize::MAX; tokens.len()];
    let mut open = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "(" => open.push(at),
            ")" => {
                if let Some(place) = open.pop().and_then(|from: usize| partners.get_mut(from)) {
                    *place = at;
                }
            }
            _ => {}
        }
    }
    partners
}

impl<'a> Parser<'a> {
    /// Terms joined by `and` and `or`. Returns what the last one leaves for bare terms after it.
    fn expression(&mut self, before: Option<Qualifiers>) -> Result<(Expr, Option<Qualifiers>), Fault> {
        let (mut expr, mut left) = self.term(before)?;
        while let Some(joint) = self.joint() {
            let (next, leaves) = self.term(left)?;
            expr = expr.join(joint, next);
            left = leaves;
        }
        Ok((expr, left))
    }

    pub(super) fn joint(&mut self) -> Option<Joint> {
        let joint = match self.peek()? {
            Token { text: "and", kind: Kind::Word, .. } | Token { text: "&&", .. } => Joint::And,
            Token { text: "or", kind: Kind::Word, .. } | Token { text: "||", .. } => Joint::Or,
            _ => return None,
        };
        self.next += 1;
        Some(joint)
    }

    fn term(&mut self, before: Option<Qualifiers>) -> Result<(Expr, Option<Qualifiers>), Fault> {
        let negated = self.negations();
        let (expr, leaves) = self.plain_term(before)?;
        Ok((if negated { expr.negate() } else { expr }, leaves))
    }

    /// Reads `not`s and says whether they negate.
    pub(super) fn negations(&mut self) -> bool {
        let mut negated = false;
        while self.take("!") || self.take("not") {
            negated = !negated;
        }
        negated
    }

    fn plain_term(&mut self, before: Option<Qualifiers>) -> Result<(Expr, Option<Qualifiers>), Fault> {
        let token = self.peek().ok_or_else(|| self.missing("a condition"))?;
        if self.is_arithmetic(token) {
            return Ok((Expr::Test(self.relation()?), None));
        }
        if token.text == "(" && token.kind == Kind::Sign {
            self.next += 1;
            let (expr, _) = self.nested(|parser| parser.expression(before))?;
            self.close(token)?;
            return Ok((expr, before));
        }
        match token.kind {
            Kind::Sign => Err(Fault::new(token.at, format!("expected a condition, not `{}`", token.text))),
            Kind::Name => Ok((self.identifier(before)?, before)),
            Kind::Word => self.condition(token, before),
        }
    }

    /// Whether a relation begins here: a number or a parenthesis does if an operator comes after it.
    fn is_arithmetic(&self, token: Token<'a>) -> bool {
        let sign_at = |at: usize| self.tokens.get(at).is_some_and(|t| t.kind == Kind::Sign && is_operator(t.text));
        match token.kind {
            Kind::Sign if token.text == "(" => {
                self.partners.get(self.next).is_some_and(|end| *end != usize::MAX && sign_at(end + 1))
            }
            Kind::Sign => token.text == "-",
            Kind::Name => false,
            Kind::Word => {
                let bracket = self.tokens.get(self.next + 1).is_some_and(|t| t.text == "[");
                let number = matches!(lexer::number(token.text), Some(Ok(_)));
                bracket
                    || token.text == "len"
                    || names::constant(token.text).is_some()
                    || number && sign_at(self.next + 1)
            }
        }
    }

    /// Runs `inner` one level deeper.
    pub(super) fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth >= DEEPEST {
            let at = self.peek().map_or(self.end, |token| token.at);
            return Err(Fault::new(at, format!("nested deeper than {DEEPEST} levels")));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// The parenthesis or bracket that `open` waits for.
    pub(super) fn close(&mut self, open: Token<'a>) -> Result<(), Fault> {
        let sign = if open.text == "[" { "]" } else { ")" };
        if self.take(sign) {
            return Ok(());
        }
        match self.peek() {
            None => Err(Fault::new(open.at, format!("this `{}` is not closed", open.text))),
            Some(token) => Err(Fault::new(token.at, format!("expected `{sign}`, not `{}`", token.text))),
        }
    }

    pub(super) fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).copied()
    }

    /// The token after the next.
    pub(super) fn peek_second(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next + 1).copied()
    }

    pub(super) fn advance(&mut self) {
        self.next += 1;
    }

    /// Steps over the word or sign `text`, if it comes next.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let there = self.peek().is_some_and(|token| token.text == text && token.kind != Kind::Name);
        self.next += usize::from(there);
        there
    }

    /// The next word, whatever it is.
    pub(super) fn word(&mut self, what: &str) -> Result<Token<'a>, Fault> {
        match self.peek() {
            Some(token) if token.kind != Kind::Sign => {
                self.next += 1;
                Ok(token)
            }
            Some(token) => Err(Fault::new(token.at, format!("expected {what}, not `{}`", token.text))),
            None => Err(self.missing(what)),
        }
    }

    pub(super) fn missing(&self, what: &str) -> Fault {
        Fault::new(self.end, format!("expected {what}; the filter ends here"))
    }
}
